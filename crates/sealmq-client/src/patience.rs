/// How long the broker may take to answer a publish, in milliseconds.
const FIRST: u64 = 60_000;
/// And at most, where connecting again does not help.
const MOST: u64 = 3_600_000;

/// How long a publish may go without an answer.
#[derive(Clone, Copy)]
pub(crate) struct Patience(u64);

impl Patience {
    /// As with a broker that has always answered.
    pub(crate) const fn new() -> Self {
        Self(FIRST)
    }

    /// Milliseconds.
    pub(crate) const fn millis(self) -> u64 {
        self.0
    }

    /// It was over once more.
    pub(crate) fn doubled(&mut self) {
        self.0 = self.0.saturating_mul(2).min(MOST);
    }
}
