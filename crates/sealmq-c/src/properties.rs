//! What travels beside a payload, as C has it: for hosts and devices alike.

use core::ffi::c_char;

/// A pair of the application's own.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_pair {
    /// Its name.
    pub name: *const c_char,
    /// Its value.
    pub value: *const c_char,
}

/// What MQTT 5 carries beside a payload. Here it travels inside the envelope, protected, with
/// MQTT 3.1.1, too. All zero: none.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_properties {
    /// The payload is UTF-8 text.
    pub is_text: bool,
    /// Seconds from sealing on after which no reader takes the message; 0: no end.
    pub expiry_s: u32,
    /// The payload's type, or null.
    pub content_type: *const c_char,
    /// Where an answer is expected, or null.
    pub response_topic: *const c_char,
    /// What an answer is to repeat, or null.
    pub correlation: *const u8,
    /// Its length in bytes.
    pub correlation_len: usize,
    /// The application's own pairs, in order, or null.
    pub user: *const sealmq_pair,
    /// How many.
    pub user_len: usize,
}
