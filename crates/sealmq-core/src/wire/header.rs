use core::fmt;

use super::{Reader, Writer, varint_len};
use crate::crypto::{ENC_LEN, MAC_LEN};
use crate::ids::KeyId;
use crate::suite::Suite;

/// Fewest bytes of an envelope (spec/envelope.md §3).
pub const MIN_ENVELOPE_LEN: usize = 130;

/// Highest counter of a session: 2^21 − 1, three bytes on the wire.
pub const MAX_COUNTER: u32 = (1 << 21) - 1;

/// Highest session number: 2^35 − 1.
pub const MAX_SESSION_NUMBER: u64 = (1 << 35) - 1;

/// Most bytes of a header.
pub const MAX_HEADER_LEN: usize = 48;

/// The bytes are no envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The first byte is none of sealmq's, or there is none.
    NotSealed,
    /// A form of sealmq that this version does not implement.
    Unsupported {
        /// The first byte.
        form: u8,
    },
    /// It starts like an envelope, but is too short, or its counter is not a legal one.
    Malformed,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSealed => f.write_str("not a sealmq envelope"),
            Self::Unsupported { form } => write!(f, "envelope form {form:#04x} is not implemented"),
            Self::Malformed => f.write_str("starts like an envelope, but is malformed"),
        }
    }
}

impl core::error::Error for HeaderError {}

/// The part of a full-form envelope that everybody can read (spec/envelope.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Algorithms, from the first byte.
    pub suite: Suite,
    /// Group and epoch.
    pub key_id: KeyId,
    /// The session's encapsulated key.
    pub enc: [u8; ENC_LEN],
    /// By which members see that one of them made `enc`.
    pub mac: [u8; MAC_LEN],
    /// Number of the message in its session.
    pub counter: u32,
}

impl Header {
    /// Reads the header of a full-form envelope and checks the envelope's least length. What
    /// follows the header is not looked at. Where either form may come: [`super::Head::parse`].
    ///
    /// # Errors
    /// See [`HeaderError`]; the short form is `Unsupported`.
    pub fn parse(envelope: &[u8]) -> Result<Self, HeaderError> {
        let suite = match envelope.first() {
            Some(0x11) => Suite::One,
            Some(&form @ (0x12 | 0x91 | 0x92)) => return Err(HeaderError::Unsupported { form }),
            _ => return Err(HeaderError::NotSealed),
        };
        if envelope.len() < MIN_ENVELOPE_LEN {
            return Err(HeaderError::Malformed);
        }
        let malformed = |_| HeaderError::Malformed;
        let mut reader = Reader::new(envelope);
        let _form = reader.u8().map_err(malformed)?;
        let key_id = KeyId(reader.array().map_err(malformed)?);
        let enc = reader.array().map_err(malformed)?;
        let mac = reader.array().map_err(malformed)?;
        let counter = read_counter(&mut reader)?;
        Ok(Self {
            suite,
            key_id,
            enc,
            mac,
            counter,
        })
    }

    /// Length in bytes, 46 to 48.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        varint_len(self.counter as u64).saturating_add(45)
    }

    /// Writes the header.
    ///
    /// # Errors
    /// `out` is too small.
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), super::Truncated> {
        out.put(&[self.suite.form()])?;
        out.put(&self.key_id.0)?;
        out.put(&self.enc)?;
        out.put(&self.mac)?;
        out.varint(u64::from(self.counter))
    }
}

pub(super) fn read_counter(reader: &mut Reader<'_>) -> Result<u32, HeaderError> {
    let counter = reader.varint().map_err(|_| HeaderError::Malformed)?;
    let counter = u32::try_from(counter).map_err(|_| HeaderError::Malformed)?;
    if counter > MAX_COUNTER {
        return Err(HeaderError::Malformed);
    }
    Ok(counter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(counter: u32) -> Vec<u8> {
        let header = Header {
            suite: Suite::One,
            key_id: KeyId([7; 8]),
            enc: [9; 32],
            mac: [3; 4],
            counter,
        };
        let mut out = [0; 200];
        let mut writer = Writer::new(&mut out);
        header.emit(&mut writer).unwrap();
        assert_eq!(writer.position(), header.encoded_len());
        assert_eq!(Header::parse(&out), Ok(header));
        out.to_vec()
    }

    #[test]
    fn round_trip_at_counter_edges() {
        for counter in [0, 1, 127, 128, 16383, 16384, MAX_COUNTER] {
            envelope(counter);
        }
    }

    #[test]
    fn every_first_byte() {
        let mut bytes = envelope(0);
        for form in 0..=255 {
            bytes[0] = form;
            let expected = match form {
                0x11 => None,
                0x12 | 0x91 | 0x92 => Some(HeaderError::Unsupported { form }),
                _ => Some(HeaderError::NotSealed),
            };
            assert_eq!(Header::parse(&bytes).err(), expected);
        }
        assert_eq!(Header::parse(&[]), Err(HeaderError::NotSealed));
    }

    #[test]
    fn malformed() {
        let bytes = envelope(5);
        for len in 1..MIN_ENVELOPE_LEN {
            assert_eq!(Header::parse(&bytes[..len]), Err(HeaderError::Malformed));
        }
        assert!(Header::parse(&bytes[..MIN_ENVELOPE_LEN]).is_ok());
        for counter in [&[0x80, 0x80, 0x80, 1][..], &[0x85, 0], &[0xff; 12]] {
            let mut bytes = bytes.clone();
            bytes[45..45 + counter.len()].copy_from_slice(counter);
            assert_eq!(Header::parse(&bytes), Err(HeaderError::Malformed));
        }
    }
}
