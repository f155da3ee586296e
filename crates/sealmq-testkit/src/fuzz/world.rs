//! A small domain with a real authority, the same at every run.

use std::sync::OnceLock;

use sealmq_authority::{Authority, Enrolled, GrantSpec, NewGroup, Plan};
use sealmq_core::crypto::{IdentityKey, KemId, RecipientKeyPair, Secret, VerifyingKey, sha256};
use sealmq_core::object::{Access, List};
use sealmq_core::wire::Suite;
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::{
    EnrolmentRequest, GroupState, KEM_X25519, KeyPackage, ReservedTopic, Store, UNKNOWN_DOMAIN,
    VerifiedDelegation, VerifiedEnrolment, VerifiedWelcome,
};

pub(crate) use crate::stand_ins::{CountingRng, MemoryStore};

/// Unix seconds at which everything happens.
pub(super) const NOW: u64 = 1_764_000_000;
pub(crate) const YEAR: u64 = 365 * 86_400;

/// A device before the authority knows it.
pub(super) struct Device {
    init_keys: Vec<RecipientKeyPair>,
    pub(super) request: Vec<u8>,
}

impl Device {
    pub(super) fn new(seed: u8, name: &str) -> Self {
        let identity = IdentityKey::from_seed(&Secret::new([seed; 32]));
        let init_key =
            |n| RecipientKeyPair::derive(KemId::X25519, &sha256_secret(&[b"init", &[seed, n]]));
        let init_keys = vec![init_key(1), init_key(2)];
        let key = *identity.verifying_key().as_bytes();
        let package = |(number, init_key): (u32, &RecipientKeyPair)| {
            let package = KeyPackage {
                domain: UNKNOWN_DOMAIN,
                identity: key,
                number,
                kem: KEM_X25519,
                init_key: init_key.public().as_bytes(),
                issued_at: NOW,
                not_after: NOW + YEAR,
            };
            package.sign(&identity, &mut [0; 512]).unwrap().0.to_vec()
        };
        let packages: Vec<Vec<u8>> = (1..).zip(&init_keys).map(package).collect();
        let borrowed: Vec<&[u8]> = packages.iter().map(Vec::as_slice).collect();
        let mut list = [0; 1024];
        let fields = EnrolmentRequest {
            domain: UNKNOWN_DOMAIN,
            token: [0; 8],
            name,
            key,
            issued_at: NOW,
            packages: List::encode(&borrowed, &mut list).unwrap(),
        };
        let mut out = [0; 2048];
        let request = fields.sign(Suite::One, &identity, &mut out).unwrap().0;
        let request = request.to_vec();
        Self { init_keys, request }
    }

    /// The first key package's object.
    pub(super) fn package(&self) -> Vec<u8> {
        let verified = VerifiedEnrolment::verify(&self.request, Suite::One, &UNKNOWN_DOMAIN);
        verified.unwrap().packages().next().unwrap().0.to_vec()
    }
}

pub(super) fn sha256_secret(parts: &[&[u8]]) -> Secret {
    Secret::new(sha256(parts).0)
}

/// A member with the state of its group, which it has not started to follow.
pub(super) struct FreshMember {
    pub(super) number: MemberNumber,
    pub(super) welcome: Vec<u8>,
    pub(super) state: Vec<u8>,
}

/// Everything made once.
pub(super) struct World {
    pub(super) store: MemoryStore,
    pub(super) delegation: VerifiedDelegation,
    pub(super) prefix: String,
    pub(super) group: GroupId,
    pub(super) devices: Vec<Device>,
    pub(super) members: Vec<FreshMember>,
    pub(super) credential_files: Vec<String>,
    pub(super) delegation_object: Vec<u8>,
    /// What the authority would announce next: ordinary, healing, ordinary.
    pub(super) announcements: Vec<Vec<u8>>,
}

pub(super) const GROUP: &str = "plant";
pub(super) const OTHER_GROUP: &str = "lab";
/// Names and rights of the members.
const MEMBERS: [(&str, Access); 5] = [
    ("gateway", Access::BOTH),
    ("reader", Access::SUBSCRIBE),
    ("sensor", Access::PUBLISH),
    ("second-reader", Access::SUBSCRIBE),
    ("second-sensor", Access::PUBLISH),
];

impl World {
    pub(super) fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(Self::build)
    }

    fn build() -> Self {
        let mut rng = CountingRng(0);
        let mut store = MemoryStore::default();
        let new = Authority::create(Some("_sealmq/fuzz"), YEAR, NOW, &mut rng).unwrap();
        let mut authority = new.authority;
        store.commit(&new.plan.changes).unwrap();
        for (name, filter) in [(GROUP, "plant/#"), (OTHER_GROUP, "lab/#")] {
            let group = NewGroup {
                depth: 4,
                ..NewGroup::new(name, [filter])
            };
            let plan = authority.add_group(&group, NOW, &mut rng).unwrap();
            store.commit(&plan.changes).unwrap();
        }
        let group = authority.groups().find(|g| g.name == GROUP).unwrap().id;
        let root = VerifyingKey::from_bytes(authority.root_key()).unwrap();
        let delegation = VerifiedDelegation::verify(authority.delegation(), &root).unwrap();
        let (mut devices, mut members, mut credential_files) = (vec![], vec![], vec![]);
        for (seed, (name, access)) in (1..).zip(MEMBERS) {
            let device = Device::new(seed, name);
            let (group_name, publish_filter) = (GROUP.to_owned(), String::new());
            let grants = [GrantSpec {
                group: group_name,
                access,
                publish_filter,
            }];
            let enrolled = authority.enrol(&device.request, &grants, YEAR, NOW, &mut rng);
            let (
                Enrolled {
                    number,
                    credential_file,
                    ..
                },
                plan,
            ) = enrolled.unwrap();
            store.commit(&plan.changes).unwrap();
            let topic = ReservedTopic::Welcome(number, group).name(authority.prefix());
            let welcome = payload(&plan, &topic).unwrap();
            let verified = VerifiedWelcome::verify(&welcome, &delegation).unwrap();
            let package = verified.fields().package_number as usize - 1;
            let opened = verified.open(&device.init_keys[package]).unwrap();
            let state = GroupState::install(opened).to_bytes().unwrap().to_vec();
            members.push(FreshMember {
                number,
                welcome,
                state,
            });
            credential_files.push(credential_file);
            devices.push(device);
        }
        // Not committed: the store stays where the members wait for their first epoch.
        let announcements = [
            authority.tick(NOW, &mut rng).unwrap(),
            authority.remove(members[4].number, NOW, &mut rng).unwrap(),
            authority.rotate(GROUP, NOW, &mut rng).unwrap(),
        ];
        let announcements = announcements.iter().flat_map(|plan| &plan.publications);
        let announced = |topic: &str| {
            let topic = ReservedTopic::parse(authority.prefix(), topic);
            matches!(topic, Some(ReservedTopic::Announcement(id, _)) if id == group)
        };
        Self {
            announcements: announcements
                .filter(|p| announced(&p.topic) && !p.payload.is_empty())
                .map(|p| p.payload.clone())
                .collect(),
            prefix: authority.prefix().to_owned(),
            delegation_object: authority.delegation().to_vec(),
            store,
            delegation,
            group,
            devices,
            members,
            credential_files,
        }
    }

    /// The authority as it is in the store.
    pub(super) fn authority(&self) -> Authority {
        Authority::load(&self.store).unwrap()
    }
}

/// What a plan publishes on a topic.
pub(super) fn payload(plan: &Plan, topic: &str) -> Option<Vec<u8>> {
    plan.publications
        .iter()
        .find(|p| p.topic == topic)
        .map(|p| p.payload.clone())
}
