#![cfg_attr(not(feature = "host"), no_std)]
#![allow(
    non_camel_case_types,
    reason = "types have the names that C calls them by"
)]
//! sealmq for C, for any MQTT library: the static library behind `include/sealmq.h`. The header's
//! comments are written here; `docs/c.md` and `docs/device.md` are the guides.
//!
//! | room | what it holds |
//! |---|---|
//! | `codes`, `status` | numbers of errors, and the text of the last one |
//! | `arguments`, `handle` | the boundary: pointers are checked, no panic gets out, one call at a time |
//! | `store`, `platform` | what the caller provides: records, time, randomness |
//! | `properties` | what travels beside a payload |
//! | `message`, `output`, `held` | messages both ways; what a machine wants done, and what it tells |
//! | `client`, `joining`, `member` | the machines: `sealmq-client`'s two, and the member alone |
//! | `device` | for microcontrollers, `include/sealmq_device.h`: `sealmq-embedded` in memory of the caller's |
//!
//! Nothing is decided here: rules stand in `sealmq-client` and `sealmq-keys`.

mod arguments;
#[cfg(feature = "host")]
mod client;
mod codes;
#[cfg(feature = "device")]
mod device;
#[cfg(feature = "host")]
mod handle;
#[cfg(feature = "host")]
mod held;
#[cfg(feature = "host")]
mod joining;
#[cfg(feature = "host")]
mod member;
#[cfg(feature = "host")]
mod message;
#[cfg(feature = "host")]
mod notice;
#[cfg(feature = "host")]
mod output;
#[cfg(feature = "host")]
mod platform;
mod properties;
mod random;
#[cfg(feature = "host")]
mod status;
#[cfg(feature = "host")]
mod store;

#[cfg(feature = "device")]
pub use self::device::*;
pub use self::properties::*;
#[cfg(feature = "host")]
pub use self::{
    client::*, joining::*, member::*, message::*, output::*, platform::*, status::*, store::*,
};

// Tests through the public interface, in the binary of the unit tests: each binary links everything.
#[cfg(all(test, feature = "host"))]
#[path = "../tests/all/mod.rs"]
mod all;
