use std::sync::OnceLock;

use sealmq_core::crypto::{
    Digest, IdentityKey, KemKeyPair, SessionPsk, SessionSecrets, VerifyingKey, sha256,
};
use sealmq_core::open::{Directory, Epochs, ReadPolicy, ReadingEpoch, Sender, SenderQuery};
use sealmq_core::seal::SenderSession;
use sealmq_core::topic::Topic;
use sealmq_core::wire::{Header, Suite, Writer};
use sealmq_core::{CredentialOrder, GroupId, KeyId, MemberNumber};

use crate::fuzz::world::{NOW, sha256_secret};
use crate::stand_ins::AnyMember;

pub(super) const TOPICS: [&str; 3] = ["plant/a", "plant/b", "plant/private"];
pub(super) const GROUP: GroupId = GroupId([0x67; 16]);

/// An epoch as everybody in the group knows it.
pub(super) struct Epoch {
    pub(super) announcement: Digest,
    pub(super) key_pair: KemKeyPair,
    pub(super) psk: SessionPsk,
}

impl Epoch {
    pub(super) fn all() -> &'static [Self; 2] {
        static EPOCHS: OnceLock<[Epoch; 2]> = OnceLock::new();
        EPOCHS.get_or_init(|| {
            [1, 2].map(|n| Self {
                announcement: sha256(&[b"announcement", &[n]]),
                key_pair: KemKeyPair::derive(&sha256_secret(&[b"group", &[n]])),
                psk: SessionPsk::derive(&sha256_secret(&[b"psk", &[n]])),
            })
        })
    }
}

/// A sender's credential, as the reader's directory and the sender itself see it.
pub(super) fn card_of(member: MemberNumber, serial: u32, key: VerifyingKey) -> AnyMember {
    let (number, of_serial) = (member.0.to_be_bytes(), serial.to_be_bytes());
    let credential_hash = sha256(&[b"credential", &number, &of_serial]);
    AnyMember {
        group: GROUP,
        member,
        key,
        credential_hash,
        serial,
    }
}

/// What the broker saw, and what it must mean.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
    pub(super) epoch: usize,
    pub(super) card: u32,
    pub(super) sender: MemberNumber,
    pub(super) topic: usize,
    pub(super) payload: Vec<u8>,
    pub(super) retain: bool,
    pub(super) will: bool,
    pub(super) opened_live: bool,
}

pub(super) struct SenderState {
    pub(super) key: IdentityKey,
    pub(super) card: AnyMember,
    pub(super) session: Option<(usize, SenderSession)>,
    pub(super) numbers: u64,
}

/// The reader's knowledge.
pub(super) struct Known {
    pub(super) cards: [AnyMember; 2],
    /// Whose credential has not arrived.
    pub(super) hidden: [bool; 2],
    /// Epochs in the window.
    pub(super) epochs: usize,
}

impl Epochs for Known {
    fn find(&self, key_id: &KeyId) -> Option<ReadingEpoch<'_>> {
        let mut epochs = Epoch::all().iter().zip(1..).take(self.epochs);
        let (epoch, number) =
            epochs.find(|(epoch, _)| KeyId::of(&epoch.announcement) == *key_id)?;
        Some(ReadingEpoch {
            group: GROUP,
            epoch: number,
            announcement: epoch.announcement,
            suite: Suite::One,
            key_pair: &epoch.key_pair,
            psk: &epoch.psk,
            not_after: NOW + 1000,
            policy: ReadPolicy::default(),
        })
    }
}

impl Directory for Known {
    fn sender(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        let mut cards = self.cards.iter().zip(self.hidden);
        let (card, _) = cards.find(|(card, hidden)| card.member == query.member && !hidden)?;
        Some(Sender {
            member: card.member,
            key: card.key,
            credential_hash: card.credential_hash,
            delegation: 1,
            serial: card.serial,
            issued_at: NOW - 1000,
            not_after: NOW + 1000,
            // The first sender has no grant for the private topic.
            may_publish: card.member.0 != 1 || query.topic.as_str() != TOPICS[2],
            lowest_serial: Some(0),
        })
    }

    fn admit(&self, _: &SenderQuery<'_>, _: &[u8], _: Option<CredentialOrder>) -> Option<Sender> {
        None
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
