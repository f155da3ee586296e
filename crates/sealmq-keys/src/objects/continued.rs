//! Credentials that are not of the current delegation, and count for what was made under them
//! (spec/envelope.md §9, "Older credentials").

use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::{Authorities, Kind, Object, Role};
use sealmq_core::wire::Suite;
use sealmq_core::{Credential, DomainId, VerifiedCredential};

use super::delegation::VerifiedDelegation;

impl VerifiedDelegation {
    /// Verifies a credential under this delegation, the current one, or, if it continues the
    /// credential's serial, with the key that the continuation names. `object`: this delegation's
    /// bytes.
    #[must_use]
    pub fn verify_older<B: AsRef<[u8]>>(
        &self,
        object: &[u8],
        credential: B,
    ) -> Option<VerifiedCredential<B>> {
        let parsed = Object::parse(credential.as_ref(), Kind::Credential).ok()?;
        let (fields, _) = parsed.decode::<Credential<'_>>().ok()?;
        let (serial, signer) = (fields.serial, fields.signer);
        if self.authority_key(serial, signer, Role::Issue).is_some() {
            return VerifiedCredential::verify(credential, self).ok();
        }
        let issuers = self.continuation(object)?;
        let continued = Continued {
            current: self,
            serial,
            signer,
            key: issuers.issuer(serial, signer)?,
        };
        VerifiedCredential::verify(credential, &continued).ok()
    }
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
