//! Acknowledgements that are held back while their messages wait.

use super::Client;
use crate::output::{DeliveryId, Output};
use crate::time::Time;

/// Waiting messages that keep their acknowledgement back. Beyond, they are acknowledged early:
/// brokers stop sending (Mosquitto after 20) while too many are open, and the credential that
/// the messages wait for comes on the same way.
const MAX_HELD: usize = 8;
/// Some brokers have fewer open and do not say so: ejabberd has one. If for so long nothing comes
/// that would have to be acknowledged, it is taken that the broker waits for acknowledgements, and
/// none is held back on this connection any more.
const STALLED_AFTER: u64 = 1_000;

impl Client {
    /// What a message that begins to wait keeps back, and what is acknowledged now.
    pub(super) fn hold(
        &mut self,
        delivery: Option<DeliveryId>,
    ) -> (Option<DeliveryId>, Option<DeliveryId>) {
        let stalls = self.connection.as_ref().is_some_and(|c| c.stalls);
        if stalls || self.waiting.values().flatten().count() >= MAX_HELD {
            return (None, delivery);
        }
        if delivery.is_some() {
            self.held_at = Some(self.uptime);
        }
        (delivery, None)
    }

    /// The broker still delivers at QoS 1 or 2, whatever is held back.
    pub(super) fn not_stalled(&mut self) {
        if self.held_at.is_some() {
            self.held_at = Some(self.uptime);
        }
    }

    /// When what is held back is acknowledged although it waits.
    pub(super) fn held_until(&self) -> Option<u64> {
        Some(self.held_at?.saturating_add(STALLED_AFTER))
    }

    /// The messages go on waiting.
    pub(super) fn release_held(&mut self, time: Time) {
        if self.held_until().is_none_or(|until| until > time.uptime) {
            return;
        }
        self.held_at = None;
        let mut any = false;
        let held = self.waiting.values_mut().filter_map(Option::take);
        for delivery in held.collect::<alloc::vec::Vec<_>>() {
            self.push(Output::Acknowledge(delivery));
            any = true;
        }
        if let Some(connection) = &mut self.connection {
            connection.stalls |= any;
        }
    }
}
