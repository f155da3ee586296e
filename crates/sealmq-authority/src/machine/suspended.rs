//! What a suspended authority has seen, and what it keeps of it (spec/keys.md §13).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::crypto::Digest;
use sealmq_core::{GroupId, MemberNumber};
use serde::{Deserialize, Serialize};

use super::Authority;
use crate::audit::AuditLog;

pub(super) const SUSPENDED_KEY: &str = "authority/suspended";

/// Numbers further above the own ones are ignored, whoever signed them (A37).
pub(super) const REACH: u32 = 1 << 20;
/// The same for the size of the audit log: renewing a large domain adds millions of entries.
pub(super) const LOG_REACH: u64 = 1 << 32;
/// Heads of logs that are kept; of more, those of the longest logs.
const MAX_HEADS: usize = 16;

/// What speaks against the store: an object of this authority that the store does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EvidenceKind {
    /// A delegation with a higher serial, or another one with the same.
    Delegation,
    /// A later epoch, or a group that the store does not know.
    LaterEpoch,
    /// Another announcement of an epoch that the store knows: a fork. Either the store was put
    /// back, or somebody else has the key.
    OtherEpoch,
    /// A heartbeat that tells of a longer audit log.
    LongerLog,
    /// A heartbeat that tells of another audit log.
    OtherLog,
    /// A refused list with a member that the store has not removed.
    Removal,
}

/// Two signed objects that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it shows.
    pub kind: EvidenceKind,
    /// The topic on which the foreign one stood.
    pub topic: String,
    /// What this store knows in its place; empty if nothing.
    pub ours: Vec<u8>,
    /// What the broker has, signed by a key of this authority, or by its root.
    pub theirs: Vec<u8>,
}

/// Why the authority does not act, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// Since when, Unix seconds.
    pub since: u64,
    /// What was found; `None` if the store was marked as a backup.
    pub evidence: Option<Evidence>,
    /// The highest delegation serial that was seen: the next one has to be above it.
    pub serial: u32,
    /// Logs that heartbeats tell of and the store does not have, ascending by size: the copy of
    /// the log has to contain them.
    pub heads: Vec<AuditLog>,
    /// Members that the store has and a refused list names.
    pub removed: Vec<MemberNumber>,
}

/// A store that must not be acted upon, and the highest numbers seen at the broker.
#[derive(Serialize, Deserialize, Clone, Default)]
pub(super) struct SuspendedRecord {
    pub(super) since: u64,
    pub(super) evidence: Option<Evidence>,
    pub(super) serial: u32,
    /// The delegation of that serial, if it is not the store's: what it signs counts, too.
    pub(super) delegation: Vec<u8>,
    pub(super) groups: BTreeMap<GroupId, SeenGroup>,
    /// Some heartbeat was seen, so that the log's copy can be judged.
    pub(super) has_beat: bool,
    /// Logs that the store does not have, ascending by size.
    pub(super) heads: Vec<AuditLog>,
    /// Members of the store that a refused list names.
    pub(super) removed: BTreeSet<MemberNumber>,
    /// The highest member number seen.
    pub(super) member: u32,
}

/// How far a group has gone, by what was seen.
#[derive(Serialize, Deserialize, Clone, Copy, Default, PartialEq)]
pub(super) struct SeenGroup {
    pub(super) epoch: u64,
    /// Number of its newest generation.
    pub(super) generation: u32,
    /// Its latest announcement, if one was seen and not only named by a heartbeat.
    pub(super) announced: Option<Announced>,
}

/// An announcement that was seen.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq)]
pub(super) struct Announced {
    pub(super) epoch: u64,
    pub(super) hash: Digest,
    /// Who signed it: it is no predecessor once this key counts no more (A41).
    pub(super) signer: [u8; 32],
}

/// What one object tells.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) serial: u32,
    pub(super) delegation: Option<Vec<u8>>,
    pub(super) group: Option<(GroupId, SeenGroup)>,
    pub(super) has_beat: bool,
    pub(super) head: Option<AuditLog>,
    pub(super) removed: BTreeSet<MemberNumber>,
    pub(super) member: u32,
}

impl SuspendedRecord {
    /// Takes what is higher or new; whether anything was.
    pub(super) fn note(&mut self, seen: Seen) -> bool {
        let mut changed = false;
        if seen.serial > self.serial {
            self.serial = seen.serial;
            self.delegation = seen.delegation.unwrap_or_default();
            changed = true;
        }
        if let Some((group, seen)) = seen.group {
            changed |= self.groups.entry(group).or_default().raise(seen);
        }
        changed |= seen.has_beat && !core::mem::replace(&mut self.has_beat, true);
        if let Some(head) = seen.head {
            changed |= self.note_head(head);
        }
        for member in seen.removed {
            changed |= self.removed.insert(member);
        }
        changed |= seen.member > self.member;
        self.member = self.member.max(seen.member);
        changed
    }

    /// Two heads of one size may both be there: one of them is of another life, or a thief's.
    fn note_head(&mut self, head: AuditLog) -> bool {
        let order = |log: &AuditLog| (log.size, log.head.0);
        let Err(at) = self.heads.binary_search_by_key(&order(&head), order) else {
            return false;
        };
        self.heads.insert(at, head);
        if self.heads.len() > MAX_HEADS {
            self.heads.remove(0);
            return at != 0;
        }
        true
    }
}

impl SeenGroup {
    /// Takes what is higher; whether anything was.
    pub(super) fn raise(&mut self, seen: Self) -> bool {
        let before = *self;
        self.epoch = self.epoch.max(seen.epoch);
        self.generation = self.generation.max(seen.generation);
        let is_later = |new: &Announced| self.announced.is_none_or(|known| new.epoch > known.epoch);
        self.announced = seen.announced.filter(is_later).or(self.announced);
        *self != before
    }
}

impl Authority {
    /// Why the authority does not act, if it is suspended.
    #[must_use]
    pub fn suspension(&self) -> Option<Suspension> {
        self.suspended.as_ref().map(|record| Suspension {
            since: record.since,
            evidence: record.evidence.clone(),
            serial: self.highest_serial(record),
            heads: record.heads.clone(),
            removed: record.removed.iter().copied().collect(),
        })
    }

    pub(super) fn highest_serial(&self, record: &SuspendedRecord) -> u32 {
        record.serial.max(self.delegation.serial())
    }
}
