//! For MQTT 5: [`rumqttc::v5`].

mod client;
mod convert;
mod core;
mod driver;
mod event;
mod eventloop;
mod log;
mod packets;
mod poll_error;
mod sending;
mod settle;
mod state;
mod subscriptions;
mod will;

pub use client::AsyncClient;
pub use event::Event;
pub use eventloop::EventLoop;
pub use poll_error::PollError;
