#![forbid(unsafe_code)]
//! A broker for tests, with a switch for each limit that brokers in the field have ([`Limits`]).
//!
//! [`Broker`] is the whole of it, sans-IO: bytes of a connection go in, bytes and ends of
//! connections come out. [`Server`] puts it behind a TCP port; tests in virtual time drive it
//! themselves. Packets are read and written by rumqttc's codec, in one place ([`wire`]); those of
//! MQTT 3.1.1 become, and are made of, those of MQTT 5.
//!
//! It is correct where its limits allow it: sessions that survive, retained messages, shared
//! subscriptions, quality of service 0 to 2, receive maximum both ways. It is not fast, it keeps
//! everything in memory, and it believes every client.

mod broker;
mod limits;
mod old;
pub mod profiles;
mod routing;
mod server;
mod session;
mod subscribing;
mod switches;
pub mod wire;

pub use broker::{Broker, ConnectionId, Output};
pub use limits::{Beyond, Closes, Limits, OldBroker, Seen};
pub use server::Server;
pub use switches::{SWITCHES, Switch, pairs};
