use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use sealmq_core::DomainId;
use sealmq_core::crypto::{Digest, KemId, RecipientKeyPair, Secret, TAG_LEN, open_base};
use sealmq_core::object::{
    Extensions, Kind, Object, ObjectError, check_extensions, decode, kem_of, suite_of,
};
use sealmq_core::wire::Suite;
use serde::{Deserialize, Serialize};

use super::join_sealing::{JoinRequest, KIND, MAC_LEN, MAX_JOIN_REQUEST_LEN, enrolment, info};
use super::token_fields::join_mac;
use crate::delegation::VerifiedDelegation;
use crate::enrolment::{EnrolmentRequest, NO_TOKEN, TOKEN_ID_LEN, VerifiedEnrolment};

/// Longest `enc` of a suite.
const MAX_ENC_LEN: usize = 1120;
/// Form, kind, the most that serial, key, no extensions and two lengths take, and what is around
/// the request.
const MAX_FRAME_LEN: usize = 2 + 5 + 1 + 1 + 3 + MAX_ENC_LEN + 3 + MAC_LEN + TAG_LEN;

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Body<'a> {
    serial: u32,
    key: u8,
    /// Before `enc`, so that they are bound to the ciphertext.
    #[serde(borrow)]
    extensions: Extensions<'a>,
    enc: &'a [u8],
    sealed: &'a [u8],
}

impl Body<'_> {
    /// What stands before `enc`, form and kind included: the aad.
    fn aad(&self, suite: Suite) -> Result<Vec<u8>, ObjectError> {
        let head = vec![suite.form(), KIND];
        let fields = (self.serial, self.key, self.extensions);
        postcard::to_extend(&fields, head).map_err(|_| ObjectError::TooLarge)
    }
}

impl JoinRequest {
    /// [`JoinRequest::seal_into`], into memory of its own.
    ///
    /// # Errors
    /// As there.
    pub fn seal(
        delegation: &VerifiedDelegation,
        token: Option<(&[u8; TOKEN_ID_LEN], &Secret)>,
        request: &[u8],
        seed: &Secret,
    ) -> Result<Vec<u8>, ObjectError> {
        let len = MAX_FRAME_LEN
            .saturating_add(request.len())
            .min(MAX_JOIN_REQUEST_LEN);
        let mut out = vec![0; len];
        let len = Self::seal_into(delegation, token, request, seed, &mut out)?.len();
        out.truncate(len);
        Ok(out)
    }

    /// Form and sizes of what may be a join request, and the serial and index of the key that it
    /// says it was sealed to. Cheap: nothing is decrypted.
    ///
    /// # Errors
    /// As [`JoinRequest::open`], as far as that does not depend on the key.
    pub fn peek(bytes: &[u8]) -> Result<(Suite, u32, u8), ObjectError> {
        let sealed = Sealed::parse(bytes)?;
        Ok((sealed.suite, sealed.body.serial, sealed.body.key))
    }

    /// Opens a join request of the domain. `key_pair` gives the authority's key pair for a serial
    /// and the index of a KEM key in that delegation, if it still has it. Nothing is decrypted
    /// before form, sizes and key were checked.
    ///
    /// What is inside was written by anybody: verify it with [`OpenedJoinRequest::enrolment`].
    ///
    /// # Errors
    /// [`ObjectError::TooLarge`], [`ObjectError::Form`], [`ObjectError::Kind`] or
    /// [`ObjectError::Encoding`] for bytes that are no join request of a known suite,
    /// [`ObjectError::Role`] if `key_pair` has no key, [`ObjectError::Field`] for `enc`, `sealed`,
    /// and for `mac` if there is one without a token.
    pub fn open<'k>(
        bytes: &[u8],
        domain: &DomainId,
        key_pair: impl FnOnce(u32, u8) -> Option<&'k RecipientKeyPair>,
    ) -> Result<OpenedJoinRequest, ObjectError> {
        let Sealed {
            suite,
            kem,
            body,
            text,
            tag,
        } = Sealed::parse(bytes)?;
        let key_pair = key_pair(body.serial, body.key).ok_or(ObjectError::Role)?;
        if key_pair.kem() != kem {
            return Err(ObjectError::Form);
        }

        let mut text = text.to_vec();
        let (info, aad) = (info(domain, body.serial, body.key), body.aad(suite)?);
        open_base(key_pair, &info, &aad, body.enc, &mut text, tag)
            .map_err(|_| ObjectError::Field("sealed"))?;
        check_extensions(&body.extensions, &[])?;
        let damaged = || ObjectError::Field("sealed");
        let (mac, request) = text.split_first_chunk::<MAC_LEN>().ok_or_else(damaged)?;
        let object = Object::parse_as(request, suite, Kind::EnrolmentRequest)?;
        let fields = object.decode::<EnrolmentRequest<'_>>()?.0;
        let (token, claimed_key) = (fields.token, fields.key);
        let token = (token != NO_TOKEN).then_some(token);
        if token.is_none() && *mac != [0; MAC_LEN] {
            return Err(ObjectError::Field("mac"));
        }
        Ok(OpenedJoinRequest {
            suite,
            domain: *domain,
            token,
            claimed_key,
            mac: Secret::new(*mac),
            hash: object.hash(),
            request: request.to_vec(),
        })
    }
}

/// A join request whose form and sizes were checked.
struct Sealed<'a> {
    suite: Suite,
    kem: KemId,
    body: Body<'a>,
    text: &'a [u8],
    tag: &'a [u8; TAG_LEN],
}

impl<'a> Sealed<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        if bytes.len() > MAX_JOIN_REQUEST_LEN {
            return Err(ObjectError::TooLarge);
        }
        let suite = suite_of(bytes)?;
        let kem = kem_of(suite)?;
        let body: Body<'_> = match bytes {
            [_, KIND, body @ ..] => decode(body)?,
            [_, _, ..] => return Err(ObjectError::Kind),
            _ => return Err(ObjectError::Form),
        };
        if body.enc.len() != kem.enc_len() {
            return Err(ObjectError::Field("enc"));
        }
        let (text, tag) = body
            .sealed
            .split_last_chunk::<TAG_LEN>()
            .ok_or(ObjectError::Field("sealed"))?;
        if text.len() <= MAC_LEN {
            return Err(ObjectError::Field("sealed"));
        }
        Ok(Self {
            suite,
            kem,
            body,
            text,
            tag,
        })
    }
}

/// A join request that was encrypted for this authority. Who wrote it is not known yet.
pub struct OpenedJoinRequest {
    suite: Suite,
    domain: DomainId,
    token: Option<[u8; TOKEN_ID_LEN]>,
    claimed_key: [u8; 32],
    mac: Secret,
    hash: Digest,
    request: Vec<u8>,
}

impl OpenedJoinRequest {
    /// The id of the token that the request inside names; none if an operator has to decide.
    #[must_use]
    pub const fn token(&self) -> Option<&[u8; TOKEN_ID_LEN]> {
        self.token.as_ref()
    }

    /// The device key that the request inside names. Nobody has proved to have it.
    #[must_use]
    pub const fn claimed_key(&self) -> &[u8; 32] {
        &self.claimed_key
    }

    /// Whether the sender had the secret of its token, compared in constant time. Never true
    /// without a token.
    #[must_use]
    pub fn check_mac(&self, secret: &Secret) -> bool {
        let fits = self.mac == Secret::new(join_mac(secret, &self.hash));
        self.token.is_some() && fits
    }

    /// The hash of the enrolment request inside: what a credential or a join refusal names.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }

    /// The bytes of the enrolment request inside, not verified.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Verifies the enrolment request inside, which has to name this domain and its suite. That
    /// its key's fingerprint is the one of the topic is for the caller to check.
    ///
    /// # Errors
    /// Those of [`VerifiedEnrolment::verify`], and [`ObjectError::Domain`] if it names none.
    pub fn enrolment(&self) -> Result<VerifiedEnrolment<'_>, ObjectError> {
        enrolment(&self.request, self.suite, &self.domain)
    }
}

impl fmt::Debug for OpenedJoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedJoinRequest")
            .field("has_token", &self.token.is_some())
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}
