//! Announcements at a member: in any order, as far as they lead (spec/keys.md §7).

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::crypto::Digest;
use sealmq_core::object::ObjectError;

use super::candidates::{Waits, Wanted};
use super::event::MemberEvent;
use super::older::Before;
use super::outcome::{BadObject, Handled};
use super::pending::waits_for_keys;
use super::types::{Action, Now};
use super::{Member, seconds};
use crate::announcement::UnverifiedAnnouncement;
use crate::group::{Chunk, FollowContext, FollowError, Followed};
use crate::reserved::ReservedTopic;
use crate::store::Changes;

/// What became of one announcement.
enum Step {
    Followed,
    /// Known before.
    Known,
    /// Kept, for a reason that only time can change.
    Kept,
    /// Kept until a healing announcement was followed, which it names.
    Needs,
}

impl Member {
    pub(super) fn handle_announcement(
        &mut self,
        id: GroupId,
        epoch: u64,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Handled, BadObject> {
        let granted = self.own.grant(&id).is_some();
        if !granted && !self.groups.contains_key(&id) {
            return Ok(Handled::Ignored);
        }
        let unverified = UnverifiedAnnouncement::decode(payload)?;
        if *unverified.group() != id {
            return Err(ObjectError::Field("group").into());
        }
        if unverified.epoch() != epoch {
            return Err(ObjectError::Field("epoch").into());
        }
        let group = self.groups.entry(id).or_default();
        if group.candidates.bytes(epoch) == Some(payload) {
            // Whatever lets a kept one be followed looks for it.
            return Ok(Handled::Kept);
        }
        let Some(state) = &group.state else {
            // The welcome has not come yet. Verified before it is kept (threat model F4).
            let hash = *unverified.hash();
            self.stats.announcements_verified = self.stats.announcements_verified.saturating_add(1);
            let announcement = unverified.verify(&self.delegation, &self.prefix)?;
            group.list(announcement.head());
            group.candidates.keep(epoch, &hash, payload, Waits::Nothing);
            return Ok(Handled::Kept);
        };
        let hash = *unverified.hash();
        // A welcome moves the base on, and leaves epochs of the window below it: another
        // announcement of one of them is a fork all the same.
        let known = state.announcement_hash(epoch);
        if known.map_or(epoch < state.base_epoch(), |known| *known == hash) {
            // Followed before, and published again with each heartbeat.
            return Ok(Handled::Ignored);
        }
        let referenced = group
            .wanted
            .filter(|w| *w == Wanted { epoch, hash })
            .map(|w| w.hash);
        match self.follow_one(id, epoch, payload, referenced, now, actions)? {
            Step::Known => Ok(Handled::Ignored),
            Step::Kept | Step::Needs => {
                self.follow_candidates(id, now, actions);
                Ok(Handled::Kept)
            }
            Step::Followed => {
                self.follow_candidates(id, now, actions);
                Ok(Handled::Installed)
            }
        }
    }

    /// Follows one announcement, or keeps it for later.
    fn follow_one(
        &mut self,
        id: GroupId,
        epoch: u64,
        bytes: &[u8],
        referenced: Option<Digest>,
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Step, BadObject> {
        let Some(group) = self.groups.get_mut(&id) else {
            return Ok(Step::Known);
        };
        let Some(state) = &mut group.state else {
            return Ok(Step::Known);
        };
        let context = FollowContext {
            authorities: &self.delegation,
            prefix: &self.prefix,
            now: seconds(now),
            referenced,
            chunk: group.chunks.get(epoch).map(Chunk::Bytes),
        };
        let before = Before::of(Some(state.as_ref()));
        let verified = group.candidates.has_verified(epoch, bytes);
        let result = state.follow_kept(bytes, &context, verified);
        let skipped = state.missing().any(|missing| missing == epoch);
        let stats = &mut self.stats;
        if !verified && !matches!(result, Err(FollowError::Object(ObjectError::Role))) {
            stats.announcements_verified = stats.announcements_verified.saturating_add(1);
        }
        if matches!(
            result,
            Ok(Followed::Filled { .. } | Followed::Current { .. }) | Err(FollowError::WrongSecret)
        ) {
            stats.announcements_unwrapped = stats.announcements_unwrapped.saturating_add(1);
        }
        let Ok(hash) = UnverifiedAnnouncement::decode(bytes).map(|known| *known.hash()) else {
            return Ok(Step::Known);
        };
        match &result {
            Ok(_)
            | Err(
                FollowError::NeedsHealing { .. }
                | FollowError::NeedsChunk { .. }
                | FollowError::NotCovered,
            ) => group.list_bytes(bytes),
            // What contradicts the chain under a newer delegation will replace it: the welcome
            // needs packages that are made for what it says.
            Err(FollowError::Fork(_) | FollowError::TooOld | FollowError::TooFar) => {
                group.list_newer(bytes);
            }
            Err(_) => {}
        }
        match result {
            Ok(Followed::AlreadyKnown) => {
                group.candidates.drop(epoch);
                Ok(Step::Known)
            }
            Ok(followed) => {
                let mut changes = Changes::new();
                group.candidates.drop(epoch);
                if let Some(state) = &group.state {
                    group.candidates.prune(state.base_epoch());
                    group.evidence.followed(state, epoch, bytes, &mut changes);
                }
                group.settle_leases(now);
                group.refresh();
                self.topics.set(id, group.state.as_deref());
                // It may be of a delegation that the current one does not continue: only its
                // successor vouches for it.
                let delegation = &self.delegation;
                group.end_kept(&id, |serial| delegation.continues(serial), &mut changes);
                group.settle_kept(&id, before, &mut changes);
                group.put_state(&mut changes);
                let mut event = None;
                if let Followed::Current { epoch, healed } = followed {
                    group.settle_lists(&mut changes);
                    let name = group.name().to_owned();
                    event = Some(MemberEvent::Epoch {
                        group: id,
                        name,
                        epoch,
                        healing: healed,
                    });
                }
                actions.push(Action::Commit(changes));
                actions.extend(event.map(Action::Event));
                self.keys_changed(id, now, actions);
                Ok(Step::Followed)
            }
            Err(FollowError::NeedsHealing {
                epoch: wanted,
                hash: named,
            }) => {
                let wanted = Wanted {
                    epoch: wanted,
                    hash: named,
                };
                let waits = Waits::Healing(wanted);
                group.candidates.keep(epoch, &hash, bytes, waits);
                Ok(Step::Needs)
            }
            Err(FollowError::NeedsChunk { epoch, chunk }) => {
                group.candidates.keep(epoch, &hash, bytes, Waits::Chunk);
                if group.chunks.want(epoch, chunk.number, chunk.hash) {
                    let topic = ReservedTopic::Chunk(id, epoch, chunk.number).name(&self.prefix);
                    actions.push(Action::Subscribe(topic));
                }
                Ok(Step::Kept)
            }
            Err(FollowError::NotCovered) => {
                // A new welcome may follow that makes use of it.
                group.candidates.keep(epoch, &hash, bytes, Waits::Welcome);
                self.left_out(id, epoch, bytes, actions);
                Ok(Step::Kept)
            }
            Err(FollowError::Object(ObjectError::Role))
                if skipped && !group.candidates.has_another_verified(epoch, bytes) =>
            {
                // Perhaps of an older delegation: the epoch after it may vouch for it later. Anybody
                // can make one like it, so the last one counts: the authority answers with its own.
                group.candidates.keep(epoch, &hash, bytes, Waits::Voucher);
                Ok(Step::Kept)
            }
            Err(error) => {
                // Another one that is kept is none of the business of whoever sent this.
                group.candidates.drop_this(epoch, bytes);
                if let FollowError::Fork(fork) = &error {
                    actions.push(group.fork_event(id, fork, bytes));
                }
                Err(BadObject::Follow(error))
            }
        }
    }

    /// Follows kept announcements as long as that leads on: the oldest first, each when what it
    /// waits for is there.
    pub(super) fn follow_candidates(&mut self, id: GroupId, now: Now, actions: &mut Vec<Action>) {
        loop {
            let kept = self.groups.get(&id);
            let kept = kept.map(|group| group.candidates.epochs());
            let mut progress = false;
            for epoch in kept.unwrap_or_default() {
                progress |= self.follow_kept(id, epoch, now, actions);
            }
            // One that was followed vouches for the one before it, and one that needs another for
            // that.
            if !progress {
                break;
            }
        }
        let missing = self.groups.get(&id);
        let missing = missing.and_then(|group| group.candidates.missing(group.wanted));
        self.want(id, missing, now, actions);
        self.end_chunks(id, actions);
    }

    /// Tries one kept announcement, if it may be followed. `true` if that leads on.
    fn follow_kept(
        &mut self,
        id: GroupId,
        epoch: u64,
        now: Now,
        actions: &mut Vec<Action>,
    ) -> bool {
        let ready = self.groups.get(&id).and_then(|group| {
            let referenced = group.is_ready(epoch)?;
            Some((group.candidates.bytes(epoch)?.to_vec(), referenced))
        });
        let Some((bytes, referenced)) = ready else {
            return false;
        };
        // BadObjects were counted when the object came in.
        let step = self.follow_one(id, epoch, &bytes, referenced, now, actions);
        matches!(step, Ok(Step::Followed | Step::Needs))
    }

    /// Another healing announcement is needed before all others. If it was asked for one of them
    /// already, each of them is asked for at once: a chain that was refused before anything vouched
    /// for it is not waited for link by link.
    fn want(&mut self, id: GroupId, missing: Option<Wanted>, now: Now, actions: &mut Vec<Action>) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let Some(next) = missing.filter(|next| group.wanted != Some(*next)) else {
            return;
        };
        let before = group.wanted.replace(next);
        if let Some(before) = before
            && group.asking_wanted.reset()
        {
            let topic = |epoch| ReservedTopic::Announcement(id, epoch).name(&self.prefix);
            actions.push(Action::Unsubscribe(topic(before.epoch)));
            actions.push(Action::Subscribe(topic(next.epoch)));
            group.asking_wanted.asked(now);
        }
    }

    /// After an epoch was installed: what was asked for, old session keys, waiting messages.
    fn keys_changed(&mut self, id: GroupId, now: Now, actions: &mut Vec<Action>) {
        if let Some(group) = self.groups.get_mut(&id)
            && let Some(wanted) = group.wanted
            && let Some(state) = &group.state
            && (state.announcement_hash(wanted.epoch).is_some()
                || wanted.epoch < state.base_epoch())
        {
            group.wanted = None;
            if group.asking_wanted.reset() {
                let topic = ReservedTopic::Announcement(id, wanted.epoch).name(&self.prefix);
                actions.push(Action::Unsubscribe(topic));
            }
        }
        self.forget_old_sessions();
        self.take_kept_list(id, now, actions);
        self.retry(now, actions, waits_for_keys);
        // Records of sessions of this epoch may have come before it.
        self.session_records.ask_again();
        self.ask_for_records(now, actions);
        self.retry_refused(id, now, actions);
    }
}
