//! What a copy of the audit log says beyond the store, and how much of it counts (spec/keys.md
//! §13).

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::crypto::Digest;
use sealmq_core::{GroupId, MemberNumber};

use super::record::Retained;
use super::suspended::{REACH, SuspendedRecord};
use super::{Authority, AuthorityError, ResumeOptions};
use crate::audit::{AuditLog, Entry, What};
use sealmq_keys::ReservedTopic;

/// More chunks than an announcement of 64 KiB can name.
const MAX_CHUNKS: u32 = 2048;

/// The part of the log's copy that counts.
pub(super) struct Counted<'l> {
    pub(super) log: AuditLog,
    /// Its entries behind the store's own.
    pub(super) new: Vec<Entry<'l>>,
    /// Entries that heartbeats prove and that are not there.
    pub(super) missing: u64,
    /// It contains every log that was proven.
    pub(super) is_whole: bool,
}

impl Authority {
    /// The copy has to contain every log that a heartbeat has shown; what it has behind them is
    /// proven by nothing. An operator who knows better names the heads.
    pub(super) fn counted<'l>(
        &self,
        suspended: &SuspendedRecord,
        options: &ResumeOptions<'l>,
    ) -> Result<Counted<'l>, AuthorityError> {
        let own = self.head.log();
        let entries = options.log.unwrap_or_default();
        let (end, mut new) = match options.log {
            Some(entries) => {
                let slices = entries.iter().map(Vec::as_slice);
                let copy = own.continued_since(options.since, slices);
                let copy = copy.map_err(AuthorityError::Log)?;
                (copy.log, copy.new)
            }
            None => (own, Vec::new()),
        };
        let contains = |head: &&AuditLog| {
            let behind = head.size.checked_sub(options.since.size);
            head.size > own.size
                && behind.and_then(|size| head_at(entries, size)) == Some(head.head)
        };
        let proven = suspended
            .heads
            .iter()
            .filter(contains)
            .max_by_key(|head| head.size);
        let proven = *proven.unwrap_or(&own);
        let lost = suspended.heads.iter().filter(|head| !contains(head));
        let lost: Vec<AuditLog> = lost.copied().collect();
        let is_named = |head: &AuditLog| options.heads.contains(head);
        let longest = lost.iter().map(|head| head.size).max().unwrap_or(0);
        let missing = longest.saturating_sub(end.size);
        let unnamed: Vec<AuditLog> = lost
            .iter()
            .filter(|head| !is_named(head))
            .copied()
            .collect();
        if !unnamed.is_empty() {
            return Err(AuthorityError::LogIncomplete {
                missing,
                heads: unnamed,
            });
        }
        let log = if !suspended.has_beat || end == proven || is_named(&end) {
            end
        } else if is_named(&proven) {
            proven
        } else {
            return Err(AuthorityError::LogUnproven { proven, end });
        };
        let count = usize::try_from(log.size.saturating_sub(own.size)).unwrap_or(usize::MAX);
        new.truncate(count);
        Ok(Counted {
            log,
            new,
            missing: longest.saturating_sub(log.size),
            is_whole: options.log.is_some() && lost.is_empty(),
        })
    }
}

/// The head of the log that ends with so many of the entries.
fn head_at(entries: &[Vec<u8>], size: u64) -> Option<Digest> {
    let last = usize::try_from(size.checked_sub(1)?).ok()?;
    entries.get(last).map(|entry| AuditLog::head_after(entry))
}

/// How far a group is known to have gone by store and log.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) epoch: u64,
    /// Hash of its announcement.
    pub(super) announcement: Digest,
    pub(super) generation: u32,
}

/// What happened after the backup was made. Numbers that are too far above those before them are
/// ignored.
pub(super) struct Replay {
    pub(super) enrolled: BTreeMap<MemberNumber, ([u8; 32], String)>,
    pub(super) removed: Vec<MemberNumber>,
    /// The highest number that anything was published for.
    pub(super) highest: u32,
    pub(super) serial: u32,
    /// The groups that the store has.
    pub(super) groups: BTreeMap<GroupId, Known>,
    pub(super) retained: BTreeMap<(GroupId, u64), Retained>,
    /// Retained objects of members that this authority does not know.
    pub(super) strangers: Vec<(MemberNumber, String)>,
    /// Chunks of refused lists.
    pub(super) refused: BTreeSet<(GroupId, MemberNumber)>,
    /// What was ignored.
    pub(super) too_high: Option<&'static str>,
}

impl Authority {
    pub(super) fn replay_of(&self, entries: &[Entry<'_>]) -> Replay {
        let groups = self.groups.values().map(|group| {
            let known = Known {
                epoch: group.epoch,
                announcement: group.announcement,
                generation: group.newest_number(),
            };
            (group.id, known)
        });
        let mut replay = Replay {
            enrolled: BTreeMap::new(),
            removed: Vec::new(),
            highest: self.domain.next_member.saturating_sub(1),
            serial: self.delegation.serial(),
            groups: groups.collect(),
            retained: BTreeMap::new(),
            strangers: Vec::new(),
            refused: BTreeSet::new(),
            too_high: None,
        };
        for entry in entries {
            match entry.what {
                What::Signed { topic, hash } => replay.signed(&self.domain.prefix, topic, hash),
                What::Enrolled { member, key, name } => {
                    // Nobody who is known is put out by what a log claims of the number or key.
                    let is_known =
                        self.members.contains_key(&member) || self.index.by_key(&key).is_some();
                    if replay.counts(member) && !is_known {
                        replay.enrolled.insert(member, (key, name.to_owned()));
                    }
                }
                What::Removed { member } => replay.removed.push(member),
                What::Delegation { serial, .. } | What::Resumed { serial, .. } => {
                    if serial > u32::MAX.saturating_sub(REACH) {
                        replay.too_high = Some("serial");
                    } else {
                        replay.serial = replay.serial.max(serial);
                    }
                }
                What::Generation { group, number, .. } => replay.generation(group, number),
                // A claim, which its reader repeats.
                What::TwoDevices { .. } => {}
            }
        }
        replay
    }
}

impl Replay {
    /// Raises the highest member number, if this one is no extreme.
    fn counts(&mut self, member: MemberNumber) -> bool {
        if member.0 > self.highest.saturating_add(REACH) {
            self.too_high = Some("member");
            return false;
        }
        self.highest = self.highest.max(member.0);
        true
    }

    fn generation(&mut self, group: GroupId, number: u32) {
        match self.groups.get_mut(&group) {
            Some(known) if number > known.generation.saturating_add(REACH) => {
                self.too_high = Some("generation");
            }
            Some(known) => known.generation = known.generation.max(number),
            None => {}
        }
    }

    fn signed(&mut self, prefix: &str, topic: &str, hash: Digest) {
        match ReservedTopic::parse(prefix, topic) {
            Some(ReservedTopic::Announcement(group, epoch)) => {
                let Some(known) = self.groups.get_mut(&group) else {
                    return;
                };
                if epoch > known.epoch.saturating_add(REACH.into()) {
                    self.too_high = Some("epoch");
                    return;
                }
                if epoch > known.epoch {
                    (known.epoch, known.announcement) = (epoch, hash);
                }
                self.note(group, epoch, 0);
            }
            Some(ReservedTopic::Chunk(group, epoch, number)) => {
                // A chunk stands in the log before its announcement.
                let known = self.groups.get(&group).map_or(0, |known| known.epoch);
                if number >= MAX_CHUNKS || epoch > known.saturating_add(REACH.into()) {
                    self.too_high = Some("chunk");
                    return;
                }
                self.note(group, epoch, number.saturating_add(1));
            }
            Some(ReservedTopic::RefusedChunk(group, first)) => {
                self.refused.insert((group, first));
            }
            Some(ReservedTopic::Credential(member) | ReservedTopic::Welcome(member, _))
                if self.counts(member) =>
            {
                self.strangers.push((member, topic.to_owned()));
            }
            _ => {}
        }
    }

    fn note(&mut self, group: GroupId, epoch: u64, chunks: u32) {
        let known = self.retained.entry((group, epoch));
        let known = known.or_insert(Retained { epoch, chunks });
        known.chunks = known.chunks.max(chunks);
    }
}
