//! What a machine wants done, and what it tells.

use core::ffi::c_char;
use core::ptr;

use crate::message::sealmq_message;
use crate::notice::sealmq_notice;
use crate::status::sealmq_status;

/// What an output is. Which fields of [`sealmq_output`] count stands here; all others are zero.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum sealmq_kind {
    /// Nothing to do now.
    SEALMQ_NOTHING = 0,
    /// Connect to the broker, with the Will in `topic`, `payload`, `qos`, `retain` and `delay_s` if
    /// `topic` is not null; with a new session if `fresh`. Then `connack`, or `disconnected`.
    SEALMQ_CONNECT = 1,
    /// Send DISCONNECT. Then `written`.
    SEALMQ_DISCONNECT = 2,
    /// Close the connection without a word. Then `disconnected`.
    SEALMQ_HANG_UP = 3,
    /// Send a PUBLISH with `topic`, `payload`, `qos`, `retain`; with MQTT 5 and `expiry_s` not 0,
    /// this message expiry. Then `written`, with the packet identifier that it got.
    SEALMQ_PUBLISH = 4,
    /// The same again with the DUP flag, under the identifier `packet`: a resumed session. No
    /// `written`.
    SEALMQ_RESUME_PUBLISH = 5,
    /// Send PUBREL for `packet`: a resumed session. No `written`.
    SEALMQ_RESUME_RELEASE = 6,
    /// Send one SUBSCRIBE with `filters`. Then `written`.
    SEALMQ_SUBSCRIBE = 7,
    /// Send an UNSUBSCRIBE for the filter `topic`. Then `written`.
    SEALMQ_UNSUBSCRIBE = 8,
    /// Acknowledge the incoming PUBLISH `packet`: PUBACK if `qos` is 1, PUBREC if it is 2. A library
    /// that acknowledges by itself has done so; leave it out.
    SEALMQ_ACKNOWLEDGE = 9,
    /// A message for the application, in `message`: authentic.
    SEALMQ_MESSAGE = 20,
    /// A message in clear, in `message`, on a topic for which the options allow that. **Nothing of
    /// it is authentic**; it has no sender.
    SEALMQ_UNSEALED = 21,
    /// The retained message of `topic` was cleared, by whomever: not authenticated.
    SEALMQ_CLEARED = 22,
    /// A message on `topic` was refused and thrown away: `text` says why.
    SEALMQ_REJECTED = 23,
    /// The publish `id` is sent until the broker has it.
    SEALMQ_ACCEPTED = 30,
    /// The publish `id`, on `topic`, is not sent: `status` and `text` say why.
    SEALMQ_REFUSED = 31,
    /// The publish `id` is done: the broker acknowledged it; at QoS 0, it was written.
    SEALMQ_DONE = 32,
    /// The publish `id` was accepted and is not sent any more: `text` says why.
    SEALMQ_GIVEN_UP = 33,
    /// Everything that was accepted before the flush `id` is done or given up.
    SEALMQ_FLUSHED = 34,
    /// The broker granted the subscription to `topic`, with `qos`.
    SEALMQ_SUBSCRIBED = 40,
    /// The broker refused the subscription to `topic`, with the reason code `code`.
    SEALMQ_SUBSCRIBE_REFUSED = 41,
    /// The broker ended the subscription to `topic`.
    SEALMQ_UNSUBSCRIBED = 42,
    /// Something that the application or the operator may want to know: `notice`, and a `text` for
    /// the log. Never a secret.
    SEALMQ_NOTICE = 50,
    /// Joining: the request waits for an operator, who compares the fingerprint in `text`.
    SEALMQ_WAITING = 60,
    /// Joining: the device is a member, named `text`, with the number `id`. Free the handle, and
    /// open a client with the same store.
    SEALMQ_JOINED = 61,
    /// Nothing follows: free the handle.
    SEALMQ_CLOSED = 70,
}

/// A filter to be subscribed.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_filter {
    /// The topic filter.
    pub filter: *const c_char,
    /// Highest quality of service: 0, 1 or 2.
    pub qos: u8,
    /// MQTT 5: own messages do not come back.
    pub no_local: bool,
    /// MQTT 5: retained messages are wanted always (0), if the subscription is new (1), never (2).
    pub retain_handling: u8,
}

/// One thing to do, or to know. All pointers are valid until the next call with the handle.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_output {
    /// What it is, and which of the following count.
    pub kind: sealmq_kind,
    /// A topic or filter.
    pub topic: *const c_char,
    /// Bytes for the broker, as they are: an envelope, as a rule.
    pub payload: *const u8,
    /// Their length.
    pub payload_len: usize,
    /// Quality of service.
    pub qos: u8,
    /// The RETAIN flag.
    pub retain: bool,
    /// A new session is wanted: MQTT 5's clean start, MQTT 3.1.1's clean session.
    pub fresh: bool,
    /// A packet identifier.
    pub packet: u16,
    /// A reason code of MQTT.
    pub code: u8,
    /// Seconds; 0: none.
    pub expiry_s: u32,
    /// Seconds that the broker waits before it publishes the Will (MQTT 5).
    pub delay_s: u32,
    /// Filters for one SUBSCRIBE.
    pub filters: *const sealmq_filter,
    /// How many.
    pub filters_len: usize,
    /// The application's publish or flush; a member's number.
    pub id: u64,
    /// Why.
    pub status: sealmq_status,
    /// Why, in words, or a name.
    pub text: *const c_char,
    /// What a notice is about.
    pub notice: sealmq_notice,
    /// A message.
    pub message: *const sealmq_message,
}

impl sealmq_output {
    pub(crate) const fn new(kind: sealmq_kind) -> Self {
        Self {
            kind,
            topic: ptr::null(),
            payload: ptr::null(),
            payload_len: 0,
            qos: 0,
            retain: false,
            fresh: false,
            packet: 0,
            code: 0,
            expiry_s: 0,
            delay_s: 0,
            filters: ptr::null(),
            filters_len: 0,
            id: 0,
            status: sealmq_status::SEALMQ_OK,
            text: ptr::null(),
            notice: sealmq_notice::SEALMQ_NOTICE_NONE,
            message: ptr::null(),
        }
    }
}
