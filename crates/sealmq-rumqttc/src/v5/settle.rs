use std::time::Duration;

use tokio::time::Instant;

/// Longest hold after a connect.
const AT_MOST: Duration = Duration::from_secs(5);
/// Shortest silence that counts as "that was all". Mosquitto's retained messages come 40 ms after
/// its SUBACK (Nagle's algorithm against delayed acknowledgements), on a busy machine later.
const SILENCE: Duration = Duration::from_millis(150);

/// After a connect, publishes are held back until the retained announcements have arrived: a
/// device that slept would else seal for an epoch that readers have left. MQTT does not say when
/// the retained messages of a subscription are through, so it is when key management was silent
/// for two round trips.
pub(super) struct Settling {
    began: Instant,
    /// Subscriptions of key management that are not confirmed.
    unconfirmed: usize,
    /// Two round trips, at least [`SILENCE`].
    silence: Duration,
    /// When the silence, or the patience, is over.
    until: Instant,
}

impl Settling {
    pub(super) fn begin(subscriptions: usize) -> Self {
        let began = Instant::now();
        let until = after(began, AT_MOST);
        Self {
            began,
            unconfirmed: subscriptions,
            silence: SILENCE,
            until,
        }
    }

    /// One subscription was confirmed, or refused.
    pub(super) fn confirmed(&mut self) {
        self.unconfirmed = self.unconfirmed.saturating_sub(1);
        let round_trips = self.began.elapsed().saturating_mul(2);
        self.silence = SILENCE.saturating_add(round_trips);
        self.heard();
    }

    /// Something of key management arrived.
    pub(super) fn heard(&mut self) {
        if self.unconfirmed == 0 {
            let latest = after(self.began, AT_MOST);
            self.until = after(Instant::now(), self.silence).min(latest);
        }
    }

    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}

fn after(time: Instant, pause: Duration) -> Instant {
    time.checked_add(pause).unwrap_or(time)
}
