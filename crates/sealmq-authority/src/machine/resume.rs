//! Acting again after a store was put back (spec/keys.md §13, "Backups").

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::MemberNumber;
use sealmq_core::crypto::Digest;
use sealmq_core::object::Role;

use super::log::Decision;
use super::record::{self, GroupRecord, MemberRecord};
use super::removal::clear_topics;
use super::replay::{Counted, Known, Replay};
use super::suspended::{SUSPENDED_KEY, SeenGroup, SuspendedRecord};
use super::{Authority, AuthorityError, AuthorityEvent, Plan};
use crate::audit::AuditLog;
use sealmq_keys::Publication;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::VerifiedDelegation;

/// Numbers that are left out after what was seen: members may have been enrolled that no copy
/// tells of.
const MEMBER_GAP: u32 = 1024;
/// Epochs and generations that are left out if no whole log tells how far they went.
const BLIND_GAP: u32 = 1024;
/// Above every member number.
const NO_MEMBER: u32 = 1 << 28;

/// What an operator gives to [`Authority::resume`], and answers for.
#[derive(Debug, Clone, Copy, Default)]
pub struct ResumeOptions<'l> {
    /// The newest copy of the audit log that was kept elsewhere. `None`: there is no copy, and
    /// removals since the backup are **forgotten** but for those that a refused list names.
    pub log: Option<&'l [Vec<u8>]>,
    /// How far the copy goes before the first of these entries: nowhere if they are all of it. A
    /// log that does not fit into memory is verified up to the end of the store's own, and only
    /// what comes behind is given.
    pub since: AuditLog,
    /// Logs by size and head, as errors name them: one that the copy does not contain, to go on
    /// without it; or the one up to which the copy counts, if it goes on behind all that
    /// heartbeats prove.
    pub heads: &'l [AuditLog],
    /// Members that a refused list at the broker names, and that stay: the list is a thief's.
    pub keep: &'l [MemberNumber],
}

impl Authority {
    /// Makes a suspended authority act again. `delegation` is a new one, for the keys in use or
    /// for those of [`Authority::request_delegation`], with a serial above all that were seen.
    ///
    /// The log has to continue the store's own, and to contain every log that a heartbeat at the
    /// broker told of ([`Suspension::heads`](super::Suspension)): otherwise removals would be
    /// forgotten. What it has behind them counts only if its end is named. Members that it
    /// enrolled are unknown here: their keys are refused, they have to join again with new ones.
    /// Those that it removed are removed, and so are those that a refused list at the broker
    /// names. Numbers, epochs and generations go on above everything seen, every group gets a new
    /// key tree, the old ones end at once, and every member a new welcome. Join tokens are revoked:
    /// how often they were used is not known. Groups that were made since the backup have to be
    /// made again.
    ///
    /// Without a whole log, epochs and generations leave a gap of 1024.
    ///
    /// # Errors
    /// It is not suspended, the log does not continue the store's, is too short or goes too far
    /// ([`AuthorityError::LogIncomplete`], [`AuthorityError::LogUnproven`]), or the delegation is
    /// not the root's, not for these keys, not new enough, or not valid now.
    pub fn resume(
        &mut self,
        delegation: &[u8],
        options: &ResumeOptions<'_>,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        let suspended = self.suspended.clone();
        let suspended = suspended.ok_or(AuthorityError::NotSuspended)?;
        let backup = self.head.log();
        let counted = self.counted(&suspended, options)?;
        let mut replay = self.replay_of(&counted.new);
        let serial = self.highest_serial(&suspended).max(replay.serial);
        let new = self.domain.verify(delegation)?;
        if new.serial() <= serial {
            return Err(AuthorityError::Suspended { serial });
        }
        if new.continuation(delegation).is_some() {
            return Err(AuthorityError::Delegation(
                "it continues others, and a store that was put back knows too little of them: the root has to sign one that does not",
            ));
        }
        self.attempt(|this| {
            let drawn = &mut this.draws(new.serial(), now, rng);
            let mut plan = Plan::default();
            this.suspended.set(None);
            plan.changes.delete(SUSPENDED_KEY);
            this.adopt_log(options, counted.log, &mut plan);
            this.domain.change().next_member = replay
                .highest
                .max(suspended.member)
                .saturating_add(MEMBER_GAP)
                .min(NO_MEMBER);
            this.refuse_again(&suspended, options, &mut replay, &mut plan);
            this.replay(&replay, &suspended, &counted, &new, now, &mut plan)?;
            this.take_delegation(delegation, now, &mut plan)?;
            this.revoke_all_tokens(&mut plan);
            this.begin_anew(now, &mut plan, drawn)?;
            this.clear_refused(&replay, &mut plan);
            let serial = this.delegation.serial();
            plan.decisions.push(Decision::Resumed { serial, backup });
            if let Some(what) = replay.too_high {
                plan.events.push(AuthorityEvent::NumberIgnored {
                    place: "the audit log".to_owned(),
                    what,
                });
            }
            plan.events.push(AuthorityEvent::Resumed {
                serial,
                enrolled: replay.enrolled.keys().copied().collect(),
                removed: replay.removed,
                missing: counted.missing,
            });
            this.in_order(&mut plan);
            this.settle_drawn(plan, drawn, now)
        })
    }

    /// Whom a refused list at the broker names was removed, whether the log tells of it or not.
    fn refuse_again(
        &self,
        suspended: &SuspendedRecord,
        options: &ResumeOptions<'_>,
        replay: &mut Replay,
        plan: &mut Plan,
    ) {
        for member in &suspended.removed {
            if !replay.removed.contains(member) && !options.keep.contains(member) {
                replay.removed.push(*member);
                plan.decisions.push(Decision::Removed { member: *member });
            }
        }
    }

    /// Chunks of refused lists that were published after the backup was made.
    fn clear_refused(&self, replay: &Replay, plan: &mut Plan) {
        for (id, first) in &replay.refused {
            let group = self.groups.get(id);
            let mut chunks = group.into_iter().flat_map(|group| &group.refused_chunks);
            if !chunks.any(|chunk| chunk.first == first.0) {
                let topic = ReservedTopic::RefusedChunk(*id, *first);
                plan.publish(Publication::clear(topic.name(&self.domain.prefix)));
            }
        }
    }

    /// The copy's entries become this log's own: heartbeats since the backup told of them.
    fn adopt_log(&self, options: &ResumeOptions<'_>, log: AuditLog, plan: &mut Plan) {
        let entries = options.log.unwrap_or_default();
        let from = self.head.log_size;
        let first = from.saturating_sub(options.since.size);
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        for (index, entry) in (from..log.size).zip(entries.iter().skip(first)) {
            plan.changes.put(AuditLog::key(index), entry.clone());
        }
        plan.adopted = Some(log);
    }

    fn replay(
        &mut self,
        replay: &Replay,
        suspended: &SuspendedRecord,
        counted: &Counted<'_>,
        new: &VerifiedDelegation,
        now: u64,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let gap = if counted.is_whole { 0 } else { BLIND_GAP };
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
        for (id, known) in &replay.groups {
            let Some(group) = self.groups.get_mut(id) else {
                continue;
            };
            let seen = suspended.groups.get(id).copied().unwrap_or_default();
            let retained = replay.retained.iter();
            let retained = retained.filter(|((of, epoch), _)| of == id && *epoch > group.epoch);
            group.retained.extend(retained.map(|(_, old)| *old));
            group.go_beyond(*known, seen.that_counts(new), gap)?;
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
        clear_topics(&self.domain.prefix, member, plan);
        Ok(())
    }
}

impl SeenGroup {
    /// An announcement is no predecessor for members if its key signs no more under the new
    /// delegation: a thief may have made it (A41). Its number is taken all the same.
    fn that_counts(mut self, new: &VerifiedDelegation) -> Self {
        let signs = |key: &[u8; 32]| {
            new.keys()
                .any(|(_, new, roles)| roles.has(Role::Groups) && new.as_bytes() == key)
        };
        self.announced = self.announced.filter(|seen| signs(&seen.signer));
        self
    }
}

impl GroupRecord {
    /// Goes on above what is known and what was seen. Members that know another history take the
    /// new welcomes, whose serial is above all of it (spec/keys.md §7, "Replacing").
    fn go_beyond(&mut self, known: Known, seen: SeenGroup, gap: u32) -> Result<(), AuthorityError> {
        let used_up = || AuthorityError::NumbersUsedUp;
        let seen_last = seen.announced.filter(|seen| seen.epoch > known.epoch);
        self.announcement = seen_last.map_or(known.announcement, |seen| seen.hash);
        let epoch = known.epoch.max(seen.epoch);
        self.epoch = epoch.checked_add(gap.into()).ok_or_else(used_up)?;
        let newest = self.generations.last_mut().ok_or(AuthorityError::Record)?;
        let number = known.generation.max(seen.generation);
        newest.number = number.checked_add(gap).ok_or_else(used_up)?;
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
