//! What was checked, and whether it held.

use crate::failure::{Exit, Failure};
use crate::output::say;

#[derive(Default)]
pub(super) struct Checks {
    lines: Vec<(bool, String)>,
}

impl Checks {
    pub(super) fn add(&mut self, holds: bool, what: impl Into<String>) {
        self.lines.push((holds, what.into()));
    }

    /// A count that has to be a certain one.
    pub(super) fn equal(&mut self, found: usize, expected: usize, what: &str) {
        let text = if found == expected {
            format!("{what}: {found}")
        } else {
            format!("{what}: {found} instead of {expected}")
        };
        self.add(found == expected, text);
    }

    /// Prints the summary; fails if a check failed.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let failed = self.lines.iter().filter(|(holds, _)| !holds).count();
        for (holds, text) in &self.lines {
            say(format_args!("  {} {text}", if *holds { '✓' } else { '✗' }))?;
        }
        say("")?;
        let all = self.lines.len();
        if failed == 0 {
            return say(format_args!("All {all} checks passed."));
        }
        say(format_args!("{failed} of {all} checks FAILED."))?;
        Err(Failure::new(
            Exit::Check,
            format!("demo: {failed} of {all} checks failed"),
        ))
    }
}
