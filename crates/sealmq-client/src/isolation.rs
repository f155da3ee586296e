//! One message that ends every connection must not take the others along: how connections end, and
//! what else may have been the reason. The outbox keeps the books on messages.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use crate::wire::Wire;

/// How a connection ended, as far as that says something about what was on its way. The texts are
/// the library's words, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Not because of a message: it could not be made, timed out, or the broker went away for a
    /// reason of its own.
    Unrelated,
    /// The broker says that another connection with this client id took its place.
    TakenOver,
    /// It broke, or the broker closed it, without a word.
    Silent(String),
    /// The broker complained about a packet, or answered one with something that the library cannot
    /// read.
    Complaint(String),
    /// The broker answered a publish, or released one of its own, with a reason code that the
    /// library cannot read.
    Acknowledgement(u8),
    /// It answered a SUBSCRIBE or an UNSUBSCRIBE with such a code.
    SubscribeAnswer(u8),
}

impl Ending {
    pub(crate) const fn subscribe_answer(&self) -> Option<u8> {
        match self {
            Self::SubscribeAnswer(code) => Some(*code),
            _ => None,
        }
    }
}

/// So many connections in a row have to end by what the broker says of its own session.
const ENOUGH: u8 = 3;

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
    /// QoS 2 messages of the broker's that have PUBREC and no PUBREL yet.
    releases: BTreeSet<u16>,
    /// How often in a row a connection ended by what cannot have been about an own message.
    strikes: u8,
    /// The next connection begins with a new session.
    pub(crate) fresh_session: bool,
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

    /// PUBREC goes out.
    pub(crate) fn received(&mut self, packet: u16) {
        self.releases.insert(packet);
    }

    /// PUBREL came, and could be read.
    pub(crate) fn released(&mut self, packet: u16) {
        self.releases.remove(&packet);
        self.strikes = 0;
    }

    /// Whether an answer that cannot be read may be a PUBREL.
    pub(crate) fn awaits_releases(&self) -> bool {
        !self.releases.is_empty()
    }

    /// The broker has nothing of before.
    pub(crate) fn new_session(&mut self) {
        self.releases.clear();
        (self.strikes, self.fresh_session) = (0, false);
    }

    /// A connection ended by the broker's own session. Whether that is clear now.
    pub(crate) const fn session_ends_connections(&mut self) -> bool {
        self.strikes = self.strikes.saturating_add(1);
        self.fresh_session = self.strikes >= ENOUGH;
        self.fresh_session
    }

    /// An object of key management that is not sent again by this process.
    pub(crate) fn ends_connections(&self, wire: &Wire) -> bool {
        let known = self.given_up.get(&wire.topic);
        known.is_some_and(|size| wire.payload.len() >= *size)
    }
}
