//! New domains: with the root key at hand, or with one that stays offline.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::DomainId;
use sealmq_core::crypto::{ChangeContext, IdentityKey, RecipientKeyPair, Secret, VerifyingKey};
use sealmq_core::object::{Role, kem_of};
use sealmq_core::wire::Suite;

use super::draws::{Draws, HEDGE_KEY, new_secret};
use super::record::{
    self, DOMAIN_KEY, DomainRecord, HEAD_KEY, HeadRecord, KeyRecord, KeysRecord, SecretBytes,
};
use super::{Authority, AuthorityError, LoadError, Plan, draw};
use crate::armour::DelegationRequest;
use crate::lineage::Lineage;
use crate::root::{RootError, RootKey};
use sealmq_keys::Store;
use sealmq_keys::objects::{DelegatedKey, Roles};
use sealmq_keys::{check_prefix, default_prefix};

/// Configuration of a new domain.
#[derive(Debug, Clone)]
pub struct DomainOptions {
    /// Where the reserved topics live; `_sealmq/<domain>` if `None`.
    pub prefix: Option<String>,
    /// Chosen once, for the life of the domain (spec/keys.md §10).
    pub suite: Suite,
    /// Seconds that the first delegation is valid, if the root key is at hand.
    pub delegation_seconds: u64,
    /// A signing key of its own for each role, so that each can be kept where it is needed.
    pub split_roles: bool,
}

impl Default for DomainOptions {
    /// Suite 1, one signing key, 90 days.
    fn default() -> Self {
        Self {
            prefix: None,
            suite: Suite::One,
            delegation_seconds: 90 * 86_400,
            split_roles: false,
        }
    }
}

/// A new domain: what `create` made.
pub struct NewDomain {
    /// The authority, ready to use.
    pub authority: Authority,
    /// What the root has to keep to continue the first delegation.
    pub lineage: Lineage,
    /// Seed of the root key. Store it offline: whoever has it is the domain's owner.
    pub root_seed: Secret,
    /// To be committed to the authority's store; the root's seed is not among them.
    pub plan: Plan,
}

/// The authority of a new domain that waits for its first delegation: it can do nothing else.
pub struct PreparedAuthority {
    domain: DomainRecord,
    keys: KeysRecord,
    head: HeadRecord,
    hedge: SecretBytes,
}

impl Authority {
    /// Makes a domain with the defaults of [`DomainOptions`].
    ///
    /// # Errors
    /// As [`Authority::create_with`].
    pub fn create(
        prefix: Option<&str>,
        delegation_seconds: u64,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<NewDomain, AuthorityError> {
        let options = DomainOptions {
            prefix: prefix.map(String::from),
            delegation_seconds,
            ..DomainOptions::default()
        };
        Self::create_with(&options, now, rng)
    }

    /// Makes a domain: root key, the authority's keys, and the delegation between them
    /// (spec/keys.md §2, §3).
    ///
    /// # Errors
    /// The RNG failed, the prefix is not usable, or the suite is not in this build.
    pub fn create_with(
        options: &DomainOptions,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<NewDomain, AuthorityError> {
        let root = RootKey::generate(rng)?;
        let prepared = PreparedAuthority::new(&root.public(), options, rng)?;
        let not_after = now.saturating_add(options.delegation_seconds);
        let delegation = root.delegate(&prepared.request()?, 1, now, not_after, Roles::ALL)?;
        let (authority, plan) = prepared.install(&delegation, now)?;
        Ok(NewDomain {
            lineage: Lineage::begin(&authority.delegation),
            authority,
            root_seed: root.seed(),
            plan,
        })
    }

    /// Makes the authority of a domain whose root key stays offline. `root_key` is its public
    /// half. Commit the plan, let the root answer [`PreparedAuthority::request`], and
    /// [`PreparedAuthority::install`] the delegation.
    ///
    /// # Errors
    /// As [`Authority::create_with`], or a bad root key.
    pub fn prepare(
        root_key: &[u8; 32],
        options: &DomainOptions,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(PreparedAuthority, Plan), AuthorityError> {
        let mut prepared = PreparedAuthority::new(root_key, options, rng)?;
        let mut plan = Plan::default();
        prepared.domain.next_keys = Some(prepared.keys.clone());
        record::put(&mut plan.changes, DOMAIN_KEY.into(), &prepared.domain)?;
        record::put(&mut plan.changes, HEDGE_KEY.into(), &prepared.hedge)?;
        let known = prepared.head;
        prepared.head.advance(known, &mut plan.changes)?;
        Ok((prepared, plan))
    }
}

impl PreparedAuthority {
    fn new(
        root_key: &[u8; 32],
        options: &DomainOptions,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Self, AuthorityError> {
        let bad = "this is no usable root key: take the public key that the root printed";
        let root =
            VerifyingKey::from_bytes(root_key).map_err(|_| AuthorityError::Delegation(bad))?;
        kem_of(options.suite)?;
        let domain = DomainId::of_root(&root);
        let prefix = options.prefix.clone();
        let prefix = prefix.unwrap_or_else(|| default_prefix(&domain));
        check_prefix(&prefix).map_err(|_| AuthorityError::Prefix(prefix.clone()))?;
        let first = ChangeContext {
            serial: 0,
            at: 0,
            log_head: [0; 32],
        };
        let mut drawn = Draws::new(&new_secret(rng)?, first, rng);
        let keys = KeysRecord::draw(options.split_roles, &mut drawn)?;
        Ok(Self {
            keys,
            hedge: drawn.secret(),
            domain: DomainRecord {
                domain,
                root_key: *root_key,
                prefix,
                suite: options.suite as u8,
                keys: KeysRecord::none(),
                next_keys: None,
                previous_kem: None,
                delegation: Vec::new(),
                next_member: 1,
                is_old: false,
            },
            head: HeadRecord::default(),
        })
    }

    /// Loads what [`Authority::prepare`] had committed.
    ///
    /// # Errors
    /// The store cannot be read or holds no domain, or one that has its delegation already:
    /// [`Authority::load`] it.
    pub fn load<S: Store>(store: &S) -> Result<Self, LoadError<S::Error>> {
        super::migrate::check_version(store)?;
        let read = |key| {
            let value = store.get(key).map_err(LoadError::Store)?;
            value.ok_or(LoadError::Authority(AuthorityError::NotInitialised))
        };
        let domain: DomainRecord =
            record::read(&read(DOMAIN_KEY)?).map_err(LoadError::Authority)?;
        let head = record::read(&read(HEAD_KEY)?).map_err(LoadError::Authority)?;
        let hedge = record::read(&read(HEDGE_KEY)?).map_err(LoadError::Authority)?;
        let has_one = "the domain has its first one already: load the authority, and renew it";
        match &domain.next_keys {
            Some(keys) if domain.delegation.is_empty() => Ok(Self {
                keys: keys.clone(),
                domain,
                head,
                hedge,
            }),
            _ => Err(LoadError::Authority(AuthorityError::Delegation(has_one))),
        }
    }

    /// The domain.
    #[must_use]
    pub const fn domain(&self) -> DomainId {
        self.domain.domain
    }

    /// What the root has to sign for.
    ///
    /// # Errors
    /// The suite is not in this build.
    pub fn request(&self) -> Result<DelegationRequest, AuthorityError> {
        self.keys.request(&self.domain)
    }

    /// Takes the first delegation. Commit the plan before anything else.
    ///
    /// # Errors
    /// The delegation is not the root's, not for these keys, or not valid now.
    pub fn install(self, delegation: &[u8], now: u64) -> Result<(Authority, Plan), AuthorityError> {
        let Self {
            mut domain,
            keys,
            head,
            hedge,
        } = self;
        domain.next_keys = Some(keys);
        let mut plan = Plan::default();
        domain.take(delegation, now, &mut plan)?;
        record::put(&mut plan.changes, DOMAIN_KEY.into(), &domain)?;
        record::put(&mut plan.changes, HEDGE_KEY.into(), &hedge)?;
        let mut authority = Authority::assemble(domain, head, hedge, Vec::new(), Vec::new())?;
        let plan = authority.attempt(|authority| authority.settle(plan, now))?;
        Ok((authority, plan))
    }
}

impl KeysRecord {
    const fn none() -> Self {
        Self {
            signing: Vec::new(),
            kem: Vec::new(),
        }
    }

    /// New keys: one with all roles or one for each role, and one that receives join requests.
    pub(super) fn draw(
        split_roles: bool,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Self, AuthorityError> {
        let roles = if split_roles {
            let roles = [Role::Issue, Role::Groups, Role::Heartbeat];
            roles.map(|role| Roles::NONE.with(role)).to_vec()
        } else {
            vec![Roles::ALL]
        };
        let mut signing = Vec::with_capacity(roles.len());
        for roles in roles {
            let seed = SecretBytes::of(&draw(rng)?);
            signing.push(KeyRecord { seed, roles });
        }
        let kem = vec![SecretBytes::of(&draw(rng)?)];
        Ok(Self { signing, kem })
    }

    pub(super) fn identities(&self) -> Vec<IdentityKey> {
        let keys = self.signing.iter();
        keys.map(|key| IdentityKey::from_seed(&key.seed.secret()))
            .collect()
    }

    /// The public halves, for the root.
    pub(super) fn request(
        &self,
        domain: &DomainRecord,
    ) -> Result<DelegationRequest, AuthorityError> {
        let kem = kem_of(domain.suite()?)?;
        let keys = self.signing.iter().map(|key| DelegatedKey {
            key: key.public(),
            roles: key.roles,
        });
        let kem_keys = self.kem.iter().map(|seed| {
            let pair = RecipientKeyPair::derive(kem, &seed.secret());
            (kem.id(), pair.public().as_bytes().to_vec())
        });
        Ok(DelegationRequest {
            domain: domain.domain,
            suite: domain.suite,
            keys: keys.collect(),
            kem_keys: kem_keys.collect(),
        })
    }
}

impl KeyRecord {
    pub(super) fn public(&self) -> [u8; 32] {
        *IdentityKey::from_seed(&self.seed.secret())
            .verifying_key()
            .as_bytes()
    }
}

impl From<RootError> for AuthorityError {
    fn from(error: RootError) -> Self {
        match error {
            RootError::Object(e) => Self::Object(e),
            RootError::OtherDomain => Self::Delegation("the request is of another domain"),
            RootError::NoRoles => Self::Delegation("it would give no key a role"),
            RootError::Random => Self::Random,
        }
    }
}
