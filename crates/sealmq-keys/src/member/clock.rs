//! The member's clock, if it is one (spec/keys.md §8).

use alloc::vec::Vec;

use super::enrol::DEFAULT_SKEW;
use super::event::MemberEvent;
use super::types::{Action, Now};
use super::{Member, seconds};
use crate::clock::real_clock;

impl Member {
    /// What a clock says, if it can be right: the member judges by it whatever time it is given,
    /// and programs that decide by the time themselves do well to ask, too. A clock that is right
    /// again counts at once.
    #[must_use]
    pub fn clock(&self, now: Now) -> Now {
        let passed = self.passed();
        // As a rule it need not be asked how much it may be behind.
        real_clock(now, passed, DEFAULT_SKEW).or_else(|| real_clock(now, passed, self.tolerance()))
    }

    /// A time that has passed for certain, Unix seconds: of the newest signed object that the
    /// member holds, or of the program.
    fn passed(&self) -> u64 {
        let signed = [self.delegation.issued_at(), self.announced_at()];
        let signed = signed.into_iter().max().unwrap_or(0);
        signed.max(self.options.clock_floor)
    }

    /// What the member's clock may be behind those who signed.
    fn tolerance(&self) -> u32 {
        let skews = self.groups.values().map(|group| group.policy().skew);
        skews.fold(DEFAULT_SKEW, u32::max)
    }

    /// Says once that there is no clock, until there is one.
    pub(super) fn report_clock(&mut self, now: Now, actions: &mut Vec<Action>) {
        let Some(says) = seconds(now) else { return };
        let missing = self.clock(now).is_none();
        if missing && !self.without_clock {
            let passed = self.passed();
            actions.push(Action::Event(MemberEvent::NoClock { says, passed }));
        }
        if missing != self.without_clock {
            self.pending.restart(self.clock(now).or(self.uptime));
        }
        self.without_clock = missing;
    }
}
