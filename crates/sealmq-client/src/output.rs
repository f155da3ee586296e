use alloc::string::String;
use alloc::vec::Vec;

use sealmq_keys::Changes;

use crate::error::ClientError;
use crate::event::Event;
use crate::in_order::Numbered;
use crate::published::{GivenUp, PublishResult};
use crate::subscription::Subscription;
use crate::will::SealedWill;
use crate::wire::{Qos, Wire};

/// A publish of the application, from [`Client::publish`](crate::Client::publish) to
/// [`Output::Done`] or [`Output::Refused`]: one of them, once, unless [`Output::Closed`] comes
/// before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishId(pub(crate) u64);

impl PublishId {
    /// For drivers that have to name it: each publish of a client has another number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl Numbered for PublishId {
    fn number(&self) -> u64 {
        self.0
    }
}

/// A call of [`Client::flush`](crate::Client::flush).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlushId(pub(crate) u64);

impl FlushId {
    /// For drivers that have to name it: each flush of a client has another number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// The right to acknowledge one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryId {
    /// Number of the connection on which it came: on a later one it would mean another message.
    pub(crate) connection: u64,
    /// The packet identifier that the broker gave it.
    pub packet: u16,
    /// 1 or 2: PUBACK or PUBREC.
    pub qos: Qos,
}

/// What is sent first when the broker still has the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// PUBLISH, again, with DUP, under the same identifier.
    Publish(u16, Wire),
    /// PUBREL.
    Release(u16),
}

/// What the driver has to do, in this order.
#[derive(Debug)]
#[must_use]
#[allow(clippy::large_enum_variant, reason = "lives for one step only")]
pub enum Output {
    /// Make it durable, then say [`Client::committed`](crate::Client::committed) or
    /// [`Client::commit_failed`](crate::Client::commit_failed). Nothing comes out before.
    Commit(Changes),
    /// For the application; when it has it, give the id to
    /// [`Client::handle_delivered`](crate::Client::handle_delivered).
    Event(Event, Option<DeliveryId>),
    /// PUBACK or PUBREC.
    Acknowledge(DeliveryId),
    /// One SUBSCRIBE.
    Subscribe(Vec<Subscription>),
    /// UNSUBSCRIBE.
    Unsubscribe(String),
    /// PUBLISH, under an identifier of the driver's.
    Publish(Wire),
    /// A packet of a resumed session.
    Resume(Resume),
    /// The message is sent until the broker has it: the call may return.
    Accepted(PublishId),
    /// The message is not sent: the call's result. If the call has returned already, it is an
    /// event, [`Event::NotPublished`].
    Refused {
        /// Which.
        id: PublishId,
        /// Its topic.
        topic: String,
        /// Why.
        error: ClientError,
    },
    /// A message is not outstanding any more: what became of it. Until then it is sent, over as many
    /// connections as it takes.
    Done(PublishId, Result<PublishResult, GivenUp>),
    /// What was accepted before that call is not outstanding any more.
    Flushed(FlushId),
    /// After [`Client::connect`](crate::Client::connect): connect, with this Last Will.
    Connect(Option<SealedWill>),
    /// DISCONNECT. When it was written:
    /// [`Client::handle_disconnect_written`](crate::Client::handle_disconnect_written).
    Disconnect,
    /// Close the connection: the broker did not, after DISCONNECT.
    HangUp,
    /// Nothing follows.
    Closed,
}
