use core::cmp::Reverse;

use super::debt::Debt;
use super::floors::Floors;
use super::message::Message;
use super::place::Place;
use super::window::Window;
use crate::credential::CredentialOrder;
use crate::crypto::ENC_LEN;
use crate::held::Held;
use crate::ids::{GroupId, MemberNumber};
use crate::wire::MAX_SESSION_NUMBER;

/// Sessions of one sender and group that are remembered with a window.
pub const RECENT_SESSIONS: usize = 4;

/// Below every credential.
pub(crate) const NO_CREDENTIAL: CredentialOrder = CredentialOrder {
    delegation: 0,
    credential: 0,
};

/// Credential and session number: the order of a sender's wills.
pub(crate) type WillOrder = (CredentialOrder, u64);

/// See [`SenderRecord::recent`].
pub(crate) type RecentSessions<const W: usize> = [Option<Held<Recent<W>>>; RECENT_SESSIONS];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recent<const W: usize> {
    pub(crate) number: u64,
    pub(crate) enc: [u8; ENC_LEN],
    pub(crate) window: Window<W>,
    /// It is of the credential before ([`SenderRecord::older`]).
    pub(crate) is_older: bool,
}

/// Everything remembered of one sender in one group. `W` is the window's length in 64-bit words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderRecord<const W: usize> {
    pub(crate) group: GroupId,
    pub(crate) member: MemberNumber,
    /// Order of the credential that the windows belong to (threat model A15, C12); `None` before the
    /// first event.
    pub(crate) serial: Option<CredentialOrder>,
    /// Sessions up to here are refused unless they are in `recent`.
    pub(crate) floor: u64,
    /// The credential before, as far as events under it were accepted, and its floor. What is below
    /// it is refused. Messages that were under way when a credential was renewed come late.
    pub(crate) older: (CredentialOrder, u64),
    /// Credential and session number of the newest will that came live.
    pub(crate) will: Option<WillOrder>,
    /// Stands for the marks of topics without a record: state at it or below is refused.
    pub(crate) forgotten: Option<Place>,
    /// What stood for all senders when this one got its record, as far as nothing of its own
    /// stands for it: that this sender has a place again does not tell which part of it was its.
    pub(crate) before: Floors,
    /// Those of the credential, then those of the one before; each descending by number. Then empty.
    pub(crate) recent: RecentSessions<W>,
}

impl<const W: usize> SenderRecord<W> {
    pub(crate) const fn new(group: GroupId, member: MemberNumber) -> Self {
        Self {
            group,
            member,
            serial: None,
            floor: 0,
            older: (NO_CREDENTIAL, 0),
            will: None,
            forgotten: None,
            before: Floors::NONE,
            recent: [const { None }; RECENT_SESSIONS],
        }
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> GroupId {
        self.group
    }

    /// The sender.
    #[must_use]
    pub const fn member(&self) -> MemberNumber {
        self.member
    }

    /// Serials of the delegation and of the credential of its events, once there was one.
    #[must_use]
    pub const fn serial(&self) -> Option<CredentialOrder> {
        self.serial
    }

    /// Sessions numbered up to here are refused, unless they are remembered.
    #[must_use]
    pub const fn floor(&self) -> u64 {
        self.floor
    }

    /// The highest session number that must never be accepted again once this record is gone.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.sessions(false)
            .map(|r| r.number)
            .fold(self.floor, u64::max)
    }

    /// Another session with this number under this credential, as far as it is remembered: its
    /// enc, and its highest counter. Two devices use the sender's identity, or the store of one
    /// was put back (spec/envelope.md §11).
    #[must_use]
    pub fn other_session(
        &self,
        credential: CredentialOrder,
        number: u64,
        enc: &[u8; ENC_LEN],
    ) -> Option<([u8; ENC_LEN], u32)> {
        let is_older = self.serial != Some(credential);
        if is_older && self.older.0 != credential {
            return None;
        }
        let mut same = self.sessions(is_older).filter(|r| r.number == number);
        let other = same.find(|recent| recent.enc != *enc)?;
        Some((other.enc, other.window.parts().0))
    }

    /// Sessions of the credential, or of the one before.
    fn sessions(&self, is_older: bool) -> impl Iterator<Item = &Recent<W>> {
        let all = self.recent.iter().flatten().map(|recent| &**recent);
        all.filter(move |recent| recent.is_older == is_older)
    }

    /// An event under this credential is to be recorded: with a newer one, sessions start anew, and
    /// those of the one before are kept beside them; state goes on.
    pub(crate) fn advance(&mut self, serial: CredentialOrder) {
        match self.serial {
            None => {
                self.serial = Some(serial);
                self.fold(serial);
            }
            Some(older) if older < serial => {
                self.keep(|recent| !recent.is_older);
                for recent in self.recent.iter_mut().flatten() {
                    recent.is_older = true;
                }
                self.older = (older, self.floor);
                self.serial = Some(serial);
                self.floor = 0;
            }
            Some(newer) if serial < newer && self.older.0 < serial => {
                self.keep(|recent| !recent.is_older);
                self.older = (serial, 0);
            }
            Some(_) => {}
        }
    }

    fn keep(&mut self, keep: impl Fn(&Recent<W>) -> bool) {
        for place in &mut self.recent {
            place.take_if(|recent| !keep(recent));
        }
        self.sort();
    }

    fn sort(&mut self) {
        self.recent
            .sort_unstable_by_key(|r| Reverse(r.as_ref().map(|r| (!r.is_older, r.number))));
    }

    pub(crate) const fn key(&self) -> SenderKey {
        SenderKey {
            group: self.group,
            member: self.member,
        }
    }

    /// What must be refused when this record is gone.
    pub(crate) fn floors(&self) -> Floors {
        let events = self
            .serial
            .map(|serial| Floors::of_session(serial, self.highest()));
        let will = self
            .will
            .map(|(serial, number)| Floors::of_will(serial, number));
        let state = self.forgotten.as_ref().map(Floors::of_state);
        let mut floors = self.before;
        for part in [events, will, state].iter().flatten() {
            floors.raise(part);
        }
        floors
    }

    /// How much the floors of all others would rise without this record: those of an older
    /// delegation least, whatever its numbers are.
    pub(crate) fn rank(&self) -> (u32, u64, u32) {
        let events = self.serial.map(|serial| (serial, self.highest()));
        let state = self
            .forgotten
            .map(|place| (place.credential, place.floor().connection));
        let parts = [events, self.will, state];
        let ranks = parts.iter().flatten();
        let rank = |(serial, number): &WillOrder| (serial.delegation, *number, serial.credential);
        ranks.map(rank).max().unwrap_or_default()
    }

    /// Refuses what the floors refuse, remembered sessions included.
    pub(crate) fn raise(&mut self, floors: &Floors) {
        self.before.raise(floors);
        if let Some(serial) = self.serial {
            self.fold(serial);
        }
    }

    /// This record, which is in use, with one that was stored: whatever either refuses is refused.
    pub(crate) fn merged(&self, stored: &Self) -> Self {
        let (mut merged, other) = match self.serial < stored.serial {
            true => (stored.clone(), self),
            false => (self.clone(), stored),
        };
        if self.serial == stored.serial {
            // What was stored counts as seen as a whole.
            merged.floor = merged.floor.max(stored.highest());
        }
        // So does what either has of credentials before, where they do not have the same one.
        let lower = other.serial.filter(|lower| Some(*lower) < merged.serial);
        let below = merged
            .older
            .0
            .max(other.older.0)
            .max(lower.unwrap_or(NO_CREDENTIAL));
        if below > NO_CREDENTIAL {
            merged.keep(|recent| !recent.is_older);
            merged.older = (below, MAX_SESSION_NUMBER);
        }
        merged.will = merged.will.max(other.will);
        merged.forgotten = merged.forgotten.max(other.forgotten);
        merged.raise(&other.before);
        merged
    }

    /// What stood for all senders becomes this sender's own under its highest credential, so that a
    /// newer one starts with nothing of it; but for state, whose order does not end.
    fn fold(&mut self, serial: CredentialOrder) {
        let floors = self.before;
        if floors.delegation > serial.delegation {
            return;
        }
        let of_delegation = |credential| CredentialOrder {
            delegation: floors.delegation,
            credential,
        };
        let will = match floors.will {
            // Delegations before it are refused.
            0 => (of_delegation(0), 0),
            number if floors.delegation == serial.delegation => (serial, number),
            // Below `serial` there is nothing to compare with.
            _ => (of_delegation(u32::MAX), MAX_SESSION_NUMBER),
        };
        if floors.delegation > 0 || floors.will > 0 {
            self.will = self.will.max(Some(will));
        }
        let session = floors.under(serial).session;
        self.floor = self.floor.max(session);
        self.keep(|recent| recent.is_older || recent.number > session);
        if floors.delegation > 0 && (floors.session > 0 || floors.delegation < serial.delegation) {
            // Which of the credentials before it was is not known.
            let below = of_delegation(u32::MAX);
            if self.older.0 < below {
                self.keep(|recent| !recent.is_older);
                self.older = (below, MAX_SESSION_NUMBER);
            }
        }
        self.before = Floors {
            state: floors.state,
            ..Floors::NONE
        };
    }

    /// Whether an event's credential is below those whose sessions are remembered, or the highest
    /// one known is.
    pub(crate) fn is_beyond(&self, event: &Message<'_>) -> bool {
        self.serial.is_some_and(|own| {
            let is_below = event.serial < own && event.serial < self.older.0;
            is_below || event.known < own
        })
    }

    /// Whether an event is to be accepted that is not beyond what is remembered.
    pub(crate) fn is_new(&self, event: &Message<'_>) -> bool {
        let (serial, number) = (event.serial, event.number);
        match self.serial {
            Some(own) if own == serial => self.is_unseen(false, event),
            Some(_) if self.older.0 == serial => self.is_unseen(true, event),
            // A credential of which nothing was recorded.
            Some(_) => number > 0,
            None => !self.before.refuse_session(serial, event.is_older(), number),
        }
    }

    fn is_unseen(&self, is_older: bool, event: &Message<'_>) -> bool {
        let number = event.number;
        for recent in self.sessions(is_older) {
            if recent.enc == *event.enc {
                return recent.number == number && recent.window.is_new(event.counter);
            }
        }
        // Another session of a number that is known is another device with this identity, or one
        // whose store was put back. What was ever pushed out is at the floor or below, so this one
        // was never seen.
        number > if is_older { self.older.1 } else { self.floor }
    }

    /// Marks a counter of a session under the credential of the record, or the one before. A new
    /// session takes the place of the one with the lowest number, of the credential before if there
    /// is one, and that floor rises to it (threat model A11).
    pub(crate) fn mark(
        &mut self,
        serial: CredentialOrder,
        enc: &[u8; ENC_LEN],
        number: u64,
        counter: u32,
    ) {
        let is_older = Some(serial) < self.serial;
        let mut all = self.recent.iter_mut().flatten();
        if let Some(recent) = all.find(|r| r.is_older == is_older && r.enc == *enc) {
            recent.window.mark(counter);
            return;
        }
        // The lowest stands last.
        let Some(place) = self.recent.last_mut() else {
            return;
        };
        if let Some(out) = place.as_ref() {
            let floor = match out.is_older {
                true => &mut self.older.1,
                false if is_older => {
                    // No place that one of the credential itself needs.
                    self.older.1 = self.older.1.max(number);
                    return;
                }
                false => &mut self.floor,
            };
            *floor = (*floor).max(out.number);
        }
        *place = Some(Held::new(Recent {
            number,
            enc: *enc,
            window: Window::starting_at(counter),
            is_older,
        }));
        self.sort();
    }
}

/// Names a sender in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SenderKey {
    pub(crate) group: GroupId,
    pub(crate) member: MemberNumber,
}

/// A place for one sender in a [`super::Table`].
#[derive(Debug, Clone)]
pub struct SenderSlot<const W: usize> {
    pub(crate) record: Option<SenderRecord<W>>,
    pub(crate) debt: Debt<SenderKey>,
}

impl<const W: usize> SenderSlot<W> {
    /// A free place.
    pub const EMPTY: Self = Self {
        record: None,
        debt: Debt::NONE,
    };
}

impl<const W: usize> Default for SenderSlot<W> {
    fn default() -> Self {
        Self::EMPTY
    }
}

#[cfg(test)]
mod tests;
