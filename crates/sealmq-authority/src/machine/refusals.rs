//! The refused lists of groups (spec/keys.md §7): in one object, or in chunks of which a removal
//! changes one.

use alloc::vec;
use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::MemberNumber;
use sealmq_core::crypto::{Digest, sha256};
use sealmq_core::object::Role;

use super::record::{GroupRecord, RefusedChunkRecord};
use super::{Authority, AuthorityError, Plan};
use sealmq_keys::Publication;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::{
    MAX_REFUSED_LEN, MAX_REFUSED_RUN, REMOVED, Refusal, RefusedChunk, RefusedList,
};

/// Records of a chunk that was cut, so that others fit in.
const CUT_AT: usize = 768;
/// Two neighbours with fewer records together become one chunk.
const JOIN_BELOW: usize = 512;
/// With more chunks they are cut anew, full: a list of 64 KiB names some 1,800.
const MOST_CHUNKS: usize = 1700;
/// Of a list in chunks records end by the week, so that a day without removals changes nothing.
const WEEK: u64 = 7 * 86400;

/// What a group's list is now.
pub(super) struct Listed {
    pub(super) hash: Digest,
    pub(super) chunks: Vec<RefusedChunkRecord>,
}

impl Authority {
    /// Publishes the refused list, and of its chunks those that changed; returns what the
    /// announcement names.
    ///
    /// The list is made anew from the members' records each time, so that a clock that was wrong
    /// for a while has forgotten nobody for good.
    pub(super) fn publish_refused(
        &self,
        id: GroupId,
        now: u64,
        plan: &mut Plan,
    ) -> Result<Listed, AuthorityError> {
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        let group = self.groups.get(&id).ok_or_else(missing)?;
        let name = |topic: ReservedTopic| topic.name(&self.domain.prefix);
        let list = name(ReservedTopic::RefusedList(id));
        let mut refusals = self.refusals(group, now);
        let in_chunks = refusals.len() > MAX_REFUSED_RUN;
        if in_chunks {
            refusals = self.refusals(group, now.saturating_sub(now % WEEK));
        }
        let mut listed = Listed {
            hash: Digest::ZERO,
            chunks: Vec::new(),
        };
        let mut runs = Vec::new();
        if in_chunks {
            let before: Vec<u32> = group.refused_chunks.iter().map(|c| c.first).collect();
            for (first, run) in cut(&refusals, &before) {
                let bytes: Vec<u8> = run.iter().flat_map(Refusal::encode).collect();
                let chunk = RefusedChunkRecord {
                    first,
                    hash: sha256(&[&bytes]),
                };
                if !group.refused_chunks.contains(&chunk) {
                    let topic = ReservedTopic::RefusedChunk(id, MemberNumber(first));
                    runs.push(Publication::retained(name(topic), bytes));
                }
                listed.chunks.push(chunk);
            }
        }
        if refusals.is_empty() {
            if group.refused != Digest::ZERO {
                plan.publish(Publication::clear(list));
            }
        } else {
            let (signer, key) = self.signer(Role::Groups)?;
            let (domain, serial) = (self.domain.domain, self.delegation.serial());
            let mut buffer = vec![0; MAX_REFUSED_LEN];
            let out = buffer.as_mut_slice();
            let (object, hash) = if in_chunks {
                let chunks: Vec<RefusedChunk> = listed.chunks.iter().map(named).collect();
                RefusedList::sign_chunks(domain, serial, signer, id, &chunks, key, out)?
            } else {
                RefusedList::sign(domain, serial, signer, id, &refusals, key, out)?
            };
            listed.hash = hash;
            if hash != group.refused {
                plan.publish(Publication::retained(list, object));
            }
        }
        for run in runs {
            plan.publish(run);
        }
        for old in &group.refused_chunks {
            if listed.chunks.iter().all(|chunk| chunk.first != old.first) {
                let topic = ReservedTopic::RefusedChunk(id, MemberNumber(old.first));
                plan.publish(Publication::clear(name(topic)));
            }
        }
        Ok(listed)
    }

    /// Whom a group refuses: everyone removed, until no reader accepts the credential any more,
    /// whose clock may be behind by the policy's skew.
    pub(super) fn refusals(&self, group: &GroupRecord, now: u64) -> Vec<Refusal> {
        let skew = u64::from(group.policy.skew);
        let removed = self.index.removed(&group.id);
        removed
            .filter(|(_, latest_expiry)| latest_expiry.saturating_add(skew) >= now)
            .map(|(member, _)| Refusal {
                member,
                lowest_serial: REMOVED,
            })
            .collect()
    }
}

/// The end follows from the next one's beginning.
fn named(chunk: &RefusedChunkRecord) -> RefusedChunk {
    RefusedChunk {
        first: MemberNumber(chunk.first),
        end: MemberNumber(0),
        hash: chunk.hash,
    }
}

/// Cuts a list of more records than one chunk holds where it was cut before, so that what nobody
/// changed stays as it is: the lowest member of each chunk, and its records.
fn cut<'r>(refusals: &'r [Refusal], before: &[u32]) -> Vec<(u32, &'r [Refusal])> {
    let mut cut = cut_again(refusals, before, CUT_AT);
    if cut.len() > MOST_CHUNKS {
        cut = cut_again(refusals, &[], MAX_REFUSED_RUN);
    }
    cut
}

fn cut_again<'r>(
    refusals: &'r [Refusal],
    before: &[u32],
    size: usize,
) -> Vec<(u32, &'r [Refusal])> {
    // Where each chunk begins: the lowest member that it can name, and its first record.
    let mut cuts: Vec<(u32, usize)> = Vec::new();
    let (mut first, mut start) = (1, 0);
    let later = before.iter().skip(1).copied();
    for next in later.chain([u32::MAX]) {
        let end = refusals.partition_point(|one| one.member.0 < next);
        let len = end.saturating_sub(start);
        let step = if len > MAX_REFUSED_RUN { size } else { len };
        for at in (start..end).step_by(step.max(1)) {
            let member = refusals.get(at).map(|one| one.member.0);
            cuts.push(match member {
                Some(member) if at > start => (member, at),
                _ => (first, at),
            });
        }
        (first, start) = (next, end);
    }
    if let Some((first, _)) = cuts.first_mut() {
        *first = 1;
    }
    let mut at = 0;
    while let Some((_, start)) = cuts.get(at).copied() {
        let next = at.saturating_add(1);
        let end = cuts.get(next.saturating_add(1)).map(|(_, start)| *start);
        let joined = end.unwrap_or(refusals.len()).saturating_sub(start);
        if next < cuts.len() && joined < JOIN_BELOW {
            cuts.remove(next);
        } else {
            at = next;
        }
    }
    let ends = cuts.iter().skip(1).map(|(_, start)| *start);
    let ends = ends.chain([refusals.len()]);
    let runs = cuts.iter().zip(ends);
    let runs = runs.filter_map(|((first, start), end)| Some((*first, refusals.get(*start..end)?)));
    runs.collect()
}

#[cfg(test)]
#[path = "refusals_tests.rs"]
mod tests;
