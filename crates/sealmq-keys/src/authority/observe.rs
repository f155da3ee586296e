//! What the authority sees of its own publications at the broker: a store that was put back, a
//! key that somebody else uses, and a broker that lost something (spec/keys.md §13).

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::crypto::{Digest, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::log::object_hash;
use super::record::{self, HEAD_KEY, HeadRecord, OUTBOX_PREFIX};
use super::{Authority, AuthorityError, AuthorityEvent, LoadError, Plan};
use crate::announcement::Announcement;
use crate::audit::AuditLog;
use crate::delegation::VerifiedDelegation;
use crate::heartbeat::{HeartbeatFields, VerifiedHeartbeat};
use crate::outputs::Publication;
use crate::reserved::ReservedTopic;
use crate::store::{Changes, Store};

pub(super) const SUSPENDED_KEY: &str = "authority/suspended";

/// Seconds between two times that the same topic is published again because of what was seen.
const REPAIR_INTERVAL: u64 = 60;

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
}

/// A store that must not be acted upon, and the highest numbers seen at the broker.
#[derive(Serialize, Deserialize, Clone, Default)]
pub(super) struct SuspendedRecord {
    since: u64,
    evidence: Option<Evidence>,
    pub(super) serial: u32,
    pub(super) groups: BTreeMap<GroupId, SeenGroup>,
}

/// The latest epoch of a group that was seen.
#[derive(Serialize, Deserialize, Clone, Copy, Default, PartialEq)]
pub(super) struct SeenGroup {
    pub(super) epoch: u64,
    pub(super) announcement: Digest,
    /// Number of its newest generation.
    pub(super) generation: u32,
}

/// What an object at the broker says beyond our store.
struct Finding {
    kind: EvidenceKind,
    /// Topic of what it contradicts.
    ours: String,
    group: Option<(GroupId, SeenGroup)>,
    serial: u32,
}

impl Authority {
    /// Takes what the broker has on the authority's own topics (those of
    /// [`authority_filters`](crate::authority_filters) that it writes itself: delegation,
    /// announcements, heartbeats); others are ignored. `store` is the one it was loaded from.
    ///
    /// Something signed by its own keys that the store does not know means that the store was put
    /// back, or that a key was stolen: the authority then does nothing more
    /// ([`AuthorityError::Suspended`]) until [`Authority::resume`]. Something older or missing is
    /// published again. What nobody of this domain signed is ignored.
    ///
    /// # Errors
    /// The store cannot be read; or [`AuthorityError::Reload`], because it has changed since the
    /// authority was loaded: load it, and observe the same again.
    pub fn observe<S: Store>(
        &mut self,
        store: &S,
        topic: &str,
        payload: &[u8],
        now: u64,
    ) -> Result<Plan, LoadError<S::Error>> {
        let Some(reserved) = ReservedTopic::parse(&self.domain.prefix, topic) else {
            return Ok(Plan::default());
        };
        let own = matches!(
            reserved,
            ReservedTopic::Delegation
                | ReservedTopic::Announcement(..)
                | ReservedTopic::Heartbeat(_)
        );
        if !own || payload.len() > reserved.max_len() {
            return Ok(Plan::default());
        }
        let expected = kept(store, topic).map_err(LoadError::Store)?;
        if expected == payload {
            return Ok(Plan::default());
        }
        self.check_newest(store)?;
        let finding = match reserved {
            ReservedTopic::Announcement(group, epoch) => {
                self.judge_announcement(group, epoch, payload, &expected)
            }
            ReservedTopic::Heartbeat(group) => self.judge_heartbeat(store, group, payload)?,
            _ => self.judge_delegation(payload),
        };
        let result = match finding {
            Some(finding) => {
                let ours = kept(store, &finding.ours).map_err(LoadError::Store)?;
                self.suspend(finding, topic, ours, payload, now)
            }
            None => Ok(self.repair(topic, &expected, now)),
        };
        self.settle(result, now).map_err(LoadError::Authority)
    }

    /// Why the authority does not act, if it is suspended.
    #[must_use]
    pub fn suspension(&self) -> Option<Suspension> {
        self.suspended.as_ref().map(|record| Suspension {
            since: record.since,
            evidence: record.evidence.clone(),
            serial: self.highest_serial(record),
        })
    }

    pub(super) fn highest_serial(&self, record: &SuspendedRecord) -> u32 {
        record.serial.max(self.delegation.serial())
    }

    /// Marks a copy of a store as a backup: an authority that is loaded from it does nothing
    /// until [`Authority::resume`]. Commit the changes to the copy, not to the store in use.
    ///
    /// # Errors
    /// The copy cannot be read, or is damaged.
    pub fn mark_restored<S: Store>(copy: &S, now: u64) -> Result<Changes, LoadError<S::Error>> {
        let mut changes = Changes::new();
        let known = copy.get(SUSPENDED_KEY).map_err(LoadError::Store)?;
        if known.is_none() {
            let record = SuspendedRecord {
                since: now,
                ..SuspendedRecord::default()
            };
            record::put(&mut changes, SUSPENDED_KEY.into(), &record)
                .map_err(LoadError::Authority)?;
        }
        Ok(changes)
    }

    /// Memory that is behind the store would take the store's own doing for somebody else's.
    fn check_newest<S: Store>(&self, store: &S) -> Result<(), LoadError<S::Error>> {
        let head = store.get(HEAD_KEY).map_err(LoadError::Store)?;
        let head = head.ok_or(LoadError::Authority(AuthorityError::Record))?;
        let head: HeadRecord = record::read(&head).map_err(LoadError::Authority)?;
        if self.unusable || head.revision != self.head.revision {
            return Err(LoadError::Authority(AuthorityError::Reload));
        }
        Ok(())
    }

    fn judge_delegation(&self, payload: &[u8]) -> Option<Finding> {
        let root = VerifyingKey::from_bytes(&self.domain.root_key).ok()?;
        let seen = VerifiedDelegation::verify(payload, &root).ok()?;
        let known = &self.delegation;
        let other = seen.serial() == known.serial() && seen.hash() != known.hash();
        (seen.serial() > known.serial() || other).then(|| Finding {
            kind: EvidenceKind::Delegation,
            ours: self.topic(ReservedTopic::Delegation),
            group: None,
            serial: seen.serial(),
        })
    }

    fn judge_announcement(
        &self,
        group: GroupId,
        epoch: u64,
        payload: &[u8],
        expected: &[u8],
    ) -> Option<Finding> {
        let seen = Announcement::verify(payload, &self.delegation, &self.domain.prefix).ok()?;
        let head = seen.head();
        if head.group != group || head.epoch != epoch {
            return None;
        }
        let current = self.groups.get(&group).map_or(0, |group| group.epoch);
        let kind = if epoch > current {
            EvidenceKind::LaterEpoch
        } else if object_hash(expected)? != *seen.hash() {
            EvidenceKind::OtherEpoch
        } else {
            return None;
        };
        let at = if epoch > current { current } else { epoch };
        let newest = head.generations.iter().last();
        let seen = SeenGroup {
            epoch,
            announcement: *seen.hash(),
            generation: newest.map_or(0, |generation| generation.number),
        };
        Some(Finding {
            kind,
            ours: self.topic(ReservedTopic::Announcement(group, at)),
            group: Some((group, seen)),
            serial: head.serial,
        })
    }

    fn judge_heartbeat<S: Store>(
        &self,
        store: &S,
        group: GroupId,
        payload: &[u8],
    ) -> Result<Option<Finding>, LoadError<S::Error>> {
        let Ok(seen) = VerifiedHeartbeat::verify(payload, &self.delegation) else {
            return Ok(None);
        };
        let fields = seen.fields();
        if fields.group != group {
            return Ok(None);
        }
        let current = self.groups.get(&group);
        let known = current.map_or(0, |group| group.epoch);
        let kind = if fields.epoch > known {
            EvidenceKind::LaterEpoch
        } else if current.is_some_and(|group| {
            group.epoch == fields.epoch && group.announcement != fields.announcement
        }) {
            EvidenceKind::OtherEpoch
        } else if fields.log_size > self.head.log_size {
            EvidenceKind::LongerLog
        } else if self.has_other_log(store, fields)? {
            EvidenceKind::OtherLog
        } else {
            return Ok(None);
        };
        let ours = match kind {
            EvidenceKind::OtherEpoch => ReservedTopic::Announcement(group, known),
            _ => ReservedTopic::Heartbeat(group),
        };
        let seen = SeenGroup {
            epoch: fields.epoch,
            announcement: fields.announcement,
            generation: 0,
        };
        Ok(Some(Finding {
            kind,
            ours: self.topic(ours),
            group: Some((group, seen)),
            serial: fields.serial,
        }))
    }

    /// Whether our log, at the size that a heartbeat names, had another head.
    fn has_other_log<S: Store>(
        &self,
        store: &S,
        seen: &HeartbeatFields,
    ) -> Result<bool, LoadError<S::Error>> {
        let Some(last) = seen.log_size.checked_sub(1) else {
            return Ok(false);
        };
        let entry = store.get(&AuditLog::key(last)).map_err(LoadError::Store)?;
        let entry = entry.ok_or(LoadError::Authority(AuthorityError::Record))?;
        Ok(AuditLog::head_after(&entry) != seen.log_head)
    }

    /// Notes what was seen; the first finding ends everything but observing.
    fn suspend(
        &mut self,
        finding: Finding,
        topic: &str,
        ours: Vec<u8>,
        theirs: &[u8],
        now: u64,
    ) -> Result<Plan, AuthorityError> {
        let mut plan = Plan::default();
        let mut record = self.suspended.clone().unwrap_or_default();
        let serial = record.serial.max(finding.serial);
        let mut changed = serial != record.serial;
        record.serial = serial;
        if let Some((group, seen)) = finding.group {
            changed |= record.groups.entry(group).or_default().raise(seen);
        }
        if self.suspended.is_none() {
            let evidence = Evidence {
                kind: finding.kind,
                topic: topic.to_owned(),
                ours,
                theirs: theirs.to_vec(),
            };
            if let (EvidenceKind::OtherEpoch, Some((group, seen))) = (finding.kind, finding.group) {
                plan.events.push(AuthorityEvent::Fork {
                    group,
                    epoch: seen.epoch,
                    ours: evidence.ours.clone(),
                    theirs: evidence.theirs.clone(),
                });
            }
            plan.events.push(AuthorityEvent::StoreIsOld {
                evidence: evidence.clone(),
            });
            record.since = now;
            record.evidence = Some(evidence);
            changed = true;
        }
        if changed {
            self.touched = true;
            record::put(&mut plan.changes, SUSPENDED_KEY.into(), &record)?;
            self.suspended = Some(record);
        }
        Ok(plan)
    }

    /// Has a topic published again that does not hold what it should.
    fn repair(&mut self, topic: &str, expected: &[u8], now: u64) -> Plan {
        let mut plan = Plan::default();
        self.repaired
            .retain(|_, at| at.abs_diff(now) < REPAIR_INTERVAL);
        let wanted = !expected.is_empty() && self.suspended.is_none();
        if wanted && !self.repaired.contains_key(topic) {
            self.repaired.insert(topic.to_owned(), now);
            plan.publications
                .push(Publication::retained(topic, expected));
            plan.events.push(AuthorityEvent::RolledBack {
                topic: topic.to_owned(),
            });
        }
        plan
    }

    fn topic(&self, topic: ReservedTopic) -> String {
        topic.name(&self.domain.prefix)
    }
}

impl SeenGroup {
    /// Takes what is higher; whether anything was.
    pub(super) fn raise(&mut self, seen: Self) -> bool {
        let before = *self;
        if seen.epoch > self.epoch {
            (self.epoch, self.announcement) = (seen.epoch, seen.announcement);
        }
        self.generation = self.generation.max(seen.generation);
        *self != before
    }
}

/// What should stand in a topic: empty if nothing.
fn kept<S: Store>(store: &S, topic: &str) -> Result<Vec<u8>, S::Error> {
    let value = store.get(&alloc::format!("{OUTBOX_PREFIX}{topic}"))?;
    Ok(value.map(|value| value.to_vec()).unwrap_or_default())
}
