//! Acting again after a store was put back (spec/keys.md §13, "Backups").

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::Digest;
use sealmq_core::{GroupId, MemberNumber};

use super::log::Decision;
use super::observe::{SUSPENDED_KEY, SeenGroup, SuspendedRecord};
use super::record::{self, GroupRecord, MemberRecord, Retained};
use super::{Authority, AuthorityError, AuthorityEvent, Plan};
use crate::audit::{AuditLog, Continuation, Entry, What};
use crate::outputs::Publication;
use crate::reserved::ReservedTopic;

/// Numbers that are left out after what was seen: members may have been enrolled that no copy
/// tells of.
const MEMBER_GAP: u32 = 1024;
/// Epochs and generations that are left out if there is no log to tell how far they went.
const BLIND_GAP: u32 = 1024;

/// What happened after the backup was made.
#[derive(Default)]
struct Replay {
    enrolled: BTreeMap<MemberNumber, ([u8; 32], String)>,
    removed: Vec<MemberNumber>,
    /// The highest number that anything was published for.
    highest: u32,
    serial: u32,
    groups: BTreeMap<GroupId, SeenGroup>,
    retained: BTreeMap<(GroupId, u64), Retained>,
    /// Retained objects of members that this authority does not know.
    strangers: Vec<(MemberNumber, String)>,
}

impl Replay {
    fn of(entries: &[Entry<'_>], prefix: &str) -> Self {
        let mut replay = Self::default();
        for entry in entries {
            match entry.what {
                What::Signed { topic, hash } => replay.signed(prefix, topic, hash),
                What::Enrolled { member, key, name } => {
                    replay.enrolled.insert(member, (key, name.to_owned()));
                    replay.highest = replay.highest.max(member.0);
                }
                What::Removed { member } => replay.removed.push(member),
                What::Delegation { serial, .. } | What::Resumed { serial, .. } => {
                    replay.serial = replay.serial.max(serial);
                }
                What::Generation { group, number, .. } => {
                    let seen = SeenGroup {
                        generation: number,
                        ..SeenGroup::default()
                    };
                    replay.groups.entry(group).or_default().raise(seen);
                }
            }
        }
        replay
    }

    fn signed(&mut self, prefix: &str, topic: &str, hash: Digest) {
        match ReservedTopic::parse(prefix, topic) {
            Some(ReservedTopic::Announcement(group, epoch)) => {
                let seen = SeenGroup {
                    epoch,
                    announcement: hash,
                    generation: 0,
                };
                self.groups.entry(group).or_default().raise(seen);
                self.note(group, epoch, 0);
            }
            Some(ReservedTopic::Chunk(group, epoch, number)) => {
                self.note(group, epoch, number.saturating_add(1));
            }
            Some(ReservedTopic::Credential(member) | ReservedTopic::Welcome(member, _)) => {
                self.highest = self.highest.max(member.0);
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

impl Authority {
    /// Makes a suspended authority act again. `delegation` is a new one, for the keys in use or
    /// for those of [`Authority::request_delegation`], with a serial above all that were seen.
    ///
    /// `log` is the newest copy of the audit log that was kept elsewhere; it has to continue the
    /// store's own. Members that it enrolled are unknown here: their keys are refused, they have
    /// to join again with new ones. Those that it removed are removed. Numbers, epochs and
    /// generations go on above everything seen, every group gets a new key tree, the old ones end
    /// at once, and every member a new welcome. Join tokens are revoked: how often they were used
    /// is not known. Groups that were made since the backup have to be made again.
    ///
    /// `None` stands for "there is no copy". Removals since the backup are then **forgotten**,
    /// and have to be repeated by hand; epochs and generations leave a gap of 1024.
    ///
    /// # Errors
    /// It is not suspended, the log does not continue the store's, or the delegation is not the
    /// root's, not for these keys, not new enough, or not valid now.
    pub fn resume(
        &mut self,
        delegation: &[u8],
        log: Option<&[Vec<u8>]>,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        self.check_loaded()?;
        let suspended = self.suspended.clone();
        let suspended = suspended.ok_or(AuthorityError::NotSuspended)?;
        let backup = self.head.log();
        let entries = log.unwrap_or_default().iter().map(Vec::as_slice);
        let known = match log {
            Some(_) => backup.continued_by(entries).map_err(AuthorityError::Log)?,
            None => Continuation {
                log: backup,
                new: Vec::new(),
            },
        };
        let replay = Replay::of(&known.new, &self.domain.prefix);
        let serial = self.highest_serial(&suspended).max(replay.serial);
        if self.domain.verify(delegation)?.serial() <= serial {
            return Err(AuthorityError::Suspended { serial });
        }
        let next = self.next_member_after(&replay)?;

        let serial = self.domain.verify(delegation)?.serial();
        let drawn = &mut self.draws(serial, now, rng);
        let mut plan = Plan::default();
        self.suspended = None;
        self.touched = true;
        plan.changes.delete(SUSPENDED_KEY);
        self.adopt_log(log.unwrap_or_default(), known.log, &mut plan);
        self.domain.next_member = next;
        let gap = if log.is_some() { 0 } else { BLIND_GAP };
        let result = self
            .replay(&replay, &suspended, gap, now, &mut plan)
            .and_then(|()| self.take_delegation(delegation, now, &mut plan))
            .and_then(|()| self.begin_anew(now, &mut plan, drawn));
        let serial = self.delegation.serial();
        plan.decisions.push(Decision::Resumed { serial, backup });
        plan.events.push(AuthorityEvent::Resumed {
            serial,
            enrolled: replay.enrolled.keys().copied().collect(),
            removed: replay.removed,
        });
        self.in_order(&mut plan);
        self.settle_drawn(result.map(|()| plan), drawn, now)
    }

    fn next_member_after(&self, replay: &Replay) -> Result<u32, AuthorityError> {
        let highest = self
            .domain
            .next_member
            .saturating_sub(1)
            .max(replay.highest);
        let next = highest.saturating_add(MEMBER_GAP);
        let next = MemberNumber(next).is_valid().then_some(next);
        next.ok_or(AuthorityError::NumbersUsedUp)
    }

    /// The copy's entries become this log's own: heartbeats since the backup told of them.
    fn adopt_log(&self, entries: &[Vec<u8>], log: AuditLog, plan: &mut Plan) {
        let from = self.head.log_size;
        let first = usize::try_from(from).unwrap_or(usize::MAX);
        for (index, entry) in (from..).zip(entries.iter().skip(first)) {
            plan.changes.put(AuditLog::key(index), entry.clone());
        }
        plan.adopted = Some(log);
    }

    fn replay(
        &mut self,
        replay: &Replay,
        suspended: &SuspendedRecord,
        gap: u32,
        now: u64,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        for (number, (key, name)) in &replay.enrolled {
            let member = MemberRecord::unknown(*number, *key, name, now);
            record::put(&mut plan.changes, member.key(), &member)?;
            self.index.add(&member);
            self.members.insert(*number, member);
        }
        for (member, topic) in &replay.strangers {
            if replay.enrolled.contains_key(member) {
                plan.publish(Publication::clear(topic.as_str()));
            }
        }
        for number in &replay.removed {
            self.remove_replayed(*number, now, plan)?;
        }
        for (id, group) in &mut self.groups {
            let mut seen = SeenGroup::default();
            for other in [replay.groups.get(id), suspended.groups.get(id)] {
                seen.raise(other.copied().unwrap_or_default());
            }
            let retained = replay.retained.iter();
            let retained = retained.filter(|((of, epoch), _)| of == id && *epoch > group.epoch);
            group.retained.extend(retained.map(|(_, old)| *old));
            group.go_beyond(seen, gap)?;
            record::put(&mut plan.changes, group.key(), group)?;
        }
        Ok(())
    }

    /// A member that was removed after the backup. Its keys end with the trees that it knows.
    fn remove_replayed(
        &mut self,
        number: MemberNumber,
        now: u64,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let Some(member) = self.members.get_mut(&number).filter(|m| m.is_active()) else {
            return Ok(());
        };
        self.index.take_out(member);
        member.removed_at = Some(now);
        member.packages = Vec::new();
        self.index.add(member);
        record::put(&mut plan.changes, member.key(), member)?;
        for grant in &member.grants {
            let topic = ReservedTopic::Welcome(number, grant.group).name(&self.domain.prefix);
            plan.publish(Publication::clear(topic));
        }
        Ok(())
    }
}

impl GroupRecord {
    /// Goes on above what was seen. Members that know another history take the new welcomes,
    /// whose serial is above all of it (spec/keys.md §7, "Replacing").
    fn go_beyond(&mut self, seen: SeenGroup, gap: u32) -> Result<(), AuthorityError> {
        if seen.epoch > self.epoch {
            self.epoch = seen.epoch;
            self.announcement = seen.announcement;
        }
        self.epoch = self.epoch.saturating_add(gap.into());
        let newest = self.generations.last_mut().ok_or(AuthorityError::Record)?;
        newest.number = newest
            .number
            .max(seen.generation)
            .checked_add(gap)
            .ok_or(AuthorityError::NumbersUsedUp)?;
        Ok(())
    }
}

impl MemberRecord {
    /// Somebody enrolled after the backup: only number and key are known, and never used again.
    fn unknown(number: MemberNumber, key: [u8; 32], name: &str, now: u64) -> Self {
        Self {
            number,
            name: name.to_owned(),
            key,
            request: Digest::ZERO,
            credential_serial: 0,
            issued_at: now,
            not_after: now,
            latest_expiry: now,
            validity: 0,
            grants: Vec::new(),
            packages: Vec::new(),
            last_package: 0,
            removed_at: Some(now),
        }
    }
}
