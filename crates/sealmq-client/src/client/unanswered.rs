//! A broker that took a publish and does not answer: MQTT lets nobody send it again on the same
//! connection, and it holds its slot until there is a new one.

use super::Client;
use crate::limits::BrokerLimit;
use crate::output::Output;
use crate::patience::Patience;
use crate::time::Time;

impl Client {
    /// When the first publish that is on its way has waited long enough.
    pub(super) fn unanswered_until(&self) -> Option<u64> {
        let since = self.outbox.on_way_since().filter(|_| self.may_send())?;
        Some(since.saturating_add(self.patience.millis()))
    }

    /// Connects again, so that what is unanswered is sent again. Each time in a row that the broker
    /// does not answer it is given twice as long.
    pub(super) fn look_for_answers(&mut self, time: Time) {
        let over = |until| until <= time.uptime;
        if !self.unanswered_until().is_some_and(over) || self.is_going() {
            return;
        }
        self.patience.doubled();
        self.tell_limit(BrokerLimit::Unanswered);
        self.push(Output::Disconnect);
    }

    /// A publish was answered.
    pub(super) fn answered(&mut self) {
        if !self.outbox.is_on_way() {
            self.patience = Patience::new();
        }
    }
}
