//! What becomes durable together: accepted messages, sealed ones, and what is over.

use alloc::vec::Vec;
use core::mem::take;

use rand_core::TryCryptoRng;
use sealmq_keys::{Changes, Store};

use super::Client;
use crate::draft::Draft;
use crate::error::OpenError;
use crate::outbox::{Accepted, Content, stored};
use crate::output::{Output, PublishId};
use crate::time::Time;
use crate::wire::Qos;

/// Messages that share a commit, at most.
const TOGETHER: usize = 64;

impl Client {
    /// Takes over what a process before this one accepted, whether or not this one stores.
    pub(super) fn load_outbox<S: Store>(&mut self, on: bool, store: &S) -> Result<(), OpenError> {
        self.unsaved.is_on = on;
        for (order, content, expires) in stored::load(store)? {
            let id = Some(self.ledger.accept());
            let message = Accepted {
                content,
                id,
                expires,
                until: None,
                value: None,
                is_stored: true,
                is_again: false,
            };
            self.outbox.push_at(order, message);
        }
        Ok(())
    }

    /// Whether a message has a record until the broker has it.
    pub(super) fn stores(&self, draft: &Draft) -> bool {
        self.unsaved.is_on && draft.qos != Qos::AtMostOnce
    }

    /// A message of the application was checked.
    pub(super) fn take(&mut self, draft: Draft, id: PublishId, until: Option<u64>) {
        let (is_stored, expires) = (self.stores(&draft), draft.expires);
        let content = Content::Draft(draft);
        if is_stored {
            let changes = &mut self.unsaved.changes;
            stored::put(self.outbox.next_place(), &content, expires, changes);
            self.unsaved.accepted.push(id);
        } else {
            self.push(Output::Accepted(id));
        }
        self.outbox.push(Accepted {
            content,
            id: Some(id),
            expires,
            until,
            value: None,
            is_stored,
            is_again: false,
        });
    }

    /// The next messages, as far as they may go out now, with one commit before all of them;
    /// whether there was anything.
    pub(super) fn fill(&mut self, time: Time, rng: &mut impl TryCryptoRng) -> bool {
        if !self.outbox.has_stored() && self.unsaved.accepted.is_empty() {
            return self.next_packet(time, rng);
        }
        let mut any = !self.unsaved.accepted.is_empty();
        for _ in 0..TOGETHER {
            if !self.next_packet(time, rng) {
                break;
            }
            any = true;
        }
        self.store_together();
        any
    }

    /// Everything in the queue comes after one commit: a commit may be earlier than it has to be.
    fn store_together(&mut self) {
        let commits = |output: &Output| matches!(output, Output::Commit(_));
        if self.unsaved.accepted.is_empty() && !self.queue.iter().any(commits) {
            return;
        }
        let outputs = take(&mut self.queue);
        let mut all = self.take_stored();
        let mut others = Vec::with_capacity(outputs.len());
        for output in outputs {
            match output {
                Output::Commit(changes) => all.follow(changes),
                output => others.push(output),
            }
        }
        self.commit(all);
        self.answer_accepted();
        self.queue.extend(others);
    }

    /// Now: what was accepted, and what is over.
    pub(super) fn store_all(&mut self) {
        self.note_ended();
        let changes = self.take_stored();
        self.commit(changes);
        self.answer_accepted();
    }

    fn take_stored(&mut self) -> Changes {
        self.unsaved.over = 0;
        take(&mut self.unsaved.changes)
    }

    fn answer_accepted(&mut self) {
        for id in take(&mut self.unsaved.accepted) {
            self.push(Output::Accepted(id));
        }
    }

    /// The records of messages that are over go with the next commit, which is soon.
    pub(super) fn forget_stored(&mut self) {
        let at_once = self.note_ended();
        if at_once || self.unsaved.over >= TOGETHER {
            self.store_all();
        } else if self.unsaved.over > 0 {
            self.stirred();
        }
    }

    /// Whether there is a retained one among them: sent again, it must not come after a newer one.
    fn note_ended(&mut self) -> bool {
        self.outbox.forget_recent(self.uptime);
        let mut any_retained = false;
        for (order, retain) in self.outbox.take_ended() {
            stored::delete(order, &mut self.unsaved.changes);
            self.unsaved.over = self.unsaved.over.saturating_add(1);
            any_retained |= retain;
        }
        any_retained
    }
}
