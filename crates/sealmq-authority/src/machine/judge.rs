//! What one object at the broker says about the store (spec/keys.md §13).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use sealmq_core::crypto::{Digest, VerifyingKey, sha256};
use sealmq_core::object::{Authorities as _, ObjectError, Role};
use sealmq_core::{GroupId, MemberNumber};

use super::log::object_hash;
use super::suspended::{Announced, EvidenceKind, LOG_REACH, REACH, Seen, SeenGroup};
use super::{Authority, AuthorityError, LoadError};
use crate::audit::AuditLog;
use sealmq_keys::ReservedTopic;
use sealmq_keys::Store;
use sealmq_keys::objects::Announcement;
use sealmq_keys::objects::VerifiedDelegation;
use sealmq_keys::objects::{HeartbeatFields, VerifiedHeartbeat};
use sealmq_keys::objects::{REMOVED, RefusedChunk, RefusedList, RefusedRun};

/// What an object with a valid signature tells.
pub(super) enum Judged {
    /// A number in it is too far above the own ones; which.
    TooHigh(&'static str),
    Seen(Seen),
    /// Something that the store does not know.
    Against(EvidenceKind, ReservedTopic, Seen),
}

/// Above the own number by more than anything that happened since could explain.
fn is_beyond(seen: impl Into<u64>, own: impl Into<u64>) -> bool {
    seen.into() > own.into().saturating_add(REACH.into())
}

impl Authority {
    /// Verifies under the own delegation, or under a later one of the root that was seen.
    pub(super) fn verified<T>(
        &self,
        verify: impl Fn(&VerifiedDelegation) -> Result<T, ObjectError>,
    ) -> Option<(T, Option<VerifiedDelegation>)> {
        if let Ok(object) = verify(&self.delegation) {
            return Some((object, None));
        }
        let seen = &self.suspended.as_ref()?.delegation;
        let seen = self.domain.verify(seen).ok()?;
        Some((verify(&seen).ok()?, Some(seen)))
    }

    pub(super) fn judge_delegation(&self, payload: &[u8]) -> Option<Judged> {
        let root = VerifyingKey::from_bytes(&self.domain.root_key).ok()?;
        let seen = VerifiedDelegation::verify(payload, &root).ok()?;
        let known = &self.delegation;
        let serial = seen.serial();
        // The root may jump, but has to have room for a next one.
        if serial > u32::MAX.saturating_sub(REACH) {
            return Some(Judged::TooHigh("serial"));
        }
        let other = serial == known.serial() && seen.hash() != known.hash();
        if serial <= known.serial() && !other {
            return None;
        }
        let seen = Seen {
            serial,
            delegation: Some(payload.to_vec()),
            ..Seen::default()
        };
        let ours = ReservedTopic::Delegation;
        Some(Judged::Against(EvidenceKind::Delegation, ours, seen))
    }

    pub(super) fn judge_announcement(
        &self,
        group: GroupId,
        epoch: u64,
        payload: &[u8],
        expected: &[u8],
    ) -> Option<Judged> {
        let prefix = &self.domain.prefix;
        let (seen, later) = self.verified(|by| Announcement::verify(payload, by, prefix))?;
        let head = seen.head();
        if head.group != group || head.epoch != epoch {
            return None;
        }
        let ours = self.groups.get(&group);
        let current = ours.map_or(0, |group| group.epoch);
        let generation = head.generations.iter().map(|of| of.number).max();
        let generation = generation.unwrap_or(0);
        if is_beyond(epoch, current) {
            return Some(Judged::TooHigh("epoch"));
        }
        if is_beyond(generation, ours.map_or(0, |group| group.newest_number())) {
            return Some(Judged::TooHigh("generation"));
        }
        let signer = later.as_ref().unwrap_or(&self.delegation);
        let signer = signer.authority_key(head.serial, head.signer, Role::Groups)?;
        let found = SeenGroup {
            epoch,
            generation,
            announced: Some(Announced {
                epoch,
                hash: *seen.hash(),
                signer: *signer.as_bytes(),
            }),
        };
        let found = Seen {
            serial: head.serial,
            group: ours.map(|_| (group, found)),
            ..Seen::default()
        };
        let at = ReservedTopic::Announcement(group, epoch.min(current));
        let kind = if epoch > current {
            EvidenceKind::LaterEpoch
        } else if object_hash(expected)? != *seen.hash() {
            EvidenceKind::OtherEpoch
        } else {
            return None;
        };
        Some(Judged::Against(kind, at, found))
    }

    pub(super) fn judge_heartbeat<S: Store>(
        &self,
        store: &S,
        group: GroupId,
        payload: &[u8],
    ) -> Result<Option<Judged>, LoadError<S::Error>> {
        let seen =
            self.verified(|by| VerifiedHeartbeat::verify(payload, by).map(|seen| *seen.fields()));
        let Some((fields, _)) = seen.filter(|(fields, _)| fields.group == group) else {
            return Ok(None);
        };
        let ours = self.groups.get(&group);
        let known = ours.map_or(0, |group| group.epoch);
        if is_beyond(fields.epoch, known) {
            return Ok(Some(Judged::TooHigh("epoch")));
        }
        let own = self.head.log_size;
        if fields.log_size > own.saturating_add(LOG_REACH) {
            return Ok(Some(Judged::TooHigh("log_size")));
        }
        let is_longer = fields.log_size > own;
        let is_other = !is_longer && self.has_other_log(store, &fields)?;
        let found = SeenGroup {
            epoch: fields.epoch,
            ..SeenGroup::default()
        };
        let found = Seen {
            serial: fields.serial,
            group: ours.map(|_| (group, found)),
            has_beat: true,
            head: (is_longer || is_other).then_some(AuditLog {
                size: fields.log_size,
                head: fields.log_head,
            }),
            ..Seen::default()
        };
        let is_fork = ours.is_some_and(|ours| {
            ours.epoch == fields.epoch && ours.announcement != fields.announcement
        });
        let beat = ReservedTopic::Heartbeat(group);
        let (kind, at) = if fields.epoch > known {
            (EvidenceKind::LaterEpoch, beat)
        } else if is_fork {
            let at = ReservedTopic::Announcement(group, known);
            (EvidenceKind::OtherEpoch, at)
        } else if is_longer {
            (EvidenceKind::LongerLog, beat)
        } else if is_other {
            (EvidenceKind::OtherLog, beat)
        } else {
            return Ok(Some(Judged::Seen(found)));
        };
        Ok(Some(Judged::Against(kind, at, found)))
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

    /// A list names whom the authority has removed: nobody of them comes back. Of one in chunks
    /// those tell, which have no signature of their own.
    pub(super) fn judge_refused(&mut self, group: GroupId, payload: &[u8]) -> Option<Judged> {
        let (serial, members, chunks) = self
            .verified(|by| {
                let list = RefusedList::verify(payload, by)?;
                if *list.group() != group {
                    return Err(ObjectError::Field("group"));
                }
                let chunks: Vec<RefusedChunk> = list.chunks().collect();
                Ok((
                    by.serial(),
                    list.run().map(removed).unwrap_or_default(),
                    chunks,
                ))
            })?
            .0;
        if !chunks.is_empty() {
            self.listed.note(group, serial, &chunks);
            return None;
        }
        self.judge_removed(ReservedTopic::RefusedList(group), serial, members)
    }

    /// A chunk that a list names which was seen before.
    pub(super) fn judge_refused_chunk(
        &self,
        group: GroupId,
        first: MemberNumber,
        payload: &[u8],
    ) -> Option<Judged> {
        let (serial, chunk) = self.listed.find(group, first, payload)?;
        let members = removed(chunk.run(payload).ok()?);
        let at = ReservedTopic::RefusedChunk(group, first);
        self.judge_removed(at, serial, members)
    }

    fn judge_removed(
        &self,
        at: ReservedTopic,
        serial: u32,
        members: BTreeSet<MemberNumber>,
    ) -> Option<Judged> {
        let next = self.domain.next_member;
        let member = members.last()?.0;
        if is_beyond(member, next) {
            return Some(Judged::TooHigh("member"));
        }
        let removed: BTreeSet<MemberNumber> = members
            .into_iter()
            .filter(|number| self.members.get(number).is_some_and(|m| m.is_active()))
            .collect();
        let is_unknown = !removed.is_empty() || member >= next;
        let seen = Seen {
            serial,
            removed,
            member,
            ..Seen::default()
        };
        Some(if is_unknown {
            Judged::Against(EvidenceKind::Removal, at, seen)
        } else {
            Judged::Seen(seen)
        })
    }
}

fn removed(run: RefusedRun<'_>) -> BTreeSet<MemberNumber> {
    let removed = run.iter().filter(|one| one.lowest_serial == REMOVED);
    removed.map(|one| one.member).collect()
}

/// Chunks that refused lists name which were seen and are not the store's: an object of the
/// authority's own that came with its list only.
#[derive(Default)]
pub(super) struct SeenChunks(BTreeMap<(GroupId, Digest), (u32, RefusedChunk)>);

/// As many as two of the longest lists name.
const MAX_SEEN_CHUNKS: usize = 4096;

impl SeenChunks {
    fn note(&mut self, group: GroupId, serial: u32, chunks: &[RefusedChunk]) {
        if self.0.len().saturating_add(chunks.len()) > MAX_SEEN_CHUNKS {
            self.0.clear();
        }
        let chunks = chunks.iter().map(|one| ((group, one.hash), (serial, *one)));
        self.0.extend(chunks);
    }

    fn find(
        &self,
        group: GroupId,
        first: MemberNumber,
        payload: &[u8],
    ) -> Option<(u32, RefusedChunk)> {
        let found = self.0.get(&(group, sha256(&[payload]))).copied();
        found.filter(|(_, chunk)| chunk.first == first)
    }
}
