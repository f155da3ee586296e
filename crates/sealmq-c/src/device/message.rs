//! Messages of a device, both ways.

use core::ffi::c_char;
use core::ptr;

use sealmq_core::topic::Topic;
use sealmq_core::wire::{PropertiesBuilder, Property, PropertyList};
use sealmq_embedded::{Message, Sealing};

use crate::arguments::{Place, Wrong, array, optional_text, structure, text};
use crate::codes::sealmq_status::{self, *};
use crate::properties::sealmq_properties;

/// Most bytes of a message's properties: each of them, its texts, and 7 bytes for each.
pub const SEALMQ_PROPERTIES_SIZE: usize = 256;

/// A message to be sealed.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_device_message {
    /// The topic name on which it is published.
    pub topic: *const c_char,
    /// The payload; may be null if `payload_len` is 0.
    pub payload: *const u8,
    /// Its length in bytes.
    pub payload_len: usize,
    /// Published with the RETAIN flag: who comes later gets it, too.
    pub retain: bool,
    /// At most 100 bytes around the payload, instead of some 600 or, once readers know the device, 150.
    /// A record of the session is published first, by `sealmq_device_next_packet`; until the broker has
    /// acknowledged it, and with `retain`, the full form is taken.
    pub short_form: bool,
    /// At most `SEALMQ_PROPERTIES_SIZE` bytes; null: none.
    pub properties: *const sealmq_properties,
}

/// Bytes of somebody else, or a text **without** a zero byte behind it; null: it is not there.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_span {
    /// Where.
    pub bytes: *const u8,
    /// How many.
    pub len: usize,
}

impl sealmq_span {
    const NONE: Self = Self {
        bytes: ptr::null(),
        len: 0,
    };

    const fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.as_ptr(),
            len: bytes.len(),
        }
    }
}

/// What came for the application. All of it was signed by its sender, but for `retained`. What it points
/// to is in the buffer that was given; the sender's name in the device, until the next call with it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_delivery {
    /// The payload; null: nothing for the application.
    pub payload: *const u8,
    /// Its length in bytes.
    pub payload_len: usize,
    /// The sender's number, never given to another.
    pub sender: u32,
    /// The sender's name, as the authority enrolled it.
    pub sender_name: sealmq_span,
    /// Milliseconds since 1970, by the sender's clock; 0 if it has none.
    pub sent_at_ms: u64,
    /// Number of the sender's session, and of the message in it.
    pub session: u64,
    /// Number of the message in its session.
    pub counter: u32,
    /// Delivered as the topic's retained value.
    pub retained: bool,
    /// The sender's Last Will.
    pub is_will: bool,
    /// The payload is UTF-8 text.
    pub is_text: bool,
    /// The payload's type.
    pub content_type: sealmq_span,
    /// Where an answer is expected.
    pub response_topic: sealmq_span,
    /// What an answer is to repeat.
    pub correlation: sealmq_span,
    /// The application's own pairs: `sealmq_delivery_user`.
    pub user_len: usize,
    /// All properties, as they travelled (spec/envelope.md §5).
    pub properties: sealmq_span,
}

impl sealmq_delivery {
    pub(super) const NONE: Self = Self {
        payload: ptr::null(),
        payload_len: 0,
        sender: 0,
        sender_name: sealmq_span::NONE,
        sent_at_ms: 0,
        session: 0,
        counter: 0,
        retained: false,
        is_will: false,
        is_text: false,
        content_type: sealmq_span::NONE,
        response_topic: sealmq_span::NONE,
        correlation: sealmq_span::NONE,
        user_len: 0,
        properties: sealmq_span::NONE,
    };

    pub(super) fn of(opened: &Message<'_>) -> Self {
        let mut delivery = Self {
            payload: opened.payload().as_ptr(),
            payload_len: opened.payload().len(),
            sender: opened.sender().0,
            sent_at_ms: opened.sent_at().unwrap_or(0),
            session: opened.session_number(),
            counter: opened.counter(),
            retained: opened.is_retained_delivery(),
            is_will: opened.is_will(),
            ..Self::NONE
        };
        let Some(properties) = opened.properties() else {
            return delivery;
        };
        delivery.properties = sealmq_span::of(properties.as_bytes());
        for property in properties {
            match property {
                Property::PayloadFormat(is_text) => delivery.is_text = is_text,
                Property::ContentType(text) => {
                    delivery.content_type = sealmq_span::of(text.as_bytes());
                }
                Property::ResponseTopic(topic) => {
                    delivery.response_topic = sealmq_span::of(topic.as_str().as_bytes());
                }
                Property::CorrelationData(bytes) => delivery.correlation = sealmq_span::of(bytes),
                Property::User(..) => delivery.user_len = delivery.user_len.saturating_add(1),
                _ => {}
            }
        }
        delivery
    }

    pub(super) fn name_sender(&mut self, name: Option<&str>) {
        self.sender_name = name.map_or(sealmq_span::NONE, |name| sealmq_span::of(name.as_bytes()));
    }
}

/// Writes pair number `index`, from 0, of the application's own pairs to `*name` and `*value`; it points
/// into the buffer that the delivery points to.
///
/// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (there are not so many, or the delivery's
/// properties were changed).
///
/// # Safety
/// `delivery` points to a delivery whose buffer is still as it was; `name` and `value` to places for
/// results.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealmq_delivery_user(
    delivery: *const sealmq_delivery,
    index: usize,
    name: *mut sealmq_span,
    value: *mut sealmq_span,
) -> sealmq_status {
    let find = || {
        // SAFETY: as the caller promises; so are the others.
        let delivery = unsafe { structure(delivery, "delivery") }?;
        // SAFETY: as above.
        let name = unsafe { Place::new(name, "name") }?;
        // SAFETY: as above.
        let value = unsafe { Place::new(value, "value") }?;
        let properties = delivery.properties;
        // SAFETY: as above.
        let bytes = unsafe { array(properties.bytes, properties.len, "properties") }?;
        let list = PropertyList::parse(bytes).ok();
        let mut pairs = list
            .into_iter()
            .flatten()
            .filter_map(|property| match property {
                Property::User(name, value) => Some((name, value)),
                _ => None,
            });
        let pair = pairs.nth(index);
        let pair = pair.ok_or(Wrong::argument("index", "there are not so many pairs"))?;
        name.put(sealmq_span::of(pair.0.as_bytes()));
        value.put(sealmq_span::of(pair.1.as_bytes()));
        Ok::<(), Wrong>(())
    };
    match find() {
        Ok(()) => SEALMQ_OK,
        Err(wrong) => wrong.status,
    }
}

/// What to seal, with properties that stand in `room` then.
///
/// # Safety
/// The structure's pointers are as its documentation says, for `'a`.
pub(super) unsafe fn sealing<'a>(
    given: &sealmq_device_message,
    room: &'a mut [u8; SEALMQ_PROPERTIES_SIZE],
) -> Result<Sealing<'a>, Wrong> {
    // SAFETY: as the caller promises; so is the other.
    let topic = unsafe { text(given.topic, "topic") }?;
    let properties = match given.properties.is_null() {
        true => None,
        // SAFETY: as above.
        false => unsafe { properties(given.properties, room) }?,
    };
    let is_short = given.short_form && !given.retain;
    Ok(Sealing {
        retain: given.retain,
        announce: !is_short,
        short: is_short,
        properties,
        ..Sealing::event(topic)
    })
}

/// # Safety
/// As [`sealing`].
unsafe fn properties(
    given: *const sealmq_properties,
    room: &mut [u8; SEALMQ_PROPERTIES_SIZE],
) -> Result<Option<PropertyList<'_>>, Wrong> {
    let wrong = || Wrong::argument("properties", "too long, or not allowed by MQTT");
    // SAFETY: as the caller promises; so are the others.
    let given = unsafe { structure(given, "properties") }?;
    // SAFETY: as above.
    let content_type = unsafe { optional_text(given.content_type, "content_type") }?;
    // SAFETY: as above.
    let response_topic = unsafe { optional_text(given.response_topic, "response_topic") }?;
    let response_topic = response_topic.map(Topic::new).transpose();
    let response_topic = response_topic.map_err(|_| wrong())?;
    // SAFETY: as above.
    let correlation = unsafe { array(given.correlation, given.correlation_len, "correlation") }?;
    // SAFETY: as above.
    let pairs = unsafe { array(given.user, given.user_len, "user") }?;
    let fixed = [
        given.is_text.then_some(Property::PayloadFormat(true)),
        Some(given.expiry_s)
            .filter(|s| *s != 0)
            .map(Property::MessageExpiry),
        content_type.map(Property::ContentType),
        response_topic.map(Property::ResponseTopic),
        (!given.correlation.is_null()).then_some(Property::CorrelationData(correlation)),
    ];
    let mut builder = PropertiesBuilder::new(room);
    let mut is_empty = true;
    for property in fixed.into_iter().flatten() {
        builder.push(property).map_err(|_| wrong())?;
        is_empty = false;
    }
    for pair in pairs {
        // SAFETY: as above.
        let name = unsafe { text(pair.name, "user.name") }?;
        // SAFETY: as above.
        let value = unsafe { text(pair.value, "user.value") }?;
        builder
            .push(Property::User(name, value))
            .map_err(|_| wrong())?;
        is_empty = false;
    }
    match is_empty {
        true => Ok(None),
        false => builder.finish().map(Some).map_err(|_| wrong()),
    }
}
