//! Messages, both ways.

use core::ffi::c_char;
use core::ptr;

use sealmq_client::{Properties, Qos};

use crate::arguments::{array, optional_text, structure, text};
use crate::properties::sealmq_properties;
use crate::status::Failure;

/// A message to be sent, in clear as the application has it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_outgoing {
    /// Its topic: a topic name of MQTT.
    pub topic: *const c_char,
    /// The payload; may be null if `payload_len` is 0.
    pub payload: *const u8,
    /// Its length in bytes. An empty payload with `retain` clears the topic's retained message.
    pub payload_len: usize,
    /// Quality of service: 0, 1 or 2.
    pub qos: u8,
    /// Whether the broker is to keep it.
    pub retain: bool,
    /// Null: none.
    pub properties: *const sealmq_properties,
}

/// A message that came. Of one that was sealed, everything was signed by its sender, but for
/// `retained`. All pointers are valid until the next call with the handle.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_message {
    /// The topic.
    pub topic: *const c_char,
    /// The payload; never null. No zero byte stands behind it.
    pub payload: *const u8,
    /// Its length in bytes.
    pub payload_len: usize,
    /// Delivered as the topic's retained value: a state, not an event.
    pub retained: bool,
    /// The sender's Last Will.
    pub is_will: bool,
    /// The sender's number, never given to another.
    pub sender: u32,
    /// The sender's name, as the authority enrolled it.
    pub sender_name: *const c_char,
    /// The name of the group that covers the topic.
    pub group: *const c_char,
    /// The epoch whose keys sealed it.
    pub epoch: u64,
    /// Number of the sender's session.
    pub session: u64,
    /// Number of the message within the session.
    pub counter: u64,
    /// The sender's clock when it was sealed, milliseconds since 1970; 0 if it has none.
    pub sent_at_ms: u64,
    /// How many messages of this sender on this topic are missing before this one, as far as they
    /// are numbered.
    pub missed: u32,
    /// What travelled inside.
    pub properties: sealmq_properties,
}

impl sealmq_message {
    pub(crate) const NONE: Self = Self {
        topic: ptr::null(),
        payload: ptr::null(),
        payload_len: 0,
        retained: false,
        is_will: false,
        sender: 0,
        sender_name: ptr::null(),
        group: ptr::null(),
        epoch: 0,
        session: 0,
        counter: 0,
        sent_at_ms: 0,
        missed: 0,
        properties: sealmq_properties {
            is_text: false,
            expiry_s: 0,
            content_type: ptr::null(),
            response_topic: ptr::null(),
            correlation: ptr::null(),
            correlation_len: 0,
            user: ptr::null(),
            user_len: 0,
        },
    };
}

/// # Safety
/// The structure's pointers are as its documentation says.
pub(crate) unsafe fn properties(given: *const sealmq_properties) -> Result<Properties, Failure> {
    if given.is_null() {
        return Ok(Properties::default());
    }
    // SAFETY: as the caller promises; so are the others.
    let given = unsafe { structure(given, "properties") }?;
    // SAFETY: as above.
    let content_type = unsafe { optional_text(given.content_type, "content_type") }?;
    // SAFETY: as above.
    let response_topic = unsafe { optional_text(given.response_topic, "response_topic") }?;
    // SAFETY: as above.
    let correlation = unsafe { array(given.correlation, given.correlation_len, "correlation") }?;
    // SAFETY: as above.
    let pairs = unsafe { array(given.user, given.user_len, "user") }?;
    let mut user = Vec::with_capacity(pairs.len());
    for pair in pairs {
        // SAFETY: as above.
        let name = unsafe { text(pair.name, "user.name") }?;
        // SAFETY: as above.
        let value = unsafe { text(pair.value, "user.value") }?;
        user.push((name.to_owned(), value.to_owned()));
    }
    Ok(Properties {
        payload_format: given.is_text.then_some(1),
        expiry: Some(given.expiry_s).filter(|seconds| *seconds != 0),
        content_type: content_type.map(str::to_owned),
        response_topic: response_topic.map(str::to_owned),
        correlation_data: (!given.correlation.is_null()).then(|| correlation.to_vec()),
        user,
    })
}

pub(crate) fn qos(number: u8) -> Result<Qos, Failure> {
    match number {
        0 => Ok(Qos::AtMostOnce),
        1 => Ok(Qos::AtLeastOnce),
        2 => Ok(Qos::ExactlyOnce),
        other => Err(Failure::argument(
            "qos",
            format_args!("{other} is none of 0, 1 and 2"),
        )),
    }
}
