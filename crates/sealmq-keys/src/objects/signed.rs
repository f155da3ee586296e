//! What every small object of the authority has in common.

use sealmq_core::DomainId;
use sealmq_core::crypto::Digest;
#[cfg(feature = "alloc")]
use sealmq_core::object::decode_prefix;
use sealmq_core::object::{Authorities, Kind, Object, ObjectError, Role};
use serde::{Deserialize, Serialize};

/// The delegation serial that an object of the authority names: each begins with the domain and that.
/// Nothing is verified.
#[cfg(feature = "alloc")]
pub(crate) fn named_serial(object: &[u8]) -> Option<u32> {
    // After form and kind.
    let (_, body) = object.split_at_checked(2)?;
    let ((_, serial), _) = decode_prefix::<(DomainId, u32)>(body).ok()?;
    Some(serial)
}

/// Size, form, domain, role and signature of an object whose body is a `T`; returns the body and
/// the object's hash. `origin` says which domain, delegation serial and key index the body names;
/// the body's own rules are for the caller to check.
pub(crate) fn verify_signed<'b, T>(
    bytes: &'b [u8],
    (kind, longest, role): (Kind, usize, Role),
    authorities: &impl Authorities,
    origin: impl FnOnce(&T) -> (DomainId, u32, u8),
) -> Result<(T, Digest), ObjectError>
where
    T: Deserialize<'b> + Serialize,
{
    if bytes.len() > longest {
        return Err(ObjectError::TooLarge);
    }
    let object = Object::parse(bytes, kind)?;
    let (body, extensions) = object.decode::<T>()?;
    let (domain, serial, signer) = origin(&body);
    if domain != authorities.domain() {
        return Err(ObjectError::Domain);
    }
    let signer = authorities
        .authority_key(serial, signer, role)
        .ok_or(ObjectError::Role)?;
    let hash = object.verify(signer, &extensions, &[])?;
    Ok((body, hash))
}
