use sealmq_core::crypto::Digest;

use super::GroupState;
use super::error::Fork;
use super::follow::FIRST_SKEW;
use crate::heartbeat::HeartbeatFields;
use crate::nonce_answer::NonceAnswerFields;

/// Milliseconds between two nonces for one group.
const ASK_EVERY: u64 = 10_000;

/// What a verified heartbeat or nonce answer says of the group (spec/keys.md §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseClaim {
    /// The epoch of the newest announcement.
    pub epoch: u64,
    /// Its hash.
    pub announcement: Digest,
    /// Seconds that it is good for; counts as at most the policy's.
    pub lease: u32,
}

impl From<&HeartbeatFields> for LeaseClaim {
    fn from(heartbeat: &HeartbeatFields) -> Self {
        Self {
            epoch: heartbeat.epoch,
            announcement: heartbeat.announcement,
            lease: heartbeat.lease,
        }
    }
}

impl From<&NonceAnswerFields> for LeaseClaim {
    fn from(answer: &NonceAnswerFields) -> Self {
        Self {
            epoch: answer.epoch,
            announcement: answer.announcement,
            lease: answer.lease,
        }
    }
}

/// What a heartbeat or a nonce answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The newest announcement is good for longer: store the state.
    Renewed,
    /// Nothing: it is as good already, or the group has no leases.
    Known,
    /// It names an older announcement than the newest.
    Older,
    /// It names an announcement that was not followed yet: keep it until then.
    Ahead {
        /// The epoch to look for.
        epoch: u64,
    },
    /// It was issued in the future.
    Future,
    /// It names another announcement of a known epoch: raise an alarm and keep both objects.
    Fork(Fork),
}

impl GroupState {
    /// Until when publishers may seal, in Unix seconds: the newest announcement's not_after, and
    /// with leases the end of its lease or of the last heartbeat's, if that is earlier. `None`
    /// until the first announcement was followed.
    #[must_use]
    pub fn good_until(&self) -> Option<u64> {
        let newest = self.newest.as_ref()?;
        if newest.policy.lease == 0 {
            return Some(newest.not_after);
        }
        let own = newest
            .issued_at
            .saturating_add(u64::from(newest.policy.lease));
        Some(newest.not_after.min(own.max(self.renewed_until)))
    }

    /// Until when a device without a clock may seal in a group with leases, in ms of its uptime.
    /// `None`: never; ask with a nonce.
    #[must_use]
    pub const fn good_until_uptime(&self) -> Option<u64> {
        self.good_until_uptime
    }

    /// Counts a heartbeat whose signature was verified. `issued_at` and `now` (`None` without a
    /// clock) are Unix seconds. The state is changed by [`Renewal::Renewed`] only.
    pub fn renew(&mut self, claim: &LeaseClaim, issued_at: u64, now: Option<u64>) -> Renewal {
        let lease = match self.named(claim) {
            Ok(lease) => lease,
            Err(other) => return other,
        };
        let skew = self.policy().map_or(FIRST_SKEW, |policy| policy.skew);
        if now.is_some_and(|now| issued_at > now.saturating_add(u64::from(skew))) {
            return Renewal::Future;
        }
        let until = issued_at.saturating_add(lease);
        if lease == 0 || until <= self.renewed_until {
            return Renewal::Known;
        }
        self.renewed_until = until;
        Renewal::Renewed
    }

    /// Counts the answer to a nonce that was made at `made_at`, in ms of the device's uptime; that
    /// nonce, member and group are right is for the caller to check. The state is changed by
    /// [`Renewal::Renewed`] only, and nothing of that is stored.
    pub fn answered(&mut self, claim: &LeaseClaim, made_at: u64) -> Renewal {
        let lease = match self.named(claim) {
            Ok(lease) => lease,
            Err(other) => return other,
        };
        let until = made_at.saturating_add(lease.saturating_mul(1000));
        if lease == 0 || self.good_until_uptime.is_some_and(|known| until <= known) {
            return Renewal::Known;
        }
        self.good_until_uptime = Some(until);
        Renewal::Renewed
    }

    /// From when on a device without a clock asks for a lease, in ms of its uptime: when half of
    /// the last one is over, and not too soon after `asked_at`. `None` in a group without leases.
    #[must_use]
    pub fn nonce_due_at(&self, asked_at: Option<u64>) -> Option<u64> {
        let lease = self.policy()?.lease;
        if lease == 0 {
            return None;
        }
        let half = u64::from(lease).saturating_mul(500);
        let fresh = self.good_until_uptime.unwrap_or(0).saturating_sub(half);
        Some(fresh.max(asked_at.map_or(0, |at| at.saturating_add(ASK_EVERY))))
    }

    /// The lease in seconds if the newest announcement is named.
    fn named(&self, claim: &LeaseClaim) -> Result<u64, Renewal> {
        let current = self.current_epoch();
        let ahead = Renewal::Ahead { epoch: claim.epoch };
        let newest = self.newest.as_ref().ok_or(ahead)?;
        if claim.epoch > current {
            return Err(ahead);
        }
        match self.slots.get(claim.epoch) {
            Some(slot) if slot.hash != claim.announcement => Err(Renewal::Fork(Fork {
                epoch: claim.epoch,
                known: slot.hash,
                other: claim.announcement,
            })),
            Some(_) if claim.epoch == current => {
                Ok(u64::from(claim.lease.min(newest.policy.lease)))
            }
            _ => Err(Renewal::Older),
        }
    }
}
