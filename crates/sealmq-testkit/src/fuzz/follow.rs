//! A group with a live authority, its members, and a broker that does what it likes with the
//! announcements. The fuzz bytes are what everybody does.

use std::collections::BTreeMap;

use sealmq_authority::{Authority, Plan};
use sealmq_core::crypto::{Digest, KemPublicKey, SIGNATURE_LEN};
use sealmq_core::{KeyId, MemberNumber};
use sealmq_keys::{
    Announcement, FollowContext, FollowError, Followed, GroupState, ReservedTopic, Store,
};

use super::input::Input;
use super::world::{CountingRng, GROUP, MemoryStore, NOW, OTHER_GROUP, World};

const MAX_ACTIONS: usize = 48;
const MAX_EPOCHS: usize = 24;

struct Member {
    number: MemberNumber,
    state: GroupState,
    /// The epoch that shut it out.
    removed_at: Option<u64>,
}

/// An announcement, and what members have to learn from it.
struct Announced {
    bytes: Vec<u8>,
    hash: Digest,
    group_key: KemPublicKey,
    psk_check: [u8; 32],
}

impl Announced {
    fn new(bytes: &[u8], world: &World) -> Self {
        let verified = Announcement::verify(bytes, &world.delegation, &world.prefix).unwrap();
        Self {
            bytes: bytes.to_vec(),
            hash: *verified.hash(),
            group_key: verified.head().group_key,
            psk_check: verified.head().psk_check,
        }
    }
}

struct Run {
    world: &'static World,
    authority: Authority,
    store: MemoryStore,
    rng: CountingRng,
    members: Vec<Member>,
    /// Every announcement of the group by epoch.
    announcements: BTreeMap<u64, Announced>,
    /// What the other group publishes.
    foreign: Vec<Vec<u8>>,
}

/// Following announcements: `spec/keys.md` §7, with everything that may go wrong on the way.
pub fn follow(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let mut run = Run::start();
    for _ in 0..MAX_ACTIONS {
        if input.is_empty() {
            break;
        }
        run.act(&mut input);
    }
    run.finish()
}

impl Run {
    fn start() -> Self {
        let world = World::get();
        let members = world.members.iter().map(|member| Member {
            number: member.number,
            state: GroupState::decode(&member.state).unwrap(),
            removed_at: None,
        });
        let mut run = Self {
            world,
            authority: world.authority(),
            store: world.store.clone(),
            rng: CountingRng(1 << 32),
            members: members.collect(),
            announcements: BTreeMap::new(),
            foreign: Vec::new(),
        };
        // The epoch that the welcomes wait for.
        run.change(|authority, rng| authority.tick(NOW, rng).ok());
        run
    }

    fn change(&mut self, act: impl FnOnce(&mut Authority, &mut CountingRng) -> Option<Plan>) {
        let Some(plan) = act(&mut self.authority, &mut self.rng) else {
            return;
        };
        self.store.commit(&plan.changes).unwrap();
        for publication in plan.publications.iter().filter(|p| !p.payload.is_empty()) {
            match ReservedTopic::parse(&self.world.prefix, &publication.topic) {
                Some(ReservedTopic::Announcement(group, epoch)) if group == self.world.group => {
                    let new = Announced::new(&publication.payload, self.world);
                    let known = self.announcements.insert(epoch, new);
                    assert!(known.is_none(), "two announcements for epoch {epoch}");
                }
                Some(ReservedTopic::Announcement(..)) => {
                    self.foreign.push(publication.payload.clone());
                }
                _ => {}
            }
        }
    }

    fn act(&mut self, input: &mut Input<'_>) {
        match input.byte() % 10 {
            0 if self.announcements.len() < MAX_EPOCHS => {
                self.change(|authority, rng| authority.rotate(GROUP, NOW, rng).ok());
            }
            1 if self.announcements.len() < MAX_EPOCHS => {
                self.change(|authority, rng| authority.heal(GROUP, NOW, rng).ok());
            }
            2 if self.announcements.len() < MAX_EPOCHS => self.remove(input),
            3 if self.foreign.len() < 4 => {
                self.change(|authority, rng| authority.rotate(OTHER_GROUP, NOW, rng).ok());
            }
            4 => {
                let member = input.index(self.members.len());
                let bytes = self.members[member].state.to_bytes().unwrap();
                self.members[member].state = GroupState::decode(&bytes).unwrap();
            }
            5 => self.authority = Authority::load(&self.store).unwrap(),
            6 => {
                let member = input.index(self.members.len());
                let raw = input.bytes();
                assert!(self.deliver(member, raw, None).is_err());
            }
            7 if !self.foreign.is_empty() => {
                let member = input.index(self.members.len());
                let bytes = self.foreign[input.index(self.foreign.len())].clone();
                let refused = self.deliver(member, &bytes, None);
                assert_eq!(refused, Err(FollowError::OtherGroup));
            }
            8 => {
                let member = input.index(self.members.len());
                let mut bytes = self.pick(input);
                let at = input.index(bytes.len());
                let signature = bytes.len() - SIGNATURE_LEN;
                bytes[at] ^= input.byte().max(1);
                if input.byte() & 1 == 1 {
                    bytes.truncate(at);
                }
                let only_signature = at >= signature && bytes.len() > at;
                let result = self.deliver(member, &bytes, None);
                assert!(result.is_err() || only_signature, "damaged at {at}");
            }
            _ => {
                let member = input.index(self.members.len());
                let bytes = self.pick(input);
                self.catch_up(member, &bytes);
            }
        }
    }

    fn pick(&self, input: &mut Input<'_>) -> Vec<u8> {
        let at = input.index(self.announcements.len());
        self.announcements.values().nth(at).unwrap().bytes.clone()
    }

    fn remove(&mut self, input: &mut Input<'_>) {
        let at = input.index(self.members.len());
        if self.members[at].removed_at.is_some() {
            return;
        }
        let number = self.members[at].number;
        self.change(|authority, rng| authority.remove(number, NOW, rng).ok());
        let newest = self.newest();
        let mut members = self.authority.members();
        if members.any(|m| m.number == number && m.removed_at.is_some()) {
            self.members[at].removed_at = Some(newest);
        }
    }

    fn newest(&self) -> u64 {
        *self.announcements.last_key_value().unwrap().0
    }

    /// Delivers, and then what is asked for first, as a member would fetch it.
    fn catch_up(&mut self, member: usize, bytes: &[u8]) {
        let mut wanted = Vec::new();
        let mut next = (bytes.to_vec(), None);
        for _ in 0..=MAX_EPOCHS {
            match self.deliver(member, &next.0, next.1) {
                Err(FollowError::NeedsHealing { epoch, hash }) => {
                    // The wrong one under the right name must not pass either.
                    let wrong = self.announcements.values().find(|a| a.hash != hash);
                    if let Some(wrong) = wrong.map(|a| a.bytes.clone()) {
                        assert!(self.deliver(member, &wrong, Some(hash)).is_err());
                    }
                    wanted.push(next);
                    next = (self.announcements[&epoch].bytes.clone(), Some(hash));
                }
                _ => match wanted.pop() {
                    Some(waiting) => next = waiting,
                    None => return,
                },
            }
        }
    }

    fn deliver(
        &mut self,
        member: usize,
        bytes: &[u8],
        referenced: Option<Digest>,
    ) -> Result<Followed, FollowError> {
        let context = FollowContext {
            authorities: &self.world.delegation,
            prefix: &self.world.prefix,
            now: Some(NOW),
            referenced,
            chunk: None,
        };
        let Member {
            state, removed_at, ..
        } = &mut self.members[member];
        let before = state.to_bytes().unwrap();
        let (epoch_before, base_before) = (state.current_epoch(), state.base_epoch());
        let result = state.follow(bytes, &context);
        let after = state.to_bytes().unwrap();
        assert!(state.current_epoch() >= epoch_before && state.base_epoch() >= base_before);
        match result {
            Ok(Followed::AlreadyKnown) | Err(_) => assert_eq!(before, after, "{result:?}"),
            Ok(Followed::Filled { epoch }) => {
                assert!(epoch < state.current_epoch());
                assert_eq!(state.current_epoch(), epoch_before);
            }
            Ok(Followed::Current { epoch, .. }) => assert_eq!(state.current_epoch(), epoch),
        }
        let mut known = self.announcements.values();
        let genuine = result.is_err() || known.any(|a| signed(&a.bytes) == signed(bytes));
        assert!(genuine, "not the authority's");
        let fork = matches!(result, Err(FollowError::Fork(_)));
        assert!(!fork, "there is no second authority");
        let reads_on = removed_at.is_some_and(|removed_at| state.current_epoch() >= removed_at);
        assert!(!reads_on, "read on after its removal");
        check_secrets(state, &self.announcements);
        result
    }

    /// Whatever happened, a member that gets the retained announcements in order is up to date.
    fn finish(mut self) -> bool {
        let topic = |epoch| ReservedTopic::Announcement(self.world.group, epoch);
        let outbox = self.authority.outbox(&self.store).unwrap();
        let is_retained = |(epoch, announced): &(&u64, &Announced)| {
            let name = topic(**epoch).name(&self.world.prefix);
            let mut outbox = outbox.iter();
            outbox.any(|p| p.topic == name && p.payload == announced.bytes)
        };
        let retained = self.announcements.iter().filter(is_retained);
        let retained: Vec<Vec<u8>> = retained.map(|(_, a)| a.bytes.clone()).collect();
        for member in 0..self.members.len() {
            for bytes in &retained {
                let _ = self.deliver(member, bytes, None);
            }
            let Member {
                state, removed_at, ..
            } = &self.members[member];
            let up_to_date = state.current_epoch() == self.newest();
            assert!(
                removed_at.is_some() || up_to_date,
                "member {member} is left behind"
            );
        }
        self.members.iter().any(|member| member.state.is_started())
    }
}

/// Everything but the signature, which the hash does not cover: an announcement that a verified
/// one refers to by its hash is accepted whatever stands in its signature.
fn signed(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() - SIGNATURE_LEN]
}

/// Every secret that a member holds is the one that the authority announced.
fn check_secrets(state: &GroupState, announcements: &BTreeMap<u64, Announced>) {
    for (epoch, announced) in announcements {
        let Some(view) = state.by_key_id(&KeyId::of(&announced.hash)) else {
            continue;
        };
        assert_eq!((view.epoch, *view.hash), (*epoch, announced.hash));
        assert_eq!(view.group_key, announced.group_key);
        assert_eq!(view.psk().check(), announced.psk_check);
        if let Some(pair) = view.key_pair {
            assert_eq!(pair.public(), announced.group_key);
        }
    }
}
