use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use sealmq_core::topic::Topic;
use sealmq_core::wire::{self, MAX_PROPERTIES_LEN, PropertiesBuilder, PropertiesError, Property};

use super::types::Properties;

impl Properties {
    /// Whether they can be sealed (spec/envelope.md §5).
    ///
    /// # Errors
    /// A value is not valid, or they are longer than 16384 bytes together.
    pub fn check(&self) -> Result<(), PropertiesError> {
        let mut buffer = Vec::new();
        self.encode(&mut buffer).map(|_| ())
    }

    /// Encodes them into `buffer`; `None` if there are none.
    pub(super) fn encode<'b>(
        &self,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<wire::PropertyList<'b>>, PropertiesError> {
        if self.is_empty() {
            return Ok(None);
        }
        let texts = [&self.content_type, &self.response_topic]
            .into_iter()
            .flatten();
        let pairs = self
            .user
            .iter()
            .map(|(name, value)| name.len().saturating_add(value.len()));
        let len = texts
            .map(alloc::string::String::len)
            .chain(self.correlation_data.iter().map(Vec::len))
            .chain(pairs)
            // Each has an id and one or two lengths; the fixed ones take 7 bytes.
            .fold(16_usize, |sum, len| {
                sum.saturating_add(len).saturating_add(5)
            });
        if len > MAX_PROPERTIES_LEN.saturating_mul(2) {
            return Err(PropertiesError::Length);
        }
        *buffer = vec![0; len];
        let mut builder = PropertiesBuilder::new(buffer);
        if let Some(format) = self.payload_format {
            let is_text = match format {
                0 => false,
                1 => true,
                _ => return Err(PropertiesError::Value),
            };
            builder.push(Property::PayloadFormat(is_text))?;
        }
        if let Some(seconds) = self.expiry {
            builder.push(Property::MessageExpiry(seconds))?;
        }
        if let Some(text) = &self.content_type {
            builder.push(Property::ContentType(text))?;
        }
        if let Some(topic) = &self.response_topic {
            let topic = Topic::new(topic).map_err(|_| PropertiesError::Value)?;
            builder.push(Property::ResponseTopic(topic))?;
        }
        if let Some(data) = &self.correlation_data {
            builder.push(Property::CorrelationData(data))?;
        }
        for (name, value) in &self.user {
            builder.push(Property::User(name, value))?;
        }
        builder.finish().map(Some)
    }

    /// Copies them out of an opened message.
    pub(super) fn from_wire(properties: Option<wire::PropertyList<'_>>) -> Self {
        let Some(properties) = properties else {
            return Self::default();
        };
        Self {
            payload_format: properties.payload_format().map(u8::from),
            expiry: properties.message_expiry(),
            content_type: properties.content_type().map(ToString::to_string),
            response_topic: properties.response_topic().map(|t| t.as_str().to_string()),
            correlation_data: properties.correlation_data().map(<[u8]>::to_vec),
            user: properties
                .user()
                .map(|(n, v)| (n.to_string(), v.to_string()))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn all() -> Properties {
        Properties {
            payload_format: Some(1),
            expiry: Some(60),
            content_type: Some("text/plain".to_string()),
            response_topic: Some("answers/7".to_string()),
            correlation_data: Some(vec![0, 1, 2]),
            user: vec![
                ("b".to_string(), String::new()),
                ("a".to_string(), "x".to_string()),
            ],
        }
    }

    #[test]
    fn round_trip() {
        let mut buffer = Vec::new();
        for properties in [
            all(),
            Properties {
                expiry: Some(0),
                ..Properties::default()
            },
        ] {
            let encoded = properties.encode(&mut buffer).unwrap();
            assert!(encoded.is_some());
            assert_eq!(Properties::from_wire(encoded), properties);
        }
        assert_eq!(Properties::default().encode(&mut buffer), Ok(None));
        assert_eq!(Properties::from_wire(None), Properties::default());
    }

    #[test]
    fn what_mqtt_does_not_allow_is_refused() {
        let mut buffer = Vec::new();
        for bad in [
            Properties {
                payload_format: Some(2),
                ..all()
            },
            Properties {
                response_topic: Some("a/#".to_string()),
                ..all()
            },
            Properties {
                content_type: Some("\0".to_string()),
                ..all()
            },
            Properties {
                correlation_data: Some(vec![0; MAX_PROPERTIES_LEN]),
                ..all()
            },
            Properties {
                correlation_data: Some(vec![0; 1 << 20]),
                ..all()
            },
        ] {
            assert!(bad.encode(&mut buffer).is_err());
        }
    }
}
