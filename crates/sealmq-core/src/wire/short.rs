use core::fmt;

use super::header::{Header, HeaderError, read_counter};
use super::{Reader, Suite, Truncated, Writer, varint_len};
use crate::crypto::SESSION_TAG_LEN;

/// Fewest bytes of an envelope of the short form (spec/envelope.md §12).
pub const MIN_SHORT_ENVELOPE_LEN: usize = 91;

/// Its first byte, with the data path of both suites.
const SHORT_FORM: u8 = 0x91;

/// Names a session in the short form; shown as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionTag(pub [u8; SESSION_TAG_LEN]);

impl fmt::Display for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The part of an envelope of the short form that everybody can read (spec/envelope.md §12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortHeader {
    /// Algorithms, from the first byte.
    pub suite: Suite,
    /// Sender, group, epoch and session, for whoever has the session's record.
    pub tag: SessionTag,
    /// Number of the message in its session.
    pub counter: u32,
}

impl ShortHeader {
    fn read(envelope: &[u8]) -> Result<Self, HeaderError> {
        if envelope.len() < MIN_SHORT_ENVELOPE_LEN {
            return Err(HeaderError::Malformed);
        }
        let malformed = |_| HeaderError::Malformed;
        let mut reader = Reader::new(envelope);
        let _form = reader.u8().map_err(malformed)?;
        Ok(Self {
            suite: Suite::One,
            tag: SessionTag(reader.array().map_err(malformed)?),
            counter: read_counter(&mut reader)?,
        })
    }

    /// Length in bytes, 10 to 12.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        varint_len(self.counter as u64).saturating_add(1 + SESSION_TAG_LEN)
    }

    /// Writes the header.
    ///
    /// # Errors
    /// `out` is too small.
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), Truncated> {
        out.put(&[SHORT_FORM])?;
        out.put(&self.tag.0)?;
        out.varint(u64::from(self.counter))
    }
}

/// The header of an envelope of either form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// It says everything.
    Full(Header),
    /// It names a session that the reader has to know.
    Short(ShortHeader),
}

impl Head {
    /// Reads a header and checks the envelope's least length. What follows the header is not
    /// looked at.
    ///
    /// # Errors
    /// See [`HeaderError`].
    pub fn parse(envelope: &[u8]) -> Result<Self, HeaderError> {
        match envelope.first() {
            Some(&SHORT_FORM) => ShortHeader::read(envelope).map(Self::Short),
            _ => Header::parse(envelope).map(Self::Full),
        }
    }

    /// Length in bytes.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        match self {
            Self::Full(header) => header.encoded_len(),
            Self::Short(header) => header.encoded_len(),
        }
    }

    /// Writes the header.
    ///
    /// # Errors
    /// `out` is too small.
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), Truncated> {
        match self {
            Self::Full(header) => header.emit(out),
            Self::Short(header) => header.emit(out),
        }
    }

    /// Number of the message in its session.
    #[must_use]
    pub const fn counter(&self) -> u32 {
        match self {
            Self::Full(header) => header.counter,
            Self::Short(header) => header.counter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_COUNTER;
    use super::*;

    fn envelope(counter: u32) -> [u8; 120] {
        let header = ShortHeader {
            suite: Suite::One,
            tag: SessionTag([0xa7; 8]),
            counter,
        };
        let mut out = [0; 120];
        let mut writer = Writer::new(&mut out);
        header.emit(&mut writer).unwrap();
        assert_eq!(writer.position(), header.encoded_len());
        assert_eq!(Head::parse(&out), Ok(Head::Short(header)));
        out
    }

    #[test]
    fn short_headers_round_trip_at_counter_edges() {
        for counter in [0, 1, 127, 128, 16383, 16384, MAX_COUNTER] {
            let bytes = envelope(counter);
            let full = HeaderError::Unsupported { form: SHORT_FORM };
            assert_eq!(Header::parse(&bytes), Err(full));
        }
        assert_eq!(format!("{}", SessionTag([0xa7; 8])), "a7".repeat(8));
    }

    #[test]
    fn malformed_short_headers() {
        let bytes = envelope(5);
        for len in 1..MIN_SHORT_ENVELOPE_LEN {
            assert_eq!(Head::parse(&bytes[..len]), Err(HeaderError::Malformed));
        }
        assert!(Head::parse(&bytes[..MIN_SHORT_ENVELOPE_LEN]).is_ok());
        for counter in [&[0x80, 0x80, 0x80, 1][..], &[0x85, 0], &[0xff; 12]] {
            let mut bytes = bytes;
            bytes[9..9 + counter.len()].copy_from_slice(counter);
            assert_eq!(Head::parse(&bytes), Err(HeaderError::Malformed));
        }
    }
}
