//! Between rumqttc's events and the client's inputs, and back.

use std::collections::VecDeque;
use std::sync::Arc;

use getrandom::SysRng;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, LastWill, Packet, PubAckReason, PubCompReason, PubRecReason, Publish,
};
use rumqttc::v5::{self, EventLoop, Request};
use sealmq_client::{Acknowledged, Client, Output, Resume, StoreFailure, Time, Token};
use tokio::sync::mpsc::Permit;
use tokio::time::Instant;

use super::calls::Calls;
use super::state::States;
use super::{Event, PollError, convert};
use crate::clock::Clock;
use crate::log::log;
use crate::store::CommitThread;

/// Everything but rumqttc's event loop, which is borrowed while it polls.
pub(super) struct Core {
    pub(super) client: Client,
    pub(super) store: CommitThread,
    pub(super) states: States,
    pub(super) calls: Calls,
    /// Requests to rumqttc; its queue is never full.
    pub(super) mqtt: v5::AsyncClient,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) started: Instant,
    pub(super) mqtt_events: bool,
    pub(super) connack: Option<ConnAck>,
    /// For the application, each with what is acknowledged when it was handed over.
    pub(super) out: VecDeque<(Result<Event, PollError>, Option<Token>)>,
    /// What a resumed session sends first, before rumqttc's queue.
    pub(super) resume: Vec<Request>,
    /// For the next CONNECT.
    pub(super) will: Option<LastWill>,
    pub(super) hang_up: bool,
    pub(super) closed: bool,
}

impl Core {
    pub(super) fn time(&self) -> Time {
        let uptime = self.started.elapsed().as_millis();
        Time {
            uptime: u64::try_from(uptime).unwrap_or(u64::MAX),
            clock: self.clock.now_ms(),
        }
    }

    /// Does what the client wants done.
    pub(super) async fn pump(&mut self) -> Result<(), StoreFailure> {
        while let Some(output) = self.client.poll_output(self.time(), &mut SysRng) {
            self.calls.count(self.client.outstanding());
            match output {
                Output::Commit(changes) => match self.store.commit(changes).await {
                    Ok(()) => self.client.committed(),
                    Err(error) => {
                        self.client.commit_failed();
                        return Err(error);
                    }
                },
                Output::Event(event, token) => {
                    let event = event.with(convert::qos_to, convert::refusal_to);
                    self.out.push_back((Ok(event), token));
                }
                Output::Accepted(id) => self.calls.accepted(id),
                Output::Refused { id, topic, error } => {
                    if let Some(error) = self.calls.refused(id, error) {
                        self.event(Event::NotPublished { topic, error });
                    }
                }
                Output::Done(id) => self.calls.done(id),
                Output::Flushed(id) => self.calls.flushed(id),
                Output::Connect(will) => self.will = will.map(convert::will_to),
                Output::HangUp => self.hang_up = true,
                Output::Closed => self.closed = true,
                Output::Resume(Resume::Publish(pkid, wire)) => {
                    let mut publish = convert::publish(wire);
                    (publish.pkid, publish.dup) = (pkid, true);
                    self.resume.push(Request::Publish(publish));
                }
                Output::Resume(Resume::Release(pkid)) => {
                    let release = v5::mqttbytes::v5::PubRel::new(pkid, None);
                    self.resume.push(Request::PubRel(release));
                }
                packet => self.hand(packet),
            }
        }
        Ok(())
    }

    /// A connection that is lost meanwhile shows up as the event loop's next result.
    fn hand(&self, packet: Output) {
        let _lost = match packet {
            Output::Acknowledge(token) => {
                let (pkid, qos) = (token.packet, convert::qos_to(token.qos));
                self.mqtt.try_ack(&Publish {
                    pkid,
                    qos,
                    ..Publish::default()
                })
            }
            Output::Subscribe(filters) => {
                let filters = filters.into_iter().map(convert::filter_to);
                self.mqtt.try_subscribe_many(filters.collect::<Vec<_>>())
            }
            Output::Unsubscribe(filter) => self.mqtt.try_unsubscribe(filter),
            Output::Publish(wire) => {
                let qos = convert::qos_to(wire.qos);
                let (topic, retain, payload) = (wire.topic, wire.retain, wire.payload);
                match convert::properties_to(wire.properties) {
                    Some(properties) => self
                        .mqtt
                        .try_publish_with_properties(topic, qos, retain, payload, properties),
                    None => self.mqtt.try_publish(topic, qos, retain, payload),
                }
            }
            Output::Disconnect => self.mqtt.try_disconnect(),
            _ => Ok(()),
        };
    }

    pub(super) fn tick(&mut self) {
        self.calls.abandon(&mut self.client);
        self.client.handle_timeout(self.time(), &mut SysRng);
    }

    /// Hands the next event to the application, and acknowledges it to the broker.
    pub(super) fn deliver(&mut self, permit: Permit<'_, Result<Event, PollError>>) {
        if let Some((event, token)) = self.out.pop_front() {
            log(&event);
            permit.send(event);
            if let Some(token) = token {
                self.client.handle_delivered(token);
            }
        }
    }

    fn event(&mut self, event: Event) {
        self.out.push_back((Ok(event), None));
    }

    pub(super) async fn on_event(
        &mut self,
        event: v5::Event,
        eventloop: &mut EventLoop,
    ) -> Result<(), StoreFailure> {
        self.calls.abandon(&mut self.client);
        if let v5::Event::Incoming(Packet::ConnAck(connack)) = &event {
            let present = connack.session_present;
            self.states.renew(eventloop, connack, present);
            let limits = convert::limits(connack, self.states.limit(connack));
            self.client.handle_connected(present, limits, self.time());
            self.connack = Some(connack.clone());
        }
        let goodbye = event == v5::Event::Outgoing(Outgoing::Disconnect);
        self.on_packet(event);
        if goodbye {
            // Nothing may follow.
            self.drain(eventloop);
            self.client.handle_disconnect_written();
        }
        if self.client.wants_fresh_state()
            && let Some(connack) = &self.connack
        {
            self.states.renew(eventloop, connack, true);
            self.client.handle_fresh_state();
        }
        self.pump().await?;
        eventloop.pending.extend(self.resume.drain(..));
        Ok(())
    }

    /// The last that rumqttc has to tell of a connection.
    pub(super) fn drain(&mut self, eventloop: &mut EventLoop) {
        for event in std::mem::take(&mut eventloop.state.events) {
            if event == v5::Event::Outgoing(Outgoing::Publish(0)) {
                self.client.handle_publish_unwritten();
            } else {
                self.on_packet(event);
            }
        }
        // rumqttc's own plans for the next connection; the client has better ones.
        eventloop.pending.clear();
        self.resume.clear();
    }

    fn on_packet(&mut self, event: v5::Event) {
        let client = &mut self.client;
        match &event {
            v5::Event::Incoming(Packet::Publish(publish)) => {
                let time = self.time();
                self.client.handle_publish(convert::incoming(publish), time);
                return;
            }
            v5::Event::Incoming(packet) => self.on_answer(packet),
            v5::Event::Outgoing(Outgoing::Publish(pkid)) => client.handle_publish_written(*pkid),
            v5::Event::Outgoing(Outgoing::Subscribe(pkid)) => {
                client.handle_subscribe_written(*pkid);
            }
            v5::Event::Outgoing(Outgoing::Unsubscribe(pkid)) => {
                client.handle_unsubscribe_written(*pkid);
            }
            v5::Event::Outgoing(_) => {}
        }
        if self.mqtt_events {
            self.event(Event::Mqtt(Box::new(event)));
        }
    }

    fn on_answer(&mut self, packet: &Packet) {
        let (time, client) = (self.time(), &mut self.client);
        match packet {
            Packet::PubAck(ack) => {
                let acknowledged = match ack.reason {
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers => {
                        Acknowledged::Complete
                    }
                    reason => refused(&reason),
                };
                client.handle_acknowledged(ack.pkid, acknowledged);
            }
            Packet::PubRec(ack) => {
                let acknowledged = match ack.reason {
                    PubRecReason::Success | PubRecReason::NoMatchingSubscribers => {
                        Acknowledged::Received
                    }
                    reason => {
                        client.handle_slot_leaked();
                        refused(&reason)
                    }
                };
                client.handle_acknowledged(ack.pkid, acknowledged);
            }
            Packet::PubComp(ack) => {
                if ack.reason != PubCompReason::Success {
                    client.handle_slot_leaked();
                }
                client.handle_acknowledged(ack.pkid, Acknowledged::Complete);
            }
            Packet::SubAck(ack) => {
                let answers = ack.return_codes.iter().copied().map(convert::answer_from);
                client.handle_subscribed(ack.pkid, &answers.collect::<Vec<_>>(), time);
            }
            Packet::UnsubAck(ack) => client.handle_unsubscribed(ack.pkid),
            _ => {}
        }
    }
}

fn refused(reason: &impl core::fmt::Debug) -> Acknowledged {
    let reason = format!("the broker refused it: {reason:?} (look at its access rules and limits)");
    Acknowledged::Refused(reason)
}
