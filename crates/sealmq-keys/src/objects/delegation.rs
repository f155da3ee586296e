use core::array::from_fn;

use sealmq_core::DomainId;
use sealmq_core::crypto::{Digest, RecipientKey, VerifyingKey};
use sealmq_core::object::{
    Authorities, Extensions, Kind, List, Object, ObjectError, Role, Signer, kem_of, sign_object_as,
};
use sealmq_core::wire::Suite;
use serde::{Deserialize, Serialize};

use super::continuation::Continuation;

/// Longest delegation in bytes.
pub const MAX_DELEGATION_LEN: usize = 8192;
/// Most authority keys in one delegation.
pub const MAX_AUTHORITY_KEYS: usize = 8;
/// Most KEM keys in one delegation.
pub const MAX_KEM_KEYS: usize = 4;

/// The roles of an authority key, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(u8);

impl Roles {
    /// No role at all.
    pub const NONE: Self = Self(0);
    /// Every role of version 1.
    pub const ALL: Self = Self(7);

    /// With one more role.
    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | role as u8)
    }

    /// The roles that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the role is among them.
    #[must_use]
    pub const fn has(self, role: Role) -> bool {
        self.0 & role as u8 != 0
    }

    /// Whether all of them are roles that exist.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.0 & !Self::ALL.0 == 0
    }
}

/// One authority key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedKey {
    /// Ed25519.
    pub key: [u8; 32],
    /// What it may sign.
    pub roles: Roles,
}

/// A key that receives join requests (spec/keys.md §12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedKemKey<'a> {
    /// HPKE KEM id: 0x0020 in suite 1, 0x647a in suite 2.
    pub kem: u16,
    /// The public key: 32 bytes, or 1216 in suite 2.
    pub key: &'a [u8],
}

/// The fields of a delegation (spec/keys.md §3): which keys act for the root.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Delegation<'a> {
    /// The domain of the root key.
    pub domain: DomainId,
    /// The root's Ed25519 key.
    pub root_key: [u8; 32],
    /// Rises with each delegation.
    pub serial: u32,
    /// Unix seconds.
    pub issued_at: u64,
    /// Unix seconds.
    pub not_after: u64,
    /// 1 to 8 authority keys; other objects name them by their index here.
    #[serde(borrow)]
    pub keys: List<'a, DelegatedKey>,
    /// 0 to 4 keys for join requests.
    #[serde(borrow)]
    pub kem_keys: List<'a, DelegatedKemKey<'a>>,
}

type AuthorityKeys = [Option<(VerifyingKey, Roles)>; MAX_AUTHORITY_KEYS];
type KemKeys = [Option<RecipientKey>; MAX_KEM_KEYS];

impl Delegation<'_> {
    /// Checks the fields and signs with the root key, for a domain of this suite.
    ///
    /// # Errors
    /// A field that the spec forbids, [`ObjectError::TooLarge`], or
    /// [`ObjectError::Unsupported`] for a suite that this build does not have.
    pub fn sign<'o, 's>(
        &self,
        suite: Suite,
        root: impl Into<Signer<'s>>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        let root = root.into();
        self.check_root(&root.key().verifying_key())?;
        let (mut keys, mut kem_keys) = (from_fn(|_| None), from_fn(|_| None));
        self.check(suite, &mut keys, &mut kem_keys)?;
        Continuation::of(root.extensions(), self.serial)?;
        let signed = sign_object_as(suite, Kind::Delegation, self, root, out)?;
        if signed.0.len() > MAX_DELEGATION_LEN {
            return Err(ObjectError::TooLarge);
        }
        Ok(signed)
    }

    fn check_root(&self, root: &VerifyingKey) -> Result<(), ObjectError> {
        if self.domain != DomainId::of_root(root) {
            return Err(ObjectError::Domain);
        }
        if self.root_key != *root.as_bytes() {
            return Err(ObjectError::Field("root_key"));
        }
        Ok(())
    }

    /// Puts the keys into places that are empty.
    fn check(
        &self,
        suite: Suite,
        keys: &mut AuthorityKeys,
        kem_keys: &mut KemKeys,
    ) -> Result<(), ObjectError> {
        if self.not_after <= self.issued_at {
            return Err(ObjectError::Field("not_after"));
        }
        for (index, entry) in self.keys.iter().enumerate() {
            let key =
                VerifyingKey::from_bytes(&entry.key).map_err(|_| ObjectError::Field("keys"))?;
            let twice = keys.iter().flatten().any(|(other, _)| *other == key);
            if twice || !entry.roles.is_valid() {
                return Err(ObjectError::Field("keys"));
            }
            *keys.get_mut(index).ok_or(ObjectError::Field("keys"))? = Some((key, entry.roles));
        }
        if self.keys.is_empty() {
            return Err(ObjectError::Field("keys"));
        }
        self.check_kem_keys(suite, kem_keys)
    }

    fn check_kem_keys(&self, suite: Suite, keys: &mut KemKeys) -> Result<(), ObjectError> {
        let kem = kem_of(suite)?;
        for (index, entry) in self.kem_keys.iter().enumerate() {
            let place = keys.get_mut(index).ok_or(ObjectError::Field("kem_keys"))?;
            if entry.kem != kem.id() {
                return Err(ObjectError::Field("kem_keys"));
            }
            *place = Some(
                RecipientKey::from_bytes(kem, entry.key)
                    .map_err(|_| ObjectError::Field("kem_keys"))?,
            );
        }
        Ok(())
    }
}

/// What stands behind something that an authority key signed: as much of the delegation as tells
/// whether, and until when, it counts under a later one (spec/keys.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voucher {
    /// Serial of the delegation.
    pub serial: u32,
    /// Its end, Unix seconds.
    pub not_after: u64,
    /// The key that signed.
    pub key: [u8; 32],
    /// The role in which it did.
    pub role: Role,
}

impl Voucher {
    /// Until when it counts under `current`, the delegation of its serial or a later one; `None`:
    /// the later one does not list the key with the role any more, so that only something newer
    /// will count.
    #[must_use]
    pub fn end_under(&self, current: &VerifiedDelegation) -> Option<u64> {
        let listed = current
            .keys()
            .any(|(_, other, roles)| *other.as_bytes() == self.key && roles.has(self.role));
        listed.then(|| self.not_after.min(current.not_after))
    }
}

/// A delegation that was verified under the pinned root key, with its keys decompressed.
#[derive(Debug, Clone)]
pub struct VerifiedDelegation {
    suite: Suite,
    domain: DomainId,
    root: VerifyingKey,
    serial: u32,
    issued_at: u64,
    not_after: u64,
    hash: Digest,
    /// The lowest serial that it continues; its own if none.
    since: u32,
    keys: AuthorityKeys,
    kem_keys: KemKeys,
}

impl VerifiedDelegation {
    /// Verifies a delegation under the pinned root key. Times are not checked here, because they
    /// have to be checked again at each use; nor is the suite, which is compared with that of the
    /// delegation held ([`VerifiedDelegation::supersedes`]) or of the token.
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Role`, `Expired` and `Serial`.
    pub fn verify(bytes: &[u8], root: &VerifyingKey) -> Result<Self, ObjectError> {
        let mut place = None;
        Self::verify_into(&mut place, bytes, root)?;
        place.ok_or(ObjectError::Encoding)
    }

    /// [`VerifiedDelegation::verify`] into a place of the caller's: it is large, and nothing of it
    /// crosses the stack.
    ///
    /// # Errors
    /// As there; the place is empty then.
    pub fn verify_into<'p>(
        place: &'p mut Option<Self>,
        bytes: &[u8],
        root: &VerifyingKey,
    ) -> Result<&'p mut Self, ObjectError> {
        *place = None;
        if bytes.len() > MAX_DELEGATION_LEN {
            return Err(ObjectError::TooLarge);
        }
        Self::check(place, &Object::parse_any(bytes, Kind::Delegation)?, root)?;
        place.as_mut().ok_or(ObjectError::Encoding)
    }

    /// [`VerifiedDelegation::verify`] of one that a store from before extensions holds
    /// ([`Object::before_extensions`]).
    ///
    /// # Errors
    /// As there.
    pub fn verify_kept(bytes: &[u8], root: &VerifyingKey) -> Result<Self, ObjectError> {
        let mut place = None;
        let object = Object::parse_any(bytes, Kind::Delegation)?;
        Self::check(&mut place, &object.before_extensions(), root)?;
        place.ok_or(ObjectError::Encoding)
    }

    fn check(
        place: &mut Option<Self>,
        object: &Object<'_>,
        root: &VerifyingKey,
    ) -> Result<(), ObjectError> {
        let (body, extensions) = object.decode::<Delegation<'_>>()?;
        body.check_root(root)?;
        let hash = object.verify(root, &extensions, &[])?;
        let put = Self::put(place, object.suite(), root, &body, hash, &extensions);
        if put.is_err() {
            *place = None;
        }
        put
    }

    /// On its own: the keys are large, and not on the stack while the signature is verified.
    #[inline(never)]
    fn put(
        place: &mut Option<Self>,
        suite: Suite,
        root: &VerifyingKey,
        body: &Delegation<'_>,
        hash: Digest,
        extensions: &Extensions<'_>,
    ) -> Result<(), ObjectError> {
        *place = Some(Self {
            suite,
            domain: body.domain,
            root: *root,
            serial: body.serial,
            issued_at: body.issued_at,
            not_after: body.not_after,
            hash,
            since: body.serial,
            // Not constants, which would stand in flash.
            keys: from_fn(|_| None),
            kem_keys: from_fn(|_| None),
        });
        let verified = place.as_mut().ok_or(ObjectError::Encoding)?;
        body.check(suite, &mut verified.keys, &mut verified.kem_keys)?;
        if let Some(continuation) = Continuation::of(extensions, body.serial)? {
            verified.since = continuation.since;
        }
        Ok(())
    }

    /// Whether this one takes the place of `current`: `false` for the same object again.
    ///
    /// # Errors
    /// [`ObjectError::Serial`] for a lower serial, or a different object of the same serial;
    /// [`ObjectError::Domain`] for another root; [`ObjectError::Form`] for another suite, which a
    /// domain never changes.
    pub fn supersedes(&self, current: &Self) -> Result<bool, ObjectError> {
        if self.root != current.root {
            return Err(ObjectError::Domain);
        }
        if self.suite != current.suite {
            return Err(ObjectError::Form);
        }
        if self.hash == current.hash {
            return Ok(false);
        }
        if self.serial > current.serial {
            Ok(true)
        } else {
            Err(ObjectError::Serial)
        }
    }

    /// Whether a device may take it as its first: what reached the device together with the root's
    /// key says the suite, if it is known, and the lowest serial (spec/keys.md §12).
    ///
    /// # Errors
    /// [`ObjectError::Form`] for another suite, [`ObjectError::Serial`] for a lower serial.
    pub fn check_pinned(&self, suite: Option<Suite>, serial: u32) -> Result<(), ObjectError> {
        if suite.is_some_and(|suite| suite != self.suite) {
            return Err(ObjectError::Form);
        }
        if self.serial < serial {
            return Err(ObjectError::Serial);
        }
        Ok(())
    }

    /// Until when something that key `signer` of this delegation signed in this role counts under
    /// `current`, a later one or this: `None` if the later one does not list the key with the role
    /// any more (spec/keys.md §3).
    #[must_use]
    pub fn end_under(&self, current: &Self, signer: u8, role: Role) -> Option<u64> {
        self.voucher(signer, role)?.end_under(current)
    }

    /// What has to be remembered of this delegation for something that key `signer` of it signed in
    /// this role; `None` if the key does not have the role.
    #[must_use]
    pub fn voucher(&self, signer: u8, role: Role) -> Option<Voucher> {
        let key = self.authority_key(self.serial, signer, role)?;
        Some(Voucher {
            serial: self.serial,
            not_after: self.not_after,
            key: *key.as_bytes(),
            role,
        })
    }

    /// Whether state of the delegation with this serial goes on: it is this one, or one of those
    /// that it continues (spec/keys.md §3).
    #[must_use]
    pub fn continues(&self, serial: u32) -> bool {
        (self.since..=self.serial).contains(&serial)
    }

    /// The lowest serial that it continues; its own if it continues nothing.
    #[must_use]
    pub const fn since(&self) -> u32 {
        self.since
    }

    /// What it continues, out of `bytes`, the object that was verified; `None` for other bytes.
    #[must_use]
    pub fn continuation<'a>(&self, bytes: &'a [u8]) -> Option<Continuation<'a>> {
        let object = Object::parse_any(bytes, Kind::Delegation).ok()?;
        let (_, extensions) = object.decode::<Delegation<'_>>().ok()?;
        let found = Continuation::of(&extensions, self.serial).ok()??;
        (object.hash() == self.hash).then_some(found)
    }

    /// Whether `now` (Unix seconds) lies between issue (minus `skew` seconds) and expiry.
    #[must_use]
    pub fn is_valid_at(&self, now: u64, skew: u32) -> bool {
        self.issued_at <= now.saturating_add(u64::from(skew)) && now <= self.not_after
    }

    /// The root key under which it was verified.
    #[must_use]
    pub const fn root(&self) -> &VerifyingKey {
        &self.root
    }

    /// The serial, which every other authority object names.
    #[must_use]
    pub const fn serial(&self) -> u32 {
        self.serial
    }

    /// Unix seconds.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// Unix seconds.
    #[must_use]
    pub const fn not_after(&self) -> u64 {
        self.not_after
    }

    /// The object's hash.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }

    /// The authority keys with their index (`signer` of other objects) and roles.
    pub fn keys(&self) -> impl Iterator<Item = (u8, &VerifyingKey, Roles)> {
        (0_u8..)
            .zip(self.keys.iter().flatten())
            .map(|(i, (key, roles))| (i, key, *roles))
    }

    /// The domain's suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The keys that receive join requests, with their index (`key` of a join request).
    pub fn kem_keys(&self) -> impl Iterator<Item = (u8, &RecipientKey)> {
        (0_u8..).zip(self.kem_keys.iter().flatten())
    }
}

impl Authorities for VerifiedDelegation {
    fn domain(&self) -> DomainId {
        self.domain
    }

    fn suite(&self) -> Suite {
        self.suite
    }

    fn serial(&self) -> u32 {
        self.serial
    }

    fn authority_key(&self, serial: u32, signer: u8, role: Role) -> Option<&VerifyingKey> {
        let (key, roles) = self.keys.get(usize::from(signer))?.as_ref()?;
        (serial == self.serial && roles.has(role)).then_some(key)
    }
}
