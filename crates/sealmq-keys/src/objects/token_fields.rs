//! Join tokens (spec/keys.md §12), read where they were decoded.

use core::fmt;
use core::net::Ipv6Addr;

use base64ct::{Base64UrlUnpadded, Encoding};
use sealmq_core::check_name;
use sealmq_core::crypto::{Digest, Secret, VerifyingKey, expand, sha256};
use sealmq_core::object::{ObjectError, decode, suite_of_number};
use sealmq_core::wire::Suite;
use serde::{Deserialize, Serialize};

use crate::enrolment::{NO_TOKEN, TOKEN_ID_LEN};
use crate::reserved::check_prefix;

/// Longest token in characters, white space around it not counted.
pub const MAX_TOKEN_LEN: usize = 2048;

pub(super) const SCHEME: &str = "sealmq:join/";
pub(super) const VERSION: u8 = 1;
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
    /// More than [`MAX_TOKEN_LEN`] characters, or than the buffer takes.
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

/// What a join token says, borrowed from the buffer that it was decoded into: wipe that buffer.
#[derive(Debug)]
pub struct TokenFields<'a> {
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
    /// The names that it admits: empty for any, a name, or a beginning followed by `*`.
    pub name: &'a str,
    /// Prefix of the reserved topics.
    pub prefix: &'a str,
    /// Where the broker is: `mqtt://host:port`, `mqtts://host:port`, or empty.
    pub broker: &'a str,
}

/// What follows the fields of fixed length.
#[derive(Serialize, Deserialize)]
pub(super) struct Tail<'a> {
    pub(super) serial: u32,
    pub(super) expires: u64,
    pub(super) name: &'a str,
    pub(super) prefix: &'a str,
    pub(super) broker: &'a str,
}

impl<'a> TokenFields<'a> {
    /// Decodes a token into `buffer`: three quarters of its characters are enough,
    /// [`MAX_TOKEN_LEN`] bytes always. White space around it is skipped; whether it has expired is
    /// not checked.
    ///
    /// # Errors
    /// Any [`TokenError`].
    pub fn parse(text: &str, buffer: &'a mut [u8]) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() > MAX_TOKEN_LEN {
            return Err(TokenError::TooLong);
        }
        let text = text.strip_prefix(SCHEME).ok_or(TokenError::Scheme)?;
        if text.len() > buffer.len().saturating_mul(4).div_ceil(3) {
            return Err(TokenError::TooLong);
        }
        // In constant time, and only the canonical spelling.
        let bytes = Base64UrlUnpadded::decode(text, buffer).map_err(|_| TokenError::Mistyped)?;
        let (body, sum) = bytes
            .split_last_chunk::<CHECKSUM_LEN>()
            .ok_or(TokenError::Mistyped)?;
        if *sum != checksum(body) {
            return Err(TokenError::Mistyped);
        }
        Self::decode(body)
    }

    fn decode(body: &'a [u8]) -> Result<Self, TokenError> {
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
        let fields = Self {
            suite: suite_of_number(suite)?,
            root_key: VerifyingKey::from_bytes(root_key)
                .map_err(|_| ObjectError::Field("root_key"))?,
            id: *id,
            secret: Secret::init_with(|bytes| bytes.copy_from_slice(secret)),
            serial: tail.serial,
            expires: tail.expires,
            name: tail.name,
            prefix: tail.prefix,
            broker: tail.broker,
        };
        check_pattern(fields.name)?;
        Ok(fields)
    }

    /// Whether a device with this name may use the token.
    #[must_use]
    pub fn admits(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            _ if self.name.is_empty() => true,
            Some(beginning) => name.starts_with(beginning),
            None => name == self.name,
        }
    }
}

/// The mac of a join request: `Expand(secret, "sealmq/1 join mac" ‖ hash of the request)`.
/// Compare it in constant time.
#[must_use]
pub fn join_mac(secret: &Secret, request: &Digest) -> [u8; 32] {
    *expand(secret, &[MAC_LABEL, &request.0]).expose()
}

pub(super) fn checksum(body: &[u8]) -> [u8; CHECKSUM_LEN] {
    let [a, b, c, d, ..] = sha256(&[CHECKSUM_LABEL, body]).0;
    [a, b, c, d]
}

fn take<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), ObjectError> {
    bytes.split_first_chunk().ok_or(ObjectError::Encoding)
}

/// A join request without a token has zeros in this place.
pub(super) fn check_id(id: &[u8; TOKEN_ID_LEN]) -> Result<(), ObjectError> {
    if *id == NO_TOKEN {
        return Err(ObjectError::Field("token"));
    }
    Ok(())
}

/// Empty, a name, or a beginning of names and `*`.
fn check_pattern(pattern: &str) -> Result<(), ObjectError> {
    let name = pattern.strip_suffix('*').unwrap_or(pattern);
    if pattern.is_empty() {
        return Ok(());
    }
    check_name(name).map_err(|_| ObjectError::Field("name"))
}

/// Empty, or `mqtt://host:port`, `mqtts://host:port`: nothing after the port, no user name.
pub(super) fn check_broker(text: &str) -> Result<(), ObjectError> {
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
