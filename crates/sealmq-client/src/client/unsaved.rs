use alloc::vec::Vec;

use sealmq_keys::Changes;

use crate::output::PublishId;

/// What of the outbox is on its way into the store.
#[derive(Default)]
pub(super) struct Unsaved {
    /// Every message of QoS 1 and 2 that is accepted is stored.
    pub(super) is_on: bool,
    /// Accepted, and not committed yet.
    pub(super) accepted: Vec<PublishId>,
    pub(super) changes: Changes,
    /// Records of messages that are over. If they are still there when the process dies, those
    /// messages are sent again, the same bytes: readers drop them.
    pub(super) over: usize,
}
