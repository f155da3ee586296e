//! The authority machine against its own rules: names, keys, filters, covers, what it retains.

use crate::common::{MemoryStore, TestRng, request};
use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::Access;
use sealmq_core::{MemberNumber, VerifiedCredential};

use sealmq_authority::{Authority, AuthorityError, GrantSpec, NewGroup, Plan};

use sealmq_keys::objects::{Announcement, Lowest, REMOVED, RefusedList, VerifiedDelegation};
use sealmq_keys::{Publication, ReservedTopic, Store};

const NOW: u64 = 1_764_000_000;
const YEAR: u64 = 365 * 86_400;

struct World {
    authority: Authority,
    store: MemoryStore,
    rng: TestRng,
}

impl World {
    fn new() -> Self {
        let mut rng = TestRng::new(1);
        let mut store = MemoryStore::default();
        let new = Authority::create(None, YEAR, NOW, &mut rng).unwrap();
        store.commit(&new.plan.changes).unwrap();
        Self {
            authority: new.authority,
            store,
            rng,
        }
    }

    fn with_group() -> Self {
        let mut world = Self::new();
        world.add_group("plant", &["plant/#"]).unwrap();
        world
    }

    fn commit(&mut self, plan: Plan) -> Vec<Publication> {
        self.store.commit(&plan.changes).unwrap();
        plan.publications
    }

    fn add_group(&mut self, name: &str, filters: &[&str]) -> Result<(), AuthorityError> {
        let group = NewGroup::new(name, filters.iter().copied());
        let plan = self.authority.add_group(&group, NOW, &mut self.rng)?;
        self.commit(plan);
        Ok(())
    }

    fn enrol(&mut self, seed: u8, access: Access) -> Result<MemberNumber, AuthorityError> {
        let request = request(seed, &format!("device-{seed}"), 4, NOW);
        let grants = [spec("plant", access, "")];
        let (enrolled, plan) = self
            .authority
            .enrol(&request, &grants, YEAR, NOW, &mut self.rng)?;
        self.commit(plan);
        Ok(enrolled.number)
    }

    fn tick(&mut self, now: u64) -> Vec<Publication> {
        let plan = self.authority.tick(now, &mut self.rng).unwrap();
        self.commit(plan)
    }

    fn rotate(&mut self) -> Vec<Publication> {
        let plan = self.authority.rotate("plant", NOW, &mut self.rng).unwrap();
        self.commit(plan)
    }

    fn remove(&mut self, member: MemberNumber) -> Vec<Publication> {
        let plan = self.authority.remove(member, NOW, &mut self.rng).unwrap();
        self.commit(plan)
    }

    fn delegation(&self) -> VerifiedDelegation {
        let root = VerifyingKey::from_bytes(self.authority.root_key()).unwrap();
        VerifiedDelegation::verify(self.authority.delegation(), &root).unwrap()
    }

    /// Epochs retained at the broker, each with the number of entries of its cover.
    fn retained(&self) -> Vec<(u64, usize)> {
        let (delegation, prefix) = (self.delegation(), self.authority.prefix());
        let outbox = self.authority.outbox(&self.store).unwrap();
        let announced = outbox
            .iter()
            .filter(|p| !p.payload.is_empty())
            .filter_map(|p| {
                let Some(ReservedTopic::Announcement(_, epoch)) =
                    ReservedTopic::parse(prefix, &p.topic)
                else {
                    return None;
                };
                let announcement = Announcement::verify(&p.payload, &delegation, prefix).unwrap();
                assert_eq!(announcement.head().epoch, epoch);
                Some((
                    epoch,
                    announcement
                        .covers()
                        .map(|(_, cover)| cover.inline().unwrap().iter().count())
                        .sum(),
                ))
            });
        announced.collect()
    }
}

fn spec(group: &str, access: Access, filter: &str) -> GrantSpec {
    GrantSpec {
        group: group.into(),
        access,
        publish_filter: filter.into(),
    }
}

#[test]
fn a_group_starts_with_epoch_one_for_everyone() {
    assert_eq!(World::with_group().retained(), [(1, 2)]);
}

#[test]
fn what_was_stored_is_what_is_loaded() {
    let mut world = World::with_group();
    world.enrol(1, Access::SUBSCRIBE).unwrap();
    world.tick(NOW);
    let mut loaded = Authority::load(&world.store).unwrap();
    let infos = |a: &Authority| {
        let groups: Vec<_> = a.groups().map(|g| format!("{g:?}")).collect();
        (groups, a.members().collect::<Vec<_>>())
    };
    assert_eq!(infos(&world.authority), infos(&loaded));
    assert!(loaded.tick(NOW, &mut world.rng).unwrap().changes.is_empty());
}

#[test]
fn the_outbox_repeats_the_same_bytes_in_order() {
    let mut world = World::with_group();
    let sensor = world.enrol(1, Access::PUBLISH).unwrap();
    world.enrol(2, Access::SUBSCRIBE).unwrap();
    world.tick(NOW);
    world.remove(sensor);
    let first = world.authority.outbox(&world.store).unwrap();
    let again = Authority::load(&world.store)
        .unwrap()
        .outbox(&world.store)
        .unwrap();
    assert_eq!(first, again);
    let class = |p: &Publication| {
        let topic = ReservedTopic::parse(world.authority.prefix(), &p.topic).unwrap();
        match (p.payload.is_empty(), topic) {
            (true, _) => (5, 0),
            (_, ReservedTopic::Delegation) => (0, 0),
            (_, ReservedTopic::Credential(_)) => (1, 0),
            (_, ReservedTopic::RefusedList(_)) => (2, 0),
            // For epoch 2, which the joining of both began.
            (_, ReservedTopic::Welcome(..)) => (3, 2 * 2),
            (_, ReservedTopic::Announcement(_, epoch)) => (3, 2 * epoch + 1),
            (_, ReservedTopic::KeptKeys(_)) => (4, 0),
            (_, other) => panic!("not published here: {other:?}"),
        }
    };
    let classes: Vec<_> = first.iter().map(class).collect();
    assert!(classes.is_sorted(), "{classes:?}");
    assert!(classes.contains(&(4, 0)), "the list of kept keys");
    assert!(
        classes.contains(&(5, 0)),
        "the removed sensor's welcome is cleared"
    );
    // The broker confirmed the clears: they are forgotten.
    for cleared in first.iter().filter(|p| p.payload.is_empty()) {
        world
            .store
            .commit(&Authority::cleared(&cleared.topic))
            .unwrap();
    }
    let rest = world.authority.outbox(&world.store).unwrap();
    assert!(rest.iter().all(|p| !p.payload.is_empty()));
}

#[test]
fn joiners_share_one_rotation() {
    let mut world = World::with_group();
    for seed in 1..=5 {
        world.enrol(seed, Access::SUBSCRIBE).unwrap();
    }
    assert_eq!(world.authority.next_due(), Some(NOW));
    assert_eq!(world.tick(NOW).len(), 1);
    assert_eq!(world.retained(), [(1, 2), (2, 2)]);
    assert!(world.tick(NOW).is_empty());
}

#[test]
fn rotation_is_by_schedule_and_costs_the_same_at_every_size() {
    let mut world = World::with_group();
    let small = world.tick(NOW + 86_400).remove(0);
    for seed in 1..=30 {
        world.enrol(seed, Access::SUBSCRIBE).unwrap();
    }
    world.tick(NOW + 86_400);
    let large = world.tick(NOW + 2 * 86_400).remove(0);
    assert_eq!(small.payload.len(), large.payload.len());
    assert!(world.tick(NOW + 2 * 86_400 + 1).is_empty());
}

#[test]
fn the_window_and_every_healing_epoch_stay_retained() {
    let mut world = World::with_group();
    let member = world.enrol(1, Access::SUBSCRIBE).unwrap();
    world.tick(NOW);
    world.remove(member);
    for _ in 0..6 {
        world.rotate();
    }
    let epochs: Vec<u64> = world
        .retained()
        .into_iter()
        .map(|(epoch, _)| epoch)
        .collect();
    // The first one heals, too.
    assert_eq!(epochs, [1, 3, 7, 8, 9]);
}

#[test]
fn a_removal_leaves_out_everyone_removed_so_far_and_the_next_rotation_is_small_again() {
    let mut world = World::with_group();
    let members: Vec<_> = (1..=2)
        .map(|s| world.enrol(s, Access::SUBSCRIBE).unwrap())
        .collect();
    world.tick(NOW);
    world.remove(members[0]);
    world.remove(members[1]);
    world.rotate();
    let sizes = world.retained();
    let of = |epoch| sizes.iter().find(|(e, _)| *e == epoch).unwrap().1;
    // Depth 16: below node 2, the path of one leaf has 15 siblings; and node 3.
    assert_eq!(of(3), 16);
    assert!(
        of(4) > of(3),
        "the second removal leaves out the first as well"
    );
    assert_eq!(of(5), 2);
}

#[test]
fn the_refused_list_names_removed_members() {
    let mut world = World::with_group();
    let member = world.enrol(1, Access::PUBLISH).unwrap();
    world.tick(NOW);
    let publications = world.remove(member);
    let delegation = world.delegation();
    let lists: Vec<_> = publications
        .iter()
        .filter_map(|p| RefusedList::verify(&p.payload, &delegation).ok())
        .collect();
    assert_eq!(lists.len(), 1);
    assert_eq!(lists[0].lowest_serial(member), Lowest::Serial(REMOVED));
    let run = lists[0].run().unwrap();
    assert!(!run.accepts(member, 1) && run.accepts(MemberNumber(99), 1));
    let announced = publications
        .iter()
        .find_map(|p| Announcement::verify(&p.payload, &delegation, world.authority.prefix()).ok());
    assert_eq!(announced.unwrap().head().refused, *lists[0].hash());
    // It is published when it changes, not with each rotation.
    assert!(
        world
            .rotate()
            .iter()
            .all(|p| RefusedList::verify(&p.payload, &delegation).is_err())
    );
    assert_eq!(world.authority.groups().next().unwrap().refused, 1);
}

#[test]
fn a_refusal_is_forgotten_when_the_credential_has_expired() {
    let mut world = World::with_group();
    let request = request(1, "short", 1, NOW);
    let grants = [spec("plant", Access::PUBLISH, "")];
    let (enrolled, plan) = world
        .authority
        .enrol(&request, &grants, 1000, NOW, &mut world.rng)
        .unwrap();
    world.commit(plan);
    world.remove(enrolled.number);
    assert_eq!(world.authority.groups().next().unwrap().refused, 1);
    let publications = world.tick(NOW + 86_400);
    assert_eq!(world.authority.groups().next().unwrap().refused, 0);
    assert!(
        publications
            .iter()
            .any(|p| p.topic.ends_with("/r") && p.payload.is_empty())
    );
}

#[test]
fn a_key_or_name_is_enrolled_once() {
    let mut world = World::with_group();
    let first = world.enrol(1, Access::SUBSCRIBE).unwrap();
    let taken = AuthorityError::MemberExists("device-1".into());
    assert_eq!(world.enrol(1, Access::SUBSCRIBE), Err(taken));
    world.remove(first);
    // The name is free again, the key never is.
    assert_eq!(
        world.enrol(1, Access::SUBSCRIBE),
        Err(AuthorityError::KeyEnrolled(first))
    );
    assert_eq!(world.enrol(2, Access::SUBSCRIBE), Ok(MemberNumber(2)));
    assert!(
        world.authority.remove(first, NOW, &mut world.rng).is_err(),
        "removed already"
    );
}

#[test]
fn credentials_verify_and_say_what_was_granted() {
    let mut world = World::with_group();
    world.add_group("office", &["office/+/light"]).unwrap();
    let grants = [
        spec("plant", Access::PUBLISH, "plant/%c/#"),
        spec("office", Access::BOTH, ""),
    ];
    let request = request(7, "boiler-7", 4, NOW);
    let (enrolled, plan) = world
        .authority
        .enrol(&request, &grants, YEAR, NOW, &mut world.rng)
        .unwrap();
    let object = world.commit(plan).remove(0).payload;
    let credential = VerifiedCredential::verify(object, &world.delegation()).unwrap();
    let fields = credential.fields();
    assert_eq!((fields.member, fields.name), (enrolled.number, "boiler-7"));
    assert_eq!(fields.grants.iter().count(), 2);
    assert!(
        fields
            .grants
            .iter()
            .any(|g| g.publish_filter == "plant/%c/#")
    );
    assert!(
        enrolled
            .credential_file
            .starts_with("-----BEGIN SEALMQ CREDENTIAL-----")
    );
}

#[test]
fn bad_requests_and_grants_change_nothing() {
    let mut world = World::with_group();
    let good = request(1, "device-1", 1, NOW);
    let cases: [&[GrantSpec]; 5] = [
        &[],
        &[spec("nowhere", Access::BOTH, "")],
        &[
            spec("plant", Access::BOTH, ""),
            spec("plant", Access::PUBLISH, ""),
        ],
        &[spec("plant", Access::SUBSCRIBE, "plant/a")],
        &[spec("plant", Access::PUBLISH, "plant/#/a")],
    ];
    for grants in cases {
        assert!(
            world
                .authority
                .enrol(&good, grants, YEAR, NOW, &mut world.rng)
                .is_err()
        );
    }
    let grants = [spec("plant", Access::BOTH, "")];
    let without_packages = request(1, "device-1", 0, NOW);
    assert_eq!(
        world
            .authority
            .enrol(&without_packages, &grants, YEAR, NOW, &mut world.rng)
            .err(),
        Some(AuthorityError::Packages { needed: 1 })
    );
    for bit in 0..good.len() * 8 {
        let mut forged = good.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let result = world
            .authority
            .enrol(&forged, &grants, YEAR, NOW, &mut world.rng);
        assert!(
            matches!(result, Err(AuthorityError::Request(_))),
            "bit {bit}"
        );
    }
    assert_eq!(world.authority.members().count(), 0);
}

#[test]
fn group_filters_may_not_overlap_or_touch_the_reserved_topics() {
    let mut world = World::with_group();
    let overlap = world.add_group("b", &["+/x"]).unwrap_err();
    assert!(matches!(overlap, AuthorityError::FilterOverlap { ref group, .. } if group == "plant"));
    for bad in ["_sealmq/#", "+/+/delegation", "$SYS/#", "a/#/b", ""] {
        let error = world.add_group("b", &[bad]).unwrap_err();
        assert!(matches!(error, AuthorityError::Filter(_)), "{bad}: {error}");
    }
    assert!(world.add_group("b", &["office/#", "lab/+"]).is_ok());
    assert!(matches!(
        world.add_group("b", &["other"]),
        Err(AuthorityError::GroupExists(_))
    ));
    assert!(matches!(
        world.add_group("b c", &["other"]),
        Err(AuthorityError::Name(_))
    ));
}

#[test]
fn a_failing_rng_is_an_error() {
    let mut world = World::with_group();
    world.rng.break_down();
    let rotated = world.authority.rotate("plant", NOW, &mut world.rng);
    assert_eq!(rotated.err(), Some(AuthorityError::Random));
    assert!(Authority::create(None, YEAR, NOW, &mut world.rng).is_err());
}

#[test]
fn an_expired_delegation_stops_the_authority() {
    let mut world = World::with_group();
    let rotated = world
        .authority
        .rotate("plant", NOW + YEAR + 1, &mut world.rng);
    assert_eq!(rotated.err(), Some(AuthorityError::DelegationExpired));
}

#[test]
fn removed_members_keep_their_leaves() {
    let mut world = World::new();
    let mut group = NewGroup::new("plant", ["plant/#"]);
    group.depth = 2; // two leaves in each half
    let plan = world
        .authority
        .add_group(&group, NOW, &mut world.rng)
        .unwrap();
    world.commit(plan);
    let first = world.enrol(1, Access::SUBSCRIBE).unwrap();
    world.enrol(2, Access::SUBSCRIBE).unwrap();
    world.remove(first);
    let full = AuthorityError::TreeFull("plant".into());
    assert_eq!(world.enrol(3, Access::SUBSCRIBE), Err(full));
    assert!(
        world.enrol(4, Access::PUBLISH).is_ok(),
        "the other half has room"
    );
    // The next tick makes room.
    world.tick(NOW);
    assert!(world.enrol(3, Access::SUBSCRIBE).is_ok());
}
