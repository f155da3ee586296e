//! rumqttc's calls with properties.

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use sealmq_client::{ClientError, Draft};

use super::V5;
use super::convert::properties_from;
use crate::blocking::Client;
use crate::client::{AsyncClient, draft};
use crate::notice::PublishNotice;
use crate::payload::Payload;

impl AsyncClient<V5> {
    /// As [`AsyncClient::publish`], errors included, with properties. They travel sealed; only the
    /// message expiry is also told to the broker. With a topic alias the topic may be empty, as with
    /// rumqttc, if it was given with that alias before: the message is sealed for the topic, and the
    /// broker is given an alias if it takes one, anew on each connection.
    pub async fn publish_with_properties(
        &self,
        topic: impl Into<String>,
        qos: QoS,
        retain: bool,
        payload: impl Into<Payload>,
        properties: PublishProperties,
    ) -> Result<(), ClientError> {
        let draft = self.draft(topic.into(), qos, retain, payload.into(), properties)?;
        self.handle.publish(draft).await
    }

    /// As [`AsyncClient::try_publish`], errors included, with properties.
    pub fn try_publish_with_properties(
        &self,
        topic: impl Into<String>,
        qos: QoS,
        retain: bool,
        payload: impl Into<Payload>,
        properties: PublishProperties,
    ) -> Result<(), ClientError> {
        let draft = self.draft(topic.into(), qos, retain, payload.into(), properties)?;
        self.handle.try_publish(draft)
    }

    /// As [`AsyncClient::publish_with_properties`], errors included, with a notice of what becomes of
    /// the message ([`AsyncClient::publish_tracked`]).
    pub async fn publish_with_properties_tracked(
        &self,
        topic: impl Into<String>,
        qos: QoS,
        retain: bool,
        payload: impl Into<Payload>,
        properties: PublishProperties,
    ) -> Result<PublishNotice, ClientError> {
        let draft = self.draft(topic.into(), qos, retain, payload.into(), properties)?;
        self.handle.publish_tracked(draft).await
    }

    /// As [`AsyncClient::try_publish_with_properties`], errors included, with a notice.
    pub fn try_publish_with_properties_tracked(
        &self,
        topic: impl Into<String>,
        qos: QoS,
        retain: bool,
        payload: impl Into<Payload>,
        properties: PublishProperties,
    ) -> Result<PublishNotice, ClientError> {
        let draft = self.draft(topic.into(), qos, retain, payload.into(), properties)?;
        self.handle.try_publish_tracked(draft)
    }

    fn draft(
        &self,
        topic: String,
        qos: QoS,
        retain: bool,
        payload: Payload,
        properties: PublishProperties,
    ) -> Result<Draft, ClientError> {
        let alias = properties.topic_alias;
        let topic = self.handle.alias(topic, alias);
        let properties = properties_from(Some(properties));
        let mut draft = draft::<V5>(topic, qos, retain, payload, properties)?;
        draft.alias = alias.is_some();
        Ok(draft)
    }
}

impl Client<V5> {
    /// As [`AsyncClient::publish_with_properties`].
    ///
    /// # Errors
    /// As there.
    pub fn publish_with_properties(
        &self,
        topic: impl Into<String>,
        qos: QoS,
        retain: bool,
        payload: impl Into<Payload>,
        properties: PublishProperties,
    ) -> Result<(), ClientError> {
        let publishing = self
            .client
            .publish_with_properties(topic, qos, retain, payload, properties);
        self.runtime.block_on(publishing)
    }

    /// As [`AsyncClient::publish_with_properties_tracked`].
    ///
    /// # Errors
    /// As there.
    pub fn publish_with_properties_tracked(
        &self,
        topic: impl Into<String>,
        qos: QoS,
        retain: bool,
        payload: impl Into<Payload>,
        properties: PublishProperties,
    ) -> Result<PublishNotice, ClientError> {
        let publishing = self
            .client
            .publish_with_properties_tracked(topic, qos, retain, payload, properties);
        self.runtime.block_on(publishing)
    }
}
