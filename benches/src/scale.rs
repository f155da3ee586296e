//! Large groups with the real authority: what each change costs it and one member.

use std::collections::BTreeMap;
use std::time::Duration;

use sealmq_authority::{Authority, GrantSpec, NewGroup, Plan};
use sealmq_core::crypto::{IdentityKey, RecipientKey, Secret, VerifyingKey, seal_base, sha256};
use sealmq_core::object::{Access, Authorities as _};
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::group::{Chunk, FollowContext, FollowError, GroupState};
use sealmq_keys::objects::{VerifiedDelegation, VerifiedWelcome};
use sealmq_keys::{Changes, ReservedTopic, Store as _};
use sealmq_store::MemoryStore;

use crate::domain::{CountingRng, GROUP, NOW, YEAR, init, package_set, request_with};
use crate::measure::Stopwatch;

/// A domain with one group of many readers, in a store.
pub struct Fleet {
    records: MemoryStore,
    delegation: VerifiedDelegation,
    group: GroupId,
    prefix: String,
    numbers: Vec<MemberNumber>,
    first: Vec<u8>,
    rng: CountingRng,
}

/// What one change cost.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Bytes that the authority published, everything together.
    pub bytes: usize,
    /// Bytes of the largest packet among them.
    pub largest: usize,
    /// The authority's processor time.
    pub time: Duration,
    published: Vec<(String, Vec<u8>)>,
}

/// The first reader, as it follows.
pub struct Follower<'f> {
    fleet: &'f Fleet,
    state: GroupState,
    /// Bytes that it needed to read.
    pub bytes: usize,
    /// Its processor time.
    pub time: Duration,
}

impl Fleet {
    /// Enrols readers with real requests of two key packages each, and starts their first epoch.
    #[must_use]
    pub fn new(readers: u32, depth: u8) -> Self {
        let mut rng = CountingRng::new(7);
        let new = Authority::create(None, YEAR, NOW, &mut rng).unwrap();
        let mut authority = new.authority;
        let mut records = MemoryStore::new();
        records.commit(&new.plan.changes).unwrap();
        let group = NewGroup {
            depth,
            ..NewGroup::new(GROUP, ["plant/#"])
        };
        let plan = authority.add_group(&group, NOW, &mut rng).unwrap();
        records.commit(&plan.changes).unwrap();
        let root = VerifyingKey::from_bytes(authority.root_key()).unwrap();
        let delegation = VerifiedDelegation::verify(authority.delegation(), &root).unwrap();
        let group = authority.groups().next().unwrap().id;
        let prefix = authority.prefix().to_owned();
        let grants = [GrantSpec {
            group: GROUP.into(),
            access: Access::SUBSCRIBE,
            publish_filter: String::new(),
        }];
        let (mut numbers, mut kept) = (Vec::new(), None);
        for n in 0..readers {
            let (_, request) = request_with(n, 2);
            let (enrolled, plan) = authority
                .enrol(&request, &grants, YEAR, NOW, &mut rng)
                .unwrap();
            commit(&mut records, &plan.changes);
            if kept.is_none() {
                let topic = ReservedTopic::Welcome(enrolled.number, group).name(&prefix);
                let welcome = plan.publications.iter().find(|p| p.topic == topic).unwrap();
                let welcome = VerifiedWelcome::verify(&welcome.payload, &delegation).unwrap();
                let state = GroupState::install(welcome.open(&init(0, 1).into()).unwrap());
                kept = Some(state.to_bytes().unwrap().to_vec());
            }
            numbers.push(enrolled.number);
        }
        let first = kept.unwrap();
        let plan = authority.tick(NOW, &mut rng).unwrap();
        commit(&mut records, &plan.changes);
        let mut fleet = Self {
            records,
            delegation,
            group,
            prefix,
            numbers,
            first,
            rng,
        };
        let change = Change::of(&plan, Duration::ZERO);
        let mut follower = fleet.follower();
        follower.follow(&change);
        fleet.first = follower.state.to_bytes().unwrap().to_vec();
        fleet
    }

    /// The authority as its store has it.
    #[must_use]
    pub fn authority(&self) -> Authority {
        Authority::load(&self.records).unwrap()
    }

    /// The first reader, in the first epoch.
    #[must_use]
    pub fn follower(&self) -> Follower<'_> {
        Follower {
            fleet: self,
            state: GroupState::decode(&self.first).unwrap(),
            bytes: 0,
            time: Duration::ZERO,
        }
    }

    fn rng(&self, of: u64) -> CountingRng {
        let _ = &self.rng;
        CountingRng::new(1000 + of)
    }

    /// A scheduled rotation.
    pub fn rotate(&self, authority: &mut Authority) -> Change {
        let mut rng = self.rng(1);
        measured(|| authority.rotate(GROUP, NOW + 1, &mut rng).unwrap())
    }

    /// Removes readers `from..from + count` of a random order, never the first one.
    pub fn remove(&self, authority: &mut Authority, from: usize, count: usize) -> Change {
        let mut rng = self.rng(2 + from as u64);
        // 7919 is prime and no factor of a size, so this visits everyone once.
        let others = self.numbers.len() - 1;
        let members: Vec<MemberNumber> = (from..from + count)
            .map(|i| self.numbers[1 + (i * 7919) % others])
            .collect();
        measured(|| authority.remove_all(&members, NOW + 2, &mut rng).unwrap())
    }

    /// Moves everyone to a new generation: the welcomes, and the epochs that cover both.
    pub fn renew(&self, authority: &mut Authority) -> Change {
        let mut rng = self.rng(3);
        let mut all = measured(|| {
            authority
                .renew_generation(GROUP, NOW + 3, &mut rng)
                .unwrap()
        });
        // Its announcement, upon which the members make packages for it.
        let domain = self.delegation.domain();
        let (mut now, mut welcomes) = (NOW + 4, 0);
        all.append(measured(|| authority.tick(now, &mut rng).unwrap()));
        for (n, number) in (0..).zip(&self.numbers) {
            let topic = ReservedTopic::Packages(*number).name(&self.prefix);
            let set = package_set(n, domain, now);
            let taken = || authority.handle(&topic, &set, now, &mut rng).unwrap();
            all.append(measured(taken));
        }
        while welcomes < self.numbers.len() {
            now += 60;
            assert!(
                now < NOW + 86_400,
                "all members have packages, and are moved"
            );
            let step = measured(|| authority.tick(now, &mut rng).unwrap());
            welcomes += self.sizes(&step, is_welcome).count();
            all.append(step);
        }
        all
    }
}

impl Follower<'_> {
    /// Takes in what a change published and concerns this reader.
    pub fn follow(&mut self, change: &Change) {
        let by_topic: BTreeMap<&str, &[u8]> = change
            .published
            .iter()
            .map(|(topic, payload)| (topic.as_str(), payload.as_slice()))
            .collect();
        let prefix = &self.fleet.prefix;
        let own = ReservedTopic::Welcome(self.fleet.numbers[0], self.fleet.group).name(prefix);
        if let Some(welcome) = by_topic.get(own.as_str()) {
            self.bytes += welcome.len();
            let watch = Stopwatch::start();
            let welcome = VerifiedWelcome::verify(welcome, &self.fleet.delegation).unwrap();
            let init = init(0, welcome.fields().package_number);
            let opened = welcome.open(&init.into()).unwrap();
            self.state.reinstall(opened).unwrap();
            self.time += watch.elapsed();
        }
        for (topic, payload) in &change.published {
            let Some(ReservedTopic::Announcement(_, epoch)) = ReservedTopic::parse(prefix, topic)
            else {
                continue;
            };
            if payload.is_empty() || epoch < self.state.base_epoch() {
                continue;
            }
            self.bytes += payload.len();
            let watch = Stopwatch::start();
            let mut context = FollowContext {
                authorities: &self.fleet.delegation,
                prefix,
                now: Some(NOW + 86_400),
                referenced: None,
                chunk: None,
            };
            let mut result = self.state.follow(payload, &context);
            if let Err(FollowError::NeedsChunk { epoch, chunk }) = result {
                let topic =
                    ReservedTopic::Chunk(self.fleet.group, epoch, chunk.number).name(prefix);
                let chunk = by_topic[topic.as_str()];
                self.bytes += chunk.len();
                context.chunk = Some(Chunk::Bytes(chunk));
                result = self.state.follow(payload, &context);
            }
            self.time += watch.elapsed();
            result.unwrap();
        }
    }

    /// Bytes of its state as it is stored.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.state.to_bytes().unwrap().len()
    }
}

impl Fleet {
    /// Bytes of the largest object of a kind.
    pub(crate) fn largest(&self, change: &Change, of: fn(ReservedTopic) -> bool) -> usize {
        self.sizes(change, of).max().unwrap_or(0)
    }

    fn sizes(&self, change: &Change, of: fn(ReservedTopic) -> bool) -> impl Iterator<Item = usize> {
        let objects = change.published.iter().filter(move |(topic, _)| {
            let topic = ReservedTopic::parse(&self.prefix, topic);
            topic.is_some_and(of)
        });
        objects.map(|(_, payload)| payload.len())
    }
}

pub(crate) const fn is_welcome(topic: ReservedTopic) -> bool {
    matches!(topic, ReservedTopic::Welcome(..))
}

impl Change {
    pub(crate) fn of_plan(plan: &Plan) -> Self {
        Self::of(plan, Duration::ZERO)
    }

    fn of(plan: &Plan, time: Duration) -> Self {
        let publications = plan.publications.iter();
        let published: Vec<(String, Vec<u8>)> = publications
            .map(|p| (p.topic.clone(), p.payload.clone()))
            .collect();
        Self {
            bytes: published.iter().map(|(_, payload)| payload.len()).sum(),
            largest: published
                .iter()
                .map(|(_, payload)| payload.len())
                .max()
                .unwrap_or(0),
            time,
            published,
        }
    }

    /// Adds what came after it.
    pub fn append(&mut self, later: Self) {
        self.bytes += later.bytes;
        self.largest = self.largest.max(later.largest);
        self.time += later.time;
        self.published.extend(later.published);
    }

    /// Bytes of announcement and chunks alone.
    #[must_use]
    pub fn announcement(&self, fleet: &Fleet) -> usize {
        let is_announcement = |topic: &str| {
            matches!(
                ReservedTopic::parse(&fleet.prefix, topic),
                Some(ReservedTopic::Announcement(..) | ReservedTopic::Chunk(..))
            )
        };
        let announced = self.published.iter().filter(|(t, _)| is_announcement(t));
        announced.map(|(_, payload)| payload.len()).sum()
    }
}

/// The plain alternative: a new group key for each of so many members by HPKE, each signed with its
/// recipient. Bytes that are published, the sender's time, one member's time.
#[must_use]
pub fn fan_out(members: u32) -> (usize, Duration, Duration) {
    let signer = IdentityKey::from_seed(&Secret::new([1; 32]));
    let recipients: Vec<RecipientKey> = (0..members.min(1000))
        .map(|n| init(n, 1).public().into())
        .collect();
    let mut bytes = 0;
    let mut last = None;
    let watch = Stopwatch::start();
    for n in 0..members {
        let recipient = &recipients[n as usize % recipients.len()];
        let mut key = [9; 32];
        let seed = Secret::new(sha256(&[b"fan out", &n.to_be_bytes()]).0);
        let (enc, tag) = seal_base(recipient, b"fan out", b"", &seed, &mut key).unwrap();
        let context = sealmq_core::crypto::SignatureContext::Announcement;
        let digest = sha256(&[&n.to_be_bytes(), enc.as_bytes(), &key, &tag]);
        let signature = signer.sign(context, &digest);
        bytes += enc.as_bytes().len() + key.len() + tag.len() + signature.len();
        last = Some((n, enc, key, tag, digest, signature));
    }
    let time = watch.elapsed();
    let (n, enc, mut key, tag, digest, signature) = last.unwrap();
    let pair = init(n % members.min(1000), 1);
    let watch = Stopwatch::start();
    let context = sealmq_core::crypto::SignatureContext::Announcement;
    signer
        .verifying_key()
        .verify(context, &digest, &signature)
        .unwrap();
    sealmq_core::crypto::open_base(
        &pair.into(),
        b"fan out",
        b"",
        enc.as_bytes(),
        &mut key,
        &tag,
    )
    .unwrap();
    (bytes, time, watch.elapsed())
}

fn measured(change: impl FnOnce() -> Plan) -> Change {
    let watch = Stopwatch::start();
    let plan = change();
    let time = watch.elapsed();
    Change::of(&plan, time)
}

/// Without the outbox and the log: what they hold stands at the broker or is not read again.
fn commit(records: &mut MemoryStore, changes: &Changes) {
    let mut kept = Changes::new();
    for change in changes {
        if let sealmq_keys::Change::Put { key, value } = change
            && key.starts_with("authority/")
        {
            kept.put(key.clone(), value.to_vec());
        }
    }
    records.commit(&kept).unwrap();
}
