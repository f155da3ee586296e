//! What differs between versions of MQTT: rumqttc's types, and how they say what.

use core::error::Error;
use core::fmt::Debug;
use core::future::Future;
use std::collections::{BTreeMap, VecDeque};

use rumqttc::NetworkOptions;
use sealmq_client::{
    Acknowledged, Ending, Incoming, Limits, NoConnack, OpenError, Output, Qos, Resume, SealedWill,
    Subscription,
};

use crate::options::SealOptions;
use crate::trouble::Trouble;

/// A version of MQTT: [`V4`](crate::v4::V4) or [`V5`](crate::v5::V5). What it can do is this
/// crate's own business, and may change.
pub trait Version: Debug + Sized + Send + Sync + Unpin + 'static {
    /// rumqttc's options.
    type Options: Clone + Send;
    /// rumqttc's quality of service.
    type Qos: Copy + Debug + PartialEq + Send + Sync;
    /// rumqttc's filter with its options.
    type Filter;
    /// Why a subscription was refused.
    type Reason: Copy + Debug + PartialEq + Send + Sync;
    /// rumqttc's events.
    type Mqtt: Clone + Debug + PartialEq + Send;
    /// Why a connection broke, or could not be made.
    type Failure: Error + Send + 'static;
    /// What takes requests to the event loop.
    #[doc(hidden)]
    type Requests: Send;
    #[doc(hidden)]
    type EventLoop: Send;
    #[doc(hidden)]
    type Request: Send;
    /// rumqttc's state of a connection.
    #[doc(hidden)]
    type State: Clone + Send;

    #[doc(hidden)]
    fn qos_from(qos: Self::Qos) -> Qos;
    #[doc(hidden)]
    fn qos_to(qos: Qos) -> Self::Qos;
    #[doc(hidden)]
    fn reason_to(code: u8) -> Self::Reason;
    #[doc(hidden)]
    fn subscription_from(filter: Self::Filter) -> Subscription;

    /// What every connection needs of the options: TLS with its provider named, room for keys; and
    /// no Last Will, which would go out in clear.
    #[doc(hidden)]
    fn equip(mqtt: &mut Self::Options) -> Result<(), OpenError>;
    /// What a sealed client needs besides.
    #[doc(hidden)]
    fn prepare(mqtt: &mut Self::Options, options: &SealOptions);
    /// The largest packet that may come in.
    #[doc(hidden)]
    fn largest(mqtt: &Self::Options) -> usize;
    /// Publishes that may be on their way, by the options.
    #[doc(hidden)]
    fn most_inflight(mqtt: &Self::Options) -> u16;
    #[doc(hidden)]
    fn start(mqtt: Self::Options, capacity: usize) -> (Self::Requests, Self::EventLoop);
    #[doc(hidden)]
    fn poll(
        eventloop: &mut Self::EventLoop,
    ) -> impl Future<Output = Result<Self::Mqtt, Self::Failure>> + Send;
    /// Drops the connection.
    #[doc(hidden)]
    fn clean(eventloop: &mut Self::EventLoop);
    /// Events that were not polled yet.
    #[doc(hidden)]
    fn events(eventloop: &mut Self::EventLoop) -> &mut VecDeque<Self::Mqtt>;
    /// What goes out before anything else.
    #[doc(hidden)]
    fn pending(eventloop: &mut Self::EventLoop) -> &mut VecDeque<Self::Request>;
    /// For the next connection: the options, but for the Last Will, and for a session that is to be
    /// new.
    #[doc(hidden)]
    fn renew(
        eventloop: &mut Self::EventLoop,
        mqtt: &Self::Options,
        will: Option<SealedWill>,
        fresh: bool,
    );
    #[doc(hidden)]
    fn set_network(eventloop: &mut Self::EventLoop, network: NetworkOptions);

    #[doc(hidden)]
    fn new_state(most_inflight: u16) -> Self::State;
    /// Takes the broker's PUBREL with this identifier.
    #[doc(hidden)]
    fn accept_release(state: &mut Self::State, packet: u16);
    /// Replaces the state, between two polls. Events that were not taken yet are kept.
    #[doc(hidden)]
    fn install(eventloop: &mut Self::EventLoop, state: Self::State, connack: &Self::Mqtt);

    /// Hands a packet over; `false` if the connection is lost, as the next result of `poll` will
    /// say.
    #[doc(hidden)]
    fn hand(requests: &Self::Requests, output: Output) -> bool;
    #[doc(hidden)]
    fn resume(resume: Resume) -> Self::Request;
    #[doc(hidden)]
    fn heard(event: &Self::Mqtt) -> Heard;
    /// Topic, payload and retain flag of an incoming PUBLISH.
    #[doc(hidden)]
    fn message(event: &Self::Mqtt) -> Option<(&str, &[u8], bool)>;
    /// The topic alias with which an incoming PUBLISH came.
    #[doc(hidden)]
    fn alias(_: &Self::Mqtt) -> Option<u16> {
        None
    }
    /// Tells a new state what the broker has given on this connection.
    #[doc(hidden)]
    fn know_aliases(_: &mut Self::EventLoop, _: &BTreeMap<u16, String>) {}

    /// Nobody says why a connection has ended.
    #[doc(hidden)]
    fn done() -> Self::Failure;
    /// What a failure says about the reason.
    #[doc(hidden)]
    fn ending(failure: &Self::Failure) -> Ending;
    /// What it says of a broker that has not accepted the connection, if that tells that it does
    /// not know this version.
    #[doc(hidden)]
    fn no_connack(failure: &Self::Failure) -> Option<NoConnack>;
    /// What it says to people.
    #[doc(hidden)]
    fn trouble(failure: &Self::Failure) -> Trouble;
}

/// What an event of rumqttc's means.
#[derive(Debug)]
pub enum Heard {
    /// CONNACK that accepts, with what the broker says of itself.
    Connected {
        /// It has the session.
        session_present: bool,
        /// What it allows.
        limits: Limits,
    },
    /// PUBLISH.
    Publish(Incoming),
    /// PUBACK, PUBREC or PUBCOMP.
    Acknowledged {
        /// Of this packet identifier.
        packet: u16,
        /// What it says.
        how: Acknowledged,
        /// rumqttc does not free the slot.
        leaks: bool,
    },
    /// PUBREL.
    Released(u16),
    /// SUBACK.
    Subscribed(u16, Vec<Result<Qos, u8>>),
    /// UNSUBACK.
    Unsubscribed(u16),
    /// PUBLISH was written, under this identifier; 0 at QoS 0.
    PublishWritten(u16),
    /// SUBSCRIBE was written.
    SubscribeWritten(u16),
    /// UNSUBSCRIBE was written.
    UnsubscribeWritten(u16),
    /// DISCONNECT was written.
    DisconnectWritten,
    /// Nothing of importance.
    Other,
}
