use alloc::string::String;

use bytes::Bytes;
use sealmq_keys::Publication;
use sealmq_keys::member::Properties;
use serde::{Deserialize, Serialize};

/// Quality of service, for all versions of MQTT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(clippy::enum_variant_names, reason = "the standard's names")]
pub enum Qos {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1.
    #[default]
    AtLeastOnce,
    /// QoS 2.
    ExactlyOnce,
}

/// A message as it goes out: sealed, allowed in clear, or an object of key management.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// The topic.
    pub topic: String,
    /// The envelope, as a rule.
    pub payload: Bytes,
    /// The quality of service.
    pub qos: Qos,
    /// Whether the broker is to keep it.
    pub retain: bool,
    /// What stands outside the envelope: only the expiry, of a sealed message. A driver for
    /// MQTT 3.1.1 has no place for it.
    pub properties: Properties,
    /// A shorter name for the topic, on this connection. A driver for MQTT 3.1.1 has no place for it.
    pub alias: Option<Alias>,
}

/// A topic alias of MQTT 5. The envelope is sealed for the name that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// The number.
    pub number: u16,
    /// The broker knows it: the packet has an empty topic name.
    pub is_known: bool,
}

impl Wire {
    /// Size of its PUBLISH in MQTT 5, header and packet identifier included.
    #[must_use]
    pub fn packet_size(&self) -> usize {
        let outer = &self.properties;
        let text = |text: &Option<String>| text.as_ref().map_or(0, |text| sum(&[3, text.len()]));
        let data = outer.correlation_data.as_ref();
        let pairs = outer.user.iter();
        let properties = sum(&[
            outer.payload_format.map_or(0, |_| 2),
            outer.expiry.map_or(0, |_| 5),
            text(&outer.content_type),
            text(&outer.response_topic),
            data.map_or(0, |data| sum(&[3, data.len()])),
            pairs.fold(0, |all, (name, value)| {
                sum(&[all, 5, name.len(), value.len()])
            }),
        ]);
        let identifier = if self.qos == Qos::AtMostOnce { 0 } else { 2 };
        let rest = sum(&[
            2,
            self.topic.len(),
            identifier,
            length_of(properties),
            properties,
            self.payload.len(),
        ]);
        sum(&[1, length_of(rest), rest])
    }
}

impl From<Publication> for Wire {
    fn from(publication: Publication) -> Self {
        Self {
            topic: publication.topic,
            payload: publication.payload.into(),
            qos: Qos::AtLeastOnce,
            retain: publication.retain,
            properties: Properties::default(),
            alias: None,
        }
    }
}

fn sum(parts: &[usize]) -> usize {
    parts.iter().fold(0, |all, part| all.saturating_add(*part))
}

/// Bytes of a variable byte integer.
const fn length_of(value: usize) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}
