//! What rumqttc reports, and what follows from it.

use std::time::Duration;

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Packet, PubAckReason, PubCompReason, PubRec, PubRecReason, Publish,
    SubscribeReasonCode,
};
use rumqttc::v5::{self, EventLoop, Request};
use tokio::time::Instant;

use super::core::{Connection, Core};
use super::{Event, convert};
use crate::engine::{Incoming, Token};
use crate::error::StoreFailure;
use crate::outbox::{Qos, Resume, Session};

/// Brokers must answer a PUBREL whether or not they know its identifier.
const ORPHANS_WITHIN: Duration = Duration::from_secs(10);

impl Core {
    pub(super) async fn on_event(
        &mut self,
        event: v5::Event,
        eventloop: &mut EventLoop,
    ) -> Result<(), StoreFailure> {
        if let v5::Event::Incoming(Packet::ConnAck(connack)) = &event {
            self.on_connack(connack, eventloop);
            let outputs = self.engine.connected().await?;
            self.apply(outputs);
        }
        let goodbye = event == v5::Event::Outgoing(Outgoing::Disconnect);
        self.on_packet(event).await?;
        if goodbye && self.renewing.is_some() {
            // Nothing may follow DISCONNECT. The broker closes the connection.
            return self.on_disconnect(eventloop).await;
        }
        if self.outbox.wants_fresh_state()
            && let Some(connection) = &self.connection
        {
            self.states.renew(eventloop, &connection.connack, true);
            self.outbox.fresh_state();
        }
        self.feed_resume(eventloop);
        Ok(())
    }

    /// The connection broke, or could not be made.
    pub(super) async fn on_disconnect(
        &mut self,
        eventloop: &mut EventLoop,
    ) -> Result<(), StoreFailure> {
        // First of all, so that nothing that follows is acknowledged or sent.
        self.connection = None;
        self.settling = None;
        self.engine.disconnected();
        for event in std::mem::take(&mut eventloop.state.events) {
            if event == v5::Event::Outgoing(Outgoing::Publish(0)) {
                self.outbox.unwritten();
            } else {
                self.on_packet(event).await?;
            }
        }
        // rumqttc's own plans for the next connection; the outbox has better ones.
        eventloop.pending.clear();
        self.outbox.disconnected();
        self.subscriptions.disconnected();
        Ok(())
    }

    fn on_connack(&mut self, connack: &ConnAck, eventloop: &mut EventLoop) {
        let most_qos = connack.properties.as_ref().and_then(|p| p.max_qos);
        let session = match (connack.session_present, self.connections) {
            (false, _) => Session::New,
            (true, 0) if most_qos.is_none_or(|most| most >= 2) => Session::Inherited,
            (true, _) => Session::Resumed,
        };
        self.resume_until = Instant::now().checked_add(ORPHANS_WITHIN);
        self.connections = self.connections.saturating_add(1);
        self.connection = Some(Connection {
            number: self.connections,
            connack: connack.clone(),
        });
        self.states
            .renew(eventloop, connack, connack.session_present);
        self.outbox.connected(session, self.states.limit(connack));
        self.event(Event::Connected {
            session_present: connack.session_present,
        });
        self.restore_subscriptions(connack.session_present);
    }

    fn feed_resume(&mut self, eventloop: &mut EventLoop) {
        while let Some(resume) = self.outbox.next_resume() {
            match resume {
                Resume::Release(pkid) => {
                    let release = v5::mqttbytes::v5::PubRel::new(pkid, None);
                    eventloop.pending.push_back(Request::PubRel(release));
                }
                Resume::Publish(pkid, wire) => {
                    if let Err(error) = self.check_limits(convert::size(&wire), wire.qos) {
                        let dropped = self.outbox.settled(pkid);
                        self.give_up(dropped, error.to_string());
                        continue;
                    }
                    let publish = Publish {
                        pkid,
                        dup: true,
                        ..convert::publish(&wire)
                    };
                    eventloop.pending.push_back(Request::Publish(publish));
                }
            }
        }
    }

    async fn on_packet(&mut self, event: v5::Event) -> Result<(), StoreFailure> {
        match &event {
            v5::Event::Incoming(Packet::Publish(publish)) => {
                return self.on_publish(publish).await;
            }
            v5::Event::Incoming(packet) => self.on_answer(packet),
            v5::Event::Outgoing(Outgoing::Publish(packet)) => {
                let written = self.outbox.written(*packet);
                self.finished(written);
            }
            v5::Event::Outgoing(Outgoing::Subscribe(packet)) => {
                self.subscriptions.written(*packet);
            }
            v5::Event::Outgoing(Outgoing::Unsubscribe(packet)) => {
                self.subscriptions.end_written(*packet);
            }
            v5::Event::Outgoing(Outgoing::Disconnect) => self.done |= self.is_closing(),
            v5::Event::Outgoing(_) => {}
        }
        if self.mqtt_events {
            self.event(Event::Mqtt(Box::new(event)));
        }
        Ok(())
    }

    fn on_answer(&mut self, packet: &Packet) {
        match packet {
            Packet::PubAck(ack) => {
                let settled = self.outbox.settled(ack.pkid);
                match ack.reason {
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers => {
                        self.finished(settled);
                    }
                    reason => self.give_up(settled, refusal(&reason)),
                }
            }
            Packet::PubRec(PubRec { pkid, reason, .. }) => match reason {
                PubRecReason::Success | PubRecReason::NoMatchingSubscribers => {
                    self.outbox.received(*pkid);
                }
                reason => {
                    self.outbox.leaked();
                    let settled = self.outbox.settled(*pkid);
                    self.give_up(settled, refusal(reason));
                }
            },
            Packet::PubComp(complete) => {
                if complete.reason != PubCompReason::Success {
                    self.outbox.leaked();
                }
                let settled = self.outbox.settled(complete.pkid);
                self.finished(settled);
            }
            Packet::SubAck(ack) => {
                let answers = self.subscriptions.answered(ack);
                let of_keys = answers.iter().any(|(filter, _)| self.is_reserved(filter));
                if let Some(settling) = self.settling.as_mut().filter(|_| of_keys) {
                    settling.confirmed();
                }
                for (filter, code) in answers {
                    match code {
                        SubscribeReasonCode::Success(_) if self.is_reserved(&filter) => {}
                        SubscribeReasonCode::Success(qos) => {
                            self.event(Event::Subscribed { filter, qos });
                        }
                        reason => self.event(Event::SubscribeRefused { filter, reason }),
                    }
                }
            }
            Packet::UnsubAck(ack) => {
                let ended = self.subscriptions.end_answered(ack);
                if let Some(filter) = ended.filter(|filter| !self.is_reserved(filter)) {
                    self.event(Event::Unsubscribed { filter });
                }
            }
            _ => {}
        }
    }

    async fn on_publish(&mut self, publish: &Publish) -> Result<(), StoreFailure> {
        if self.is_closing() {
            return Ok(()); // not acknowledged: a session that survives delivers it again
        }
        let qos = convert::qos_from(publish.qos);
        let token = (qos != Qos::AtMostOnce).then_some(Token {
            connection: self
                .connection
                .as_ref()
                .map_or(0, |connection| connection.number),
            packet: publish.pkid,
            qos,
        });
        // A name that is no UTF-8 matches nothing; the member says what it thinks of it.
        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
        let reserved = self.is_reserved(&topic);
        let outputs = self
            .engine
            .receive(Incoming {
                topic,
                payload: publish.payload.clone(),
                retain: publish.retain,
                properties: convert::properties_from(publish.properties.clone()),
                token,
            })
            .await?;
        self.apply(outputs);
        if reserved {
            if let Some(settling) = &mut self.settling {
                settling.heard();
            }
            self.retry_parked();
            self.renew_will();
        }
        Ok(())
    }

    fn is_reserved(&self, topic: &str) -> bool {
        self.engine.member().is_reserved(topic)
    }
}

fn refusal(reason: &impl core::fmt::Debug) -> String {
    format!("the broker refused it: {reason:?} (look at its access rules and limits)")
}
