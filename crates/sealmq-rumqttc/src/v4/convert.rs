//! Between rumqttc's types and those of the client.

use rumqttc::{LastWill, Publish, QoS};
use sealmq_client::{Incoming, Properties, Qos, SealedWill, Wire};

pub(super) const fn qos_from(qos: QoS) -> Qos {
    match qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

pub(super) const fn qos_to(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

pub(super) fn incoming(publish: &Publish) -> Incoming {
    Incoming {
        topic: publish.topic.clone(),
        payload: publish.payload.clone(),
        retain: publish.retain,
        qos: qos_from(publish.qos),
        packet: publish.pkid,
        properties: Properties::default(),
    }
}

/// What stands outside the envelope in MQTT 5 has no place.
pub(super) fn publish(wire: Wire) -> Publish {
    let mut publish = Publish::from_bytes(wire.topic, qos_to(wire.qos), wire.payload);
    publish.retain = wire.retain;
    publish
}

/// As it stands in CONNECT.
pub(super) fn will_to(will: SealedWill) -> LastWill {
    let wire = will.wire;
    LastWill::new(
        wire.topic,
        wire.payload.to_vec(),
        qos_to(wire.qos),
        wire.retain,
    )
}
