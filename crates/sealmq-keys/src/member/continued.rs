//! Credentials that are not of the current delegation, and count for what was made under them
//! (spec/envelope.md §9, "Older credentials").

use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::{Authorities, Kind, Object, Role};
use sealmq_core::wire::Suite;
use sealmq_core::{Credential, DomainId};

use super::holder::Holder;
use crate::delegation::VerifiedDelegation;

/// Verifies a credential under the current delegation or, if that continues its serial, with the
/// key that the continuation names. `object`: the delegation's bytes.
pub(super) fn older_holder(
    credential: &[u8],
    delegation: &VerifiedDelegation,
    object: &[u8],
) -> Option<Holder> {
    let parsed = Object::parse(credential, Kind::Credential).ok()?;
    let (fields, _) = parsed.decode::<Credential<'_>>().ok()?;
    let (serial, signer) = (fields.serial, fields.signer);
    if delegation
        .authority_key(serial, signer, Role::Issue)
        .is_some()
    {
        return Holder::verify(credential.to_vec(), delegation).ok();
    }
    let issuers = delegation.continuation(object)?;
    let continued = Continued {
        current: delegation,
        serial,
        signer,
        key: issuers.issuer(serial, signer)?,
    };
    Holder::verify(credential.to_vec(), &continued).ok()
}

/// A delegation that the current one continues, as far as one credential needs it.
struct Continued<'a> {
    current: &'a VerifiedDelegation,
    serial: u32,
    signer: u8,
    key: VerifyingKey,
}

impl Authorities for Continued<'_> {
    fn domain(&self) -> DomainId {
        self.current.domain()
    }

    fn suite(&self) -> Suite {
        self.current.suite()
    }

    fn serial(&self) -> u32 {
        self.serial
    }

    fn authority_key(&self, serial: u32, signer: u8, role: Role) -> Option<&VerifyingKey> {
        let is_it = (serial, signer) == (self.serial, self.signer) && role == Role::Issue;
        is_it.then_some(&self.key)
    }
}
