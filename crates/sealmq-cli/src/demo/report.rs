//! What the broker saw beside what the readers read.

use sealmq_rumqttc::Message;

use super::outsider::Carried;
use super::table::{hex_start, pad, text};
use crate::failure::Failure;
use crate::output::say;

const BROKER_WIDTH: usize = 34;
const READER_WIDTH: usize = 40;
const REMOVED_WIDTH: usize = 24;
const HEX_BYTES: usize = 10;

/// Everything that the table needs.
pub(super) struct Report<'a> {
    pub(super) envelopes: &'a [Carried],
    pub(super) reader: &'a [Message],
    pub(super) removed: &'a [Message],
    pub(super) names: [&'a str; 2],
    /// Index of the first message after the removal.
    pub(super) removed_from: usize,
}

impl Report<'_> {
    pub(super) fn print(&self) -> Result<(), Failure> {
        let [reader, removed] = self.names;
        self.row(
            "#",
            "the broker carried",
            &format!("{reader} read"),
            &format!("{removed} read"),
        )?;
        let mut last = None;
        for index in self.rows() {
            if last
                .and_then(|last: usize| last.checked_add(1))
                .is_some_and(|next| next != index)
            {
                self.row("", "…", "…", "…")?;
            }
            self.mark(index)?;
            last = Some(index);
            let carried = self
                .envelopes
                .get(index)
                .map_or_else(String::new, |envelope| {
                    format!(
                        "{:>7} B {}",
                        envelope.payload.len(),
                        hex_start(&envelope.payload, HEX_BYTES)
                    )
                });
            let number = index.saturating_add(1).to_string();
            self.row(
                &number,
                &carried,
                &shown(self.reader, index, READER_WIDTH),
                &shown(self.removed, index, REMOVED_WIDTH),
            )?;
        }
        Ok(())
    }

    /// A few rows from the beginning, from each change, and from the end.
    fn rows(&self) -> Vec<usize> {
        let count = self.envelopes.len();
        let mut rows: Vec<usize> = (0..2).collect();
        for change in
            (1..count).filter(|index| self.epoch(*index) != self.epoch(index.saturating_sub(1)))
        {
            rows.extend([change.saturating_sub(1), change, change.saturating_add(1)]);
        }
        rows.push(count.saturating_sub(1));
        rows.retain(|row| *row < count);
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// A line where the keys changed.
    fn mark(&self, index: usize) -> Result<(), Failure> {
        let before = index.checked_sub(1).and_then(|before| self.epoch(before));
        match (before, self.epoch(index)) {
            (Some(before), Some(now)) if before != now => {
                let why = if index >= self.removed_from {
                    format!("{} removed, epoch {now}", self.names[1])
                } else {
                    format!("keys rotated, epoch {now}")
                };
                say(format_args!("  ------ {why} {}", "-".repeat(40)))
            }
            _ => Ok(()),
        }
    }

    fn epoch(&self, index: usize) -> Option<u64> {
        self.reader.get(index).map(|message| message.epoch)
    }

    fn row(&self, number: &str, carried: &str, reader: &str, removed: &str) -> Result<(), Failure> {
        let line = format!(
            "  {number:>6}  {}  {}  {removed}",
            pad(carried, BROKER_WIDTH),
            pad(reader, READER_WIDTH),
        );
        say(line.trim_end())
    }
}

fn shown(messages: &[Message], index: usize, width: usize) -> String {
    messages
        .get(index)
        .map_or_else(|| "-".to_owned(), |message| text(&message.payload, width))
}
