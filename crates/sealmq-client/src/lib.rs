#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]
//! What a sealmq client does, without the library that talks to the broker: sealing, keys, outbox,
//! subscriptions, waiting, Last Will and joining. Sans-IO: no clock, no random number generator, no
//! socket, no task. Drivers for MQTT libraries, bindings for other languages and the simulation
//! play the same [`Client`].
//!
//! # The loop
//!
//! What happened goes in by `handle_*`, with the [`Time`]; [`Client::poll_output`] says what to do,
//! until it says nothing more; [`Client::poll_timeout`] says when to come back. Everything else is
//! what the application wants.
//!
//! ```
//! # use sealmq_authority::{Authority, GrantSpec, NewGroup};
//! # use sealmq_core::object::Access;
//! # use sealmq_keys::member::Member;
//! # use sealmq_keys::objects::decode_request;
//! use sealmq_client::{Client, Draft, Event, Limits, Options, Output, Time};
//! use sealmq_keys::Store;
//!
//! # let mut rng = getrandom::SysRng;
//! # let (mut store, mut office) = (sealmq_store::MemoryStore::new(), sealmq_store::MemoryStore::new());
//! # let unix = 1_800_000_000;
//! # let new = Authority::create(None, 86_400, unix, &mut rng)?;
//! # office.commit(&new.plan.changes)?;
//! # let mut authority = new.authority;
//! # authority.add_group(&NewGroup::new("plant", ["plant/#"]), unix, &mut rng)?;
//! # let (changes, request) = Member::request(&store, "app", 2, Some(unix * 1000), &mut rng)?;
//! # store.commit(&changes)?;
//! # let grant = GrantSpec { group: "plant".into(), access: Access::BOTH, publish_filter: String::new() };
//! # let (enrolled, _) = authority.enrol(&decode_request(&request)?, &[grant], 86_400, unix, &mut rng)?;
//! # store.commit(&Member::enrol(&store, &enrolled.credential_file, Some(unix * 1000))?.0)?;
//! // `store` holds an enrolled member; `rng` is the platform's.
//! let mut client = Client::open(&store, &Options::default())?;
//! let time = Time::new(0, unix * 1000); // the driver reads the clocks
//! client.connect(time, &mut rng);
//! let mut identifier = 0;
//! let mut asked = Vec::new();
//! while let Some(output) = client.poll_output(time, &mut rng) {
//!     match output {
//!         // Nothing else comes out until it is answered.
//!         Output::Commit(changes) => match store.commit(&changes) {
//!             Ok(()) => client.committed(),
//!             Err(_) => client.commit_failed(),
//!         },
//!         // The driver connects; here the broker accepts at once.
//!         Output::Connect(_will) => client.handle_connected(false, Limits::default(), time),
//!         Output::Subscribe(filters) => {
//!             identifier += 1; // as the library gives them out
//!             asked.extend(filters.into_iter().map(|wanted| wanted.filter));
//!             client.handle_subscribe_written(identifier);
//!         }
//!         Output::Event(Event::Connected { .. }, _) => println!("connected"),
//!         other => println!("{other:?}"),
//!     }
//! }
//! // Key management first: keys arrive before messages.
//! assert!(asked.iter().all(|filter| client.member().is_reserved(filter)));
//!
//! // Without keys nothing is sent, least of all in clear.
//! client.publish(Draft::new("plant/a".into(), "21.5".into())?, time);
//! let output = client.poll_output(time, &mut rng);
//! assert!(matches!(output, Some(Output::Refused { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The way of a publish
//!
//! ```text
//! publish(Draft) ─► check: topic, grant, keys, times ─► Refused
//!                     │                       └─ no keys yet ─► parked ─► (keys come) check again
//!                     ▼
//!                  Accepted: the outbox has it ── waits: connection, settling, window
//!                     ▼
//!                  sealed with the newest keys ─► Commit (a session began) ─ committed ─┐
//!                     ▼                                                                 │
//!                  Publish(Wire) ◄────────────────────────────────────────────────────┘
//!                     ▼ handle_publish_written(identifier)
//!                  on its way; the connection breaks ─► the same bytes again (Publish, or Resume)
//!                     ▼ handle_acknowledged
//!                  Done, Flushed
//! ```
//!
//! # The way of a delivery
//!
//! ```text
//! handle_publish ─► reserved topic? ─► the member: keys, credentials ─► Commit, Event(Key), Acknowledge
//!                     │                     └─► parked messages, the Will, what waits: tried again
//!                     ▼
//!                  the member opens it ─► Event(Rejected)     ┐
//!                     ├─ waits for a credential or a key ─►   ├ Commit first; then the event, with
//!                     ▼                                       │ an id; handle_delivered(id);
//!                  Event(Message) ───────────────────────────►┘ then Acknowledge
//! ```
//!
//! # What a driver keeps
//!
//! The library's connection and its packet identifiers (the client is told which one a packet got,
//! [`Identifiers`] says how the library gives them out), the store, both clocks, the generator, and
//! what waits for the application. A driver that breaks the rules is noticed by nobody: it commits
//! before it says so, writes in the order of the outputs, and hands over events in their order.

extern crate alloc;

mod aliases;
mod backoff;
mod client;
mod contest;
mod draft;
mod envelopes;
mod error;
mod event;
mod in_order;
mod inbox;
mod isolation;
mod joining;
mod ledger;
mod limits;
mod message;
mod options;
mod outbox;
mod output;
mod pace;
mod patience;
mod poll_error;
mod published;
mod settle;
mod subscription;
mod subscriptions;
mod time;
mod topic_map;
mod trials;
mod values;
mod will;
mod window;
mod wire;

pub use backoff::Backoff;
pub use client::{Acknowledged, Client, Incoming};
pub use draft::Draft;
pub use error::{ClientError, OpenError, StoreFailure};
pub use event::Event;
#[doc(hidden)]
pub use in_order::{InOrder, Numbered};
pub use isolation::Ending;
pub use joining::{JoinError, JoinOutput, Joined, Joining};
pub use limits::{BrokerLimit, Limits, NoConnack};
pub use message::Message;
pub use options::Options;
pub use output::{DeliveryId, FlushId, Output, PublishId, Resume};
pub use pace::Pace;
pub use poll_error::PollError;
pub use published::{GivenUp, PublishResult, ReasonCode};
pub use subscription::{Retained, Subscription};
pub use subscriptions::check_filter;
pub use time::Time;
pub use topic_map::{TopicMap, TopicMapError};
pub use values::KeptValues;
pub use will::{SealedWill, Will};
pub use window::Identifiers;
pub use wire::{Alias, Qos, Wire};

/// What appears in this crate's types.
pub use sealmq_core::open::Rejection;
pub use sealmq_core::replay::Gap;
pub use sealmq_keys::member::{
    MemberEvent, MemberOptions, Name, Properties, SealError, SentMessage, Stats,
};
pub use sealmq_keys::objects::DevicesSign;

// Tests through the public interface, in the binary of the unit tests: each binary links everything.
#[cfg(test)]
extern crate self as sealmq_client;
#[cfg(test)]
#[path = "../tests/all/mod.rs"]
mod all;
