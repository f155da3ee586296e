//! A sensor: a device of `sealmq-embedded`, with its flash, and what firmware keeps around them.

use std::collections::{BTreeMap, VecDeque};

use sealmq_core::GroupId;
use sealmq_core::MemberNumber;
use sealmq_core::crypto::Secret;
use sealmq_core::replay::Durable;
use sealmq_embedded::flash::{FlashError, FlashStore, SCRATCH_LEN};
use sealmq_embedded::{Clock, Device as Member, Joining, RecordId};
use sealmq_keys::{Publication, ReservedTopic};

use super::device::{Device, Engine};
use super::floors::SENSOR_WORDS;
use super::nor::{Cut, Nor};
use super::sealed::Message;

/// Places for all whom a seed ever enrols, and for their topics: what a full table refuses is not
/// told apart here from what nobody should refuse.
const SENDERS: usize = 32;
const TOPICS: usize = 96;
const SLOTS: usize = 41 + SENDERS + TOPICS;
/// Of 4 KiB.
const PAGES: usize = 24;

pub(super) type Machine = Member<1, SENDERS, TOPICS, 8, 1024>;
type Chip = Nor<4096, 4>;
pub(super) type Store = FlashStore<Chip, SLOTS>;

/// A record, as it is to be stored; empty if it is to be deleted.
pub(super) type Entry = (RecordId, Vec<u8>);

/// The flash, whose power can be cut.
pub(super) struct Board {
    /// `None` only while it is opened.
    store: Option<Store>,
    pub(super) scratch: Vec<u8>,
}

fn open(chip: Chip) -> Result<Store, FlashError<Cut>> {
    let region = chip.region();
    Store::open(chip, region, Some(&Secret::new([7; 32])))
}

impl Board {
    pub(super) fn new() -> Self {
        Self {
            store: Some(open(Nor::new(PAGES)).unwrap()),
            scratch: vec![0; SCRATCH_LEN],
        }
    }

    pub(super) fn store(&mut self) -> (&mut Store, &mut [u8]) {
        (self.store.as_mut().unwrap(), &mut self.scratch)
    }

    /// The power comes back.
    pub(super) fn start(&mut self) {
        let mut chip = self.store.take().unwrap().into_driver();
        chip.left = None;
        self.store = Some(open(chip).unwrap());
    }

    /// The power goes after so much work of what is done now.
    pub(super) fn cut(
        &mut self,
        work: u64,
        write: impl FnOnce(&mut Store, &mut [u8]) -> Result<(), FlashError<Cut>>,
    ) {
        let chip = self.store.take().unwrap().into_driver();
        let mut cut = chip.clone();
        cut.left = Some(work);
        let mut store = match open(cut) {
            Ok(store) => store,
            // Already while it was opened, which writes nothing that counts.
            Err(_) => open(chip).unwrap(),
        };
        match write(&mut store, &mut self.scratch) {
            Ok(()) | Err(FlashError::Driver(Cut) | FlashError::Failed) => {}
            Err(error) => panic!("{error}"),
        }
        self.store = Some(store);
    }
}

/// An envelope that waits for keys, a credential or a record of a session.
pub(super) type Waiting = (String, Vec<u8>, bool);

pub(super) struct Sensor {
    pub(super) board: Board,
    /// In a place of its own, as on devices.
    place: Box<Option<Machine>>,
    group: GroupId,
    /// What was stored last.
    pub(super) durable: BTreeMap<RecordId, Vec<u8>>,
    /// Session numbers are not stored, if somebody does that on purpose.
    pub(super) forgets: bool,
    pub(super) waiting: VecDeque<Waiting>,
    /// Messages that it is to send.
    pub(super) drafts: VecDeque<usize>,
    /// Objects on reserved topics that it has refused.
    pub(super) refused: u64,
    /// Its own subscriptions that it has made on this connection.
    pub(super) made: usize,
    pub(super) is_told: bool,
    pub(super) has_topics: bool,
    /// When it looked last at what time brings, milliseconds since its start.
    pub(super) maintained: u64,
}

impl Sensor {
    pub(super) fn new(board: Board, place: Box<Option<Machine>>, group: GroupId) -> Self {
        Self {
            board,
            place,
            group,
            durable: BTreeMap::new(),
            forgets: false,
            waiting: VecDeque::new(),
            drafts: VecDeque::new(),
            refused: 0,
            made: 0,
            is_told: false,
            has_topics: false,
            maintained: 0,
        }
    }

    pub(super) fn machine(&mut self) -> &mut Machine {
        self.place.as_mut().as_mut().unwrap()
    }

    fn there(&self) -> &Machine {
        self.place.as_ref().as_ref().unwrap()
    }

    pub(super) fn number(&self) -> MemberNumber {
        self.there().number()
    }

    pub(super) fn epoch(&self) -> Option<u64> {
        self.there().epoch(&self.group)
    }

    pub(super) fn entry(&self, id: RecordId) -> Entry {
        let mut out = vec![0; SCRATCH_LEN];
        let len = self.there().record(id, &mut out).unwrap();
        out.truncate(len);
        (id, out)
    }

    /// What has to be stored now.
    pub(super) fn due(&self) -> Vec<Entry> {
        self.there().due().map(|id| self.entry(id)).collect()
    }

    /// What it has seen since the last call.
    pub(super) fn seen(&mut self) -> Vec<Durable<SENSOR_WORDS>> {
        let machine = self.machine();
        std::iter::from_fn(|| machine.next_seen()).collect()
    }

    /// Stores what is due and was seen; `cut`: the power goes after so much work.
    pub(super) fn store(&mut self, seen: &[Durable<SENSOR_WORDS>], cut: Option<u64>) {
        let machine = self.place.as_mut().as_mut().unwrap();
        let forgets = self.forgets && machine.due().any(|id| id == RecordId::Numbers);
        let mut write = |store: &mut Store, scratch: &mut [u8]| {
            if forgets {
                machine.committed();
            }
            store.save(machine, scratch)?;
            seen.iter().try_for_each(|change| store.put_seen(change))
        };
        match cut {
            Some(work) => self.board.cut(work, write),
            None => {
                let (store, scratch) = self.board.store();
                write(store, scratch).unwrap();
            }
        }
    }

    /// Starts with what its flash has; returns all of it.
    pub(super) fn start(&mut self) -> Vec<Entry> {
        self.board.start();
        let (store, scratch) = self.board.store();
        store.load(&mut self.place, scratch).unwrap();
        self.waiting.clear();
        self.drafts.clear();
        self.disconnected();
        self.maintained = 0;
        let stored = [
            RecordId::Identity,
            RecordId::Numbers,
            RecordId::Domain,
            RecordId::Credential,
            RecordId::Packages,
            RecordId::Notes(0),
            RecordId::Group(0),
        ];
        stored.into_iter().map(|id| self.entry(id)).collect()
    }

    pub(super) const fn disconnected(&mut self) {
        self.made = 0;
        self.is_told = false;
        self.has_topics = false;
    }

    /// The next topic filter that it needs no more.
    pub(super) fn next_unused(&mut self) -> Option<String> {
        let machine = self.place.as_mut().as_mut().unwrap();
        let unused = machine.poll_unsubscribe();
        unused.map(|filter| filter.under(machine.prefix()).to_string())
    }

    /// The next topic filter that it subscribes.
    pub(super) fn next_filter(&mut self) -> Option<String> {
        let made = self.made;
        let machine = self.place.as_mut().as_mut().unwrap();
        let prefix = machine.prefix().to_owned();
        let next = machine.subscriptions().nth(made);
        if let Some(filter) = next {
            self.made += 1;
            return Some(filter.under(&prefix).to_string());
        }
        if !std::mem::replace(&mut self.is_told, true) {
            machine.connected();
        }
        let due = machine.poll_subscribe();
        due.map(|filter| filter.under(&prefix).to_string())
    }

    /// The next thing that it publishes for its keys.
    pub(super) fn next_publication(&mut self, at: Clock) -> Option<(ReservedTopic, Publication)> {
        let mut out = [0; 2048];
        let machine = self.place.as_mut().as_mut().unwrap();
        let sent = machine.poll_transmit(at, &mut out)?;
        let publication = Publication {
            topic: sent.topic.under(machine.prefix()).to_string(),
            payload: out[..sent.len].to_vec(),
            retain: sent.retain,
        };
        Some((sent.topic, publication))
    }
}

impl Device {
    /// Of a sensor: its clock.
    pub(super) fn clock(&self, now: u64) -> Clock {
        Clock {
            now: self.has_clock.then_some(now),
            uptime: Some(now - self.begun),
        }
    }

    /// A removed sensor gets all records of sessions, and messages, each with its time; when one
    /// that it opens was sealed.
    pub(super) fn shown_to_removed<'m>(
        &mut self,
        now: u64,
        records: &[Publication],
        messages: impl Iterator<Item = (u64, &'m Message)>,
    ) -> Option<u64> {
        let mut clock = self.clock(now);
        let Engine::Sensor(sensor) = &mut self.engine else {
            return None;
        };
        for record in records {
            // Whether it takes it is looked at by what it opens.
            let shown = &mut record.payload.clone();
            let _ = sensor.machine().handle(&record.topic, shown, clock);
        }
        for (at, message) in messages {
            clock.now = clock.now.map(|_| at);
            let mut envelope = message.envelope.clone();
            let machine = sensor.machine();
            if machine
                .open(&message.topic, false, clock, &mut envelope)
                .is_ok()
            {
                return Some(at);
            }
        }
        None
    }
}

/// What a device joins with, as it was stored.
pub(super) fn joining_entries(joining: &Joining) -> Vec<Entry> {
    let entry = |id| {
        let mut out = vec![0; SCRATCH_LEN];
        let len = joining.record(id, &mut out).unwrap();
        out.truncate(len);
        (id, out)
    };
    Joining::records().into_iter().map(entry).collect()
}
