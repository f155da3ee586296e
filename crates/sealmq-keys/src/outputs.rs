use alloc::string::String;
use alloc::vec::Vec;

/// A message for a reserved topic (spec/keys.md §9), to be published with QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The whole topic, prefix included.
    pub topic: String,
    /// The object; empty clears a retained one.
    pub payload: Vec<u8>,
    /// Whether the broker keeps it for those who subscribe later.
    pub retain: bool,
}

impl Publication {
    /// A retained object.
    #[must_use]
    pub fn retained(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            retain: true,
        }
    }

    /// Clears a retained object.
    #[must_use]
    pub fn clear(topic: impl Into<String>) -> Self {
        Self::retained(topic, Vec::new())
    }
}
