#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]
//! A client of MQTT that seals, without MQTT.

extern crate alloc;

mod backoff;
mod client;
mod draft;
mod error;
mod event;
mod joining;
mod ledger;
mod limits;
mod message;
mod options;
mod outbox;
mod output;
mod poll_error;
mod settle;
mod subscriptions;
mod time;
mod will;
mod window;
mod wire;

pub use client::{Acknowledged, Client, Incoming};
pub use draft::Draft;
pub use error::{ClientError, OpenError, StoreFailure};
pub use event::Event;
pub use joining::{JoinError, JoinOutput, Joined, Joining};
pub use limits::Limits;
pub use message::Message;
pub use options::Options;
pub use output::{FlushId, Output, PublishId, Resume, Token};
pub use poll_error::PollError;
pub use subscriptions::{Retained, Subscription, check_filter};
pub use time::Time;
pub use will::{SealedWill, Will};
pub use window::Identifiers;
pub use wire::{Qos, Wire};

/// What appears in this crate's types.
pub use sealmq_core::open::Rejection;
pub use sealmq_core::replay::Gap;
pub use sealmq_keys::member::{MemberEvent, MemberOptions, Properties, SealError, Stats};
