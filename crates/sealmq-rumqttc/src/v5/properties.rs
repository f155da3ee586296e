//! rumqttc's calls with properties.

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use sealmq_client::ClientError;

use super::V5;
use super::convert::properties_from;
use crate::blocking::Client;
use crate::client::AsyncClient;
use crate::payload::Payload;

impl AsyncClient<V5> {
    /// As [`AsyncClient::publish`], errors included, with properties. They travel sealed; only the
    /// message expiry is also told to the broker. Topic aliases are ignored.
    pub async fn publish_with_properties(
        &self,
        topic: impl Into<String>,
        qos: QoS,
        retain: bool,
        payload: impl Into<Payload>,
        properties: PublishProperties,
    ) -> Result<(), ClientError> {
        let properties = properties_from(Some(properties));
        self.publish_sealed(topic, qos, retain, payload, properties)
            .await
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
        let properties = properties_from(Some(properties));
        self.try_publish_sealed(topic, qos, retain, payload, properties)
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
        let properties = properties_from(Some(properties));
        self.publish_sealed(topic, qos, retain, payload, properties)
    }
}
