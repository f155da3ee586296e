use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::crypto::{Digest, ENC_LEN};
use sealmq_core::open::Sighting;
use sealmq_core::{GroupId, MemberNumber};

use crate::objects::DevicesSign;

/// What names a message among all of its sender: part of the evidence that two devices use one
/// identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentMessage {
    /// Number of the session.
    pub session: u64,
    /// Its encapsulated key.
    pub enc: [u8; ENC_LEN],
    /// Number of the message in the session.
    pub counter: u32,
    /// The sender's clock, Unix milliseconds.
    pub sent_at: Option<u64>,
}

impl SentMessage {
    pub(super) const fn of(sighting: &Sighting) -> Self {
        Self {
            session: sighting.session,
            enc: sighting.enc,
            counter: sighting.counter,
            sent_at: sighting.sent_at,
        }
    }
}

/// Something worth a log line. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberEvent {
    /// A welcome was installed: this member has a place in the group's key tree.
    Joined {
        /// The group.
        group: GroupId,
        /// First epoch that it can open.
        epoch: u64,
    },
    /// The keys of an epoch are there.
    Epoch {
        /// The group.
        group: GroupId,
        /// Its name.
        name: String,
        /// The epoch.
        epoch: u64,
        /// Whether the epoch shut somebody out.
        healing: bool,
    },
    /// A newer epoch has no key for this member, because it was removed.
    Removed {
        /// The group.
        group: GroupId,
        /// The epoch that left it out.
        epoch: u64,
    },
    /// A newer epoch has no key for this member, although it was not removed: its key tree came
    /// to its end while the member was away. It publishes key packages and waits for the welcome
    /// that the authority answers with; nobody has to do anything.
    NeedsWelcome {
        /// The group.
        group: GroupId,
        /// The epoch that left it out.
        epoch: u64,
    },
    /// A newer epoch exists whose announcement has not come within 2 seconds: the broker is slow or
    /// withholds it. It is asked for, again and again.
    Behind {
        /// The group.
        group: GroupId,
        /// The epoch.
        epoch: u64,
    },
    /// The group's keys were replaced, because a welcome of a newer delegation contradicts them:
    /// a key of the older delegation was stolen, and the domain has recovered.
    Recovered {
        /// The group.
        group: GroupId,
        /// First epoch of the new keys.
        epoch: u64,
        /// The signed object that the old keys came from; empty if it is no longer there.
        replaced: Vec<u8>,
        /// The welcome.
        welcome: Vec<u8>,
    },
    /// A signed object came that is older than the one in force, which stays: the broker plays
    /// old objects back, or was itself put back. Reported at most once a minute for each topic.
    Rollback {
        /// The topic.
        topic: String,
        /// The object in force, or one that shows that the other was replaced.
        installed: Vec<u8>,
        /// The older object, which changed nothing.
        older: Vec<u8>,
    },
    /// What the device calls its clock cannot be one: it is below a time that has passed for
    /// certain. The member behaves as one without a clock until that changes. Reported once.
    NoClock {
        /// What it says, Unix seconds.
        says: u64,
        /// The time that has passed: of the newest object that the member holds, or of the program.
        passed: u64,
    },
    /// The random number generator failed: new key packages and nonces have to wait.
    RandomFailed,
    /// Two different announcements for one epoch: the authority was forked, or its key is stolen.
    /// Reported at most once a minute for each refused object.
    Fork {
        /// The group.
        group: GroupId,
        /// The epoch.
        epoch: u64,
        /// Hash of the announcement that this member keeps.
        known: Digest,
        /// Hash of the one that it refused.
        other: Digest,
        /// The signed object that this member's keys rest on; empty if it is no longer there.
        installed: Vec<u8>,
        /// The refused object.
        evidence: Vec<u8>,
    },
    /// Two devices use the identity of one member: its store was copied, or was put back
    /// (spec/envelope.md §11). Reported at most once a day for each member and group, and to the
    /// authority.
    TwoDevices {
        /// The member.
        member: MemberNumber,
        /// Its name.
        name: String,
        /// The group of both messages.
        group: GroupId,
        /// What told: only a shared number proves it.
        sign: DevicesSign,
        /// A message that verified; of turns that of the higher session.
        first: SentMessage,
        /// The later one.
        second: SentMessage,
    },
    /// A newer delegation is in force.
    Delegation {
        /// Its serial.
        serial: u32,
    },
    /// The key that signed a group's newest announcement is replaced by a newer delegation: the
    /// member neither seals nor reads in the group until that delegation's announcement comes.
    AwaitsAnnouncement {
        /// The group.
        group: GroupId,
        /// Serial of the delegation.
        serial: u32,
    },
    /// The key that signed this member's credential is replaced by a newer delegation: the member
    /// does not seal until that delegation's credential comes.
    AwaitsCredential {
        /// Serial of the delegation.
        serial: u32,
    },
    /// The group has no leases, and this device no clock: it neither seals nor reads in it, because
    /// nothing would ever tell it that a removal is withheld.
    NeedsLeases {
        /// The group.
        group: GroupId,
    },
    /// This member has a newer credential.
    Credential {
        /// Its serial.
        serial: u32,
    },
    /// The credential of another member is known.
    SenderKnown {
        /// Its number.
        member: MemberNumber,
        /// Its name.
        name: String,
    },
    /// A reserved topic held something unusable; nothing changed. Reported at most once a minute
    /// for each topic and error; [`Stats::reserved_refused`](super::Stats) counts them all.
    BadReserved {
        /// The topic.
        topic: String,
        /// What is wrong, and what helps.
        error: String,
    },
}
