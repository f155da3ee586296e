use crate::credential::CredentialOrder;

/// Where a value stands in the order of its sender's state on one topic (spec/envelope.md §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) credential: CredentialOrder,
    /// Number of the connection on which it was sealed; 0 before the first will.
    pub(crate) connection: u64,
    /// A will ranks above all else of its connection.
    pub(crate) will: bool,
    /// Session number.
    pub(crate) number: u64,
    pub(crate) counter: u32,
}

/// The same for senders that are not told apart, whose credentials cannot be compared.
///
/// A member that never sealed a will has no connections. There the session number stands for the
/// connection, so that such a member gets above what one with wills left behind. For a sender's
/// own places this changes nothing: what it sealed before its first will has lower numbers than
/// the connection of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct PlaceFloor {
    pub(crate) delegation: u32,
    pub(crate) connection: u64,
    pub(crate) will: bool,
    pub(crate) number: u64,
    pub(crate) counter: u32,
}

impl Place {
    pub(crate) const fn floor(&self) -> PlaceFloor {
        PlaceFloor {
            delegation: self.credential.delegation,
            connection: match self.connection {
                0 => self.number,
                connection => connection,
            },
            will: self.will,
            number: self.number,
            counter: self.counter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(serials: (u32, u32), connection: u64, will: bool, order: (u64, u32)) -> Place {
        Place {
            credential: CredentialOrder {
                delegation: serials.0,
                credential: serials.1,
            },
            connection,
            will,
            number: order.0,
            counter: order.1,
        }
    }

    #[test]
    fn a_will_ranks_above_its_connection_and_below_the_next() {
        let ascending = [
            place((1, 1), 0, false, (8, 5)),
            place((1, 1), 10, false, (9, 0)),
            place((1, 1), 10, false, (12, 7)),
            place((1, 1), 10, true, (10, 0)),
            place((1, 1), 20, false, (9, 1)),
            place((1, 1), 20, true, (20, 0)),
            place((1, 2), 0, false, (1, 0)),
            place((2, 1), 0, false, (1, 0)),
        ];
        assert!(ascending.is_sorted());
        // Under one credential, floors are in the same order.
        for places in ascending.chunk_by(|a, b| a.credential == b.credential) {
            assert!(places.is_sorted_by_key(Place::floor));
        }
        for (i, one) in ascending.iter().enumerate() {
            assert!(ascending[i + 1..].iter().all(|later| one < later));
        }
    }

    #[test]
    fn who_has_no_wills_gets_above_who_has() {
        let left_behind = place((1, 1), 500, true, (500, 0)).floor();
        assert!(place((1, 9), 0, false, (499, 7)).floor() < left_behind);
        assert!(place((1, 9), 0, false, (501, 0)).floor() > left_behind);
        assert!(place((2, 1), 0, false, (1, 0)).floor() > left_behind);
    }
}
