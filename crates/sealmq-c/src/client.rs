//! The client machine: what a program that publishes and subscribes drives.

mod broker;
mod calls;
mod machine;
mod options;

pub use broker::*;
pub use calls::*;
pub use machine::sealmq_client;
pub use options::*;
