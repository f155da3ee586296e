//! One group's place: its keys, and what is known beside them.

use sealmq_core::crypto::Digest;
use sealmq_core::object::Role;
use sealmq_core::seal::{SenderSession, StateSession};
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::ReservedTopic;
use sealmq_keys::asking::Asking;
use sealmq_keys::group::GroupState;
use sealmq_keys::objects::{OpenedWelcome, RefusedChunk, VerifiedDelegation, Voucher};
use sealmq_keys::package_age::{GroupProgress, Listed};

use super::own_record::OwnRecord;
use crate::chunks::Chunks;
use crate::leases::Leases;
use crate::records::{LeftOut, NotesRecord, VoucherRecord};

/// Topics of single epochs and chunks of a group that are subscribed: two at a time are needed.
const SINGLE: usize = 4;

pub(super) struct Group {
    pub(super) id: GroupId,
    state: Option<GroupState>,
    /// What stands behind the newest announcement that was followed.
    pub(super) voucher: Option<Voucher>,
    pub(super) listed: Option<Listed>,
    pub(super) left_out: Option<LeftOut>,
    pub(super) session: Option<SenderSession>,
    pub(super) state_session: Option<StateSession>,
    /// Once `session` was prepared for the short form.
    pub(super) own_record: Option<OwnRecord>,
    pub(super) leases: Leases,
    /// A healing announcement that has to be followed first.
    pub(super) wanted: Option<(u64, Digest)>,
    pub(super) chunks: Chunks,
    /// Epochs, or chunks of them, whose own topics were subscribed.
    single: [Option<(u64, Option<u32>)>; SINGLE],
    /// The package of a welcome that cannot be opened any more; 0 for none.
    pub(super) unusable: u32,
    /// The chunk of a refused list that tells of this device.
    pub(super) own_chunk: Option<RefusedChunk>,
    /// What to subscribe again, so that the broker delivers once more what it keeps.
    pub(super) ask: Ask,
    /// For messages that wait for the refused list, or a chunk of it.
    pub(super) asking: Asking,
}

/// Subscriptions that are due for a group.
#[derive(Clone, Copy, Default)]
pub(super) struct Ask {
    pub(super) announcements: bool,
    pub(super) list: bool,
    pub(super) wanted: bool,
    pub(super) heartbeat: bool,
    /// The chunk of the refused list that tells of this device, by its first member.
    pub(super) chunk: Option<MemberNumber>,
}

impl Group {
    // Inline, so that it is made in its place and not on the stack.
    #[inline(always)]
    pub(super) const fn new(id: GroupId) -> Self {
        Self {
            id,
            state: None,
            voucher: None,
            listed: None,
            left_out: None,
            session: None,
            state_session: None,
            own_record: None,
            leases: Leases::NONE,
            wanted: None,
            chunks: Chunks::NONE,
            single: [None; SINGLE],
            unusable: 0,
            own_chunk: None,
            ask: Ask {
                announcements: false,
                list: false,
                wanted: false,
                heartbeat: false,
                chunk: None,
            },
            asking: Asking::NEVER,
        }
    }

    /// Takes back what is known beside the keys.
    pub(super) fn restore_notes(&mut self, notes: &NotesRecord) {
        self.voucher = notes.voucher.map(|voucher| voucher.voucher(Role::Groups));
        self.listed = notes.listed;
        self.left_out = notes.left_out;
    }

    pub(super) fn notes(&self) -> NotesRecord {
        NotesRecord {
            group: self.id,
            voucher: self.voucher.as_ref().map(VoucherRecord::of),
            listed: self.listed,
            left_out: self.left_out,
        }
    }

    pub(super) const fn state(&self) -> Option<&GroupState> {
        self.state.as_ref()
    }

    pub(super) const fn state_mut(&mut self) -> Option<&mut GroupState> {
        self.state.as_mut()
    }

    /// The first welcome.
    pub(super) fn install(&mut self, welcome: OpenedWelcome) {
        GroupState::install_into(&mut self.state, welcome);
    }

    /// `None`: damaged, or of another group.
    pub(super) fn restore_state(&mut self, record: &[u8]) -> Option<&GroupState> {
        GroupState::decode_into(&mut self.state, record).ok()?;
        let id = self.id;
        let state = self.state.as_ref();
        if state.is_some_and(|state| *state.group() != id) {
            self.state = None;
        }
        self.state.as_ref()
    }

    pub(super) fn current_epoch(&self) -> u64 {
        self.state.as_ref().map_or(0, GroupState::current_epoch)
    }

    /// Until when the keys count; `None`: not until an announcement of the current delegation was
    /// followed.
    pub(super) fn keys_end(&self, current: &VerifiedDelegation) -> Option<u64> {
        self.voucher.as_ref()?.end_under(current)
    }

    /// If a newer epoch has no key for this device: whether it was removed, as far as known.
    pub(super) fn is_left_out(&self) -> Option<bool> {
        let left_out = self.left_out.as_ref()?;
        left_out
            .removed
            .filter(|_| left_out.epoch > self.current_epoch())
    }

    /// An epoch was followed: what waited for it is asked for.
    pub(super) fn go_on(&mut self, epoch: u64) {
        let Some(state) = &self.state else {
            return;
        };
        let wanted = self.wanted.take_if(|(wanted, _)| *wanted <= epoch);
        let (wanted, current) = (wanted.is_some(), state.current_epoch());
        let is_behind = wanted || self.listed.is_some_and(|listed| listed.epoch > current);
        self.ask.announcements |= self.chunks.followed(state, wanted) && is_behind;
    }

    /// One more of these topics that is due.
    pub(super) fn poll_single(&mut self) -> Option<ReservedTopic> {
        let wanted = self
            .wanted
            .filter(|_| core::mem::take(&mut self.ask.wanted));
        let wanted = wanted.map(|(epoch, _)| ReservedTopic::Announcement(self.id, epoch));
        let topic = wanted.or_else(|| self.chunks.poll(self.id))?;
        let single = match topic {
            ReservedTopic::Chunk(_, epoch, number) => Some((epoch, Some(number))),
            ReservedTopic::Announcement(_, epoch) => Some((epoch, None)),
            _ => None,
        };
        if !self.single.contains(&single) {
            // The oldest one ends with the connection.
            self.single.rotate_right(1);
            if let Some(first) = self.single.first_mut() {
                *first = single;
            }
        }
        Some(topic)
    }

    /// One more that nothing is missing from.
    pub(super) fn poll_unused(&mut self) -> Option<ReservedTopic> {
        let wanted = |(epoch, _)| ReservedTopic::Announcement(self.id, epoch);
        let needed = [self.wanted.map(wanted), self.chunks.topic(self.id)];
        self.single.iter_mut().find_map(|single| {
            let (epoch, number) = (*single)?;
            let topic = match number {
                Some(number) => ReservedTopic::Chunk(self.id, epoch, number),
                None => ReservedTopic::Announcement(self.id, epoch),
            };
            (!needed.contains(&Some(topic))).then(|| *single = None)?;
            Some(topic)
        })
    }

    /// What the rules for packages look at; `None` before an announcement came.
    pub(super) fn progress(&self) -> Option<GroupProgress> {
        let removed = self.is_left_out() == Some(true);
        Some(GroupProgress::of(
            self.listed.as_ref()?,
            self.state.as_ref(),
            removed,
        ))
    }

    /// The newest epoch that is known: a welcome tells of the one before its own.
    pub(super) fn known_epoch(&self) -> Option<u64> {
        let welcomed = || Some(self.state.as_ref()?.confirmation().epoch.saturating_sub(1));
        let listed = self.listed.map(|listed| listed.epoch);
        listed.or_else(welcomed)
    }

    /// Sessions end with their epoch, or with their kept keys.
    pub(super) fn end_sessions(&mut self) {
        let state = self.state.as_ref();
        let current = state.and_then(GroupState::current).map(|view| *view.hash);
        let kept = state.and_then(GroupState::kept).map(|view| view.name);
        if self.session.as_ref().map(|s| *s.announcement()) != current {
            self.session = None;
            self.own_record = None;
        }
        if self.state_session.as_ref().map(|s| *s.kept()) != kept {
            self.state_session = None;
        }
    }
}
