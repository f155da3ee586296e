//! For MQTT 5: [`rumqttc::v5`].

pub(crate) mod convert;
pub(crate) mod ending;

use rumqttc::v5::ConnectionError;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::SubscribeReasonCode;

pub use crate::client::AsyncClient;
pub use crate::eventloop::EventLoop;
pub use convert::Will;

/// What [`EventLoop::poll`] reports, with rumqttc's types.
pub type Event = sealmq_client::Event<QoS, SubscribeReasonCode, Box<rumqttc::v5::Event>>;

/// [`EventLoop::poll`] failed.
pub type PollError = sealmq_client::PollError<ConnectionError>;
