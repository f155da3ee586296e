//! Between rumqttc's types and those of the client.

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Filter, LastWill, LastWillProperties, PubAckReason, PubCompReason, PubRecReason,
    Publish, PublishProperties, RetainForwardRule, SubscribeReasonCode,
};
use sealmq_client::{
    Incoming, Limits, Properties, Qos, ReasonCode, Retained, SealedWill, Subscription, Wire,
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

pub(crate) const fn puback(reason: PubAckReason) -> ReasonCode {
    match reason {
        PubAckReason::Success => ReasonCode::SUCCESS,
        PubAckReason::NoMatchingSubscribers => ReasonCode::NO_MATCHING_SUBSCRIBERS,
        PubAckReason::UnspecifiedError => ReasonCode::UNSPECIFIED_ERROR,
        PubAckReason::ImplementationSpecificError => ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR,
        PubAckReason::NotAuthorized => ReasonCode::NOT_AUTHORIZED,
        PubAckReason::TopicNameInvalid => ReasonCode::TOPIC_NAME_INVALID,
        PubAckReason::PacketIdentifierInUse => ReasonCode::PACKET_IDENTIFIER_IN_USE,
        PubAckReason::QuotaExceeded => ReasonCode::QUOTA_EXCEEDED,
        PubAckReason::PayloadFormatInvalid => ReasonCode::PAYLOAD_FORMAT_INVALID,
    }
}

/// PUBREC has the reasons of PUBACK.
pub(crate) const fn pubrec(reason: PubRecReason) -> ReasonCode {
    puback(match reason {
        PubRecReason::Success => PubAckReason::Success,
        PubRecReason::NoMatchingSubscribers => PubAckReason::NoMatchingSubscribers,
        PubRecReason::UnspecifiedError => PubAckReason::UnspecifiedError,
        PubRecReason::ImplementationSpecificError => PubAckReason::ImplementationSpecificError,
        PubRecReason::NotAuthorized => PubAckReason::NotAuthorized,
        PubRecReason::TopicNameInvalid => PubAckReason::TopicNameInvalid,
        PubRecReason::PacketIdentifierInUse => PubAckReason::PacketIdentifierInUse,
        PubRecReason::QuotaExceeded => PubAckReason::QuotaExceeded,
        PubRecReason::PayloadFormatInvalid => PubAckReason::PayloadFormatInvalid,
    })
}

pub(crate) const fn pubcomp(reason: PubCompReason) -> ReasonCode {
    match reason {
        PubCompReason::Success => ReasonCode::SUCCESS,
        PubCompReason::PacketIdentifierNotFound => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
    }
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

/// What a broker allows.
pub(crate) fn limits(connack: &ConnAck) -> Limits {
    let told = connack.properties.as_ref();
    let size = told.and_then(|told| told.max_packet_size);
    Limits {
        receive_maximum: told.and_then(|told| told.receive_max).unwrap_or(u16::MAX),
        maximum_packet_size: size.and_then(|size| usize::try_from(size).ok()),
        maximum_qos: match told.and_then(|told| told.max_qos) {
            Some(0) => Qos::AtMostOnce,
            Some(1) => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        },
        retain_available: told.and_then(|told| told.retain_available) != Some(0),
        wildcards_available: told.and_then(|told| told.wildcard_subscription_available) != Some(0),
        topic_alias_maximum: told.and_then(|told| told.topic_alias_max).unwrap_or(0),
        shared_available: told.and_then(|told| told.shared_subscription_available) != Some(0),
    }
}

/// As those of a message.
pub(crate) fn will_properties_from(outer: LastWillProperties) -> Properties {
    properties_from(Some(PublishProperties {
        payload_format_indicator: outer.payload_format_indicator,
        message_expiry_interval: outer.message_expiry_interval,
        content_type: outer.content_type,
        response_topic: outer.response_topic,
        correlation_data: outer.correlation_data,
        user_properties: outer.user_properties,
        ..PublishProperties::default()
    }))
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
