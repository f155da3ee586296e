//! The messages that the demo publishes.

use std::path::Path;

use crate::failure::Failure;
use crate::files;

const SHIPPED: &[u8] = include_bytes!("../../data/readings.jsonl");
const MAX_INPUT: usize = 128 * 1024 * 1024;
/// Longest line in bytes.
const MAX_LINE: usize = 1024 * 1024;
const MAX_LINES: usize = 200_000;
/// Each part of the demo (before the rotation, after it, after the removal) needs a message or two.
const FEWEST: usize = 4;

/// Lines of the input, and how many of the demo's own follow them.
pub(super) struct Input {
    pub(super) name: String,
    pub(super) lines: Vec<Vec<u8>>,
    pub(super) added: usize,
}

impl Input {
    pub(super) fn read(argument: Option<&str>) -> Result<Self, Failure> {
        let (name, bytes) = match argument {
            None => ("the shipped readings".to_owned(), SHIPPED.to_vec()),
            Some("-") => (
                "standard input".to_owned(),
                files::read(Path::new("-"), MAX_INPUT)?,
            ),
            Some(path) => (path.to_owned(), files::read(Path::new(path), MAX_INPUT)?),
        };
        let mut lines = lines(&bytes);
        for (number, line) in (1_usize..).zip(&lines) {
            if line.len() > MAX_LINE {
                return Err(Failure::usage(format_args!(
                    "line {number} of {name} has {} bytes, at most {MAX_LINE} are possible: split it",
                    line.len()
                )));
            }
        }
        if lines.len() > MAX_LINES {
            return Err(Failure::usage(format_args!(
                "{name} has {} lines, at most {MAX_LINES} are possible: give a part of it",
                lines.len()
            )));
        }
        let added = FEWEST.saturating_sub(lines.len());
        for number in 1..=added {
            lines.push(
                format!("a line of the demo's own, number {number}, because the input is short")
                    .into_bytes(),
            );
        }
        Ok(Self { name, lines, added })
    }

    /// How many lines go out before the rotation is asked for, before the removal, and afterwards.
    pub(super) fn parts(&self) -> [usize; 3] {
        let third = self.lines.len() / 3;
        let rest = self.lines.len().saturating_sub(third);
        let second = rest / 2;
        [third, second, rest.saturating_sub(second)]
    }
}

/// Splits at newlines; a newline at the end begins no further line.
fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    body.split(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_bytes() {
        assert!(lines(b"").is_empty());
        assert_eq!(lines(b"\n"), [b""]);
        assert_eq!(
            lines(b"a\n\n\xff\r\n\0"),
            [&b"a"[..], b"", b"\xff\r", b"\0"]
        );
        assert_eq!(lines(b"a\n"), lines(b"a"));
    }

    #[test]
    fn every_part_has_a_message() {
        for count in FEWEST..200 {
            let input = Input {
                name: String::new(),
                lines: vec![Vec::new(); count],
                added: 0,
            };
            let parts = input.parts();
            assert_eq!(parts.iter().sum::<usize>(), count);
            assert!(parts.iter().all(|part| *part > 0), "{count}: {parts:?}");
        }
    }

    #[test]
    fn the_shipped_file_is_usable() {
        let input = Input::read(None).unwrap();
        assert_eq!(input.added, 0);
        assert!(input.lines.len() >= 100);
    }
}
