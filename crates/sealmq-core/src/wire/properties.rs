use core::fmt;

use super::{Reader, Truncated, Writer};
use crate::topic::Topic;

/// Most bytes of protected properties.
pub const MAX_PROPERTIES_LEN: usize = 16384;

const PAYLOAD_FORMAT: u8 = 0x01;
const MESSAGE_EXPIRY: u8 = 0x02;
const CONTENT_TYPE: u8 = 0x03;
const RESPONSE_TOPIC: u8 = 0x08;
const CORRELATION_DATA: u8 = 0x09;
const USER: u8 = 0x26;

/// One protected property (spec/envelope.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Property<'a> {
    /// Whether the payload is UTF-8 text.
    PayloadFormat(bool),
    /// Seconds from `sent_at` until the message has no value any more.
    MessageExpiry(u32),
    /// MIME type or another description of the payload.
    ContentType(&'a str),
    /// Where an answer is expected.
    ResponseTopic(Topic<'a>),
    /// What the answer is to repeat, at most 65535 bytes.
    CorrelationData(&'a [u8]),
    /// A name and a value of the application's own.
    User(&'a str, &'a str),
}

impl Property<'_> {
    const fn id(&self) -> u8 {
        match self {
            Self::PayloadFormat(_) => PAYLOAD_FORMAT,
            Self::MessageExpiry(_) => MESSAGE_EXPIRY,
            Self::ContentType(_) => CONTENT_TYPE,
            Self::ResponseTopic(_) => RESPONSE_TOPIC,
            Self::CorrelationData(_) => CORRELATION_DATA,
            Self::User(..) => USER,
        }
    }
}

/// Properties that cannot be sealed, or bytes that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PropertiesError {
    /// Nothing at all, above 16384 bytes, or the buffer is too small.
    Length,
    /// Not ascending by id, or one that may stand once only repeats.
    Order,
    /// A text with U+0000 or above 65535 bytes, or a value that is not of its type.
    Value,
}

impl fmt::Display for PropertiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => {
                "protected properties take 1 to 16384 bytes, and must fit into their buffer"
            }
            Self::Order => {
                "protected properties stand in ascending order of id, each once (user properties may repeat)"
            }
            Self::Value => {
                "a protected property has a value that MQTT does not allow: texts have at most 65535 bytes and no U+0000"
            }
        })
    }
}

impl core::error::Error for PropertiesError {}

impl From<Truncated> for PropertiesError {
    fn from(_: Truncated) -> Self {
        Self::Length
    }
}

/// Protected properties, checked. Only these reach the application; what stands outside the
/// envelope is not authenticated (threat model B17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PropertyList<'a>(&'a [u8]);

impl<'a> PropertyList<'a> {
    /// Checks encoded properties.
    ///
    /// # Errors
    /// Everything that §5 does not allow.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PropertiesError> {
        if bytes.is_empty() || bytes.len() > MAX_PROPERTIES_LEN {
            return Err(PropertiesError::Length);
        }
        let mut reader = Reader::new(bytes);
        let mut previous = 0;
        while !reader.rest().is_empty() {
            let property = read(&mut reader)?;
            check_order(previous, property.id())?;
            previous = property.id();
        }
        Ok(Self(bytes))
    }

    /// For bytes that went through [`PropertyList::parse`] before.
    pub(crate) const fn from_checked(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The encoding.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// All of them, in order.
    #[must_use]
    pub const fn iter(&self) -> PropertyIter<'a> {
        PropertyIter(Reader::new(self.0))
    }

    /// Whether the payload is declared to be UTF-8 text.
    #[must_use]
    pub fn payload_format(&self) -> Option<bool> {
        self.iter().find_map(|p| {
            if let Property::PayloadFormat(v) = p {
                Some(v)
            } else {
                None
            }
        })
    }

    /// Seconds from `sent_at` until the message expires.
    #[must_use]
    pub fn message_expiry(&self) -> Option<u32> {
        self.iter().find_map(|p| {
            if let Property::MessageExpiry(v) = p {
                Some(v)
            } else {
                None
            }
        })
    }

    /// The payload's type.
    #[must_use]
    pub fn content_type(&self) -> Option<&'a str> {
        self.iter().find_map(|p| {
            if let Property::ContentType(v) = p {
                Some(v)
            } else {
                None
            }
        })
    }

    /// Where an answer is expected.
    #[must_use]
    pub fn response_topic(&self) -> Option<Topic<'a>> {
        self.iter().find_map(|p| {
            if let Property::ResponseTopic(v) = p {
                Some(v)
            } else {
                None
            }
        })
    }

    /// What the answer is to repeat.
    #[must_use]
    pub fn correlation_data(&self) -> Option<&'a [u8]> {
        self.iter().find_map(|p| {
            if let Property::CorrelationData(v) = p {
                Some(v)
            } else {
                None
            }
        })
    }

    /// The application's own pairs, in order.
    pub fn user(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.iter().filter_map(|p| {
            if let Property::User(n, v) = p {
                Some((n, v))
            } else {
                None
            }
        })
    }
}

impl<'a> IntoIterator for PropertyList<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertyIter<'a>;

    fn into_iter(self) -> PropertyIter<'a> {
        self.iter()
    }
}

/// Iterates over [`PropertyList`].
#[derive(Debug, Clone)]
pub struct PropertyIter<'a>(Reader<'a>);

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        read(&mut self.0).ok()
    }
}

fn check_order(previous: u8, id: u8) -> Result<(), PropertiesError> {
    if id > previous || (id == USER && previous == USER) {
        Ok(())
    } else {
        Err(PropertiesError::Order)
    }
}

fn read<'a>(reader: &mut Reader<'a>) -> Result<Property<'a>, PropertiesError> {
    Ok(match reader.u8()? {
        PAYLOAD_FORMAT => match reader.u8()? {
            0 => Property::PayloadFormat(false),
            1 => Property::PayloadFormat(true),
            _ => return Err(PropertiesError::Value),
        },
        MESSAGE_EXPIRY => Property::MessageExpiry(u32::from_be_bytes(reader.array()?)),
        CONTENT_TYPE => Property::ContentType(read_text(reader)?),
        RESPONSE_TOPIC => {
            let topic = Topic::new(read_text(reader)?).map_err(|_| PropertiesError::Value)?;
            Property::ResponseTopic(topic)
        }
        CORRELATION_DATA => Property::CorrelationData(read_bytes(reader)?),
        USER => Property::User(read_text(reader)?, read_text(reader)?),
        _ => return Err(PropertiesError::Value),
    })
}

fn read_bytes<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], PropertiesError> {
    let len = u16::from_be_bytes(reader.array()?);
    Ok(reader.take(usize::from(len))?)
}

fn read_text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, PropertiesError> {
    let text = core::str::from_utf8(read_bytes(reader)?).map_err(|_| PropertiesError::Value)?;
    if text.contains('\0') {
        Err(PropertiesError::Value)
    } else {
        Ok(text)
    }
}

/// Encodes properties into a caller's buffer, in ascending order of [`Property`]'s variants.
///
/// ```
/// use sealmq_core::wire::{PropertiesBuilder, Property};
/// let mut buffer = [0; 64];
/// let mut builder = PropertiesBuilder::new(&mut buffer);
/// builder.push(Property::ContentType("text/plain"))?;
/// builder.push(Property::User("unit", "C"))?;
/// let properties = builder.finish()?;
/// assert_eq!(properties.content_type(), Some("text/plain"));
/// # Ok::<(), sealmq_core::wire::PropertiesError>(())
/// ```
#[derive(Debug)]
pub struct PropertiesBuilder<'a> {
    out: Writer<'a>,
    previous: u8,
    failed: Option<PropertiesError>,
}

impl<'a> PropertiesBuilder<'a> {
    /// Starts at the front of `out`.
    #[must_use]
    pub const fn new(out: &'a mut [u8]) -> Self {
        Self {
            out: Writer::new(out),
            previous: 0,
            failed: None,
        }
    }

    /// Appends one.
    ///
    /// # Errors
    /// Out of order, a value that MQTT does not allow, or no room.
    pub fn push(&mut self, property: Property<'_>) -> Result<(), PropertiesError> {
        let result = self.try_push(property);
        self.failed = self.failed.or(result.err());
        result
    }

    fn try_push(&mut self, property: Property<'_>) -> Result<(), PropertiesError> {
        check_order(self.previous, property.id())?;
        self.previous = property.id();
        self.out.put(&[property.id()])?;
        match property {
            Property::PayloadFormat(text) => Ok(self.out.put(&[u8::from(text)])?),
            Property::MessageExpiry(seconds) => Ok(self.out.put(&seconds.to_be_bytes())?),
            Property::ContentType(text) => self.text(text),
            Property::ResponseTopic(topic) => self.text(topic.as_str()),
            Property::CorrelationData(bytes) => self.bytes(bytes),
            Property::User(name, value) => {
                self.text(name)?;
                self.text(value)
            }
        }
    }

    /// The encoded properties.
    ///
    /// # Errors
    /// None were pushed, a push has failed, or they are longer than 16384 bytes.
    pub fn finish(self) -> Result<PropertyList<'a>, PropertiesError> {
        self.failed
            .map_or_else(|| PropertyList::parse(self.out.finish()), Err)
    }

    fn text(&mut self, text: &str) -> Result<(), PropertiesError> {
        if text.contains('\0') {
            return Err(PropertiesError::Value);
        }
        self.bytes(text.as_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), PropertiesError> {
        let len = u16::try_from(bytes.len()).map_err(|_| PropertiesError::Value)?;
        self.out.put(&len.to_be_bytes())?;
        Ok(self.out.put(bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_of_all() {
        let topic = Topic::new("answers/7").unwrap();
        let all = [
            Property::PayloadFormat(true),
            Property::MessageExpiry(60),
            Property::ContentType("text/plain"),
            Property::ResponseTopic(topic),
            Property::CorrelationData(&[0, 1, 2]),
            Property::User("b", "2"),
            Property::User("a", ""),
        ];
        let mut buffer = [0; 128];
        let mut builder = PropertiesBuilder::new(&mut buffer);
        for property in all {
            builder.push(property).unwrap();
        }
        let properties = builder.finish().unwrap();
        assert!(properties.iter().eq(all));
        assert_eq!(properties.payload_format(), Some(true));
        assert_eq!(properties.message_expiry(), Some(60));
        assert_eq!(properties.content_type(), Some("text/plain"));
        assert_eq!(properties.response_topic(), Some(topic));
        assert_eq!(properties.correlation_data(), Some(&[0, 1, 2][..]));
        assert!(properties.user().eq([("b", "2"), ("a", "")]));
        // Each cut ends inside a property, except behind a whole one.
        let bytes = properties.as_bytes();
        let whole = (1..bytes.len())
            .filter(|&n| PropertyList::parse(&bytes[..n]).is_ok())
            .count();
        assert_eq!(whole, all.len() - 1);
    }

    #[test]
    fn bad_bytes() {
        for (bytes, error) in [
            (&b""[..], PropertiesError::Length),
            (b"\x01\x02", PropertiesError::Value),
            (b"\x04\x00", PropertiesError::Value),
            (b"\x00", PropertiesError::Value),
            (b"\x01\x00\x01\x00", PropertiesError::Order),
            (b"\x02\0\0\0\x01\x01\x00", PropertiesError::Order),
            (b"\x03\x00\x02a\0", PropertiesError::Value),
            (b"\x03\x00\x01\xff", PropertiesError::Value),
            (b"\x08\x00\x01+", PropertiesError::Value),
            (b"\x08\x00\x00", PropertiesError::Value),
            (b"\x09\x00\x05ab", PropertiesError::Length),
            (b"\x26\x00\x01a\x00\x01", PropertiesError::Length),
        ] {
            assert_eq!(PropertyList::parse(bytes), Err(error), "{bytes:?}");
        }
        let long = [[0x26, 0, 0, 0, 0]; MAX_PROPERTIES_LEN / 5 + 1].concat();
        assert!(PropertyList::parse(&long[..MAX_PROPERTIES_LEN / 5 * 5]).is_ok());
        assert_eq!(PropertyList::parse(&long), Err(PropertiesError::Length));
    }

    #[test]
    fn builder_refuses_what_the_parser_refuses() {
        let mut buffer = [0; 32];
        let mut builder = PropertiesBuilder::new(&mut buffer);
        builder.push(Property::ContentType("x")).unwrap();
        assert_eq!(
            builder.push(Property::ContentType("y")),
            Err(PropertiesError::Order)
        );
        assert_eq!(
            builder.push(Property::User("a\0", "b")),
            Err(PropertiesError::Value)
        );
        let mut builder = PropertiesBuilder::new(&mut buffer);
        assert_eq!(
            builder.push(Property::CorrelationData(&[0; 40])),
            Err(PropertiesError::Length)
        );
        assert!(builder.finish().is_err());
        assert!(PropertiesBuilder::new(&mut buffer).finish().is_err());
    }
}
