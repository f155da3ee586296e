//! A device as the authority sees it: it signs requests, packages and confirmations, and opens
//! welcomes. Without the member machine, so that tests can also make it misbehave.

use sealmq_core::crypto::{IdentityKey, RecipientKeyPair, Secret};
use sealmq_core::object::{Kind, List, encode, kem_of, sign_object_as};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, GroupId, MemberNumber};
use sealmq_keys::objects::{
    Confirmation, ConfirmationEntry, EnrolmentRequest, Fingerprint, JoinRequest, KeyPackage,
    NonceFields, Token, VerifiedDelegation, VerifiedWelcome,
};

pub struct Device {
    pub identity: IdentityKey,
    seed: u8,
    suite: Suite,
    pub domain: DomainId,
}

impl Device {
    pub fn new(seed: u8, suite: Suite, domain: DomainId) -> Self {
        Self {
            identity: IdentityKey::from_seed(&Secret::new([seed; 32])),
            seed,
            suite,
            domain,
        }
    }

    /// One of many.
    pub fn numbered(number: u32, suite: Suite, domain: DomainId) -> Self {
        let mut seed = [99; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        Self {
            identity: IdentityKey::from_seed(&Secret::new(seed)),
            ..Self::new(99, suite, domain)
        }
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.identity.verifying_key())
    }

    fn init_key(&self, number: u32) -> RecipientKeyPair {
        let mut seed = [self.seed; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        RecipientKeyPair::derive(kem_of(self.suite).unwrap(), &Secret::new(seed))
    }

    pub fn package(&self, number: u32, now: u64, not_after: u64) -> Vec<u8> {
        let pair = self.init_key(number);
        self.package_for(number, pair.public().as_bytes(), now, not_after)
    }

    /// A package with any bytes as its key, properly signed.
    pub fn package_for(&self, number: u32, init_key: &[u8], now: u64, not_after: u64) -> Vec<u8> {
        let package = KeyPackage {
            domain: self.domain,
            identity: *self.identity.verifying_key().as_bytes(),
            number,
            kem: kem_of(self.suite).unwrap().id(),
            init_key,
            issued_at: now,
            not_after,
        };
        let mut out = [0; 2048];
        let kind = Kind::KeyPackage;
        let signed = sign_object_as(self.suite, kind, &package, &self.identity, &mut out);
        signed.unwrap().0.to_vec()
    }

    /// The body of a package set with these numbers, valid for a day.
    pub fn packages(&self, numbers: impl IntoIterator<Item = u32>, now: u64) -> Vec<u8> {
        let made = numbers.into_iter();
        let objects: Vec<_> = made.map(|n| self.package(n, now, now + 86_400)).collect();
        self.package_set(&objects)
    }

    /// The body of a set of any packages, without the checks that an honest device makes.
    pub fn package_set(&self, objects: &[Vec<u8>]) -> Vec<u8> {
        let objects: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
        let mut list = vec![0; 65536];
        let list: List<'_, &[u8]> = List::encode(&objects, &mut list).unwrap();
        let mut out = vec![0; 65536];
        encode(&list, &mut out).unwrap().to_vec()
    }

    pub fn request(&self, name: &str, packages: u32, now: u64) -> Vec<u8> {
        let objects: Vec<_> = (1..=packages)
            .map(|n| self.package(n, now, now + 86_400))
            .collect();
        self.request_with(name, &objects, now)
    }

    /// A request that names a token, with packages numbered from `first`.
    pub fn request_for(&self, id: [u8; 8], name: &str, first: u32, packages: u32) -> Vec<u8> {
        let now = super::desk::NOW;
        let objects: Vec<_> = (first..first + packages)
            .map(|n| self.package(n, now, now + 86_400))
            .collect();
        self.signed_request(id, name, &objects, now)
    }

    /// A request with any packages, without the checks that an honest device makes.
    pub fn request_with(&self, name: &str, objects: &[Vec<u8>], now: u64) -> Vec<u8> {
        self.signed_request([0; 8], name, objects, now)
    }

    fn signed_request(&self, token: [u8; 8], name: &str, objects: &[Vec<u8>], now: u64) -> Vec<u8> {
        let objects: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
        let mut list = vec![0; 65536];
        let request = EnrolmentRequest {
            domain: self.domain,
            token,
            name,
            key: *self.identity.verifying_key().as_bytes(),
            issued_at: now,
            packages: List::encode(&objects, &mut list).unwrap(),
        };
        let mut out = vec![0; 65536];
        let kind = Kind::EnrolmentRequest;
        let signed = sign_object_as(self.suite, kind, &request, &self.identity, &mut out);
        signed.unwrap().0.to_vec()
    }

    /// A join request with four packages, sealed anew at each call.
    pub fn join(
        &self,
        delegation: &VerifiedDelegation,
        token: Option<&Token>,
        name: &str,
        seed: u8,
        now: u64,
    ) -> Vec<u8> {
        let objects: Vec<_> = (1..=4)
            .map(|n| self.package(n, now, now + 86_400))
            .collect();
        let id = token.map_or([0; 8], |token| token.id);
        let request = self.signed_request(id, name, &objects, now);
        let token = token.map(|token| (&token.id, &token.secret));
        JoinRequest::seal(delegation, token, &request, &Secret::new([seed; 32])).unwrap()
    }

    /// Opens a welcome and says so.
    pub fn install(&self, delegation: &VerifiedDelegation, welcome: &[u8]) -> ConfirmationEntry {
        let welcome = VerifiedWelcome::verify(welcome, delegation).unwrap();
        let pair = self.init_key(welcome.fields().package_number);
        let opened = welcome.open(&pair).unwrap();
        let fields = welcome.fields();
        ConfirmationEntry {
            group: fields.group,
            generation: fields.generation,
            epoch: fields.epoch,
            package_number: fields.package_number,
            proof: *opened.proof(),
        }
    }

    /// A nonce object whose nonce repeats the last byte of its number.
    pub fn nonce(&self, member: MemberNumber, group: GroupId, number: u64) -> Vec<u8> {
        let fields = NonceFields {
            domain: self.domain,
            member,
            number: number.max(1),
            group,
            nonce: [number as u8; 16],
        };
        let mut out = [0; 256];
        fields.sign(&self.identity, &mut out).unwrap().0.to_vec()
    }

    pub fn confirmation(&self, member: MemberNumber, entries: &[ConfirmationEntry]) -> Vec<u8> {
        let mut sorted = entries.to_vec();
        sorted.sort_by_key(|entry| entry.group);
        let mut list = vec![0; 8192];
        let confirmation = Confirmation {
            domain: self.domain,
            member,
            entries: List::encode(&sorted, &mut list).unwrap(),
        };
        let mut out = vec![0; 8192];
        let signed = confirmation.sign(&self.identity, &mut out);
        signed.unwrap().0.to_vec()
    }
}

/// One of many devices of suite 1.
pub fn numbered(n: u32, domain: DomainId) -> Device {
    let mut seed = [0x77; 32];
    seed[..4].copy_from_slice(&n.to_be_bytes());
    Device {
        identity: IdentityKey::from_seed(&Secret::new(seed)),
        seed: 0x77,
        suite: Suite::One,
        domain,
    }
}
