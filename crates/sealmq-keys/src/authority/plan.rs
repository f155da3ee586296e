use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::{GroupId, MemberNumber};

use super::log::Decision;
use super::observe::Evidence;
use super::record::OUTBOX_PREFIX;
use crate::fingerprint::Fingerprint;
use crate::join_refusal::JoinRefusalReason;
use crate::outputs::Publication;
use crate::store::Changes;

/// What a call decided: commit `changes`, then publish `publications` in order.
#[derive(Default)]
#[must_use = "commit the changes, then publish"]
pub struct Plan {
    /// To be committed before anything is published.
    pub changes: Changes,
    /// In the order in which members can use them.
    pub publications: Vec<Publication>,
    /// Topics whose content in the [outbox](super::Authority::outbox) has to be published again,
    /// after the publications: somebody may have missed it.
    pub republish: Vec<String>,
    /// What happened, for logs.
    pub events: Vec<AuthorityEvent>,
    /// For the audit log, before the objects that were signed.
    pub(super) decisions: Vec<Decision>,
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
        /// Whether the epoch shuts somebody out.
        healing: bool,
        /// Size of the announcement in bytes.
        bytes: usize,
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

    /// Adds what a later step decided.
    pub(super) fn append(&mut self, later: Self) {
        self.changes.append(later.changes);
        self.publications.extend(later.publications);
        self.republish.extend(later.republish);
        self.events.extend(later.events);
        self.decisions.extend(later.decisions);
    }
}
