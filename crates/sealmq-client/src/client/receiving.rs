use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use sealmq_core::open::Rejection;
use sealmq_core::topic::{Filter, Topic};
use sealmq_keys::member::{Delivery, Properties, Received, SealError};

use super::Client;
use crate::event::Event;
use crate::output::{DeliveryId, Output};
use crate::time::Time;
use crate::wire::Qos;

/// A publish from the broker.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Its topic. A name that is no UTF-8 matches nothing, whatever stands for it.
    pub topic: String,
    /// Its payload.
    pub payload: Bytes,
    /// Whether the broker delivers it as the topic's retained value.
    pub retain: bool,
    /// The quality of service of this delivery.
    pub qos: Qos,
    /// Its packet identifier; of no importance at QoS 0.
    pub packet: u16,
    /// Those outside the envelope: not authenticated.
    pub properties: Properties,
}

impl Client {
    /// PUBLISH. It is acknowledged by the outputs, now or when it no longer waits.
    pub fn handle_publish(&mut self, mut message: Incoming, time: Time) {
        if self.closing.is_some() {
            return; // not acknowledged: a session that survives delivers it again
        }
        self.set_time(time);
        self.backoff.useful(self.uptime);
        self.stirred();
        let connection = self.connection.as_ref().map_or(0, |c| c.number);
        let delivery = (message.qos != Qos::AtMostOnce).then_some(DeliveryId {
            connection,
            packet: message.packet,
            qos: message.qos,
        });
        if delivery.is_some() {
            self.not_stalled();
        }
        match self.topic_map.to_sealed(&message.topic) {
            Some(Cow::Borrowed(_)) => {}
            Some(Cow::Owned(sealed)) => message.topic = sealed,
            None => return self.rejected(message.topic, Rejection::Rejected, delivery),
        }
        if self.member.is_reserved(&message.topic) {
            let actions = self
                .member
                .handle_reserved(&message.topic, &message.payload, time.clock);
            self.carry_out(actions);
            self.acknowledge(delivery);
            if let Some(settling) = &mut self.settling {
                settling.heard(time);
            }
            self.retry_parked(time);
            self.renew_will(time);
            self.seal_again();
        } else {
            if !message.retain {
                self.contest.useful();
            }
            self.take_in(message, delivery, time);
        }
    }

    /// PUBLISHes that came together, before [`handle_publish`](Self::handle_publish) takes one after
    /// the other: their signatures are verified together, which takes less time. Nothing else comes
    /// of it. Of use from two of them; more than 64 bring no more.
    ///
    /// Of each its topic, its payload, and whether the broker delivers it as a retained value.
    pub fn verify_ahead<'m>(
        &mut self,
        messages: impl IntoIterator<Item = (&'m str, &'m [u8], bool)>,
        time: Time,
    ) {
        // Until what waits is opened, others would have been looked at.
        if !self.opens_at_once() {
            return;
        }
        let topics = &self.topic_map;
        let messages: Vec<_> = messages
            .into_iter()
            .filter(|(topic, ..)| !self.member.is_reserved(topic))
            .filter_map(|(topic, payload, retain)| {
                Some((topics.to_sealed(topic)?, payload, retain))
            })
            .collect();
        let messages = messages
            .iter()
            .map(|(topic, payload, retain)| (&**topic, *payload, *retain));
        self.member.verify_ahead(messages, time.clock);
    }

    pub(super) fn receive(&mut self, message: Incoming, delivery: Option<DeliveryId>, time: Time) {
        let Incoming {
            mut topic,
            payload,
            retain,
            properties,
            ..
        } = message;
        if payload.is_empty() {
            // A retained message was cleared; there is nothing in it that could be sealed.
            self.give(Event::Cleared { topic }, delivery);
            return;
        }
        if self.is_plaintext(&topic) && self.member.check_topic(&topic) == Err(SealError::NoGroup) {
            let event = Event::Unsealed {
                topic,
                payload,
                retained: retain,
                properties,
            };
            self.give(event, delivery);
            return;
        }
        let (opened, actions) = self
            .member
            .open_taking(&mut topic, &payload, retain, time.clock);
        match opened {
            Delivery::Message(received) => {
                self.carry_out(actions);
                self.opened(received, delivery);
            }
            Delivery::Waiting(ticket) => {
                let (kept, early) = self.hold(delivery);
                // Before the actions: they may end this very wait.
                self.waiting.insert(ticket, kept);
                self.carry_out(actions);
                self.acknowledge(early);
            }
            Delivery::Rejected(reason) => {
                self.carry_out(actions);
                self.rejected(topic, reason, delivery);
            }
        }
    }

    pub(super) fn opened(&mut self, mut received: Received, delivery: Option<DeliveryId>) {
        if received.retain && received.sender != self.member.number() {
            self.give_way(&received.topic);
        }
        if matches_any(&self.shared, &received.topic) {
            received.gap = None;
        }
        self.give(Event::Message(received.into()), delivery);
    }

    /// A rejected message is acknowledged, so that it is not redelivered for ever. An own message
    /// that came back is no news for the application.
    pub(super) fn rejected(
        &mut self,
        topic: String,
        reason: Rejection,
        delivery: Option<DeliveryId>,
    ) {
        if reason == Rejection::Own {
            self.acknowledge(delivery);
        } else {
            self.give(Event::Rejected { topic, reason }, delivery);
        }
    }

    pub(super) fn is_plaintext(&self, topic: &str) -> bool {
        matches_any(&self.plaintext, topic)
    }

    fn acknowledge(&mut self, delivery: Option<DeliveryId>) {
        if let Some(delivery) = delivery {
            self.push(Output::Acknowledge(delivery));
        }
    }
}

fn matches_any(filters: &[String], topic: &str) -> bool {
    if filters.is_empty() {
        return false;
    }
    let Ok(topic) = Topic::new(topic) else {
        return false;
    };
    filters
        .iter()
        .any(|filter| Filter::new(filter).is_ok_and(|filter| filter.matches(topic)))
}
