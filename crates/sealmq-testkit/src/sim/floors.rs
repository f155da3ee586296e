//! Floors and marks of the replay protection: what a member's store remembers of senders and of
//! their state only rises.

use sealmq_core::replay::Record;
use sealmq_keys::{Change, Changes};

use super::world::World;

/// Words of a member's replay windows.
pub(super) const WORDS: usize = 16;

/// Those of a sensor's.
pub(super) const SENSOR_WORDS: usize = 2;

/// What a record of marks begins with, behind the record's version.
pub(super) const TOPIC: u8 = 10;
const SENDER: u8 = 9;

/// What orders a record.
#[derive(Debug)]
enum Height {
    /// Serials first, because sessions begin anew with a credential; then floor and highest session.
    Sender {
        sessions: (Option<(u32, u32)>, u64, u64),
        /// Whether there was one, its credential, and its number.
        will: (u8, [u8; 16]),
    },
    /// The place, in the order of its fields.
    Mark([u8; 30]),
}

fn height<const W: usize>(value: &[u8]) -> Option<Height> {
    let record = &value[1..];
    match (record[0], Record::<W>::decode(record).unwrap()) {
        (SENDER, Record::Sender(sender)) => {
            let serial = sender.serial();
            let serial = serial.map(|serial| (serial.delegation, serial.credential));
            // Behind kind, group and member: the credential, the floor, and the newest will.
            let will = &record[1 + 20 + 9 + 8..];
            Some(Height::Sender {
                sessions: (serial, sender.floor(), sender.highest()),
                will: (will[0], will[1..17].try_into().unwrap()),
            })
        }
        (TOPIC, Record::Topic(_)) => {
            // Behind kind, group, member and topic: credential, flag, delegation, connection, will,
            // session and counter.
            let place = &record[1 + 20 + 16..];
            let (credential, delegation) = (&place[..4], &place[5..9]);
            let ordered = [&place[4..5], delegation, credential, &place[9..]].concat();
            Some(Height::Mark(ordered.try_into().unwrap()))
        }
        _ => None,
    }
}

fn rises(old: &Height, new: &Height) -> bool {
    match (old, new) {
        (
            Height::Sender { sessions, will },
            Height::Sender {
                sessions: new,
                will: new_will,
            },
        ) => {
            let floors = new.1 >= sessions.1 && new.2 >= sessions.2;
            (new.0 > sessions.0 || (new.0 == sessions.0 && floors)) && new_will >= will
        }
        (Height::Mark(old), Height::Mark(new)) => new >= old,
        _ => false,
    }
}

/// Whether nothing but marks of state is to become durable.
pub(super) fn is_of_state(changes: &Changes) -> bool {
    let mark = |change: &Change| match change {
        Change::Put { key, value } => key.starts_with("replay/") && value[1] == TOPIC,
        _ => false,
    };
    changes.iter().all(mark)
}

impl World {
    /// Before a commit: no floor of it is below the one that is stored, and none is forgotten.
    pub(super) fn check_floors(&mut self, device: usize, changes: &Changes) {
        let this = &self.devices[device];
        let height = if this.is_sensor() {
            height::<SENSOR_WORDS>
        } else {
            height::<WORDS>
        };
        let stored = &this.store.0;
        for change in changes {
            match change {
                Change::Put { key, value } if key.starts_with("replay/") => {
                    let Some(new) = height(value) else { continue };
                    let old = stored.get(key).and_then(|old| height(old));
                    assert!(
                        old.as_ref().is_none_or(|old| rises(old, &new)),
                        "{device}: {new:?} after {old:?}"
                    );
                    self.seen.total(match new {
                        Height::Sender { .. } => "floors compared",
                        Height::Mark(_) => "marks compared",
                    });
                }
                Change::Delete { key } => {
                    assert!(!key.starts_with("replay/"), "{device} forgets a floor");
                }
                _ => {}
            }
        }
    }
}
