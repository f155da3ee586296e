//! For MQTT 3.1.1: as [`rumqttc`] has it at its root.
//!
//! What MQTT 5 carries in properties travels inside the envelope
//! ([`AsyncClient::publish_sealed`](crate::client::AsyncClient::publish_sealed)), so readers of both versions get it;
//! what the broker would have to know does not exist: it does not drop what has expired (readers
//! do), a Last Will has no delay, and subscriptions have no options. Refusals of publishes do not
//! exist, either: a broker ends the connection, or says nothing (spec/envelope.md §5).

mod convert;
mod failure;
mod packets;

use rumqttc::{Event as MqttEvent, NetworkOptions, QoS, SubscribeReasonCode};

use crate::blocking;
use crate::version::Version;

/// MQTT 3.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct V4;

/// As [`rumqttc::AsyncClient`], sealed.
pub type AsyncClient = crate::client::AsyncClient<V4>;
/// As [`rumqttc::Client`], sealed.
pub type Client = blocking::Client<V4>;
/// As [`rumqttc::Connection`], sealed.
pub type Connection = blocking::Connection<V4>;
/// As [`rumqttc::EventLoop`], sealed.
pub type EventLoop = crate::eventloop::EventLoop<V4>;
/// An application enrols itself.
pub type Joining = crate::joining::Joining<V4>;
/// A plain connection, for what needs no keys.
pub type Link = crate::link::Link<V4>;
/// What [`EventLoop::poll`](crate::eventloop::EventLoop::poll) reports, with rumqttc's types.
pub type Event = sealmq_client::Event<QoS, SubscribeReasonCode, Box<MqttEvent>>;
/// It failed.
pub type PollError = sealmq_client::PollError<<V4 as Version>::Failure>;

/// Events of a [`Connection`](blocking::Connection).
pub type Iter<'a> = blocking::Iter<'a, V4>;

pub use crate::blocking::{RecvError, RecvTimeoutError, TryRecvError};

impl crate::eventloop::EventLoop<V4> {
    /// Sockets' options, from the next connection on. Without them TCP_NODELAY is on, and a broker
    /// has 10 s to answer.
    pub fn set_network_options(&mut self, network: NetworkOptions) -> &mut Self {
        let mut known = self
            .network
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *known = Some(network);
        drop(known);
        self
    }
}

impl blocking::Connection<V4> {
    /// As [`EventLoop::set_network_options`](crate::eventloop::EventLoop::set_network_options).
    pub fn set_network_options(&mut self, network: NetworkOptions) -> &mut Self {
        if let Some(eventloop) = self.eventloop() {
            eventloop.set_network_options(network);
        }
        self
    }
}
