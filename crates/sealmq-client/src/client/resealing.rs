//! The application's own retained values, when the keys for state change.

use rand_core::TryCryptoRng;
use sealmq_keys::Changes;

use super::Client;
use crate::draft::Draft;
use crate::outbox::{Accepted, Content};
use crate::time::Time;

impl Client {
    /// Queues the values whose keys were replaced.
    pub(super) fn seal_again(&mut self) {
        let member = &self.member;
        for topic in self.values.take_due(|topic| member.kept_on(topic)) {
            self.outbox.push(Accepted {
                content: Content::Value(topic),
                id: None,
                expires: None,
                until: None,
                value: None,
                is_stored: false,
                is_again: false,
            });
        }
    }

    /// A value's turn has come: seals the newest one, if none was sealed since.
    pub(super) fn next_value(&mut self, topic: &str, time: Time, rng: &mut impl TryCryptoRng) {
        let Some(mut draft) = self.values.queued(topic, time) else {
            self.outbox.drop_next();
            return;
        };
        match self.seal(&mut draft, time, rng) {
            Ok(packet) => self.sealed(packet),
            Err(_) => {
                // Said when it was published, or by the events of key management.
                self.outbox.drop_next();
                self.values.put_back(topic);
            }
        }
    }

    /// A message was sealed: if it is a retained value, it is the newest of its topic.
    pub(super) fn note_value(
        &mut self,
        draft: &Draft,
        time: Time,
        changes: &mut Changes,
    ) -> Option<u64> {
        if !draft.retain || draft.will {
            return None;
        }
        let kept = self.member.kept_on(&draft.topic);
        self.values.sealed(draft, kept, time, changes)
    }

    /// Another member's value has taken the place of the own one: sealed again, that would take it
    /// back.
    pub(super) fn give_way(&mut self, topic: &str) {
        let mut changes = Changes::new();
        self.values.forget(topic, &mut changes);
        self.commit(changes);
    }
}
