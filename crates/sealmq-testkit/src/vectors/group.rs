//! The authority's side of one group: draws epochs, makes announcements and welcomes, right ones
//! and wrong ones.

mod kept;
mod welcome;

pub(crate) use kept::{Held, KeptEntry, KeptList, seal_entry};
pub(crate) use welcome::{brought, welcome_aad, welcome_aad_with, welcome_info, welcome_object};

use sealmq_core::crypto::{IdentityKey, KemPublicKey};
use sealmq_core::object::{Extensions, FORM_SUITE_1, Signer};
use sealmq_keys::tree::{Half, NodeKey, PathKeys, cover, half_of};
use sealmq_keys::{CoverKey, EpochKind, Generation, Head, Policy, ReaderSecret, default_prefix};

use crate::vectors::prelude::*;

/// An epoch that was announced.
pub(crate) struct Epoch {
    pub(crate) number: u64,
    pub(crate) serial: u32,
    pub(crate) healing: bool,
    /// How many kept epochs its policy keeps.
    pub(crate) kept: u8,
    pub(crate) reader: ReaderSecret,
    pub(crate) announcement: Vec<u8>,
    pub(crate) hash: Digest,
}

/// What an announcement says, before it is encoded: everything can be changed, also to what no
/// authority would sign.
pub(crate) struct Draft {
    pub(crate) serial: u32,
    pub(crate) signer: u8,
    pub(crate) key: IdentityKey,
    pub(crate) kind: u8,
    pub(crate) group: GroupId,
    pub(crate) name: &'static str,
    pub(crate) epoch: u64,
    pub(crate) salt: [u8; 32],
    pub(crate) previous: Digest,
    pub(crate) healing: (u64, Digest),
    pub(crate) issued_at: u64,
    pub(crate) not_after: u64,
    pub(crate) policy: Policy,
    pub(crate) filters: Vec<String>,
    pub(crate) reader: ReaderSecret,
    /// Announced in the place of the one that follows from `reader`.
    pub(crate) group_key: Option<[u8; 32]>,
    pub(crate) psk_check: Option<[u8; 32]>,
    /// Announced in the place of the one that follows from `reader`.
    pub(crate) kept_key: Option<Vec<u8>>,
    pub(crate) refused: Digest,
    pub(crate) generations: Vec<Generation>,
    /// For each generation the nodes of its cover.
    pub(crate) covers: Vec<Vec<u32>>,
    /// Extensions of the head, encoded.
    pub(crate) extensions: Vec<u8>,
    /// What is wrapped for the readers' half in the place of `reader`.
    pub(crate) wrapped: Option<Secret>,
}

impl Draft {
    /// Whether a kept epoch begins.
    pub(crate) const fn heals(&self) -> bool {
        self.kind == 1
    }

    fn kept_key(&self) -> Vec<u8> {
        match &self.kept_key {
            Some(key) => key.clone(),
            None if self.heals() => self.reader.kept().key_pair().public().0.to_vec(),
            None => vec![],
        }
    }
}

/// A group with one tree.
pub(crate) struct Group {
    pub(crate) label: &'static str,
    pub(crate) id: GroupId,
    pub(crate) depth: u8,
    pub(crate) policy: Policy,
    pub(crate) serial: u32,
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) removed: Vec<u32>,
}

impl Group {
    /// A group whose secrets follow from the label.
    pub(crate) fn new(label: &'static str, depth: u8) -> Self {
        let policy = Policy::default();
        Self {
            label,
            id: plant(),
            depth,
            policy,
            serial: 1,
            epochs: vec![],
            removed: vec![],
        }
    }

    pub(crate) fn with_window(mut self, window: u8) -> Self {
        self.policy.window = window;
        self
    }

    pub(crate) fn tree_secret(&self) -> Secret {
        secret(&format!("tree secret of {}", self.label))
    }

    pub(crate) fn next_epoch(&self) -> u64 {
        self.epochs.len() as u64 + 1
    }

    pub(crate) fn epoch(&self, number: u64) -> &Epoch {
        &self.epochs[usize::try_from(number).unwrap() - 1]
    }

    pub(crate) fn announcement(&self, number: u64) -> &[u8] {
        &self.epoch(number).announcement
    }

    /// `N[node, epoch]`. Epochs that were not announced here are ordinary.
    pub(crate) fn node_key(&self, node: u32, epoch: u64) -> NodeKey {
        let mut key = NodeKey::first(&self.tree_secret(), node);
        for passed in 1..epoch {
            let passed = self.epochs.get(usize::try_from(passed).unwrap() - 1);
            let passed = passed.filter(|passed| passed.healing);
            key = match (passed, half_of(node).unwrap()) {
                (None, _) => key.ratchet(),
                (Some(passed), Half::Readers) => key.heal(&passed.reader.heal()),
                (Some(passed), Half::Publishers) => key.heal(&passed.reader.psk().heal()),
            };
        }
        key
    }

    pub(crate) fn path(&self, leaf: u32, epoch: u64) -> PathKeys {
        PathKeys::from_fn(self.depth, leaf, |node| self.node_key(node, epoch)).unwrap()
    }

    fn hash_of(&self, epoch: u64) -> Digest {
        match epoch {
            0 => Digest::ZERO,
            known if known < self.next_epoch() => self.epoch(known).hash,
            other => digest(&format!("announcement {other} of {}", self.label)),
        }
    }

    /// The last healing epoch before `epoch`, and the hash of its announcement.
    pub(crate) fn healing_before(&self, epoch: u64) -> (u64, Digest) {
        let mut before = self.epochs.iter().rev();
        let before = before.find(|e| e.healing && e.number < epoch);
        before.map_or((0, Digest::ZERO), |e| (e.number, e.hash))
    }

    /// The right draft of the next epoch.
    pub(crate) fn draft(&self, healing: bool) -> Draft {
        self.draft_of(self.next_epoch(), healing)
    }

    /// The draft of an epoch; for one that exists the same as then, but for the salt.
    pub(crate) fn draft_of(&self, epoch: u64, healing: bool) -> Draft {
        let first = Generation {
            number: 1,
            depth: self.depth,
            first_epoch: 1,
            deadline: 0,
        };
        Draft {
            serial: self.serial,
            signer: CONTROLLER,
            key: controller(self.serial),
            kind: u8::from(healing),
            group: self.id,
            name: "plant",
            epoch,
            salt: bytes(&format!("salt of {} {epoch}", self.label)),
            previous: self.hash_of(epoch - 1),
            healing: self.healing_before(epoch),
            issued_at: NOW - 600 + epoch.min(100),
            not_after: NOW - 600 + epoch.min(100) + WEEK,
            policy: self.policy,
            filters: vec!["plant/#".to_owned(), "shared/+/status".to_owned()],
            reader: ReaderSecret::new(secret(&format!("reader secret of {} {epoch}", self.label))),
            group_key: None,
            psk_check: None,
            kept_key: None,
            refused: Digest::ZERO,
            generations: vec![first],
            covers: vec![if healing {
                cover(self.depth, &self.removed)
            } else {
                vec![2, 3]
            }],
            extensions: vec![],
            wrapped: None,
        }
    }

    /// Announces the next epoch as drafted.
    pub(crate) fn accept(&mut self, draft: Draft) -> &Epoch {
        let announcement = self.encode(&draft);
        let real = self.really_sign(&draft);
        assert_eq!(announcement, real, "the real authority code makes the same");
        self.announced(draft, announcement)
    }

    /// A scheduled rotation; the first epoch heals, as that of every group does.
    pub(crate) fn rotate(&mut self) -> &Epoch {
        let draft = self.draft(self.epochs.is_empty());
        self.accept(draft)
    }

    /// A first epoch that does not heal, as no authority begins a group.
    pub(crate) fn begin_ordinary(&mut self) -> &Epoch {
        let draft = self.draft(false);
        self.accept(draft)
    }

    /// That many scheduled rotations.
    pub(crate) fn rotate_times(&mut self, times: u32) {
        for _ in 0..times {
            self.rotate();
        }
    }

    /// A healing epoch that leaves out every leaf removed so far, and these.
    pub(crate) fn remove(&mut self, leaves: &[u32]) -> &Epoch {
        self.removed.extend_from_slice(leaves);
        let draft = self.draft(true);
        self.accept(draft)
    }

    /// The head's encoding and its hash.
    pub(crate) fn head(&self, draft: &Draft) -> (Vec<u8>, Digest) {
        let filters: Vec<&str> = draft.filters.iter().map(String::as_str).collect();
        let (filters, generations) = (elements(&filters), elements(&draft.generations));
        let extensions: Extensions<'_> = List::from_encoded(&draft.extensions).unwrap();
        let kept_key = draft.kept_key();
        let fields = self.head_fields(draft, &filters, &generations, &kept_key);
        let head = body(&(fields, extensions));
        let hash = sha256(&[&[FORM_SUITE_1, Kind::Announcement as u8], &head]);
        (head, hash)
    }

    fn head_fields<'a>(
        &self,
        draft: &'a Draft,
        filters: &'a [u8],
        generations: &'a [u8],
        kept_key: &'a [u8],
    ) -> Head<'a> {
        let psk = draft.reader.psk();
        Head {
            domain: domain(),
            serial: draft.serial,
            signer: draft.signer,
            epoch_kind: epoch_kind(draft.kind),
            group: draft.group,
            name: draft.name,
            epoch: draft.epoch,
            salt: draft.salt,
            previous: draft.previous,
            healing_epoch: draft.healing.0,
            healing: draft.healing.1,
            issued_at: draft.issued_at,
            not_after: draft.not_after,
            policy: draft.policy,
            filters: List::from_encoded(filters).unwrap(),
            group_key: draft
                .group_key
                .map_or_else(|| draft.reader.group_key_pair().public(), KemPublicKey),
            psk_check: draft.psk_check.unwrap_or_else(|| psk.check()),
            kept_key,
            refused: draft.refused,
            generations: List::from_encoded(generations).unwrap(),
        }
    }

    /// The entries of one cover.
    pub(crate) fn entries(&self, draft: &Draft, head_hash: &Digest, nodes: &[u32]) -> Vec<u8> {
        let psk = draft.reader.psk();
        let mut entries = vec![];
        for node in nodes {
            let secret = match half_of(*node) {
                Some(Half::Publishers) => psk.secret(),
                _ => draft.wrapped.as_ref().unwrap_or(draft.reader.secret()),
            };
            let key = match half_of(*node) {
                Some(_) => self.node_key(*node, draft.epoch),
                // No node of a tree: the key is of no account.
                None => NodeKey::first(&self.tree_secret(), *node),
            };
            entries.extend_from_slice(&node.to_be_bytes());
            entries.extend_from_slice(&key.wrap(*node, head_hash, secret).unwrap());
        }
        entries
    }

    /// The announcement object, whatever the draft says.
    pub(crate) fn encode(&self, draft: &Draft) -> Vec<u8> {
        let (_, head_hash) = self.head(draft);
        let covers = draft.covers.iter().map(|nodes| {
            let entries = self.entries(draft, &head_hash, nodes);
            [vec![0], body(&entries.as_slice().len()), entries].concat()
        });
        self.encode_with(draft, &covers.collect::<Vec<_>>().concat())
    }

    /// A cover in chunks of these nodes, encoded, and the chunks.
    pub(crate) fn chunked(
        &self,
        draft: &Draft,
        depth: u8,
        parts: &[&[u32]],
    ) -> (Vec<u8>, Vec<Vec<u8>>) {
        let (_, head_hash) = self.head(draft);
        let chunks = parts
            .iter()
            .map(|nodes| self.entries(draft, &head_hash, nodes));
        let chunks: Vec<Vec<u8>> = chunks.collect();
        let first = |nodes: &[u32]| nodes[0] << (u32::from(depth) + nodes[0].leading_zeros() - 31);
        let list = parts.iter().zip(&chunks).flat_map(|(nodes, chunk)| {
            [varint(first(nodes).into()), sha256(&[chunk]).0.to_vec()].concat()
        });
        let list: Vec<u8> = list.collect();
        ([vec![1], blob(&list)].concat(), chunks)
    }

    /// An inline cover of these nodes, encoded.
    pub(crate) fn inline(&self, draft: &Draft, head_hash: &Digest, nodes: &[u32]) -> Vec<u8> {
        [vec![0], blob(&self.entries(draft, head_hash, nodes))].concat()
    }

    /// Announces the next epoch with covers that are encoded already.
    pub(crate) fn accept_with(&mut self, draft: Draft, covers: &[u8]) -> &Epoch {
        let announcement = self.encode_with(&draft, covers);
        self.announced(draft, announcement)
    }

    fn announced(&mut self, draft: Draft, announcement: Vec<u8>) -> &Epoch {
        self.epochs.push(Epoch {
            number: draft.epoch,
            serial: draft.serial,
            kept: draft.policy.kept,
            healing: draft.heals(),
            hash: hash(&announcement),
            reader: draft.reader,
            announcement,
        });
        self.epochs.last().unwrap()
    }

    /// The announcement with covers that are encoded already.
    pub(crate) fn encode_with(&self, draft: &Draft, covers: &[u8]) -> Vec<u8> {
        let (head, _) = self.head(draft);
        let body = [head, blob(covers)].concat();
        sign(Kind::Announcement, &body, &draft.key)
    }

    fn really_sign(&self, draft: &Draft) -> Vec<u8> {
        let filters: Vec<&str> = draft.filters.iter().map(String::as_str).collect();
        let (filters, generations) = (elements(&filters), elements(&draft.generations));
        let kept_key = draft.kept_key();
        let head = self.head_fields(draft, &filters, &generations, &kept_key);
        let key = |node: &u32| CoverKey {
            node: *node,
            key: self.node_key(*node, draft.epoch),
        };
        let covers = draft
            .covers
            .iter()
            .map(|nodes| nodes.iter().map(key).collect());
        let covers: Vec<Vec<CoverKey>> = covers.collect();
        let covers: Vec<&[CoverKey]> = covers.iter().map(Vec::as_slice).collect();
        let prefix = default_prefix(&domain());
        let out = &mut vec![0; 65536];
        let signer = Signer::with_encoded(&draft.key, &draft.extensions).unwrap();
        let signed = head.sign(&prefix, &draft.reader, &covers, signer, out);
        signed.unwrap().0.to_vec()
    }
}

fn epoch_kind(kind: u8) -> EpochKind {
    // The type allows the two kinds only; its encoding is the number itself.
    sealmq_core::object::decode(&[kind]).unwrap()
}
