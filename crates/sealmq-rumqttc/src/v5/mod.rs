//! For MQTT 5: [`rumqttc::v5`].

pub(crate) mod convert;
mod failure;
mod packets;
mod properties;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::SubscribeReasonCode;

use crate::blocking;
use crate::version::Version;

/// MQTT 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct V5;

/// As [`rumqttc::v5::AsyncClient`], sealed.
pub type AsyncClient = crate::client::AsyncClient<V5>;
/// As [`rumqttc::v5::Client`], sealed.
pub type Client = blocking::Client<V5>;
/// As [`rumqttc::v5::Connection`], sealed.
pub type Connection = blocking::Connection<V5>;
/// As [`rumqttc::v5::EventLoop`], sealed.
pub type EventLoop = crate::eventloop::EventLoop<V5>;
/// An application enrols itself.
pub type Joining = crate::joining::Joining<V5>;
/// A plain connection, for what needs no keys.
pub type Link = crate::link::Link<V5>;
/// What [`EventLoop::poll`](crate::eventloop::EventLoop::poll) reports, with rumqttc's types.
pub type Event = sealmq_client::Event<QoS, SubscribeReasonCode, Box<rumqttc::v5::Event>>;
/// It failed.
pub type PollError = sealmq_client::PollError<<V5 as Version>::Failure>;

/// Events of a [`Connection`](blocking::Connection).
pub type Iter<'a> = blocking::Iter<'a, V5>;

pub use crate::blocking::{RecvError, RecvTimeoutError, TryRecvError};
pub use crate::will::Will;
