//! What goes wrong on purpose: the broker's lasting faults, and what ends them.

use sealmq_keys::Publication;

use super::Sabotage;
use super::world::{OFFICE, World};

/// Before this step stolen keys are not replaced, so that their thief can do something.
const RECOVERY: u64 = 150;

impl World {
    pub(super) fn misbehave(&mut self, step: u64) {
        self.show_later(step);
        let device = self.dice.index(self.devices.len());
        let client = self.devices[device].client;
        match self.dice.below(50) {
            0 | 1 => {
                let until = step + 5 + self.dice.below(60);
                self.trace
                    .note(&format!("{device} gets no keys until {until}"));
                self.broker.clients[client].withheld = until;
            }
            2 => {
                let until = step + 5 + self.dice.below(60);
                self.trace
                    .note(&format!("the authority hears nothing until {until}"));
                self.broker.clients[OFFICE].withheld = until;
            }
            3..=5 => {
                let until = step + 5 + self.dice.below(40);
                self.trace
                    .note(&format!("{device} sees old state until {until}"));
                self.broker.clients[client].forked = until;
                self.connect(device);
            }
            6..=8 => {
                let (dice, seen) = (&mut self.dice, &mut self.seen);
                self.broker.clear(dice, seen);
            }
            9..=34 => {
                let (dice, seen) = (&mut self.dice, &mut self.seen);
                self.broker.replay(client, dice, seen);
            }
            35 if self.settings.thief => self.forge(step),
            36 | 37 => self.reader_publishes(),
            39 | 40 if self.settings.thief && self.dice.one_in(2) => self.exaggerate(),
            41 if self.settings.thief && self.thief.is_known() && step > RECOVERY => {
                self.recover_under_attack(step);
            }
            42 if self.dice.one_in(2) => self.withhold_welcome(device, step),
            43 | 44 => self.put_will_back(),
            45 => self.put_value_back(),
            46 => self.withhold_lists(device, step),
            47 if self.dice.one_in(2) => self.give_old_value(device),
            38 if self.settings.floods && self.dice.one_in(4) => self.flood(device),
            48 => self.forge_record(device),
            _ => {}
        }
    }

    /// The authority sees what the thief does, or does not.
    fn notice_thief(&mut self) {
        for Publication { topic, payload, .. } in self.thief.traces() {
            if self.dice.one_in(2) {
                let now = self.now / 1000;
                let plan = self.authority.observe(&self.store, &topic, &payload, now);
                self.carry_out(plan.unwrap());
            }
        }
    }

    /// Stolen keys are replaced while the broker does what it likes: some members see the new
    /// delegation and nothing of what follows.
    fn recover_under_attack(&mut self, step: u64) {
        if self.thief.recovered {
            return;
        }
        self.notice_thief();
        let until = step + 20 + self.dice.below(60);
        self.withhold_successor(until);
        while !self.thief.recovered {
            self.recover();
        }
        self.show_successor();
    }

    /// The broker becomes honest, everybody connects, and stolen keys are replaced.
    pub(super) fn behave(&mut self) {
        self.trace.note("the broker behaves");
        self.broker.behave();
        self.keep_newest();
        self.closed = 0;
        self.connect_office();
        if !self.acts() && !self.thief.is_known() {
            self.resume(u64::MAX);
        }
        if self.thief.is_known() && !self.thief.recovered {
            self.notice_thief();
            // Its process may die on the way.
            while !self.thief.recovered {
                self.recover();
            }
        }
        for device in 0..self.devices.len() {
            self.devices[device].asleep = 0;
            self.connect(device);
        }
        self.replace_devices();
        if self.settings.sabotage == Sabotage::Withholding {
            let client = self.devices[self.honest()[0]].client;
            self.broker.clients[client].withheld = u64::MAX;
        }
        self.calm_since = Some(self.now);
    }
}
