use sealmq_keys::member::Now;

/// The time of an input. The caller reads the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// Milliseconds since the program began. Never goes back, whatever happens to the clock: waits
    /// are measured by it, and, on a device without a clock, leases.
    pub uptime: u64,
    /// Unix milliseconds; `None` if the device does not know the time (spec/keys.md §8).
    pub clock: Now,
}

impl Time {
    /// A moment of a device that knows the time.
    #[must_use]
    pub const fn new(uptime: u64, unix_ms: u64) -> Self {
        Self {
            uptime,
            clock: Some(unix_ms),
        }
    }

    /// A moment of a device without a clock.
    #[must_use]
    pub const fn without_clock(uptime: u64) -> Self {
        Self {
            uptime,
            clock: None,
        }
    }

    pub(crate) const fn after(self, ms: u64) -> u64 {
        self.uptime.saturating_add(ms)
    }
}
