//! What a device knows on its way to becoming a member.

use sealmq_core::crypto::{Secret, VerifyingKey};
use sealmq_embedded::{Bytes, Clock, Way};
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::TOKEN_ID_LEN;

/// Longest delegation, and longest credential.
pub(super) const OBJECT: usize = 512;
/// Milliseconds until a request that was not answered goes out again; then twice as long, and so on.
const FIRST_PAUSE: u64 = 10_000;
const LONGEST_PAUSE: u64 = 60_000;

/// What is known on the way.
pub(super) struct Asking {
    pub(super) pinned: Option<Pinned>,
    delegation: [u8; OBJECT],
    delegation_len: usize,
    /// The request is to go out.
    pub(super) is_due: bool,
    again: Option<u64>,
    pause: u64,
    /// The answered request is to be cleared there.
    pub(super) clear: Option<ReservedTopic>,
}

/// What the token says.
pub(super) struct Pinned {
    pub(super) root_key: VerifyingKey,
    pub(super) id: [u8; TOKEN_ID_LEN],
    pub(super) secret: Secret,
    pub(super) serial: u32,
    pub(super) prefix: Bytes<96>,
    pub(super) name: Bytes<64>,
}

impl Pinned {
    pub(super) fn way(&self) -> Way<'_> {
        Way {
            root_key: self.root_key,
            serial: self.serial,
            token: Some((&self.id, &self.secret)),
            name: self.name.as_str(),
        }
    }
}

impl Asking {
    pub(super) const fn new() -> Self {
        Self {
            pinned: None,
            delegation: [0; OBJECT],
            delegation_len: 0,
            is_due: false,
            again: None,
            pause: FIRST_PAUSE,
            clear: None,
        }
    }

    pub(super) fn prefix(&self) -> &str {
        self.pinned.as_ref().map_or("", |p| p.prefix.as_str())
    }

    pub(super) fn delegation(&self) -> &[u8] {
        self.delegation
            .get(..self.delegation_len)
            .unwrap_or_default()
    }

    /// Keeps a delegation for which a request can be made.
    pub(super) fn keep(&mut self, delegation: &[u8]) {
        if let Some(room) = self.delegation.get_mut(..delegation.len()) {
            room.copy_from_slice(delegation);
            self.delegation_len = delegation.len();
            self.is_due = true;
        }
    }

    /// A connection began: the delegation comes again.
    pub(super) const fn connected(&mut self) {
        (self.is_due, self.again) = (false, None);
        self.pause = FIRST_PAUSE;
    }

    pub(super) fn tick(&mut self, clock: Clock) {
        if self.again.is_some_and(|at| clock.uptime >= Some(at)) {
            (self.is_due, self.again) = (true, None);
        }
    }

    pub(super) fn went_out(&mut self, clock: Clock) {
        self.is_due = false;
        self.again = clock.uptime.map(|now| now.saturating_add(self.pause));
        self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}
