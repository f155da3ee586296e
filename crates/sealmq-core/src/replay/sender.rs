use core::cmp::Reverse;

use super::debt::Debt;
use super::floors::{Floors, Order};
use super::probe::mix;

use super::window::Window;
use crate::credential::CredentialOrder;
use crate::crypto::ENC_LEN;
use crate::ids::{GroupId, MemberNumber};

/// Sessions of one sender and group that are remembered with a window.
pub const RECENT_SESSIONS: usize = 4;

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
    /// Order of the credential that all this belongs to (ATTACKS A15, C12).
    pub(crate) serial: CredentialOrder,
    /// Sessions up to here are refused unless they are in `recent`.
    pub(crate) floor: u64,
    /// The highest session of a Will.
    pub(crate) will_floor: u64,
    /// Retained values on topics without a record of their own are refused below this.
    pub(crate) retained_floor: Order,
    /// Descending by number, then empty.
    pub(crate) recent: [Option<Recent<W>>; RECENT_SESSIONS],
}

impl<const W: usize> SenderRecord<W> {
    pub(crate) const fn new(group: GroupId, member: MemberNumber, serial: CredentialOrder) -> Self {
        Self {
            group,
            member,
            serial,
            floor: 0,
            will_floor: 0,
            retained_floor: (0, 0),
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

    /// Serials of the delegation and of the credential.
    #[must_use]
    pub const fn serial(&self) -> CredentialOrder {
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

    pub(crate) const fn key(&self) -> SenderKey {
        SenderKey {
            group: self.group,
            member: self.member,
        }
    }

    /// How much the floors of all others would rise without this record: those of an older
    /// delegation least, whatever its numbers are.
    pub(crate) fn rank(&self) -> (u32, u64, u32) {
        let (retained, _) = self.retained_floor;
        let number = self.highest().max(self.will_floor).max(retained);
        (self.serial.delegation, number, self.serial.credential)
    }

    /// What must be refused when this record is gone.
    pub(super) fn floors(&self) -> Floors {
        Floors {
            delegation: self.serial.delegation,
            session: self.highest(),
            will: self.will_floor,
            retained: self.retained_floor,
        }
    }

    /// Refuses what the floors refuse, remembered sessions included.
    pub(crate) fn raise(&mut self, floors: &Floors) {
        let floors = floors.under(self.serial);
        self.floor = self.floor.max(floors.session);
        self.will_floor = self.will_floor.max(floors.will);
        self.retained_floor = self.retained_floor.max(floors.retained);
        for place in &mut self.recent {
            *place = place.filter(|recent| recent.number > floors.session);
        }
    }

    pub(crate) fn is_new(&self, enc: &[u8; ENC_LEN], number: u64, counter: u32) -> bool {
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

    /// Records that a value was delivered as retained, as far as that moves no window. Whether it
    /// would still be accepted live, so that the mark of its topic has to refuse it.
    pub(crate) fn show(&mut self, enc: &[u8; ENC_LEN], number: u64, counter: u32) -> bool {
        if !self.is_new(enc, number, counter) {
            return false;
        }
        let recent = self.recent.iter_mut().flatten().find(|r| r.enc == *enc);
        let inside = recent.filter(|recent| counter <= recent.window.parts().0);
        let stays_open = inside.is_none();
        if let Some(recent) = inside {
            recent.window.mark(counter);
        }
        stays_open
    }

    /// Marks a counter. A new session takes the place of the one with the lowest number, and the
    /// floor rises to that (ATTACKS A11).
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
        SenderRecord::new(
            GroupId([1; 16]),
            MemberNumber(7),
            CredentialOrder::default(),
        )
    }

    #[test]
    fn numbers_and_encs_belong_together() {
        let mut record = record();
        assert!(!record.is_new(&[1; 32], 0, 0), "session numbers start at 1");
        assert!(record.is_new(&[1; 32], 10, 0));
        record.mark(&[1; 32], 10, 0);
        assert!(!record.is_new(&[1; 32], 10, 0));
        assert!(record.is_new(&[1; 32], 10, 1));
        assert!(
            !record.is_new(&[1; 32], 11, 1),
            "another number for the same enc"
        );
        assert!(
            !record.is_new(&[2; 32], 10, 1),
            "another enc for the same number"
        );
        assert!(
            record.is_new(&[2; 32], 9, 1),
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
        assert!(!record.is_new(&[10; 32], 10, 1));
        assert!(record.is_new(&[20; 32], 20, 1));
        // A late session below all others stays, and the floor rises above it.
        assert!(record.is_new(&[15; 32], 15, 0));
        record.mark(&[15; 32], 15, 0);
        assert_eq!(record.floor, 20);
        assert!(!record.is_new(&[15; 32], 15, 0));
        assert!(record.is_new(&[15; 32], 15, 1));
        assert!(!record.is_new(&[20; 32], 20, 1));
        assert_eq!(record.highest(), 50);
        let numbers: Vec<_> = record.recent.iter().flatten().map(|r| r.number).collect();
        assert_eq!(numbers, [50, 40, 30, 15]);
    }

    #[test]
    fn a_session_in_memory_outlives_the_floor() {
        let mut record = record();
        record.mark(&[5; 32], 5, 0);
        record.floor = 9;
        assert!(record.is_new(&[5; 32], 5, 1));
        assert!(!record.is_new(&[6; 32], 9, 0));
    }
}
