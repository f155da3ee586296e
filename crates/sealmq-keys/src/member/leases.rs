use alloc::vec::Vec;

use crate::asking::Asking;
use crate::group::LeaseClaim;
use crate::heartbeat::VerifiedHeartbeat;
use crate::nonce_answer::LEASE_NONCE_LEN;

/// What a group knows of its leases beside the state.
#[derive(Default)]
pub(super) struct Leases {
    /// The heartbeat for an announcement that was not followed yet.
    pub(super) held: Option<(VerifiedHeartbeat, Vec<u8>)>,
    /// The answer for an announcement that was not followed yet, and when its nonce was made.
    pub(super) answer: Option<(LeaseClaim, u64)>,
    /// Nonces without an answer, and when they were made in ms of uptime; the oldest first.
    pub(super) nonces: Vec<([u8; LEASE_NONCE_LEN], u64)>,
    pub(super) asked_at: Option<u64>,
    /// An announcement that is known to exist, and has not come.
    pub(super) behind: Option<u64>,
    pub(super) asking_behind: Asking,
}

impl Leases {
    /// What a key of an older delegation said counts no more.
    pub(super) fn forget_claims(&mut self) {
        self.held = None;
        self.answer = None;
        self.behind = None;
    }
}
