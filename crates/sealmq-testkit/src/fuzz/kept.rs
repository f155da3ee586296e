//! Members of a group under three delegations, and a broker that shows them announcements, lists of
//! kept keys and delegations in any order (spec/keys.md §7, "Kept keys").

use std::sync::OnceLock;

use sealmq_core::crypto::Digest;
use sealmq_keys::member::OlderKept;
use sealmq_keys::tree::Half;
use sealmq_keys::{FollowContext, FollowError, GroupState, KeptAccess, default_prefix};

use super::input::Input;
use crate::vectors::kept::{Authority, Group, Keys, authority, continuing, domain, member_keys};

const MAX_ACTIONS: usize = 64;
const NOW: u64 = crate::vectors::kept::NOW;

/// All that the authority ever signed.
struct World {
    group: Group,
    /// Lists of the first, second and third delegation; some do not open everywhere.
    lists: Vec<Vec<u8>>,
    /// In the order of their serials.
    delegations: Vec<Authority>,
}

impl World {
    fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(Self::build)
    }

    fn build() -> Self {
        let mut group = Group::new("fuzzed kept keys", 4).with_window(3);
        let mut lists = vec![];
        // Each delegation announces seven epochs, five of which heal.
        for serial in 1..=3 {
            group.serial = serial;
            for (n, kept) in [3_u8, 1, 2, 0, 4, 2, 3].into_iter().enumerate() {
                group.policy.kept = kept;
                if n % 3 == 1 {
                    group.rotate();
                } else {
                    group.remove(&[]);
                }
            }
            let right = group.kept_list();
            let broken = right.with(|list| list.entries[1].sealed[7] ^= 1);
            let empty = right.with(|list| list.entries.clear());
            let cut = right.with(|list| drop(list.entries.remove(0)));
            lists.extend([&right, &broken, &empty, &cut].map(|list| list.object()));
        }
        let delegations = vec![
            authority(1),
            continuing(2, 1),
            authority(2),
            continuing(3, 1),
            continuing(3, 2),
            authority(3),
        ];
        Self {
            group,
            lists,
            delegations,
        }
    }
}

struct Member {
    keys: Keys,
    authority: Authority,
    /// Hashes that were asked for: they may be signed under an older delegation.
    asked: Vec<Digest>,
    /// Kept keys that ended.
    ended: Vec<Digest>,
}

/// Kept keys: what a member has is genuine, stands newest first, is of a delegation that is
/// continued, and is no more than the policy says. Lists lead back only.
pub fn kept(data: &[u8]) -> bool {
    let (mut input, world) = (Input::new(data), World::get());
    let starts = [(17, 1), (18, 4), (19, 12), (26, 1), (27, 12)];
    let mut members: Vec<Member> = starts
        .into_iter()
        .map(|at| Member::new(world, at))
        .collect();
    for _ in 0..MAX_ACTIONS {
        if input.is_empty() {
            break;
        }
        let action = input.byte();
        let at = input.index(members.len());
        members[at].act(world, action, &mut input);
    }
    members.iter().any(|member| member.keys.state.is_started())
}

impl Member {
    fn new(world: &World, (leaf, epoch): (u32, u64)) -> Self {
        let authority = authority(1);
        let member = Self {
            keys: member_keys(&world.group, leaf, epoch, &authority),
            authority,
            asked: vec![],
            ended: vec![],
        };
        member.check(world);
        member
    }

    fn act(&mut self, world: &World, action: u8, input: &mut Input<'_>) {
        let (before, newest) = (self.names(), self.newest());
        match action % 6 {
            0 | 1 => {
                let at = input.index(world.group.epochs.len());
                let bytes = world.group.epochs[at].announcement.clone();
                self.follow(world, &bytes, 8);
            }
            2 => {
                let list = &world.lists[input.index(world.lists.len())];
                let opened = self.keys.go_back(list, &self.authority);
                assert!(before.is_empty() || self.newest() == newest, "forward");
                let again = self.keys.go_back(list, &self.authority);
                let nothing_new = again.is_err() == opened.is_err() && again != Ok(true);
                assert!(nothing_new, "the same list twice");
            }
            3 => {
                let mut list = world.lists[input.index(world.lists.len())].clone();
                let at = input.index(list.len());
                list[at] ^= input.byte().max(1);
                let damaged = self.keys.go_back(&list, &self.authority);
                assert!(damaged.is_err(), "damaged at {at}");
            }
            4 => {
                let next = &world.delegations[input.index(world.delegations.len())];
                if next.serial > self.authority.serial {
                    self.authority = next.clone();
                    self.keys.end(next);
                    let ended = before.iter().filter(|kept| !self.names().contains(kept));
                    let ended: Vec<Digest> = ended.copied().collect();
                    self.ended.extend(ended);
                }
            }
            _ => {
                let stored = self.keys.state.to_bytes().unwrap();
                self.keys.state = GroupState::decode(&stored).unwrap();
                self.keys.store_older();
            }
        }
        self.check(world);
    }

    /// With what it asks for first.
    fn follow(&mut self, world: &World, bytes: &[u8], depth: u8) {
        let prefix = default_prefix(&domain());
        let hash = crate::vectors::kept::hash(bytes);
        let context = FollowContext {
            authorities: &self.authority,
            prefix: &prefix,
            now: Some(NOW),
            referenced: Some(hash).filter(|hash| self.asked.contains(hash)),
            chunk: None,
        };
        let authority = &self.authority;
        let followed = self
            .keys
            .follow(authority, |state| state.follow(bytes, &context));
        match followed {
            Err(FollowError::NeedsHealing { epoch, hash }) if depth > 0 => {
                self.asked.push(hash);
                let needed = world.group.epoch(epoch).announcement.clone();
                self.follow(world, &needed, depth - 1);
            }
            Err(FollowError::Fork(fork)) => panic!("there is one authority: {fork:?}"),
            _ => {}
        }
    }

    fn names(&self) -> Vec<Digest> {
        let newest = self.keys.state.kept_key().map(|(_, _, key)| key.kept);
        let older = self.keys.older().keys().map(|(set, _)| set.kept);
        newest.into_iter().chain(older).collect()
    }

    fn newest(&self) -> Option<u64> {
        let newest = self.keys.state.kept_key().map(|(epoch, ..)| epoch);
        newest.or_else(|| self.keys.older().keys().next().map(|(set, _)| set.epoch))
    }

    fn check(&self, world: &World) {
        let state = &self.keys.state;
        let policy = state.policy().map_or(0, |policy| usize::from(policy.kept));
        let is_reader = state.half() == Half::Readers;
        let older: Vec<_> = self.keys.older().keys().collect();
        assert!(
            is_reader || older.is_empty(),
            "a publish-only member has the newest only"
        );
        assert!(
            self.names().len() <= 1 + policy,
            "more than the policy says"
        );
        let mut above = u64::MAX;
        if let Some((epoch, serial, key)) = state.kept_key() {
            let own = world.group.epoch(epoch);
            assert!(own.healing && own.hash == key.kept && self.authority.goes_on(serial));
            let secret = own.reader.kept();
            match &key.access {
                KeptAccess::Reader(known) => assert!(is_reader && *known == secret),
                KeptAccess::Publisher(known) => {
                    assert!(!is_reader && *known == secret.key_pair().public())
                }
            }
            assert_eq!(key.psk, own.reader.psk().kept());
            above = epoch;
        }
        for (set, serial) in older {
            let own = world.group.epoch(set.epoch);
            assert!(set.epoch < above, "newest first, each once");
            assert!(own.healing && own.hash == set.kept && self.authority.goes_on(serial));
            assert!(set.secret == own.reader.kept() && set.psk == own.reader.psk().kept());
            above = set.epoch;
        }
        // What ended comes back only by something of a delegation that counts.
        let back = self
            .names()
            .into_iter()
            .filter(|kept| self.ended.contains(kept));
        let serials = back.map(|kept| self.serial_of(&kept));
        assert!(
            serials
                .into_iter()
                .all(|serial| self.authority.goes_on(serial))
        );
    }

    fn serial_of(&self, kept: &Digest) -> u32 {
        let newest = self.keys.state.kept_key();
        let newest = newest
            .filter(|(_, _, key)| key.kept == *kept)
            .map(|(_, serial, _)| serial);
        let mut older = self.keys.older().keys();
        let older = older
            .find(|(set, _)| set.kept == *kept)
            .map(|(_, serial)| serial);
        newest.or(older).unwrap()
    }
}

/// A reader's stored kept keys of before the newest: usable in whatever condition they decode.
pub fn kept_state(data: &[u8]) -> bool {
    let Some(mut older) = OlderKept::from_stored(data) else {
        return false;
    };
    let ordered = |older: &OlderKept| {
        let keys: Vec<_> = older.keys().map(|(set, _)| (set.epoch, set.kept)).collect();
        let descends = keys.is_sorted_by(|newer, next| newer.0 >= next.0);
        let once = (1..keys.len()).all(|n| !keys[..n].iter().any(|key| key.1 == keys[n].1));
        assert!(descends && once, "newest first, each once");
        keys.len()
    };
    let count = ordered(&older);
    if let Some(stored) = older.to_stored() {
        let again = OlderKept::from_stored(&stored).unwrap();
        assert!(again.keys().eq(older.keys()), "stored and read again");
        assert_eq!(again.to_stored(), Some(stored));
    }
    let world = World::get();
    let mut keys = member_keys(&world.group, 17, 21, &authority(3));
    let (list, most) = (world.lists.len() - 4, 4);
    let verified = sealmq_keys::KeptKeys::verify(&world.lists[list], &authority(3)).unwrap();
    older.go_back(&mut keys.state, &verified, most);
    assert!(ordered(&older) <= usize::from(most) + 1);
    older.end(|_| false);
    assert!(older.keys().next().is_none());
    count > 0
}

/// Stored kept keys of readers of that group.
pub(super) fn stored() -> Vec<(&'static str, Vec<u8>)> {
    let world = World::get();
    let of = |count: usize| {
        let sets = world.group.kept_sets().into_iter().skip(1).take(count);
        OlderKept::of(sets.map(|set| (set, 2))).to_stored().unwrap()
    };
    vec![("one", of(1)), ("four", of(4)), ("all", of(64))]
}

/// Bodies of lists.
pub(super) fn lists() -> Vec<(&'static str, Vec<u8>)> {
    let world = World::get();
    let body = |at: usize| {
        let object: &[u8] = &world.lists[at];
        object[2..object.len() - 64].to_vec()
    };
    vec![
        ("chain", body(0)),
        ("empty", body(2)),
        ("long", body(8)),
        ("cut", body(11)),
    ]
}
