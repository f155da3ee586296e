//! Publishes that were accepted and are not acknowledged yet. A message is sealed when its turn
//! comes, with the newest keys; from then on its bytes stay the same. Libraries forget what is in
//! flight when the broker comes back without the session; here it is kept and sent again: readers
//! drop the duplicate by its counter.

mod accepted;
mod entry;
mod expiring;
mod leaving;
mod lending;
mod orphans;
mod recent;
pub(crate) mod stored;
mod suspects;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use sealmq_keys::Changes;

use crate::in_order::InOrder;
use crate::output::{PublishId, Resume};
use crate::published::{PublishResult, ReasonCode};
use crate::window::{Identifiers, Window};
use crate::wire::{Qos, Wire};
pub(crate) use accepted::{Accepted, Arrived, Content};
pub(crate) use entry::Session;
use entry::{Entry, State};
use expiring::Expiring;
use orphans::Orphans;
use recent::Recent;
use suspects::{Suspects, Verdict};

#[derive(Default)]
pub(crate) struct Outbox {
    /// By order of acceptance.
    entries: InOrder<u64, Entry>,
    next: u64,
    queued: InOrder<u64, ()>,
    /// The driver writes, and gets identifiers, in this order.
    handed: VecDeque<u64>,
    packets: BTreeMap<u16, u64>,
    window: Window,
    /// Identifiers that have to be settled before anything new is sent on a resumed session.
    resuming: BTreeSet<u16>,
    resume: VecDeque<Resume>,
    orphans: Orphans,
    suspects: Suspects,
    pub(crate) recent: Recent,
    pub(crate) expiring: Expiring,
    /// How many have a record in the store.
    stored: usize,
    /// Whose records may go: their places, and whether they were retained.
    ended: Vec<(u64, bool)>,
}

/// Given to the driver and not written: bounds what a lost connection has to give back, and so the
/// first is written before the last is sealed.
const MAX_HANDED: usize = 16;
/// Where several share a commit.
const MAX_HANDED_STORED: usize = 256;

impl Outbox {
    /// The broker may lose what it acknowledged less than so many milliseconds ago.
    pub(crate) fn new(identifiers: Identifiers, doubted_for: u64) -> Self {
        Self {
            window: Window::new(identifiers),
            recent: Recent::new(doubted_for),
            ..Self::default()
        }
    }

    /// Takes a message, last in order.
    pub(crate) fn push(&mut self, message: Accepted) {
        self.push_at(self.next, message);
    }

    /// Takes one that an earlier process had at this place: before any other.
    pub(crate) fn push_at(&mut self, order: u64, message: Accepted) {
        self.next = order.saturating_add(1);
        self.queued.insert(order, ());
        self.stored = self.stored.saturating_add(usize::from(message.is_stored));
        self.expiring.insert(order, &message);
        self.entries.insert(order, Entry::queued(message));
    }

    /// Where the next one that is pushed stands.
    pub(crate) const fn next_place(&self) -> u64 {
        self.next
    }

    pub(crate) const fn has_stored(&self) -> bool {
        self.stored > 0
    }

    pub(crate) fn take_ended(&mut self) -> Vec<(u64, bool)> {
        core::mem::take(&mut self.ended)
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self) {
        for order in core::mem::take(&mut self.handed) {
            self.requeue(order);
        }
        self.resume.clear();
        self.resuming.clear();
        self.suspects.disconnected();
    }

    /// Before [`Outbox::disconnected`]: the connection ended, perhaps because of what was released.
    pub(crate) fn look_at_releases(&mut self) {
        if self.resume.len() != self.resuming.len() {
            self.orphans.ended();
        }
    }

    /// Before [`Outbox::disconnected`]: the connection ended, and what was on its way may be the
    /// reason; with a complaint it certainly is. Whether there was anything.
    pub(crate) fn accuse(&mut self, complaint: bool) -> bool {
        let any = self.suspects.accuse(complaint);
        if !any {
            // It ends without them, too.
            for order in self.suspects.clear() {
                self.queued.insert(order, ());
            }
        }
        any
    }

    /// Whether anything was written on this connection and not settled.
    pub(crate) fn is_on_way(&self) -> bool {
        self.suspects.is_on_way()
    }

    /// When the first of them was written.
    pub(crate) fn on_way_since(&self) -> Option<u64> {
        self.suspects.on_way_since()
    }

    /// The broker was away: that ended the connection before.
    pub(crate) fn acquit(&mut self) {
        self.suspects.acquit();
    }

    /// A connection begins. At most `limit` publishes may be on their way. What is given up,
    /// because it ended the connection again and again.
    pub(crate) fn connected(&mut self, session: Session, limit: u16) -> Vec<Accepted> {
        self.window.connected(limit);
        let given_up = self.judge();
        match session {
            Session::New => {
                self.orphans.clear();
                for (_, order) in core::mem::take(&mut self.packets) {
                    self.requeue(order);
                }
            }
            Session::Inherited => self.orphans.inherit(self.window.limit()),
            Session::Resumed => {}
        }
        let mut kept: Vec<(u64, u16)> = self
            .packets
            .iter()
            .map(|(id, order)| (*order, *id))
            .collect();
        kept.sort_unstable();
        self.resume = self.orphans.iter().map(|id| Resume::Release(*id)).collect();
        self.resuming = self.orphans.iter().copied().collect();
        for (order, id) in kept {
            let Some(entry) = self.entries.get(&order) else {
                continue;
            };
            let resume = match (entry.state, &entry.message.content) {
                (State::Sent(_), Content::Wire(wire)) => Resume::Publish(id, wire.clone()),
                _ => Resume::Release(id),
            };
            self.resuming.insert(id);
            self.resume.push_back(resume);
        }
        given_up
    }

    /// What becomes of those that were on their way when the connection before ended.
    fn judge(&mut self) -> Vec<Accepted> {
        let entries = &self.entries;
        // A newer retained value must not be overtaken by an older one, and what the broker has
        // already (PUBREC) keeps its identifier.
        let holdable = |order| {
            let entry: Option<&Entry> = entries.get(&order);
            entry.is_some_and(|entry| {
                !entry.message.content.retain() && !matches!(entry.state, State::Released(_))
            })
        };
        let mut given_up = Vec::new();
        for (order, verdict) in self.suspects.judge(self.next, holdable) {
            if verdict == Verdict::Spare {
                continue;
            }
            self.free_identifier(order);
            self.queued.remove(&order);
            if verdict == Verdict::Hold {
                self.requeue(order);
            } else {
                given_up.extend(self.finish(order));
            }
        }
        given_up
    }

    /// A message leaves its identifier; what the broker may have of it is released, or the next
    /// message under it would be taken for a repetition.
    fn free_identifier(&mut self, order: u64) {
        let Some(entry) = self.entries.get(&order) else {
            return;
        };
        if let State::Sent(packet) | State::Released(packet) = entry.state {
            self.packets.remove(&packet);
            let exactly_once = entry.message.content.qos() == Qos::ExactlyOnce;
            if exactly_once && matches!(entry.state, State::Sent(_)) {
                self.orphans.insert(packet);
            }
        }
    }

    /// The next packet of a resumed session, if the broker has room for it.
    pub(crate) fn next_resume(&mut self, uptime: u64) -> Option<Resume> {
        let sent = self.resuming.len().saturating_sub(self.resume.len());
        let most = if self.sends_alone() {
            1
        } else {
            usize::from(self.window.limit())
        };
        if sent >= most {
            return None;
        }
        let resume = self.resume.pop_front()?;
        let (Resume::Publish(packet, _) | Resume::Release(packet)) = &resume;
        if let Some(order) = self.packets.get(packet) {
            self.suspects.written(*order, uptime);
        }
        Some(resume)
    }

    /// One of the next is sent alone, because connections have ended while it was on its way.
    pub(crate) fn sends_alone(&self) -> bool {
        self.suspects.first_alone().is_some()
    }

    /// A connection has ended while one of them was on its way.
    pub(crate) fn blames(&self) -> bool {
        self.suspects.blames()
    }

    /// Queues what was held back, if its turn has come. Before [`Outbox::next`].
    pub(crate) fn recall(&mut self) {
        let first = self.first_queued();
        if let Some(order) = self.suspects.recall(first) {
            self.queued.insert(order, ());
        }
    }

    fn first_queued(&self) -> Option<u64> {
        self.queued.first().map(|(order, ())| *order)
    }

    /// Whose turn it is.
    fn turn(&self) -> Option<u64> {
        let Some(suspect) = self.suspects.first_alone() else {
            return self.first_queued();
        };
        let idle = self.handed.is_empty() && self.window.is_idle();
        (idle && self.queued.contains(&suspect)).then_some(suspect)
    }

    /// The next message, if it may be handed over now, and when its expiry runs out. Then call
    /// [`Outbox::sealed`], [`Outbox::hand`] or [`Outbox::drop_next`].
    pub(crate) fn next(&self) -> Option<(&Content, Option<u64>)> {
        let Accepted {
            content, expires, ..
        } = &self.entries.get(&self.turn()?)?.message;
        let most_handed = match self.has_stored() {
            true => MAX_HANDED_STORED,
            false => MAX_HANDED,
        };
        if !self.resuming.is_empty() || self.handed.len() >= most_handed {
            return None;
        }
        let has_room = content.qos() == Qos::AtMostOnce || self.window.has_room();
        has_room.then_some((content, *expires))
    }

    /// The next message was sealed; `value` names it among the values that are kept. Its record
    /// changes with it.
    pub(crate) fn sealed(&mut self, wire: Wire, value: Option<u64>, changes: &mut Changes) {
        let Some(order) = self.turn() else {
            return;
        };
        if let Some(Entry { message, .. }) = self.entries.get_mut(&order) {
            message.content = Content::Wire(wire);
            message.value = value;
            if message.is_stored {
                stored::put(order, &message.content, message.expires, changes);
            }
        }
    }

    /// Key management's own goes out at the highest quality of service that the broker has.
    pub(crate) fn lower_next(&mut self, most: Qos) {
        let order = self.first_queued();
        if let Some(entry) = order.and_then(|order| self.entries.get_mut(&order))
            && entry.message.id.is_none()
            && let Content::Wire(wire) = &mut entry.message.content
        {
            wire.qos = wire.qos.min(most);
        }
    }

    /// The next message was handed to the driver.
    pub(crate) fn hand(&mut self) {
        let Some(order) = self.turn() else {
            return;
        };
        self.queued.remove(&order);
        let Some(entry) = self.entries.get_mut(&order) else {
            return;
        };
        entry.state = State::Handed;
        self.handed.push_back(order);
        if entry.message.content.qos() != Qos::AtMostOnce {
            self.window.take(order);
        }
    }

    /// The next message cannot be sent, ever.
    pub(crate) fn drop_next(&mut self) -> Option<Accepted> {
        let order = self.turn()?;
        self.queued.remove(&order);
        self.finish(order)
    }

    /// The next message cannot be sealed now: others go first until it is taken up again. Its place
    /// in the order, its identity, and how long it waits: until `until` if it has not waited yet.
    pub(crate) fn set_aside(&mut self, until: u64) -> Option<(u64, PublishId, u64)> {
        let order = self.turn()?;
        let message = &mut self.entries.get_mut(&order)?.message;
        let id = message.id?;
        let until = *message.until.get_or_insert(until);
        self.queued.remove(&order);
        Some((order, id, until))
    }

    /// The next message waits, and others go first until it is taken up again. Its place.
    pub(crate) fn put_aside(&mut self) -> Option<u64> {
        let order = self.turn()?;
        self.queued.remove(&order).map(|()| order)
    }

    /// It can be sealed, and goes before all that were accepted after it.
    pub(crate) fn take_up(&mut self, order: u64) {
        if self.entries.contains(&order) {
            self.queued.insert(order, ());
        }
    }

    /// What was set aside has waited long enough.
    pub(crate) fn drop_aside(&mut self, order: u64) {
        self.finish(order);
    }

    /// A subscription takes an identifier, too.
    pub(crate) const fn use_identifier(&mut self) {
        self.window.use_identifier();
    }

    /// The driver wrote a publish; 0 is QoS 0, which is done then.
    pub(crate) fn written(&mut self, packet: u16, uptime: u64) -> Option<Arrived> {
        if !self.resuming.is_empty() {
            return None; // one of those that were sent again; nothing new was handed
        }
        let order = self.handed.pop_front()?;
        if packet == 0 {
            let written = &self.entries.get(&order)?.message;
            let arrived = Arrived::new(written, PublishResult::Written);
            self.end(order);
            return Some(arrived);
        }
        let entry = self.entries.get_mut(&order)?;
        (entry.state, entry.said) = (State::Sent(packet), ReasonCode::default());
        self.packets.insert(packet, order);
        self.suspects.written(order, uptime);
        None
    }

    /// A QoS 0 message whose writing failed: it may not have left.
    pub(crate) fn unwritten(&mut self, uptime: u64) {
        if let Some(order) = self.handed.pop_front() {
            self.requeue(order);
            // A part of it may have left, and ended the connection.
            self.suspects.written(order, uptime);
        }
    }

    /// PUBREC without an error.
    pub(crate) fn received(&mut self, packet: u16, said: ReasonCode) {
        let order = self.packets.get(&packet);
        if let Some(entry) = order.and_then(|order| self.entries.get_mut(order)) {
            (entry.state, entry.said) = (State::Released(packet), said);
        }
    }

    /// PUBACK, PUBCOMP: the broker has it. What is told to the application, and which value it was.
    pub(crate) fn arrived(
        &mut self,
        packet: u16,
        said: ReasonCode,
        uptime: u64,
    ) -> Option<Arrived> {
        let order = self.free(packet)?;
        let entry = self.entries.get(&order)?;
        let arrived = Arrived::new(&entry.message, entry.acknowledged(said));
        if self.recent.wants(&entry.message) {
            let message = self.remove(order)?;
            self.recent.keep(order, message, uptime);
        } else {
            self.finish(order);
        }
        Some(arrived)
    }

    /// PUBACK or PUBREC with an error, or none is waited for.
    pub(crate) fn settled(&mut self, packet: u16) -> Option<Accepted> {
        let order = self.free(packet)?;
        self.finish(order)
    }

    /// The identifier is free.
    fn free(&mut self, packet: u16) -> Option<u64> {
        self.resuming.remove(&packet);
        self.orphans.released(packet);
        self.packets.remove(&packet)
    }

    /// The broker does not answer for what an earlier process may have left: go on without.
    pub(crate) fn abandon_orphans(&mut self) {
        for packet in self.orphans.take() {
            self.resuming.remove(&packet);
            self.window.leaked();
        }
        if self.resuming.is_empty() {
            self.resume.clear();
        }
    }

    /// The library did not free its slot.
    pub(crate) const fn leaked(&mut self) {
        self.window.leaked();
    }

    /// Nothing is on its way, and the library has slots to free: time for a new state there.
    pub(crate) fn wants_fresh_state(&self) -> bool {
        self.window.is_leaking_only() && self.resuming.is_empty()
    }

    /// The library has a new state.
    pub(crate) const fn fresh_state(&mut self) {
        self.window.fresh_state();
    }

    fn requeue(&mut self, order: u64) {
        self.window.give_back(order);
        if let Some(entry) = self.entries.get_mut(&order) {
            entry.state = State::Queued;
            if !self.suspects.is_held(order) {
                self.queued.insert(order, ());
            }
        }
    }
}

#[cfg(test)]
mod tests;
