//! A group, its members and a reader, without the key machinery of `sealmq-keys`.
pub mod insider;

use sealmq_core::crypto::{
    Digest, IdentityKey, KemKeyPair, Secret, SessionPsk, VerifyingKey, sha256,
};
use sealmq_core::open::{
    DecapsulationLimit, Directory, Epochs, KeySlot, ReadPolicy, ReadingEpoch, Receiver, Rejection,
    Request, Sender, SenderQuery,
};
use sealmq_core::replay::{Durable, Gap, RECORD_KEY_LEN, Record, SenderSlot, TopicSlot};
use sealmq_core::seal::{
    Membership, Outgoing, Publisher, SenderSession, SessionLimits, SessionStart,
};
use sealmq_core::topic::{Filter, Topic, matches_grant};
use sealmq_core::wire::Suite;
use sealmq_core::{CredentialOrder, GroupId, KeyId, MemberNumber};

/// 2025-11-12, in milliseconds.
pub const NOW: u64 = 1_762_949_760_000;
pub const TOPIC: &str = "plant/a/temp";

pub type HostReceiver = Receiver<Vec<SenderSlot<2>>, Vec<TopicSlot>, Vec<KeySlot>, 2>;

pub fn receiver_of(senders: usize, topics: usize, keys: usize) -> HostReceiver {
    let fill = |n| (0..n).map(|_| KeySlot::EMPTY).collect();
    Receiver::new(
        vec![SenderSlot::EMPTY; senders],
        vec![TopicSlot::EMPTY; topics],
        fill(keys),
        // Out of the way: the limit has a test of its own.
        DecapsulationLimit {
            burst: 1_000_000,
            ..DecapsulationLimit::default()
        },
    )
}

pub fn receiver() -> HostReceiver {
    receiver_of(16, 16, 16)
}

pub fn topic(name: &str) -> Topic<'_> {
    Topic::new(name).unwrap()
}

/// One epoch of one group.
pub struct Group {
    pub id: GroupId,
    pub epoch: u64,
    pub announcement: Digest,
    pub suite: Suite,
    pub key_pair: KemKeyPair,
    pub psk: SessionPsk,
    pub not_after: u64,
    pub policy: ReadPolicy,
    pub filter: &'static str,
}

impl Group {
    pub fn new(id: u8, epoch: u64) -> Self {
        let secret = sha256(&[&[id], &epoch.to_be_bytes()]).0;
        Self {
            id: GroupId([id; 16]),
            epoch,
            announcement: sha256(&[b"announcement", &secret]),
            suite: Suite::One,
            key_pair: KemKeyPair::derive(&Secret::new(secret)),
            psk: SessionPsk::derive(&Secret::new(sha256(&[b"psk", &secret]).0)),
            not_after: NOW / 1000 + 86400,
            policy: ReadPolicy::default(),
            filter: "plant/#",
        }
    }

    pub fn reading(&self) -> ReadingEpoch<'_> {
        ReadingEpoch {
            group: self.id,
            epoch: self.epoch,
            announcement: self.announcement,
            suite: self.suite,
            key_pair: &self.key_pair,
            psk: &self.psk,
            not_after: self.not_after,
            policy: self.policy,
        }
    }

    pub fn session(&self, number: u64) -> SenderSession {
        self.session_with(number, SessionLimits::default())
    }

    pub fn session_with(&self, number: u64, limits: SessionLimits) -> SenderSession {
        self.session_seeded(number, limits, &number.to_be_bytes())
    }

    pub fn session_seeded(&self, number: u64, limits: SessionLimits, seed: &[u8]) -> SenderSession {
        SenderSession::start(&SessionStart {
            group: self.id,
            announcement: &self.announcement,
            suite: self.suite,
            group_key: &self.key_pair.public(),
            psk: &self.psk,
            not_after: self.not_after,
            limits,
            number,
            seed: &Secret::new(sha256(&[b"seed", seed]).0),
            now: Some(NOW),
        })
        .unwrap()
    }
}

/// A member as its credential describes it.
pub struct Member {
    pub number: MemberNumber,
    pub name: String,
    pub key: IdentityKey,
    pub verifying_key: VerifyingKey,
    pub delegation: u32,
    pub serial: u32,
    pub group: GroupId,
    pub group_filter: &'static str,
    pub publish: bool,
    pub publish_filter: &'static str,
    pub issued_at: u64,
    pub not_after: u64,
}

impl Member {
    pub fn new(number: u32, group: &Group) -> Self {
        let key = IdentityKey::from_seed(&Secret::new(sha256(&[&number.to_be_bytes()]).0));
        Self {
            number: MemberNumber(number),
            name: format!("member{number}"),
            verifying_key: key.verifying_key(),
            key,
            delegation: 1,
            serial: 1,
            group: group.id,
            group_filter: group.filter,
            publish: true,
            publish_filter: "plant/#",
            issued_at: NOW / 1000 - 1000,
            not_after: NOW / 1000 + 1000,
        }
    }

    /// Bytes that stand for the credential object; the hash covers all that matters.
    pub fn credential(&self) -> Vec<u8> {
        let mut bytes = b"credential".to_vec();
        bytes.extend(self.number.0.to_be_bytes());
        bytes.extend(self.delegation.to_be_bytes());
        bytes.extend(self.serial.to_be_bytes());
        bytes.extend(self.verifying_key.as_bytes());
        bytes.extend(self.publish_filter.as_bytes());
        bytes
    }

    pub fn publisher(&self) -> Publisher<'_, &Self> {
        Publisher::new(&self.key, self).unwrap()
    }

    pub fn seal(
        &self,
        session: &mut SenderSession,
        message: &Outgoing<'_>,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut out = vec![0; payload.len() + 4096];
        let now = Some(NOW);
        let len = session
            .seal_into(&self.publisher(), message, now, payload, &mut out)
            .unwrap();
        out.truncate(len);
        out
    }

    fn sender(&self, topic: Topic<'_>, lowest_serial: Option<u32>) -> Sender {
        Sender {
            member: self.number,
            key: self.verifying_key,
            credential_hash: self.credential_hash(),
            delegation: self.delegation,
            serial: self.serial,
            issued_at: self.issued_at,
            not_after: self.not_after,
            may_publish: self.publish && self.covers(topic),
            lowest_serial,
        }
    }
}

impl Membership for Member {
    fn group(&self) -> GroupId {
        self.group
    }
    fn member(&self) -> MemberNumber {
        self.number
    }
    fn key(&self) -> &VerifyingKey {
        &self.verifying_key
    }
    fn credential_hash(&self) -> Digest {
        sha256(&[&self.credential()])
    }
    fn credential_serial(&self) -> u32 {
        self.serial
    }
    fn may_publish(&self) -> bool {
        self.publish
    }
    fn may_subscribe(&self) -> bool {
        true
    }
    fn covers(&self, topic: Topic<'_>) -> bool {
        Filter::new(self.group_filter).unwrap().matches(topic)
            && matches_grant(Filter::new(self.publish_filter).unwrap(), &self.name, topic)
    }
}

/// What a reader knows: epochs, known members, credentials that would verify, the refused list.
#[derive(Default)]
pub struct Reader<'a> {
    pub epochs: Vec<&'a Group>,
    pub members: Vec<&'a Member>,
    pub verifiable: Vec<&'a Member>,
    pub refused: Vec<(MemberNumber, u32)>,
    pub list_missing: bool,
}

impl<'a> Reader<'a> {
    pub fn new(group: &'a Group, members: &[&'a Member]) -> Self {
        Self {
            epochs: vec![group],
            members: members.to_vec(),
            ..Self::default()
        }
    }

    fn lowest(&self, member: MemberNumber) -> Option<u32> {
        let entry = self.refused.iter().find(|(m, _)| *m == member);
        (!self.list_missing).then(|| entry.map_or(0, |(_, serial)| *serial))
    }

    pub fn open(
        &self,
        receiver: &mut HostReceiver,
        request: &Request<'_>,
        envelope: &[u8],
    ) -> Result<Message, Rejection> {
        let mut buf = envelope.to_vec();
        self.open_in(receiver, request, &mut buf)
    }

    pub fn open_in(
        &self,
        receiver: &mut HostReceiver,
        request: &Request<'_>,
        buf: &mut [u8],
    ) -> Result<Message, Rejection> {
        let opened = receiver.open(request, self, self, buf)?;
        Ok(Message {
            payload: opened.payload().to_vec(),
            range: opened.payload_range(),
            sender: opened.sender(),
            session_number: opened.session_number(),
            counter: opened.counter(),
            sent_at: opened.sent_at(),
            sequence: opened.sequence(),
            gap: opened.gap(),
            retain: opened.retain(),
            retained: opened.is_retained_delivery(),
            will: opened.is_will(),
            properties: opened.properties().map(|p| p.as_bytes().to_vec()),
            credential: opened.credential().map(<[u8]>::to_vec),
            serial: opened.credential_serial(),
        })
    }
}

impl Epochs for Reader<'_> {
    fn find(&self, key_id: &KeyId) -> Option<ReadingEpoch<'_>> {
        self.epochs
            .iter()
            .find(|g| KeyId::of(&g.announcement) == *key_id)
            .map(|g| g.reading())
    }
}

impl Directory for Reader<'_> {
    fn sender(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        let member = self.members.iter().find(|m| m.number == query.member)?;
        Some(member.sender(query.topic, self.lowest(query.member)))
    }

    fn admit(
        &self,
        query: &SenderQuery<'_>,
        credential: &[u8],
        known: Option<CredentialOrder>,
    ) -> Option<Sender> {
        let member = self
            .verifiable
            .iter()
            .find(|m| m.credential() == credential)?;
        let sender = member.sender(query.topic, self.lowest(query.member));
        known.is_none_or(|k| sender.order() > k).then_some(sender)
    }
}

/// An opened message, copied out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub payload: Vec<u8>,
    pub range: std::ops::Range<usize>,
    pub sender: MemberNumber,
    pub session_number: u64,
    pub counter: u32,
    pub sent_at: Option<u64>,
    pub sequence: Option<u32>,
    pub gap: Option<Gap>,
    pub retain: bool,
    pub retained: bool,
    pub will: bool,
    pub properties: Option<Vec<u8>>,
    pub credential: Option<Vec<u8>>,
    pub serial: u32,
}

/// The whole replay state, to see whether anything has changed.
pub fn state(receiver: &HostReceiver) -> Vec<Record<2>> {
    receiver.records().collect()
}

/// A store of replay records.
pub type Stored = std::collections::BTreeMap<[u8; RECORD_KEY_LEN], Vec<u8>>;

/// Stores what is not stored yet; how many changes that takes.
pub fn save(receiver: &mut HostReceiver, stored: &mut Stored) -> usize {
    let mut count = 0;
    while let Some(change) = receiver.next_dirty() {
        count += 1;
        match change {
            Durable::Put(record) => {
                let mut bytes = vec![0; Record::<2>::MAX_LEN];
                let len = record.encode(&mut bytes).unwrap();
                bytes.truncate(len);
                stored.insert(record.key(), bytes);
            }
            Durable::Delete(key) => {
                assert!(stored.remove(&key).is_some(), "nothing to delete");
            }
        }
    }
    count
}

pub fn load(receiver: &mut HostReceiver, stored: &Stored) {
    for bytes in stored.values() {
        receiver.restore(Record::decode(bytes).unwrap());
    }
}

pub fn live(name: &str) -> Request<'_> {
    Request {
        now: Some(NOW),
        ..Request::new(topic(name))
    }
}

pub fn retained(name: &str) -> Request<'_> {
    Request {
        retained: true,
        ..live(name)
    }
}

/// Nothing but a topic.
pub fn plain() -> Outgoing<'static> {
    Outgoing::new(topic(TOPIC))
}

/// With the RETAIN flag.
pub fn kept() -> Outgoing<'static> {
    Outgoing {
        retain: true,
        ..plain()
    }
}

/// With the time that a will needs.
pub fn will() -> Outgoing<'static> {
    Outgoing {
        sent_at: Some(NOW),
        ..plain()
    }
}

pub fn seal_will(member: &Member, session: SenderSession, message: &Outgoing<'_>) -> Vec<u8> {
    let mut out = vec![0; 1000];
    let publisher = member.publisher();
    let len = session
        .seal_will_into(&publisher, message, Some(NOW), b"gone", &mut out)
        .unwrap();
    out.truncate(len);
    out
}
