//! rumqttc's `AsyncClient`, for every version.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use sealmq_client::{ClientError, Draft, OpenError, Properties, Subscription};
use sealmq_keys::Store;

use crate::eventloop::EventLoop;
use crate::handle::Handle;
use crate::options::SealOptions;
use crate::payload::Payload;
use crate::version::Version;

/// Publishes and subscribes like rumqttc's `AsyncClient`, sealed. Clones share one connection; any
/// number of tasks may use them.
///
/// The connection begins with the first `publish`, `flush`, `disconnect` or [`EventLoop::poll`] in a
/// tokio runtime. `publish` may be called in the task that polls, unlike with rumqttc: it waits for
/// the broker, never for events to be taken.
pub struct AsyncClient<V: Version> {
    pub(crate) handle: Handle,
    pub(crate) version: PhantomData<V>,
}

impl<V: Version> AsyncClient<V> {
    /// A client and its event loop, for the member whose state is in `store`. At most `capacity`
    /// messages are accepted and not acknowledged; `publish` then waits.
    ///
    /// `mqtt` is used as it is, with these exceptions: acknowledgements are sent by the event
    /// loop, incoming packets may have 2 MiB if no limit is set (MQTT 3.1.1: if it is rumqttc's
    /// default of 10 KiB; outgoing ones are not limited), topic aliases are off, the limit of
    /// outgoing publishes is that of the options, and TCP_NODELAY is on. A Last Will goes into
    /// [`SealOptions::last_will`].
    ///
    /// # Errors
    /// [`OpenError`]: the store holds no enrolled member, an option makes no sense, or the
    /// certificates for TLS cannot be used.
    pub fn new<S>(
        mqtt: V::Options,
        store: S,
        capacity: usize,
    ) -> Result<(Self, EventLoop<V>), OpenError>
    where
        S: Store + Send + 'static,
    {
        Self::with_options(mqtt, store, SealOptions::new().capacity(capacity))
    }

    /// As [`AsyncClient::new`], errors included, with all options.
    pub fn with_options<S>(
        mqtt: V::Options,
        store: S,
        options: SealOptions,
    ) -> Result<(Self, EventLoop<V>), OpenError>
    where
        S: Store + Send + 'static,
    {
        EventLoop::make(mqtt, store, &options)
    }

    /// Seals and publishes. When this returns without an error, the message was accepted: QoS 1
    /// and 2 are sent, again after every reconnect, until the broker acknowledges them, as long as
    /// the program runs, and by the next one with
    /// [`SealOptions::persistent_outbox`](crate::SealOptions::persistent_outbox). Waits for room, and, if so configured, for keys. A future that is dropped
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
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
    ) -> Result<(), ClientError> {
        self.publish_sealed(topic, qos, retain, payload, Properties::default())
            .await
    }

    /// As [`AsyncClient::publish`], errors included.
    pub async fn publish_bytes(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: Bytes,
    ) -> Result<(), ClientError> {
        self.publish(topic, qos, retain, payload).await
    }

    /// As [`AsyncClient::publish`], errors included, with properties, which travel sealed, over
    /// MQTT 3.1.1 as well; only the message expiry is also told to a broker of MQTT 5.
    pub async fn publish_sealed(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
        properties: Properties,
    ) -> Result<(), ClientError> {
        let draft = draft::<V>(topic.into(), qos, retain, payload.into(), properties)?;
        self.handle.publish(draft).await
    }

    /// Publishes if there is room now. Whether it can be sealed shows later: an
    /// [`Event::NotPublished`](sealmq_client::Event::NotPublished) says that it could not.
    ///
    /// # Errors
    /// The topic is no topic name, there is no room, or the event loop has ended.
    pub fn try_publish(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
    ) -> Result<(), ClientError> {
        self.try_publish_sealed(topic, qos, retain, payload, Properties::default())
    }

    /// As [`AsyncClient::try_publish`], errors included, with properties as in
    /// [`AsyncClient::publish_sealed`].
    pub fn try_publish_sealed(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
        properties: Properties,
    ) -> Result<(), ClientError> {
        let draft = draft::<V>(topic.into(), qos, retain, payload.into(), properties)?;
        self.handle.try_publish(draft)
    }

    /// Subscribes; again by itself after a reconnect. The broker's answer is an
    /// [`Event::Subscribed`](sealmq_client::Event::Subscribed) or
    /// [`Event::SubscribeRefused`](sealmq_client::Event::SubscribeRefused). Key management's topics
    /// are subscribed anyway, and never surface, whatever the filter.
    ///
    /// # Errors
    /// The filter is not valid or reserved, or the event loop has ended.
    pub async fn subscribe(
        &self,
        filter: impl Into<String>,
        qos: V::Qos,
    ) -> Result<(), ClientError> {
        self.try_subscribe(filter, qos)
    }

    /// As [`AsyncClient::subscribe`], which does not wait, either.
    pub fn try_subscribe(&self, filter: impl Into<String>, qos: V::Qos) -> Result<(), ClientError> {
        let wanted = Subscription::new(filter.into(), V::qos_from(qos));
        self.handle.subscribe(vec![wanted])
    }

    /// As [`AsyncClient::subscribe`], for several filters with their options, but for
    /// `preserve_retain`, which is always off: the reader has to know a retained delivery by it
    /// (spec/envelope.md §9).
    ///
    /// # Errors
    /// As [`AsyncClient::subscribe`]; then none was subscribed.
    pub async fn subscribe_many(
        &self,
        filters: impl IntoIterator<Item = V::Filter>,
    ) -> Result<(), ClientError> {
        self.try_subscribe_many(filters)
    }

    /// As [`AsyncClient::subscribe_many`], which does not wait, either.
    pub fn try_subscribe_many(
        &self,
        filters: impl IntoIterator<Item = V::Filter>,
    ) -> Result<(), ClientError> {
        let wanted = filters.into_iter().map(V::subscription_from);
        self.handle.subscribe(wanted.collect())
    }

    /// Ends a subscription. Errors are those of [`AsyncClient::subscribe`].
    pub async fn unsubscribe(&self, filter: impl Into<String>) -> Result<(), ClientError> {
        self.try_unsubscribe(filter)
    }

    /// As [`AsyncClient::unsubscribe`], which does not wait, either.
    pub fn try_unsubscribe(&self, filter: impl Into<String>) -> Result<(), ClientError> {
        self.handle.unsubscribe(filter.into())
    }

    /// Accepted messages that the broker has not acknowledged (QoS 1, 2) or that were not written
    /// (QoS 0) yet.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.handle.outstanding()
    }

    /// Waits until everything accepted so far was acknowledged. Waits for ever while the broker
    /// is away: put a timeout around it.
    ///
    /// # Errors
    /// The event loop has ended.
    pub async fn flush(&self) -> Result<(), ClientError> {
        self.handle.flush().await
    }

    /// Writes replay state, says goodbye to the broker, and ends the event loop. What is not
    /// acknowledged yet is dropped: [`AsyncClient::flush`] first.
    ///
    /// # Errors
    /// The event loop has ended already.
    pub async fn disconnect(&self) -> Result<(), ClientError> {
        self.handle.disconnect().await
    }

    /// As [`AsyncClient::disconnect`], without waiting for it.
    ///
    /// # Errors
    /// The event loop has ended already.
    pub fn try_disconnect(&self) -> Result<(), ClientError> {
        self.handle.try_disconnect()
    }
}

impl<V: Version> Clone for AsyncClient<V> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            version: PhantomData,
        }
    }
}

impl<V: Version> fmt::Debug for AsyncClient<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncClient").finish_non_exhaustive()
    }
}

pub(crate) fn draft<V: Version>(
    topic: String,
    qos: V::Qos,
    retain: bool,
    Payload(payload): Payload,
    properties: Properties,
) -> Result<Draft, ClientError> {
    let mut draft = Draft::new(topic, payload)?;
    draft.qos = V::qos_from(qos);
    draft.retain = retain;
    draft.properties = properties;
    Ok(draft)
}
