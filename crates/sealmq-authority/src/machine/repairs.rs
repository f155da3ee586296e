//! What is published again because the broker had something else: within seconds, but whoever goes
//! on and on does not keep the authority busy.

use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::crypto::sha256;

use super::draft::{Set, Slot, Table};
use super::plan::AuthorityEvent;

/// Repairs of a topic before it is contested.
const AT_ONCE: u32 = 8;
/// Seconds between these, and at the most between later ones.
const SHORTEST: u64 = 1;
const LONGEST: u64 = 60;
/// Seconds without a repair after which a topic is as any other.
const FORGOTTEN: u64 = 600;
/// The same for one that is not contested.
const FORGOTTEN_SOON: u64 = 60;
/// Repairs of all topics together in a minute.
const MOST: u32 = 4096;
/// Topics that are owed one; of more, everything at the broker has to be read again.
const MOST_OWED: usize = 1024;

/// Names a topic: whoever clears many must not make us keep their names.
type TopicHash = [u8; 16];

#[derive(Default)]
pub(super) struct Repairs {
    topics: Table<TopicHash, Repaired>,
    /// Topics that were seen wrong again too soon.
    owed: Set<String>,
    /// More than that.
    lost_count: bool,
    minute: Slot<Minute>,
}

#[derive(Clone, Copy)]
struct Repaired {
    at: u64,
    count: u32,
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Minute {
    number: u64,
    count: u32,
}

impl Repaired {
    /// Seconds until the next repair: twice as many with each one.
    fn pause(&self) -> u64 {
        let doubled = self.count.saturating_sub(AT_ONCE).min(6);
        (SHORTEST << doubled).min(LONGEST)
    }

    fn is_remembered(&self, now: u64) -> bool {
        let long = if self.count < AT_ONCE {
            FORGOTTEN_SOON
        } else {
            FORGOTTEN
        };
        self.at.abs_diff(now) < long
    }

    fn may_again(&self, now: u64) -> bool {
        self.at.abs_diff(now) >= self.pause()
    }
}

impl Repairs {
    /// The topic holds what it should.
    pub(super) fn stands(&mut self, topic: &str) {
        self.owed.remove(topic);
    }

    /// Whether nothing was done about the topic for a while.
    pub(super) fn is_new(&self, topic: &str, now: u64) -> bool {
        let known = self.topics.get(&hash(topic));
        known.is_none_or(|known| known.at.abs_diff(now) >= LONGEST)
    }

    /// Whether to publish the topic again now. If not, it is owed.
    pub(super) fn take(&mut self, topic: &str, now: u64, events: &mut Vec<AuthorityEvent>) -> bool {
        let minute = Minute {
            number: now / 60,
            count: 0,
        };
        if self.minute.number != minute.number {
            self.minute.set(minute);
            self.topics
                .delete_unless(|_, known| known.is_remembered(now));
        }
        let known = self.topics.get(&hash(topic)).copied();
        if self.minute.count >= MOST || known.is_some_and(|known| !known.may_again(now)) {
            if self.owed.len() < MOST_OWED {
                self.owed.insert(topic.into());
            } else {
                self.lost_count |= !self.owed.contains(topic);
            }
            return false;
        }
        self.owed.remove(topic);
        let count = known.map_or(0, |known| known.count).saturating_add(1);
        self.topics.insert(hash(topic), Repaired { at: now, count });
        let minute = Minute {
            count: self.minute.count.saturating_add(1),
            ..*self.minute
        };
        self.minute.set(minute);
        if count == AT_ONCE || minute.count == MOST {
            events.push(AuthorityEvent::Contested {
                topic: (minute.count != MOST).then(|| topic.into()),
            });
        }
        true
    }

    /// Topics to look at again.
    pub(super) fn owed(&self) -> Vec<String> {
        self.owed.iter().cloned().collect()
    }

    /// When one of them may be published again.
    pub(super) fn owed_at(&self) -> Option<u64> {
        let due = self.owed.iter().map(|topic| {
            let known = self.topics.get(&hash(topic));
            known.map_or(0, |known| known.at.saturating_add(known.pause()))
        });
        let next_minute = self.minute.number.saturating_add(1).saturating_mul(60);
        let full = self.minute.count >= MOST;
        due.min()
            .map(|at| if full { at.max(next_minute) } else { at })
    }

    /// Whether more topics are owed one than are known.
    pub(super) const fn lost_count(&self) -> bool {
        self.lost_count
    }

    /// Everything at the broker is read again.
    pub(super) const fn forget_lost(&mut self) {
        self.lost_count = false;
    }

    pub(super) fn keep(&mut self) {
        self.topics.keep();
        self.owed.keep();
        self.minute.keep();
    }

    pub(super) fn undo(&mut self) {
        self.topics.undo();
        self.owed.undo();
        self.minute.undo();
    }
}

fn hash(topic: &str) -> TopicHash {
    let hash = sha256(&[topic.as_bytes()]).0;
    hash.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec;

    #[test]
    fn a_topic_is_repaired_at_once_and_more_slowly_if_it_does_not_end() {
        let mut repairs = Repairs::default();
        let mut events = Vec::new();
        let times = (1000..2000).filter(|now| repairs.take("t", *now, &mut events));
        let times: Vec<u64> = times.collect();
        let expected = [
            1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1010, 1014, 1022,
        ];
        assert_eq!(times[..12], expected);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 60));
        let told = AuthorityEvent::Contested {
            topic: Some("t".into()),
        };
        assert_eq!(events, vec![told], "said once");
        assert!(repairs.owed_at().is_some());
        repairs.stands("t");
        assert_eq!(repairs.owed_at(), None);
        // Others do not wait for it, and nor does it after a while.
        assert!(repairs.take("u", 2000, &mut events));
        assert!(repairs.take("t", 2700, &mut events) && repairs.take("t", 2701, &mut events));
    }

    #[test]
    fn all_together_have_a_budget() {
        let mut repairs = Repairs::default();
        let mut events = Vec::new();
        let made = (0..10_000).filter(|n| repairs.take(&format!("t/{n}"), 60_000, &mut events));
        assert_eq!(made.count(), 4096);
        assert_eq!(events, vec![AuthorityEvent::Contested { topic: None }]);
        assert_eq!(repairs.owed().len(), MOST_OWED);
        assert!(repairs.lost_count());
        assert_eq!(repairs.owed_at(), Some(60_060));
    }
}
