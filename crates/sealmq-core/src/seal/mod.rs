//! Sealing: a publisher, its session, and the messages that go out (spec/envelope.md §6, §7).

mod connection;
mod error;
#[cfg(feature = "alloc")]
mod heap;
mod number;
mod outgoing;
mod publisher;
mod record;
mod session;
mod short;
mod state;

pub use connection::Connection;
pub use error::{EndReason, SealError};
pub use number::next_session_number;
pub use outgoing::{Outgoing, Room};
pub use publisher::{Membership, Publisher, PublisherError, Subscriber};
pub use record::SessionRecord;
pub use session::{SenderSession, SessionLimits, SessionStart, TAILROOM};
pub use short::FULL_EVERY;
pub use state::{StateSession, Value};
