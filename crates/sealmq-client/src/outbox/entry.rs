use super::accepted::Accepted;
use crate::published::{PublishResult, ReasonCode};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Queued,
    /// Given to the driver, not written yet.
    Handed,
    /// Written under this packet identifier.
    Sent(u16),
    /// QoS 2: the broker has it (PUBREC).
    Released(u16),
}

pub(super) struct Entry {
    pub(super) message: Accepted,
    pub(super) state: State,
    /// By PUBREC.
    pub(super) said: ReasonCode,
}

impl Entry {
    pub(super) fn queued(message: Accepted) -> Self {
        Self {
            message,
            state: State::Queued,
            said: ReasonCode::default(),
        }
    }

    /// By the last word of the broker; PUBCOMP, as a rule, has nothing to add to PUBREC.
    pub(super) fn acknowledged(&self, last: ReasonCode) -> PublishResult {
        PublishResult::Acknowledged(match last {
            ReasonCode::SUCCESS => self.said,
            said => said,
        })
    }
}

/// What the broker knows when a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    New,
    /// Of an earlier connection of this outbox.
    Resumed,
    /// Of an earlier process with the same client identifier. Its QoS 2 messages may stand
    /// half-way under identifiers that are used again now: they are released first, or the broker
    /// would take new messages for repetitions.
    Inherited,
}
