//! The bundled MQTT broker of sealmq: it routes envelopes and knows no key.
//!
//! It is the broker of the [`mqtt5`] crate (MQTT 3.1.1 and 5 on one port; TCP, TLS, WebSocket), wrapped so that a program
//! or a test starts it in one call, learns its address, and stops it cleanly:
//!
//! ```
//! use sealmq_broker::Broker;
//!
//! # async fn example() -> Result<(), sealmq_broker::BrokerError> {
//! let broker = Broker::builder().start().await?;
//! println!("listening on {}", broker.local_addr());
//! broker.shutdown().await;
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(example()).unwrap();
//! ```
//!
//! The broker runs in threads of its own: it works under any async runtime, and it ends completely.
//!
//! # What is kept
//!
//! Without a [data folder](BrokerBuilder::data_folder) everything is in memory. With one, retained
//! messages, sessions and their queued QoS 1 and 2 messages survive a restart:
//!
//! * [`Broker::shutdown`] writes everything before it returns.
//! * After a crash of the program, what was acknowledged is there: retained messages, subscriptions,
//!   and messages of QoS 1 and 2 for sessions that outlive their connection, but for one that was
//!   being given to its reader within the last milliseconds. Nothing is forced to the disk itself: a
//!   power cut can take what the system had not written yet, and so does a disk that is full.
//! * A retained message whose topic name is longer than about 220 bytes (each `/` counts three) is
//!   delivered and retained, but too long for a file name: it is lost at the restart.
//!
//! # Limits to know
//!
//! * Strangers are bounded before they log in: the size of a CONNECT (96 KiB), the time for it, the
//!   number of connections per address (per /64 of IPv6) and in all. Who has waited longest makes room
//!   for who comes next, so that silent connections keep nobody out.
//! * Retained messages, and the sessions of absent clients, are bounded in number and bytes; a session
//!   also in time. Of too many sessions those of the address with the most of them end first.
//! * What a client sends and does not complete, and what it does not read, is bounded in bytes for all
//!   clients together; whoever is in the way of others loses its connection.
//! * An [access list](BrokerBuilder::access_list) decides at the subscription, not at each delivery: a
//!   filter is allowed if everything that it can match is.
//! * Deliveries to MQTT 5 subscribers carry the publisher's client identifier, and the user name if
//!   it logged in, as the user properties `x-mqtt-client-id` and `x-mqtt-sender`; `mqtt5` cannot turn
//!   that off. They are unauthenticated; sealmq's adapters ignore outer properties. Choose client
//!   identifiers that may be seen.
//! * Client identifiers are at most 128 bytes, without `/`, `\` and control characters.
//! * Retained messages arrive in no particular order. At most
//!   [`max_queued_messages`](BrokerBuilder::max_queued_messages) of them at QoS 0 per subscription
//!   (twice as many at QoS 1 and 2).
//! * A client that turned keep-alive off is disconnected after five silent minutes.

mod acknowledgements;
mod acl;
mod arrival;
mod broker;
mod builder;
mod certificates;
mod client_ids;
mod config;
mod descriptors;
mod door;
mod error;
mod figures;
mod framing;
mod greeting;
mod intake;
mod line;
mod login;
mod older;
mod overheard;
mod porter;
mod readers;
mod reload;
mod report;
mod server;
mod sessions;
mod shelf;
mod storage;
mod tls;
mod websocket;

pub use acl::ReservedTopics;
pub use broker::Broker;
pub use builder::BrokerBuilder;
pub use certificates::{SiteCertificates, WrittenCertificates};
pub use client_ids::ClientIds;
pub use config::Config;
pub use error::BrokerError;
pub use login::hash_password;
pub use tls::TlsSettings;

// Tests through the public interface, in the binary of the unit tests: each binary links everything.
#[cfg(test)]
extern crate self as sealmq_broker;
#[cfg(test)]
#[path = "../tests/all/mod.rs"]
mod all;
