//! Turns messages into lines.

use std::io::{self, IsTerminal as _, Write};

use super::json;
use super::message::Shown;
use crate::args::SubArgs;
use crate::clock;
use crate::failure::Failure;
use crate::output::{Escaped, write_for_people};

/// How messages are printed.
pub(super) struct Format {
    pieces: Vec<Piece>,
    newline: bool,
    /// Standard output is a terminal.
    for_people: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Field(char),
}

/// What may stand behind a percent sign.
const FIELDS: &str = "tpxXsngeaAlIUrjSmGCRDEFP";

impl Format {
    pub(super) fn new(args: &SubArgs) -> Result<Self, Failure> {
        let format = match (&args.format, args.json, args.verbose) {
            (Some(format), ..) => format,
            (None, true, _) => "%j",
            (None, false, true) => "%t %p",
            (None, false, false) => "%p",
        };
        let pieces =
            parse(format).map_err(|reason| Failure::usage(format_args!("-F: {reason}")))?;
        Ok(Self {
            pieces,
            newline: !args.no_newline,
            for_people: io::stdout().is_terminal(),
        })
    }

    /// Writes one message.
    pub(super) fn write(&self, message: &Shown<'_>, out: &mut impl Write) -> io::Result<()> {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.write_all(text)?,
                Piece::Field(field) => write_field(*field, message, self.for_people, out)?,
            }
        }
        if self.newline {
            out.write_all(b"\n")
        } else {
            Ok(())
        }
    }
}

fn parse(format: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => match characters.next() {
                Some('%') => text.push(b'%'),
                Some(field) if FIELDS.contains(field) => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(core::mem::take(&mut text)));
                    }
                    pieces.push(Piece::Field(field));
                }
                Some(other) => {
                    return Err(format!(
                        "%{other} is not known: `sealmq sub --help` lists what is"
                    ));
                }
                None => {
                    return Err(
                        "a percent sign at the end: write %% for the sign itself".to_owned()
                    );
                }
            },
            '\\' => text.push(match characters.next() {
                Some('n') => b'\n',
                Some('t') => b'\t',
                Some('r') => b'\r',
                Some('0') => 0,
                Some('a') => 7,
                Some('e') => 27,
                Some('\\') => b'\\',
                Some(other) => {
                    return Err(format!(
                        "\\{other} is not known: write \\\\ for a backslash"
                    ));
                }
                None => return Err("a backslash at the end: write \\\\ for a backslash".to_owned()),
            }),
            other => text.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

fn write_field(
    field: char,
    message: &Shown<'_>,
    for_people: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let properties = message.properties;
    match field {
        't' => text(out, message.topic),
        'p' => bytes(out, message.payload, for_people),
        'x' => out.write_all(hex::encode(message.payload).as_bytes()),
        'X' => out.write_all(hex::encode_upper(message.payload).as_bytes()),
        's' => text(out, message.sender_name),
        'n' => write!(out, "{}", message.sender),
        'g' => text(out, message.group),
        'e' => write!(out, "{}", message.epoch),
        'a' => out.write_all(
            message
                .sent_at
                .map(clock::iso_millis)
                .unwrap_or_default()
                .as_bytes(),
        ),
        'A' => message.age().map_or(Ok(()), |age| {
            write!(out, "{}.{:03}", age / 1000, age % 1000)
        }),
        'l' => write!(out, "{}", message.payload.len()),
        'I' => out.write_all(clock::iso_millis(message.received_at).as_bytes()),
        'U' => write!(
            out,
            "{}.{:03}",
            message.received_at / 1000,
            message.received_at % 1000
        ),
        'r' => out.write_all(if message.retained { b"1" } else { b"0" }),
        'j' => out.write_all(json::line(message).as_bytes()),
        'S' => write!(out, "{}", message.session),
        'm' => write!(out, "{}", message.counter),
        'G' => message
            .missed
            .map_or(Ok(()), |missed| write!(out, "{missed}")),
        'C' => text(out, properties.content_type.as_deref().unwrap_or_default()),
        'R' => text(
            out,
            properties.response_topic.as_deref().unwrap_or_default(),
        ),
        'D' => {
            let data = properties.correlation_data.as_deref();
            bytes(out, data.unwrap_or_default(), for_people)
        }
        'E' => properties
            .expiry
            .map_or(Ok(()), |seconds| write!(out, "{seconds}")),
        'F' => properties
            .payload_format
            .map_or(Ok(()), |format| write!(out, "{format}")),
        _ => {
            let user: Vec<String> = properties
                .user
                .iter()
                .map(|(name, value)| format!("{name}:{value}"))
                .collect();
            text(out, &user.join(" "))
        }
    }
}

/// Text from others never acts on a terminal, nor on what reads the pipe line by line.
fn text(out: &mut impl Write, text: &str) -> io::Result<()> {
    write!(out, "{}", Escaped(text))
}

/// What members send is theirs: bytes as they are for programs, harmless for people.
fn bytes(out: &mut impl Write, bytes: &[u8], for_people: bool) -> io::Result<()> {
    if for_people {
        write_for_people(bytes, out)
    } else {
        out.write_all(bytes)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::output::acts;
    use sealmq_keys::member::Properties;

    pub(in super::super) fn shown<'a>(payload: &'a [u8], properties: &'a Properties) -> Shown<'a> {
        Shown {
            topic: "plant/a",
            payload,
            sender: 7,
            sender_name: "sensor",
            group: "plant",
            epoch: 3,
            session: 1_700_000_000,
            counter: 5,
            sent_at: Some(1_700_000_000_250),
            received_at: 1_700_000_001_005,
            missed: Some(2),
            retained: true,
            will: false,
            properties,
        }
    }

    fn render(format: &str, payload: &[u8]) -> Vec<u8> {
        render_for(false, format, payload)
    }

    fn render_for(for_people: bool, format: &str, payload: &[u8]) -> Vec<u8> {
        let properties = Properties {
            content_type: Some("text/plain".to_owned()),
            correlation_data: Some(vec![0xff]),
            expiry: Some(60),
            user: vec![
                ("a".to_owned(), "1".to_owned()),
                ("b".to_owned(), String::new()),
            ],
            ..Properties::default()
        };
        let format = Format {
            pieces: parse(format).unwrap(),
            newline: false,
            for_people,
        };
        let mut out = Vec::new();
        format
            .write(&shown(payload, &properties), &mut out)
            .unwrap();
        out
    }

    #[test]
    fn every_field() {
        assert_eq!(render("%t %p|%x|%X", b"\xab"), b"plant/a \xab|ab|AB");
        assert_eq!(
            render("%s %n %g %e %r %l %S %m %G", b"xy"),
            b"sensor 7 plant 3 1 2 1700000000 5 2"
        );
        assert_eq!(
            render("%a %I %U", b""),
            b"2023-11-14T22:13:20.250Z 2023-11-14T22:13:21.005Z 1700000001.005"
        );
        assert_eq!(
            render("%C|%R|%D|%E|%F|%P", b""),
            b"text/plain||\xff|60||a:1 b:"
        );
        assert_eq!(
            render("100%% \\t\\n\\\\\\0é", b""),
            "100% \t\n\\\0é".as_bytes()
        );
        for field in FIELDS.chars() {
            render(&format!("%{field}"), b"x");
        }
        let value: serde_json::Value = serde_json::from_slice(&render("%j", b"x")).unwrap();
        assert_eq!(value["payload"], "x");
    }

    /// A pipe gets the bytes that a member sent; nothing else brings control characters along.
    #[test]
    fn only_payloads_are_raw_and_only_for_programs() {
        let hostile = "\x1b]52;c;eA==\x07\n\u{9b}\u{202e}";
        let properties = Properties {
            content_type: Some(hostile.to_owned()),
            response_topic: Some(hostile.to_owned()),
            user: vec![(hostile.to_owned(), hostile.to_owned())],
            ..Properties::default()
        };
        let message = Shown {
            topic: hostile,
            sender_name: hostile,
            group: hostile,
            ..shown(b"", &properties)
        };
        for for_people in [false, true] {
            for field in FIELDS.chars() {
                let format = Format {
                    pieces: vec![Piece::Field(field)],
                    newline: false,
                    for_people,
                };
                let mut out = Vec::new();
                format.write(&message, &mut out).unwrap();
                let out = String::from_utf8(out).unwrap();
                assert!(!out.chars().any(acts), "%{field}: {out:?}");
            }
        }
        let payload = b"1\n\x1b[2J\xff";
        assert_eq!(render_for(false, "%p", payload), payload);
        assert_eq!(
            render_for(true, "%p|%D", payload),
            b"1\n\\u{1b}[2J\\xff|\\xff"
        );
    }

    #[test]
    fn bad_formats_are_named() {
        for bad in ["%", "%z", "\\", "\\q", "a%"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
