use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use sealmq_core::DomainId;
use sealmq_core::crypto::{Digest, KemId, RecipientKeyPair, Secret, TAG_LEN, open_base, seal_base};
use sealmq_core::object::{
    Authorities, Extensions, Kind, List, Object, ObjectError, check_extensions, decode, encode,
    kem_of, suite_of,
};
use sealmq_core::wire::Suite;
use serde::{Deserialize, Serialize};

use crate::delegation::VerifiedDelegation;
use crate::enrolment::{EnrolmentRequest, NO_TOKEN, TOKEN_ID_LEN, VerifiedEnrolment};
use crate::key_package::UNKNOWN_DOMAIN;
use crate::token::join_mac;

/// Longest join request in bytes, as it stands on its topic.
pub const MAX_JOIN_REQUEST_LEN: usize = 65536;

const KIND: u8 = 10;
const MAC_LEN: usize = 32;
/// Form, kind, and the most that serial, key, no extensions and the two lengths take.
const MAX_FRAME_LEN: usize = 2 + 5 + 1 + 1 + 3 + 3;

const INFO_LABEL: &[u8] = b"sealmq/1 join";

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

    fn info(&self, domain: &DomainId) -> Vec<u8> {
        let serial = self.serial.to_be_bytes();
        [INFO_LABEL, &domain.0, &serial, &[self.key]].concat()
    }
}

/// A join request (spec/keys.md §12): an enrolment request and the proof of its token, encrypted to
/// the authority, so that both are useless to the broker that carries them.
#[derive(Debug)]
pub struct JoinRequest;

impl JoinRequest {
    /// Seals a device's enrolment request to the first of the delegation's KEM keys. `token` is
    /// the id, as in the request, and the secret of a token; without one an operator decides.
    /// `seed` is 32 fresh (hedged) random bytes, used for nothing else.
    ///
    /// # Errors
    /// `Field("kem_keys")` if the delegation takes no join requests or its key is unusable,
    /// `Field("token")` if the request was made for another token, or for none,
    /// [`ObjectError::Domain`] if the request does not name the delegation's domain, [`ObjectError::TooLarge`], and those of
    /// [`VerifiedEnrolment::verify`].
    pub fn seal(
        delegation: &VerifiedDelegation,
        token: Option<(&[u8; TOKEN_ID_LEN], &Secret)>,
        request: &[u8],
        seed: &Secret,
    ) -> Result<Vec<u8>, ObjectError> {
        let (suite, domain) = (delegation.suite(), delegation.domain());
        let verified = enrolment(request, suite, &domain)?;
        if verified.token() != token.map(|(id, _)| id) {
            return Err(ObjectError::Field("token"));
        }
        let mut kem_keys = delegation.kem_keys();
        let (key, recipient) = kem_keys.next().ok_or(ObjectError::Field("kem_keys"))?;

        let mut sealed = Vec::with_capacity(
            MAC_LEN
                .saturating_add(request.len())
                .saturating_add(TAG_LEN),
        );
        match token {
            Some((_, secret)) => sealed.extend_from_slice(&join_mac(secret, verified.hash())),
            None => sealed.extend_from_slice(&[0; MAC_LEN]),
        }
        sealed.extend_from_slice(request);

        let mut body = Body {
            serial: delegation.serial(),
            key,
            extensions: List::EMPTY,
            enc: &[],
            sealed: &[],
        };
        let aad = body.aad(suite)?;
        let (enc, tag) = seal_base(recipient, &body.info(&domain), &aad, seed, &mut sealed)
            .map_err(|_| ObjectError::Field("kem_keys"))?;
        sealed.extend_from_slice(&tag);
        body.enc = enc.as_bytes();
        body.sealed = &sealed;
        let len = MAX_FRAME_LEN
            .saturating_add(body.enc.len())
            .saturating_add(body.sealed.len());
        let mut out = vec![0; len];
        let (head, rest) = out
            .split_first_chunk_mut::<2>()
            .ok_or(ObjectError::TooLarge)?;
        *head = [suite.form(), KIND];
        let len = encode(&body, rest)?.len().saturating_add(2);
        out.truncate(len);
        if len > MAX_JOIN_REQUEST_LEN {
            return Err(ObjectError::TooLarge);
        }
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
        let (info, aad) = (body.info(domain), body.aad(suite)?);
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

fn enrolment<'a>(
    request: &'a [u8],
    suite: Suite,
    domain: &DomainId,
) -> Result<VerifiedEnrolment<'a>, ObjectError> {
    let verified = VerifiedEnrolment::verify(request, suite, domain)?;
    if verified.fields().domain == UNKNOWN_DOMAIN {
        return Err(ObjectError::Domain);
    }
    Ok(verified)
}
