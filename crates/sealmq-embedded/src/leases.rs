//! What a group's lease waits for (spec/keys.md §8).

use sealmq_keys::group::LeaseClaim;
use sealmq_keys::objects::LEASE_NONCE_LEN;

/// Nonces that wait for an answer.
const NONCES: usize = 2;

/// A nonce, its number, and when it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) nonce: [u8; LEASE_NONCE_LEN],
    pub(crate) number: u64,
    pub(crate) made_at: u64,
}

pub(crate) struct Leases {
    /// The newest first.
    pub(crate) nonces: [Option<Asked>; NONCES],
    /// The newest one was not published yet.
    pub(crate) to_send: bool,
    pub(crate) asked_at: Option<u64>,
    /// A heartbeat of a later epoch.
    pub(crate) held: Option<(LeaseClaim, u64)>,
    /// An answer that names a later epoch.
    pub(crate) answer: Option<(LeaseClaim, u64)>,
}

impl Leases {
    pub(crate) const NONE: Self = Self {
        nonces: [None; NONCES],
        to_send: false,
        asked_at: None,
        held: None,
        answer: None,
    };

    pub(crate) fn newest(&self) -> Option<&Asked> {
        self.nonces.first()?.as_ref()
    }

    pub(crate) const fn forget_claims(&mut self) {
        self.held = None;
        self.answer = None;
    }

    pub(crate) fn take(&mut self, nonce: &[u8; LEASE_NONCE_LEN]) -> Option<Asked> {
        let is_it = |asked: &&mut Option<Asked>| asked.is_some_and(|asked| asked.nonce == *nonce);
        self.nonces.iter_mut().find(is_it)?.take()
    }
}
