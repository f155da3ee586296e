#![forbid(unsafe_code)]
//! sealmq for [rumqttc]: publish and subscribe as before, sealed end to end.
//!
//! What a client does stands in `sealmq-client`; this crate drives it: tokio, rumqttc, the clock,
//! the random number generator and the store's thread are here.
//!
//! The calls are rumqttc's; what differs is that every message is sealed for the group that covers
//! its topic, that a received [`Message`] says who sent it, and that keys are followed on the way.
//! The broker is any broker of MQTT 3.1.1 ([`v4`]) or MQTT 5 ([`v5`]): it sees envelopes.
//!
//! ```no_run
//! use rumqttc::v5::{MqttOptions, mqttbytes::QoS};
//! use sealmq_rumqttc::{AsyncClient, Event};
//!
//! # async fn example(store: sealmq_store::FileStore) -> Result<(), Box<dyn std::error::Error>> {
//! // `store` holds an enrolled member (`sealmq member request` and `install`, or `sealmq_keys::member`).
//! let options = MqttOptions::new("app-1", "broker.example", 1883);
//! let (client, mut eventloop) = AsyncClient::new(options, store, 100)?;
//! client.subscribe("plant/+/temp", QoS::AtLeastOnce).await?;
//! loop {
//!     match eventloop.poll().await {
//!         Ok(Event::Message(m)) => println!("{} from {}: {:?}", m.topic, m.sender_name, m.payload),
//!         Ok(Event::Rejected { topic, reason }) => eprintln!("{topic}: {reason}"),
//!         Ok(_) => {}
//!         Err(error) if error.is_temporary() => eprintln!("{error}"),
//!         Err(error) => return Err(error.into()),
//!     }
//! }
//! # }
//! ```
//!
//! # What is promised
//!
//! * A topic that no group covers is refused, unless [`SealOptions::allow_plaintext`] lets it pass.
//! * What [`AsyncClient::publish`](v5::AsyncClient::publish) accepted at QoS 1 or 2 is sent until
//!   the broker acknowledges it, also when the broker restarts without its sessions. The bytes stay
//!   the same; readers drop duplicates. It lives in memory: a program that ends loses what is
//!   [outstanding](v5::AsyncClient::outstanding), unless [`SealOptions::persistent_outbox`] is on.
//! * State is durable before anything that depends on it is sent or acknowledged. A failed commit
//!   ends the event loop.
//! * A message is acknowledged when it was opened, rejected or given up, and the application has it:
//!   when it calls `poll` again, or `disconnect`, or drops the event loop. A program that dies while it
//!   works on a message gets it again, if its session at the broker stays; messages that it had taken
//!   come again only as far as the replay windows had not noted them, fewer than
//!   [`replay_persist_every`](MemberOptions::replay_persist_every). Messages that wait for a credential or an
//!   announcement are acknowledged when the wait ends, except when more than 8 do, or when the broker
//!   has delivered nothing to acknowledge for a second: one that limits open messages would else not
//!   deliver what they wait for.
//! * Keys, credentials and announcements arrive on reserved topics that are subscribed after every
//!   connect and never surface as messages.
//!
//! * [`publish_tracked`](v5::AsyncClient::publish_tracked) tells what became of a message:
//!   acknowledged, with the broker's reason code, or given up, and why; over as many connections as it
//!   takes.
//! * Acknowledgements are handled whether or not `poll` is called, so that a task may publish and
//!   poll in turn. What waits for `poll` is bounded: messages of QoS 1 and 2 by the receive maximum
//!   (100, or what the options say), because they are not acknowledged; of QoS 0 and of reports 8 MiB:
//!   beyond, they are lost, and [`Event::Overflow`] says how many.
//! * A message that ends the connection again and again, because the broker does not take it and
//!   does not say so, is given up after three times: [`Event::PublishRefused`] names it, and the
//!   others go on. What is on its way at that time is sent one by one.
//! * So is what the broker answers with a reason code that rumqttc cannot read: a filter
//!   ([`Event::SubscribeRefused`]), the end of a subscription, or the session that the broker kept,
//!   if it ends each connection ([`BrokerLimit::Session`]).
//! * A device that slept does not seal for an epoch of yesterday: after a connect, publishes are held
//!   back until the retained announcements have arrived (two round trips of silence, 5 s at most).
//!
//! An application enrols itself with [`joining::Joining`]; `docs/rumqttc.md` says what changes for a
//! program that uses rumqttc.
//!
//! What happens is also emitted through `tracing`, under the target `sealmq_rumqttc`: who and where,
//! never a payload or a key.
//!
//! TLS (also mutual), login and client identifiers are rumqttc's [`MqttOptions`](rumqttc::v5::MqttOptions).

pub mod blocking;
mod calls;
pub mod client;
mod clock;
mod driver;
pub mod eventloop;
mod handle;
mod host;
mod hub;
pub mod joining;
mod library;
pub mod link;
mod log;
mod notice;
mod options;
mod payload;
mod progress;
mod start;
mod state;
mod store;
mod tls;
mod tracked;
mod trouble;
pub mod v4;
pub mod v5;
mod version;
mod waiting;
mod will;

pub use clock::{Clock, SystemClock};
pub use notice::{PublishNotice, PublishNoticeError};
pub use options::SealOptions;
pub use payload::Payload;
pub use trouble::Trouble;
pub use v5::{AsyncClient, Event, EventLoop, PollError};
pub use version::{Heard, Version};
pub use will::Will;

/// What joining takes.
pub use sealmq_keys::member::{JoinOptions, JoinWay};
pub use sealmq_keys::objects::{Fingerprint, Token};

/// What appears in this crate's types.
pub use sealmq_client::{
    BrokerLimit, ClientError, DevicesSign, Gap, GivenUp, JoinError, Joined, KeptValues,
    MemberEvent, MemberOptions, Message, Name, OpenError, Properties, PublishResult, ReasonCode,
    Rejection, SealError, SentMessage, Stats, StoreFailure, TopicMap, TopicMapError,
};
