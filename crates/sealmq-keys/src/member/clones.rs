//! Whether two devices use a sender's identity (spec/envelope.md §11): what is remembered of the
//! messages that verified, in memory only and bounded.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use sealmq_core::open::Sighting;
use sealmq_core::{CredentialOrder, GroupId, MemberNumber};

use super::event::SentMessage;
use super::types::Now;
use crate::objects::DevicesSign;

/// Sessions of a sender in a group that are remembered: those heard of last.
const MAX_SESSIONS: usize = 8;
/// Senders that were heard of last, and as many before them.
const MAX_SENDERS: usize = 2048;
/// Milliseconds before the same sender is told of again.
pub(super) const TELL_AGAIN: u64 = 86_400_000;
/// Milliseconds, by the sender's clock, within which a sender goes back twice.
const TURNS_WITHIN: u64 = 7 * 86_400_000;

type Key = (GroupId, MemberNumber);

/// Senders by group. A table that is full becomes the older one, whose senders come back when they
/// are heard of again.
#[derive(Default, Debug)]
pub struct Clones {
    heard: BTreeMap<Key, Heard>,
    older: BTreeMap<Key, Heard>,
}

/// Two messages that no single device sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// What told.
    pub what: DevicesSign,
    /// That of the higher session, of `Turns`.
    pub first: SentMessage,
    /// The later one.
    pub second: SentMessage,
}

#[derive(Default, Debug)]
struct Heard {
    credential: CredentialOrder,
    /// The last message of each, the session heard of last at the end.
    sessions: Vec<SentMessage>,
    events: Turns,
    state: Turns,
    /// What was told of it, and when; the inner `None` without a clock.
    told: Option<(DevicesSign, Now)>,
}

/// The messages of one kind, in the order of the times that the sender signed.
#[derive(Default, Debug)]
struct Turns {
    newest: Option<SentMessage>,
    /// `sent_at` of the last one that went back to a lower session.
    back: Option<u64>,
}

impl Clones {
    /// Whether a message that is refused would be a sign, or a step towards one, if it verified.
    pub(super) fn would_tell(&self, sighting: &Sighting, now: Now) -> bool {
        let key = (sighting.group, sighting.member);
        let heard = self.heard.get(&key).or_else(|| self.older.get(&key));
        heard.is_some_and(|heard| heard.would_tell(sighting, now))
    }

    /// Takes note of a message that verified; `recorded`: another session of its number that is
    /// remembered for longer. A sign, unless the sender was told of a short time ago.
    pub fn see(
        &mut self,
        sighting: &Sighting,
        recorded: Option<SentMessage>,
        now: Now,
    ) -> Option<Sign> {
        let key = (sighting.group, sighting.member);
        if !self.heard.contains_key(&key) {
            if self.heard.len() >= MAX_SENDERS {
                self.older = core::mem::take(&mut self.heard);
            }
            let heard = self.older.remove(&key).unwrap_or_default();
            self.heard.insert(key, heard);
        }
        self.heard.get_mut(&key)?.see(sighting, recorded, now)
    }
}

impl Heard {
    fn would_tell(&self, sighting: &Sighting, now: Now) -> bool {
        if sighting.credential != self.credential {
            return false;
        }
        let message = SentMessage::of(sighting);
        let shared = self.shares_number(&message).is_some();
        let turns = sighting.is_in_turn && self.turns(sighting.is_state).goes_back(&message);
        (shared && !self.was_told(DevicesSign::SharedNumber, now))
            || (turns && !self.was_told(DevicesSign::Turns, now))
    }

    fn see(
        &mut self,
        sighting: &Sighting,
        recorded: Option<SentMessage>,
        now: Now,
    ) -> Option<Sign> {
        // Numbers may begin again with a credential; of an older one only late messages come.
        if sighting.credential < self.credential {
            return None;
        }
        if sighting.credential > self.credential {
            *self = Self {
                credential: sighting.credential,
                ..Self::default()
            };
        }
        let second = SentMessage::of(sighting);
        let shared = self.shares_number(&second).or(recorded);
        self.remember(second);
        let shared = shared.map(|first| Sign {
            what: DevicesSign::SharedNumber,
            first,
            second,
        });
        let turns = match sighting.is_state {
            true => &mut self.state,
            false => &mut self.events,
        };
        let turned = sighting.is_in_turn.then(|| turns.take(second)).flatten();
        let sign = shared.or(turned)?;
        if self.was_told(sign.what, now) {
            return None;
        }
        self.told = Some((sign.what, now));
        Some(sign)
    }

    /// Whether this, or what proves more, was told a short time ago.
    fn was_told(&self, what: DevicesSign, now: Now) -> bool {
        let is_recent = |at: Now| {
            at.zip(now)
                .is_none_or(|(at, now)| now.abs_diff(at) < TELL_AGAIN)
        };
        self.told
            .is_some_and(|(told, at)| told <= what && is_recent(at))
    }

    fn turns(&self, is_state: bool) -> &Turns {
        if is_state { &self.state } else { &self.events }
    }

    fn shares_number(&self, message: &SentMessage) -> Option<SentMessage> {
        let same = |other: &&SentMessage| other.session == message.session;
        let mut same = self.sessions.iter().filter(same);
        same.find(|other| other.enc != message.enc).copied()
    }

    fn remember(&mut self, message: SentMessage) {
        let known = self
            .sessions
            .iter()
            .position(|s| s.session == message.session && s.enc == message.enc);
        match known {
            Some(known) => drop(self.sessions.remove(known)),
            None if self.sessions.len() >= MAX_SESSIONS => drop(self.sessions.remove(0)),
            None => {}
        }
        self.sessions.push(message);
    }
}

impl Turns {
    /// Whether a message comes after the newest by its time, and is of a lower session.
    fn goes_back(&self, message: &SentMessage) -> bool {
        let newest = self.newest;
        is_timely(message)
            && newest.is_some_and(|newest| {
                message.sent_at > newest.sent_at && message.session < newest.session
            })
    }

    fn take(&mut self, message: SentMessage) -> Option<Sign> {
        let at = message.sent_at.filter(|_| is_timely(&message))?;
        if self.newest.is_some_and(|newest| newest.sent_at >= Some(at)) {
            return None;
        }
        let goes_back = self.goes_back(&message);
        let first = self.newest.replace(message)?;
        if !goes_back {
            return None;
        }
        let back = self.back.replace(at)?;
        (at.saturating_sub(back) <= TURNS_WITHIN).then_some(Sign {
            what: DevicesSign::Turns,
            first,
            second: message,
        })
    }
}

/// Session numbers are at least the time at which they begin, unless the clock was set back.
fn is_timely(message: &SentMessage) -> bool {
    message
        .sent_at
        .is_some_and(|at| at >= message.session.saturating_mul(1000))
}

#[cfg(test)]
#[path = "clones_tests.rs"]
mod tests;
