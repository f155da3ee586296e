//! rumqttc's event loop of MQTT 3.1.1.

use std::collections::VecDeque;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, MqttState, NetworkOptions,
    Outgoing, Packet, PubRel, Publish, QoS, Request, SubscribeFilter, SubscribeReasonCode,
};
use sealmq_client::{
    Acknowledged, Ending, Limits, NoConnack, OpenError, Output, Qos, ReasonCode, Resume,
    SealedWill, Subscription,
};

use super::{V4, convert, failure};
use crate::options::{MAX_INCOMING_PACKET, SealOptions};
use crate::tls::name_provider;
use crate::trouble::Trouble;
use crate::version::{Heard, Version};

/// rumqttc's default, which its options do not tell from a choice.
const DEFAULT_INCOMING: usize = 10 * 1024;
/// What MQTT is able to express.
const MAX_OUTGOING: usize = 268_435_460;
/// Seconds that a broker has to answer.
const ANSWERS_WITHIN: u64 = 10;
const FAILURE: u8 = 0x80;
/// This version has no other word for a publish.
const SUCCESS: ReasonCode = ReasonCode::SUCCESS;
/// Publishes on their way. A broker cannot say how many it allows: Mosquitto acknowledges what is
/// beyond 20, and drops it; the bundled one ends the connection beyond 64.
const MAX_INFLIGHT: u16 = 20;

impl Version for V4 {
    type Options = MqttOptions;
    type Qos = QoS;
    type Filter = SubscribeFilter;
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

    fn reason_to(_: u8) -> SubscribeReasonCode {
        SubscribeReasonCode::Failure
    }

    fn subscription_from(filter: SubscribeFilter) -> Subscription {
        Subscription::new(filter.path, convert::qos_from(filter.qos))
    }

    fn equip(mqtt: &mut MqttOptions) -> Result<(), OpenError> {
        if mqtt.last_will().is_some() {
            return Err(OpenError::WillInClear);
        }
        if let Some(transport) = name_provider(mqtt.transport()).map_err(OpenError::Tls)? {
            mqtt.set_transport(transport);
        }
        let incoming = match mqtt.max_packet_size() {
            DEFAULT_INCOMING => usize::try_from(MAX_INCOMING_PACKET).unwrap_or(usize::MAX),
            chosen => chosen,
        };
        mqtt.set_max_packet_size(incoming, MAX_OUTGOING);
        Ok(())
    }

    fn prepare(mqtt: &mut MqttOptions, options: &SealOptions) {
        mqtt.set_manual_acks(true);
        mqtt.set_inflight(
            mqtt.inflight()
                .min(options.max_inflight.unwrap_or(MAX_INFLIGHT))
                .max(1),
        );
    }

    fn largest(mqtt: &MqttOptions) -> usize {
        mqtt.max_packet_size()
    }

    fn most_inflight(mqtt: &MqttOptions) -> u16 {
        mqtt.inflight()
    }

    fn start(mqtt: MqttOptions, capacity: usize) -> (AsyncClient, EventLoop) {
        let (requests, mut eventloop) = AsyncClient::new(mqtt, capacity);
        let mut network = NetworkOptions::new();
        // Otherwise small packets wait for the acknowledgement of the one before.
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(ANSWERS_WITHIN);
        eventloop.set_network_options(network);
        (requests, eventloop)
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

    /// A new session is one of this connection only: MQTT 3.1.1 has no other.
    fn renew(eventloop: &mut EventLoop, mqtt: &MqttOptions, will: Option<SealedWill>, fresh: bool) {
        let options = &mut eventloop.mqtt_options;
        *options = mqtt.clone();
        if let Some(will) = will {
            options.set_last_will(convert::will_to(will));
        }
        if fresh {
            options.set_clean_session(true);
        }
    }

    fn set_network(eventloop: &mut EventLoop, network: NetworkOptions) {
        eventloop.set_network_options(network);
    }

    fn new_state(most_inflight: u16) -> MqttState {
        MqttState::new(most_inflight, true)
    }

    fn accept_release(state: &mut MqttState, packet: u16) {
        let mut publish = Publish::new("", QoS::ExactlyOnce, Vec::new());
        publish.pkid = packet;
        let _never_fails = state.handle_incoming_packet(Packet::Publish(publish));
        state.events.clear();
    }

    fn install(eventloop: &mut EventLoop, mut state: MqttState, _: &Event) {
        state.events = std::mem::take(&mut eventloop.state.events);
        eventloop.state = state;
    }

    fn hand(requests: &AsyncClient, output: Output) -> bool {
        let handed = match output {
            Output::Acknowledge(token) => {
                let mut publish = Publish::new("", convert::qos_to(token.qos), Vec::new());
                publish.pkid = token.packet;
                requests.try_ack(&publish)
            }
            Output::Subscribe(filters) => {
                let filters = filters
                    .into_iter()
                    .map(|wanted| SubscribeFilter::new(wanted.filter, convert::qos_to(wanted.qos)));
                requests.try_subscribe_many(filters.collect::<Vec<_>>())
            }
            Output::Unsubscribe(filter) => requests.try_unsubscribe(filter),
            Output::Publish(wire) => {
                let (qos, retain) = (convert::qos_to(wire.qos), wire.retain);
                // There is always room, so it is done at once; `try_publish` would copy.
                let publishing = requests.publish_bytes(wire.topic, qos, retain, wire.payload);
                let at_once = pin!(publishing).poll(&mut Context::from_waker(Waker::noop()));
                match at_once {
                    Poll::Ready(handed) => handed,
                    Poll::Pending => return false,
                }
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
            Resume::Release(pkid) => Request::PubRel(PubRel::new(pkid)),
        }
    }

    fn heard(event: &Event) -> Heard {
        let packet = match event {
            Event::Incoming(packet) => packet,
            Event::Outgoing(Outgoing::Publish(packet)) => return Heard::PublishWritten(*packet),
            Event::Outgoing(Outgoing::Subscribe(packet)) => {
                return Heard::SubscribeWritten(*packet);
            }
            Event::Outgoing(Outgoing::Unsubscribe(packet)) => {
                return Heard::UnsubscribeWritten(*packet);
            }
            Event::Outgoing(Outgoing::Disconnect) => return Heard::DisconnectWritten,
            Event::Outgoing(_) => return Heard::Other,
        };
        match packet {
            Packet::ConnAck(connack) => Heard::Connected {
                session_present: connack.session_present,
                limits: Limits::default(),
            },
            Packet::Publish(publish) => Heard::Publish(convert::incoming(publish)),
            Packet::PubAck(ack) => acknowledged(ack.pkid, Acknowledged::Complete(SUCCESS)),
            Packet::PubRec(ack) => acknowledged(ack.pkid, Acknowledged::Received(SUCCESS)),
            Packet::PubComp(ack) => acknowledged(ack.pkid, Acknowledged::Complete(SUCCESS)),
            Packet::PubRel(release) => Heard::Released(release.pkid),
            Packet::SubAck(ack) => {
                let answers = ack.return_codes.iter().map(|answer| match answer {
                    SubscribeReasonCode::Success(qos) => Ok(convert::qos_from(*qos)),
                    SubscribeReasonCode::Failure => Err(FAILURE),
                });
                Heard::Subscribed(ack.pkid, answers.collect())
            }
            Packet::UnsubAck(ack) => Heard::Unsubscribed(ack.pkid),
            _ => Heard::Other,
        }
    }

    fn message(event: &Event) -> Option<(&str, &[u8], bool)> {
        match event {
            Event::Incoming(Packet::Publish(publish)) => {
                Some((&publish.topic, &publish.payload, publish.retain))
            }
            _ => None,
        }
    }

    fn done() -> ConnectionError {
        ConnectionError::RequestsDone
    }

    fn ending(failure: &ConnectionError) -> Ending {
        failure::ending(failure)
    }

    /// Brokers of MQTT 5 speak this version as well, so it is always something else.
    fn no_connack(_: &ConnectionError) -> Option<NoConnack> {
        None
    }

    fn trouble(failure: &ConnectionError) -> Trouble {
        failure::trouble(failure)
    }
}

const fn acknowledged(packet: u16, how: Acknowledged) -> Heard {
    Heard::Acknowledged {
        packet,
        how,
        leaks: false,
    }
}
