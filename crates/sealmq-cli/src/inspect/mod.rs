//! `sealmq inspect`: what somebody without keys can tell.

mod envelope;
mod input;
mod kept;
mod objects;
mod small;

use sealmq_core::wire::{Head, HeaderError};

use crate::args::InspectArgs;
use crate::failure::Failure;
use crate::output::{say, say_all};

/// A name and what stands there.
type Line = (&'static str, String);

pub(crate) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let bytes = input::read(&args.input)?;
    if bytes.is_empty() {
        return say(
            "empty: with retain set this clears the topic's retained message; anybody can send it",
        );
    }
    // Objects and envelopes begin alike. An object decodes to the last byte, an envelope by chance does not.
    if let Some((title, lines)) = objects::describe(&bytes) {
        return print(&title, &lines);
    }
    match Head::parse(&bytes) {
        Ok(head) => {
            let (title, lines) = match &head {
                Head::Full(header) => envelope::describe(header, &bytes),
                Head::Short(header) => envelope::describe_short(header, &bytes),
            };
            print(&title, &lines)?;
            say("")?;
            say_all(envelope::REMARKS.lines())
        }
        Err(HeaderError::NotSealed) => Err(Failure::refused(format_args!(
            "no sealmq envelope or object (first byte {:02x}, {} bytes): whoever published this did not use sealmq",
            bytes.first().copied().unwrap_or_default(),
            bytes.len()
        ))),
        Err(error @ HeaderError::Malformed) => Err(Failure::refused(format_args!(
            "{error} ({} bytes): it was cut off on the way, or is no sealmq message",
            bytes.len()
        ))),
        Err(error) => Err(Failure::refused(error)),
    }
}

fn print(title: &str, lines: &[Line]) -> Result<(), Failure> {
    say(title)?;
    let width = lines
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    lines
        .iter()
        .try_for_each(|(name, value)| say(format_args!("  {name:width$}  {value}")))
}
