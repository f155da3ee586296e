#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
//! A sealmq member for microcontrollers: no std, no allocator, sans-IO. Same formats and rules as on
//! hosts (`spec/`), suite 1.
//!
//! | room | what it holds |
//! |---|---|
//! | [`Device`] | the device machine: follows its groups, seals, opens, says what to persist |
//! | [`Joining`] | from nothing to a member: keys, request, answer |
//! | [`RecordId`] | what has to be kept, record by record, in any store |
//! | [`flash`] | such a store in NOR flash, with the feature of that name |
//!
//! Who may send and read is decided by `sealmq_keys::standing`, how announcements are followed by
//! `sealmq_keys::group`: nothing of that stands here. This crate holds the state around them in
//! places of fixed size.
//!
//! # Persist first
//!
//! A call changes the machine in memory and marks records as due. Until the caller has stored all of
//! [`Device::due`] in one transaction and said so ([`Device::committed`]), nothing that rests on
//! them comes out: no session seals, and [`Device::poll_transmit`] is silent. If storing fails, drop
//! the machine and load it again. What a receiver has seen ([`Device::next_seen`]) may be stored
//! after each message, before the payload is used, and then nothing can be replayed after a power
//! cut; or every n messages, and then up to n can be, once.
//!
//! `docs/device.md` goes from an empty project to a sealed reading.
//!
//! # What it takes
//!
//! `Device<GROUPS, SENDERS, TOPICS, KEYS, OBJECT>` is all that is kept between calls. On Cortex-M,
//! with `sealmq-core` without its feature `fast`, in bytes of RAM:
//!
//! | setting | what it is | each |
//! |---|---|---|
//! | – | whatever the setting: identity, delegation, one-time keys | 5,584 |
//! | `GROUPS` | groups, 1 to 12: keys of 17 epochs, two sessions | 6,784 |
//! | `SENDERS` | senders remembered: replay state, and a credential; 0: see below | 896 + `OBJECT` |
//! | `TOPICS` | topics on which state or gaps of a sender are followed | 168 |
//! | `KEYS` | sessions whose keys are at hand | 136 |
//! | `OBJECT` | longest credential or delegation that it can keep, beside those of senders | 2 |
//!
//! `Device<1, 1, 1, 1, 512>` has 15,104, `Device<1, 4, 8, 4, 512>` 20,912. The largest record takes a
//! buffer of [`MAX_RECORD_LEN`] while it is stored. What makes a device makes it in an `Option` of the
//! caller's, such as a static: nothing returns one.
//!
//! # What it links
//!
//! What an application does not call is not linked: without [`Joining`], a factory makes the device;
//! without [`Device::open`], it only publishes. `Device<GROUPS, 0, 0, 0, OBJECT>` is such a device: it
//! has no place for a sender, opens nothing, keeps no replay state, and nothing of that is linked.
//!
//! Nothing is copied out of the receive buffer: envelopes are opened, and announcements read, where
//! they stand. What may wait is the caller's to keep, in that buffer or at the broker.
//!
//! # What it does not do
//!
//! Suite 2; kept keys of before the newest ones; telling of two devices with one identity.

mod bytes;
mod chunks;
mod device;
mod draw;
mod error;
#[cfg(feature = "flash")]
pub mod flash;
mod joining;
mod leases;
mod packages;
mod records;

pub use bytes::Bytes;
pub use device::{Device, Event, Filter, Message, Sealing, Transmit};
pub use error::{Refused, SealRefused, StartError};
pub use joining::{Answer, Joined, Joining, Way};
pub use records::{MAX_RECORD_LEN, RecordId};

/// The time, as far as a device knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    /// Unix milliseconds; `None` without a clock.
    pub now: Option<u64>,
    /// Milliseconds since the device was started, which only rise: leases run by it.
    pub uptime: Option<u64>,
}

// The program of the guide has to compile.
#[cfg(all(doctest, feature = "flash"))]
#[doc = include_str!("../../../docs/device.md")]
struct Guide;
