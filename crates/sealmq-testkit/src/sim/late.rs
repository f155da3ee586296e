//! State in the end: what opens for whom, by what happened and not by what members say; and what
//! somebody who joins late has of before (threat model A43, A44).

use std::collections::{BTreeMap, BTreeSet};

use sealmq_client::{Event, Output, Time};
use sealmq_core::crypto::{Digest, Secret};
use sealmq_core::object::{Access, Kind, Object, decode_prefix};
use sealmq_keys::objects::KeptKeys;
use sealmq_keys::{Head, KeptAccess, KeptSecret, ReaderSecret, ReservedTopic};

use super::Sabotage;
use super::driver::{incoming, open};
use super::office::group;
use super::sealed::Message;
use super::successor::{delegation_of, serial_of};
use super::world::World;
use crate::fuzz::world::{MemoryStore, YEAR};

/// Seconds until a reader that has just connected has what it needs: one without a clock gets a
/// lease first, and one that comes while a group heals has its first keys after several epochs.
const SETTLED: u64 = 12;

/// Records with the secrets of a group.
fn is_secret(key: &str) -> bool {
    key.ends_with("/state") || key.ends_with("/kept")
}

/// Every 32 bytes of a store that may be a secret of a group.
fn windows(store: &MemoryStore) -> impl Iterator<Item = [u8; 32]> {
    let records = store.0.iter().filter(|(key, _)| is_secret(key));
    records.flat_map(|(_, value)| value.windows(32).map(|w| w.try_into().unwrap()))
}

impl World {
    /// Readers that start anew, and one that joins now, read the state that opens, and no other.
    pub(super) fn check_state(&mut self) {
        let earlier = self.reader_stores();
        self.enrol_by_file(Access::SUBSCRIBE, true, YEAR);
        let late = self.devices.len() - 1;
        let known = self.messages.len();
        self.connect(late);
        self.pass_seconds(SETTLED);
        let (kept, retained) = (self.kept_epochs(), self.retained_state());
        self.check_own_values(late, &kept, &retained);
        let opens = |id: &&usize| **id < known && self.opens(late, **id, &kept);
        let expected = retained.iter().filter(opens).copied().collect();
        // Some were replaced meanwhile.
        self.check_reads(late, &expected, 0);
        self.check_late(late, earlier);
        let readers = self.honest().into_iter();
        let readers: Vec<usize> = readers
            .filter(|d| self.devices[*d].access.may_subscribe())
            .collect();
        for reader in &readers {
            self.restart(*reader);
        }
        // What is sealed from now on is not asked for.
        let known = self.messages.len();
        let (kept, retained) = (self.kept_epochs(), self.retained_state());
        let expected = readers.into_iter().map(|reader| {
            let opens = |id: &&usize| self.opens(reader, **id, &kept);
            let opens: BTreeSet<usize> = retained.iter().filter(opens).copied().collect();
            (reader, opens)
        });
        let expected: Vec<_> = expected.collect();
        for (reader, _) in &expected {
            self.devices[*reader].reads.clear();
            self.connect(*reader);
        }
        self.pass_seconds(SETTLED);
        for (reader, expected) in expected {
            self.check_reads(reader, &expected, known);
            let total = match reader == late {
                true => "values read by who joined in the end",
                false => "values read in the end",
            };
            expected.iter().for_each(|_| self.seen.total(total));
        }
    }

    /// What a reader that started anew has made of the retained values.
    fn check_reads(&self, reader: usize, expected: &BTreeSet<usize>, known: usize) {
        let reads = &self.devices[reader].reads;
        let shown = |id: &usize| {
            let of = &self.messages[*id];
            (*id, of.sender, of.epoch, of.topic.clone(), of.order())
        };
        // A sensor's keys of before are gone if the group has healed since it was expected to read.
        let announcement = |id: &usize| self.messages[*id].announcement.as_deref();
        let may_read = |id: &&usize| announcement(id).is_some_and(|a| self.has_kept(reader, a));
        let missing = expected.difference(reads).filter(may_read);
        let missing: Vec<_> = missing.map(shown).collect();
        assert!(
            missing.is_empty(),
            "{reader} does not read state {missing:?}"
        );
        let strange = reads.difference(expected).filter(|id| **id < known);
        let strange: Vec<_> = strange.map(shown).collect();
        assert!(strange.is_empty(), "{reader} reads state {strange:?}");
    }

    /// What a publisher's process still has is sealed as it opens.
    fn check_own_values(&mut self, late: usize, kept: &BTreeSet<[u8; 32]>, retained: &[usize]) {
        for (device, text) in self.own_values() {
            let mut opens = retained.iter().filter(|id| self.opens(late, **id, kept));
            let current = opens.any(|id| self.messages[*id].text == text);
            assert!(current, "{device} has not sealed its value {text} again");
            self.seen.total("values that their publishers still had");
        }
    }

    /// Of topics that have one publisher: what its process has published, and would seal again.
    fn own_values(&self) -> Vec<(usize, usize)> {
        let honest = self.honest().into_iter();
        let own = honest.filter_map(|device| {
            let topic = super::sending::own_topic(device);
            Some((device, *self.devices[device].values.get(&topic)?))
        });
        own.collect()
    }

    fn reader_stores(&self) -> Vec<MemoryStore> {
        let honest = self.honest().into_iter();
        let readers = honest.filter(|d| self.devices[*d].access.may_subscribe());
        readers.map(|d| self.devices[d].store.clone()).collect()
    }

    /// What the broker keeps on the application's topics.
    fn retained_state(&self) -> Vec<usize> {
        let kept = self.broker.retained.iter();
        let kept = kept.filter(|(topic, _)| !topic.starts_with(&self.broker.prefix));
        let found = kept.filter_map(|(topic, envelope)| {
            let id = self.number_of(envelope)?;
            (self.messages[id].topic == *topic).then_some(id)
        });
        found.collect()
    }

    /// The newest kept epochs that the policy keeps, by their announcements, as far as the current
    /// delegation continues them.
    fn kept_epochs(&self) -> BTreeSet<[u8; 32]> {
        let current = self.authority.delegation_info().serial;
        let mut kept = BTreeSet::new();
        for announcement in self.published.announcements.values().rev() {
            let goes_on = self
                .published
                .delegations
                .continues(current, serial_of(announcement));
            if !goes_on || kept.len() > usize::from(group().policy.kept) {
                break;
            }
            let (hash, head) = head_of(announcement);
            if head.kept_key().is_some() {
                kept.insert(hash.0);
            }
        }
        kept
    }

    /// Whether a retained value opens for a reader that starts now.
    fn opens(&self, reader: usize, id: usize, kept: &BTreeSet<[u8; 32]>) -> bool {
        let message = &self.messages[id];
        let sender = &self.devices[message.sender];
        let (Some(order), Some(announcement)) = (message.order(), &message.announcement) else {
            return false;
        };
        let current = self.authority.delegation_info().serial;
        let delegations = &self.published.delegations;
        let marks = &self.devices[reader].kept.marks;
        let mark = marks.get(&(message.sender, message.topic.clone()));
        message.sender != reader
            && sender.removed.is_none()
            && kept.contains(&head_of(announcement).0.0)
            && self.has_kept(reader, announcement)
            && delegations.continues(current, message.credential.0)
            && mark.is_none_or(|mark| order >= *mark)
    }

    /// A sensor has no kept keys but the newest: it does not read the list that leads to others.
    fn has_kept(&self, reader: usize, announcement: &[u8]) -> bool {
        let reader = &self.devices[reader];
        let newest = || Some(reader.state()?.kept_key()?.2.kept);
        !reader.is_sensor() || newest() == Some(head_of(announcement).0)
    }

    /// Who joined in the end has no event of before, nor with the help of those who were removed
    /// and of one that only publishes; those have no state of later.
    fn check_late(&mut self, late: usize, earlier: Vec<MemoryStore>) {
        self.spoil_late(late, earlier);
        let announcements: BTreeMap<u64, &Vec<u8>> = self
            .published
            .announcements
            .iter()
            .map(|(epoch, bytes)| (*epoch, bytes))
            .collect();
        let records = self.devices[late].store.0.keys();
        let followed = records.filter_map(|key| key.split_once("/announcement/"));
        let first: u64 = followed.map(|(_, n)| n.parse().unwrap()).min().unwrap();
        let removed = |d: &usize| self.devices[*d].removed.is_some();
        let out: Vec<usize> = (0..self.devices.len()).filter(removed).collect();
        let last = out.iter().filter_map(|d| self.devices[*d].removed).max();
        let last = last.unwrap_or(0);
        let publishes = |d: &&usize| !self.devices[**d].access.may_subscribe();
        let honest = self.honest();
        let publishers: Vec<usize> = honest.iter().filter(publishes).copied().collect();

        // Events of the time between the last removal and its welcome.
        let before = announcements.range(..first);
        let heads = before.map(|(_, bytes)| head_of(bytes).1);
        let heads = heads.filter(|head| head.issued_at > last);
        let checks: BTreeSet<[u8; 32]> = heads.map(|head| head.psk_check).collect();
        let with = publishers.iter().take(1).chain([&late]).chain(&out);
        for window in with.flat_map(|d| windows(&self.devices[*d].store)) {
            let reader = ReaderSecret::new(Secret::new(window)).psk().check();
            assert!(
                !checks.contains(&reader),
                "who joined late has the keys of events of before"
            );
        }

        // State of later, and of anybody.
        let sets = self.kept_sets(late);
        let later = |kept: &[u8; 32]| {
            let mut all = announcements.values();
            let found = all.find(|bytes| head_of(bytes).0.0 == *kept);
            found.is_some_and(|bytes| head_of(bytes).1.issued_at > last)
        };
        let secrets: BTreeSet<[u8; 32]> = sets.values().copied().collect();
        let of_later = sets.iter().filter(|(kept, _)| later(kept));
        let of_later: BTreeSet<[u8; 32]> = of_later.map(|(_, secret)| *secret).collect();
        for (pool, forbidden) in [(&out, &of_later), (&publishers, &secrets)] {
            for window in pool.iter().flat_map(|d| windows(&self.devices[*d].store)) {
                assert!(
                    !forbidden.contains(&window),
                    "who may not read it has the keys of state"
                );
            }
        }
        self.show_events(late, first);
        self.seen.total("late readers searched");
        if !of_later.is_empty() && !out.is_empty() {
            self.seen
                .total("removed members searched for keys of state");
        }
    }

    /// All kept keys that a reader has, and the newest list leads to: K and secret.
    fn kept_sets(&self, reader: usize) -> BTreeMap<[u8; 32], [u8; 32]> {
        let mut sets = BTreeMap::new();
        let state = self.devices[reader].state().unwrap();
        let Some((_, _, newest)) = state.kept_key() else {
            return sets;
        };
        let KeptAccess::Reader(secret) = &newest.access else {
            return sets;
        };
        sets.insert(newest.kept.0, *secret.secret().expose());
        let id = self.authority.groups().next().unwrap().id;
        let topic = ReservedTopic::KeptKeys(id).name(self.authority.prefix());
        let Some(list) = self.broker.retained.get(&topic) else {
            return sets;
        };
        let Ok(list) = KeptKeys::verify(list, &delegation_of(&self.authority)) else {
            return sets;
        };
        let secret: &KeptSecret = secret;
        for set in list.before(&newest.kept, secret) {
            sets.insert(set.kept.0, *set.secret.secret().expose());
        }
        sets
    }

    /// A copy of a reader's store, to which everything is new, gets all events of before.
    fn show_events(&mut self, late: usize, first: u64) {
        let mut store = self.devices[late].store.clone();
        store
            .0
            .retain(|key, _| !key.starts_with("replay/") && !key.starts_with("group/shared/"));
        let mut copy = open(&self.settings, &store, 0);
        let before = |m: &&Message| !m.is_state() && m.epoch < first && !m.envelope.is_empty();
        let time = Time {
            uptime: 0,
            clock: Some(self.now),
        };
        for message in self.messages.iter().filter(before) {
            let shown = incoming(&message.topic, &message.envelope, false);
            copy.handle_publish(shown, time);
            while let Some(output) = copy.poll_output(time, &mut self.rng) {
                let opened = matches!(output, Output::Event(Event::Message(_), _));
                assert!(
                    !opened,
                    "who joined late opens an event of {}",
                    message.epoch
                );
                copy.committed();
            }
        }
    }

    /// Keys in the wrong hands, if somebody gives them away on purpose.
    fn spoil_late(&mut self, late: usize, earlier: Vec<MemoryStore>) {
        let with = |end: &str, store: &MemoryStore| {
            let mut records = store.0.iter();
            let found = records.find(|(key, _)| key.ends_with(end));
            found.map(|(_, value)| value.clone())
        };
        match self.settings.sabotage {
            // As if kept keys were those of events.
            Sabotage::SharedDerivation => {
                let state = earlier.iter().find_map(|store| with("/state", store));
                let store = &mut self.devices[late].store;
                store.0.insert("group/shared/kept".into(), state.unwrap());
            }
            // As if the list led from older keys to newer ones.
            Sabotage::ForwardChain => {
                let store = self.devices[late].store.clone();
                let kept = with("/kept", &store);
                let state = with("/state", &store);
                for device in self.devices.iter_mut().filter(|d| d.removed.is_some()) {
                    for (name, record) in [("kept", &kept), ("state", &state)] {
                        let key = format!("group/shared/{name}");
                        device
                            .store
                            .0
                            .extend(record.clone().map(|record| (key, record)));
                    }
                }
            }
            _ => {}
        }
    }
}

/// An announcement's hash and head.
fn head_of(announcement: &[u8]) -> (Digest, Head<'_>) {
    let object = Object::parse(announcement, Kind::Announcement).unwrap();
    let (head, _) = decode_prefix::<Head<'_>>(object.body()).unwrap();
    (object.hash(), head)
}
