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
mod table;
mod topic;
mod window;

pub use durable::Durable;
pub use floors::Floors;
pub use record::{RECORD_KEY_LEN, Record, RecordError};
pub use sender::{RECENT_SESSIONS, SenderRecord, SenderSlot};
pub use sequence::Gap;
pub use table::Table;
pub use topic::{TopicRecord, TopicSlot};
pub use window::Window;

pub(crate) use message::{Class, Delivery, Message};
pub(crate) use state::{ReplayState, Verdict};
pub(crate) use topic::TopicKey;
