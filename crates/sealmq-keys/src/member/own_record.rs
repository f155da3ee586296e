use alloc::vec::Vec;

use crate::session_records::Due;

/// The record of this member's session for events in a group.
pub(super) struct OwnRecord {
    /// Number of the session.
    pub(super) number: u64,
    pub(super) payload: Vec<u8>,
    pub(super) is_published: bool,
    pub(super) due: Due,
}

impl OwnRecord {
    pub(super) const fn new(number: u64, payload: Vec<u8>) -> Self {
        Self {
            number,
            payload,
            is_published: false,
            due: Due::NEW,
        }
    }
}
