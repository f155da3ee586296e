//! The root key, which is kept offline and signs nothing but delegations (spec/keys.md §2, §3).

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use rand_core::TryCryptoRng;
use sealmq_core::DomainId;
use sealmq_core::crypto::{IdentityKey, Secret};
use sealmq_core::object::{List, ObjectError, Signer, suite_of_number};

use crate::armour::DelegationRequest;
use crate::lineage::Lineage;
use sealmq_keys::objects::{DelegatedKemKey, DelegatedKey, Delegation, MAX_DELEGATION_LEN, Roles};

/// The owner of a domain: an Ed25519 key that members pin.
pub struct RootKey(IdentityKey);

/// The root did not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RootError {
    /// The random number generator failed.
    Random,
    /// The request is of another domain than this root's.
    OtherDomain,
    /// None of the keys would have a role.
    NoRoles,
    /// A key or a time of the delegation is not possible.
    Object(ObjectError),
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("the random number generator failed: no key was made, check the platform's RNG"),
            Self::OtherDomain => f.write_str("the request comes from an authority of another domain: take the root key that this domain pins"),
            Self::NoRoles => f.write_str("no key of the request would have a role: allow at least one role that it asks for"),
            Self::Object(e) => write!(f, "the delegation was not signed: {e}"),
        }
    }
}

impl core::error::Error for RootError {}

impl From<ObjectError> for RootError {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}

impl RootKey {
    /// A new root key.
    ///
    /// # Errors
    /// [`RootError::Random`].
    pub fn generate(rng: &mut impl TryCryptoRng) -> Result<Self, RootError> {
        let mut failed = false;
        let seed = Secret::init_with(|out| failed = rng.try_fill_bytes(out).is_err());
        if failed || *seed.expose() == [0; 32] {
            return Err(RootError::Random);
        }
        Ok(Self::from_seed(&seed))
    }

    /// The root key with this seed.
    #[must_use]
    pub fn from_seed(seed: &Secret) -> Self {
        Self(IdentityKey::from_seed(seed))
    }

    /// The seed. Whoever has it is the domain's owner: keep it offline.
    #[must_use]
    pub fn seed(&self) -> Secret {
        self.0.seed()
    }

    /// The public key, which members pin.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        *self.0.verifying_key().as_bytes()
    }

    /// The domain that it owns.
    #[must_use]
    pub fn domain(&self) -> DomainId {
        DomainId::of_root(&self.0.verifying_key())
    }

    /// Signs a delegation that continues nothing: [`RootKey::delegate_on`] without a lineage. Right
    /// for the first one, and after keys were stolen.
    ///
    /// # Errors
    /// As there.
    pub fn delegate(
        &self,
        request: &DelegationRequest,
        serial: u32,
        issued_at: u64,
        not_after: u64,
        roles: Roles,
    ) -> Result<Vec<u8>, RootError> {
        self.delegate_on(None, request, serial, issued_at, not_after, roles)
    }

    /// Signs a delegation for the keys of a request: each gets those of the roles it asks for
    /// that are among `roles`; a key without any is left out. `serial` has to be above those of
    /// all delegations before; times in Unix seconds. With `lineage`, it continues those
    /// delegations: none of their keys was stolen.
    ///
    /// # Errors
    /// The request is of another domain, or its keys, their roles or the times are not possible.
    pub fn delegate_on(
        &self,
        lineage: Option<&Lineage>,
        request: &DelegationRequest,
        serial: u32,
        issued_at: u64,
        not_after: u64,
        roles: Roles,
    ) -> Result<Vec<u8>, RootError> {
        if request.domain != self.domain() {
            return Err(RootError::OtherDomain);
        }
        let keys = request.keys.iter().map(|key| DelegatedKey {
            key: key.key,
            roles: key.roles.and(roles),
        });
        let keys: Vec<DelegatedKey> = keys.filter(|key| key.roles != Roles::NONE).collect();
        if keys.is_empty() {
            return Err(RootError::NoRoles);
        }
        let kem_keys = request.kem_keys.iter();
        let kem_keys: Vec<DelegatedKemKey<'_>> = kem_keys
            .map(|(kem, key)| DelegatedKemKey { kem: *kem, key })
            .collect();
        let (mut key_list, mut kem_list) =
            (vec![0; MAX_DELEGATION_LEN], vec![0; MAX_DELEGATION_LEN]);
        let fields = Delegation {
            domain: request.domain,
            root_key: self.public(),
            serial,
            issued_at,
            not_after,
            keys: List::encode(&keys, &mut key_list).map_err(ObjectError::from)?,
            kem_keys: List::encode(&kem_keys, &mut kem_list).map_err(ObjectError::from)?,
        };
        let mut buffer = vec![0; MAX_DELEGATION_LEN];
        let suite = suite_of_number(request.suite)?;
        let extensions = lineage.map(Lineage::extensions).transpose()?;
        let signer = Signer::with_encoded(&self.0, extensions.as_deref().unwrap_or_default())?;
        let (object, _) = fields.sign(suite, signer, &mut buffer)?;
        Ok(object.to_vec())
    }
}
