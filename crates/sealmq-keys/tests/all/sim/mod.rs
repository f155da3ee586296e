//! A tiny authority for tests, independent of the real one: it keeps every secret of every epoch
//! and computes each key from the definitions of spec/keys.md §6.
pub mod faults;
mod identities;

use sealmq_core::crypto::{Digest, KemPublicKey, Secret};
use sealmq_core::object::List;
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::tree::{Half, HealSecret, NodeKey, PathKeys, cover, half_of};
use sealmq_keys::*;

pub use identities::*;

pub const PREFIX: &str = "_sealmq/test";
pub const NOW: u64 = 1_800_000_000;
pub const VALIDITY: u64 = 604_800;

/// One epoch as the authority remembers it.
#[derive(Clone)]
pub struct Epoch {
    pub healing: bool,
    pub secret: [u8; 32],
    pub hash: Digest,
    pub bytes: Vec<u8>,
    pub chunks: Vec<Vec<u8>>,
}

impl Epoch {
    pub fn reader_secret(&self) -> ReaderSecret {
        ReaderSecret::new(Secret::new(self.secret))
    }
}

/// A generation that is still covered beside the newest one.
#[derive(Clone)]
pub struct OldTree {
    pub depth: u8,
    pub generation: u32,
    pub first_epoch: u64,
    pub removed: Vec<u32>,
}

/// The group of the tests.
#[derive(Clone)]
pub struct Sim {
    pub depth: u8,
    pub generation: u32,
    pub first_epoch: u64,
    pub serial: u32,
    pub policy: Policy,
    pub filters: Vec<&'static str>,
    pub refused: Digest,
    pub removed: Vec<u32>,
    pub old: Option<OldTree>,
    /// Bytes up to which covers stand inline.
    pub inline_limit: usize,
    /// Epoch n stands at n − 1.
    pub epochs: Vec<Epoch>,
    /// A faulty authority whose covers leave out the newest removed leaf only (A26).
    pub forgets_removals: bool,
    /// A faulty protocol that heals both halves with the psk (A28).
    pub shared_heal: bool,
    packages: u32,
    /// Makes two branches of one history differ.
    pub salt: u64,
}

impl Sim {
    pub fn new(depth: u8) -> Self {
        Self {
            depth,
            generation: 1,
            first_epoch: 1,
            serial: 1,
            policy: Policy::default(),
            filters: vec!["plant/#", "site/+/temp"],
            refused: Digest::ZERO,
            removed: Vec::new(),
            old: None,
            inline_limit: usize::MAX,
            epochs: Vec::new(),
            forgets_removals: false,
            shared_heal: false,
            packages: 0,
            salt: 0,
        }
    }

    pub const fn group() -> GroupId {
        GroupId([0x67; 16])
    }

    pub fn next_epoch(&self) -> u64 {
        self.epochs.len() as u64 + 1
    }

    pub fn epoch(&self, epoch: u64) -> &Epoch {
        &self.epochs[usize::try_from(epoch).unwrap() - 1]
    }

    pub fn bytes(&self, epoch: u64) -> &[u8] {
        &self.epoch(epoch).bytes
    }

    pub fn heal(&self, node: u32, epoch: &Epoch) -> HealSecret {
        let secret = epoch.reader_secret();
        if half_of(node) == Some(Half::Readers) && !self.shared_heal {
            secret.heal()
        } else {
            secret.psk().heal()
        }
    }

    /// `N[node, epoch]` of the newest generation, from the definition.
    pub fn node_key(&self, node: u32, epoch: u64) -> NodeKey {
        self.key_in(self.generation, self.first_epoch, node, epoch)
    }

    fn key_in(&self, generation: u32, first_epoch: u64, node: u32, epoch: u64) -> NodeKey {
        let mut key = NodeKey::first(&secret(&[6, generation.into()]), node);
        for passed in first_epoch..epoch {
            let passed = self.epoch(passed);
            key = if passed.healing {
                key.heal(&self.heal(node, passed))
            } else {
                key.ratchet()
            };
        }
        key
    }

    /// Begins a tree that nobody stands in yet; the one before stays covered.
    pub fn new_generation(&mut self, depth: u8) {
        self.old = Some(OldTree {
            depth: self.depth,
            generation: self.generation,
            first_epoch: self.first_epoch,
            removed: std::mem::take(&mut self.removed),
        });
        self.depth = depth;
        self.generation += 1;
        self.first_epoch = self.next_epoch();
    }

    fn generations(&self) -> Vec<Generation> {
        let newest = Generation {
            number: self.generation,
            depth: self.depth,
            first_epoch: self.first_epoch,
            deadline: 0,
        };
        let old = self.old.as_ref().map(|old| Generation {
            number: old.generation,
            depth: old.depth,
            first_epoch: old.first_epoch,
            deadline: NOW + VALIDITY,
        });
        old.into_iter().chain([newest]).collect()
    }

    fn cover_keys(&self, generation: &Generation, nodes: Vec<u32>) -> Vec<CoverKey> {
        let (number, first) = (generation.number, generation.first_epoch);
        let key = |node| CoverKey {
            node,
            key: self.key_in(number, first, node, self.next_epoch()),
        };
        nodes.into_iter().map(key).collect()
    }

    fn covers(&self, healing: bool) -> Vec<Vec<CoverKey>> {
        let old = self.old.iter().map(|old| match healing {
            true => cover(old.depth, &old.removed),
            false => cover(old.depth, &[]),
        });
        let nodes = old.chain([self.cover_nodes(healing)]);
        let generations = self.generations();
        let covers = generations.iter().zip(nodes);
        covers
            .map(|(generation, nodes)| self.cover_keys(generation, nodes))
            .collect()
    }

    pub fn path(&self, leaf: u32, epoch: u64) -> PathKeys {
        PathKeys::from_fn(self.depth, leaf, |node| self.node_key(node, epoch)).unwrap()
    }

    /// The last healing epoch before `epoch` and its hash.
    pub fn last_healing(&self, epoch: u64) -> (u64, Digest) {
        let healed = (1..epoch).rev().find(|e| self.epoch(*e).healing);
        healed.map_or((0, Digest::ZERO), |e| (e, self.epoch(e).hash))
    }

    pub fn previous(&self, epoch: u64) -> Digest {
        if epoch == 1 {
            Digest::ZERO
        } else {
            self.epoch(epoch - 1).hash
        }
    }

    pub fn cover_nodes(&self, healing: bool) -> Vec<u32> {
        match (healing, self.forgets_removals, self.removed.as_slice()) {
            (false, ..) => cover(self.depth, &[]),
            (true, true, [.., newest]) => cover(self.depth, &[*newest]),
            (true, _, removed) => cover(self.depth, removed),
        }
    }

    /// The signed announcement of the next epoch, not yet part of the history; `change` may alter
    /// the head.
    pub fn build(
        &self,
        healing: bool,
        secret: &ReaderSecret,
        change: impl FnOnce(&mut Head<'_>),
    ) -> Vec<u8> {
        self.build_with_chunks(healing, secret, change).0
    }

    pub fn build_with_chunks(
        &self,
        healing: bool,
        secret: &ReaderSecret,
        change: impl FnOnce(&mut Head<'_>),
    ) -> (Vec<u8>, Vec<Vec<u8>>) {
        let epoch = self.next_epoch();
        let covers = self.covers(healing);
        let covers: Vec<&[CoverKey]> = covers.iter().map(Vec::as_slice).collect();
        let (mut filters, mut generations) = ([0; 1100], [0; 64]);
        let (healing_epoch, healing_hash) = self.last_healing(epoch);
        let mut head = Head {
            domain: domain(),
            serial: self.serial,
            signer: 0,
            epoch_kind: if healing {
                EpochKind::HEALING
            } else {
                EpochKind::ORDINARY
            },
            group: Self::group(),
            name: "boilers",
            epoch,
            salt: *self::secret(&[7, epoch, self.salt]).expose(),
            previous: self.previous(epoch),
            healing_epoch,
            healing: healing_hash,
            issued_at: NOW + epoch,
            not_after: NOW + epoch + VALIDITY,
            policy: self.policy,
            filters: List::encode(&self.filters, &mut filters).unwrap(),
            group_key: KemPublicKey([0; 32]),
            psk_check: [0; 32],
            kept_key: &[],
            refused: self.refused,
            generations: List::encode(&self.generations(), &mut generations).unwrap(),
        };
        change(&mut head);
        let mut out = vec![0; MAX_ANNOUNCEMENT_LEN];
        let mut chunks = Vec::new();
        let mut put = |number: u32, bytes: &[u8]| {
            assert_eq!(number as usize, chunks.len());
            chunks.push(bytes.to_vec());
        };
        let mut sink = ChunkSink {
            inline_limit: self.inline_limit,
            put: &mut put,
        };
        let key = signer(self.serial);
        let signed = head.sign_with_chunks(PREFIX, secret, &covers, &key, &mut sink, &mut out);
        let bytes = signed.unwrap().0.to_vec();
        (bytes, chunks)
    }

    fn announce(&mut self, healing: bool) -> u64 {
        let epoch = self.next_epoch();
        let secret = secret(&[8, epoch, self.salt]);
        let reader = ReaderSecret::new(secret.duplicate());
        let (bytes, chunks) = self.build_with_chunks(healing, &reader, |_| ());
        let hash = *UnverifiedAnnouncement::decode(&bytes).unwrap().hash();
        self.epochs.push(Epoch {
            healing,
            secret: *secret.expose(),
            hash,
            bytes,
            chunks,
        });
        epoch
    }

    /// An ordinary epoch; its number.
    pub fn rotate(&mut self) -> u64 {
        self.announce(false)
    }

    /// A healing epoch; its number.
    pub fn heal_now(&mut self) -> u64 {
        self.announce(true)
    }

    /// A healing epoch that leaves out one more leaf; its number.
    pub fn remove(&mut self, leaf: u32) -> u64 {
        self.removed.push(leaf);
        self.announce(true)
    }

    pub fn welcome_fields(&self, leaf: u32, package: &VerifiedKeyPackage) -> WelcomeFields {
        let epoch = self.next_epoch();
        let (healing_epoch, healing) = self.last_healing(epoch);
        WelcomeFields {
            domain: domain(),
            serial: self.serial,
            signer: 0,
            member: MemberNumber(7),
            group: Self::group(),
            generation: self.generation,
            depth: self.depth,
            leaf,
            epoch,
            previous: self.previous(epoch),
            healing_epoch,
            healing,
            package_number: package.number(),
            package: *package.hash(),
        }
    }

    /// A welcome for the next epoch, taken all the way through its encoding.
    pub fn welcome(&mut self, leaf: u32) -> OpenedWelcome {
        self.packages += 1;
        let package = package(self.packages);
        let fields = self.welcome_fields(leaf, &package);
        let mut out = [0; MAX_WELCOME_LEN];
        let path = self.path(leaf, fields.epoch);
        let seed = secret(&[9, self.packages.into(), self.salt]);
        let (bytes, _) = fields
            .seal(&path, &package, &seed, &signer(self.serial), &mut out)
            .unwrap();
        let welcome = VerifiedWelcome::verify(bytes, &authorities(self.serial)).unwrap();
        assert_eq!(*welcome.fields(), fields);
        welcome.open(&init_key(self.packages)).unwrap()
    }

    /// A member whose first epoch is the next one.
    pub fn join(&mut self, leaf: u32) -> GroupState {
        GroupState::install(self.welcome(leaf))
    }

    pub fn follow(&self, state: &mut GroupState, epoch: u64) -> Result<Followed, FollowError> {
        follow(state, self.bytes(epoch), self.serial)
    }

    /// Follows an epoch as a member does: asks for healing announcements and replays them.
    /// Returns the epochs that were asked for, in the order of following.
    pub fn catch_up(&self, state: &mut GroupState, epoch: u64) -> Result<Vec<u64>, FollowError> {
        let authorities = authorities(self.serial);
        let mut pending = vec![(epoch, None)];
        let mut asked = Vec::new();
        let mut chunk = None;
        while let Some((epoch, referenced)) = pending.last().copied() {
            let context = FollowContext {
                authorities: &authorities,
                prefix: PREFIX,
                now: Some(NOW + epoch),
                referenced,
                chunk: chunk.take(),
            };
            match state.follow(self.bytes(epoch), &context) {
                Ok(_) => {
                    asked.push(epoch);
                    pending.pop();
                }
                Err(FollowError::NeedsHealing { epoch, hash }) => pending.push((epoch, Some(hash))),
                Err(FollowError::NeedsChunk { epoch, chunk: of }) => {
                    let bytes = &self.epoch(epoch).chunks[of.number as usize];
                    chunk = Some(Chunk::Bytes(bytes));
                }
                Err(error) => return Err(error),
            }
        }
        asked.pop();
        Ok(asked)
    }

    /// Whether a member opens an epoch: it has its keys, and they are the right ones.
    pub fn opens(&self, state: &GroupState, epoch: u64) -> bool {
        let expected = self.epoch(epoch);
        let Some(view) = state.by_key_id(&sealmq_core::KeyId::of(&expected.hash)) else {
            return false;
        };
        let secret = expected.reader_secret();
        assert_eq!(view.epoch, epoch);
        assert_eq!(*view.hash, expected.hash);
        assert_eq!(view.psk(), secret.psk());
        assert_eq!(view.group_key, secret.group_key_pair().public());
        match state.half() {
            Half::Readers => assert_eq!(view.key_pair.unwrap().public(), view.group_key),
            Half::Publishers => assert!(view.key_pair.is_none()),
        }
        true
    }
}

pub fn follow(state: &mut GroupState, bytes: &[u8], serial: u32) -> Result<Followed, FollowError> {
    follow_with(state, bytes, serial, None)
}

pub fn follow_with(
    state: &mut GroupState,
    bytes: &[u8],
    serial: u32,
    chunk: Option<&[u8]>,
) -> Result<Followed, FollowError> {
    let authorities = authorities(serial);
    let now = Some(NOW + 1_000_000);
    state.follow(
        bytes,
        &FollowContext {
            authorities: &authorities,
            prefix: PREFIX,
            now,
            referenced: None,
            chunk: chunk.map(Chunk::Bytes),
        },
    )
}

/// The state's encoding: two states are the same if these are.
pub fn dump(state: &GroupState) -> Vec<u8> {
    state.to_bytes().unwrap().to_vec()
}

/// Following fails, and leaves the state as it was.
pub fn refused(state: &mut GroupState, bytes: &[u8]) -> FollowError {
    let before = dump(state);
    let error = follow(state, bytes, 1).unwrap_err();
    assert_eq!(dump(state), before, "{error:?}");
    error
}
