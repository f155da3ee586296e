//! What goes into the audit log (spec/keys.md §13), for every plan in one place.

use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::crypto::{Digest, SIGNATURE_LEN, sha256};
use sealmq_core::object::{Kind, Object};
use sealmq_core::{GroupId, MemberNumber};

use super::record::{HeadRecord, OUTBOX_PREFIX};
use super::{Authority, AuthorityError, Plan};
use crate::audit::{AuditLog, What};
use sealmq_keys::ReservedTopic;
use sealmq_keys::{Change, Store};

/// Entries of the log that are read at a time.
const PAGE: usize = 512;

/// A decision for the audit log, with memory of its own.
pub(super) enum Decision {
    Enrolled {
        member: MemberNumber,
        key: [u8; 32],
        name: String,
    },
    Removed {
        member: MemberNumber,
    },
    Delegation {
        serial: u32,
        hash: Digest,
    },
    Generation {
        group: GroupId,
        number: u32,
        epoch: u64,
    },
    Resumed {
        serial: u32,
        /// The log in the backup.
        backup: AuditLog,
    },
    TwoDevices {
        member: MemberNumber,
        by: MemberNumber,
    },
}

impl Decision {
    fn what(&self) -> What<'_> {
        match self {
            Self::Enrolled { member, key, name } => What::Enrolled {
                member: *member,
                key: *key,
                name,
            },
            Self::Removed { member } => What::Removed { member: *member },
            Self::Delegation { serial, hash } => What::Delegation {
                serial: *serial,
                hash: *hash,
            },
            Self::Generation {
                group,
                number,
                epoch,
            } => What::Generation {
                group: *group,
                number: *number,
                epoch: *epoch,
            },
            Self::Resumed { serial, backup } => What::Resumed {
                serial: *serial,
                log_size: backup.size,
                log_head: backup.head,
            },
            Self::TwoDevices { member, by } => What::TwoDevices {
                member: *member,
                by: *by,
            },
        }
    }
}

/// Appends what a plan decided, then what it signed: every new object in the outbox but
/// heartbeats. Objects that are only published again put nothing there.
pub(super) fn write(
    head: &mut HeadRecord,
    plan: &mut Plan,
    prefix: &str,
    now: u64,
) -> Result<(), AuthorityError> {
    let mut log = plan.adopted.unwrap_or(head.log());
    let mut appended = Vec::new();
    let decided = plan.decisions.iter().map(Decision::what);
    for what in decided.chain(plan.changes.iter().filter_map(|c| signed(c, prefix))) {
        appended.push(log.append(now, what).map_err(|_| AuthorityError::Record)?);
    }
    for entry in appended {
        plan.changes.put(entry.key, entry.bytes);
    }
    (head.log_size, head.log_head) = (log.size, log.head);
    Ok(())
}

fn signed<'a>(change: &'a Change, prefix: &str) -> Option<What<'a>> {
    let Change::Put { key, value } = change else {
        return None;
    };
    let topic = key.strip_prefix(OUTBOX_PREFIX)?;
    let hash = match ReservedTopic::parse(prefix, topic) {
        _ if value.is_empty() => return None,
        Some(ReservedTopic::Heartbeat(_)) => return None,
        // A refusal gives nothing to anybody, and strangers cause them.
        Some(ReservedTopic::Answer(_)) if is_refusal(value) => return None,
        Some(ReservedTopic::Chunk(..) | ReservedTopic::RefusedChunk(..)) => sha256(&[value]),
        _ => object_hash(value)?,
    };
    Some(What::Signed { topic, hash })
}

fn is_refusal(object: &[u8]) -> bool {
    Object::parse(object, Kind::JoinRefusal).is_ok()
}

/// What names an object: the hash of everything but its signature (spec/keys.md §1).
pub(super) fn object_hash(object: &[u8]) -> Option<Digest> {
    let end = object.len().checked_sub(SIGNATURE_LEN)?;
    Some(sha256(&[object.get(..end)?]))
}

impl HeadRecord {
    pub(super) const fn log(&self) -> AuditLog {
        AuditLog {
            size: self.log_size,
            head: self.log_head,
        }
    }
}

impl Authority {
    /// How far the audit log goes.
    #[must_use]
    pub fn audit_head(&self) -> AuditLog {
        self.head.log()
    }

    /// All entries of the audit log, in order, as [`AuditLog::verify`] takes them. A log may be
    /// longer than what fits into memory: [`Store::log`] reads it page by page.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn audit_log<S: Store>(store: &S) -> Result<Vec<Vec<u8>>, S::Error> {
        let mut entries = Vec::new();
        loop {
            let from = u64::try_from(entries.len()).unwrap_or(u64::MAX);
            let page = store.log(from, PAGE)?;
            if page.is_empty() {
                return Ok(entries);
            }
            entries.extend(page.into_iter().map(|entry| entry.to_vec()));
        }
    }
}
