//! Publishes that say what became of them, named as rumqttc's fork names them.

use sealmq_client::{ClientError, Properties};

use crate::blocking::Client;
use crate::client::{AsyncClient, draft};
use crate::notice::PublishNotice;
use crate::payload::Payload;
use crate::version::Version;

impl<V: Version> AsyncClient<V> {
    /// As [`AsyncClient::publish`], errors included, with a notice of what becomes of the message
    /// after it was accepted.
    ///
    /// ```no_run
    /// # use rumqttc::v5::mqttbytes::QoS;
    /// use sealmq_rumqttc::{AsyncClient, PublishNoticeError, PublishResult, ReasonCode};
    ///
    /// # async fn example(client: AsyncClient) -> Result<(), sealmq_rumqttc::ClientError> {
    /// let notice = client
    ///     .publish_tracked("plant/7/valve", QoS::AtLeastOnce, false, "open")
    ///     .await?;
    /// match notice.await {
    ///     Ok(PublishResult::Acknowledged(ReasonCode::NO_MATCHING_SUBSCRIBERS)) => {
    ///         println!("the broker has it, and nobody listens");
    ///     }
    ///     Ok(_) => println!("the broker has it"),
    ///     Err(PublishNoticeError::ClientGone { stored: true }) => println!("the next start sends it"),
    ///     Err(error) => println!("not delivered: {error}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn publish_tracked(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
    ) -> Result<PublishNotice, ClientError> {
        self.publish_sealed_tracked(topic, qos, retain, payload, Properties::default())
            .await
    }

    /// As [`AsyncClient::publish_sealed`], errors included, with a notice.
    pub async fn publish_sealed_tracked(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
        properties: Properties,
    ) -> Result<PublishNotice, ClientError> {
        let draft = draft::<V>(topic.into(), qos, retain, payload.into(), properties)?;
        self.handle.publish_tracked(draft).await
    }

    /// As [`AsyncClient::try_publish`], errors included, with a notice, which also tells if the
    /// message could not be accepted.
    pub fn try_publish_tracked(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
    ) -> Result<PublishNotice, ClientError> {
        self.try_publish_sealed_tracked(topic, qos, retain, payload, Properties::default())
    }

    /// As [`AsyncClient::try_publish_tracked`], errors included, with properties as in
    /// [`AsyncClient::publish_sealed`].
    pub fn try_publish_sealed_tracked(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
        properties: Properties,
    ) -> Result<PublishNotice, ClientError> {
        let draft = draft::<V>(topic.into(), qos, retain, payload.into(), properties)?;
        self.handle.try_publish_tracked(draft)
    }
}

impl<V: Version> Client<V> {
    /// As [`AsyncClient::publish_tracked`]; [`PublishNotice::wait`] waits for the notice.
    ///
    /// # Errors
    /// As there.
    pub fn publish_tracked(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
    ) -> Result<PublishNotice, ClientError> {
        self.runtime
            .block_on(self.client.publish_tracked(topic, qos, retain, payload))
    }

    /// As [`AsyncClient::publish_sealed_tracked`].
    ///
    /// # Errors
    /// As there.
    pub fn publish_sealed_tracked(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
        properties: Properties,
    ) -> Result<PublishNotice, ClientError> {
        let publishing = self
            .client
            .publish_sealed_tracked(topic, qos, retain, payload, properties);
        self.runtime.block_on(publishing)
    }

    /// As [`AsyncClient::try_publish_tracked`].
    ///
    /// # Errors
    /// As there.
    pub fn try_publish_tracked(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
    ) -> Result<PublishNotice, ClientError> {
        self.client.try_publish_tracked(topic, qos, retain, payload)
    }
}
