use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sealmq_authority::{Authority, GrantSpec, NewGroup, Plan};
use sealmq_core::crypto::{IdentityKey, KemKeyPair, Secret, VerifyingKey, sha256};
use sealmq_core::object::{Access, List};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, MemberNumber};
use sealmq_keys::ReservedTopic;
use sealmq_keys::group::GroupState;
use sealmq_keys::objects::{
    EnrolmentRequest, KEM_X25519, KeyPackage, NO_TOKEN, PackageSet, UNKNOWN_DOMAIN,
    VerifiedDelegation, VerifiedWelcome,
};

/// Unix seconds.
pub const NOW: u64 = 1_764_000_000;
pub(crate) const YEAR: u64 = 365 * 86_400;
pub(crate) const GROUP: &str = "plant";

/// SHA-256 in counter mode.
pub struct CountingRng(u64);

impl CountingRng {
    /// From a start of its own.
    #[must_use]
    pub const fn new(start: u64) -> Self {
        Self(start << 32)
    }
}

impl TryRng for CountingRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::try_from(self.try_next_u64()? >> 32).unwrap())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(32) {
            self.0 += 1;
            chunk.copy_from_slice(&sha256(&[&self.0.to_be_bytes()]).0[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for CountingRng {}

/// A real authority with one group of readers.
pub struct Domain {
    authority: Authority,
    rng: CountingRng,
    delegation: VerifiedDelegation,
    members: Vec<MemberNumber>,
    /// The state of the first member, before its first epoch.
    first: GroupState,
    epochs: Vec<Vec<u8>>,
}

impl Domain {
    /// Enrols `members` readers with real requests, and starts their first epoch.
    #[must_use]
    pub fn new(members: u32) -> Self {
        let mut rng = CountingRng(0);
        let new = Authority::create(None, YEAR, NOW, &mut rng).unwrap();
        let mut authority = new.authority;
        let _ = authority
            .add_group(&NewGroup::new(GROUP, ["plant/#"]), NOW, &mut rng)
            .unwrap();
        let root = VerifyingKey::from_bytes(authority.root_key()).unwrap();
        let delegation = VerifiedDelegation::verify(authority.delegation(), &root).unwrap();
        let group = authority.groups().next().unwrap().id;
        let (mut numbers, mut first) = (Vec::new(), None);
        for n in 0..members {
            let (init, request) = request(n);
            let grants = [GrantSpec {
                group: GROUP.into(),
                access: Access::SUBSCRIBE,
                publish_filter: String::new(),
            }];
            let (enrolled, plan) = authority
                .enrol(&request, &grants, YEAR, NOW, &mut rng)
                .unwrap();
            first.get_or_insert_with(|| {
                let topic = ReservedTopic::Welcome(enrolled.number, group);
                let topic = topic.name(authority.prefix());
                let welcome = plan.publications.iter().find(|p| p.topic == topic).unwrap();
                let welcome = VerifiedWelcome::verify(&welcome.payload, &delegation).unwrap();
                GroupState::install(welcome.open(&init.into()).unwrap())
            });
            numbers.push(enrolled.number);
        }
        let plan = authority.tick(NOW, &mut rng).unwrap();
        let mut domain = Self {
            authority,
            rng,
            delegation,
            members: numbers,
            first: first.unwrap(),
            epochs: Vec::new(),
        };
        domain.announced(&plan);
        domain
    }

    /// Bytes of the announcement, and of the refused list (0 if it stays), that a plan publishes.
    fn announced(&mut self, plan: &Plan) -> (usize, usize) {
        let (mut announcement, mut list) = (0, 0);
        for publication in &plan.publications {
            match ReservedTopic::parse(self.authority.prefix(), &publication.topic) {
                Some(ReservedTopic::Announcement(..)) if !publication.payload.is_empty() => {
                    announcement += publication.payload.len();
                    self.epochs.push(publication.payload.clone());
                }
                Some(ReservedTopic::RefusedList(_)) => list += publication.payload.len(),
                _ => {}
            }
        }
        (announcement, list)
    }

    /// A scheduled rotation: bytes of its announcement.
    pub fn rotate(&mut self) -> usize {
        let plan = self.authority.rotate(GROUP, NOW, &mut self.rng).unwrap();
        self.announced(&plan).0
    }

    /// Removes the last member: bytes of announcement and refused list.
    pub fn remove_last(&mut self) -> (usize, usize) {
        let member = self.members.pop().unwrap();
        let plan = self.authority.remove(member, NOW, &mut self.rng).unwrap();
        self.announced(&plan)
    }

    /// The first member's state before its first epoch, as it is stored.
    #[must_use]
    pub fn fresh_state(&self) -> Vec<u8> {
        self.first.to_bytes().unwrap().to_vec()
    }

    /// Every announcement since the members joined.
    #[must_use]
    pub fn announcements(&self) -> &[Vec<u8>] {
        &self.epochs
    }

    /// What members verify with.
    #[must_use]
    pub const fn delegation(&self) -> &VerifiedDelegation {
        &self.delegation
    }

    /// The prefix of the reserved topics.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.authority.prefix()
    }
}

fn secret(label: &[u8], n: u32, k: u32) -> Secret {
    Secret::new(sha256(&[label, &n.to_be_bytes(), &k.to_be_bytes()]).0)
}

fn identity(n: u32) -> IdentityKey {
    IdentityKey::from_seed(&secret(b"identity", n, 0))
}

/// The keys of a device's package.
pub(crate) fn init(n: u32, number: u32) -> KemKeyPair {
    KemKeyPair::derive(&secret(b"init", n, number))
}

fn package(n: u32, number: u32, domain: DomainId, now: u64) -> Vec<u8> {
    let identity = identity(n);
    let package = KeyPackage {
        domain,
        identity: *identity.verifying_key().as_bytes(),
        number,
        kem: KEM_X25519,
        init_key: &init(n, number).public().0,
        issued_at: now,
        not_after: now + YEAR,
    };
    package.sign(&identity, &mut [0; 256]).unwrap().0.to_vec()
}

/// What a device publishes when it needs welcomes: one package, number 3.
pub(crate) fn package_set(n: u32, domain: DomainId, now: u64) -> Vec<u8> {
    let package = package(n, 3, domain, now);
    let (mut list, mut out) = ([0; 320], [0; 512]);
    let list = List::encode(&[package.as_slice()], &mut list).unwrap();
    let identity = identity(n).verifying_key();
    let set = PackageSet::encode(&list, &domain, &identity, &mut out);
    set.unwrap().to_vec()
}

/// An enrolment request with one key package, and the private key for it.
fn request(n: u32) -> (KemKeyPair, Vec<u8>) {
    let (mut inits, request) = request_with(n, 1);
    (inits.remove(0), request)
}

/// An enrolment request with so many key packages, and the private keys for them.
pub(crate) fn request_with(n: u32, packages: u32) -> (Vec<KemKeyPair>, Vec<u8>) {
    let identity = identity(n);
    let inits: Vec<_> = (1..=packages).map(|number| init(n, number)).collect();
    let objects: Vec<Vec<u8>> = (1..=packages)
        .map(|number| package(n, number, UNKNOWN_DOMAIN, NOW))
        .collect();
    let objects: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
    let mut list = vec![0; 300 * objects.len()];
    let request = EnrolmentRequest {
        domain: UNKNOWN_DOMAIN,
        token: NO_TOKEN,
        name: &format!("device-{n}"),
        key: *identity.verifying_key().as_bytes(),
        issued_at: NOW,
        packages: List::encode(&objects, &mut list).unwrap(),
    };
    let mut buffer = vec![0; 300 * objects.len() + 512];
    let request = request.sign(Suite::One, &identity, &mut buffer).unwrap().0;
    (inits, request.to_vec())
}
