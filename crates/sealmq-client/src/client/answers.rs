//! What the broker said to packets, and which packets the driver wrote.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use sealmq_keys::Changes;

use super::Client;
use crate::event::Event;
use crate::outbox::{Accepted, Arrived};
use crate::output::{Output, PublishId};
use crate::published::{GivenUp, PublishResult, ReasonCode};
use crate::time::Time;
use crate::wire::Qos;

/// What the broker said to a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledged {
    /// PUBREC: it has the message, and its identifier stays in use until `Complete`.
    Received(ReasonCode),
    /// PUBACK or PUBCOMP: the identifier is free.
    Complete(ReasonCode),
    /// PUBACK or PUBREC with an error: the identifier is free.
    Refused(ReasonCode),
}

impl Client {
    /// The driver wrote a publish under this packet identifier; 0 at QoS 0, which is done with it.
    /// Publishes are written in the order in which they came out.
    pub fn handle_publish_written(&mut self, packet: u16) {
        self.isolation.publish_written(self.uptime);
        let written = self.outbox.written(packet, self.uptime);
        self.arrived(written);
    }

    /// A QoS 0 publish may not have left, because the connection broke while it was written.
    pub fn handle_publish_unwritten(&mut self) {
        self.isolation.publish_written(self.uptime);
        self.outbox.unwritten(self.uptime);
    }

    /// The driver wrote a SUBSCRIBE.
    pub fn handle_subscribe_written(&mut self, packet: u16) {
        self.isolation.subscribe_written();
        self.subscriptions.written(packet);
    }

    /// The driver wrote an UNSUBSCRIBE.
    pub fn handle_unsubscribe_written(&mut self, packet: u16) {
        self.isolation.subscribe_written();
        self.subscriptions.end_written(packet);
    }

    /// PUBACK, PUBREC or PUBCOMP.
    pub fn handle_acknowledged(&mut self, packet: u16, acknowledged: Acknowledged) {
        self.backoff.useful(self.uptime);
        match acknowledged {
            Acknowledged::Received(said) => self.outbox.received(packet, said),
            Acknowledged::Complete(said) => {
                let arrived = self.outbox.arrived(packet, said, self.uptime);
                self.arrived(arrived);
            }
            Acknowledged::Refused(said) => {
                let settled = self.outbox.settled(packet);
                self.give_up(settled, GivenUp::Refused(said));
            }
        }
        self.answered();
    }

    /// The driver's library lost a slot: it can have one publish less on its way until its state is
    /// new.
    pub const fn handle_slot_leaked(&mut self) {
        self.outbox.leaked();
    }

    /// Whether slots leaked, and nothing is on its way: the driver gives its library a new state,
    /// and says [`Client::handle_fresh_state`].
    #[must_use]
    pub fn wants_fresh_state(&self) -> bool {
        self.connection.is_some() && self.outbox.wants_fresh_state()
    }

    /// The library's state is new.
    pub const fn handle_fresh_state(&mut self) {
        self.outbox.fresh_state();
    }

    /// SUBACK: what each filter got, the granted quality of service or a reason code.
    pub fn handle_subscribed(&mut self, packet: u16, answers: &[Result<Qos, u8>], time: Time) {
        self.set_time(time);
        self.isolation.subscribe_answered();
        let answers: Vec<_> = self.subscriptions.answered(packet, answers);
        let of_keys = |(filter, _): &(String, _)| self.member.is_reserved(filter);
        if answers.iter().any(of_keys)
            && let Some(settling) = &mut self.settling
        {
            settling.confirmed(time);
        }
        for (filter, answer) in answers {
            match answer {
                Ok(qos) => {
                    self.backoff.useful(self.uptime);
                    if !self.member.is_reserved(&filter) {
                        self.event(Event::Subscribed { filter, qos });
                    }
                }
                Err(reason) => self.refuse_subscription(filter, reason),
            }
        }
        self.try_next_filter();
    }

    /// UNSUBACK.
    pub fn handle_unsubscribed(&mut self, packet: u16) {
        self.isolation.subscribe_answered();
        let ended = self.subscriptions.end_answered(packet);
        if let Some(filter) = ended.filter(|filter| !self.member.is_reserved(filter)) {
            self.event(Event::Unsubscribed { filter });
        }
        self.try_next_filter();
    }

    /// PUBREL: the broker will not send this message again.
    pub fn handle_released(&mut self, packet: u16) {
        self.isolation.released(packet);
    }

    /// The broker has it, or it has gone out at QoS 0.
    fn arrived(&mut self, arrived: Option<Arrived>) {
        let Some(Arrived {
            id,
            value,
            result,
            own,
        }) = arrived
        else {
            return;
        };
        if let Some((topic, payload)) = own {
            self.own_arrived(&topic, &payload);
        }
        if id.is_some() {
            self.contest.useful();
        }
        if let Some(value) = value {
            let mut changes = Changes::new();
            self.values.arrived(value, &mut changes);
            self.commit(changes);
        }
        self.finished(id, Ok(result));
    }

    fn finished(&mut self, id: Option<PublishId>, result: Result<PublishResult, GivenUp>) {
        if let Some(id) = id {
            self.done(id);
            self.push(Output::Done(id, result));
        }
    }

    pub(super) fn give_up(&mut self, accepted: Option<Accepted>, why: GivenUp) {
        // Of what was acknowledged before, nobody waits for more.
        if let Some(accepted) = accepted.filter(|accepted| !accepted.is_again) {
            let topic = accepted.content.topic().to_owned();
            if let (None, Some(value)) = (accepted.id, accepted.value) {
                self.values.refused(value);
            }
            if accepted.id.is_none() {
                self.own_refused();
            }
            // Key management tries its own again on each connection: that is said once.
            if accepted.id.is_none() && !self.told.insert(topic.clone()) {
                return;
            }
            let reason = why.to_string();
            self.event(Event::PublishRefused { topic, reason });
            self.finished(accepted.id, Err(why));
        }
    }
}
