//! Join tokens (spec/keys.md §12): one line of text that pins the root and lets devices in.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use sealmq_core::check_name;
use sealmq_core::crypto::{Digest, Secret, VerifyingKey};
use sealmq_core::object::ObjectError;
use sealmq_core::wire::Suite;
use zeroize::Zeroizing;

use super::token_fields::{
    MAX_TOKEN_LEN, SCHEME, Tail, TokenError, TokenFields, VERSION, check_broker, check_id,
    checksum, join_mac,
};
use crate::cursor::Cursor;
use crate::enrolment::TOKEN_ID_LEN;
use crate::reserved::check_prefix;

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
        let mut buffer = Zeroizing::new([0; MAX_TOKEN_LEN]);
        let fields = TokenFields::parse(text, buffer.as_mut_slice())?;
        Ok(Self {
            suite: fields.suite,
            root_key: fields.root_key,
            id: fields.id,
            secret: fields.secret,
            serial: fields.serial,
            expires: fields.expires,
            name: NamePattern::parse(fields.name)?,
            prefix: fields.prefix.to_owned(),
            broker: fields.broker.to_owned(),
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
