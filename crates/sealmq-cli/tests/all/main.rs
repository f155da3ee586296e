//! The program as users run it: processes, brokers, real files.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod authority;
mod bridges;
mod commands;
mod common;
mod demo;
mod errors;
mod factory;
mod flow;
mod inspect;
mod joining;
mod joining_crowd;
mod kill;
mod kill_broker;
mod large_removal;
mod log;
mod long_log;
mod messages;
mod practice;
mod runbooks;
mod site;
mod stores;
mod transports;
mod versions;
