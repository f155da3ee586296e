//! Join tokens (spec/keys.md §12): one line of text that pins the root and lets devices in.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use core::fmt;
use core::net::Ipv6Addr;

use base64ct::{Base64UrlUnpadded, Encoding};
use sealmq_core::check_name;
use sealmq_core::crypto::{Digest, Secret, VerifyingKey, expand, sha256};
use sealmq_core::object::{ObjectError, decode, suite_of_number};
use sealmq_core::wire::Suite;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cursor::Cursor;
use crate::enrolment::{NO_TOKEN, TOKEN_ID_LEN};
use crate::reserved::check_prefix;

/// Longest token in characters, white space around it not counted.
pub const MAX_TOKEN_LEN: usize = 2048;

const SCHEME: &str = "sealmq:join/";
const VERSION: u8 = 1;
const CHECKSUM_LABEL: &[u8] = b"sealmq/1 token";
const CHECKSUM_LEN: usize = 4;
const MAC_LABEL: &[u8] = b"sealmq/1 join mac";
const MAX_HOST_LEN: usize = 253;

/// A token cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// It does not begin with `sealmq:join/`.
    Scheme,
    /// More than [`MAX_TOKEN_LEN`] characters.
    TooLong,
    /// A character that does not belong there, or the checksum does not fit.
    Mistyped,
    /// Made by another version.
    Version,
    /// The checksum fits, but a field has a forbidden value, or uses what this version lacks.
    Content(ObjectError),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("not a join token: it has to begin with sealmq:join/"),
            Self::TooLong => write!(
                f,
                "the token is too long: at most {MAX_TOKEN_LEN} characters"
            ),
            Self::Mistyped => f.write_str(
                "the token was copied incompletely or mistyped: copy all of it again, or scan the QR code",
            ),
            Self::Version => f.write_str("the token is from another version: update this program"),
            Self::Content(error) => write!(f, "the token cannot be used: {error}"),
        }
    }
}

impl core::error::Error for TokenError {}

impl From<ObjectError> for TokenError {
    fn from(error: ObjectError) -> Self {
        Self::Content(error)
    }
}

/// The names of devices that a token admits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamePattern {
    /// Any name.
    Any,
    /// One name.
    Exact(String),
    /// Names that begin so.
    Prefix(String),
}

impl NamePattern {
    /// Reads a pattern: empty for any name, a name, or a beginning followed by `*`.
    ///
    /// # Errors
    /// `Field("name")` for anything else.
    pub fn parse(text: &str) -> Result<Self, ObjectError> {
        let pattern = match text.strip_suffix('*') {
            _ if text.is_empty() => return Ok(Self::Any),
            Some(beginning) => Self::Prefix(beginning.to_owned()),
            None => Self::Exact(text.to_owned()),
        };
        pattern.check()?;
        Ok(pattern)
    }

    fn check(&self) -> Result<(), ObjectError> {
        match self {
            Self::Any => Ok(()),
            Self::Exact(name) | Self::Prefix(name) => {
                check_name(name).map_err(|_| ObjectError::Field("name"))
            }
        }
    }

    /// Whether a device with this name may use the token.
    #[must_use]
    pub fn admits(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(only) => name == only,
            Self::Prefix(beginning) => name.starts_with(beginning.as_str()),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Exact(name) => f.write_str(name),
            Self::Prefix(beginning) => write!(f, "{beginning}*"),
        }
    }
}

/// A join token. Whoever has it can join with it: it travels like a password.
#[derive(Debug)]
pub struct Token {
    /// The domain's suite.
    pub suite: Suite,
    /// The root's key, which the device pins.
    pub root_key: VerifyingKey,
    /// Names the token at the authority; not all zeros, which stand for no token.
    pub id: [u8; TOKEN_ID_LEN],
    /// Shows that a device has the token.
    pub secret: Secret,
    /// Serial of the delegation under which it was made: its holder refuses older ones.
    pub serial: u32,
    /// Unix seconds; not accepted after.
    pub expires: u64,
    /// The names that it admits.
    pub name: NamePattern,
    /// Prefix of the reserved topics.
    pub prefix: String,
    /// Where the broker is: `mqtt://host:port`, `mqtts://host:port`, or empty.
    pub broker: String,
}

/// What follows the fields of fixed length.
#[derive(Serialize, Deserialize)]
struct Tail<'a> {
    serial: u32,
    expires: u64,
    name: &'a str,
    prefix: &'a str,
    broker: &'a str,
}

impl Token {
    /// The token as text, to be shown, printed or drawn as a QR code.
    ///
    /// # Errors
    /// `Content` for an id, name pattern, prefix or broker that is not allowed.
    pub fn to_uri(&self) -> Result<Zeroizing<String>, TokenError> {
        check_id(&self.id)?;
        self.name.check()?;
        check_prefix(&self.prefix).map_err(|_| ObjectError::Field("prefix"))?;
        check_broker(&self.broker)?;
        let name = alloc::format!("{}", self.name);
        let mut buffer = Zeroizing::new(vec![0; MAX_TOKEN_LEN]);
        let mut cursor = Cursor::new(&mut buffer);
        cursor.put(&[VERSION, self.suite.number()])?;
        cursor.put(self.root_key.as_bytes())?;
        cursor.put(&self.id)?;
        cursor.put(self.secret.expose())?;
        cursor.encode(&Tail {
            serial: self.serial,
            expires: self.expires,
            name: &name,
            prefix: &self.prefix,
            broker: &self.broker,
        })?;
        let sum = checksum(cursor.written());
        cursor.put(&sum)?;
        let bytes = cursor.written();
        // One piece from the start: a string that grows would leave copies of the secret behind.
        let mut uri = Zeroizing::new(String::with_capacity(MAX_TOKEN_LEN));
        let mut text = Zeroizing::new(vec![0; Base64UrlUnpadded::encoded_len(bytes)]);
        let text = Base64UrlUnpadded::encode(bytes, &mut text).map_err(|_| TokenError::TooLong)?;
        if SCHEME.len().saturating_add(text.len()) > MAX_TOKEN_LEN {
            return Err(TokenError::TooLong);
        }
        uri.push_str(SCHEME);
        uri.push_str(text);
        Ok(uri)
    }

    /// Reads a token. White space around it is skipped; whether it has expired is not checked.
    ///
    /// # Errors
    /// Any [`TokenError`].
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() > MAX_TOKEN_LEN {
            return Err(TokenError::TooLong);
        }
        let text = text.strip_prefix(SCHEME).ok_or(TokenError::Scheme)?;
        let mut buffer = Zeroizing::new([0; MAX_TOKEN_LEN]);
        // In constant time, and only the canonical spelling.
        let bytes = Base64UrlUnpadded::decode(text, buffer.as_mut_slice())
            .map_err(|_| TokenError::Mistyped)?;
        let (body, sum) = bytes
            .split_last_chunk::<CHECKSUM_LEN>()
            .ok_or(TokenError::Mistyped)?;
        if *sum != checksum(body) {
            return Err(TokenError::Mistyped);
        }
        Self::decode(body)
    }

    fn decode(body: &[u8]) -> Result<Self, TokenError> {
        let (&[version], rest) = take(body)?;
        if version != VERSION {
            return Err(TokenError::Version);
        }
        let (&[suite], rest) = take(rest)?;
        let (root_key, rest) = take(rest)?;
        let (id, rest) = take(rest)?;
        let (secret, rest) = take::<{ Secret::LEN }>(rest)?;
        let tail: Tail<'_> = decode(rest).map_err(ObjectError::from)?;
        check_id(id)?;
        check_prefix(tail.prefix).map_err(|_| ObjectError::Field("prefix"))?;
        check_broker(tail.broker)?;
        Ok(Self {
            suite: suite_of_number(suite)?,
            root_key: VerifyingKey::from_bytes(root_key)
                .map_err(|_| ObjectError::Field("root_key"))?,
            id: *id,
            secret: Secret::init_with(|bytes| bytes.copy_from_slice(secret)),
            serial: tail.serial,
            expires: tail.expires,
            name: NamePattern::parse(tail.name)?,
            prefix: tail.prefix.to_owned(),
            broker: tail.broker.to_owned(),
        })
    }

    /// Whether it is still good at `now` (Unix seconds).
    #[must_use]
    pub const fn is_valid_at(&self, now: u64) -> bool {
        now <= self.expires
    }

    /// What shows the authority that the device with this enrolment request has the token.
    #[must_use]
    pub fn mac_for(&self, request: &Digest) -> [u8; 32] {
        join_mac(&self.secret, request)
    }
}

/// The mac of a join request: `Expand(secret, "sealmq/1 join mac" ‖ hash of the request)`.
/// Compare it in constant time.
#[must_use]
pub fn join_mac(secret: &Secret, request: &Digest) -> [u8; 32] {
    *expand(secret, &[MAC_LABEL, &request.0]).expose()
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_LEN] {
    let [a, b, c, d, ..] = sha256(&[CHECKSUM_LABEL, body]).0;
    [a, b, c, d]
}

fn take<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), ObjectError> {
    bytes.split_first_chunk().ok_or(ObjectError::Encoding)
}

/// A join request without a token has zeros in this place.
fn check_id(id: &[u8; TOKEN_ID_LEN]) -> Result<(), ObjectError> {
    if *id == NO_TOKEN {
        return Err(ObjectError::Field("token"));
    }
    Ok(())
}

/// Empty, or `mqtt://host:port`, `mqtts://host:port`: nothing after the port, no user name.
fn check_broker(text: &str) -> Result<(), ObjectError> {
    let allowed = || {
        let address = text
            .strip_prefix("mqtt://")
            .or_else(|| text.strip_prefix("mqtts://"))?;
        let (host, port) = address.rsplit_once(':')?;
        let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host_allowed = bracketed.map_or_else(
            || {
                let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
                !host.is_empty() && host.len() <= MAX_HOST_LEN && host.bytes().all(letter)
            },
            |address| address.parse::<Ipv6Addr>().is_ok(),
        );
        let number: u16 = port.parse().ok()?;
        let canonical = !port.starts_with(['0', '+']) && number != 0;
        (host_allowed && canonical).then_some(())
    };
    if text.is_empty() {
        return Ok(());
    }
    allowed().ok_or(ObjectError::Field("broker"))
}
