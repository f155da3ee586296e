use std::sync::OnceLock;

use sealmq_core::crypto::{
    Digest, IdentityKey, KemKeyPair, SIGNATURE_LEN, SessionPsk, SessionSecrets, VerifyingKey,
    sha256,
};
use sealmq_core::object::{Extensions, Kind, List, Object, encode};
use sealmq_core::open::{Directory, Epochs, ReadPolicy, ReadingEpoch, Sender, SenderQuery};
use sealmq_core::seal::{Connection, SenderSession, StateSession};
use sealmq_core::topic::Topic;
use sealmq_core::wire::{Header, Suite, Writer};
use sealmq_core::{Credential, CredentialOrder, DomainId, GroupId, KeyId, MemberNumber};

use super::model::Place;
use crate::fuzz::world::{NOW, sha256_secret};
use crate::stand_ins::AnyMember;

pub(super) const TOPICS: [&str; 3] = ["plant/a", "plant/b", "plant/private"];
pub(super) const GROUP: GroupId = GroupId([0x67; 16]);

/// Keys as everybody in the group knows them: an epoch's, or kept ones.
pub(super) struct Keys {
    /// H, or K'.
    pub(super) name: Digest,
    pub(super) key_pair: KemKeyPair,
    pub(super) psk: SessionPsk,
}

/// Which of [`Keys::all`] are for state.
pub(super) const KEPT: usize = 2;

impl Keys {
    /// Two epochs, and kept keys.
    pub(super) fn all() -> &'static [Self; 3] {
        static KEYS: OnceLock<[Keys; 3]> = OnceLock::new();
        KEYS.get_or_init(|| {
            [1, 2, 3].map(|n| Self {
                name: sha256(&[b"announcement", &[n]]),
                key_pair: KemKeyPair::derive(&sha256_secret(&[b"group", &[n]])),
                psk: SessionPsk::derive(&sha256_secret(&[b"psk", &[n]])),
            })
        })
    }
}

/// A sender's credential object. Nobody looks at its signature here.
pub(super) fn credential_of(member: MemberNumber, serial: u32, key: &VerifyingKey) -> Vec<u8> {
    let fields = Credential {
        domain: DomainId([1; 16]),
        serial: 1,
        signer: 0,
        member,
        credential_serial: serial,
        name: "sender",
        key: *key.as_bytes(),
        request: Digest::ZERO,
        issued_at: NOW - 1000,
        not_after: NOW + 1000,
        grants: List::EMPTY,
    };
    let (mut out, none): (_, Extensions<'_>) = ([0; 256], List::EMPTY);
    let body = encode(&(fields, none), &mut out).unwrap();
    let head = [Suite::One.form(), Kind::Credential as u8];
    [&head, &*body, &[0; SIGNATURE_LEN]].concat()
}

/// The same, as the reader's directory and the sender itself see it.
pub(super) fn card_of(member: MemberNumber, serial: u32, key: VerifyingKey) -> AnyMember {
    let object = credential_of(member, serial, &key);
    AnyMember {
        group: GROUP,
        member,
        key,
        credential_hash: Object::parse(&object, Kind::Credential).unwrap().hash(),
        serial,
    }
}

/// What the broker saw, and what it must mean.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
    /// Of [`Keys::all`].
    pub(super) keys: usize,
    pub(super) place: Place,
    pub(super) sender: MemberNumber,
    pub(super) topic: usize,
    pub(super) payload: Vec<u8>,
    pub(super) retain: bool,
    pub(super) will: bool,
    /// From the future: it never opens.
    pub(super) future: bool,
    pub(super) opened_live: bool,
}

impl Sent {
    pub(super) const fn is_state(&self) -> bool {
        self.retain || self.will
    }

    /// The first sender has no grant for the private topic.
    pub(super) const fn is_denied(&self) -> bool {
        self.sender.0 == 1 && self.topic == 2
    }
}

pub(super) struct SenderState {
    pub(super) key: IdentityKey,
    pub(super) card: AnyMember,
    pub(super) session: Option<(usize, SenderSession)>,
    pub(super) state: Option<StateSession>,
    pub(super) connection: Connection,
    pub(super) numbers: u64,
}

/// The reader's knowledge.
pub(super) struct Known {
    pub(super) cards: [AnyMember; 2],
    /// Whose credential has not arrived.
    pub(super) hidden: [bool; 2],
    /// Epochs in the window.
    pub(super) epochs: usize,
    /// Whether it has the kept keys.
    pub(super) kept: bool,
    /// The highest serial that each sender was given: those up to there verify.
    pub(super) issued: [u32; 2],
}

impl Known {
    pub(super) fn has(&self, keys: usize) -> bool {
        match keys {
            KEPT => self.kept,
            epoch => epoch < self.epochs,
        }
    }

    /// The card of a credential object that was issued.
    pub(super) fn issued(&self, object: &[u8]) -> Option<AnyMember> {
        let mut senders = self.cards.iter().zip(self.issued);
        senders.find_map(|(card, highest)| {
            let mut serials = 1..=highest;
            let serial =
                serials.find(|serial| credential_of(card.member, *serial, &card.key) == object)?;
            Some(card_of(card.member, serial, card.key))
        })
    }
}

impl Epochs for Known {
    fn find(&self, key_id: &KeyId) -> Option<ReadingEpoch<'_>> {
        let mut all = Keys::all().iter().enumerate();
        let (at, keys) = all.find(|(_, keys)| KeyId::of(&keys.name) == *key_id)?;
        self.has(at).then_some(ReadingEpoch {
            group: GROUP,
            epoch: at as u64 + 1,
            for_state: at == KEPT,
            announcement: keys.name,
            suite: Suite::One,
            key_pair: &keys.key_pair,
            psk: &keys.psk,
            not_after: NOW + 1000,
            policy: ReadPolicy::default(),
        })
    }
}

fn judge(card: &AnyMember, query: &SenderQuery<'_>) -> Sender {
    Sender {
        member: card.member,
        key: card.key,
        credential_hash: card.credential_hash,
        delegation: 1,
        serial: card.serial,
        issued_at: NOW - 1000,
        not_after: NOW + 1000,
        // As in `Sent::is_denied`.
        may_publish: card.member.0 != 1 || query.topic.as_str() != TOPICS[2],
        lowest_serial: Some(0),
    }
}

impl Directory for Known {
    fn sender(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        let mut cards = self.cards.iter().zip(self.hidden);
        let (card, _) = cards.find(|(card, hidden)| card.member == query.member && !hidden)?;
        Some(judge(card, query))
    }

    fn admit(
        &self,
        query: &SenderQuery<'_>,
        credential: &[u8],
        known: Option<CredentialOrder>,
    ) -> Option<Sender> {
        let sender = judge(&self.issued(credential)?, query);
        known
            .is_none_or(|known| sender.order() > known)
            .then_some(sender)
    }

    fn admit_older(&self, query: &SenderQuery<'_>, credential: &[u8]) -> Option<Sender> {
        Some(judge(&self.issued(credential)?, query))
    }
}

pub(super) fn aad(head: &[u8], topic: usize) -> Vec<u8> {
    [head, &Topic::new(TOPICS[topic]).unwrap().hash().0].concat()
}

pub(super) fn encrypt(
    header: &Header,
    secrets: &SessionSecrets,
    topic: usize,
    mut plain: Vec<u8>,
) -> Vec<u8> {
    let mut head = vec![0; header.encoded_len()];
    header.emit(&mut Writer::new(&mut head)).unwrap();
    let nonce = secrets.nonce(header.counter.into());
    let tag = secrets
        .key
        .seal_in_place(&nonce, &aad(&head, topic), &mut plain)
        .unwrap();
    [head.as_slice(), &plain, &tag].concat()
}
