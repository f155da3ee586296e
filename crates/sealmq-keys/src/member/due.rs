use super::Member;
use super::groups::Group;
use super::left_out::LeftOut;

/// While something is on its way: milliseconds between two looks.
const BUSY: u64 = 500;
/// While nothing is: packages, credentials and delegations end by the day.
const IDLE: u64 = 60_000;

impl Member {
    /// Milliseconds after the last [`Member::tick`] and [`Member::maintain`] until the next are
    /// due. It gets shorter by what was handled, opened and sealed since, so ask after those.
    #[must_use]
    pub fn next_due(&self) -> u64 {
        if self.is_busy() {
            return BUSY;
        }
        let Some(uptime) = self.uptime else {
            return IDLE;
        };
        // On a device without a clock, that a nonce has to be sent.
        let nonces = self.groups.values().filter_map(Group::nonce_due_at);
        let nonce = nonces.min().map_or(IDLE, |at| at.saturating_sub(uptime));
        nonce.clamp(BUSY, IDLE)
    }

    /// Whether something waits, is missing, or was not looked at.
    fn is_busy(&self) -> bool {
        let undecided = |left_out: &LeftOut| left_out.removed.is_none();
        let group = |group: &Group| {
            group.wanted.is_some()
                || group.leases.behind.is_some()
                || group.chunks.missing().next().is_some()
                || group.refusals.misses_chunks()
                || group.left_out.as_ref().is_some_and(undecided)
                || (group.current().is_some() && !group.refused_is_known())
                || group.lacks_welcome(self.delegation.serial())
                || self.awaits_announcement(group)
        };
        self.stirred
            || self.replenish
            || self.random_failed
            || !self.pending.is_empty()
            || self.reader.has_unsaved()
            || self.own_end().is_none()
            || self.groups.values().any(group)
    }
}
