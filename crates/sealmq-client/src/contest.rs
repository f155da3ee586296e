//! Another client with this client's id: the broker ends one connection for the other, and two that
//! both come back at once would go on for ever.

use crate::isolation::Ending;

/// Pauses after each time in a row, in milliseconds: an older process that goes away soon costs
/// seconds, one that stays costs a connection an hour.
const PAUSES: [u64; 4] = [5_000, 40_000, 300_000, 3_600_000];
/// The same where it is only supposed: a network may do it as well, and come to its senses.
const SUPPOSED_PAUSES: [u64; 4] = [30_000, 60_000, 120_000, 300_000];
/// MQTT 3.1.1 has no word for it, and brokers of MQTT 5 do not always get it through: the connection
/// closes. So many times in a row, each within [`SOON`] after the broker accepted it, when nothing
/// came or went on it, and nothing else could be the reason.
const SUSPICIOUS: u8 = 5;
const SOON: u64 = 10_000;
/// How long a connection stands that was not taken over.
const STANDS: u64 = 60_000;

#[derive(Default)]
pub(crate) struct Contest {
    accepted_at: Option<u64>,
    /// How often in a row it was taken over.
    taken: usize,
    /// Endings in a row that nothing explains.
    unexplained: u8,
    /// This ending is of the kind that was told before.
    told: bool,
}

impl Contest {
    pub(crate) const fn accepted(&mut self, now: u64) {
        self.accepted_at = Some(now);
    }

    /// A message of the application came or went: the connection does its work. Brokers that die
    /// every few seconds end such ones.
    pub(crate) const fn useful(&mut self) {
        self.unexplained = 0;
    }

    /// A connection ended, or could not be made: `unexplained` if nothing that was on its way may
    /// be the reason. The least pause, if another client is.
    pub(crate) fn ended(&mut self, ending: &Ending, unexplained: bool, now: u64) -> Option<u64> {
        self.told = false;
        let Some(accepted_at) = self.accepted_at.take() else {
            // The broker is away: that explains the last ending as well.
            self.unexplained = 0;
            return None;
        };
        let stood = now.saturating_sub(accepted_at);
        let said = *ending == Ending::TakenOver;
        let pauses = if said { PAUSES } else { SUPPOSED_PAUSES };
        let after = |times: usize| pauses.get(times).or(pauses.last()).copied();
        // The other one comes back after a pause of its own, which is about as long as the next.
        let next = after(self.taken).unwrap_or_default();
        if stood > next.saturating_mul(2).max(STANDS) {
            (self.taken, self.unexplained) = (0, 0);
        }
        if !said {
            let is_one = matches!(ending, Ending::Silent(_)) && unexplained;
            if !is_one || (self.taken == 0 && stood > SOON) {
                self.unexplained = 0;
                return None;
            }
            self.unexplained = self.unexplained.saturating_add(1);
            if self.unexplained < SUSPICIOUS {
                return None;
            }
        }
        self.told = self.taken > 0;
        let pause = after(self.taken);
        self.taken = self.taken.saturating_add(1);
        pause
    }

    /// Whether the application knows already why the last connection ended.
    pub(crate) const fn is_told(&self) -> bool {
        self.told
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    /// Two clients with one id for a day: whoever connects throws the other one out. How often.
    fn fight(ending: &Ending, until: u64) -> usize {
        let (mut sides, mut taken) = ([Contest::default(), Contest::default()], 0);
        sides[0].accepted(0);
        let (mut now, mut new) = (1_000, 1);
        while now < until {
            sides[new].accepted(now);
            taken += 1;
            let old = 1 - new;
            let pause = sides[old].ended(ending, true, now);
            // Without a longer one the usual pause, and a little of it off at random.
            now += pause.map_or(1_000, |pause| pause / 4 * 3);
            new = old;
        }
        taken
    }

    #[test]
    fn two_with_one_id_take_turns_once_an_hour_in_the_end() {
        let said = fight(&Ending::TakenOver, DAY);
        assert!(said < 45, "{said}");
        let supposed = fight(&Ending::Silent("closed".into()), DAY);
        assert!(supposed < 800, "{supposed}");
        assert!(fight(&Ending::TakenOver, 60_000) <= 6);
    }

    #[test]
    fn who_was_left_alone_begins_anew() {
        let mut contest = Contest::default();
        for (stands, pause) in [
            (1_000, 5_000),
            (10_000, 40_000),
            (100_000, 300_000),
            (7_201_000, 5_000),
        ] {
            contest.accepted(0);
            assert_eq!(contest.ended(&Ending::TakenOver, true, stands), Some(pause));
        }
    }

    #[test]
    fn a_broker_that_is_away_or_a_message_in_between_is_no_rival() {
        let closed = Ending::Silent("closed".into());
        let mut contest = Contest::default();
        for round in 0..40 {
            contest.accepted(0);
            // Every fourth time there is another reason: something was on its way, or the broker
            // cannot be reached at the next attempt.
            assert_eq!(contest.ended(&closed, round % 8 != 3, 1_000), None);
            if round % 8 == 7 {
                assert_eq!(contest.ended(&Ending::Unrelated, true, 2_000), None);
            }
        }
        // A broker that dies every few seconds, and does its work between.
        for _ in 0..20 {
            contest.accepted(0);
            contest.useful();
            assert_eq!(contest.ended(&closed, true, 3_000), None);
        }
        // A proxy that closes what is idle closes it later.
        for _ in 0..20 {
            contest.accepted(0);
            assert_eq!(contest.ended(&closed, true, 10_001), None);
        }
    }
}
