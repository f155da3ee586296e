//! Packets of MQTT 3.1.1, as those of MQTT 5 that mean the same: the broker itself knows one kind.

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4 as old;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Connect, ConnectProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode, Filter,
    LastWill, Login, Packet, PingReq, PubAck, PubComp, PubRec, PubRel, Publish, Subscribe,
    SubscribeReasonCode, Unsubscribe,
};

/// A packet of a client's; `None`: none that a client sends.
pub(crate) fn read(frame: &mut BytesMut) -> Option<Packet> {
    Some(match old::Packet::read(frame, usize::MAX).ok()? {
        old::Packet::Connect(connect) => {
            let will = connect.last_will.map(|will| {
                let (topic, qos) = (will.topic, qos_from(will.qos));
                LastWill::new(topic, will.message, qos, will.retain, None)
            });
            let login = connect.login.map(|login| Login {
                username: login.username,
                password: login.password,
            });
            let mut properties = ConnectProperties::new();
            // A session of 3.1.1 has no other end.
            properties.session_expiry_interval = (!connect.clean_session).then_some(u32::MAX);
            let connect = Connect {
                keep_alive: connect.keep_alive,
                client_id: connect.client_id,
                clean_start: connect.clean_session,
                properties: Some(properties),
            };
            Packet::Connect(connect, will, login)
        }
        old::Packet::Publish(publish) => {
            let (topic, qos) = (publish.topic, qos_from(publish.qos));
            Packet::Publish(Publish {
                dup: publish.dup,
                retain: publish.retain,
                pkid: publish.pkid,
                ..Publish::new(topic, qos, publish.payload, None)
            })
        }
        old::Packet::PubAck(ack) => Packet::PubAck(PubAck::new(ack.pkid, None)),
        old::Packet::PubRec(ack) => Packet::PubRec(PubRec::new(ack.pkid, None)),
        old::Packet::PubRel(ack) => Packet::PubRel(PubRel::new(ack.pkid, None)),
        old::Packet::PubComp(ack) => Packet::PubComp(PubComp::new(ack.pkid, None)),
        old::Packet::Subscribe(packet) => {
            let filters = packet.filters.into_iter();
            let filters = filters.map(|filter| Filter::new(filter.path, qos_from(filter.qos)));
            let mut subscribe = Subscribe::new_many(filters, None);
            subscribe.pkid = packet.pkid;
            Packet::Subscribe(subscribe)
        }
        old::Packet::Unsubscribe(packet) => {
            let mut unsubscribe = Unsubscribe::new(String::new(), None);
            (unsubscribe.pkid, unsubscribe.filters) = (packet.pkid, packet.topics);
            Packet::Unsubscribe(unsubscribe)
        }
        old::Packet::PingReq => Packet::PingReq(PingReq),
        old::Packet::Disconnect => Packet::Disconnect(Disconnect {
            reason_code: DisconnectReasonCode::NormalDisconnection,
            properties: None,
        }),
        _ => return None,
    })
}

/// A packet of the broker's. What 3.1.1 has no words for is left out.
pub(crate) fn write(packet: &Packet) -> Bytes {
    let packet = match packet {
        Packet::ConnAck(ack) => {
            let code = match ack.code {
                ConnectReturnCode::Success => old::ConnectReturnCode::Success,
                _ => old::ConnectReturnCode::ServiceUnavailable,
            };
            old::Packet::ConnAck(old::ConnAck::new(code, ack.session_present))
        }
        Packet::Publish(publish) => {
            let topic = String::from_utf8_lossy(&publish.topic);
            let (qos, payload) = (qos_to(publish.qos), publish.payload.clone());
            old::Packet::Publish(old::Publish {
                dup: publish.dup,
                retain: publish.retain,
                pkid: publish.pkid,
                ..old::Publish::from_bytes(topic, qos, payload)
            })
        }
        Packet::PubAck(ack) => old::Packet::PubAck(old::PubAck::new(ack.pkid)),
        Packet::PubRec(ack) => old::Packet::PubRec(old::PubRec::new(ack.pkid)),
        Packet::PubRel(ack) => old::Packet::PubRel(old::PubRel::new(ack.pkid)),
        Packet::PubComp(ack) => old::Packet::PubComp(old::PubComp::new(ack.pkid)),
        Packet::SubAck(ack) => {
            let codes = ack.return_codes.iter().map(|code| match code {
                SubscribeReasonCode::Success(qos) => {
                    old::SubscribeReasonCode::Success(qos_to(*qos))
                }
                _ => old::SubscribeReasonCode::Failure,
            });
            old::Packet::SubAck(old::SubAck::new(ack.pkid, codes.collect()))
        }
        Packet::UnsubAck(ack) => old::Packet::UnsubAck(old::UnsubAck::new(ack.pkid)),
        Packet::PingResp(_) => old::Packet::PingResp,
        _ => return Bytes::new(),
    };
    let mut bytes = BytesMut::new();
    // It fails for packets without an identifier only, which the broker does not make.
    let _written = packet.write(&mut bytes, usize::MAX);
    bytes.freeze()
}

const fn qos_from(qos: rumqttc::QoS) -> QoS {
    match qos {
        rumqttc::QoS::AtMostOnce => QoS::AtMostOnce,
        rumqttc::QoS::AtLeastOnce => QoS::AtLeastOnce,
        rumqttc::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

const fn qos_to(qos: QoS) -> rumqttc::QoS {
    match qos {
        QoS::AtMostOnce => rumqttc::QoS::AtMostOnce,
        QoS::AtLeastOnce => rumqttc::QoS::AtLeastOnce,
        QoS::ExactlyOnce => rumqttc::QoS::ExactlyOnce,
    }
}
