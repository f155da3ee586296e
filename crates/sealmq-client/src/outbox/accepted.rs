use alloc::string::String;

use bytes::Bytes;

use crate::draft::Draft;
use crate::output::PublishId;
use crate::published::PublishResult;
use crate::wire::{Qos, Wire};

/// A message on its way out.
#[derive(Debug)]
pub(crate) enum Content {
    /// Not sealed yet.
    Draft(Draft),
    /// The newest retained value of this topic, to be sealed again.
    Value(String),
    Wire(Wire),
}

impl Content {
    pub(crate) fn topic(&self) -> &str {
        match self {
            Self::Draft(draft) => &draft.topic,
            Self::Value(topic) => topic,
            Self::Wire(wire) => &wire.topic,
        }
    }

    pub(super) const fn retain(&self) -> bool {
        match self {
            Self::Draft(draft) => draft.retain,
            Self::Value(_) => true,
            Self::Wire(wire) => wire.retain,
        }
    }

    pub(crate) const fn qos(&self) -> Qos {
        match self {
            Self::Draft(draft) => draft.qos,
            Self::Value(_) => Qos::AtLeastOnce,
            Self::Wire(wire) => wire.qos,
        }
    }
}

/// One accepted message.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) content: Content,
    /// `None`: key management's own, which the application neither counts nor waits for.
    pub(crate) id: Option<PublishId>,
    /// When its expiry runs out, Unix milliseconds.
    pub(crate) expires: Option<u64>,
    /// How long it may wait for keys, if it has waited already.
    pub(crate) until: Option<u64>,
    /// Names it among the values that are kept, once it was sealed.
    pub(crate) value: Option<u64>,
    /// There is a record of it in the store.
    pub(crate) is_stored: bool,
    /// The broker has acknowledged it before, and the application knows.
    pub(crate) is_again: bool,
}

/// Of a message that the broker has: its identity, if the application waits for that, which of the
/// values that are kept it was, and what the broker said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) id: Option<PublishId>,
    pub(crate) value: Option<u64>,
    pub(crate) result: PublishResult,
    /// Key management's own: topic and payload.
    pub(crate) own: Option<(String, Bytes)>,
}

impl Arrived {
    pub(super) fn new(accepted: &Accepted, result: PublishResult) -> Self {
        Self {
            id: accepted.id.filter(|_| !accepted.is_again),
            value: accepted.value,
            result,
            own: match &accepted.content {
                Content::Wire(wire) if accepted.id.is_none() && accepted.value.is_none() => {
                    Some((wire.topic.clone(), wire.payload.clone()))
                }
                _ => None,
            },
        }
    }
}
