use bytes::Bytes;
use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, PublishProperties};
use sealmq_client::{ClientError, Draft, OpenError};
use sealmq_keys::Store;

use crate::handle::Handle;
use crate::options::SealOptions;
use crate::v5::EventLoop;
use crate::v5::convert::{properties_from, qos_from, subscription_from};

/// Publishes and subscribes, like [`rumqttc::v5::AsyncClient`], sealed. Clones share one
/// connection; any number of tasks may use them.
///
/// The connection begins with the first `publish`, `flush`, `disconnect` or [`EventLoop::poll`] in a
/// tokio runtime. `publish` may be called in the task that polls, unlike with rumqttc: it waits for
/// the broker, never for events to be taken.
#[derive(Debug, Clone)]
pub struct AsyncClient(pub(crate) Handle);

impl AsyncClient {
    /// A client and its event loop, for the member whose state is in `store`. At most `capacity`
    /// messages are accepted and not acknowledged; `publish` then waits.
    ///
    /// `mqtt` is used as it is, with these exceptions: acknowledgements are sent by the event
    /// loop, incoming packets may have 2 MiB if no limit is set, topic aliases are off, the limit
    /// of outgoing publishes is that of the options, and TCP_NODELAY is on. A Last Will goes into
    /// [`SealOptions::last_will`].
    ///
    /// # Errors
    /// [`OpenError`]: the store holds no enrolled member, an option makes no sense, or the
    /// certificates for TLS cannot be used.
    pub fn new<S>(
        mqtt: MqttOptions,
        store: S,
        capacity: usize,
    ) -> Result<(Self, EventLoop), OpenError>
    where
        S: Store + Send + 'static,
    {
        Self::with_options(mqtt, store, SealOptions::new().capacity(capacity))
    }

    /// As [`AsyncClient::new`], errors included, with all options.
    pub fn with_options<S>(
        mqtt: MqttOptions,
        store: S,
        options: SealOptions,
    ) -> Result<(Self, EventLoop), OpenError>
    where
        S: Store + Send + 'static,
    {
        EventLoop::make(mqtt, store, &options)
    }

    /// Seals and publishes. When this returns without an error, the message was accepted: QoS 1
    /// and 2 are sent, again after every reconnect, until the broker acknowledges them, as long as
    /// the program runs. Waits for room, and, if so configured, for keys. A future that is dropped
    /// while it waits for either has sent nothing.
    ///
    /// The message is sealed when its turn comes, which after a connect is when the announcements
    /// that were missed have arrived.
    ///
    /// # Errors
    /// [`ClientError`], at once: nothing was sent, nothing is ever sent in clear instead.
    pub async fn publish(
        &self,
        topic: impl Into<String>,
        qos: QoS,
        retain: bool,
        payload: impl Into<Bytes>,
    ) -> Result<(), ClientError> {
        let draft = draft(topic.into(), qos, retain, payload.into(), None)?;
        self.0.publish(draft).await
    }

    /// As [`AsyncClient::publish`], errors included, with properties. They travel sealed; only the
    /// message expiry is also told to the broker. Topic aliases are ignored.
    pub async fn publish_with_properties(
        &self,
        topic: impl Into<String>,
        qos: QoS,
        retain: bool,
        payload: impl Into<Bytes>,
        properties: PublishProperties,
    ) -> Result<(), ClientError> {
        let properties = Some(properties);
        let draft = draft(topic.into(), qos, retain, payload.into(), properties)?;
        self.0.publish(draft).await
    }

    /// Publishes if there is room now. Whether it can be sealed shows later: an
    /// [`Event::NotPublished`](crate::v5::Event::NotPublished) says that it could not.
    ///
    /// # Errors
    /// The topic is no topic name, there is no room, or the event loop has ended.
    pub fn try_publish(
        &self,
        topic: impl Into<String>,
        qos: QoS,
        retain: bool,
        payload: impl Into<Bytes>,
    ) -> Result<(), ClientError> {
        self.0
            .try_publish(draft(topic.into(), qos, retain, payload.into(), None)?)
    }

    /// Subscribes; again by itself after a reconnect. The broker's answer is an
    /// [`Event::Subscribed`](crate::v5::Event::Subscribed) or
    /// [`Event::SubscribeRefused`](crate::v5::Event::SubscribeRefused). Key management's topics are
    /// subscribed anyway, and never surface, whatever the filter.
    ///
    /// # Errors
    /// The filter is not valid or reserved, or the event loop has ended.
    pub async fn subscribe(&self, filter: impl Into<String>, qos: QoS) -> Result<(), ClientError> {
        self.subscribe_many([Filter::new(filter, qos)]).await
    }

    /// As [`AsyncClient::subscribe`], for several filters with their options, but for
    /// `preserve_retain`, which is always off: the reader has to know a retained delivery by it
    /// (spec/envelope.md §9).
    ///
    /// # Errors
    /// As [`AsyncClient::subscribe`]; then none was subscribed.
    pub async fn subscribe_many(
        &self,
        filters: impl IntoIterator<Item = Filter>,
    ) -> Result<(), ClientError> {
        let wanted = filters.into_iter().map(subscription_from);
        self.0.subscribe(wanted.collect())
    }

    /// Ends a subscription. Errors are those of [`AsyncClient::subscribe`].
    pub async fn unsubscribe(&self, filter: impl Into<String>) -> Result<(), ClientError> {
        self.0.unsubscribe(filter.into())
    }

    /// Accepted messages that the broker has not acknowledged (QoS 1, 2) or that were not written
    /// (QoS 0) yet.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.0.outstanding()
    }

    /// Waits until everything accepted so far was acknowledged. Waits for ever while the broker
    /// is away: put a timeout around it.
    ///
    /// # Errors
    /// The event loop has ended.
    pub async fn flush(&self) -> Result<(), ClientError> {
        self.0.flush().await
    }

    /// Writes replay state, says goodbye to the broker, and ends the event loop. What is not
    /// acknowledged yet is dropped: [`AsyncClient::flush`] first.
    ///
    /// # Errors
    /// The event loop has ended already.
    pub async fn disconnect(&self) -> Result<(), ClientError> {
        self.0.disconnect().await
    }
}

fn draft(
    topic: String,
    qos: QoS,
    retain: bool,
    payload: Bytes,
    properties: Option<PublishProperties>,
) -> Result<Draft, ClientError> {
    let mut draft = Draft::new(topic, payload)?;
    draft.qos = qos_from(qos);
    draft.retain = retain;
    draft.properties = properties_from(properties);
    Ok(draft)
}
