//! What the broker keeps of a client: subscriptions, and messages on their way to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PubRel, Publish};

/// Most messages that wait for a client.
const MOST_QUEUED: usize = 10_000;

#[derive(Default)]
pub(crate) struct Session {
    pub(crate) subscriptions: BTreeMap<String, Filter>,
    /// Survives its connection.
    pub(crate) survives: bool,
    /// QoS 2 identifiers of the client's that are not released yet.
    pub(crate) received: BTreeSet<u16>,
    queue: VecDeque<Publish>,
    /// Bytes of their payloads.
    waiting: usize,
    sent: BTreeMap<u16, Sent>,
    next: u16,
    /// As the client's CONNECT says.
    pub(crate) receive_maximum: u16,
}

enum Sent {
    Publish(Box<Publish>),
    Released,
}

impl Session {
    /// The highest quality of service of the subscriptions that match, and those of them that pass
    /// the retain flag on.
    pub(crate) fn granted(&self, topic: &str) -> Option<QoS> {
        let plain = self.subscriptions.iter();
        let matching = plain.filter(|(filter, _)| !filter.starts_with("$share/"));
        let matching = matching.filter(|(filter, _)| super::routing::matches(filter, topic));
        let levels = matching.map(|(_, wanted)| wanted.qos);
        levels.max_by_key(|qos| *qos as u8)
    }

    /// Takes a message for the client, if there is room; what may be sent now comes from
    /// [`Session::next`].
    pub(crate) fn push(&mut self, message: Publish, room: Option<(usize, usize)>) -> bool {
        let (messages, bytes) = room.unwrap_or((MOST_QUEUED, usize::MAX));
        let waiting = self.waiting.saturating_add(message.payload.len());
        let has_room = self.queue.len() < messages && waiting <= bytes;
        if has_room {
            self.waiting = waiting;
            self.queue.push_back(message);
        }
        has_room
    }

    fn pop(&mut self) -> Option<Publish> {
        let message = self.queue.pop_front()?;
        self.waiting = self.waiting.saturating_sub(message.payload.len());
        Some(message)
    }

    /// The next message that the client has room for.
    pub(crate) fn next(&mut self) -> Option<Publish> {
        let first = self.queue.front()?;
        if first.qos == QoS::AtMostOnce {
            return self.pop();
        }
        if self.sent.len() >= usize::from(self.receive_maximum.max(1)) {
            return None;
        }
        let mut message = self.pop()?;
        while self.next == 0 || self.sent.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        message.pkid = self.next;
        self.next = self.next.wrapping_add(1);
        self.sent
            .insert(message.pkid, Sent::Publish(Box::new(message.clone())));
        Some(message)
    }

    /// What a client that comes back is sent first.
    pub(crate) fn resumed(&self) -> Vec<Packet> {
        let again = self.sent.iter().map(|(pkid, sent)| match sent {
            Sent::Publish(message) => Packet::Publish(Publish {
                dup: true,
                ..(**message).clone()
            }),
            Sent::Released => Packet::PubRel(PubRel::new(*pkid, None)),
        });
        again.collect()
    }

    /// PUBACK or PUBCOMP.
    pub(crate) fn settled(&mut self, pkid: u16) {
        self.sent.remove(&pkid);
    }

    /// PUBREC.
    pub(crate) fn released(&mut self, pkid: u16) {
        self.sent.insert(pkid, Sent::Released);
    }
}
