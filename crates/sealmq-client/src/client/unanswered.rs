//! A broker that took a publish and does not answer: MQTT lets nobody send it again on the same
//! connection, and it holds its slot until there is a new one.

use super::Client;
use crate::limits::BrokerLimit;
use crate::output::Output;
use crate::time::Time;

/// How long the broker may take to answer a publish, in milliseconds.
const PATIENCE: u64 = 60_000;
/// And at most, where connecting again does not help.
const MOST_PATIENCE: u64 = 3_600_000;

/// Of one client.
pub(super) struct Patience(u64);

impl Default for Patience {
    fn default() -> Self {
        Self(PATIENCE)
    }
}

impl Client {
    /// When the first publish that is on its way has waited long enough.
    pub(super) fn unanswered_until(&self) -> Option<u64> {
        let since = self.outbox.on_way_since().filter(|_| self.may_send())?;
        Some(since.saturating_add(self.patience.0))
    }

    /// Connects again, so that what is unanswered is sent again. Each time in a row that the broker
    /// does not answer it is given twice as long.
    pub(super) fn look_for_answers(&mut self, time: Time) {
        let over = |until| until <= time.uptime;
        if !self.unanswered_until().is_some_and(over) || self.is_going() {
            return;
        }
        self.patience.0 = self.patience.0.saturating_mul(2).min(MOST_PATIENCE);
        self.tell_limit(BrokerLimit::Unanswered);
        self.push(Output::Disconnect);
    }

    /// A publish was answered.
    pub(super) fn answered(&mut self) {
        if !self.outbox.is_on_way() {
            self.patience = Patience::default();
        }
    }
}
