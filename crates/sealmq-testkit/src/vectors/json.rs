//! JSON with members in the order in which they were written, and text that a reader can scan.

use core::fmt::Write as _;

/// A JSON value. Numbers are unsigned, as everything in the vectors is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Number(u64),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; members keep their order.
    Object(Vec<(String, Json)>),
}

/// Lines up to this length hold a whole object or array.
const LINE: usize = 150;

impl Json {
    /// Bytes as lower-case hex.
    #[must_use]
    pub fn hex(bytes: impl AsRef<[u8]>) -> Self {
        Self::Text(hex::encode(bytes))
    }

    /// A text of a vector: a string, or `{"hex": …}` for bytes that are not UTF-8 and for what
    /// would look like a fixture.
    #[must_use]
    pub fn text(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        match core::str::from_utf8(bytes) {
            Ok(text) if !text.starts_with('@') => Self::Text(text.to_owned()),
            _ => Self::Object(vec![("hex".to_owned(), Self::hex(bytes))]),
        }
    }

    /// The same object with one member more, or with another value for it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        let Self::Object(members) = &mut self else {
            panic!("only objects have members");
        };
        let value = value.into();
        match members.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => members.push((name.to_owned(), value)),
        }
        self
    }

    /// A member of an object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        let Self::Object(members) = self else {
            return None;
        };
        members
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// The text of a file.
    #[must_use]
    pub fn to_file(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out.push('\n');
        out
    }

    fn write(&self, out: &mut String, indent: usize) {
        let mut line = String::new();
        self.write_line(&mut line);
        if indent + line.chars().count() <= LINE {
            out.push_str(&line);
            return;
        }
        match self {
            Self::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "[" } else { "," });
                    new_line(out, indent + 2);
                    item.write(out, indent + 2);
                }
                new_line(out, indent);
                out.push(']');
            }
            Self::Object(members) => {
                for (i, (name, value)) in members.iter().enumerate() {
                    out.push_str(if i == 0 { "{" } else { "," });
                    new_line(out, indent + 2);
                    write_text(out, name);
                    out.push_str(": ");
                    value.write(out, indent + 2);
                }
                new_line(out, indent);
                out.push('}');
            }
            _ => out.push_str(&line),
        }
    }

    fn write_line(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(value) => {
                let _ = write!(out, "{value}");
            }
            Self::Text(text) => write_text(out, text),
            Self::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    item.write_line(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    out.push_str(if i == 0 { " " } else { ", " });
                    write_text(out, name);
                    out.push_str(": ");
                    value.write_line(out);
                }
                out.push_str(if members.is_empty() { "}" } else { " }" });
            }
        }
    }
}

fn new_line(out: &mut String, indent: usize) {
    out.push('\n');
    out.extend(core::iter::repeat_n(' ', indent));
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' || c == '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

macro_rules! from_number {
    ($($number:ty),*) => { $(
        impl From<$number> for Json {
            fn from(value: $number) -> Self {
                Self::Number(value.into())
            }
        }
    )* };
}
from_number!(u8, u16, u32, u64);

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(items: Vec<T>) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl From<[u8; 32]> for Json {
    fn from(bytes: [u8; 32]) -> Self {
        Self::hex(bytes)
    }
}

impl From<[u8; 16]> for Json {
    fn from(bytes: [u8; 16]) -> Self {
        Self::hex(bytes)
    }
}

impl From<&[u8]> for Json {
    fn from(bytes: &[u8]) -> Self {
        Self::hex(bytes)
    }
}

impl From<sealmq_core::crypto::Digest> for Json {
    fn from(digest: sealmq_core::crypto::Digest) -> Self {
        Self::hex(digest.0)
    }
}

/// `object! { name: value, … }`: a [`Json::Object`]. A name that is a Rust keyword stands as a string.
macro_rules! object {
    ($($name:tt : $value:expr),* $(,)?) => {
        $crate::vectors::json::Json::Object(vec![
            $(($crate::vectors::json::object!(@name $name), $crate::vectors::json::Json::from($value))),*
        ])
    };
    (@name $name:ident) => { stringify!($name).to_owned() };
    (@name $name:literal) => { $name.to_owned() };
}
pub(crate) use object;
