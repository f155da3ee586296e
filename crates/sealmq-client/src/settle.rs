use crate::time::Time;

/// Longest hold after a connect.
const AT_MOST: u64 = 5_000;
/// Shortest silence that counts as "that was all". Mosquitto's retained messages come 40 ms after
/// its SUBACK (Nagle's algorithm against delayed acknowledgements), on a busy machine later.
const SILENCE: u64 = 150;
/// A program that looks up after longer than this did not run, and has not heard what came meanwhile:
/// that was no silence.
const AWAY: u64 = 100;

/// After a connect, publishes are held back until the retained announcements have arrived: a
/// device that slept would else seal for an epoch that readers have left. MQTT does not say when
/// the retained messages of a subscription are through, so it is when key management was silent
/// for two round trips. All times are of the uptime.
pub(crate) struct Settling {
    began: u64,
    /// Subscriptions of key management that are not confirmed.
    unconfirmed: usize,
    /// Two round trips, at least [`SILENCE`].
    silence: u64,
    /// When the silence, or the patience, is over.
    until: u64,
    /// When the program looked up last.
    looked: u64,
}

impl Settling {
    pub(crate) const fn begin(subscriptions: usize, time: Time) -> Self {
        Self {
            began: time.uptime,
            unconfirmed: subscriptions,
            silence: SILENCE,
            until: time.after(AT_MOST),
            looked: time.uptime,
        }
    }

    /// One subscription was confirmed, or refused.
    pub(crate) fn confirmed(&mut self, time: Time) {
        self.unconfirmed = self.unconfirmed.saturating_sub(1);
        let round_trip = time.uptime.saturating_sub(self.began);
        self.silence = SILENCE.saturating_add(round_trip.saturating_mul(2));
        self.heard(time);
    }

    /// Something of key management arrived.
    pub(crate) fn heard(&mut self, time: Time) {
        if self.unconfirmed == 0 {
            self.until = self.silent_until(time);
        }
    }

    /// When a silence that begins now is over, or the patience.
    fn silent_until(&self, time: Time) -> u64 {
        let latest = self.began.saturating_add(AT_MOST);
        time.after(self.silence).min(latest)
    }

    /// The program runs.
    pub(crate) fn look(&mut self, time: Time) {
        let away = time.uptime.saturating_sub(self.looked);
        self.looked = time.uptime;
        if away > AWAY {
            // One that looks up rarely would wait for ever.
            self.until = self.until.max(self.silent_until(time));
        }
    }

    /// When to look again at the latest.
    pub(crate) fn next_look(&self) -> u64 {
        self.until.min(self.looked.saturating_add(AWAY / 2))
    }

    #[cfg(test)]
    const fn until(&self) -> u64 {
        self.until
    }

    pub(crate) const fn is_over(&self, time: Time) -> bool {
        time.uptime >= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_round_trips_of_silence_and_never_longer_than_the_patience() {
        let at = Time::without_clock;
        let mut settling = Settling::begin(2, at(1_000));
        assert_eq!(settling.until(), 6_000);
        settling.heard(at(1_010)); // one subscription is not even confirmed
        settling.confirmed(at(1_020));
        assert_eq!(settling.until(), 6_000);
        settling.confirmed(at(1_050));
        assert_eq!(settling.until(), 1_050 + 150 + 2 * 50);
        settling.heard(at(1_290));
        assert!(!settling.is_over(at(1_539)) && settling.is_over(at(1_540)));
        for now in (1_500..6_000).step_by(100) {
            settling.heard(at(now));
        }
        assert_eq!(settling.until(), 6_000);
    }

    #[test]
    fn a_program_that_did_not_run_has_not_heard_a_silence() {
        let at = Time::without_clock;
        let mut settling = Settling::begin(1, at(1_000));
        settling.confirmed(at(1_010));
        let until = settling.until();
        for now in (1_010..until).step_by(50) {
            settling.look(at(now));
        }
        assert_eq!(settling.until(), until);
        assert!(settling.next_look() <= until);
        settling.look(at(until + 400));
        assert!(!settling.is_over(at(until + 400)));
        assert_eq!(settling.until(), until + 400 + 150 + 2 * 10);
        // One that looks up once a second settles all the same.
        let late = (2_000..).step_by(1_000).find(|now| {
            settling.look(at(*now));
            settling.is_over(at(*now))
        });
        assert_eq!(late, Some(6_000));
    }
}
