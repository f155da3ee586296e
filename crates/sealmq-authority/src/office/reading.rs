//! How a connection begins, and what comes in then: first what is retained of the authority's own,
//! then what others retain.

use core::time::Duration;

use sealmq_keys::{ReservedTopic, authority_filters, retained_by_others};

use super::{Moment, Office, Phase};

/// After so long without a retained object the broker has sent what it retains. What others publish
/// meanwhile is none: it arrives without the flag.
const SILENCE: Duration = Duration::from_secs(1);
/// The longest that reading back may take.
const READ_BACK: Duration = Duration::from_secs(20);
/// How often everything is read back because more was to be put right than can be remembered.
const READ_AGAIN: Duration = Duration::from_secs(60);
impl Office {
    /// Subscribes what the authority reads. What this process missed is sent again by the broker,
    /// as far as it is retained.
    pub(super) fn listen(&mut self, now: Moment) {
        let at_last = now.elapsed.saturating_add(READ_BACK);
        self.phase = Phase::Reading {
            silent: at_last,
            at_last,
        };
        self.echoes.clear();
        self.counted.clear();
        self.deaf = false;
        self.read_at = Some(now.elapsed);
        let later = retained_by_others(&self.prefix);
        let mut filters = authority_filters(&self.prefix);
        filters.retain(|filter| !later.contains(filter));
        self.subscribe(&filters, true);
    }

    /// Everything of its own was read.
    pub(super) fn open(&mut self, now: Moment) {
        self.phase = Phase::Open;
        self.hear_others(now);
    }

    /// Subscribes what others retain, which the broker then sends, again if it did before.
    fn hear_others(&mut self, now: Moment) {
        let at_last = now.elapsed.saturating_add(READ_BACK);
        self.hears = Some((at_last, at_last));
        self.missed = None;
        self.subscribe(&retained_by_others(&self.prefix), true);
    }

    /// Has the broker send again what there was no room for.
    pub(super) fn look_again(&mut self, now: Moment) {
        if self.phase != Phase::Open {
            return;
        }
        if self.desk.take_missed() {
            self.missed = self.missed.or(Some(now.elapsed));
        }
        let waited = |since: Duration| now.elapsed.saturating_sub(since) >= SILENCE;
        if self.missed.is_some_and(waited) && self.hears.is_none() && self.desk.inputs() == 0 {
            self.hear_others(now);
        }
        let read_lately = |at: Duration| now.elapsed.saturating_sub(at) < READ_AGAIN;
        if self.desk.lost_count() && !self.read_at.is_some_and(read_lately) {
            self.desk.forget_lost();
            self.start_over();
            self.phase = Phase::Connected;
            self.next_look = now.elapsed;
        }
    }

    /// The broker begins to send, or still does.
    pub(super) fn not_silent(&mut self, now: Duration) {
        if let Phase::Reading { silent, at_last } = &mut self.phase {
            *silent = now.saturating_add(SILENCE).min(*at_last);
        }
        if let Some((silent, at_last)) = &mut self.hears {
            *silent = now.saturating_add(SILENCE).min(*at_last);
        }
    }

    /// What others write. What they retain is not even subscribed before everything was read.
    pub(super) fn hear(&mut self, now: Moment, topic: &str, of: &ReservedTopic, payload: &[u8]) {
        match of {
            ReservedTopic::Nonce(..) => self.desk.push(topic, of, payload, now.unix),
            _ if self.phase != Phase::Open => {}
            ReservedTopic::Join(device) => self.desk.push_join(*device, payload, now.unix),
            _ => self.desk.push(topic, of, payload, now.unix),
        }
    }
}
