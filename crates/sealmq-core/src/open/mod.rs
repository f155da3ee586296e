//! Opening: the pipeline of spec/envelope.md §9, from bytes to a message whose sender is proven.

mod ahead;
mod bucket;
mod context;
#[cfg(feature = "tables")]
mod decrypted;
mod keys;
mod lookup;
mod opened;
mod receiver;
mod recorded;
mod rejection;
mod sender;
mod sessions;
mod sighting;
mod stages;
mod time;
mod verify;

pub use bucket::DecapsulationLimit;
pub use keys::KeySlot;
pub use lookup::{Directory, Epochs, ReadPolicy, ReadingEpoch, Request, Sender, SenderQuery};
pub use opened::Opened;
pub use receiver::{DeviceReceiver, Receiver};
pub use recorded::Recorded;
pub use rejection::{Missing, Rejection, Staleness};
pub use sessions::SessionSlot;
pub use sighting::Sighting;
pub use stages::{Keyed, Parsed};
pub use verify::{Decrypted, Verified};
