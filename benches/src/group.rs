use sealmq_core::crypto::{
    Digest, IdentityKey, KemKeyPair, Secret, SessionPsk, VerifyingKey, sha256,
};
use sealmq_core::open::{
    DecapsulationLimit, Directory, Epochs, KeySlot, Opened, ReadPolicy, ReadingEpoch, Receiver,
    Rejection, Request, Sender, SenderQuery, SessionSlot,
};
use sealmq_core::replay::{SenderSlot, TopicSlot};
use sealmq_core::seal::{
    Membership, Outgoing, Publisher, SenderSession, SessionLimits, SessionStart,
};
use sealmq_core::topic::Topic;
use sealmq_core::wire::Suite;
use sealmq_core::{CredentialOrder, GroupId, KeyId, MemberNumber};

/// Room in front of a payload that is always enough for a header and a body's first fields.
pub const HEADROOM: usize = 80;

/// Unix milliseconds.
const NOW_MS: u64 = 1_764_000_000_000;
const TOPIC: &str = "plant/hall-3/line-12/oven-4/temperature";

/// Numbers that decide how long an envelope gets.
#[derive(Debug, Clone, Copy)]
pub struct SenderNumbers {
    /// The sender's member number.
    pub member: u32,
    /// The session's number.
    pub session: u64,
    /// Unix milliseconds.
    pub sent_at: u64,
    /// Number among the messages on the topic.
    pub sequence: u32,
}

impl SenderNumbers {
    /// As in a plant of some ten thousand devices.
    pub const TYPICAL: Self = Self {
        member: 12_345,
        session: 1_764_000_000,
        sent_at: NOW_MS,
        sequence: 300,
    };
    /// As long as they get.
    pub const LARGEST: Self = Self {
        member: (1 << 28) - 1,
        session: (1 << 35) - 1,
        sent_at: (1 << 42) - 1,
        sequence: (1 << 21) - 1,
    };
}

/// A group in one epoch, and its one sender.
pub struct Group {
    pub(crate) key: IdentityKey,
    pub(crate) announcement: Digest,
    pub(crate) key_pair: KemKeyPair,
    pub(crate) psk: SessionPsk,
    numbers: SenderNumbers,
    card: Card,
}

/// A verified credential, prepared for each message as an application would keep it.
#[derive(Debug, Clone, Copy)]
struct Card {
    member: MemberNumber,
    key: VerifyingKey,
    hash: Digest,
}

impl Membership for Card {
    fn group(&self) -> GroupId {
        GroupId([3; 16])
    }
    fn member(&self) -> MemberNumber {
        self.member
    }
    fn key(&self) -> &VerifyingKey {
        &self.key
    }
    fn credential_hash(&self) -> Digest {
        self.hash
    }
    fn credential_serial(&self) -> u32 {
        1
    }
    fn may_publish(&self) -> bool {
        true
    }
    fn may_subscribe(&self) -> bool {
        true
    }
    fn covers(&self, _: Topic<'_>) -> bool {
        true
    }
}

/// What is sealed besides the payload: a time, a sequence, no properties and no padding.
pub struct Message;

impl Message {
    /// The topic of every message here.
    #[must_use]
    pub fn topic() -> Topic<'static> {
        Topic::new(TOPIC).unwrap()
    }

    fn outgoing(numbers: SenderNumbers) -> Outgoing<'static> {
        Outgoing {
            sent_at: Some(numbers.sent_at),
            sequence: Some(numbers.sequence),
            ..Outgoing::new(Self::topic())
        }
    }
}

impl Group {
    /// A group whose sender has these numbers.
    #[must_use]
    pub fn new(numbers: SenderNumbers) -> Self {
        let key = IdentityKey::from_seed(&Secret::new([1; 32]));
        let hash = sha256(&[b"credential"]);
        Self {
            announcement: sha256(&[b"announcement"]),
            key_pair: KemKeyPair::derive(&Secret::new([4; 32])),
            psk: SessionPsk::derive(&Secret::new([5; 32])),
            numbers,
            card: Card {
                member: MemberNumber(numbers.member),
                key: key.verifying_key(),
                hash,
            },
            key,
        }
    }

    /// Starts a session. Each needs a seed and a number of its own; `number` is added to the
    /// sender's first.
    #[must_use]
    pub fn start(&self, number: u64) -> SenderSession {
        SenderSession::start(&SessionStart {
            group: self.card.group(),
            announcement: &self.announcement,
            suite: Suite::One,
            group_key: &self.key_pair.public(),
            psk: &self.psk,
            not_after: u64::MAX,
            limits: SessionLimits {
                messages: u32::MAX,
                bytes: u64::MAX,
                seconds: u32::MAX,
            },
            number: self.numbers.session + number,
            seed: &Secret::new(sha256(&[b"seed", &number.to_be_bytes()]).0),
            now: None,
        })
        .unwrap()
    }

    /// The right to seal.
    #[must_use]
    pub fn publisher(&self) -> Publisher<'_, impl Membership + use<>> {
        Publisher::new(&self.key, self.card).unwrap()
    }

    /// Seals in place a payload of `len` bytes that stands in `buf` at [`HEADROOM`]; returns the
    /// envelope's place.
    pub fn seal(
        &self,
        session: &mut SenderSession,
        publisher: &Publisher<'_, impl Membership>,
        buf: &mut [u8],
        len: usize,
    ) -> std::ops::Range<usize> {
        let message = Message::outgoing(self.numbers);
        session
            .seal_in_place(publisher, &message, None, buf, HEADROOM..HEADROOM + len)
            .unwrap()
    }

    /// A buffer for [`Group::seal`], and the envelope it gives.
    pub fn envelope(&self, session: &mut SenderSession, len: usize) -> Vec<u8> {
        let mut buf = vec![0x5a; HEADROOM + len + 80];
        let place = self.seal(session, &self.publisher(), &mut buf, len);
        buf[place].to_vec()
    }
}

/// A reader of the group.
pub struct Reader {
    receiver: Receiver<Vec<SenderSlot<16>>, Vec<TopicSlot>, Vec<KeySlot>, Vec<SessionSlot>, 16>,
    known: Known,
    now: Option<u64>,
}

struct Known {
    announcement: Digest,
    key_pair: KemKeyPair,
    psk: SessionPsk,
    card: Card,
}

impl Epochs for Known {
    fn find(&self, key_id: &KeyId) -> Option<ReadingEpoch<'_>> {
        (KeyId::of(&self.announcement) == *key_id).then(|| ReadingEpoch {
            group: self.card.group(),
            epoch: 1,
            for_state: false,
            announcement: self.announcement,
            suite: Suite::One,
            key_pair: &self.key_pair,
            psk: &self.psk,
            not_after: u64::MAX,
            policy: ReadPolicy::default(),
        })
    }
}

impl Directory for Known {
    fn sender(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        (query.member == self.card.member).then_some(Sender {
            member: self.card.member,
            key: self.card.key,
            credential_hash: self.card.hash,
            delegation: 1,
            serial: 1,
            issued_at: 0,
            not_after: u64::MAX,
            may_publish: true,
            lowest_serial: Some(0),
        })
    }

    fn admit(&self, _: &SenderQuery<'_>, _: &[u8], _: Option<CredentialOrder>) -> Option<Sender> {
        None
    }

    fn admit_older(&self, _: &SenderQuery<'_>, _: &[u8]) -> Option<Sender> {
        None
    }
}

impl Reader {
    /// A reader that has seen nothing.
    #[must_use]
    pub fn new(group: &Group) -> Self {
        let limit = DecapsulationLimit {
            burst: u32::MAX,
            per_second: 0,
            without_clock: 1,
        };
        Self {
            receiver: Receiver::new(
                vec![SenderSlot::EMPTY; 64],
                vec![TopicSlot::EMPTY; 64],
                (0..64).map(|_| KeySlot::EMPTY).collect(),
                (0..64).map(|_| SessionSlot::EMPTY).collect(),
                limit,
            ),
            known: Known {
                announcement: group.announcement,
                key_pair: KemKeyPair::derive(&Secret::new([4; 32])),
                psk: SessionPsk::derive(&Secret::new([5; 32])),
                card: group.card,
            },
            now: Some(NOW_MS),
        }
    }

    /// The same without a clock, so that any time in a message is accepted.
    #[must_use]
    pub fn without_clock(group: &Group) -> Self {
        Self {
            now: None,
            ..Self::new(group)
        }
    }

    /// With tables of senders, as in members on hosts.
    pub fn keep_tables(&mut self) {
        self.receiver.keep_tables(32);
    }

    /// From now on this reader has a wrong group key: whatever it still opens, it opens without
    /// X25519.
    pub fn lose_group_key(&mut self) {
        self.known.key_pair = KemKeyPair::derive(&Secret::new([0xbb; 32]));
    }

    /// Opens an envelope in place.
    ///
    /// # Errors
    /// As [`Receiver::open`].
    pub fn open<'b>(&mut self, envelope: &'b mut [u8]) -> Result<Opened<'b>, Rejection> {
        let request = self.request();
        self.receiver
            .open(&request, &self.known, &self.known, envelope)
    }

    /// Verifies signatures together, before the envelopes are opened.
    pub fn verify_ahead(&mut self, envelopes: &[Vec<u8>]) {
        let request = self.request();
        let messages = envelopes
            .iter()
            .map(|envelope| (request, envelope.as_slice()));
        self.receiver
            .verify_ahead(messages, &self.known, &self.known);
    }

    fn request(&self) -> Request<'static> {
        Request {
            now: self.now,
            ..Request::new(Message::topic())
        }
    }
}
