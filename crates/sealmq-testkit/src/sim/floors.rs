//! Floors of the replay protection: what a member's store remembers of senders only rises.

use sealmq_core::replay::Record;
use sealmq_keys::{Change, Changes};

use super::world::World;

/// Words of a member's replay windows.
const WORDS: usize = 16;

/// What orders a record: serials first, because a new credential begins anew.
type Height = ((u32, u32), u64, u64);

fn height(value: &[u8]) -> Option<Height> {
    match Record::<WORDS>::decode(&value[1..]).unwrap() {
        Record::Sender(sender) => {
            let serial = sender.serial();
            let serial = (serial.delegation, serial.credential);
            Some((serial, sender.floor(), sender.highest()))
        }
        _ => None,
    }
}

fn rises(old: Height, new: Height) -> bool {
    new.0 > old.0 || (new.0 == old.0 && new.1 >= old.1 && new.2 >= old.2)
}

impl World {
    /// Before a commit: no floor of it is below the one that is stored, and none is forgotten.
    pub(super) fn check_floors(&mut self, device: usize, changes: &Changes) {
        let stored = &self.devices[device].store.0;
        for change in changes {
            match change {
                Change::Put { key, value } if key.starts_with("replay/") => {
                    let Some(new) = height(value) else { continue };
                    let old = stored.get(key).and_then(|old| height(old));
                    assert!(
                        old.is_none_or(|old| rises(old, new)),
                        "{device}: floor {new:?} after {old:?}"
                    );
                    self.seen.total("floors compared");
                }
                Change::Delete { key } => {
                    assert!(!key.starts_with("replay/"), "{device} forgets a floor");
                }
                _ => {}
            }
        }
    }
}
