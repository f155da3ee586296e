use super::place::{Place, PlaceFloor};
use crate::credential::CredentialOrder;

/// Floors for senders that have no record: what was pushed out of a full table stays refused.
///
/// They belong to a delegation: a credential of a newer one starts with floor 0, so that numbers
/// which a thief of an old key drove up refuse nobody any more, and older ones are refused
/// altogether (spec/keys.md §3).
///
/// Nor can they tell credentials of one delegation apart, and numbers may start again with each:
/// they judge numbers under a sender's highest known credential only, and refuse the ones below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floors {
    pub(crate) delegation: u32,
    pub(crate) session: u64,
    pub(crate) will: u64,
    /// State at it or below is refused, whatever the delegation.
    pub(crate) state: Option<PlaceFloor>,
}

impl Floors {
    pub(super) const NONE: Self = Self {
        delegation: 0,
        session: 0,
        will: 0,
        state: None,
    };

    /// Serial of the delegation that the floors belong to.
    #[must_use]
    pub const fn delegation(&self) -> u32 {
        self.delegation
    }

    /// Sessions numbered up to here are refused from senders without a record.
    #[must_use]
    pub const fn session(&self) -> u64 {
        self.session
    }

    pub(super) fn of_session(serial: CredentialOrder, session: u64) -> Self {
        Self {
            delegation: serial.delegation,
            session,
            ..Self::NONE
        }
    }

    pub(super) fn of_will(serial: CredentialOrder, will: u64) -> Self {
        Self {
            delegation: serial.delegation,
            will,
            ..Self::NONE
        }
    }

    pub(super) fn of_state(place: &Place) -> Self {
        Self {
            state: Some(place.floor()),
            ..Self::NONE
        }
    }

    /// What they refuse of a credential that they do not refuse altogether.
    pub(super) const fn under(&self, serial: CredentialOrder) -> Self {
        if self.delegation == serial.delegation {
            *self
        } else {
            Self::NONE
        }
    }

    pub(super) fn refuse_session(
        &self,
        serial: CredentialOrder,
        is_older: bool,
        number: u64,
    ) -> bool {
        let floor = self.under(serial).session;
        let beyond_compare = is_older && floor > 0;
        serial.delegation < self.delegation || number <= floor || beyond_compare
    }

    pub(super) fn refuse_will(&self, serial: CredentialOrder, is_older: bool, number: u64) -> bool {
        let floor = self.under(serial).will;
        let beyond_compare = is_older && floor > 0;
        serial.delegation < self.delegation || number <= floor || beyond_compare
    }

    pub(super) fn refuse_state(&self, place: &Place, is_older: bool) -> bool {
        self.state.is_some_and(|all| {
            let beyond_compare = is_older && place.credential.delegation <= all.delegation;
            place.floor() <= all || beyond_compare
        })
    }

    pub(super) fn raise(&mut self, other: &Self) {
        self.state = self.state.max(other.state);
        if other.delegation < self.delegation {
            return;
        }
        if other.delegation > self.delegation {
            *self = Self {
                state: self.state,
                ..*other
            };
            return;
        }
        self.session = self.session.max(other.session);
        self.will = self.will.max(other.will);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(delegation: u32, credential: u32) -> CredentialOrder {
        CredentialOrder {
            delegation,
            credential,
        }
    }

    fn place(credential: CredentialOrder, number: u64) -> Place {
        Place {
            credential,
            connection: 0,
            will: false,
            number,
            counter: 0,
        }
    }

    #[test]
    fn they_belong_to_a_delegation() {
        let mut floors = Floors::of_session(order(2, 9), 50);
        floors.raise(&Floors::of_will(order(2, 1), 60));
        floors.raise(&Floors::of_session(order(1, 9), 900));
        assert_eq!((floors.session, floors.will), (50, 60));
        for (delegation, number, refused) in [
            (1, 901, true),
            (2, 50, true),
            (2, 51, false),
            (3, 1, false),
            (3, 0, true),
        ] {
            let serial = order(delegation, 1);
            assert_eq!(floors.refuse_session(serial, false, number), refused);
            assert_eq!(
                floors.refuse_will(serial, false, number + 10),
                refused && number > 0
            );
        }
        floors.raise(&Floors::of_will(order(3, 1), 4));
        assert_eq!((floors.delegation, floors.session, floors.will), (3, 0, 4));
    }

    #[test]
    fn what_is_below_the_highest_credential_is_beyond_compare() {
        let mut floors = Floors::of_state(&place(order(2, 5), 10));
        floors.raise(&Floors::of_will(order(2, 5), 10));
        for (delegation, refused) in [(1, true), (2, true), (3, false)] {
            let serial = order(delegation, 1);
            assert_eq!(floors.refuse_state(&place(serial, 99), true), refused);
            assert_eq!(floors.refuse_will(serial, true, 99), refused);
        }
        assert!(!floors.refuse_state(&place(order(2, 1), 11), false));
        assert!(floors.refuse_state(&place(order(2, 9), 10), false));
        assert!(!floors.refuse_will(order(2, 1), false, 11));
        // Where nothing was forgotten, nothing is refused.
        assert!(!Floors::NONE.refuse_state(&place(order(1, 1), 1), true));
        assert!(!Floors::NONE.refuse_will(order(1, 1), true, 1));
    }
}
