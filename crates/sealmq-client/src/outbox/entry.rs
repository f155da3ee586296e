use super::accepted::Accepted;

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
