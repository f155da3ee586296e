use alloc::borrow::ToOwned as _;
use core::fmt;

use bytes::Bytes;
use sealmq_core::topic::{Topic, TopicError};
use sealmq_keys::member::Properties;

use crate::draft::Draft;
use crate::wire::{Qos, Wire};

/// A Last Will, as the application gave it. It is sealed anew for each connection
/// (spec/envelope.md §9).
#[derive(Clone)]
pub struct Will {
    /// Its topic, not checked yet.
    pub topic: Bytes,
    /// Its payload.
    pub payload: Bytes,
    /// The quality of service.
    pub qos: Qos,
    /// Whether the broker is to keep it.
    pub retain: bool,
    /// They travel inside.
    pub properties: Properties,
    /// Seconds that the broker waits before it publishes the Will.
    pub delay: Option<u32>,
}

impl Will {
    pub(crate) fn draft(&self) -> Result<Draft, TopicError> {
        Ok(Draft {
            topic: Topic::from_bytes(&self.topic)?.as_str().to_owned(),
            payload: self.payload.clone(),
            qos: self.qos,
            retain: self.retain,
            will: true,
            alias: false,
            properties: self.properties.clone(),
            expires: None,
        })
    }
}

impl fmt::Debug for Will {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Will")
            .field("topic", &self.topic)
            .field("payload_len", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// A sealed Last Will, as it stands in CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedWill {
    /// Topic, envelope, and what stands outside.
    pub wire: Wire,
    /// Seconds that the broker waits before it publishes the Will.
    pub delay: Option<u32>,
}
