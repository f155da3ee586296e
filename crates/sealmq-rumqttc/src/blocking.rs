//! rumqttc's `Client` and `Connection`, for programs without a runtime.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use sealmq_client::{ClientError, OpenError, Properties};
use sealmq_keys::Store;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;

use crate::client::AsyncClient;
use crate::eventloop::{Event, EventLoop, PollError};
use crate::options::SealOptions;
use crate::payload::Payload;
use crate::version::Version;

/// What [`Connection`] receives.
pub type Received<V> = Result<Event<V>, PollError<V>>;

/// Publishes and subscribes like rumqttc's `Client`, sealed: [`AsyncClient`] for programs without a
/// runtime. Calls wait as those of [`AsyncClient`] do, and return the same errors. They must not be
/// made in a task of a tokio runtime.
pub struct Client<V: Version> {
    pub(crate) client: AsyncClient<V>,
    pub(crate) runtime: Handle,
}

/// The receiving end. One thread of its own drives the connection, from the first call that needs
/// it on, whether or not events are taken; dropping this ends it without a goodbye.
pub struct Connection<V: Version> {
    eventloop: Option<EventLoop<V>>,
    runtime: Option<Runtime>,
}

impl<V: Version> Client<V> {
    /// As [`AsyncClient::new`].
    ///
    /// # Errors
    /// As there; or the system gives no thread.
    pub fn new<S>(
        mqtt: V::Options,
        store: S,
        capacity: usize,
    ) -> Result<(Self, Connection<V>), OpenError>
    where
        S: Store + Send + 'static,
    {
        Self::with_options(mqtt, store, SealOptions::new().capacity(capacity))
    }

    /// As [`Client::new`], errors included, with all options.
    pub fn with_options<S>(
        mqtt: V::Options,
        store: S,
        options: SealOptions,
    ) -> Result<(Self, Connection<V>), OpenError>
    where
        S: Store + Send + 'static,
    {
        let no_thread = |error: io::Error| OpenError::Runtime(error.to_string());
        let mut builder = Builder::new_multi_thread();
        let runtime = builder
            .worker_threads(1)
            .thread_name("sealmq")
            .enable_all()
            .build()
            .map_err(no_thread)?;
        let (client, eventloop) = AsyncClient::with_options(mqtt, store, options)?;
        let client = Self {
            client,
            runtime: runtime.handle().clone(),
        };
        let connection = Connection {
            eventloop: Some(eventloop),
            runtime: Some(runtime),
        };
        Ok((client, connection))
    }

    /// As [`AsyncClient::publish`].
    ///
    /// # Errors
    /// As there.
    pub fn publish(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
    ) -> Result<(), ClientError> {
        self.runtime
            .block_on(self.client.publish(topic, qos, retain, payload))
    }

    /// As [`AsyncClient::publish_bytes`].
    ///
    /// # Errors
    /// As there.
    pub fn publish_bytes(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: Bytes,
    ) -> Result<(), ClientError> {
        self.publish(topic, qos, retain, payload)
    }

    /// As [`AsyncClient::publish_sealed`].
    ///
    /// # Errors
    /// As there.
    pub fn publish_sealed(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
        properties: Properties,
    ) -> Result<(), ClientError> {
        let publishing = self
            .client
            .publish_sealed(topic, qos, retain, payload, properties);
        self.runtime.block_on(publishing)
    }

    /// As [`AsyncClient::try_publish`].
    ///
    /// # Errors
    /// As there.
    pub fn try_publish(
        &self,
        topic: impl Into<String>,
        qos: V::Qos,
        retain: bool,
        payload: impl Into<Payload>,
    ) -> Result<(), ClientError> {
        self.client.try_publish(topic, qos, retain, payload)
    }

    /// As [`AsyncClient::subscribe`].
    ///
    /// # Errors
    /// As there.
    pub fn subscribe(&self, filter: impl Into<String>, qos: V::Qos) -> Result<(), ClientError> {
        self.client.try_subscribe(filter, qos)
    }

    /// As [`AsyncClient::try_subscribe`].
    ///
    /// # Errors
    /// As there.
    pub fn try_subscribe(&self, filter: impl Into<String>, qos: V::Qos) -> Result<(), ClientError> {
        self.client.try_subscribe(filter, qos)
    }

    /// As [`AsyncClient::subscribe_many`].
    ///
    /// # Errors
    /// As there.
    pub fn subscribe_many(
        &self,
        filters: impl IntoIterator<Item = V::Filter>,
    ) -> Result<(), ClientError> {
        self.client.try_subscribe_many(filters)
    }

    /// As [`AsyncClient::try_subscribe_many`].
    ///
    /// # Errors
    /// As there.
    pub fn try_subscribe_many(
        &self,
        filters: impl IntoIterator<Item = V::Filter>,
    ) -> Result<(), ClientError> {
        self.client.try_subscribe_many(filters)
    }

    /// As [`AsyncClient::unsubscribe`].
    ///
    /// # Errors
    /// As there.
    pub fn unsubscribe(&self, filter: impl Into<String>) -> Result<(), ClientError> {
        self.client.try_unsubscribe(filter)
    }

    /// As [`AsyncClient::try_unsubscribe`].
    ///
    /// # Errors
    /// As there.
    pub fn try_unsubscribe(&self, filter: impl Into<String>) -> Result<(), ClientError> {
        self.client.try_unsubscribe(filter)
    }

    /// As [`AsyncClient::outstanding`].
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.client.outstanding()
    }

    /// As [`AsyncClient::flush`], for at most so long; whether that was enough.
    ///
    /// # Errors
    /// As there.
    pub fn flush(&self, most: Duration) -> Result<bool, ClientError> {
        let flushing = async { timeout(most, self.client.flush()).await };
        match self.runtime.block_on(flushing) {
            Ok(flushed) => flushed.map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// As [`AsyncClient::disconnect`].
    ///
    /// # Errors
    /// As there.
    pub fn disconnect(&self) -> Result<(), ClientError> {
        self.runtime.block_on(self.client.disconnect())
    }

    /// As [`AsyncClient::try_disconnect`].
    ///
    /// # Errors
    /// As there.
    pub fn try_disconnect(&self) -> Result<(), ClientError> {
        self.client.try_disconnect()
    }
}

impl<V: Version> Connection<V> {
    /// Events one after the other, until it is over.
    #[must_use = "events have to be taken"]
    pub fn iter(&mut self) -> Iter<'_, V> {
        Iter { connection: self }
    }

    /// Waits for the next event, or the news that the connection broke, or that it is over.
    ///
    /// # Errors
    /// It was over before.
    pub fn recv(&mut self) -> Result<Received<V>, RecvError> {
        let (Some(eventloop), Some(runtime)) = (&mut self.eventloop, &self.runtime) else {
            return Err(RecvError);
        };
        received::<V>(runtime.block_on(eventloop.poll())).ok_or(RecvError)
    }

    /// As [`Connection::recv`], if there is an event now.
    ///
    /// # Errors
    /// There is none, or it was over before.
    pub fn try_recv(&mut self) -> Result<Received<V>, TryRecvError> {
        let waited = self.recv_timeout(Duration::ZERO);
        waited.map_err(|error| match error {
            RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
            RecvTimeoutError::Timeout => TryRecvError::Empty,
        })
    }

    /// As [`Connection::recv`], for at most so long.
    ///
    /// # Errors
    /// There was none, or it was over before.
    pub fn recv_timeout(&mut self, most: Duration) -> Result<Received<V>, RecvTimeoutError> {
        let (Some(eventloop), Some(runtime)) = (&mut self.eventloop, &self.runtime) else {
            return Err(RecvTimeoutError::Disconnected);
        };
        let polling = async { timeout(most, eventloop.poll()).await };
        match runtime.block_on(polling) {
            Ok(event) => received::<V>(event).ok_or(RecvTimeoutError::Disconnected),
            Err(_) => Err(RecvTimeoutError::Timeout),
        }
    }

    pub(crate) const fn eventloop(&mut self) -> Option<&mut EventLoop<V>> {
        self.eventloop.as_mut()
    }
}

/// Nothing follows.
fn received<V: Version>(event: Received<V>) -> Option<Received<V>> {
    match event {
        Err(sealmq_client::PollError::Closed) => None,
        event => Some(event),
    }
}

impl<V: Version> Drop for Connection<V> {
    fn drop(&mut self) {
        drop(self.eventloop.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Events of a [`Connection`].
pub struct Iter<'a, V: Version> {
    connection: &'a mut Connection<V>,
}

impl<V: Version> Iterator for Iter<'_, V> {
    type Item = Received<V>;

    fn next(&mut self) -> Option<Self::Item> {
        self.connection.recv().ok()
    }
}

impl<V: Version> Clone for Client<V> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            runtime: self.runtime.clone(),
        }
    }
}

/// It is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError;

/// [`Connection::try_recv`] has nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// It is over.
    Disconnected,
    /// There is no event now.
    Empty,
}

/// [`Connection::recv_timeout`] has nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// It is over.
    Disconnected,
    /// There was no event in time.
    Timeout,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop has ended")
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => RecvError.fmt(f),
            Self::Empty => f.write_str("there is no event now"),
        }
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => RecvError.fmt(f),
            Self::Timeout => f.write_str("there was no event in time"),
        }
    }
}

impl std::error::Error for RecvError {}
impl std::error::Error for TryRecvError {}
impl std::error::Error for RecvTimeoutError {}

impl<V: Version> fmt::Debug for Client<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl<V: Version> fmt::Debug for Connection<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl<V: Version> fmt::Debug for Iter<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}
