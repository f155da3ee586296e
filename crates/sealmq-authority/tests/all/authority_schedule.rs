//! What the authority does by itself, in virtual time: a year, and clocks that jump.

use crate::common::{MemoryStore, TestRng, request};
use sealmq_authority::{
    Authority, AuthorityEvent, EpochReason, GrantSpec, GroupInfo, NewGroup, Plan,
};
use sealmq_core::object::Access;
use sealmq_keys::objects::{Announcement, VerifiedDelegation, VerifiedHeartbeat};
use sealmq_keys::{ReservedTopic, Store};

const NOW: u64 = 1_764_000_000;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;
const YEAR: u64 = 365 * DAY;
const SKEW: u64 = 300;

struct World {
    authority: Authority,
    store: MemoryStore,
    rng: TestRng,
    delegation: VerifiedDelegation,
    epochs: Vec<EpochReason>,
    heartbeats: usize,
    renewed: usize,
    /// The newest heartbeat.
    beat: Option<(u64, u64, u32)>,
    republished: Vec<String>,
}

impl World {
    fn new(change: impl FnOnce(&mut NewGroup)) -> Self {
        let mut rng = TestRng::new(1);
        let new = Authority::create(None, 3 * YEAR, NOW, &mut rng).unwrap();
        let root = sealmq_core::crypto::VerifyingKey::from_bytes(new.authority.root_key());
        let delegation = VerifiedDelegation::verify(new.authority.delegation(), &root.unwrap());
        let mut world = Self {
            delegation: delegation.unwrap(),
            authority: new.authority,
            store: MemoryStore::default(),
            rng,
            epochs: Vec::new(),
            heartbeats: 0,
            renewed: 0,
            beat: None,
            republished: Vec::new(),
        };
        world.commit(new.plan);
        let mut group = NewGroup::new("plant", ["plant/#"]);
        group.depth = 6;
        group.policy.lease = 6 * 3600;
        change(&mut group);
        let plan = world.authority.add_group(&group, NOW, &mut world.rng);
        world.commit(plan.unwrap());
        world
    }

    fn commit(&mut self, plan: Plan) {
        self.store.commit(&plan.changes).unwrap();
        for publication in &plan.publications {
            if let Ok(beat) = VerifiedHeartbeat::verify(&publication.payload, &self.delegation) {
                let fields = beat.fields();
                self.beat = Some((fields.epoch, fields.issued_at, fields.lease));
            }
        }
        self.republished = plan.republish;
        for event in plan.events {
            match event {
                AuthorityEvent::Epoch { reason, .. } => self.epochs.push(reason),
                AuthorityEvent::Heartbeat { .. } => self.heartbeats += 1,
                AuthorityEvent::Renewed { .. } => self.renewed += 1,
                _ => {}
            }
        }
    }

    fn enrol(&mut self, seed: u8, validity: u64, now: u64) {
        let object = request(seed, &format!("device-{seed}"), 1, now);
        let grants = [GrantSpec {
            group: "plant".into(),
            access: Access::BOTH,
            publish_filter: String::new(),
        }];
        let result = self
            .authority
            .enrol(&object, &grants, validity, now, &mut self.rng);
        self.commit(result.unwrap().1);
    }

    fn tick(&mut self, now: u64) {
        let plan = self.authority.tick(now, &mut self.rng).unwrap();
        self.commit(plan);
        let due = self.authority.next_due().unwrap();
        assert!(
            due > now,
            "nothing is left to do at {now}, not even at {due}"
        );
    }

    fn group(&self) -> GroupInfo {
        self.authority.groups().next().unwrap()
    }

    fn count(&self, reason: EpochReason) -> usize {
        self.epochs.iter().filter(|r| **r == reason).count()
    }

    /// When the newest announcement was issued.
    fn announced_at(&self) -> u64 {
        let group = self.group();
        let topic =
            ReservedTopic::Announcement(group.id, group.epoch).name(self.authority.prefix());
        let object = self.store.0.get(&format!("outbox/{topic}")).unwrap();
        let verified =
            Announcement::verify(object, &self.delegation, self.authority.prefix()).unwrap();
        verified.head().issued_at
    }

    /// Members with the right time accept what stands at the broker, and their lease runs.
    fn check(&self, now: u64) {
        let announced = self.announced_at();
        assert!(announced <= now + SKEW, "an announcement from the future");
        let (_, beat, lease) = self.beat.unwrap();
        assert!(beat <= now + SKEW, "a heartbeat from the future");
        let renewed = beat.max(announced) + u64::from(lease);
        assert!(
            now <= renewed.min(self.group().not_after),
            "the lease ran out"
        );
        for member in self.authority.members() {
            assert!(member.not_after >= now, "a credential has expired");
        }
    }
}

#[test]
fn a_year_by_schedule() {
    let mut world = World::new(|group| {
        group.schedule.heal_every = 30 * DAY;
        group.schedule.generation_every = 100 * DAY;
    });
    world.enrol(1, 90 * DAY, NOW);
    for hour in 0..365 * 24 {
        let now = NOW + hour * HOUR;
        world.tick(now);
        world.check(now);
        if hour % 24 == 11 {
            world.authority = Authority::load(&world.store).unwrap();
        }
    }
    // The end of a generation heals, too, and the interval begins anew then.
    assert_eq!(world.count(EpochReason::GenerationEnded), 3);
    assert_eq!(world.count(EpochReason::ScheduledHealing), 11);
    let rotations = world.count(EpochReason::Scheduled);
    assert!((340..=365).contains(&rotations), "{rotations}");
    assert_eq!(world.heartbeats, 365 * 12);
    // 90 days of validity are renewed after 60.
    assert_eq!(world.renewed, 6);
    let generations = world.group().generations;
    assert_eq!(generations.last().unwrap().number, 4);
}

#[test]
fn clocks_that_jump_neither_stop_nor_flood_anything() {
    let mut world = World::new(|group| group.schedule.heal_every = 30 * DAY);
    world.enrol(1, 90 * DAY, NOW);
    let jumps: [i64; 8] = [-40, 3, -1, 25, 50, -400, 170, 7];
    let mut now = NOW;
    for jump in jumps {
        for _ in 0..24 {
            now += HOUR;
            world.tick(now);
            world.check(now);
        }
        let wrong = now
            .checked_add_signed(jump * i64::try_from(DAY).unwrap())
            .unwrap();
        if wrong < NOW {
            // Before the delegation begins nothing can be signed; nothing is lost by trying.
            let epoch = world.group().epoch;
            drop(world.authority.tick(wrong, &mut world.rng));
            world.authority = Authority::load(&world.store).unwrap();
            assert_eq!(world.group().epoch, epoch);
            continue;
        }
        let epochs = world.epochs.len();
        for minute in 0..60 {
            world.tick(wrong + minute * 60);
            world.check(wrong + minute * 60);
        }
        // The time is right again.
        for minute in 0..60 {
            world.tick(now + minute * 60);
            world.check(now + minute * 60);
        }
        let flood = world.epochs.len() - epochs;
        assert!(flood <= 4, "{flood} epochs by a jump of {jump} days");
        now += HOUR;
    }
    assert!(world.renewed <= 2 * jumps.len(), "{}", world.renewed);
    assert!(world.heartbeats <= jumps.len() * (12 + 2 * 2));
}

#[test]
fn joins_share_an_epoch_when_they_have_waited() {
    let mut world = World::new(|group| group.schedule.coalesce = 600);
    world.tick(NOW);
    world.enrol(1, YEAR, NOW + 100);
    assert_eq!(world.authority.next_due(), Some(NOW + 700));
    for seed in 2..=5 {
        world.enrol(seed, YEAR, NOW + 100 + u64::from(seed) * 60);
    }
    world.tick(NOW + 699);
    assert_eq!(world.count(EpochReason::Welcomes), 0);
    world.tick(NOW + 700);
    assert_eq!(world.count(EpochReason::Welcomes), 1);
}

#[test]
fn use_rotates() {
    let mut world = World::new(|group| group.schedule.rotate_after_messages = 1000);
    world.tick(NOW);
    world.authority.count("plant", 999).unwrap();
    world.tick(NOW + 1);
    assert_eq!(world.count(EpochReason::Use), 0);
    // What was counted is stored with the group.
    world.tick(NOW + 2 * HOUR);
    world.authority = Authority::load(&world.store).unwrap();
    world.authority.count("plant", 1).unwrap();
    assert!(world.authority.next_due().unwrap() <= NOW + 2 * HOUR);
    world.tick(NOW + 2 * HOUR);
    assert_eq!(world.count(EpochReason::Use), 1);
    world.tick(NOW + 2 * HOUR + 1);
    assert_eq!(world.count(EpochReason::Use), 1);
    assert!(world.authority.count("nowhere", 1).is_err());
}

#[test]
fn heartbeats_give_the_broker_back_what_it_lost() {
    let mut world = World::new(|_| {});
    world.enrol(1, YEAR, NOW);
    world.tick(NOW);
    let member = world.authority.find_member("device-1").unwrap();
    let plan = world.authority.remove(member, NOW, &mut world.rng);
    world.commit(plan.unwrap());
    for _ in 0..4 {
        let plan = world.authority.rotate("plant", NOW, &mut world.rng);
        world.commit(plan.unwrap());
    }
    world.tick(NOW + 2 * HOUR);
    let group = world.group();
    let topic = |topic: ReservedTopic| topic.name(world.authority.prefix());
    let announcement = |epoch| topic(ReservedTopic::Announcement(group.id, epoch));
    // The window, and the healing epoch before it.
    let expected = [
        topic(ReservedTopic::Delegation),
        topic(ReservedTopic::RefusedList(group.id)),
        topic(ReservedTopic::KeptKeys(group.id)),
        announcement(3),
        announcement(5),
        announcement(6),
        announcement(7),
    ];
    assert_eq!(world.republished, expected);
    let mut plan = Plan::default();
    plan.republish.clone_from(&world.republished);
    let again = plan.republications(&world.store).unwrap();
    assert_eq!(again.len(), expected.len());
    for publication in again {
        let stored = &world.store.0[&format!("outbox/{}", publication.topic)];
        assert!(publication.retain && publication.payload == *stored);
    }
    assert_eq!(world.beat, Some((7, NOW + 2 * HOUR, 6 * 3600)));
    // What a removal costs at the most.
    assert_eq!(group.publishers_stop_after, 6 * HOUR);
    assert_eq!(group.removal_latency, 6 * HOUR + HOUR + SKEW);
}
