use crate::credential::CredentialOrder;

/// Session number and counter: the order of a sender's retained values.
pub(crate) type Order = (u64, u32);

/// Floors for senders that have no record: what was pushed out of a full table stays refused.
///
/// They belong to a delegation: a credential of a newer one starts with floor 0, so that numbers
/// which a thief of an old key drove up refuse nobody any more, and older ones are refused
/// altogether (spec/keys.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floors {
    pub(crate) delegation: u32,
    pub(crate) session: u64,
    pub(crate) will: u64,
    pub(crate) retained: Order,
}

impl Floors {
    pub(super) const NONE: Self = Self {
        delegation: 0,
        session: 0,
        will: 0,
        retained: (0, 0),
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

    /// What they refuse of a credential that they do not refuse altogether.
    pub(super) const fn under(&self, serial: CredentialOrder) -> Self {
        if self.delegation == serial.delegation {
            *self
        } else {
            Self::NONE
        }
    }

    pub(super) fn raise(&mut self, other: &Self) {
        if other.delegation < self.delegation {
            return;
        }
        if other.delegation > self.delegation {
            *self = *other;
            return;
        }
        self.session = self.session.max(other.session);
        self.will = self.will.max(other.will);
        self.retained = self.retained.max(other.retained);
    }
}
