use core::fmt;
use core::ops::Range;

use super::header::MAX_SESSION_NUMBER;
use super::properties::{PropertiesError, PropertyList};
use super::{Reader, Truncated, Writer, varint_len};
use crate::ids::MemberNumber;

/// Most bytes of a credential inside an envelope.
pub const MAX_EMBEDDED_CREDENTIAL_LEN: usize = 4096;

const HINT_MODULUS: u8 = 128;
const MAX_SENT_AT: u64 = (1 << 42) - 1;
/// Half of the times that the short form can say are before the session's number: a clock may have
/// been set back, and numbers run ahead of it where many are taken.
const AGE_BIAS: u64 = 1 << 31;
const MAX_SEQUENCE: u64 = (1 << 21) - 1;

/// Bits of the first byte of a body (spec/envelope.md §4).
pub mod flags {
    /// The sender's clock is inside.
    pub const SENT_AT: u8 = 0x01;
    /// The topic sequence is inside.
    pub const SEQUENCE: u8 = 0x02;
    /// Protected properties are inside.
    pub const PROPERTIES: u8 = 0x04;
    /// The sender's credential is inside.
    pub const CREDENTIAL: u8 = 0x08;
    /// The payload's length and padding are inside.
    pub const PADDED: u8 = 0x10;
    /// The sender published with retain set.
    pub const RETAIN: u8 = 0x20;
    /// This is a Last Will.
    pub const WILL: u8 = 0x40;
    /// No meaning; must be 0.
    pub const RESERVED: u8 = 0x80;
    /// What only the full form carries.
    pub const FULL_FORM: u8 = CREDENTIAL | RETAIN | WILL;
}

/// A body that breaks a rule of spec/envelope.md §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// Bytes end too early, or a number is not minimal.
    Truncated,
    /// The reserved flag is set, a message expiry stands without a sent-at time, state without a
    /// credential, or either of those in the short form.
    Flags,
    /// A number is above its limit.
    Range,
    /// Padding that is not zero.
    Padding,
    /// The properties are not well-formed.
    Properties(PropertiesError),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("a field reaches past the end or is not minimal"),
            Self::Flags => f.write_str("flags that do not go together or have no meaning"),
            Self::Range => f.write_str("a number is above its limit (spec/constants.md §2)"),
            Self::Padding => f.write_str("padding is not zero"),
            Self::Properties(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for BodyError {}

impl From<Truncated> for BodyError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

/// What stands in a body of the full form for every message of a session alike. The short form
/// leaves it out: its reader has it from a full form of the session (spec/envelope.md §12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionFields {
    /// The sender's number, 1 to 2^28 − 1.
    pub sender: MemberNumber,
    /// The serial of the sender's credential modulo 128.
    pub hint: u8,
    /// The session's number.
    pub number: u64,
}

impl SessionFields {
    fn read(reader: &mut Reader<'_>) -> Result<Self, BodyError> {
        let sender = bounded(reader.varint()?, MemberNumber::MAX.0.into())?;
        let sender = MemberNumber(narrow(sender)?);
        let hint = reader.u8()?;
        if !sender.is_valid() || hint >= HINT_MODULUS {
            return Err(BodyError::Range);
        }
        let number = bounded(reader.varint()?, MAX_SESSION_NUMBER)?;
        if number == 0 {
            return Err(BodyError::Range);
        }
        Ok(Self {
            sender,
            hint,
            number,
        })
    }
}

/// The body of an envelope, checked: numbers, and where the byte fields stand. Positions instead
/// of slices, so that the buffer can still be wiped while the signature is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyFields {
    /// [`flags`].
    pub flags: u8,
    /// The sender's number, 1 to 2^28 − 1.
    pub sender: MemberNumber,
    /// The serial of the sender's credential modulo 128.
    pub hint: u8,
    /// The session's number.
    pub session_number: u64,
    /// Unix milliseconds.
    pub sent_at: Option<u64>,
    /// Number among the sender's messages on this topic.
    pub sequence: Option<u32>,
    /// Of a retained value: number of the connection on which it was sealed.
    pub connection: Option<u64>,
    /// Seconds after `sent_at`, from the properties.
    pub message_expiry: Option<u32>,
    /// Where the credential stands.
    pub credential: Option<Range<usize>>,
    /// Where the properties stand.
    pub properties: Option<Range<usize>>,
    /// Where the payload stands.
    pub payload: Range<usize>,
}

impl BodyFields {
    /// Reads and checks a body of the full form (the plaintext without its signature).
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn parse(body: &[u8]) -> Result<Self, BodyError> {
        Self::read(body, None)
    }

    /// The same of the short form, in a session of which `session` is known.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn parse_short(body: &[u8], session: SessionFields) -> Result<Self, BodyError> {
        Self::read(body, Some(session))
    }

    fn read(body: &[u8], session: Option<SessionFields>) -> Result<Self, BodyError> {
        let mut reader = Reader::new(body);
        let flags = reader.u8()?;
        let is_short = session.is_some();
        if flags & flags::RESERVED != 0 || (is_short && flags & flags::FULL_FORM != 0) {
            return Err(BodyError::Flags);
        }
        let has = |flag| flags & flag != 0;
        let is_state = has(flags::RETAIN) || has(flags::WILL);
        if is_state && !has(flags::CREDENTIAL) {
            return Err(BodyError::Flags);
        }
        let session = session.map_or_else(|| SessionFields::read(&mut reader), Ok)?;
        let sent_at = match has(flags::SENT_AT) {
            true if is_short => Some(sent_at_of(session.number, reader.array()?)?),
            true => Some(bounded(reader.varint()?, MAX_SENT_AT)?),
            false => None,
        };
        let sequence = match has(flags::SEQUENCE) {
            true => Some(narrow(bounded(reader.varint()?, MAX_SEQUENCE)?)?),
            false => None,
        };
        let connection = match has(flags::RETAIN) && !has(flags::WILL) {
            true => Some(bounded(reader.varint()?, MAX_SESSION_NUMBER)?),
            false => None,
        };
        let credential = match has(flags::CREDENTIAL) {
            true => Some(field(&mut reader, MAX_EMBEDDED_CREDENTIAL_LEN)?.0),
            false => None,
        };
        let (mut properties, mut message_expiry) = (None, None);
        if has(flags::PROPERTIES) {
            let (range, bytes) = field(&mut reader, super::MAX_PROPERTIES_LEN)?;
            let parsed = PropertyList::parse(bytes).map_err(BodyError::Properties)?;
            message_expiry = parsed.message_expiry();
            if message_expiry.is_some() && sent_at.is_none() {
                return Err(BodyError::Flags);
            }
            properties = Some(range);
        }
        let payload = if has(flags::PADDED) {
            let (range, _) = field(&mut reader, usize::MAX)?;
            if !is_zero(reader.rest()) {
                return Err(BodyError::Padding);
            }
            range
        } else {
            reader.position()..body.len()
        };
        Ok(Self {
            flags,
            sender: session.sender,
            hint: session.hint,
            session_number: session.number,
            sent_at,
            sequence,
            connection,
            message_expiry,
            credential,
            properties,
            payload,
        })
    }

    /// Whether it is state, which the broker keeps: a retained value, or a Last Will.
    #[must_use]
    pub const fn is_state(&self) -> bool {
        self.has(flags::RETAIN) || self.has(flags::WILL)
    }

    /// Whether a bit of [`flags`] is set.
    #[must_use]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

fn bounded(value: u64, max: u64) -> Result<u64, BodyError> {
    if value > max {
        Err(BodyError::Range)
    } else {
        Ok(value)
    }
}

/// What the short form says of `sent_at` (spec/envelope.md §12); `None` if it is more than 24 days
/// away from the number of the session.
pub(crate) fn session_age(number: u64, sent_at: u64) -> Option<[u8; 4]> {
    let age = sent_at
        .checked_add(AGE_BIAS)?
        .checked_sub(number.checked_mul(1000)?)?;
    Some(u32::try_from(age).ok()?.to_be_bytes())
}

fn sent_at_of(number: u64, age: [u8; 4]) -> Result<u64, BodyError> {
    let start = number.checked_mul(1000);
    let age = u64::from(u32::from_be_bytes(age));
    let sent_at = start.and_then(|start| start.checked_add(age)?.checked_sub(AGE_BIAS));
    bounded(sent_at.ok_or(BodyError::Range)?, MAX_SENT_AT)
}

fn narrow(value: u64) -> Result<u32, BodyError> {
    u32::try_from(value).map_err(|_| BodyError::Range)
}

/// varint(len) ‖ bytes: where they stand, and the bytes.
fn field<'a>(reader: &mut Reader<'a>, max: usize) -> Result<(Range<usize>, &'a [u8]), BodyError> {
    let len = reader.length()?;
    if len > max {
        return Err(BodyError::Range);
    }
    let start = reader.position();
    let bytes = reader.take(len)?;
    Ok((start..reader.position(), bytes))
}

fn is_zero(bytes: &[u8]) -> bool {
    // Without an early exit the loop runs on whole vectors; this is not about timing.
    bytes.iter().fold(0, |all, byte| all | byte) == 0
}

/// Everything of a body that stands before the payload.
#[derive(Debug, Clone, Copy)]
pub struct BodyPrefix<'a> {
    /// The sender's number.
    pub sender: MemberNumber,
    /// The serial of the sender's credential modulo 128.
    pub hint: u8,
    /// The session's number.
    pub session_number: u64,
    /// Unix milliseconds, below 2^42.
    pub sent_at: Option<u64>,
    /// Number among the sender's messages on this topic, below 2^21.
    pub sequence: Option<u32>,
    /// The sender's credential object.
    pub credential: Option<&'a [u8]>,
    /// Protected properties.
    pub properties: Option<PropertyList<'a>>,
    /// The sender publishes with retain set.
    pub retain: bool,
    /// This is a Last Will.
    pub will: bool,
    /// Of a retained value: number of the connection, below 2^35. Else it is not looked at.
    pub connection: u64,
    /// The payload's length, if padding follows it.
    pub payload_len: Option<usize>,
    /// It is of the short form: sender, hint and session number are left out.
    pub short: bool,
}

impl BodyPrefix<'_> {
    fn connection(&self) -> Option<u64> {
        (self.retain && !self.will).then_some(self.connection)
    }

    /// Length in bytes.
    ///
    /// # Errors
    /// A field is above its limit, or an expiry stands without a sent-at time.
    pub fn encoded_len(&self) -> Result<usize, BodyError> {
        if !self.sender.is_valid() || self.hint >= HINT_MODULUS {
            return Err(BodyError::Range);
        }
        if self.short && (self.retain || self.will || self.credential.is_some()) {
            return Err(BodyError::Flags);
        }
        let mut len = 1_usize;
        let mut add = |bytes: usize| -> Result<(), BodyError> {
            len = len.checked_add(bytes).ok_or(BodyError::Range)?;
            Ok(())
        };
        let number = bounded(self.session_number, MAX_SESSION_NUMBER)?;
        if !self.short {
            add(varint_len(self.sender.0.into()))?;
            add(1)?;
            add(varint_len(number))?;
        }
        if let Some(sent_at) = self.sent_at {
            let sent_at = bounded(sent_at, MAX_SENT_AT)?;
            add(match self.short {
                true => session_age(number, sent_at).ok_or(BodyError::Range)?.len(),
                false => varint_len(sent_at),
            })?;
        }
        if let Some(sequence) = self.sequence {
            add(varint_len(bounded(sequence.into(), MAX_SEQUENCE)?))?;
        }
        if (self.retain || self.will) && self.credential.is_none() {
            return Err(BodyError::Flags);
        }
        if let Some(connection) = self.connection() {
            add(varint_len(bounded(connection, MAX_SESSION_NUMBER)?))?;
        }
        if let Some(credential) = self.credential {
            if credential.len() > MAX_EMBEDDED_CREDENTIAL_LEN {
                return Err(BodyError::Range);
            }
            add(varint_len(len_u64(credential.len())))?;
            add(credential.len())?;
        }
        if let Some(properties) = self.properties {
            if properties.message_expiry().is_some() && self.sent_at.is_none() {
                return Err(BodyError::Flags);
            }
            add(varint_len(len_u64(properties.as_bytes().len())))?;
            add(properties.as_bytes().len())?;
        }
        if let Some(payload_len) = self.payload_len {
            add(varint_len(len_u64(payload_len)))?;
        }
        Ok(len)
    }

    /// Writes the prefix.
    ///
    /// # Errors
    /// `out` is too small. Limits are checked by [`BodyPrefix::encoded_len`].
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), Truncated> {
        let bit = |set: bool, flag: u8| if set { flag } else { 0 };
        out.put(&[bit(self.sent_at.is_some(), flags::SENT_AT)
            | bit(self.sequence.is_some(), flags::SEQUENCE)
            | bit(self.properties.is_some(), flags::PROPERTIES)
            | bit(self.credential.is_some(), flags::CREDENTIAL)
            | bit(self.payload_len.is_some(), flags::PADDED)
            | bit(self.retain, flags::RETAIN)
            | bit(self.will, flags::WILL)])?;
        if !self.short {
            out.varint(self.sender.0.into())?;
            out.put(&[self.hint])?;
            out.varint(self.session_number)?;
        }
        match self.sent_at {
            Some(sent_at) if self.short => {
                let age = session_age(self.session_number, sent_at);
                out.put(&age.ok_or(Truncated)?)?;
            }
            Some(sent_at) => out.varint(sent_at)?,
            None => {}
        }
        if let Some(sequence) = self.sequence {
            out.varint(sequence.into())?;
        }
        if let Some(connection) = self.connection() {
            out.varint(connection)?;
        }
        if let Some(credential) = self.credential {
            out.varint(len_u64(credential.len()))?;
            out.put(credential)?;
        }
        if let Some(properties) = self.properties {
            out.varint(len_u64(properties.as_bytes().len()))?;
            out.put(properties.as_bytes())?;
        }
        if let Some(payload_len) = self.payload_len {
            out.varint(len_u64(payload_len))?;
        }
        Ok(())
    }
}

/// What the hint says about a reader that knows another credential of the sender
/// (spec/envelope.md §9 step 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialAge {
    Known,
    Newer,
    Older,
}

/// The hint of a credential serial.
pub(crate) const fn hint_of(serial: u32) -> u8 {
    // The low 7 bits.
    serial.to_le_bytes()[0] & (HINT_MODULUS - 1)
}

/// Compares the hint in a message with the serial that the reader knows.
pub(crate) const fn credential_age(hint: u8, known: u32) -> CredentialAge {
    match hint.wrapping_sub(hint_of(known)) & (HINT_MODULUS - 1) {
        0 => CredentialAge::Known,
        1..64 => CredentialAge::Newer,
        _ => CredentialAge::Older,
    }
}

const fn len_u64(len: usize) -> u64 {
    len as u64
}

#[cfg(test)]
mod tests;
