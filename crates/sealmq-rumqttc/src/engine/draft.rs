use bytes::Bytes;
use sealmq_keys::member::{OutgoingMessage, Properties};

use crate::outbox::{Qos, Wire};

/// A message as the application gave it.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) will: bool,
    pub(crate) properties: Properties,
}

impl Draft {
    /// Whether it deletes a retained message.
    pub(crate) fn clears(&self) -> bool {
        self.retain && self.payload.is_empty()
    }

    /// Bytes of the packet at least, sealed or not.
    pub(crate) fn smallest_size(&self) -> usize {
        self.topic.len().saturating_add(self.payload.len())
    }

    pub(super) fn outgoing(&self, announce_credential: bool) -> OutgoingMessage<'_> {
        let mut message = OutgoingMessage::new(&self.topic, &self.payload);
        message.retain = self.retain;
        message.will = self.will;
        message.properties = self.properties.clone();
        message.announce_credential = announce_credential;
        message
    }

    pub(super) fn sealed(&self, envelope: Vec<u8>) -> Wire {
        // The broker needs the expiry to drop what it queues; nothing else stays outside.
        let properties = Properties {
            expiry: self.properties.expiry,
            ..Properties::default()
        };
        self.wire(envelope.into(), properties)
    }

    pub(super) fn in_clear(&self) -> Wire {
        self.wire(self.payload.clone(), self.properties.clone())
    }

    fn wire(&self, payload: Bytes, properties: Properties) -> Wire {
        Wire {
            topic: self.topic.clone(),
            payload,
            qos: self.qos,
            retain: self.retain,
            properties,
        }
    }
}
