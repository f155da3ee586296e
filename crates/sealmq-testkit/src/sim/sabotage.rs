//! Harm on purpose, which the checks have to notice.

use super::Sabotage;
use super::device::{Engine, varint};
use super::driver::open;
use super::office::group;
use super::thief::{encoded, find};
use super::world::World;

/// Steps in which a store is copied, and in which it is put back.
const COPIED: u64 = 60;
const PUT_BACK: u64 = 100;

impl World {
    pub(super) fn sabotage(&mut self, step: u64) {
        match self.settings.sabotage {
            Sabotage::PutBack if step == COPIED => {
                for device in &mut self.devices {
                    device.backup = Some((
                        device.store.clone(),
                        device.live.clone(),
                        device.kept.clone(),
                    ));
                }
            }
            Sabotage::PutBack if step == PUT_BACK => {
                for device in 0..self.devices.len() {
                    if let Some((store, ..)) = self.devices[device].backup.take() {
                        self.devices[device].store = store;
                        self.load(device);
                    }
                }
            }
            Sabotage::Forking if step == COPIED => self.backups.copy = Some(self.store.clone()),
            Sabotage::Forking if step == PUT_BACK => {
                if let Some(store) = self.backups.copy.take() {
                    self.replace_store(Some(store));
                    self.start_office();
                    self.rotate();
                }
            }
            // They forget, and the broker tries it, more often than by chance.
            Sabotage::ForgottenWills if step.is_multiple_of(5) => self.put_will_back(),
            Sabotage::NoConnections if step.is_multiple_of(25) => {
                let device = self.dice.index(self.devices.len());
                self.value_after_will(device);
                self.put_will_back();
            }
            Sabotage::ForgottenMarks | Sabotage::LateMarks if step.is_multiple_of(5) => {
                let device = self.dice.index(self.devices.len());
                self.give_old_value(device);
            }
            Sabotage::ForgottenValues if step.is_multiple_of(5) => self.put_value_back(),
            Sabotage::Jump if step == PUT_BACK => {
                let schedule = encoded(&group().schedule);
                let record = self
                    .store
                    .0
                    .iter_mut()
                    .find(|(key, _)| key.starts_with("authority/group/"));
                let record = record.unwrap().1;
                // The epoch stands behind the schedule.
                let at = find(record, &schedule).unwrap() + schedule.len();
                let mut rest = &record[at..];
                let epoch = varint(&mut rest);
                let end = record.len() - rest.len();
                record.splice(at..end, encoded(&(epoch + (1 << 21))));
                self.replace_store(None);
                self.start_office();
                self.rotate();
            }
            _ => {}
        }
    }

    /// Before the checks at the end.
    pub(super) fn give_keys_away(&mut self) {
        let honest = self.honest();
        let reads = |d: &&usize| self.devices[**d].access.may_subscribe();
        let Some(reader) = honest.iter().find(reads) else {
            return;
        };
        let mut store = self.devices[*reader].store.clone();
        // Without what it has accepted already.
        store.0.retain(|key, _| !key.starts_with("replay/"));
        for device in self.devices.iter_mut().filter(|d| d.removed.is_some()) {
            match self.settings.sabotage {
                Sabotage::LeakedStore => {
                    device.engine = Engine::Host(open(&self.settings, &store, 0));
                }
                Sabotage::LeakedKeys => {
                    let states = store.0.iter().filter(|(key, _)| key.ends_with("/state"));
                    let states = states.map(|(key, value)| (key.clone(), value.clone()));
                    device.store.0.extend(states);
                }
                _ => {}
            }
        }
    }
}
