//! What a reader remembers so that nothing is accepted twice (spec/envelope.md §8, §9): bounded,
//! durable on request, and changed by verified messages only.

mod debt;
mod durable;
mod earlier;
mod floors;
mod message;
mod place;
mod places;
mod probe;
mod record;
mod sender;
mod sequence;
mod state;
mod topic;
mod window;

pub use durable::Durable;
pub use floors::Floors;
pub use record::{RECORD_KEY_LEN, Record, RecordError};
pub use sender::{RECENT_SESSIONS, SenderRecord, SenderSlot};
pub use sequence::Gap;
pub use topic::{TopicRecord, TopicSlot};
pub use window::Window;

pub(crate) use message::{Class, Delivery, Message};
pub(crate) use probe::probe;
pub(crate) use state::{ReplayState, Verdict};
pub(crate) use topic::TopicKey;

/// Storage for one of the tables: an array on devices, `Vec` or `Box<[_]>` on hosts.
///
/// A table finds its entries by hash within a run of at most 64 places. Give it about twice as
/// many places as there are senders (or topics, or sessions): entries that find no place push
/// out others, and what is pushed out is refused from then on until it starts a newer session.
pub trait Table<T>: AsRef<[T]> + AsMut<[T]> {}

impl<T, S: AsRef<[T]> + AsMut<[T]>> Table<T> for S {}
