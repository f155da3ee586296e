//! rumqttc's event loop of MQTT 5.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Filter, Packet, PubAckReason, PubCompReason, PubRecReason, PubRel, Publish, PublishProperties,
    SubscribeReasonCode,
};
use rumqttc::v5::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, MqttState, Request,
};
use rumqttc::{NetworkOptions, Outgoing};
use sealmq_client::{
    Acknowledged, Ending, NoConnack, OpenError, Output, Qos, Resume, SealedWill, Subscription,
};

use super::{V5, convert, failure};
use crate::options::{MAX_INCOMING_PACKET, SealOptions};
use crate::tls::name_provider;
use crate::trouble::Trouble;
use crate::version::{Heard, Version};

/// Messages of QoS 1 and 2 that wait for `poll`, because they are acknowledged when it has them.
/// More than the client holds back for want of keys, which come on the same way.
const RECEIVE_MAXIMUM: u16 = 100;
/// Publishes on their way, if the broker allows so many.
const MAX_INFLIGHT: u16 = 100;
/// If neither side wants a keep-alive.
const PINGS_EVERY: Duration = Duration::from_secs(60);

impl Version for V5 {
    type Options = MqttOptions;
    type Qos = QoS;
    type Filter = Filter;
    type Reason = SubscribeReasonCode;
    type Mqtt = Event;
    type Failure = ConnectionError;
    type Requests = AsyncClient;
    type EventLoop = EventLoop;
    type Request = Request;
    type State = MqttState;

    fn qos_from(qos: QoS) -> Qos {
        convert::qos_from(qos)
    }

    fn qos_to(qos: Qos) -> QoS {
        convert::qos_to(qos)
    }

    fn reason_to(code: u8) -> SubscribeReasonCode {
        convert::refusal_to(code)
    }

    fn subscription_from(filter: Filter) -> Subscription {
        convert::subscription_from(filter)
    }

    fn equip(mqtt: &mut MqttOptions) -> Result<(), OpenError> {
        if mqtt.last_will().is_some() {
            return Err(OpenError::WillInClear);
        }
        if let Some(transport) = name_provider(mqtt.transport()).map_err(OpenError::Tls)? {
            mqtt.set_transport(transport);
        }
        if mqtt.max_packet_size().is_none() {
            mqtt.set_max_packet_size(Some(MAX_INCOMING_PACKET));
        }
        let mut network = mqtt.network_options();
        // Otherwise small packets wait for the acknowledgement of the one before.
        network.set_tcp_nodelay(true);
        mqtt.set_network_options(network);
        Ok(())
    }

    fn prepare(mqtt: &mut MqttOptions, options: &SealOptions) {
        mqtt.set_manual_acks(true);
        if mqtt.receive_maximum().is_none() {
            mqtt.set_receive_maximum(Some(RECEIVE_MAXIMUM));
        }
        let most = mqtt.get_outgoing_inflight_upper_limit().unwrap_or(u16::MAX);
        mqtt.set_outgoing_inflight_upper_limit(
            most.min(options.max_inflight.unwrap_or(MAX_INFLIGHT))
                .max(1),
        );
    }

    fn largest(mqtt: &MqttOptions) -> usize {
        let size = mqtt.max_packet_size().unwrap_or(MAX_INCOMING_PACKET);
        usize::try_from(size).unwrap_or(usize::MAX)
    }

    fn most_inflight(mqtt: &MqttOptions) -> u16 {
        mqtt.get_outgoing_inflight_upper_limit().unwrap_or(1)
    }

    fn start(mqtt: MqttOptions, capacity: usize) -> (AsyncClient, EventLoop) {
        AsyncClient::new(mqtt, capacity)
    }

    async fn poll(eventloop: &mut EventLoop) -> Result<Event, ConnectionError> {
        eventloop.poll().await
    }

    fn clean(eventloop: &mut EventLoop) {
        eventloop.clean();
    }

    fn events(eventloop: &mut EventLoop) -> &mut VecDeque<Event> {
        &mut eventloop.state.events
    }

    fn pending(eventloop: &mut EventLoop) -> &mut VecDeque<Request> {
        &mut eventloop.pending
    }

    fn renew(eventloop: &mut EventLoop, mqtt: &MqttOptions, will: Option<SealedWill>, fresh: bool) {
        let options = &mut eventloop.options;
        // What the broker said of keep-alive and session is rumqttc's.
        if will.is_some() || options.last_will().is_some() {
            // So is the client id that the broker gave to one without.
            let id = options.client_id();
            *options = mqtt.clone();
            options.set_client_id(id);
        }
        if let Some(will) = will {
            options.set_last_will(convert::will_to(will));
        }
        options.set_clean_start(mqtt.clean_start() || fresh);
    }

    fn set_network(eventloop: &mut EventLoop, network: NetworkOptions) {
        eventloop.options.set_network_options(network);
    }

    fn new_state(most_inflight: u16) -> MqttState {
        MqttState::new(most_inflight, true)
    }

    fn accept_release(state: &mut MqttState, packet: u16) {
        let publish = Publish {
            qos: QoS::ExactlyOnce,
            pkid: packet,
            ..Publish::default()
        };
        let _never_fails = state.handle_incoming_packet(Packet::Publish(publish));
        state.events.clear();
    }

    fn install(eventloop: &mut EventLoop, mut state: MqttState, connack: &Event) {
        if let Event::Incoming(connack) = connack {
            // Only sets the limits; it fails for refused connections, which do not get here.
            let _accepted = state.handle_incoming_packet(connack.clone());
            obey(&mut eventloop.options, connack);
        }
        state.events = std::mem::take(&mut eventloop.state.events);
        eventloop.state = state;
    }

    fn hand(requests: &AsyncClient, output: Output) -> bool {
        let handed = match output {
            Output::Acknowledge(token) => requests.try_ack(&Publish {
                pkid: token.packet,
                qos: convert::qos_to(token.qos),
                ..Publish::default()
            }),
            Output::Subscribe(filters) => {
                let filters = filters.into_iter().map(convert::filter_to);
                requests.try_subscribe_many(filters.collect::<Vec<_>>())
            }
            Output::Unsubscribe(filter) => requests.try_unsubscribe(filter),
            Output::Publish(mut wire) => {
                let (qos, retain) = (convert::qos_to(wire.qos), wire.retain);
                let mut outer = convert::properties_to(wire.properties);
                if let Some(alias) = wire.alias {
                    outer.topic_alias = Some(alias.number);
                    if alias.is_known {
                        wire.topic.clear();
                    }
                }
                requests.try_publish_with_properties(wire.topic, qos, retain, wire.payload, outer)
            }
            Output::Disconnect => requests.try_disconnect(),
            _ => Ok(()),
        };
        handed.is_ok()
    }

    fn resume(resume: Resume) -> Request {
        match resume {
            Resume::Publish(pkid, wire) => Request::Publish(Publish {
                pkid,
                dup: true,
                ..convert::publish(wire)
            }),
            Resume::Release(pkid) => Request::PubRel(PubRel::new(pkid, None)),
        }
    }

    fn heard(event: &Event) -> Heard {
        match event {
            Event::Incoming(packet) => incoming(packet),
            Event::Outgoing(Outgoing::Publish(packet)) => Heard::PublishWritten(*packet),
            Event::Outgoing(Outgoing::Subscribe(packet)) => Heard::SubscribeWritten(*packet),
            Event::Outgoing(Outgoing::Unsubscribe(packet)) => Heard::UnsubscribeWritten(*packet),
            Event::Outgoing(Outgoing::Disconnect) => Heard::DisconnectWritten,
            Event::Outgoing(_) => Heard::Other,
        }
    }

    fn message(event: &Event) -> Option<(&str, &[u8], bool)> {
        match event {
            Event::Incoming(Packet::Publish(publish)) => {
                let topic = std::str::from_utf8(&publish.topic).ok()?;
                Some((topic, &publish.payload, publish.retain))
            }
            _ => None,
        }
    }

    fn alias(event: &Event) -> Option<u16> {
        match event {
            Event::Incoming(Packet::Publish(publish)) => publish.properties.as_ref()?.topic_alias,
            _ => None,
        }
    }

    fn know_aliases(eventloop: &mut EventLoop, aliases: &BTreeMap<u16, String>) {
        let state = &mut eventloop.state;
        let events = std::mem::take(&mut state.events);
        for (alias, topic) in aliases {
            let outer = PublishProperties {
                topic_alias: Some(*alias),
                ..PublishProperties::default()
            };
            let publish = Publish::new(topic.as_str(), QoS::AtMostOnce, Vec::new(), Some(outer));
            let _never_fails = state.handle_incoming_packet(Packet::Publish(publish));
        }
        state.events = events;
    }

    fn done() -> ConnectionError {
        ConnectionError::RequestsDone
    }

    fn ending(failure: &ConnectionError) -> Ending {
        failure::ending(failure)
    }

    fn no_connack(failure: &ConnectionError) -> Option<NoConnack> {
        failure::no_connack(failure)
    }

    fn trouble(failure: &ConnectionError) -> Trouble {
        failure::trouble(failure)
    }
}

/// What rumqttc leaves undone of what the broker says: the session belongs to the client id that it
/// gave, and a keep-alive of 0, which switches it off, makes rumqttc ping without a pause.
fn obey(options: &mut MqttOptions, connack: &Packet) {
    let Packet::ConnAck(connack) = connack else {
        return;
    };
    let told = connack.properties.as_ref();
    if let Some(id) = told.and_then(|told| told.assigned_client_identifier.clone()) {
        options.set_client_id(id);
    }
    if options.keep_alive().is_zero() {
        options.set_keep_alive(PINGS_EVERY);
    }
}

fn incoming(packet: &Packet) -> Heard {
    match packet {
        Packet::ConnAck(connack) => Heard::Connected {
            session_present: connack.session_present,
            limits: convert::limits(connack),
        },
        Packet::Publish(publish) => Heard::Publish(convert::incoming(publish)),
        Packet::PubAck(ack) => {
            let said = convert::puback(ack.reason);
            let how = match ack.reason {
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers => {
                    Acknowledged::Complete(said)
                }
                _ => Acknowledged::Refused(said),
            };
            acknowledged(ack.pkid, how, false)
        }
        Packet::PubRec(ack) => {
            let said = convert::pubrec(ack.reason);
            match ack.reason {
                PubRecReason::Success | PubRecReason::NoMatchingSubscribers => {
                    acknowledged(ack.pkid, Acknowledged::Received(said), false)
                }
                _ => acknowledged(ack.pkid, Acknowledged::Refused(said), true),
            }
        }
        Packet::PubComp(ack) => {
            let leaks = ack.reason != PubCompReason::Success;
            let said = convert::pubcomp(ack.reason);
            acknowledged(ack.pkid, Acknowledged::Complete(said), leaks)
        }
        Packet::PubRel(release) => Heard::Released(release.pkid),
        Packet::SubAck(ack) => {
            let answers = ack.return_codes.iter().copied().map(convert::answer_from);
            Heard::Subscribed(ack.pkid, answers.collect())
        }
        Packet::UnsubAck(ack) => Heard::Unsubscribed(ack.pkid),
        _ => Heard::Other,
    }
}

const fn acknowledged(packet: u16, how: Acknowledged, leaks: bool) -> Heard {
    Heard::Acknowledged { packet, how, leaks }
}
