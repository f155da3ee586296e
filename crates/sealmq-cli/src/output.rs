//! Standard output for results, standard error for remarks. Whatever is written here is escaped:
//! topics, names, reasons and the content of files come from others, and must neither steer a
//! terminal nor begin a line of their own.

use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};

use crate::failure::Failure;

/// Prints one line of the result.
pub(crate) fn say(line: impl Display) -> Result<(), Failure> {
    say_all([line])
}

/// Prints lines of the result at once: a reader that has found what it wanted and leaves
/// (`sealmq group show plant | grep -q …`) must not make the command fail that has done its work.
pub(crate) fn say_all(lines: impl IntoIterator<Item = impl Display>) -> Result<(), Failure> {
    match io::stdout().write_all(lines_of(lines).as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::output(&error)),
        _ => Ok(()),
    }
}

/// Prints a remark of one line. When nobody listens there is nothing to be done.
pub(crate) fn note(line: impl Display) {
    note_all([line]);
}

/// Prints a remark of several lines.
pub(crate) fn note_all(lines: impl IntoIterator<Item = impl Display>) {
    let _closed = io::stderr().write_all(lines_of(lines).as_bytes());
}

fn lines_of(lines: impl IntoIterator<Item = impl Display>) -> String {
    let mut text = String::new();
    for line in lines {
        // Writing to a string does not fail.
        let _written = writeln!(text, "{}", Escaped(line));
    }
    text
}

/// Shows a value without anything that acts on a terminal or misleads its reader: control
/// characters become `\n`, `\u{1b}` and so on.
pub(crate) struct Escaped<T>(pub(crate) T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escape(f), "{}", self.0)
    }
}

/// Passes text on, escaped.
struct Escape<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escape<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '\n' => self.0.write_str("\\n")?,
                '\r' => self.0.write_str("\\r")?,
                '\t' => self.0.write_str("\\t")?,
                c if acts(c) => write!(self.0, "{}", c.escape_unicode())?,
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Controls (C0, DEL, C1), what changes the direction of text (bidi), separators of lines, and
/// characters that cannot be seen.
pub(crate) const fn acts(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Shows JSON that is as good as before, for terminals, too: serializers escape C0 only.
pub(crate) fn escape_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        // Such characters stand in strings only; controls of C0 outside of them are white space.
        if acts(character) && !character.is_ascii_whitespace() {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _written = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Writes a payload for people who read it on a terminal: lines stay, nothing else acts.
pub(crate) fn write_for_people(bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' | '\t' => write!(out, "{character}")?,
                c => write!(out, "{}", Escaped(c))?,
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// What the lines of the log go through. Each write is one whole line, as `tracing_subscriber` makes them.
pub(crate) struct LogLines<W> {
    pub(crate) to: W,
    pub(crate) json: bool,
}

impl<W: Write> Write for LogLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let safe = if self.json {
            escape_json(text)
        } else {
            Escaped(text).to_string()
        };
        self.to.write_all(format!("{safe}\n").as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One character of each kind, and what else a hostile topic may want.
    const HOSTILE: &str = "a\x1b]52;c;ZXZpbA==\x07\x1b[2J\r\nsealmq: ALARM\t\u{7f}\u{9b}31m\u{202e}\u{2066}\u{61c}\u{200f}\u{2028}\u{200b}\u{feff}\u{e0041}é😀\u{200d}";

    fn is_harmless(text: &str) -> bool {
        !text.chars().any(|c| acts(c) || c.is_control())
    }

    #[test]
    fn nothing_that_acts_is_left_in_a_line() {
        let line = lines_of([HOSTILE]);
        let line = line.strip_suffix('\n').unwrap();
        assert!(is_harmless(line), "{line:?}");
        assert!(line.starts_with("a\\u{1b}]52;c;ZXZpbA==\\u{7}\\u{1b}[2J\\r\\nsealmq: ALARM\\t\\u{7f}\\u{9b}31m\\u{202e}"), "{line}");
        // What people write stays.
        assert!(line.ends_with("é😀\u{200d}"), "{line}");
        assert_eq!(lines_of(["plain", "C:\\dir"]), "plain\nC:\\dir\n");
        // Every control of Unicode, whatever its category.
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            assert!(!c.is_control() || acts(c), "{c:?}");
        }
    }

    #[test]
    fn json_says_the_same_without_what_acts() {
        let json = serde_json::json!({ "topic": HOSTILE, "more": ["\u{9b}"] });
        let safe = escape_json(&json.to_string());
        assert!(is_harmless(&safe), "{safe:?}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&safe).unwrap(),
            json
        );
    }

    #[test]
    fn payloads_for_people_keep_their_lines() {
        let mut out = Vec::new();
        write_for_people(b"1\n2\t\x1b[2J\xff\x9b \xc2\x9b\xe2\x80\xae", &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "1\n2\t\\u{1b}[2J\\xff\\x9b \\u{9b}\\u{202e}"
        );
    }

    #[test]
    fn lines_of_the_log_are_lines() {
        for json in [false, true] {
            let mut log = LogLines {
                to: Vec::new(),
                json,
            };
            let topic = serde_json::to_string("x\n\u{202e}").unwrap();
            log.write_all(format!("{topic}\n").as_bytes()).unwrap();
            let text = String::from_utf8(log.to).unwrap();
            assert!(is_harmless(text.strip_suffix('\n').unwrap()), "{text:?}");
        }
        let mut log = LogLines {
            to: Vec::new(),
            json: false,
        };
        log.write_all(b"client a\nsealmq: ALARM\n").unwrap();
        assert_eq!(log.to, b"client a\\nsealmq: ALARM\n");
    }
}
