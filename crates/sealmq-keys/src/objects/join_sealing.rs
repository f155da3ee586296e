//! What a device that joins sends (spec/keys.md §12), in the caller's buffer.

use sealmq_core::DomainId;
use sealmq_core::crypto::{Secret, TAG_LEN, seal_base};
use sealmq_core::object::{Authorities, Extensions, ObjectError};
use sealmq_core::wire::Suite;

use super::cursor::Cursor;
use super::delegation::VerifiedDelegation;
use super::enrolment::{TOKEN_ID_LEN, VerifiedEnrolment};
use super::key_package::UNKNOWN_DOMAIN;
use super::token_fields::join_mac;

/// Longest join request in bytes, as it stands on its topic.
pub const MAX_JOIN_REQUEST_LEN: usize = 65536;

pub(super) const KIND: u8 = 10;
pub(super) const MAC_LEN: usize = 32;
const INFO_LABEL: &[u8; 13] = b"sealmq/1 join";

/// The info of HPKE.
pub(super) fn info(domain: &DomainId, serial: u32, key: u8) -> [u8; 34] {
    let mut out = [0; 34];
    let mut cursor = Cursor::new(&mut out);
    // Always fits: 13 + 16 + 4 + 1.
    let _ = cursor
        .put(INFO_LABEL)
        .and_then(|()| cursor.put(&domain.0))
        .and_then(|()| cursor.put(&serial.to_be_bytes()))
        .and_then(|()| cursor.put(&[key]));
    out
}

/// A join request (spec/keys.md §12): an enrolment request and the proof of its token, encrypted to
/// the authority, so that both are useless to the broker that carries them.
#[derive(Debug)]
pub struct JoinRequest;

impl JoinRequest {
    /// Seals a device's enrolment request to the first of the delegation's KEM keys, into the start
    /// of `out`, which needs 93 bytes more than the request in suite 1; returns that part. `token`
    /// is the id, as in the request, and the secret of a token; without one an operator decides.
    /// `seed` is 32 fresh (hedged) random bytes, used for nothing else.
    ///
    /// # Errors
    /// `Field("kem_keys")` if the delegation takes no join requests or its key is unusable,
    /// `Field("token")` if the request was made for another token, or for none,
    /// [`ObjectError::Domain`] if the request does not name the delegation's domain,
    /// [`ObjectError::TooLarge`], and those of [`VerifiedEnrolment::verify`].
    pub fn seal_into<'o>(
        delegation: &VerifiedDelegation,
        token: Option<(&[u8; TOKEN_ID_LEN], &Secret)>,
        request: &[u8],
        seed: &Secret,
        out: &'o mut [u8],
    ) -> Result<&'o mut [u8], ObjectError> {
        let (suite, domain) = (delegation.suite(), delegation.domain());
        let verified = enrolment(request, suite, &domain)?;
        if verified.token() != token.map(|(id, _)| id) {
            return Err(ObjectError::Field("token"));
        }
        let mut kem_keys = delegation.kem_keys();
        let (key, recipient) = kem_keys.next().ok_or(ObjectError::Field("kem_keys"))?;
        let mac = token.map_or([0; MAC_LEN], |(_, secret)| {
            join_mac(secret, verified.hash())
        });
        let text_len = MAC_LEN.saturating_add(request.len());
        let enc_len = recipient.kem().enc_len();

        // Piece by piece, as a body is encoded (serial, key, extensions, enc, sealed).
        let serial = delegation.serial();
        let mut cursor = Cursor::new(out);
        cursor.put(&[suite.form(), KIND])?;
        cursor.encode(&(serial, key, Extensions::<'_>::EMPTY))?;
        let aad_len = cursor.written().len();
        cursor.encode(&enc_len)?;
        cursor.take(enc_len)?;
        cursor.encode(&text_len.saturating_add(TAG_LEN))?;
        cursor.put(&mac)?;
        cursor.put(request)?;
        cursor.take(TAG_LEN)?;
        let len = cursor.written().len();
        if len > MAX_JOIN_REQUEST_LEN {
            return Err(ObjectError::TooLarge);
        }

        let out = out.get_mut(..len).ok_or(ObjectError::TooLarge)?;
        let head_len = len.saturating_sub(text_len.saturating_add(TAG_LEN));
        let (head, sealed) = out.split_at_mut(head_len);
        let (text, tag) = sealed
            .split_last_chunk_mut::<TAG_LEN>()
            .ok_or(ObjectError::TooLarge)?;
        let aad = head.get(..aad_len).unwrap_or_default();
        let (enc, made) = seal_base(recipient, &info(&domain, serial, key), aad, seed, text)
            .map_err(|_| ObjectError::Field("kem_keys"))?;
        *tag = made;
        let enc_at = aad_len.saturating_add(varint_len(enc_len));
        let place = head
            .get_mut(enc_at..)
            .and_then(|rest| rest.get_mut(..enc_len));
        place
            .ok_or(ObjectError::TooLarge)?
            .copy_from_slice(enc.as_bytes());
        Ok(out)
    }
}

/// Bytes of a length below 2^14.
const fn varint_len(value: usize) -> usize {
    if value < 0x80 { 1 } else { 2 }
}

pub(super) fn enrolment<'a>(
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
