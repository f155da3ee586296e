use core::cmp::Reverse;

use super::debt::Debt;
use super::floors::Floors;
use super::place::Place;
use super::probe::mix;
use super::window::Window;
use crate::credential::CredentialOrder;
use crate::crypto::ENC_LEN;
use crate::ids::{GroupId, MemberNumber};
use crate::wire::MAX_SESSION_NUMBER;

/// Sessions of one sender and group that are remembered with a window.
pub const RECENT_SESSIONS: usize = 4;

/// Credential and session number: the order of a sender's wills.
pub(crate) type WillOrder = (CredentialOrder, u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recent<const W: usize> {
    pub(crate) number: u64,
    pub(crate) enc: [u8; ENC_LEN],
    pub(crate) window: Window<W>,
}

/// Everything remembered of one sender in one group. `W` is the window's length in 64-bit words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderRecord<const W: usize> {
    pub(crate) group: GroupId,
    pub(crate) member: MemberNumber,
    /// Order of the credential that the windows belong to (threat model A15, C12); `None` before the
    /// first event.
    pub(crate) serial: Option<CredentialOrder>,
    /// Sessions up to here are refused unless they are in `recent`.
    pub(crate) floor: u64,
    /// Credential and session number of the newest will that came live.
    pub(crate) will: Option<WillOrder>,
    /// Stands for the marks of topics without a record: state at it or below is refused.
    pub(crate) forgotten: Option<Place>,
    /// What stood for all senders when this one got its record, as far as nothing of its own
    /// stands for it: that this sender has a place again does not tell which part of it was its.
    pub(crate) before: Floors,
    /// Descending by number, then empty.
    pub(crate) recent: [Option<Recent<W>>; RECENT_SESSIONS],
}

impl<const W: usize> SenderRecord<W> {
    pub(crate) const fn new(group: GroupId, member: MemberNumber) -> Self {
        Self {
            group,
            member,
            serial: None,
            floor: 0,
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
        self.recent
            .iter()
            .flatten()
            .map(|r| r.number)
            .fold(self.floor, u64::max)
    }

    /// An event under this credential is to be recorded: with a newer one, sessions start anew and
    /// state goes on.
    pub(crate) fn advance(&mut self, serial: CredentialOrder) {
        match self.serial {
            None => {
                self.serial = Some(serial);
                self.fold(serial);
            }
            Some(older) if older < serial => {
                self.serial = Some(serial);
                self.floor = 0;
                self.recent = [const { None }; RECENT_SESSIONS];
            }
            Some(_) => {}
        }
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
            true => (*stored, self),
            // Sessions of an older credential are refused as a whole.
            false => (*self, stored),
        };
        if self.serial == stored.serial {
            // What was stored counts as seen as a whole.
            merged.floor = merged.floor.max(stored.highest());
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
        for place in &mut self.recent {
            *place = place.filter(|recent| recent.number > session);
        }
        self.before = Floors {
            state: floors.state,
            ..Floors::NONE
        };
    }

    /// Whether an event under a credential that is not below the record's is to be accepted.
    pub(crate) fn is_new(
        &self,
        serial: CredentialOrder,
        enc: &[u8; ENC_LEN],
        number: u64,
        counter: u32,
    ) -> bool {
        match self.serial {
            Some(own) if own == serial => self.is_unseen(enc, number, counter),
            // A higher serial starts with nothing seen.
            Some(_) => number > 0,
            None => !self.before.refuse_session(serial, number),
        }
    }

    fn is_unseen(&self, enc: &[u8; ENC_LEN], number: u64, counter: u32) -> bool {
        for recent in self.recent.iter().flatten() {
            if recent.enc == *enc {
                return recent.number == number && recent.window.is_new(counter);
            }
            // Two sessions of one sender never share a number.
            if recent.number == number {
                return false;
            }
        }
        number > self.floor
    }

    /// Marks a counter. A new session takes the place of the one with the lowest number, and the
    /// floor rises to that (threat model A11).
    pub(crate) fn mark(&mut self, enc: &[u8; ENC_LEN], number: u64, counter: u32) {
        if let Some(recent) = self.recent.iter_mut().flatten().find(|r| r.enc == *enc) {
            recent.window.mark(counter);
            return;
        }
        // Descending order, so the lowest stands last.
        if let Some(place) = self.recent.last_mut() {
            if let Some(out) = place.as_ref() {
                self.floor = self.floor.max(out.number);
            }
            let window = Window::starting_at(counter);
            *place = Some(Recent {
                number,
                enc: *enc,
                window,
            });
        }
        self.recent
            .sort_unstable_by_key(|r| Reverse(r.as_ref().map(|r| r.number)));
    }
}

pub(crate) fn sender_hash(group: &GroupId, member: MemberNumber) -> u64 {
    let (half, _) = group.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
    mix(u64::from_le_bytes(*half) ^ mix(u64::from(member.0)))
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
mod tests {
    use super::*;

    fn record() -> SenderRecord<2> {
        let mut record = SenderRecord::new(GroupId([1; 16]), MemberNumber(7));
        record.advance(CredentialOrder::default());
        record
    }

    #[test]
    fn numbers_and_encs_belong_together() {
        let mut record = record();
        assert!(
            !record.is_unseen(&[1; 32], 0, 0),
            "session numbers start at 1"
        );
        assert!(record.is_unseen(&[1; 32], 10, 0));
        record.mark(&[1; 32], 10, 0);
        assert!(!record.is_unseen(&[1; 32], 10, 0));
        assert!(record.is_unseen(&[1; 32], 10, 1));
        assert!(
            !record.is_unseen(&[1; 32], 11, 1),
            "another number for the same enc"
        );
        assert!(
            !record.is_unseen(&[2; 32], 10, 1),
            "another enc for the same number"
        );
        assert!(
            record.is_unseen(&[2; 32], 9, 1),
            "an older session that is not below the floor"
        );
    }

    #[test]
    fn the_lowest_session_is_pushed_out() {
        let mut record = record();
        for number in [30, 10, 40, 20] {
            record.mark(&[number as u8; 32], number, 0);
        }
        assert_eq!(record.floor, 0);
        record.mark(&[50; 32], 50, 0);
        assert_eq!(record.floor, 10);
        assert!(!record.is_unseen(&[10; 32], 10, 1));
        assert!(record.is_unseen(&[20; 32], 20, 1));
        // A late session below all others stays, and the floor rises above it.
        assert!(record.is_unseen(&[15; 32], 15, 0));
        record.mark(&[15; 32], 15, 0);
        assert_eq!(record.floor, 20);
        assert!(!record.is_unseen(&[15; 32], 15, 0));
        assert!(record.is_unseen(&[15; 32], 15, 1));
        assert!(!record.is_unseen(&[20; 32], 20, 1));
        assert_eq!(record.highest(), 50);
        let numbers: Vec<_> = record.recent.iter().flatten().map(|r| r.number).collect();
        assert_eq!(numbers, [50, 40, 30, 15]);
    }

    #[test]
    fn a_session_in_memory_outlives_the_floor() {
        let mut record = record();
        record.mark(&[5; 32], 5, 0);
        record.floor = 9;
        assert!(record.is_unseen(&[5; 32], 5, 1));
        assert!(!record.is_unseen(&[6; 32], 9, 0));
    }

    #[test]
    fn what_stood_before_it_is_its_own_until_a_newer_credential() {
        let order = |delegation, credential| CredentialOrder {
            delegation,
            credential,
        };
        let mut floors = Floors::of_session(order(2, 1), 50);
        floors.raise(&Floors::of_will(order(2, 1), 60));
        let mut made_by_state = SenderRecord::<2>::new(GroupId([1; 16]), MemberNumber(7));
        made_by_state.raise(&floors);
        assert_eq!(made_by_state.floors(), floors);
        assert!(!made_by_state.is_new(order(2, 3), &[1; 32], 50, 0));
        assert!(made_by_state.is_new(order(2, 3), &[1; 32], 51, 0));
        let mut record = made_by_state;
        record.advance(order(2, 3));
        assert_eq!(record.floors(), floors);
        assert_eq!((record.floor, record.will), (50, Some((order(2, 3), 60))));
        record.advance(order(2, 4));
        assert!(record.is_new(order(2, 4), &[1; 32], 1, 0));
        assert!(record.will < Some((order(2, 4), 1)));
        // Under the next delegation, wills of the one before are all refused.
        let mut record = made_by_state;
        record.advance(order(3, 1));
        assert_eq!(record.floor, 0);
        assert!(record.will > Some((order(2, 900), 900)));
        assert!(record.will < Some((order(3, 0), 1)));
    }
}
