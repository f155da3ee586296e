//! Where payloads come from.

use std::io::{self, BufRead as _, Read as _};
use std::path::Path;
use std::thread;

use tokio::sync::mpsc;

use crate::args::PubInput;
use crate::failure::Failure;
use crate::files;

/// Longest payload in bytes: MQTT's own limit is 256 MiB for the whole packet, brokers allow less.
pub(super) const MAX_PAYLOAD: usize = 64 * 1024 * 1024;
/// Lines read ahead.
const AHEAD: usize = 64;

/// The payloads of one run.
pub(super) enum Payloads {
    /// One, for `--repeat`.
    One(Vec<u8>),
    /// As they come.
    Lines(mpsc::Receiver<Result<Vec<u8>, Failure>>),
}

impl Payloads {
    pub(super) fn new(input: &PubInput) -> Result<Self, Failure> {
        Ok(match input {
            PubInput {
                stdin_line: true, ..
            } => Self::Lines(stdin_lines()?),
            PubInput {
                stdin_file: true, ..
            } => Self::One(files::read(Path::new("-"), MAX_PAYLOAD)?),
            PubInput {
                message: Some(message),
                ..
            } => Self::One(message.clone().into_bytes()),
            PubInput {
                file: Some(file), ..
            } => Self::One(files::read(file, MAX_PAYLOAD)?),
            // clap lets nothing else through than --null-message.
            _ => Self::One(Vec::new()),
        })
    }
}

/// A thread of its own, because a read that waits for a terminal cannot be cancelled: the program
/// ends without it.
fn stdin_lines() -> Result<mpsc::Receiver<Result<Vec<u8>, Failure>>, Failure> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let read = move || {
        let mut input = io::stdin().lock();
        loop {
            let line = next_line(&mut input, MAX_PAYLOAD).transpose();
            let Some(line) = line else { return };
            let ended = line.is_err();
            if sender.blocking_send(line).is_err() || ended {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(read)
        .map_err(|error| Failure::refused(format_args!("no thread for standard input: {error}")))?;
    Ok(receiver)
}

/// A line without its newline; `None` at the end.
fn next_line(input: &mut impl io::BufRead, most: usize) -> Result<Option<Vec<u8>>, Failure> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut line = Vec::new();
    let read = input
        .take(limit)
        .read_until(b'\n', &mut line)
        .map_err(|error| Failure::usage(format_args!("standard input cannot be read: {error}")))?;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > most {
        return Err(Failure::usage(format_args!(
            "a line of standard input is longer than {most} bytes: send it with -s or in parts"
        )));
    }
    Ok((read > 0).then_some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut input: &[u8], most: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut input, most)? {
            lines.push(line);
        }
        Ok(lines)
    }

    #[test]
    fn lines_are_bytes_without_their_newline() {
        assert_eq!(lines(b"", 9).unwrap(), Vec::<Vec<u8>>::new());
        assert_eq!(lines(b"\n", 9).unwrap(), [b""]);
        assert_eq!(
            lines(b"a\n\nb\xff\r\nc", 9).unwrap(),
            [&b"a"[..], b"", b"b\xff\r", b"c"]
        );
        assert_eq!(lines(b"12345\n12345", 5).unwrap(), [b"12345", b"12345"]);
        assert!(lines(b"123456\n", 5).is_err());
        assert!(lines(b"1\n123456", 5).is_err());
    }
}
