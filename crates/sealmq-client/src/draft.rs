use alloc::string::String;
use core::fmt;
use core::mem::take;

use bytes::Bytes;
use sealmq_core::topic::Topic;
use sealmq_keys::member::{Now, OutgoingMessage, Properties};

use crate::error::ClientError;
use crate::wire::{Qos, Wire};

/// A message as the application gave it.
#[derive(Clone)]
pub struct Draft {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    /// The quality of service.
    pub qos: Qos,
    /// Whether the broker is to keep it.
    pub retain: bool,
    pub(crate) will: bool,
    /// The topic may be sent as an alias, if the broker takes one.
    pub alias: bool,
    /// They travel inside; only the expiry is told to the broker, too.
    pub properties: Properties,
    /// When their expiry runs out, Unix milliseconds, once it has begun to count.
    pub(crate) expires: Option<u64>,
}

impl Draft {
    /// A message of QoS 1, not retained, without properties.
    ///
    /// # Errors
    /// The topic is no topic name.
    pub fn new(topic: String, payload: Bytes) -> Result<Self, ClientError> {
        Topic::new(&topic).map_err(ClientError::Topic)?;
        Ok(Self {
            topic,
            payload,
            qos: Qos::AtLeastOnce,
            retain: false,
            will: false,
            alias: false,
            properties: Properties::default(),
            expires: None,
        })
    }

    /// Moves it out; what stays has its quality of service and its flags.
    pub(crate) fn lend(&mut self) -> Self {
        Self {
            topic: take(&mut self.topic),
            payload: take(&mut self.payload),
            properties: take(&mut self.properties),
            ..*self
        }
    }

    /// Its expiry counts from here on.
    pub(crate) fn begin(&mut self, now: Now) {
        let expiry = self
            .properties
            .expiry
            .map(|seconds| u64::from(seconds).saturating_mul(1000));
        self.expires = now
            .zip(expiry)
            .map(|(now, expiry)| now.saturating_add(expiry));
    }

    /// It has waited: what is left of its expiry, in seconds that have begun.
    pub(crate) fn shorten(&mut self, expires: Option<u64>, now: Now) {
        if let Some((expires, now)) = expires.zip(now) {
            let left = expires.saturating_sub(now).div_ceil(1000);
            let left = u32::try_from(left).unwrap_or(u32::MAX);
            self.properties.expiry = self.properties.expiry.map(|most| most.min(left));
        }
    }

    /// Whether it deletes a retained message.
    pub(crate) fn clears(&self) -> bool {
        self.retain && self.payload.is_empty()
    }

    /// Bytes of the packet at least, sealed or not.
    pub(crate) fn smallest_size(&self) -> usize {
        self.topic.len().saturating_add(self.payload.len())
    }

    pub(crate) fn outgoing(&self, announce_credential: bool, short: bool) -> OutgoingMessage<'_> {
        let mut message = OutgoingMessage::new(&self.topic, &self.payload);
        message.retain = self.retain;
        message.will = self.will;
        message.properties = self.properties.clone();
        message.announce_credential = announce_credential;
        message.short = short;
        message
    }

    /// Its topic goes with the envelope.
    pub(crate) fn sealed(&mut self, envelope: Bytes) -> Wire {
        // The broker needs the expiry to drop what it queues; nothing else stays outside.
        let properties = Properties {
            expiry: self.properties.expiry,
            ..Properties::default()
        };
        self.wire(envelope, properties)
    }

    /// As [`Self::sealed`].
    pub(crate) fn in_clear(&mut self) -> Wire {
        self.wire(self.payload.clone(), self.properties.clone())
    }

    fn wire(&mut self, payload: Bytes, properties: Properties) -> Wire {
        Wire {
            topic: take(&mut self.topic),
            payload,
            qos: self.qos,
            retain: self.retain,
            properties,
            alias: None,
        }
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("topic", &self.topic)
            .field("payload_len", &self.payload.len())
            .finish_non_exhaustive()
    }
}
