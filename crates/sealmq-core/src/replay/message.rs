use super::place::Place;
use super::topic::TopicKey;
use crate::credential::CredentialOrder;
use crate::crypto::ENC_LEN;

/// How state was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Live,
    Retained,
}

/// How a message is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Event,
    /// A retained value.
    State(Delivery),
    /// A Will that was published with RETAIN.
    Will(Delivery),
    /// One without, which has no place among the state of its topic.
    PassingWill,
}

/// What replay protection needs to know of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) topic: TopicKey,
    pub(crate) serial: CredentialOrder,
    /// The highest credential that is known of the sender.
    pub(crate) known: CredentialOrder,
    pub(crate) enc: &'a [u8; ENC_LEN],
    pub(crate) number: u64,
    pub(crate) counter: u32,
    pub(crate) class: Class,
    /// Of a retained value; 0 of others.
    pub(crate) connection: u64,
    /// The topic sequence, if gaps are to be reported.
    pub(crate) sequence: Option<u32>,
}

impl Message<'_> {
    pub(super) fn is_older(&self) -> bool {
        self.serial < self.known
    }

    pub(super) const fn is_will(&self) -> bool {
        matches!(self.class, Class::Will(_) | Class::PassingWill)
    }

    /// Its place among the sender's state on the topic, and how it came; `None` if it has none.
    pub(super) const fn place(&self) -> Option<(Place, Delivery)> {
        let (delivery, connection) = match self.class {
            Class::State(delivery) => (delivery, self.connection),
            Class::Will(delivery) => (delivery, self.number),
            Class::Event | Class::PassingWill => return None,
        };
        let place = Place {
            credential: self.serial,
            connection,
            will: self.is_will(),
            number: self.number,
            counter: self.counter,
        };
        Some((place, delivery))
    }
}
