use core::ffi::c_char;
use core::time::Duration;

use ::sealmq_client::{KeptValues, MemberOptions, Options, Will};
use bytes::Bytes;
use sealmq_keys::RELEASED_AT;

use crate::arguments::{array, structure, text};
use crate::message::{properties, qos, sealmq_outgoing};
use crate::platform::sealmq_platform;
use crate::status::Failure;
use crate::store::sealmq_store;

/// How a client behaves. All zero but for `store`: the defaults, which suit a program on a host.
/// Everything that pointers point to is copied when the client is opened, but for the contexts of
/// callbacks, which have to live as long as the client.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sealmq_options {
    /// Where the member's state is kept. Must be there.
    pub store: *const sealmq_store,
    /// Time and randomness; null: the operating system's.
    pub platform: *const sealmq_platform,
    /// How long a publish waits, before it is accepted or refused, for keys that have not come yet.
    /// Milliseconds; 0: not at all.
    pub wait_for_keys_ms: u32,
    /// The member's own messages come back to it, if it subscribes to them.
    pub accept_own: bool,
    /// Put the member's credential into every message (150 to 300 bytes), so that readers need not
    /// fetch it.
    pub announce_credential: bool,
    /// What is accepted at QoS 1 or 2 is in the store until the broker has it: the next process
    /// sends what this one could not.
    pub persistent_outbox: bool,
    /// The application's own retained values are in the store, too, so that they are sealed again
    /// after a removal even if the program was started again meanwhile.
    pub store_values: bool,
    /// Commit after each message that was opened: after a power cut none can be replayed, and none
    /// that the application had not taken comes again.
    pub strict_replay: bool,
    /// Filters of topics that may pass in clear, both ways, if no group covers them; or null.
    pub plaintext: *const *const c_char,
    /// How many.
    pub plaintext_len: usize,
    /// The Last Will, which is sealed anew for each connection; or null.
    pub will: *const sealmq_outgoing,
    /// MQTT 5: seconds that the broker waits before it publishes the Will.
    pub will_delay_s: u32,
    /// First pause before connecting again, in milliseconds; 0: 200.
    pub reconnect_first_ms: u32,
    /// Longest pause, after doubling; 0: 30,000.
    pub reconnect_longest_ms: u32,
}

/// # Safety
/// The structure's pointers are as its documentation says.
pub(super) unsafe fn options(given: &sealmq_options) -> Result<Options, Failure> {
    // SAFETY: as the caller promises; so are the others.
    let filters = unsafe { array(given.plaintext, given.plaintext_len, "plaintext") }?;
    let mut plaintext = Vec::with_capacity(filters.len());
    for filter in filters {
        // SAFETY: as above.
        plaintext.push(unsafe { text(*filter, "plaintext") }?.to_owned());
    }
    let will = match given.will.is_null() {
        true => None,
        // SAFETY: as above.
        false => Some(unsafe { will(given) }?),
    };
    let member = MemberOptions::default();
    let defaults = Options::default();
    let (first, longest) = defaults.reconnect_delay;
    let pause = |ms: u32, usual| match ms {
        0 => usual,
        ms => Duration::from_millis(ms.into()),
    };
    let first = pause(given.reconnect_first_ms, first);
    Ok(Options {
        member: MemberOptions {
            accept_own: given.accept_own,
            replay_persist_every: match given.strict_replay {
                true => 1,
                false => member.replay_persist_every,
            },
            clock_floor: RELEASED_AT,
            ..member
        },
        plaintext,
        wait_for_keys: Duration::from_millis(given.wait_for_keys_ms.into()),
        announce_credential: given.announce_credential,
        kept_values: Some(KeptValues {
            stored: given.store_values,
            ..KeptValues::default()
        }),
        persistent_outbox: given.persistent_outbox,
        reconnect_delay: (first, pause(given.reconnect_longest_ms, longest).max(first)),
        will,
        ..defaults
    })
}

/// # Safety
/// As [`options`].
unsafe fn will(given: &sealmq_options) -> Result<Will, Failure> {
    // SAFETY: as the caller promises; so are the others.
    let will = unsafe { structure(given.will, "will") }?;
    // SAFETY: as above.
    let topic = unsafe { text(will.topic, "will.topic") }?;
    // SAFETY: as above.
    let payload = unsafe { array(will.payload, will.payload_len, "will.payload") }?;
    Ok(Will {
        topic: Bytes::copy_from_slice(topic.as_bytes()),
        payload: Bytes::copy_from_slice(payload),
        qos: qos(will.qos)?,
        retain: will.retain,
        // SAFETY: as above.
        properties: unsafe { properties(will.properties) }?,
        delay: Some(given.will_delay_s).filter(|seconds| *seconds != 0),
    })
}
