//! Signed objects: framing, canonical encoding, lists (spec/keys.md §1).

mod codec;
mod extensions;
mod list;
mod reader;

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::crypto::{
    Digest, IdentityKey, KemId, SIGNATURE_LEN, SignatureContext, VerifyingKey, sha256,
};
use crate::ids::DomainId;
use crate::suite::Suite;

pub use codec::{CodecError, decode, decode_prefix, encode};
pub use extensions::{CRITICAL, Extension, Extensions, Signer, check_extensions};
pub use list::{List, ListIter};

/// First byte of version 1 objects of suite 1, and of those that are the same in every suite.
pub const FORM_SUITE_1: u8 = Suite::One.form();
/// First byte of version 1 objects of suite 2 that hold keys of its KEM (spec/keys.md §1).
pub const FORM_SUITE_2: u8 = Suite::Two.form();

/// Bytes around a body: form, kind, signature.
pub const OBJECT_OVERHEAD: usize = 2 + SIGNATURE_LEN;

/// What an object is: its second byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// Which keys act for the root.
    Delegation = 1,
    /// Who a member is and what it may do.
    Credential = 2,
    /// A member's one-time key.
    KeyPackage = 3,
    /// A leaf and its path keys.
    Welcome = 4,
    /// An epoch of a group.
    Announcement = 5,
    /// Members that a group no longer accepts.
    RefusedList = 6,
    /// Keeps an announcement good for another lease.
    Heartbeat = 7,
    /// The same for one device without a clock.
    NonceAnswer = 8,
    /// A device's request to be enrolled.
    EnrolmentRequest = 9,
    /// A member's statement of the welcomes that it installed.
    Confirmation = 11,
    /// Why a device was not let in.
    JoinRefusal = 12,
    /// Keys of kept epochs, for readers that came later.
    KeptKeys = 13,
    /// What a member without a clock asks for a lease with.
    Nonce = 14,
}

impl Kind {
    const fn context(self) -> SignatureContext {
        match self {
            Self::Delegation => SignatureContext::Delegation,
            Self::Credential => SignatureContext::Credential,
            Self::KeyPackage => SignatureContext::KeyPackage,
            Self::Welcome => SignatureContext::Welcome,
            Self::Announcement => SignatureContext::Announcement,
            Self::RefusedList => SignatureContext::RefusedList,
            Self::Heartbeat => SignatureContext::Heartbeat,
            Self::NonceAnswer => SignatureContext::NonceAnswer,
            Self::EnrolmentRequest => SignatureContext::EnrolmentRequest,
            Self::Confirmation => SignatureContext::Confirmation,
            Self::JoinRefusal => SignatureContext::JoinRefusal,
            Self::KeptKeys => SignatureContext::KeptKeys,
            Self::Nonce => SignatureContext::Nonce,
        }
    }
}

/// What a delegated authority key may do (spec/keys.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Sign credentials.
    Issue = 1,
    /// Sign welcomes, announcements and refused lists.
    Groups = 2,
    /// Sign heartbeats.
    Heartbeat = 4,
}

/// The domain that a verifier belongs to, and its current delegation.
pub trait Authorities {
    /// The domain.
    fn domain(&self) -> DomainId;

    /// The domain's suite, which the form of its delegations names.
    fn suite(&self) -> Suite;

    /// Serial of the current delegation.
    fn serial(&self) -> u32;

    /// The key at index `signer` of the delegation with this serial, if that delegation is the
    /// current one and gives the key this role.
    fn authority_key(&self, serial: u32, signer: u8, role: Role) -> Option<&VerifyingKey>;
}

/// Why an object was refused. The same for every kind, so that tests and vectors can name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectError {
    /// Another version or suite than expected, or too short to be an object.
    Form,
    /// An object of another kind than expected.
    Kind,
    /// Not the canonical encoding of its fields.
    Encoding,
    /// A field has a value that the spec forbids.
    Field(&'static str),
    /// The object belongs to another domain.
    Domain,
    /// The signing key is unknown, from another delegation, or has not the role.
    Role,
    /// The signature does not fit.
    Signature,
    /// Its time has passed, or not come yet.
    Expired,
    /// A higher serial, or another object of this serial, is known.
    Serial,
    /// The output buffer is too small for the object.
    TooLarge,
    /// The object uses a reserved feature that this version does not implement.
    Unsupported(&'static str),
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "not a sealmq object of the version and suite expected here: truncated, from another program, or from a domain of another suite",
            Self::Kind => "a sealmq object, but of another kind than expected here",
            Self::Encoding => "the object is damaged: its fields do not decode",
            Self::Field(name) => return write!(f, "the object's field `{name}` has a forbidden value"),
            Self::Domain => "the object belongs to another domain: check which root key was pinned",
            Self::Role => "the object was signed by a key that the current delegation does not allow: wait for a newer delegation",
            Self::Signature => "the object's signature does not verify: it was altered or forged",
            Self::Expired => "the object is not valid at this time: check the clock, or renew it at the authority",
            Self::Serial => "the object is older than, or contradicts, one that is already known",
            Self::TooLarge => "the object does not fit into the buffer given for it",
            Self::Unsupported(name) => return write!(f, "the object uses `{name}`, which this version does not implement: update this program"),
        })
    }
}

impl core::error::Error for ObjectError {}

impl From<CodecError> for ObjectError {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Encoding => Self::Encoding,
            CodecError::BufferTooSmall => Self::TooLarge,
        }
    }
}

/// The suite that the form of an object names, nothing else being checked.
///
/// # Errors
/// [`ObjectError::Form`], or [`ObjectError::Unsupported`] for suite 2 without the feature `suite2`.
pub fn suite_of(object: &[u8]) -> Result<Suite, ObjectError> {
    let form = object.first().copied();
    let suite = form.and_then(Suite::of_form).ok_or(ObjectError::Form)?;
    kem_of(suite).map(|_| suite)
}

/// The suite with this number, as in tokens and delegation requests (spec/keys.md §11, §12).
///
/// # Errors
/// [`ObjectError::Unsupported`] for suite 2 without the feature `suite2`, [`ObjectError::Field`]
/// for numbers that no suite has.
pub fn suite_of_number(number: u8) -> Result<Suite, ObjectError> {
    let suite = Suite::of_number(number).ok_or(ObjectError::Field("suite"))?;
    kem_of(suite).map(|_| suite)
}

/// The KEM of a suite's key packages, welcomes and join requests.
///
/// # Errors
/// [`ObjectError::Unsupported`] for suite 2 without the feature `suite2`.
pub const fn kem_of(suite: Suite) -> Result<KemId, ObjectError> {
    match suite.kem() {
        Some(kem) => Ok(kem),
        None => Err(ObjectError::Unsupported("suite 2")),
    }
}

/// A framed object whose signature has not been verified yet.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    suite: Suite,
    kind: Kind,
    signed: &'a [u8],
    signature: &'a [u8; SIGNATURE_LEN],
    /// Whether the list of extensions follows the fields.
    extended: bool,
}

impl<'a> Object<'a> {
    /// Splits the frame of an object whose form is 0x11 in every suite, and checks form and kind,
    /// nothing else.
    ///
    /// # Errors
    /// [`ObjectError::Form`] or [`ObjectError::Kind`].
    pub fn parse(bytes: &'a [u8], kind: Kind) -> Result<Self, ObjectError> {
        let (signed, signature) = bytes.split_last_chunk().ok_or(ObjectError::Form)?;
        match signed {
            [FORM_SUITE_1, k, ..] if *k == kind as u8 => Ok(Self {
                suite: Suite::One,
                kind,
                signed,
                signature,
                extended: true,
            }),
            [FORM_SUITE_1, _, ..] => Err(ObjectError::Kind),
            _ => Err(ObjectError::Form),
        }
    }

    /// Splits the frame of an object whose form is that of the domain's suite (delegation, key
    /// package, welcome, enrolment request). The caller compares [`Object::suite`] with what it
    /// expects, unless it learns the suite here.
    ///
    /// # Errors
    /// [`ObjectError::Form`], [`ObjectError::Kind`], or [`ObjectError::Unsupported`] for suite 2
    /// without the feature `suite2`.
    pub fn parse_any(bytes: &'a [u8], kind: Kind) -> Result<Self, ObjectError> {
        let (signed, signature) = bytes.split_last_chunk().ok_or(ObjectError::Form)?;
        let suite = suite_of(signed)?;
        match signed {
            [_, k, ..] if *k == kind as u8 => Ok(Self {
                suite,
                kind,
                signed,
                signature,
                extended: true,
            }),
            [_, _, ..] => Err(ObjectError::Kind),
            _ => Err(ObjectError::Form),
        }
    }

    /// [`Object::parse_any`] of one suite: the other one's form is refused before anything else,
    /// so that nobody is brought down to a weaker suite.
    ///
    /// # Errors
    /// [`ObjectError::Form`], [`ObjectError::Kind`], or [`ObjectError::Unsupported`] for suite 2
    /// without the feature `suite2`.
    pub fn parse_as(bytes: &'a [u8], suite: Suite, kind: Kind) -> Result<Self, ObjectError> {
        if suite_of(bytes)? != suite {
            return Err(ObjectError::Form);
        }
        Self::parse_any(bytes, kind)
    }

    /// The same as builds from before extensions wrote it: nothing follows the fields. For what a
    /// store of such a build holds; what arrives is never read so.
    #[must_use]
    pub const fn before_extensions(self) -> Self {
        Self {
            extended: false,
            ..self
        }
    }

    /// The suite that the form names.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The fields of an object and the extensions after them, which [`Object::verify`] checks.
    ///
    /// # Errors
    /// [`ObjectError::Encoding`].
    pub fn decode<T: Deserialize<'a>>(&self) -> Result<(T, Extensions<'a>), ObjectError> {
        let (fields, rest) = decode_prefix(self.body())?;
        match (self.extended, rest) {
            (true, rest) => Ok((fields, decode(rest)?)),
            (false, []) => Ok((fields, List::EMPTY)),
            (false, _) => Err(ObjectError::Encoding),
        }
    }

    /// The encoded fields and extensions.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.signed.get(2..).unwrap_or_default()
    }

    /// Form, kind and body: what is hashed.
    #[must_use]
    pub const fn signed_bytes(&self) -> &'a [u8] {
        self.signed
    }

    /// The object's hash, its name everywhere in the protocol.
    #[must_use]
    pub fn hash(&self) -> Digest {
        sha256(&[self.signed])
    }

    /// Verifies the signature over the bytes as received, then the object's extensions, of which
    /// the caller understands `known`; returns the hash.
    ///
    /// # Errors
    /// [`ObjectError::Signature`], or as [`check_extensions`].
    pub fn verify(
        &self,
        key: &VerifyingKey,
        extensions: &Extensions<'_>,
        known: &[u16],
    ) -> Result<Digest, ObjectError> {
        let hash = self.hash();
        key.verify(self.kind.context(), &hash, self.signature)
            .map_err(|_| ObjectError::Signature)?;
        check_extensions(extensions, known)?;
        Ok(hash)
    }
}

/// Encodes and signs an object of form 0x11 into `out`; returns the written part and the hash.
///
/// # Errors
/// [`ObjectError::TooLarge`].
pub fn sign_object<'o, 's, T: Serialize>(
    kind: Kind,
    fields: &T,
    signer: impl Into<Signer<'s>>,
    out: &'o mut [u8],
) -> Result<(&'o [u8], Digest), ObjectError> {
    sign_object_as(Suite::One, kind, fields, signer, out)
}

/// [`sign_object`] with the form of a suite, for the kinds whose form depends on it.
///
/// # Errors
/// [`ObjectError::TooLarge`].
pub fn sign_object_as<'o, 's, T: Serialize>(
    suite: Suite,
    kind: Kind,
    fields: &T,
    signer: impl Into<Signer<'s>>,
    out: &'o mut [u8],
) -> Result<(&'o [u8], Digest), ObjectError> {
    let signer = signer.into();
    let head = out.get_mut(..2).ok_or(ObjectError::TooLarge)?;
    head.copy_from_slice(&[suite.form(), kind as u8]);
    let body = (fields, signer.extensions());
    let body_len = encode(&body, out.get_mut(2..).unwrap_or_default())?.len();
    sign_encoded(kind, body_len, signer.key(), out)
}

/// Signs an object whose form, kind and `body_len` bytes of body, extensions included, already
/// stand in `out`.
///
/// # Errors
/// [`ObjectError::TooLarge`].
pub fn sign_encoded<'o>(
    kind: Kind,
    body_len: usize,
    key: &IdentityKey,
    out: &'o mut [u8],
) -> Result<(&'o [u8], Digest), ObjectError> {
    let signed_len = body_len.checked_add(2).ok_or(ObjectError::TooLarge)?;
    let end = signed_len
        .checked_add(SIGNATURE_LEN)
        .ok_or(ObjectError::TooLarge)?;
    let out = out.get_mut(..end).ok_or(ObjectError::TooLarge)?;
    let (signed, signature) = out
        .split_at_mut_checked(signed_len)
        .ok_or(ObjectError::TooLarge)?;
    let hash = sha256(&[signed]);
    signature.copy_from_slice(&key.sign(kind.context(), &hash));
    Ok((out, hash))
}

/// Grants of a credential, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Access(u8);

impl Access {
    /// May publish.
    pub const PUBLISH: Self = Self(1);
    /// May read.
    pub const SUBSCRIBE: Self = Self(2);
    /// May do both.
    pub const BOTH: Self = Self(3);

    /// Whether publishing is granted.
    #[must_use]
    pub const fn may_publish(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether reading is granted.
    #[must_use]
    pub const fn may_subscribe(self) -> bool {
        self.0 & 2 != 0
    }

    /// Neither empty nor with unknown bits.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        matches!(self.0, 1..=3)
    }
}
