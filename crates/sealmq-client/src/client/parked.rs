use crate::draft::Draft;
use crate::output::PublishId;

/// A message whose keys have not arrived.
pub(super) struct Parked {
    pub(super) draft: Draft,
    pub(super) id: PublishId,
    pub(super) until: u64,
    /// It was accepted, and has this place in the outbox.
    pub(super) order: Option<u64>,
}
