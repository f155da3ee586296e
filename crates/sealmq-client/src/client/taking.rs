//! What the application takes. After a crash the broker delivers again what it had not taken, so the
//! replay windows must not be stored with that: a snapshot of them waits until everything that it
//! covers was taken, and what comes meanwhile, if it is too much, waits unopened.

use super::{Client, Incoming, Life};
use crate::event::Event;
use crate::output::{DeliveryId, Output};
use crate::time::Time;

impl Client {
    /// The application has taken an event, in their order: its message may be acknowledged, and after
    /// a crash it need not come again. What it takes after [`disconnect`](Self::disconnect) is not
    /// acknowledged: a session that survives delivers it again.
    pub fn handle_delivered(&mut self, delivery: DeliveryId) {
        if self.closing.is_some() {
            return;
        }
        self.inbox.take();
        self.push(Output::Acknowledge(delivery));
    }

    /// Bytes of messages that wait unopened, because the application has not taken those before.
    #[must_use]
    pub const fn unopened(&self) -> usize {
        self.inbox.bytes()
    }

    /// An event with which a delivery is acknowledged, once it was taken.
    pub(super) fn give(&mut self, event: Event, delivery: Option<DeliveryId>) {
        if delivery.is_some() {
            self.inbox.give();
        }
        self.push(Output::Event(event, delivery));
    }

    /// Opens a message, or lets it wait.
    pub(super) fn take_in(&mut self, message: Incoming, delivery: Option<DeliveryId>, time: Time) {
        if self.opens_at_once() {
            return self.receive(message, delivery, time);
        }
        let texts = message.topic.len().saturating_add(message.payload.len());
        let bytes = texts.saturating_add(size_of::<Incoming>());
        self.inbox.push(message, delivery, bytes);
    }

    /// Whether a message that comes now is opened, or waits.
    pub(super) fn opens_at_once(&self) -> bool {
        self.inbox.is_empty() && !self.member.is_full()
    }

    /// Opens the next one that waits, if it may be opened now.
    pub(super) fn open_next(&mut self, time: Time) -> bool {
        if self.member.is_full() {
            return false;
        }
        let Some((message, delivery)) = self.inbox.pop() else {
            return false;
        };
        self.receive(message, delivery, time);
        true
    }

    /// Stores the snapshot that waits, if the application has everything that it covers.
    pub(super) fn store_snapshot(&mut self) {
        if !self.member.has_snapshot() {
            self.inbox.uncover();
        } else if self.inbox.covered_is_taken() && self.life == Life::Running {
            self.inbox.uncover();
            let changes = self.member.take_snapshot();
            self.commit(changes);
        }
    }
}
