#![forbid(unsafe_code)]
//! The `sealmq` program as a library with one entry: [`run`].
//!
//! Each command has a module of its own; `sealmq --help` is the manual.

mod args;
mod authority;
#[cfg(test)]
mod claims;
mod clock;
mod connection;
mod demo;
mod device;
mod failure;
mod files;
mod inspect;
mod join;
mod log;
mod output;
mod program;
mod publish;
mod root;
mod rootfile;
mod seldom;
mod server;
mod session;
mod signals;
mod site;
mod subscribe;
mod tls;
mod unlock;

pub use program::run;
