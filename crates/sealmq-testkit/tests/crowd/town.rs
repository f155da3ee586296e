//! Everybody who is enrolled when the clock begins.

use std::sync::mpsc::sync_channel;
use std::thread;

use sealmq_authority::{Authority, DomainOptions, GrantSpec, NewGroup, TokenSpec, depth_for};
use sealmq_core::crypto::{IdentityKey, KemKeyPair, Secret, VerifyingKey, sha256};
use sealmq_core::object::{Access, List};
use sealmq_core::wire::Suite;
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::member::Member;
use sealmq_keys::{
    EnrolmentRequest, KEM_X25519, KeyPackage, NO_TOKEN, NamePattern, Policy, Store as _,
    UNKNOWN_DOMAIN, VerifiedDelegation, decode_request,
};

use super::play::{HOSTILE, SECONDS};
use super::store::{Heap, Vault};
use sealmq_testkit::stand_ins::{CountingRng, MemoryStore};

/// Unix seconds at which everything begins.
pub(super) const START: u64 = 1_764_000_000;
pub(super) const YEAR: u64 = 365 * 86_400;
pub(super) const GROUP: &str = "plant";
/// Seconds that a device without a clock may go on without an answer.
pub(super) const LEASE: u32 = 60;
/// Seconds that joiners wait for others.
pub(super) const COALESCE: u64 = 2;
/// Members that run, of each kind.
const WITH_CLOCK: usize = 6;
const WITHOUT_CLOCK: usize = 10;
const PUBLISHERS: usize = 4;

/// A member that runs from the beginning.
pub(super) struct Settler {
    pub(super) store: MemoryStore,
    pub(super) rng: u64,
    pub(super) access: Access,
    pub(super) has_clock: bool,
    /// Of its credential, seconds.
    pub(super) validity: u64,
}

/// One who may do what members do, and does something else.
pub(super) struct Outlaw {
    pub(super) number: MemberNumber,
    pub(super) identity: IdentityKey,
}

/// A domain before the clock begins: both runs begin with the same.
pub struct Town {
    pub(super) vault: Vault,
    pub(super) settlers: Vec<Settler>,
    pub(super) outlaws: Vec<Outlaw>,
    /// Members that are in the authority only.
    pub(super) others: Vec<MemberNumber>,
    pub(super) token: String,
    pub(super) root_key: [u8; 32],
    pub(super) delegation: VerifiedDelegation,
    pub(super) prefix: String,
    pub(super) group: GroupId,
}

pub(super) fn grant(access: Access) -> [GrantSpec; 1] {
    [GrantSpec {
        group: GROUP.into(),
        access,
        publish_filter: String::new(),
    }]
}

impl Town {
    /// A domain with one group and so many members, each of them enrolled with a request of its
    /// own. `heap` tells how many bytes are allocated.
    ///
    /// # Panics
    /// The authority refuses something.
    #[must_use]
    pub fn new(members: usize, heap: Heap) -> Self {
        let mut rng = CountingRng(1 << 40);
        let options = DomainOptions {
            prefix: Some("_sealmq/town".into()),
            delegation_seconds: YEAR,
            ..DomainOptions::default()
        };
        let new = Authority::create_with(&options, START, &mut rng).unwrap();
        let (mut authority, mut vault) = (new.authority, Vault::new(heap));
        vault.commit(&new.plan.changes).unwrap();
        let mut group = NewGroup {
            depth: depth_for(members as u32 + 1024),
            policy: Policy {
                lease: LEASE,
                ..Policy::default()
            },
            ..NewGroup::new(GROUP, ["plant/#"])
        };
        // Joiners of the same moment share an epoch.
        group.schedule.coalesce = COALESCE;
        let plan = authority.add_group(&group, START, &mut rng).unwrap();
        vault.commit(&plan.changes).unwrap();
        let root_key = *authority.root_key();
        let root = VerifyingKey::from_bytes(&root_key).unwrap();
        let mut town = Self {
            vault,
            settlers: Vec::new(),
            outlaws: Vec::new(),
            others: Vec::new(),
            token: String::new(),
            root_key,
            delegation: VerifiedDelegation::verify(authority.delegation(), &root).unwrap(),
            prefix: authority.prefix().to_owned(),
            group: authority.groups().next().unwrap().id,
        };
        let kinds = [
            (WITH_CLOCK, Access::BOTH, true),
            (WITHOUT_CLOCK, Access::BOTH, false),
            (PUBLISHERS, Access::PUBLISH, true),
        ];
        for (count, access, has_clock) in kinds {
            for _ in 0..count {
                town.settle(&mut authority, access, has_clock, &mut rng);
            }
        }
        for n in 0..HOSTILE as u64 {
            let identity = IdentityKey::from_seed(&secret(b"outlaw", n));
            let request = request(&identity, &format!("outlaw-{n}"));
            let number = town.enrol(&mut authority, &request, Access::BOTH, YEAR, &mut rng);
            town.outlaws.push(Outlaw { number, identity });
        }
        town.enrol_others(&mut authority, members, &mut rng);
        let spec = TokenSpec {
            grants: grant(Access::BOTH).to_vec(),
            name: NamePattern::Any,
            ttl: YEAR,
            uses: u32::MAX,
            member_validity: YEAR,
            broker: String::new(),
        };
        let (token, plan) = authority.create_token(&spec, START, &mut rng).unwrap();
        town.vault.commit(&plan.changes).unwrap();
        town.token = token.to_uri().unwrap().to_string();
        // Joiners have waited for each other: all of them are in.
        let plan = authority.tick(START + COALESCE, &mut rng).unwrap();
        town.vault.commit(&plan.changes).unwrap();
        town
    }

    fn enrol(
        &mut self,
        authority: &mut Authority,
        request: &[u8],
        access: Access,
        validity: u64,
        rng: &mut CountingRng,
    ) -> MemberNumber {
        let grants = grant(access);
        let (enrolled, plan) = authority
            .enrol(request, &grants, validity, START, rng)
            .unwrap();
        self.vault.commit(&plan.changes).unwrap();
        enrolled.number
    }

    /// A member with a device; its credential is renewed at a time of its own.
    fn settle(
        &mut self,
        authority: &mut Authority,
        access: Access,
        has_clock: bool,
        rng: &mut CountingRng,
    ) {
        let n = self.settlers.len() as u64;
        let mut own = CountingRng((1 << 41) | (n << 32));
        let clock = has_clock.then_some(START * 1000);
        let mut store = MemoryStore::default();
        let name = format!("settler-{n}");
        let (changes, file) = Member::request(&store, &name, 3, clock, &mut own).unwrap();
        store.commit(&changes).unwrap();
        let request = decode_request(&file).unwrap();
        // Due when two thirds are over: in the second to the ninth minute, and so on.
        let validity = (SECONDS / 10 + n * 23) * 3 / 2;
        let grants = grant(access);
        let (enrolled, plan) = authority
            .enrol(&request, &grants, validity, START, rng)
            .unwrap();
        self.vault.commit(&plan.changes).unwrap();
        let (changes, _) = Member::enrol(&store, &enrolled.credential_file, clock).unwrap();
        store.commit(&changes).unwrap();
        self.settlers.push(Settler {
            store,
            rng: own.0,
            access,
            has_clock,
            validity,
        });
    }

    /// Half of the work is theirs, so it has a thread of its own.
    fn enrol_others(&mut self, authority: &mut Authority, members: usize, rng: &mut CountingRng) {
        let (requests, others) = sync_channel(1024);
        let maker = thread::spawn(move || {
            for n in 0..members as u64 {
                let identity = IdentityKey::from_seed(&secret(b"other", n));
                requests
                    .send(request(&identity, &format!("device-{n}")))
                    .unwrap();
            }
        });
        for request in others {
            let number = self.enrol(authority, &request, Access::SUBSCRIBE, YEAR, rng);
            self.others.push(number);
        }
        maker.join().unwrap();
    }
}

pub(super) fn secret(label: &[u8], number: u64) -> Secret {
    Secret::new(sha256(&[label, &number.to_be_bytes()]).0)
}

/// Nobody opens what is sealed to it.
pub(super) fn init_key() -> [u8; 32] {
    KemKeyPair::derive(&Secret::new([7; 32])).public().0
}

/// An enrolment request with one key package, for a file.
fn request(identity: &IdentityKey, name: &str) -> Vec<u8> {
    let package = KeyPackage {
        domain: UNKNOWN_DOMAIN,
        identity: *identity.verifying_key().as_bytes(),
        number: 1,
        kem: KEM_X25519,
        init_key: &init_key(),
        issued_at: START,
        not_after: START + YEAR,
    };
    let mut buffer = [0; 512];
    let package = package.sign(identity, &mut buffer).unwrap().0;
    let (mut list, mut out) = ([0; 512], [0; 1024]);
    let fields = EnrolmentRequest {
        domain: UNKNOWN_DOMAIN,
        token: NO_TOKEN,
        name,
        key: *identity.verifying_key().as_bytes(),
        issued_at: START,
        packages: List::encode(&[package], &mut list).unwrap(),
    };
    fields
        .sign(Suite::One, identity, &mut out)
        .unwrap()
        .0
        .to_vec()
}
