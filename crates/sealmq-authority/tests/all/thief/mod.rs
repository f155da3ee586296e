//! Somebody who has a copy of the authority's store: finds the keys in it and uses them.

use sealmq_core::crypto::{Digest, IdentityKey, Secret, VerifyingKey, expand};
use sealmq_core::object::{Access, Kind, List, Object, decode_prefix, sign_object};
use sealmq_core::{Credential, Grant, MAX_CREDENTIAL_LEN, MemberNumber};
use sealmq_keys::group::ReaderSecret;
use sealmq_keys::objects::{Announcement, CoverKey, Head, Roles, VerifiedDelegation};
use sealmq_keys::tree::{Half, NodeKey, half_of};
use sealmq_keys::{Publication, ReservedTopic};

use super::common::MemoryStore;
use super::net::{Net, START, YEAR};

pub struct Thief {
    pub delegation: VerifiedDelegation,
    /// Index in the delegation, roles, key.
    pub keys: Vec<(u8, Roles, IdentityKey)>,
    pub store: MemoryStore,
    /// Healing epochs whose secrets are in the copy.
    healings: Vec<(u64, ReaderSecret)>,
}

/// Every 32 bytes of a record.
fn windows<'r>(store: &'r MemoryStore, prefix: &'r str) -> impl Iterator<Item = Secret> + 'r {
    let records = store
        .0
        .iter()
        .filter(move |(key, _)| key.starts_with(prefix));
    records.flat_map(|(_, value)| {
        let windows = value.windows(32);
        windows.map(|bytes| Secret::new(bytes.try_into().unwrap()))
    })
}

impl Thief {
    pub fn with_copy_of(net: &Net) -> Self {
        let root = VerifyingKey::from_bytes(net.authority.root_key()).unwrap();
        let delegation = VerifiedDelegation::verify(net.authority.delegation(), &root).unwrap();
        let store = net.authority_store.clone();
        let seeds: Vec<IdentityKey> = windows(&store, "authority/domain")
            .map(|seed| IdentityKey::from_seed(&seed))
            .collect();
        let find = |key: &VerifyingKey| {
            let mut seeds = seeds.iter();
            let found = seeds.find(|seed| seed.verifying_key() == *key).unwrap();
            IdentityKey::from_seed(&found.seed())
        };
        let keys = delegation.keys();
        let keys = keys
            .map(|(index, key, roles)| (index, roles, find(key)))
            .collect();
        let healed = net.log.iter().filter_map(healed);
        let healings = healed.filter_map(|(epoch, check)| {
            let mut secrets = windows(&store, "authority/group/").map(ReaderSecret::new);
            let found = secrets.find(|secret| {
                let derived = expand(secret.psk().secret(), &[b"sealmq/1 psk check"]);
                derived.expose() == &check
            })?;
            Some((epoch, found))
        });
        Self {
            keys,
            delegation,
            healings: healings.collect(),
            store,
        }
    }

    /// The tree secret behind an announcement, if it is in the copy.
    pub fn tree_secret(&self, announcement: &Announcement<'_>) -> Option<Secret> {
        windows(&self.store, "authority/group/")
            .find(|secret| self.opens(secret, announcement).is_some())
    }

    /// What a tree secret gives of an announcement.
    pub fn opens(&self, tree: &Secret, announcement: &Announcement<'_>) -> Option<Secret> {
        let covers: Vec<_> = announcement.covers().collect();
        let mut opened = covers.iter().flat_map(|(generation, cover)| {
            let entries = cover.inline().unwrap().iter();
            entries.map(|entry| {
                let head = announcement.head();
                let key = self.key_at(tree, entry.node, generation.first_epoch, head.epoch);
                key.unwrap(entry.node, announcement.head_hash(), entry.wrapped)
            })
        });
        opened.find_map(Result::ok)
    }

    /// An announcement of a later epoch for the stolen tree, with the first stolen key.
    pub fn announce(&self, net: &Net, last: &Announcement<'_>, epoch: u64) -> Publication {
        self.announce_by(0, net, last, epoch)
    }

    /// The same with one of the stolen keys.
    pub fn announce_by(
        &self,
        signer: usize,
        net: &Net,
        last: &Announcement<'_>,
        epoch: u64,
    ) -> Publication {
        self.announce_after(signer, net, last, epoch, Digest([9; 32]))
    }

    /// The same, naming the one before it.
    pub fn announce_after(
        &self,
        signer: usize,
        net: &Net,
        last: &Announcement<'_>,
        epoch: u64,
        previous: Digest,
    ) -> Publication {
        let not_after = last.head().not_after;
        self.announce_until(not_after, signer, net, last, epoch, previous)
    }

    /// The same, to count for as long as the thief likes.
    pub fn announce_until(
        &self,
        not_after: u64,
        signer: usize,
        net: &Net,
        last: &Announcement<'_>,
        epoch: u64,
        previous: Digest,
    ) -> Publication {
        let tree = self.tree_secret(last).unwrap();
        let (index, _, key) = &self.keys[signer];
        let head = Head {
            not_after,
            signer: *index,
            epoch,
            salt: [9; 32],
            previous,
            ..*last.head()
        };
        let first = head.generations.iter().next().unwrap().first_epoch;
        let cover = [2, 3].map(|node| CoverKey {
            node,
            key: self.key_at(&tree, node, first, epoch),
        });
        let secret = ReaderSecret::new(Secret::new([0x66; 32]));
        let mut out = vec![0; 4096];
        let (object, _) = head
            .sign(net.authority.prefix(), &secret, &[&cover], key, &mut out)
            .unwrap();
        let topic = ReservedTopic::Announcement(head.group, epoch);
        Publication::retained(net.topic(topic), object)
    }

    /// N[node, epoch], as far as the copy knows what healed the tree.
    pub fn key_at(&self, tree: &Secret, node: u32, first: u64, epoch: u64) -> NodeKey {
        let start = NodeKey::first(tree, node);
        (first..epoch).fold(start, |key, epoch| {
            let mut healings = self.healings.iter();
            let Some((_, secret)) = healings.find(|(healed, _)| *healed == epoch) else {
                return key.ratchet();
            };
            key.heal(&match half_of(node).unwrap() {
                Half::Readers => secret.heal(),
                Half::Publishers => secret.psk().heal(),
            })
        })
    }

    /// A credential with one of the stolen keys, over a key of the thief's own.
    pub fn credential(&self, net: &Net, number: MemberNumber, signer: usize) -> Publication {
        let (index, _, key) = &self.keys[signer];
        let grants = [Grant {
            group: net.group("plant"),
            access: Access::BOTH,
            publish_filter: "",
        }];
        let own = IdentityKey::from_seed(&Secret::new([0x66; 32]));
        let mut list = [0; 256];
        let body = Credential {
            domain: net.authority.domain(),
            serial: self.delegation.serial(),
            signer: *index,
            member: number,
            credential_serial: u32::MAX - 1,
            name: "thief",
            key: *own.verifying_key().as_bytes(),
            request: Digest([7; 32]),
            issued_at: START,
            not_after: START + YEAR,
            grants: List::encode(&grants, &mut list).unwrap(),
        };
        let mut out = [0; MAX_CREDENTIAL_LEN];
        let object = sign_object(Kind::Credential, &body, key, &mut out)
            .unwrap()
            .0;
        Publication::retained(net.topic(ReservedTopic::Credential(number)), object)
    }
}

/// Epoch and psk check of an announcement that heals.
fn healed(publication: &Publication) -> Option<(u64, [u8; 32])> {
    let object = Object::parse(&publication.payload, Kind::Announcement).ok()?;
    let (head, _) = decode_prefix::<Head<'_>>(object.body()).ok()?;
    let heals = head.epoch_kind.is_healing();
    heals.then_some((head.epoch, head.psk_check))
}

/// The announcement of an epoch, from the broker.
pub fn announced(net: &Net, epoch: u64) -> Vec<u8> {
    let topic = ReservedTopic::Announcement(net.group("plant"), epoch);
    net.retained[&net.topic(topic)].clone()
}
