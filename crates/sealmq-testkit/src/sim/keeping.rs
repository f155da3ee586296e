//! What a broker does to state, and devices that are off for so long that others have to do
//! without them.

use super::Sabotage;
use super::world::World;

impl World {
    /// A device is switched off: what its process knew is gone.
    pub(super) fn switch_off(&mut self, device: usize, step: u64) {
        let until = step + 60 + self.dice.below(250);
        self.trace
            .note(&format!("{device} is switched off until {until}"));
        self.seen.fault("a member is switched off");
        self.devices[device].asleep = until;
        self.disconnect(device);
        self.load(device);
    }

    /// A device gets no lists of kept keys for a while.
    pub(super) fn withhold_lists(&mut self, device: usize, step: u64) {
        let until = step + 10 + self.dice.below(100);
        self.trace
            .note(&format!("{device} gets no kept keys until {until}"));
        self.seen.fault("withheld list of kept keys");
        let client = self.devices[device].client;
        self.broker.clients[client].unlisted = until;
    }

    /// The broker gives a value that was replaced to a reader that has just started.
    pub(super) fn give_old_value(&mut self, device: usize) {
        let prefix = self.broker.prefix.clone();
        let replaced = self.broker.history.iter();
        let replaced = replaced.filter(|(t, h)| h.len() > 1 && !t.starts_with(&prefix));
        let replaced: Vec<String> = replaced.map(|(topic, _)| topic.clone()).collect();
        if replaced.is_empty() || self.devices[device].asleep > self.broker.step {
            return;
        }
        let topic = &replaced[self.dice.index(replaced.len())];
        let history = &self.broker.history[topic];
        // The one before the newest, or any.
        let at = match self.dice.one_in(2) {
            true => history.len() - 2,
            false => self.dice.index(history.len() - 1),
        };
        let old = history[at].clone();
        self.trace.note(&format!(
            "{device} restarts and gets an old value of {topic}"
        ));
        self.seen.fault("old value given again");
        self.broker.retained.insert(topic.clone(), old);
        if self.settings.sabotage == Sabotage::ForgottenMarks {
            self.forget_marks(device);
        }
        self.restart(device);
        self.connect(device);
    }

    /// Loses what a reader has seen of state, and nothing else.
    fn forget_marks(&mut self, device: usize) {
        let of_state = |record: &[u8]| record[1] == super::floors::TOPIC;
        let store = &mut self.devices[device].store;
        store
            .0
            .retain(|key, value| !key.starts_with("replay/") || !of_state(value));
        self.load(device);
    }

    /// The broker has the newest of what was published on each topic of the application.
    pub(super) fn keep_newest(&mut self) {
        let prefix = &self.broker.prefix;
        for (topic, history) in &self.broker.history {
            if let Some(newest) = history.last().filter(|_| !topic.starts_with(prefix)) {
                self.broker.retained.insert(topic.clone(), newest.clone());
            }
        }
    }
}
