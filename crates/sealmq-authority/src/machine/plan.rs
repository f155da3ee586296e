use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::{GroupId, MemberNumber};

use super::log::Decision;
use super::record::OUTBOX_PREFIX;
use super::suspended::Evidence;
use crate::audit::AuditLog;
use sealmq_keys::Fingerprint;
use sealmq_keys::JoinRefusalReason;
use sealmq_keys::Publication;
use sealmq_keys::{Changes, Store};

/// What a call decided: commit `changes`, then publish `publications` in order.
#[derive(Default)]
#[must_use = "commit the changes, then publish"]
pub struct Plan {
    /// To be committed before anything is published.
    pub changes: Changes,
    /// In the order in which members can use them.
    pub publications: Vec<Publication>,
    /// Topics whose retained content is to be published again as it is, after the publications:
    /// a broker that lost it gets it back ([`Plan::republications`]).
    pub republish: Vec<String>,
    /// What happened, for logs.
    pub events: Vec<AuthorityEvent>,
    /// For the audit log, before the objects that were signed.
    pub(super) decisions: Vec<Decision>,
    /// The audit log that the store has now, if it was taken from a copy.
    pub(super) adopted: Option<AuditLog>,
}

/// Why a group entered an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EpochReason {
    /// The group is new.
    Created,
    /// An operator asked for a rotation.
    Rotation,
    /// An operator asked for a healing epoch.
    Healing,
    /// Members were removed.
    Removal,
    /// The rotation interval has passed.
    Scheduled,
    /// As many messages were sent as the schedule allows in an epoch.
    Use,
    /// The healing interval has passed.
    ScheduledHealing,
    /// Welcomes wait for it.
    Welcomes,
    /// A generation began: members make packages for it when they see it announced.
    GenerationStarted,
    /// A generation ended before everyone had moved.
    GenerationEnded,
    /// The last announcement came from a clock that was ahead: members refuse it.
    Clock,
    /// The authority got a new delegation.
    Delegation,
}

impl EpochReason {
    /// Whether the epoch heals: its cover leaves out everyone removed.
    #[must_use]
    pub const fn heals(self) -> bool {
        matches!(
            self,
            Self::Created
                | Self::Healing
                | Self::Removal
                | Self::ScheduledHealing
                | Self::GenerationEnded
        )
    }
}

/// Why a group got a new key tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GenerationReason {
    /// An operator asked for it.
    Operator,
    /// Covers of removals have too many entries.
    Cover,
    /// Members that return have too many healing epochs to replay.
    Healings,
    /// It was time.
    Age,
    /// Few leaves are left.
    Leaves,
    /// Every leaf belongs to a removed member.
    Empty,
    /// The keys of the old ones may be known to others.
    Recovery,
}

/// Something worth a log line. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorityEvent {
    /// A group entered an epoch.
    Epoch {
        /// The group's name.
        group: String,
        /// Its new epoch.
        epoch: u64,
        /// Why; [`EpochReason::heals`] tells whether it shuts somebody out.
        reason: EpochReason,
        /// Size of the announcement in bytes, without chunks.
        bytes: usize,
        /// Chunks of its covers.
        chunks: u32,
    },
    /// A heartbeat was signed.
    Heartbeat {
        /// The group's name.
        group: String,
        /// The epoch that it renews.
        epoch: u64,
    },
    /// A group got a new key tree; its members are moved there one by one.
    GenerationStarted {
        /// The group's id.
        id: GroupId,
        /// The group's name.
        group: String,
        /// The new generation.
        generation: u32,
        /// Its first epoch.
        epoch: u64,
        /// Depth of its tree.
        depth: u8,
        /// Why.
        reason: GenerationReason,
        /// Active members, to be moved.
        members: usize,
    },
    /// Members were welcomed to a group's newest generation by themselves.
    Moving {
        /// The group's name.
        group: String,
        /// The generation.
        generation: u32,
        /// Active members that have a welcome to it.
        welcomed: usize,
        /// Those of them that have confirmed it.
        confirmed: usize,
        /// All active members.
        members: usize,
    },
    /// A generation ended: its keys are deleted.
    GenerationEnded {
        /// The group's name.
        group: String,
        /// The generation.
        generation: u32,
        /// Active members that have not confirmed the newest one yet. Those that have no welcome
        /// get one when they publish packages.
        left: usize,
    },
    /// A member was enrolled.
    Enrolled {
        /// Its number.
        member: MemberNumber,
        /// Its name.
        name: String,
    },
    /// A member got a new credential.
    Renewed {
        /// Its number.
        member: MemberNumber,
        /// Its name.
        name: String,
        /// The new credential's serial.
        serial: u32,
    },
    /// The delegation ends soon: request another one from the root.
    DelegationEnds {
        /// Its serial.
        serial: u32,
        /// Unix seconds.
        not_after: u64,
    },
    /// The authority acts again after its store was put back.
    Resumed {
        /// Serial of the new delegation.
        serial: u32,
        /// Members that were enrolled after the backup: they have to join again.
        enrolled: Vec<MemberNumber>,
        /// Members that were removed after the backup, by the log or a refused list, and now are
        /// again.
        removed: Vec<MemberNumber>,
        /// Entries of the log that heartbeats prove and that are lost.
        missing: u64,
    },
    /// Something with a valid signature of this authority, or an entry of its log, names a number
    /// so far above all of its own that it was ignored: somebody has a key of it.
    NumberIgnored {
        /// The topic, or `the audit log`.
        place: String,
        /// Which number.
        what: &'static str,
    },
    /// Somebody goes on changing what stands on a topic, or on many (`None`): it is published
    /// again more slowly from now on. Broker access lists end that.
    Contested {
        /// The topic.
        topic: Option<String>,
    },
    /// The broker has a retained object of ours that is older than it should be, or lost one. It
    /// is published again; right after a change this may be only a matter of time.
    RolledBack {
        /// The topic.
        topic: String,
    },
    /// The store was put back, or one of the keys is used elsewhere: the authority does nothing
    /// more until it is resumed.
    StoreIsOld {
        /// The two objects that show it.
        evidence: Evidence,
    },
    /// Two announcements of one epoch, both with this authority's signature: its store was put
    /// back, or its key was stolen.
    Fork {
        /// The group.
        group: GroupId,
        /// The epoch.
        epoch: u64,
        /// The announcement that this authority has signed.
        ours: Vec<u8>,
        /// The other one, or the heartbeat that names it.
        theirs: Vec<u8>,
    },
    /// A member was removed.
    Removed {
        /// Its number.
        member: MemberNumber,
        /// Its name.
        name: String,
    },
    /// A member has proved that it opened its welcomes.
    Confirmed {
        /// Its number.
        member: MemberNumber,
        /// In how many groups.
        groups: usize,
    },
    /// A member says that two devices use the identity of another one, as the first of those that
    /// do: its store was copied, or was put back.
    TwoDevices {
        /// The member that it is about.
        member: MemberNumber,
        /// Its name.
        name: String,
        /// Who says so.
        by: MemberNumber,
    },
    /// A member brought new key packages.
    Packages {
        /// Its number.
        member: MemberNumber,
        /// How many.
        count: usize,
    },
    /// A device that wanted to join was refused, or has to wait for an operator.
    JoinRefused {
        /// Its fingerprint.
        device: Fingerprint,
        /// The name that it wants.
        name: String,
        /// Why.
        reason: JoinRefusalReason,
    },
    /// What somebody wrote on a reserved topic was of no use.
    Refused {
        /// The topic, cut off after 200 characters.
        topic: String,
        /// Why.
        why: String,
    },
}

impl Plan {
    /// Adds a retained publication of a new object, or of none, and its outbox record. It is
    /// logged as signed when the plan is settled.
    pub(super) fn publish(&mut self, publication: Publication) {
        self.changes.put(
            format!("{OUTBOX_PREFIX}{}", publication.topic),
            publication.payload.clone(),
        );
        self.publications.push(publication);
    }

    /// What `republish` asks for, from the store that the changes were committed to. A topic of
    /// which nothing is kept any more is left out.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn republications<S: Store>(&self, store: &S) -> Result<Vec<Publication>, S::Error> {
        let mut all = Vec::with_capacity(self.republish.len());
        for topic in &self.republish {
            if let Some(payload) = store.get(&format!("{OUTBOX_PREFIX}{topic}"))? {
                all.push(Publication::retained(topic.as_str(), payload.to_vec()));
            }
        }
        Ok(all)
    }

    /// Adds what a later call decided, for the same commit. Both are settled.
    pub(super) fn follow(&mut self, later: Self) {
        self.changes.follow(later.changes);
        self.publications.extend(later.publications);
        self.republish.extend(later.republish);
        self.events.extend(later.events);
    }

    /// Adds what a later step decided.
    pub(super) fn append(&mut self, later: Self) {
        self.changes.append(later.changes);
        self.publications.extend(later.publications);
        self.republish.extend(later.republish);
        self.events.extend(later.events);
        self.decisions.extend(later.decisions);
        self.adopted = later.adopted.or(self.adopted);
    }
}
