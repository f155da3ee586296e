//! The short form: the record of a session is with the broker before its messages.

use alloc::vec::Vec;

use bytes::Bytes;
use rand_core::TryCryptoRng;
use sealmq_core::GroupId;
use sealmq_keys::member::OutgoingMessage;

use super::Client;
use crate::draft::Draft;
use crate::time::Time;
use crate::wire::Wire;

impl Client {
    pub(super) fn outgoing<'d>(&self, draft: &'d Draft) -> OutgoingMessage<'d> {
        draft.outgoing(self.announce_credential, self.short.is_on)
    }

    /// Whether the next message of the outbox, which this is, waits for the record of its session;
    /// then others go first.
    pub(super) fn waits_for_record(
        &mut self,
        draft: &Draft,
        time: Time,
        rng: &mut impl TryCryptoRng,
    ) -> bool {
        if !self.short.is_on {
            return false;
        }
        if self.release_impatient(time) {
            // What was set aside goes before this one.
            return true;
        }
        let message = self.outgoing(draft);
        // What is wrong with the message is said when it is sealed.
        let due = self.member.record_due(&message, time.clock, rng);
        let due = due.unwrap_or_default();
        let is_new = due.is_some();
        if let Some(due) = due {
            self.commit(due.changes);
            let wire = Wire::from(due.publication);
            if self.short.is_missing(due.group, &wire.payload) {
                self.publish_own(wire);
            }
        }
        let Some(group) = self.member.awaits_record(&draft.topic) else {
            return false;
        };
        if is_new {
            self.short.begin(group, time.uptime);
        }
        if !self.short.has_patience(group, time.uptime) {
            return false;
        }
        if let Some(order) = self.outbox.put_aside() {
            self.short.wait(group, order);
        }
        true
    }

    /// The broker has a message of key management.
    pub(super) fn own_arrived(&mut self, topic: &str, payload: &Bytes) {
        if let Some(group) = self.member.record_published(topic, payload) {
            self.short.settled(group);
            self.end_waiting(&[group]);
        }
    }

    /// The broker does not take a message of key management: nobody waits for a record.
    pub(super) fn own_refused(&mut self) {
        let groups = self.short.on_way();
        for group in &groups {
            self.short.settled(*group);
        }
        self.end_waiting(&groups);
    }

    /// Who has waited long enough for a record goes without; whether anybody has.
    pub(super) fn release_impatient(&mut self, time: Time) -> bool {
        let groups: Vec<GroupId> = self.short.over(time.uptime);
        self.end_waiting(&groups);
        !groups.is_empty()
    }

    fn end_waiting(&mut self, groups: &[GroupId]) {
        for group in groups {
            for order in self.short.release(*group) {
                self.outbox.take_up(order);
            }
        }
    }
}
