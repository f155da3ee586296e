//! What somebody tries who has stores of members and everything that was ever published: every 32
//! bytes as every kind of secret, against envelopes.

use std::collections::BTreeSet;

use sealmq_core::KeyId;
use sealmq_core::crypto::{
    Digest, KemKeyPair, KemPublicKey, Secret, SessionPsk, expand, session_receiver, sha256,
};
use sealmq_core::object::{Kind, Object, decode_prefix};
use sealmq_core::wire::Header;
use sealmq_keys::group::{Psk, ReaderSecret};
use sealmq_keys::objects::{Head, KeptKeys};
use sealmq_keys::{KeptPsk, KeptSecret, kept_name};

use crate::common::MemoryStore;
use crate::net::Net;

/// An announcement that was published.
pub struct Announced {
    pub hash: Digest,
    pub group_key: KemPublicKey,
    pub psk_check: [u8; 32],
    pub kept_key: Option<KemPublicKey>,
}

/// Every announcement of a net, in order.
pub fn announced(net: &Net) -> Vec<Announced> {
    let objects = net.log.iter().filter_map(|publication| {
        let object = Object::parse(&publication.payload, Kind::Announcement).ok()?;
        let (head, _) = decode_prefix::<Head<'_>>(object.body()).ok()?;
        Some(Announced {
            hash: object.hash(),
            group_key: head.group_key,
            psk_check: head.psk_check,
            kept_key: head.kept_key(),
        })
    });
    objects.collect()
}

/// Keys that were found, and all that could be a psk.
#[derive(Default)]
pub struct Pool {
    /// Those of epochs whose announced key they match.
    epochs: Vec<KemKeyPair>,
    /// K, secret and key pair of kept epochs, found in the same way.
    kept: Vec<(Digest, KeptSecret, KemKeyPair)>,
    /// Psks of epochs, by their check value.
    psks: Vec<Psk>,
    windows: BTreeSet<[u8; 32]>,
    /// How many kept secrets stand there as they are, and are not derived from an epoch's.
    pub stored: usize,
}

impl Pool {
    /// Looks through the secrets of groups in stores.
    pub fn of<'s>(
        stores: impl IntoIterator<Item = &'s MemoryStore>,
        announced: &[Announced],
    ) -> Self {
        let mut pool = Self::default();
        for store in stores {
            let secret = |key: &str| key.ends_with("/state") || key.ends_with("/kept");
            for (_, value) in store.0.iter().filter(|(key, _)| secret(key)) {
                for window in value.windows(32) {
                    pool.consider(window.try_into().unwrap(), announced);
                }
            }
        }
        pool
    }

    /// Everything that 32 bytes may be, and what can be derived then.
    fn consider(&mut self, window: [u8; 32], announced: &[Announced]) {
        if !self.windows.insert(window) {
            return;
        }
        let secret = || Secret::new(window);
        let reader = || ReaderSecret::new(secret());
        // Whatever the derivations are.
        let derived = ["sealmq/1 kept", "sealmq/1 kept psk", "sealmq/1 kept kem"];
        let derived = derived.map(|label| expand(&secret(), &[label.as_bytes()]));
        let derived = derived.into_iter().map(KeptSecret::new);
        let derived = derived.chain([reader().kept()]).map(|kept| (kept, 0));
        for (kept, stored) in derived.chain([(KeptSecret::new(secret()), 1)]) {
            let pair = kept.key_pair();
            let mut all = announced.iter();
            if let Some(of) = all.find(|of| of.kept_key == Some(pair.public())) {
                self.kept.push((of.hash, kept, pair));
                self.stored += stored;
            }
        }
        for psk in [Psk::new(secret()), reader().psk()] {
            let check = expand(psk.secret(), &[b"sealmq/1 psk check"]);
            if announced.iter().any(|of| of.psk_check == *check.expose()) {
                self.psks.push(psk);
            }
        }
        let pair = reader().group_key_pair();
        if announced.iter().any(|of| of.group_key == pair.public()) {
            self.epochs.push(pair);
        }
    }

    /// Goes wherever the lists that were published lead from any of the keys.
    pub fn follow_lists(&mut self, net: &Net, announced: &[Announced]) {
        let delegation = net.delegation();
        let lists = net.log.iter();
        let lists = lists.filter_map(|list| KeptKeys::verify(&list.payload, &delegation).ok());
        let lists: Vec<KeptKeys<'_>> = lists.collect();
        loop {
            let mut found = Vec::new();
            for (_, secret, _) in &self.kept {
                for list in &lists {
                    for name in list.names() {
                        found.extend(list.before(&name, secret));
                    }
                }
            }
            let known = self.windows.len();
            for set in found {
                self.consider(*set.psk.secret().expose(), announced);
                self.consider(*set.secret.secret().expose(), announced);
            }
            if self.windows.len() == known {
                return;
            }
        }
    }

    /// The kept epochs whose secrets were found.
    pub fn kept(&self) -> BTreeSet<[u8; 32]> {
        self.kept.iter().map(|(kept, ..)| kept.0).collect()
    }

    pub fn epochs(&self) -> usize {
        self.epochs.len()
    }

    /// Whether any of the keys with any of the psks opens an envelope.
    pub fn opens(&self, topic: &str, envelope: &[u8], announced: &[Announced]) -> bool {
        let header = Header::parse(envelope).unwrap();
        let names = announced
            .iter()
            .flat_map(|of| [of.hash, kept_name(&of.hash)]);
        let mut names = names.filter(|name| KeyId::of(name) == header.key_id);
        let Some(name) = names.next() else {
            return false;
        };
        let tries = |pair: &KemKeyPair, psk: &SessionPsk| opens(pair, psk, &name, topic, envelope);
        let psks = self.psks.iter();
        let derived = psks.flat_map(|psk| [psk.session(), psk.kept().session()]);
        let derived: Vec<SessionPsk> = derived.collect();
        // Nothing tells a kept psk from noise.
        let raw = self.windows.iter();
        let raw = raw.map(|psk| KeptPsk::new(Secret::new(*psk)).session());
        let raw: Vec<SessionPsk> = raw.collect();
        let mut kept = self.kept.iter().map(|(.., pair)| pair);
        let mut pairs = self.epochs.iter().chain(kept.clone());
        pairs.any(|pair| derived.iter().any(|psk| tries(pair, psk)))
            || kept.any(|pair| raw.iter().any(|psk| tries(pair, psk)))
    }
}

/// Steps 3 and 4 of opening (spec/envelope.md §9).
fn opens(pair: &KemKeyPair, psk: &SessionPsk, name: &Digest, topic: &str, envelope: &[u8]) -> bool {
    let header = Header::parse(envelope).unwrap();
    let Ok(secrets) = session_receiver(pair, psk, name, &header.enc) else {
        return false;
    };
    let (start, sealed) = envelope.split_at(header.encoded_len());
    let (text, tag) = sealed.split_at(sealed.len() - 16);
    let aad = [start, &sha256(&[topic.as_bytes()]).0].concat();
    let nonce = secrets.nonce(header.counter.into());
    let (mut text, tag) = (text.to_vec(), tag.try_into().unwrap());
    let opened = secrets.key.open_in_place(&nonce, &aad, &mut text, &tag);
    opened.is_ok()
}
