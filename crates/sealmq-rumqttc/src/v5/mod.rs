//! For MQTT 5: [`rumqttc::v5`].

mod client;
mod convert;
mod driver;
mod ending;
mod eventloop;
mod library;
mod state;
mod tls;

use rumqttc::v5::ConnectionError;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::SubscribeReasonCode;

pub use client::AsyncClient;
pub use convert::Will;
pub use eventloop::EventLoop;

/// What [`EventLoop::poll`] reports, with rumqttc's types.
pub type Event = sealmq_client::Event<QoS, SubscribeReasonCode, Box<rumqttc::v5::Event>>;

/// [`EventLoop::poll`] failed.
pub type PollError = sealmq_client::PollError<ConnectionError>;
