use sealmq_core::crypto::{Digest, VerifyingKey};
use sealmq_core::object::{Kind, List, Object, ObjectError, Signer, sign_object_as};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, check_name};
use serde::{Deserialize, Serialize};

use crate::key_package::{KeyPackage, UNKNOWN_DOMAIN, VerifiedKeyPackage};
use crate::package_set::MAX_PACKAGES;

/// Bytes of a join token's id.
pub const TOKEN_ID_LEN: usize = 8;
/// The token of a request that was made for none: an operator decides, or it travels as a file.
pub const NO_TOKEN: [u8; TOKEN_ID_LEN] = [0; TOKEN_ID_LEN];

/// The fields of an enrolment request (spec/keys.md §4).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EnrolmentRequest<'a> {
    /// The domain, or [`UNKNOWN_DOMAIN`].
    pub domain: DomainId,
    /// Id of the join token that the device uses, or [`NO_TOKEN`]. Signed, so that nobody spends
    /// another token, or none, on the device's request.
    pub token: [u8; TOKEN_ID_LEN],
    /// The name that the device wants.
    pub name: &'a str,
    /// The device's Ed25519 key, which signs the request.
    pub key: [u8; 32],
    /// Unix seconds.
    pub issued_at: u64,
    /// At most 64 key package objects with rising numbers, of the same suite as the request.
    #[serde(borrow)]
    pub packages: List<'a, &'a [u8]>,
}

impl EnrolmentRequest<'_> {
    /// Checks the fields and packages, and signs with the device's key, for a domain of this suite.
    ///
    /// # Errors
    /// A field that the spec forbids, a package that does not verify, or
    /// [`ObjectError::TooLarge`].
    pub fn sign<'o, 's>(
        &self,
        suite: Suite,
        identity: impl Into<Signer<'s>>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        let identity = identity.into();
        if self.key != *identity.key().verifying_key().as_bytes() {
            return Err(ObjectError::Field("key"));
        }
        self.check(suite, &identity.key().verifying_key())?;
        sign_object_as(suite, Kind::EnrolmentRequest, self, identity, out)
    }

    fn check(&self, suite: Suite, key: &VerifyingKey) -> Result<(), ObjectError> {
        check_name(self.name).map_err(|_| ObjectError::Field("name"))?;
        if self.packages.iter().count() > MAX_PACKAGES {
            return Err(ObjectError::Field("packages"));
        }
        let mut last = 0;
        for bytes in &self.packages {
            let package = VerifiedKeyPackage::verify(bytes, suite, &self.domain, key)?;
            if package.number() <= last {
                return Err(ObjectError::Field("packages"));
            }
            last = package.number();
        }
        Ok(())
    }
}

/// A request that was signed by the key inside it, with packages signed by the same key.
///
/// That neither key nor name is in use is for the authority to check.
#[derive(Debug, Clone)]
pub struct VerifiedEnrolment<'a> {
    suite: Suite,
    fields: EnrolmentRequest<'a>,
    key: VerifyingKey,
    hash: Digest,
}

impl<'a> VerifiedEnrolment<'a> {
    /// Verifies a request for a domain of this suite that names `domain`, or none.
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Role`, `Expired` and `Serial`; [`ObjectError::Domain`] if it names
    /// another domain, [`ObjectError::Form`] if it is for another suite.
    pub fn verify(bytes: &'a [u8], suite: Suite, domain: &DomainId) -> Result<Self, ObjectError> {
        let object = Object::parse_as(bytes, suite, Kind::EnrolmentRequest)?;
        let (fields, extensions) = object.decode::<EnrolmentRequest<'a>>()?;
        if fields.domain != *domain && fields.domain != UNKNOWN_DOMAIN {
            return Err(ObjectError::Domain);
        }
        let key = VerifyingKey::from_bytes(&fields.key).map_err(|_| ObjectError::Field("key"))?;
        let hash = object.verify(&key, &extensions, &[])?;
        fields.check(suite, &key)?;
        Ok(Self {
            suite,
            fields,
            key,
            hash,
        })
    }

    /// The suite that the device wants.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The fields.
    #[must_use]
    pub const fn fields(&self) -> &EnrolmentRequest<'a> {
        &self.fields
    }

    /// The id of the join token that the device uses.
    #[must_use]
    pub fn token(&self) -> Option<&[u8; TOKEN_ID_LEN]> {
        Some(&self.fields.token).filter(|token| **token != NO_TOKEN)
    }

    /// The device's key.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The object's hash, which the credential names.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }

    /// The packages by rising number, each with its bytes.
    pub fn packages(&self) -> impl Iterator<Item = (&'a [u8], VerifiedKeyPackage)> {
        let (suite, domain, key) = (self.suite, self.fields.domain, self.key);
        // Their signatures were verified with the request.
        self.fields.packages.iter().filter_map(move |bytes| {
            let object = Object::parse_as(bytes, suite, Kind::KeyPackage).ok()?;
            let (package, _) = object.decode::<KeyPackage<'_>>().ok()?;
            Some((
                bytes,
                package
                    .into_verified(suite, object.hash(), &domain, &key)
                    .ok()?,
            ))
        })
    }
}
