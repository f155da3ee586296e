use super::Sighting;
use crate::credential::CredentialOrder;
use crate::crypto::{Digest, KemKeyPair, SessionPsk, VerifyingKey};
use crate::ids::{GroupId, KeyId, MemberNumber};
use crate::topic::Topic;
use crate::wire::Suite;

/// How an envelope arrived, and who reads it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The topic on which the broker delivered it (behind a renaming bridge the logical name).
    pub topic: Topic<'a>,
    /// Whether the broker delivered it with the retain flag.
    pub retained: bool,
    /// The reader's clock, Unix milliseconds. `None` without a clock: times are then not checked.
    pub now: Option<u64>,
    /// Milliseconds for which the reader has been running, where it has no clock: so much as it
    /// can know of time measures what it does for unknown sessions.
    pub uptime: Option<u64>,
    /// The reader's own number, whose messages are dropped as `Own`; `None` to receive them too.
    pub drop_own: Option<MemberNumber>,
    /// Whether to report gaps; off where several readers share a subscription.
    pub report_gaps: bool,
}

impl<'a> Request<'a> {
    /// A live delivery to a reader without a clock, own messages included, gaps reported.
    #[must_use]
    pub const fn new(topic: Topic<'a>) -> Self {
        Self {
            topic,
            retained: false,
            now: None,
            uptime: None,
            drop_own: None,
            report_gaps: true,
        }
    }
}

/// Time limits of a group's newest policy, in seconds (spec/constants.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadPolicy {
    /// Tolerated difference of clocks.
    pub skew: u32,
    /// How long keys are accepted after `not_after`.
    pub grace: u32,
    /// Highest age of a message; 0 for any.
    pub freshness: u32,
    /// Highest age of a Last Will.
    pub will_age: u32,
}

impl Default for ReadPolicy {
    fn default() -> Self {
        Self {
            skew: 300,
            grace: 3600,
            freshness: 0,
            will_age: 604_800,
        }
    }
}

/// An epoch whose events, or whose state, this member can read.
#[derive(Debug, Clone, Copy)]
pub struct ReadingEpoch<'a> {
    /// The group.
    pub group: GroupId,
    /// The epoch's number, for the application.
    pub epoch: u64,
    /// Whether these are kept keys: they open state, and nothing else does (spec/envelope.md §7).
    pub for_state: bool,
    /// H, the hash of the epoch's announcement; K' of kept keys.
    pub announcement: Digest,
    /// Its suite.
    pub suite: Suite,
    /// The group's key pair in this epoch.
    pub key_pair: &'a KemKeyPair,
    /// The psk of this epoch's sessions.
    pub psk: &'a SessionPsk,
    /// Unix seconds: `not_after` of the group's newest announcement.
    pub not_after: u64,
    /// The group's newest policy.
    pub policy: ReadPolicy,
}

/// The epochs in the windows of all groups, and their kept keys.
pub trait Epochs {
    /// The one epoch with this key id (spec/envelope.md §9 step 2). Never a guess: there is no
    /// trial decryption (threat model D5).
    fn find(&self, key_id: &KeyId) -> Option<ReadingEpoch<'_>>;
}

impl<E: Epochs + ?Sized> Epochs for &E {
    fn find(&self, key_id: &KeyId) -> Option<ReadingEpoch<'_>> {
        (**self).find(key_id)
    }
}

/// What is asked about a sender.
#[derive(Debug, Clone, Copy)]
pub struct SenderQuery<'a> {
    /// The group in whose epoch the message was sealed.
    pub group: GroupId,
    /// The number inside the message; not proven yet.
    pub member: MemberNumber,
    /// The topic.
    pub topic: Topic<'a>,
}

/// What a verified credential says about a sender, for one query.
#[derive(Debug, Clone, Copy)]
pub struct Sender {
    /// The number in the credential.
    pub member: MemberNumber,
    /// The key in the credential.
    pub key: VerifyingKey,
    /// Hash of the credential object.
    pub credential_hash: Digest,
    /// Serial of the delegation under which the credential was signed.
    pub delegation: u32,
    /// The credential's own serial.
    pub serial: u32,
    /// Unix seconds.
    pub issued_at: u64,
    /// Unix seconds.
    pub not_after: u64,
    /// Whether one of the group's filters and the credential's publish grant match the topic.
    pub may_publish: bool,
    /// The lowest serial that the group's refused list accepts of this member: 0 if it is not on
    /// the list, `None` while the list that the newest announcement names has not arrived.
    pub lowest_serial: Option<u32>,
}

impl Sender {
    /// The order of the credential.
    #[must_use]
    pub const fn order(&self) -> CredentialOrder {
        CredentialOrder {
            delegation: self.delegation,
            credential: self.serial,
        }
    }
}

/// The members that a reader knows. Called once per message, so answers should be prepared when a
/// credential arrives and not decoded each time.
pub trait Directory {
    /// The highest credential known of this member, under the current delegation.
    fn sender(&self, query: &SenderQuery<'_>) -> Option<Sender>;

    /// The highest credential below that one that this reader has had, if it verifies under the
    /// current delegation or one that this continues: events that were under way when the sender's
    /// credential was renewed are judged by it (spec/envelope.md §9, "Older credentials").
    fn sender_before(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        let _ = query;
        None
    }

    /// Judges a credential object that came inside a message. It counts only if it verifies under
    /// the current delegation, and only above the one already `known`, so that its signature
    /// need not be checked otherwise. Nothing may be stored here: the message is not verified
    /// yet. [`crate::open::Opened::credential`] gives it out afterwards.
    fn admit(
        &self,
        query: &SenderQuery<'_>,
        credential: &[u8],
        known: Option<CredentialOrder>,
    ) -> Option<Sender>;

    /// Judges a credential that came inside a message, and that is not above the known one. It
    /// counts if it verifies under the current delegation or one that this continues
    /// (spec/envelope.md §9, "Older credentials"). What it says of the topic counts beside what the
    /// known one says.
    fn admit_older(&self, query: &SenderQuery<'_>, credential: &[u8]) -> Option<Sender>;

    /// Whether a message that is refused as a replay would tell of a second device with its
    /// sender's identity, if it verified (spec/envelope.md §11): only then is it verified.
    fn would_tell(&self, sighting: &Sighting) -> bool {
        let _ = sighting;
        false
    }

    /// Such a message verified. It stays refused.
    fn told(&self, sighting: &Sighting) {
        let _ = sighting;
    }
}

impl<D: Directory + ?Sized> Directory for &D {
    fn sender(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        (**self).sender(query)
    }

    fn sender_before(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        (**self).sender_before(query)
    }

    fn admit(
        &self,
        query: &SenderQuery<'_>,
        credential: &[u8],
        known: Option<CredentialOrder>,
    ) -> Option<Sender> {
        (**self).admit(query, credential, known)
    }

    fn admit_older(&self, query: &SenderQuery<'_>, credential: &[u8]) -> Option<Sender> {
        (**self).admit_older(query, credential)
    }

    fn would_tell(&self, sighting: &Sighting) -> bool {
        (**self).would_tell(sighting)
    }

    fn told(&self, sighting: &Sighting) {
        (**self).told(sighting);
    }
}
