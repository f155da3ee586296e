//! Between rumqttc's types and those of the engine.

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Publish, PublishProperties};
use sealmq_keys::member::Properties;

use crate::outbox::{Qos, Wire};

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

/// Topic aliases and subscription identifiers belong to one hop: they are left behind.
pub(super) fn properties_from(properties: Option<PublishProperties>) -> Properties {
    let Some(outer) = properties else {
        return Properties::default();
    };
    Properties {
        payload_format: outer.payload_format_indicator,
        expiry: outer.message_expiry_interval,
        content_type: outer.content_type,
        response_topic: outer.response_topic,
        correlation_data: outer.correlation_data.map(|data| data.to_vec()),
        user: outer.user_properties,
    }
}

pub(super) fn properties_to(properties: &Properties) -> Option<PublishProperties> {
    (!properties.is_empty()).then(|| PublishProperties {
        payload_format_indicator: properties.payload_format,
        message_expiry_interval: properties.expiry,
        content_type: properties.content_type.clone(),
        response_topic: properties.response_topic.clone(),
        correlation_data: properties.correlation_data.clone().map(Bytes::from),
        user_properties: properties.user.clone(),
        ..PublishProperties::default()
    })
}

pub(super) fn publish(wire: &Wire) -> Publish {
    let payload = wire.payload.clone();
    let mut publish = Publish::new(
        &wire.topic,
        qos_to(wire.qos),
        payload,
        properties_to(&wire.properties),
    );
    publish.retain = wire.retain;
    publish
}

/// Size of the packet, header and packet identifier included.
pub(super) fn size(wire: &Wire) -> usize {
    let mut publish = publish(wire);
    publish.pkid = 1;
    publish.size()
}
