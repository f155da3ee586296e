//! What was checked, and whether it held.

use crate::failure::{Exit, Failure};
use crate::output::say;

#[derive(Default)]
pub(super) struct Checks {
    lines: Vec<Line>,
}

enum Line {
    Section(&'static str),
    Check { holds: bool, text: String },
}

impl Checks {
    /// Begins a part of the summary.
    pub(super) fn section(&mut self, title: &'static str) {
        self.lines.push(Line::Section(title));
    }

    pub(super) fn add(&mut self, holds: bool, text: impl Into<String>) {
        self.lines.push(Line::Check {
            holds,
            text: text.into(),
        });
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
        let (mut all, mut failed) = (0_usize, 0_usize);
        for line in &self.lines {
            match line {
                Line::Section(title) => say(title)?,
                Line::Check { holds, text } => {
                    all = all.saturating_add(1);
                    failed = failed.saturating_add(usize::from(!holds));
                    say(format_args!("  {} {text}", if *holds { '✓' } else { '✗' }))?;
                }
            }
        }
        say("")?;
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
