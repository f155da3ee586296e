//! A group, its members and a reader, without the key machinery of `sealmq-keys`.
pub mod insider;
mod reader;

use sealmq_core::crypto::{
    Digest, IdentityKey, KemKeyPair, KemPublicKey, Secret, SessionPsk, VerifyingKey, sha256,
};
use sealmq_core::object::{Access, Extensions, FORM_SUITE_1, Kind, List, encode};
use sealmq_core::open::{
    DecapsulationLimit, KeySlot, ReadPolicy, ReadingEpoch, Receiver, Request, Sender, SessionSlot,
};
use sealmq_core::replay::{Durable, RECORD_KEY_LEN, Record, SenderSlot, TopicSlot};
use sealmq_core::seal::{
    Membership, Outgoing, Publisher, SenderSession, SessionLimits, SessionRecord, SessionStart,
    StateSession, Value,
};
use sealmq_core::topic::{Filter, Topic, matches_grant};
use sealmq_core::wire::Suite;
use sealmq_core::{Credential, DomainId, Grant, GroupId, MemberNumber};

pub use reader::Reader;

/// 2025-11-12, in milliseconds.
pub const NOW: u64 = 1_762_949_760_000;
pub const TOPIC: &str = "plant/a/temp";

pub type HostReceiver =
    Receiver<Vec<SenderSlot<2>>, Vec<TopicSlot>, Vec<KeySlot>, Vec<SessionSlot>, 2>;

pub fn no_sessions(places: usize) -> Vec<SessionSlot> {
    (0..places).map(|_| SessionSlot::EMPTY).collect()
}

pub fn receiver_of(senders: usize, topics: usize, keys: usize) -> HostReceiver {
    let fill = |n| (0..n).map(|_| KeySlot::EMPTY).collect();
    Receiver::new(
        vec![SenderSlot::EMPTY; senders],
        vec![TopicSlot::EMPTY; topics],
        fill(keys),
        no_sessions(senders),
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

/// What sessions are sealed to: an epoch's keys, or kept keys.
pub struct Keys {
    /// H, or K'.
    pub name: Digest,
    pub key_pair: KemKeyPair,
    pub psk: SessionPsk,
}

impl Keys {
    fn new(name: Digest, secret: &[&[u8]]) -> Self {
        let secret = sha256(secret).0;
        Self {
            name,
            key_pair: KemKeyPair::derive(&Secret::new(secret)),
            psk: SessionPsk::derive(&Secret::new(sha256(&[b"psk", &secret]).0)),
        }
    }
}

/// One epoch of one group.
pub struct Group {
    pub id: GroupId,
    pub epoch: u64,
    pub suite: Suite,
    pub events: Keys,
    pub kept: Keys,
    pub not_after: u64,
    pub policy: ReadPolicy,
    pub filter: &'static str,
}

impl Group {
    /// An epoch whose kept epoch is the first.
    pub fn new(id: u8, epoch: u64) -> Self {
        Self::with_kept(id, epoch, 1)
    }

    pub fn with_kept(id: u8, epoch: u64, kept: u64) -> Self {
        let announcement = |epoch: u64| sha256(&[b"announcement", &[id], &epoch.to_be_bytes()]);
        let kept = announcement(kept);
        Self {
            id: GroupId([id; 16]),
            epoch,
            suite: Suite::One,
            events: Keys::new(announcement(epoch), &[&announcement(epoch).0]),
            kept: Keys::new(sha256(&[b"sealmq/1 kept", &kept.0]), &[b"kept", &kept.0]),
            not_after: NOW / 1000 + 86400,
            policy: ReadPolicy::default(),
            filter: "plant/#",
        }
    }

    fn reading(&self, for_state: bool) -> ReadingEpoch<'_> {
        let keys = match for_state {
            true => &self.kept,
            false => &self.events,
        };
        ReadingEpoch {
            group: self.id,
            epoch: self.epoch,
            for_state,
            announcement: keys.name,
            suite: self.suite,
            key_pair: &keys.key_pair,
            psk: &keys.psk,
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
        let seed = Secret::new(sha256(&[b"seed", seed]).0);
        let group_key = self.events.key_pair.public();
        let start = self.start(&self.events, &group_key, number, limits, &seed);
        SenderSession::start(&start).unwrap()
    }

    /// A session for state.
    pub fn keep_session(&self, number: u64) -> StateSession {
        self.keep_session_seeded(number, &number.to_be_bytes())
    }

    pub fn keep_session_seeded(&self, number: u64, seed: &[u8]) -> StateSession {
        let seed = Secret::new(sha256(&[b"seed of state", seed]).0);
        let group_key = self.kept.key_pair.public();
        let limits = SessionLimits::default();
        let start = self.start(&self.kept, &group_key, number, limits, &seed);
        StateSession::start(&start).unwrap()
    }

    pub fn start<'a>(
        &'a self,
        keys: &'a Keys,
        group_key: &'a KemPublicKey,
        number: u64,
        limits: SessionLimits,
        seed: &'a Secret,
    ) -> SessionStart<'a> {
        SessionStart {
            group: self.id,
            announcement: &keys.name,
            suite: self.suite,
            group_key,
            psk: &keys.psk,
            not_after: self.not_after,
            limits,
            number,
            seed,
            now: Some(NOW),
        }
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

    /// The credential object, but for its signature: readers here know which ones verify. Its times
    /// are the same in all, so that tests can change them alone.
    pub fn credential(&self) -> Vec<u8> {
        let grant = Grant {
            group: self.group,
            access: Access::BOTH,
            publish_filter: self.publish_filter,
        };
        let mut grants = [0; 300];
        let fields = Credential {
            domain: DomainId([9; 16]),
            serial: self.delegation,
            signer: 0,
            member: self.number,
            credential_serial: self.serial,
            name: &self.name,
            key: *self.verifying_key.as_bytes(),
            request: Digest::ZERO,
            issued_at: 0,
            not_after: u64::MAX,
            grants: List::encode(&[grant], &mut grants).unwrap(),
        };
        let extensions: Extensions<'_> = List::EMPTY;
        let mut body = [0; 600];
        let body = encode(&(fields, extensions), &mut body).unwrap();
        [&[FORM_SUITE_1, Kind::Credential as u8], &*body, &[0; 64]].concat()
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

    /// The record of a session.
    pub fn record(&self, session: &mut SenderSession, group: &Group) -> Vec<u8> {
        let credential = self.credential();
        let mut out = vec![0; 1000];
        let name = record_topic(self.number);
        let record = SessionRecord {
            topic: topic(&name),
            psk: &group.events.psk,
            credential: &credential,
            sent_at: Some(NOW),
        };
        let len = session
            .seal_record_into(&self.publisher(), &record, Some(NOW), &mut out)
            .unwrap();
        assert!(len <= credential.len() + 170);
        out.truncate(len);
        out
    }

    /// Seals a retained value.
    pub fn keep(
        &self,
        session: &mut StateSession,
        message: &Outgoing<'_>,
        connection: u64,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut out = vec![0; payload.len() + 4096];
        let value = Value {
            connection,
            credential: &self.credential(),
        };
        let len = session
            .seal_into(
                &self.publisher(),
                message,
                &value,
                Some(NOW),
                payload,
                &mut out,
            )
            .unwrap();
        out.truncate(len);
        out
    }

    /// One retained value on a topic, in a session of its own.
    pub fn value(&self, group: &Group, number: u64, name: &str) -> Vec<u8> {
        let seed = [&self.number.0.to_be_bytes()[..], &number.to_be_bytes()].concat();
        let mut session = group.keep_session_seeded(number, &seed);
        self.keep(&mut session, &Outgoing::new(topic(name)), 0, b"value")
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
        let credential = self.credential();
        sha256(&[&credential[..credential.len() - 64]])
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

pub fn record_topic(member: MemberNumber) -> String {
    format!("keys/g/1/s/{member}")
}

/// Nothing but a topic, in the short form if that is open.
pub fn short() -> Outgoing<'static> {
    Outgoing {
        short: true,
        ..plain()
    }
}

/// Nothing but a topic.
pub fn plain() -> Outgoing<'static> {
    Outgoing::new(topic(TOPIC))
}

/// With the time that a will needs.
pub fn will() -> Outgoing<'static> {
    Outgoing {
        sent_at: Some(NOW),
        ..plain()
    }
}

pub fn seal_will(
    member: &Member,
    session: StateSession,
    message: &Outgoing<'_>,
    retain: bool,
) -> Vec<u8> {
    let (mut out, credential) = (vec![0; 1000], member.credential());
    let (publisher, now) = (member.publisher(), Some(NOW));
    let message = Outgoing {
        credential: Some(&credential),
        ..*message
    };
    let len = session
        .seal_will_into(&publisher, &message, retain, now, b"gone", &mut out)
        .unwrap();
    out.truncate(len);
    out
}

/// A will that nobody keeps.
pub fn passing_will(member: &Member, session: StateSession) -> Vec<u8> {
    seal_will(member, session, &will(), false)
}

/// A will that is published with the retain flag.
pub fn kept_will(member: &Member, session: StateSession) -> Vec<u8> {
    seal_will(member, session, &will(), true)
}
