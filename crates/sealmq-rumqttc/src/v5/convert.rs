//! Between rumqttc's types and those of the client.

use std::io::ErrorKind;

use bytes::Bytes;
use rumqttc::v5::ConnectionError;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectReturnCode, Filter, LastWill, LastWillProperties, Publish, PublishProperties,
    RetainForwardRule, SubscribeReasonCode,
};
use sealmq_client::{
    Incoming, Limits, NoConnack, Properties, Qos, Retained, SealedWill, Subscription, Wire,
};

/// Reason codes of SUBACK.
const REFUSALS: [(u8, SubscribeReasonCode); 9] = [
    (0x80, SubscribeReasonCode::Unspecified),
    (0x83, SubscribeReasonCode::ImplementationSpecific),
    (0x87, SubscribeReasonCode::NotAuthorized),
    (0x8f, SubscribeReasonCode::TopicFilterInvalid),
    (0x91, SubscribeReasonCode::PkidInUse),
    (0x97, SubscribeReasonCode::QuotaExceeded),
    (0x9e, SubscribeReasonCode::SharedSubscriptionsNotSupported),
    (0xa1, SubscribeReasonCode::SubscriptionIdNotSupported),
    (0xa2, SubscribeReasonCode::WildcardSubscriptionsNotSupported),
];

pub(crate) const fn qos_from(qos: QoS) -> Qos {
    match qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

pub(crate) const fn qos_to(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

pub(crate) fn answer_from(answer: SubscribeReasonCode) -> Result<Qos, u8> {
    let SubscribeReasonCode::Success(qos) = answer else {
        let known = REFUSALS.iter().find(|(_, reason)| *reason == answer);
        return Err(known.map_or(0x80, |(code, _)| *code));
    };
    Ok(qos_from(qos))
}

pub(crate) fn refusal_to(code: u8) -> SubscribeReasonCode {
    let known = REFUSALS.iter().find(|(known, _)| *known == code);
    known.map_or(SubscribeReasonCode::Unspecified, |(_, reason)| *reason)
}

/// Topic aliases and subscription identifiers belong to one hop: they are left behind.
pub(crate) fn properties_from(properties: Option<PublishProperties>) -> Properties {
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

pub(crate) fn properties_to(properties: Properties) -> PublishProperties {
    PublishProperties {
        payload_format_indicator: properties.payload_format,
        message_expiry_interval: properties.expiry,
        content_type: properties.content_type,
        response_topic: properties.response_topic,
        correlation_data: properties.correlation_data.map(Bytes::from),
        user_properties: properties.user,
        ..PublishProperties::default()
    }
}

pub(crate) fn incoming(publish: &Publish) -> Incoming {
    Incoming {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.clone(),
        retain: publish.retain,
        qos: qos_from(publish.qos),
        packet: publish.pkid,
        properties: properties_from(publish.properties.clone()),
    }
}

pub(crate) fn publish(wire: Wire) -> Publish {
    let properties = Some(properties_to(wire.properties));
    let mut publish = Publish::new(wire.topic, qos_to(wire.qos), wire.payload, properties);
    publish.retain = wire.retain;
    publish
}

/// `preserve_retain` is always off: the reader has to know a retained delivery by the flag
/// (spec/envelope.md §9).
pub(crate) fn subscription_from(filter: Filter) -> Subscription {
    Subscription {
        no_local: filter.nolocal,
        retained: match filter.retain_forward_rule {
            RetainForwardRule::OnEverySubscribe => Retained::OnSubscribe,
            RetainForwardRule::OnNewSubscribe => Retained::OnNewSubscribe,
            RetainForwardRule::Never => Retained::Never,
        },
        ..Subscription::new(filter.path, qos_from(filter.qos))
    }
}

pub(crate) fn filter_to(subscription: Subscription) -> Filter {
    let mut filter = Filter::new(subscription.filter, qos_to(subscription.qos));
    filter.nolocal = subscription.no_local;
    filter.retain_forward_rule = match subscription.retained {
        Retained::OnSubscribe => RetainForwardRule::OnEverySubscribe,
        Retained::OnNewSubscribe => RetainForwardRule::OnNewSubscribe,
        Retained::Never => RetainForwardRule::Never,
    };
    filter
}

/// What a broker allows, of which rumqttc takes no more than `receive_maximum` publishes.
pub(crate) fn limits(connack: &ConnAck, receive_maximum: u16) -> Limits {
    let told = connack.properties.as_ref();
    let size = told.and_then(|told| told.max_packet_size);
    Limits {
        receive_maximum,
        maximum_packet_size: size.and_then(|size| usize::try_from(size).ok()),
        maximum_qos: match told.and_then(|told| told.max_qos) {
            Some(0) => Qos::AtMostOnce,
            Some(1) => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        },
        retain_available: told.and_then(|told| told.retain_available) != Some(0),
        wildcards_available: told.and_then(|told| told.wildcard_subscription_available) != Some(0),
        shared_available: told.and_then(|told| told.shared_subscription_available) != Some(0),
    }
}

/// What an error says of a broker that has not accepted the connection.
pub(crate) fn no_connack(error: &ConnectionError) -> Option<NoConnack> {
    use ConnectReturnCode::{RefusedProtocolVersion, UnsupportedProtocolVersion};
    match error {
        ConnectionError::ConnectionRefused(UnsupportedProtocolVersion | RefusedProtocolVersion) => {
            Some(NoConnack::Version)
        }
        ConnectionError::MqttState(_) | ConnectionError::NotConnAck(_) => Some(NoConnack::Closed),
        ConnectionError::Io(error) => {
            use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
            let closed = [
                BrokenPipe,
                ConnectionAborted,
                ConnectionReset,
                UnexpectedEof,
            ];
            closed.contains(&error.kind()).then_some(NoConnack::Closed)
        }
        ConnectionError::Timeout(_) => Some(NoConnack::Silent),
        _ => None,
    }
}

/// A Last Will, from rumqttc's own ([`LastWill`]). It is sealed anew for each connection
/// (spec/envelope.md §9).
#[derive(Debug, Clone)]
pub struct Will(pub(crate) sealmq_client::Will);

impl From<LastWill> for Will {
    fn from(will: LastWill) -> Self {
        let outer = will.properties;
        let delay = outer.as_ref().and_then(|outer| outer.delay_interval);
        let properties = outer.map(|outer| PublishProperties {
            payload_format_indicator: outer.payload_format_indicator,
            message_expiry_interval: outer.message_expiry_interval,
            content_type: outer.content_type,
            response_topic: outer.response_topic,
            correlation_data: outer.correlation_data,
            user_properties: outer.user_properties,
            ..PublishProperties::default()
        });
        Self(sealmq_client::Will {
            topic: will.topic,
            payload: will.message,
            qos: qos_from(will.qos),
            retain: will.retain,
            properties: properties_from(properties),
            delay,
        })
    }
}

/// As it stands in CONNECT.
pub(crate) fn will_to(will: SealedWill) -> LastWill {
    let wire = will.wire;
    let properties = LastWillProperties {
        delay_interval: will.delay,
        message_expiry_interval: wire.properties.expiry,
        payload_format_indicator: None,
        content_type: None,
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    LastWill::new(
        wire.topic,
        wire.payload.to_vec(),
        qos_to(wire.qos),
        wire.retain,
        Some(properties),
    )
}
