//! Credentials of other members: what is known, and what is being asked for.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use sealmq_core::MemberNumber;
use sealmq_core::object::ObjectError;

use super::MemberError;
use super::fetching::{Ask, Fetching, Whose};
use super::holder::Holder;
use super::peer::Peer;
use super::records;
use super::types::Now;
use crate::delegation::VerifiedDelegation;
use crate::store::Changes;

/// Most senders whose credentials are asked for at the same time. Sender numbers are asked for
/// before a signature can be checked, so an insider could make them up.
pub const MAX_WANTED: usize = 4096;

/// What a credential means for what is known.
pub(super) enum PeerUpdate {
    /// Nobody asked for it, or it is known.
    Ignored,
    /// It is the newest now.
    Installed {
        /// The member was not known before.
        first: bool,
    },
}

#[derive(Default)]
pub(super) struct Peers {
    /// `None` once a new delegation made it void: a thief of the old issuing key may have made
    /// it, so neither its key nor its serial bind the member any more.
    known: BTreeMap<MemberNumber, Option<Peer>>,
    /// The credential before that one, as long as the current delegation continues it: messages
    /// that were under way when it was renewed are judged by it.
    before: BTreeMap<MemberNumber, Peer>,
    wanted: BTreeSet<MemberNumber>,
    fetching: Fetching,
}

impl Peers {
    pub(super) fn load(
        &mut self,
        key: &str,
        value: &[u8],
        delegation: &VerifiedDelegation,
    ) -> Result<(), MemberError> {
        let bytes = records::body(key, value)?;
        let (member, peer) = Peer::stored(bytes).ok_or_else(|| MemberError::Record(key.into()))?;
        let is_current = peer.order().delegation == delegation.serial();
        if !is_current {
            // It was known when the current delegation came.
            self.load_before(bytes, delegation);
        }
        self.known.insert(member, is_current.then_some(peer));
        Ok(())
    }

    /// What a store has of the one before, as far as the delegation continues its own.
    pub(super) fn load_before(&mut self, bytes: &[u8], delegation: &VerifiedDelegation) {
        let Some((member, before)) = Peer::stored(bytes) else {
            return;
        };
        let known = self.before.get(&member);
        if delegation.continues(before.order().delegation)
            && known.is_none_or(|known| known.order() < before.order())
        {
            self.before.insert(member, before);
        }
    }

    /// The credential that was known before.
    pub(super) fn before(
        &self,
        member: MemberNumber,
        delegation: &VerifiedDelegation,
        object: &[u8],
    ) -> Option<&Holder> {
        let verify = |bytes: Vec<u8>| Holder::verify_older(&bytes, delegation, object);
        self.before.get(&member)?.get(verify)
    }

    pub(super) fn get(
        &self,
        member: MemberNumber,
        delegation: &VerifiedDelegation,
    ) -> Option<&Holder> {
        let verify = |bytes| Holder::verify(bytes, delegation).ok();
        self.known.get(&member)?.as_ref()?.get(verify)
    }

    /// Whether a credential of this member was ever seen, so that its number is none made up.
    pub(super) fn is_known(&self, member: MemberNumber) -> bool {
        self.known.contains_key(&member)
    }

    /// The credential topics that are subscribed.
    pub(super) fn subscribed(&self) -> impl Iterator<Item = Whose> {
        self.fetching.subscribed()
    }

    /// What to subscribe, and what not any more.
    pub(super) fn take_asks(&mut self) -> Vec<Ask> {
        self.fetching.take_asks()
    }

    /// Whether few subscriptions are left for credentials.
    pub(super) const fn spare_subscriptions(&mut self, spare: bool) {
        self.fetching.spare(spare);
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Now) {
        self.fetching.tick(now);
    }

    /// A message waits for a credential, or for a newer one.
    pub(super) fn want(&mut self, member: MemberNumber) {
        let room = self.wanted.len() < MAX_WANTED;
        if member.is_valid() && room && self.wanted.insert(member) {
            self.fetching.begin(member);
        }
    }

    /// Nothing waits for it any more.
    pub(super) fn forget_want(&mut self, member: MemberNumber) {
        self.over(member, false);
    }

    fn over(&mut self, member: MemberNumber, came: bool) {
        if self.wanted.remove(&member) {
            self.fetching.end(member, came);
        }
    }

    /// A credential from inside a message that verified under it.
    pub(super) fn learn(
        &mut self,
        member: MemberNumber,
        bytes: &[u8],
        delegation: &VerifiedDelegation,
        changes: &mut Changes,
    ) -> Result<PeerUpdate, ObjectError> {
        self.take(member, bytes, delegation, changes)
    }

    /// A credential from the member's topic. Of all that a subscription brings, only that of a
    /// sender that is known or wanted is looked at.
    pub(super) fn offer(
        &mut self,
        member: MemberNumber,
        bytes: &[u8],
        delegation: &VerifiedDelegation,
        changes: &mut Changes,
    ) -> Result<PeerUpdate, ObjectError> {
        if !self.known.contains_key(&member) && !self.wanted.contains(&member) {
            return Ok(PeerUpdate::Ignored);
        }
        self.take(member, bytes, delegation, changes)
    }

    fn take(
        &mut self,
        member: MemberNumber,
        bytes: &[u8],
        delegation: &VerifiedDelegation,
        changes: &mut Changes,
    ) -> Result<PeerUpdate, ObjectError> {
        let first = !self.is_known(member);
        let current = self.get(member, delegation);
        if current.is_some_and(|current| current.bytes() == bytes) {
            return Ok(PeerUpdate::Ignored);
        }
        let credential = Holder::verify(bytes.to_vec(), delegation)?;
        if credential.member != member {
            return Err(ObjectError::Field("member"));
        }
        if let Some(current) = current {
            // A number is bound to its key for life, and the highest serial wins (threat model C12).
            if current.credential().key() != credential.credential().key() {
                return Err(ObjectError::Field("key"));
            }
            if credential.serial <= current.serial {
                return Err(ObjectError::Serial);
            }
        }
        records::put_bytes(changes, records::peer_key(member), bytes);
        let known = Some(Peer::verified(credential));
        if let Some(before) = self.known.insert(member, known).flatten() {
            self.before.insert(member, before);
        }
        if let Some(before) = self.before.get_mut(&member) {
            records::put_bytes(changes, records::peer_before_key(member), before.bytes());
        }
        self.over(member, true);
        Ok(PeerUpdate::Installed { first })
    }

    /// Under a new delegation only what it signs counts (spec/keys.md §3), and beside that what was
    /// under way under one that it continues.
    pub(super) fn delegation_changed(&mut self, delegation: &VerifiedDelegation) {
        for (member, known) in &mut self.known {
            let is_void = |known: &mut Peer| known.order().delegation != delegation.serial();
            if let Some(before) = known.take_if(is_void) {
                self.before.insert(*member, before);
            }
        }
        self.before
            .retain(|_, before| delegation.continues(before.order().delegation));
        self.fetching.again();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_bounded() {
        let mut peers = Peers::default();
        for number in 0..=MAX_WANTED as u32 + 1 {
            peers.want(MemberNumber(number));
            peers.want(MemberNumber(number));
        }
        assert_eq!(peers.wanted.len(), MAX_WANTED);
        peers.forget_want(MemberNumber(7));
        peers.want(MemberNumber(1_000_000));
        assert!(peers.wanted.contains(&MemberNumber(1_000_000)));
        for number in 0..=1_000_000 {
            peers.forget_want(MemberNumber(number));
        }
        assert_eq!(peers.subscribed().count(), 0);
    }
}
