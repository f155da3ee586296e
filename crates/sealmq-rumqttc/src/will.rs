use bytes::Bytes;
use sealmq_keys::member::Properties;

use crate::outbox::Qos;

/// A Last Will, from that of rumqttc. It is sealed anew for each connection (spec/envelope.md §9).
#[derive(Debug, Clone)]
pub struct Will {
    pub(crate) topic: Bytes,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) properties: Properties,
    /// Seconds that the broker waits before it publishes the Will.
    pub(crate) delay: Option<u32>,
}
