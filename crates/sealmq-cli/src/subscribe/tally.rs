use std::collections::BTreeMap;
use std::fmt;

use sealmq_core::open::Rejection;
use sealmq_core::replay::Gap;
use sealmq_rumqttc::Message;

/// What was received, for the line at the end.
#[derive(Default)]
pub(super) struct Tally {
    received: u64,
    printed: u64,
    /// -R, -T and --retained-only do not want them.
    passed_over: u64,
    missed: u64,
    rejected: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(super) fn received(&mut self, message: &Message) {
        self.received = self.received.saturating_add(1);
        if let Some(Gap::Missed(count)) = message.gap {
            self.missed = self.missed.saturating_add(u64::from(count));
        }
    }

    pub(super) fn passed_over(&mut self) {
        self.passed_over = self.passed_over.saturating_add(1);
    }

    /// Counts a printed message and says how many it were.
    pub(super) fn printed(&mut self) -> u64 {
        self.printed = self.printed.saturating_add(1);
        self.printed
    }

    /// Counts, and says whether it is worth a remark.
    pub(super) fn rejected(&mut self, reason: &Rejection) -> bool {
        let count = self.rejected.entry(reason.name()).or_default();
        *count = count.saturating_add(1);
        !matches!(reason, Rejection::Own)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "received {}", self.received)?;
        if self.passed_over > 0 {
            write!(f, " ({} of them not asked for)", self.passed_over)?;
        }
        if self.missed > 0 {
            write!(f, ", missed {}", self.missed)?;
        }
        let rejected: u64 = self.rejected.values().sum();
        if rejected > 0 {
            let reasons: Vec<String> = self
                .rejected
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            write!(f, ", rejected {rejected} ({})", reasons.join(", "))?;
        }
        Ok(())
    }
}
