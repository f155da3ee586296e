use crate::credential::CredentialOrder;

/// What the topic sequence says about messages that did not arrive (spec/envelope.md §8). Reports
/// are information, not protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// The first numbered message of this sender on this topic that this reader saw.
    First,
    /// This many messages of this sender on this topic are missing before this one; 0 is none.
    Missed(u32),
    /// The sender started again.
    Restarted,
    /// A message that arrived late: a newer one of this sender on this topic was seen before.
    Late,
}

/// The last number of a topic sequence. A sender has a session for events and one for state at a
/// time, and one sequence runs through both: the order of the two says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    credential: CredentialOrder,
    /// Sessions below were before the sender's last start.
    since: u64,
    /// The highest session seen.
    latest: u64,
    last: u32,
}

const MODULUS: u32 = 1 << 21;

impl Sequence {
    /// What number `sequence` in this session tells, and what is remembered then.
    pub(super) fn judge(
        known: Option<Self>,
        credential: CredentialOrder,
        session: u64,
        sequence: u32,
    ) -> (Gap, Self) {
        let first = Self {
            credential,
            since: 0,
            latest: session,
            last: sequence,
        };
        let Some(known) = known.filter(|known| known.credential >= credential) else {
            return (Gap::First, first);
        };
        if known.credential > credential || session < known.since {
            return (Gap::Late, known);
        }
        if session > known.latest && sequence == 0 {
            // A start takes numbers above all that were used before it.
            let since = known.latest.saturating_add(1);
            return (Gap::Restarted, Self { since, ..first });
        }
        // Both are below 2^21, so nothing wraps but what is to wrap.
        let ahead = sequence.wrapping_sub(known.last).wrapping_sub(1) & MODULUS.wrapping_sub(1);
        if ahead >= MODULUS / 2 {
            return (Gap::Late, known);
        }
        let next = Self {
            latest: known.latest.max(session),
            last: sequence,
            ..known
        };
        (Gap::Missed(ahead), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(messages: &[(u32, u64, u32)]) -> Vec<Gap> {
        let mut known = None;
        let mut see = |&(credential, session, sequence): &(u32, u64, u32)| {
            let credential = CredentialOrder {
                delegation: 1,
                credential,
            };
            let (gap, next) = Sequence::judge(known, credential, session, sequence);
            known = Some(next);
            gap
        };
        messages.iter().map(&mut see).collect()
    }

    /// Events in session 10, state in session 11, in turns.
    #[test]
    fn two_sessions_at_a_time_are_one_sequence() {
        let gaps = play(&[(1, 10, 0), (1, 11, 1), (1, 10, 2), (1, 11, 3), (1, 10, 6)]);
        let next = Gap::Missed(0);
        assert_eq!(gaps, [Gap::First, next, next, next, Gap::Missed(2)]);
        // The higher session first, and then a start with both of them new, in either order.
        let gaps = play(&[(1, 11, 7), (1, 10, 8), (1, 13, 0), (1, 12, 1), (1, 13, 2)]);
        assert_eq!(gaps, [Gap::First, next, Gap::Restarted, next, next]);
    }

    #[test]
    fn what_was_before_a_start_is_late() {
        let gaps = play(&[(1, 10, 7), (1, 12, 0), (1, 10, 8), (1, 12, 1), (1, 11, 5)]);
        let next = Gap::Missed(0);
        assert_eq!(gaps[..4], [Gap::First, Gap::Restarted, Gap::Late, next]);
        // Session 11 may be of either start: nobody saw it before.
        assert_eq!(gaps[4], Gap::Missed(3));
    }

    #[test]
    fn a_credential_begins_anew_and_an_older_one_is_late() {
        let gaps = play(&[(2, 5, 9), (1, 700, 10), (2, 5, 10), (3, 1, 4)]);
        let expected = [Gap::First, Gap::Late, Gap::Missed(0), Gap::First];
        assert_eq!(gaps, expected);
    }
}
