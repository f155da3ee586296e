use alloc::string::String;

use crate::wire::Qos;

/// A topic filter with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The filter, perhaps shared (`$share/<name>/<filter>`).
    pub filter: String,
    /// The highest quality of service that is wanted.
    pub qos: Qos,
    /// Own messages do not come back.
    pub no_local: bool,
    /// Which retained messages are wanted.
    pub retained: Retained,
}

/// Which retained messages a subscription brings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Retained {
    /// Always.
    #[default]
    OnSubscribe,
    /// If the subscription is new.
    OnNewSubscribe,
    /// None.
    Never,
}

impl Subscription {
    /// Without options.
    #[must_use]
    pub const fn new(filter: String, qos: Qos) -> Self {
        Self {
            filter,
            qos,
            no_local: false,
            retained: Retained::OnSubscribe,
        }
    }
}
