use core::time::Duration;

use rand_core::TryCryptoRng;

/// Pauses before connecting again. A connection that ends before anything useful happened doubles
/// the pause: a broker that accepts and hangs up is not better than one that is away.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// With the first pause, and the longest.
    #[must_use]
    pub const fn new((first, longest): (Duration, Duration)) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The broker did something for this client.
    pub const fn useful(&mut self) {
        self.next = self.first;
    }

    /// Doubles, and takes a random half off. Without randomness the pause is the whole one.
    pub fn take(&mut self, rng: &mut impl TryCryptoRng) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.longest);
        let part = rng.try_next_u32().map_or(0, |random| random % 256);
        let off = whole.saturating_mul(part).checked_div(512);
        whole.saturating_sub(off.unwrap_or_default())
    }
}
