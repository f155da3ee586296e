//! Between rumqttc's events and the client's inputs, and back.

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, LastWill, Packet, PubAck, PubAckReason, PubCompReason, PubRec, PubRecReason, PubRel,
    Publish,
};
use rumqttc::v5::{self, ConnectionError, EventLoop, Request};
use sealmq_client::{Acknowledged, Output, Resume, StoreFailure};

use crate::host::{Host, Library, Report};
use crate::log::log;
use crate::state::States;
use crate::v5::{Event, convert};

/// rumqttc, but for its event loop.
pub(crate) struct V5 {
    /// Requests to the event loop; its queue is never full.
    pub(crate) mqtt: v5::AsyncClient,
    pub(crate) states: States,
    pub(crate) mqtt_events: bool,
    pub(crate) connack: Option<ConnAck>,
    /// What a resumed session sends first, before the queue.
    pub(crate) resume: Vec<Request>,
    /// For the next CONNECT.
    pub(crate) will: Option<LastWill>,
}

impl Library for V5 {
    type Event = Event;
    type Failure = ConnectionError;

    fn event(event: sealmq_client::Event) -> Event {
        event.with(convert::qos_to, convert::refusal_to)
    }

    fn log(event: &Report<Self>) {
        log(event);
    }

    fn hand(&mut self, output: Output) {
        let _lost = match output {
            Output::Connect(will) => {
                self.will = will.map(convert::will_to);
                Ok(())
            }
            Output::Resume(resume) => {
                self.resume.push(match resume {
                    Resume::Publish(pkid, wire) => Request::Publish(Publish {
                        pkid,
                        dup: true,
                        ..convert::publish(wire)
                    }),
                    Resume::Release(pkid) => Request::PubRel(PubRel::new(pkid, None)),
                });
                Ok(())
            }
            Output::Acknowledge(token) => self.mqtt.try_ack(&Publish {
                pkid: token.packet,
                qos: convert::qos_to(token.qos),
                ..Publish::default()
            }),
            Output::Subscribe(filters) => {
                let filters = filters.into_iter().map(convert::filter_to);
                self.mqtt.try_subscribe_many(filters.collect::<Vec<_>>())
            }
            Output::Unsubscribe(filter) => self.mqtt.try_unsubscribe(filter),
            Output::Publish(wire) => {
                let (qos, retain) = (convert::qos_to(wire.qos), wire.retain);
                let outer = convert::properties_to(wire.properties);
                self.mqtt
                    .try_publish_with_properties(wire.topic, qos, retain, wire.payload, outer)
            }
            Output::Disconnect => self.mqtt.try_disconnect(),
            _ => Ok(()),
        };
    }
}

impl Host<V5> {
    pub(crate) async fn on_event(
        &mut self,
        event: v5::Event,
        eventloop: &mut EventLoop,
    ) -> Result<(), StoreFailure> {
        self.calls.abandon(&mut self.client);
        if let v5::Event::Incoming(Packet::ConnAck(connack)) = &event {
            let (present, states) = (connack.session_present, &mut self.library.states);
            states.renew(eventloop, connack, present);
            let limits = convert::limits(connack, states.limit(connack));
            self.client.handle_connected(present, limits, self.time());
            self.library.connack = Some(connack.clone());
        }
        let goodbye = event == v5::Event::Outgoing(Outgoing::Disconnect);
        self.on_packet(event);
        if goodbye {
            // Nothing may follow.
            self.drain(eventloop);
            self.client.handle_disconnect_written();
        }
        if self.client.wants_fresh_state()
            && let Some(connack) = &self.library.connack
        {
            self.library.states.renew(eventloop, connack, true);
            self.client.handle_fresh_state();
        }
        self.pump().await?;
        eventloop.pending.extend(self.library.resume.drain(..));
        Ok(())
    }

    /// The last that rumqttc has to tell of a connection.
    pub(crate) fn drain(&mut self, eventloop: &mut EventLoop) {
        for event in std::mem::take(&mut eventloop.state.events) {
            if event == v5::Event::Outgoing(Outgoing::Publish(0)) {
                self.client.handle_publish_unwritten();
            } else {
                self.on_packet(event);
            }
        }
        // rumqttc's own plans for the next connection; the client has better ones.
        eventloop.pending.clear();
        self.library.resume.clear();
    }

    /// Of QoS 0, and nobody takes it. Key management goes on all the same.
    fn is_lost(&mut self, publish: &Publish) -> bool {
        let topic = core::str::from_utf8(&publish.topic);
        let reserved = topic.is_ok_and(|topic| self.client.member().is_reserved(topic));
        !reserved && self.loses()
    }

    fn on_packet(&mut self, event: v5::Event) {
        let client = &mut self.client;
        match &event {
            v5::Event::Incoming(Packet::Publish(publish)) => {
                if publish.qos == QoS::AtMostOnce && self.is_lost(publish) {
                    return;
                }
                let (time, client) = (self.time(), &mut self.client);
                return client.handle_publish(convert::incoming(publish), time);
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
        if self.library.mqtt_events {
            self.report(Ok(Event::Mqtt(Box::new(event))));
        }
    }

    fn on_answer(&mut self, packet: &Packet) {
        let (time, client) = (self.time(), &mut self.client);
        match packet {
            Packet::PubAck(PubAck { pkid, reason, .. }) => {
                use PubAckReason::{NoMatchingSubscribers, Success};
                let acknowledged = match reason {
                    Success | NoMatchingSubscribers => Acknowledged::Complete,
                    reason => refused(reason),
                };
                client.handle_acknowledged(*pkid, acknowledged);
            }
            Packet::PubRec(PubRec { pkid, reason, .. }) => {
                use PubRecReason::{NoMatchingSubscribers, Success};
                let acknowledged = match reason {
                    Success | NoMatchingSubscribers => Acknowledged::Received,
                    reason => refused(reason),
                };
                if acknowledged != Acknowledged::Received {
                    client.handle_slot_leaked();
                }
                client.handle_acknowledged(*pkid, acknowledged);
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
            Packet::PubRel(release) => client.handle_released(release.pkid),
            _ => {}
        }
    }
}

fn refused(reason: &impl core::fmt::Debug) -> Acknowledged {
    let reason = format!("the broker refused it: {reason:?} (look at its access rules and limits)");
    Acknowledged::Refused(reason)
}
