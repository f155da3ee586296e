//! The adapter over TCP: brokers, proxies, programs.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "each test uses its part of the common one, and may fail loudly"
)]

mod aliases;
mod behaviours;
mod bridge;
mod common;
mod delivery;
mod examples;
mod flow;
mod hostile;
mod isolation;
mod kill_reader;
mod limits;
mod notices;
mod one_task;
mod ported;
mod protocol;
mod refusals;
mod restart;
mod secured;
mod short;
mod transports;
mod versions;
