//! Keys for state at a member (spec/keys.md §7, "Kept keys"): those of before the newest ones,
//! which a reader keeps as far as the policy says, and gets from the list of kept keys.

use alloc::vec::Vec;

use sealmq_core::object::ObjectError;
use sealmq_core::{GroupId, KeyId};

use super::Member;
use super::groups::Group;
use super::older::{Before, StateKeys, WentBack};
use super::outcome::{BadObject, Handled};
use super::pending::waits_for_keys;
use super::types::{Action, Now};
use crate::objects::KeptKeys;
use crate::store::Changes;
use crate::tree::Half;

impl Group {
    /// After the state changed: what was the newest is an older one now, and the policy may be
    /// another one.
    pub(super) fn settle_kept(&mut self, id: &GroupId, before: Before, changes: &mut Changes) {
        let most = self.most_kept();
        self.older.settle(self.state.as_deref(), before, most);
        self.older.put(id, changes);
    }

    /// How many kept epochs before the newest one the policy keeps: none, until an announcement
    /// says so.
    fn most_kept(&self) -> u8 {
        let policy = self.state.as_ref().and_then(|state| state.policy());
        policy.map_or(0, |policy| policy.kept)
    }

    /// Deletes the kept keys of delegations that `continues` does not name.
    pub(super) fn end_kept(
        &mut self,
        id: &GroupId,
        continues: impl Fn(u32) -> bool,
        changes: &mut Changes,
    ) {
        if self.older.end(&continues) {
            self.older.put(id, changes);
        }
        let ended = self
            .state
            .as_mut()
            .is_some_and(|state| state.end_kept(continues));
        if ended {
            self.state_session = None;
            self.put_state(changes);
        }
    }

    /// Forgets all older ones: the state was replaced.
    pub(super) fn forget_kept(&mut self, id: &GroupId, changes: &mut Changes) {
        self.older.0.clear();
        self.older.put(id, changes);
        self.kept_list = None;
        self.state_session = None;
    }

    /// The keys that open state under this name.
    pub(super) fn state_keys(&self, id: &KeyId) -> Option<StateKeys<'_>> {
        self.all_state_keys()
            .find(|keys| KeyId::of(&keys.name) == *id)
    }

    pub(super) fn all_state_keys(&self) -> impl Iterator<Item = StateKeys<'_>> {
        let newest = self.state.as_ref().and_then(|state| state.kept());
        let newest = newest.and_then(|kept| {
            Some(StateKeys {
                name: kept.name,
                pair: kept.key_pair?,
                psk: kept.psk,
            })
        });
        let older = self.older.0.iter().map(|older| StateKeys {
            name: older.name,
            pair: &older.pair,
            psk: &older.psk,
        });
        newest.into_iter().chain(older)
    }

    /// Whether state under this name is known, whether or not this member can read it.
    pub(super) fn knows_state(&self, id: &KeyId) -> bool {
        let newest = self.state.as_ref().and_then(|state| state.kept());
        newest.is_some_and(|kept| KeyId::of(&kept.name) == *id) || self.state_keys(id).is_some()
    }
}

impl Member {
    pub(super) fn handle_kept_keys(
        &mut self,
        id: GroupId,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Handled, BadObject> {
        if self.own.grant(&id).is_none() && !self.groups.contains_key(&id) {
            return Ok(Handled::Ignored);
        }
        let list = KeptKeys::verify(payload, &self.delegation)?;
        if list.fields().group != id {
            return Err(ObjectError::Field("group").into());
        }
        // The welcome, and all else of the group, may be on its way.
        let group = self.groups.entry(id).or_default();
        let most = group.most_kept();
        let went = group.state.as_deref_mut().map(|state| {
            let went = group.older.go_back(state, &list, most);
            // It may name kept keys of an announcement that has not come yet.
            let waits = list.fields().epoch > state.current_epoch();
            (went, waits && state.half() == Half::Readers)
        });
        let (went, waits) = went.unwrap_or((WentBack::default(), true));
        let mut changes = Changes::new();
        if went.older {
            group.older.put(&id, &mut changes);
        }
        if went.newest {
            group.put_state(&mut changes);
        }
        group.kept_list = waits.then(|| payload.to_vec());
        if changes.is_empty() {
            let kept = waits.then_some(Handled::Kept);
            return Ok(kept.unwrap_or(Handled::Ignored));
        }
        actions.push(Action::Commit(changes));
        if !went.opened {
            return Ok(Handled::Installed);
        }
        self.retry(now, actions, waits_for_keys);
        Ok(Handled::Installed)
    }

    /// After new kept keys came: the list that waits for them.
    pub(super) fn take_kept_list(&mut self, id: GroupId, now: Now, actions: &mut Vec<Action>) {
        let group = self.groups.get_mut(&id);
        if let Some(list) = group.and_then(|group| group.kept_list.take()) {
            // What is wrong with it was said when it came.
            let _ = self.handle_kept_keys(id, &list, now, actions);
        }
    }
}
