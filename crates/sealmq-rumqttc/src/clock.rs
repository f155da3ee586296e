use std::time::{SystemTime, UNIX_EPOCH};

/// Where the time comes from. The default is [`SystemClock`]; tests and devices bring their own.
pub trait Clock: Send + Sync + 'static {
    /// Unix milliseconds; `None` if the device does not know the time (checks that need it are
    /// then off, spec/keys.md §8).
    fn now_ms(&self) -> Option<u64>;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> Option<u64> {
        // Before 1970 there is no time that could be compared with anything signed.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(since.as_millis()).ok()
    }
}

impl<F: Fn() -> Option<u64> + Send + Sync + 'static> Clock for F {
    fn now_ms(&self) -> Option<u64> {
        self()
    }
}
