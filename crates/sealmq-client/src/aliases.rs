use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use crate::wire::{Alias, Wire};

/// Topics that are remembered for it.
const MOST_WANTED: usize = 1024;

/// Topic aliases of this connection (MQTT 5, 3.3.2.3.4), for topics of which the application wants
/// them. Numbers are given out in the order in which the topics go out, as far as the broker takes
/// them, and never again for another topic.
#[derive(Default)]
pub(crate) struct Aliases {
    wanted: BTreeSet<String>,
    given: BTreeMap<String, u16>,
    maximum: u16,
}

impl Aliases {
    pub(crate) fn want(&mut self, topic: &str) {
        if self.wanted.len() < MOST_WANTED && !self.wanted.contains(topic) {
            self.wanted.insert(topic.to_owned());
        }
    }

    /// A broker knows none on a new connection.
    pub(crate) fn connected(&mut self, maximum: u16) {
        self.given.clear();
        self.maximum = maximum;
    }

    /// What goes out next.
    pub(crate) fn shorten(&mut self, wire: &mut Wire) {
        if self.maximum == 0 || !self.wanted.contains(&wire.topic) {
            return;
        }
        if let Some(number) = self.given.get(&wire.topic).copied() {
            let is_known = true;
            wire.alias = Some(Alias { number, is_known });
            return;
        }
        let number = u16::try_from(self.given.len()).unwrap_or(u16::MAX);
        if number < self.maximum {
            let number = number.saturating_add(1);
            self.given.insert(wire.topic.clone(), number);
            let is_known = false;
            wire.alias = Some(Alias { number, is_known });
        }
    }
}
