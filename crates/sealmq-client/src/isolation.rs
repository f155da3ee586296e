//! One message that ends every connection must not take the others along: how connections end, and
//! what else may have been the reason. The outbox keeps the books on messages.

use alloc::collections::BTreeMap;
use alloc::string::String;

use crate::wire::Wire;

/// How a connection ended, as far as that says something about what was on its way. The texts are
/// the library's words, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Not because of a message: it could not be made, timed out, was taken over, or the broker
    /// went away for a reason of its own.
    Unrelated,
    /// It broke, or the broker closed it, without a word.
    Silent(String),
    /// The broker complained about a packet, or answered one with something that the library cannot
    /// read.
    Complaint(String),
}

/// What a client keeps to find out which message it is.
#[derive(Default)]
pub(crate) struct Isolation {
    /// When the last publish was written.
    pub(crate) written: Option<u64>,
    /// SUBSCRIBE and UNSUBSCRIBE without an answer: they may be the reason as well.
    pub(crate) unanswered: usize,
    pub(crate) quiet_until: u64,
    /// What was said when the connection ended.
    pub(crate) words: String,
    /// Key management's own that were given up, with their size: it tries again on each connection.
    pub(crate) given_up: BTreeMap<String, usize>,
}

impl Isolation {
    pub(crate) const fn publish_written(&mut self, uptime: u64) {
        self.written = Some(uptime);
    }

    pub(crate) const fn subscribe_written(&mut self) {
        self.unanswered = self.unanswered.saturating_add(1);
    }

    pub(crate) const fn subscribe_answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// An object of key management that is not sent again by this process.
    pub(crate) fn ends_connections(&self, wire: &Wire) -> bool {
        let known = self.given_up.get(&wire.topic);
        known.is_some_and(|size| wire.payload.len() >= *size)
    }
}
