//! Publishes that were accepted and are not acknowledged yet. A message is sealed when its turn
//! comes, with the newest keys; from then on its bytes stay the same. rumqttc forgets what is in
//! flight when the broker comes back without the session; here it is kept and sent again: readers
//! drop the duplicate by its counter.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use sealmq_keys::member::Properties;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::engine::Draft;

/// Quality of service, for all versions of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::enum_variant_names, reason = "the standard's names")]
pub(crate) enum Qos {
    AtMostOnce,
    AtLeastOnce,
    ExactlyOnce,
}

/// A message as it goes out: sealed, or allowed in clear.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// What stands outside the envelope.
    pub(crate) properties: Properties,
}

/// A message on its way out.
#[derive(Debug)]
pub(crate) enum Content {
    /// Not sealed yet.
    Draft(Draft),
    Wire(Wire),
}

impl Content {
    pub(crate) fn topic(&self) -> &str {
        match self {
            Self::Draft(draft) => &draft.topic,
            Self::Wire(wire) => &wire.topic,
        }
    }

    const fn qos(&self) -> Qos {
        match self {
            Self::Draft(draft) => draft.qos,
            Self::Wire(wire) => wire.qos,
        }
    }
}

/// One accepted message. Dropping it makes room for another one.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) content: Content,
    /// What `flush` waits for.
    pub(crate) id: u64,
    /// Its place among those that `publish` accepts.
    pub(crate) room: Option<OwnedSemaphorePermit>,
    /// How long it may wait for keys, if it has waited already.
    pub(crate) until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Queued,
    /// Given to rumqttc, not written yet.
    Handed,
    /// Written under this packet identifier.
    Sent(u16),
    /// QoS 2: the broker has it (PUBREC).
    Released(u16),
}

struct Entry {
    message: Accepted,
    state: State,
}

/// What is sent first when the broker still has the session.
#[derive(Debug)]
pub(crate) enum Resume {
    /// Again, under the same identifier.
    Publish(u16, Wire),
    /// PUBREL.
    Release(u16),
}

/// What the broker knows when a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    New,
    /// Of an earlier connection of this outbox.
    Resumed,
    /// Of an earlier process with the same client identifier. Its QoS 2 messages may stand
    /// half-way under identifiers that are used again now: they are released first, or the broker
    /// would take new messages for repetitions.
    Inherited,
}

#[derive(Default)]
pub(crate) struct Outbox {
    /// By order of acceptance.
    entries: BTreeMap<u64, Entry>,
    next: u64,
    queued: BTreeSet<u64>,
    /// rumqttc takes requests, and gives identifiers, in this order.
    handed: VecDeque<u64>,
    packets: HashMap<u16, u64>,
    /// QoS 1 and 2 that hold or will hold an identifier, with its running number.
    active: BTreeMap<u64, u64>,
    /// Running number of the next identifier on this connection.
    identifiers: u64,
    /// Identifiers that have to be settled before anything new is sent on a resumed session.
    resuming: BTreeSet<u16>,
    resume: VecDeque<Resume>,
    /// QoS 2 identifiers that an earlier process may have left half-way at the broker.
    orphans: BTreeSet<u16>,
    limit: u16,
    /// Slots that rumqttc does not free by itself (it forgets to when an acknowledgement of QoS 2
    /// carries an error).
    leaked: u16,
}

/// Given to rumqttc and not written: bounds what a lost connection has to give back.
const MAX_HANDED: usize = 256;

impl Outbox {
    /// Takes a message, last in order.
    pub(crate) fn push(&mut self, message: Accepted) {
        let order = self.next;
        self.next = order.saturating_add(1);
        self.queued.insert(order);
        self.entries.insert(
            order,
            Entry {
                message,
                state: State::Queued,
            },
        );
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self) {
        for order in std::mem::take(&mut self.handed) {
            self.requeue(order);
        }
        self.resume.clear();
        self.resuming.clear();
    }

    /// A connection begins, with an empty packet identifier space in rumqttc. At most `limit`
    /// publishes may be on their way.
    pub(crate) fn connected(&mut self, session: Session, limit: u16) {
        self.limit = limit.max(1);
        self.identifiers = 0;
        self.leaked = 0;
        match session {
            Session::New => {
                self.orphans.clear();
                for (_, order) in std::mem::take(&mut self.packets) {
                    self.requeue(order);
                }
            }
            Session::Inherited => self.orphans = (1..=self.limit).collect(),
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
    }

    /// The next packet of a resumed session, if the broker has room for it.
    pub(crate) fn next_resume(&mut self) -> Option<Resume> {
        let sent = self.resuming.len().saturating_sub(self.resume.len());
        if sent < usize::from(self.limit) {
            self.resume.pop_front()
        } else {
            None
        }
    }

    /// The next message, if it may be handed to rumqttc now. Then call [`Outbox::sealed`],
    /// [`Outbox::hand`] or [`Outbox::drop_next`].
    pub(crate) fn next(&self) -> Option<&Content> {
        let order = self.queued.first()?;
        let content = &self.entries.get(order)?.message.content;
        if !self.resuming.is_empty() || self.handed.len() >= MAX_HANDED {
            return None;
        }
        if content.qos() == Qos::AtMostOnce {
            return Some(content);
        }
        // One slot stays free: with none, rumqttc would not even send acknowledgements.
        let slots = self
            .limit
            .saturating_sub(1)
            .max(1)
            .saturating_sub(self.leaked);
        // Identifiers go round. The next one must not reach the oldest that is in use: rumqttc
        // would stall, or, for QoS 2, use it twice.
        let oldest = self
            .active
            .first_key_value()
            .map_or(self.identifiers, |(_, number)| *number);
        let distance = self.identifiers.saturating_sub(oldest);
        let free = self.active.len() < usize::from(slots) && distance < u64::from(self.limit);
        free.then_some(content)
    }

    /// The next message was sealed.
    pub(crate) fn sealed(&mut self, wire: Wire) {
        let order = self.queued.first();
        if let Some(entry) = order.and_then(|order| self.entries.get_mut(order)) {
            entry.message.content = Content::Wire(wire);
        }
    }

    /// The next message was handed to rumqttc.
    pub(crate) fn hand(&mut self) {
        let Some(order) = self.queued.pop_first() else {
            return;
        };
        let Some(entry) = self.entries.get_mut(&order) else {
            return;
        };
        entry.state = State::Handed;
        self.handed.push_back(order);
        if entry.message.content.qos() != Qos::AtMostOnce {
            self.active.insert(order, self.identifiers);
            self.use_identifier();
        }
    }

    /// The next message cannot be sent, ever.
    pub(crate) fn drop_next(&mut self) -> Option<Accepted> {
        let order = self.queued.pop_first()?;
        self.entries.remove(&order).map(|entry| entry.message)
    }

    /// A subscription takes an identifier, too.
    pub(crate) fn use_identifier(&mut self) {
        self.identifiers = self.identifiers.saturating_add(1);
    }

    /// rumqttc wrote a publish; 0 is QoS 0, which is done then.
    pub(crate) fn written(&mut self, packet: u16) -> Option<Accepted> {
        if !self.resuming.is_empty() {
            return None; // one of those that were sent again; nothing new was handed
        }
        let order = self.handed.pop_front()?;
        if packet == 0 {
            return self.finish(order);
        }
        self.entries.get_mut(&order)?.state = State::Sent(packet);
        self.packets.insert(packet, order);
        None
    }

    /// A QoS 0 message whose writing failed: it may not have left.
    pub(crate) fn unwritten(&mut self) {
        if let Some(order) = self.handed.pop_front() {
            self.requeue(order);
        }
    }

    /// PUBREC without an error.
    pub(crate) fn received(&mut self, packet: u16) {
        let order = self.packets.get(&packet);
        if let Some(entry) = order.and_then(|order| self.entries.get_mut(order)) {
            entry.state = State::Released(packet);
        }
    }

    /// PUBACK, PUBCOMP, or a PUBREC with an error: the identifier is free.
    pub(crate) fn settled(&mut self, packet: u16) -> Option<Accepted> {
        self.resuming.remove(&packet);
        self.orphans.remove(&packet);
        let order = self.packets.remove(&packet)?;
        self.finish(order)
    }

    /// The broker does not answer for what an earlier process may have left: go on without.
    pub(crate) fn abandon_orphans(&mut self) {
        for packet in std::mem::take(&mut self.orphans) {
            self.resuming.remove(&packet);
            self.leaked();
        }
        if self.resuming.is_empty() {
            self.resume.clear();
        }
    }

    /// rumqttc did not free its slot.
    pub(crate) fn leaked(&mut self) {
        self.leaked = self.leaked.saturating_add(1);
    }

    /// Nothing is on its way, and rumqttc has slots to free: time for a new state there.
    pub(crate) fn wants_fresh_state(&self) -> bool {
        self.leaked > 0 && self.active.is_empty() && self.resuming.is_empty()
    }

    /// rumqttc has a new state.
    pub(crate) fn fresh_state(&mut self) {
        self.leaked = 0;
        self.identifiers = 0;
    }

    fn finish(&mut self, order: u64) -> Option<Accepted> {
        self.active.remove(&order);
        self.entries.remove(&order).map(|entry| entry.message)
    }

    fn requeue(&mut self, order: u64) {
        self.active.remove(&order);
        if let Some(entry) = self.entries.get_mut(&order) {
            entry.state = State::Queued;
            self.queued.insert(order);
        }
    }
}

#[cfg(test)]
mod tests;
