//! A broker, an authority, devices and host members in one thread.

mod hosts;

use std::collections::{BTreeMap, BTreeSet};

use sealmq_authority::{
    Authority, DomainOptions, Enrolled, GrantSpec, NewGroup, Plan, RootKey, TokenSpec,
};
use sealmq_core::crypto::Secret;
use sealmq_core::object::Access;
use sealmq_core::topic::{Filter, Topic};
use sealmq_core::{GroupId, MemberNumber};
use sealmq_embedded::flash::{FlashError, FlashStore, SCRATCH_LEN};
use sealmq_embedded::{Clock, Device, Event, Joined, Joining, Sealing};
use sealmq_keys::objects::{NamePattern, Policy, Roles, UNKNOWN_DOMAIN, decode_credential_file};
use sealmq_keys::{Publication, Store as _};
use sealmq_store::MemoryStore;

use self::hosts::Host;
use crate::nor::{Cut, Nor};
use crate::stand_ins::TestRng;

const START: u64 = 1_800_000_000;
const YEAR: u64 = 365 * 86_400;

/// Longest packet that a device takes, and what MQTT has in one beside topic and payload.
const PACKET: usize = 4096;
const MQTT: usize = 10;

pub type Sensor = Device<2, 4, 8, 4, 1024>;

/// 64 KiB of it, in pages of 4 KiB and words of 4 bytes.
pub type Flash = Nor<4096, 4>;

pub struct Board {
    pub device: Box<Sensor>,
    /// `None` while it is being opened.
    store: Option<FlashStore<Flash, 53>>,
    /// The power went while something was stored.
    pub is_dead: bool,
    pub rng: TestRng,
    pub online: bool,
    pub has_clock: bool,
    /// Milliseconds that its clock is behind.
    pub behind: u64,
    pub subscriptions: BTreeSet<String>,
    /// What it has asked for beside those of each connection.
    pub asked: Vec<String>,
    pub inbox: Vec<Vec<u8>>,
    pub rejected: Vec<&'static str>,
    pub events: Vec<Event>,
    /// What may open later.
    pub waiting: Vec<(String, Vec<u8>, bool)>,
    /// Bytes of what came.
    pub received: usize,
}

pub struct Net {
    pub authority: Authority,
    store: MemoryStore,
    root: [u8; 32],
    pub rng: TestRng,
    pub now: u64,
    pub retained: BTreeMap<String, Vec<u8>>,
    /// What is retained comes in the reverse order.
    pub backwards: bool,
    pub boards: Vec<Board>,
    pub hosts: Vec<Host>,
}

fn matches(filter: &str, topic: &str) -> bool {
    let (Ok(filter), Ok(topic)) = (Filter::new(filter), Topic::new(topic)) else {
        return false;
    };
    filter.matches(topic)
}

impl Net {
    pub fn new(policy: Policy) -> Self {
        Self::in_tree(policy, 8)
    }

    /// A group whose tree has this depth.
    pub fn in_tree(policy: Policy, depth: u8) -> Self {
        let mut rng = TestRng(1, false);
        let root = RootKey::generate(&mut rng).unwrap();
        let options = DomainOptions::default();
        let (prepared, plan) = Authority::prepare(&root.public(), &options, &mut rng).unwrap();
        let mut store = MemoryStore::default();
        store.commit(&plan.changes).unwrap();
        let request = prepared.request().unwrap();
        let delegation = root.delegate(&request, 1, START, START + YEAR, Roles::ALL);
        let (authority, plan) = prepared.install(&delegation.unwrap(), START).unwrap();
        let mut net = Self {
            authority,
            store,
            root: root.public(),
            rng,
            now: START * 1000,
            retained: BTreeMap::new(),
            backwards: false,
            boards: Vec::new(),
            hosts: Vec::new(),
        };
        net.carry_out(plan);
        let group = NewGroup {
            policy,
            depth,
            ..NewGroup::new("plant", ["plant/#"])
        };
        let plan = net
            .authority
            .add_group(&group, START, &mut net.rng)
            .unwrap();
        net.carry_out(plan);
        net
    }

    pub fn group(&self) -> GroupId {
        self.authority.groups().next().unwrap().id
    }

    pub fn carry_out(&mut self, plan: Plan) {
        self.store.commit(&plan.changes).unwrap();
        for publication in plan.publications {
            self.publish(&publication);
        }
    }

    pub fn publish(&mut self, publication: &Publication) {
        let Publication {
            topic,
            payload,
            retain,
        } = publication;
        self.publish_bytes(topic, payload, *retain);
    }

    pub fn publish_bytes(&mut self, topic: &str, payload: &[u8], retain: bool) {
        if retain && payload.is_empty() {
            self.retained.remove(topic);
        } else if retain {
            self.retained.insert(topic.into(), payload.to_vec());
        }
        for board in 0..self.boards.len() {
            let this = &self.boards[board];
            if this.online
                && this
                    .subscriptions
                    .iter()
                    .any(|filter| matches(filter, topic))
            {
                self.deliver(board, topic, payload, false);
            }
        }
        for host in 0..self.hosts.len() {
            self.deliver_host(host, topic, payload, false);
        }
        let now = self.now / 1000;
        let writes = ["/confirm", "/packages", "/n/", "/join/"];
        if topic.starts_with("_sealmq/") && writes.iter().any(|part| topic.contains(part)) {
            let plan = self.authority.handle(topic, payload, now, &mut self.rng);
            if let Ok(plan) = plan {
                self.carry_out(plan);
            }
        }
    }

    pub fn clock(&self, board: usize) -> Clock {
        Clock {
            now: self.boards[board]
                .has_clock
                .then_some(self.now - self.boards[board].behind),
            uptime: Some(self.now - START * 1000 + 1),
        }
    }

    /// A device that is enrolled, joined and connected.
    pub fn board(&mut self, name: &str, access: Access) -> usize {
        let board = self.enrol(name, access);
        self.tick_authority();
        self.connect(board);
        board
    }

    pub fn enrol(&mut self, name: &str, access: Access) -> usize {
        let mut rng = TestRng(1000 + 1000 * self.boards.len() as u64, false);
        let at = Clock {
            now: Some(self.now),
            uptime: None,
        };
        let (mut joining, enrolled) = self.request(name, access, &mut rng);
        let file = decode_credential_file(&enrolled.credential_file).unwrap();
        assert_eq!(file.root_key, self.root);
        let answer = Joined {
            root_key: &file.root_key,
            prefix: &file.prefix,
            delegation: &file.delegation,
            credential: &file.credential,
        };
        let mut place: Option<Sensor> = None;
        joining.accept(&mut place, answer, at).unwrap();
        self.add_board(place.unwrap(), rng)
    }

    fn request(&mut self, name: &str, access: Access, rng: &mut TestRng) -> (Joining, Enrolled) {
        let at = Clock {
            now: Some(self.now),
            uptime: None,
        };
        let mut joining = Joining::begin(rng).unwrap();
        let mut out = [0; 2048];
        let len = joining
            .request(UNKNOWN_DOMAIN, name, at, rng, &mut out)
            .unwrap();
        let grants = [grant(access)];
        let (enrolled, plan) = self
            .authority
            .enrol(&out[..len], &grants, YEAR, self.now / 1000, &mut self.rng)
            .unwrap();
        self.carry_out(plan);
        (joining, enrolled)
    }

    /// Members that were enrolled and never come.
    pub fn enrol_others(&mut self, count: usize) -> Vec<MemberNumber> {
        let mut rng = TestRng(900_000, false);
        let names = (0..count).map(|n| format!("other-{n}"));
        let numbers = names.map(|name| self.request(&name, Access::BOTH, &mut rng).1.number);
        let numbers = numbers.collect();
        self.tick_authority();
        numbers
    }

    pub fn add_board(&mut self, device: Sensor, rng: TestRng) -> usize {
        self.boards.push(Board {
            device: Box::new(device),
            store: Some(open(Nor::new(16))),
            is_dead: false,
            rng,
            online: false,
            has_clock: true,
            behind: 0,
            subscriptions: BTreeSet::new(),
            asked: Vec::new(),
            inbox: Vec::new(),
            rejected: Vec::new(),
            events: Vec::new(),
            waiting: Vec::new(),
            received: 0,
        });
        let board = self.boards.len() - 1;
        self.boards[board].store();
        board
    }

    /// A token for one device.
    pub fn token(&mut self, name: &str, access: Access) -> String {
        let spec = TokenSpec {
            grants: vec![grant(access)],
            name: NamePattern::parse(name).unwrap(),
            uses: 1,
            ttl: 3600,
            member_validity: YEAR,
            broker: String::new(),
        };
        let now = self.now / 1000;
        let (token, plan) = self
            .authority
            .create_token(&spec, now, &mut self.rng)
            .unwrap();
        self.carry_out(plan);
        token.to_uri().unwrap().to_string()
    }

    pub fn connect(&mut self, board: usize) {
        self.boards[board].online = true;
        let device = &self.boards[board].device;
        let prefix = device.prefix().to_owned();
        let filters: Vec<String> = device
            .subscriptions()
            .map(|f| f.under(&prefix).to_string())
            .collect();
        for filter in filters {
            self.subscribe(board, &filter);
        }
        self.boards[board].device.connected();
        self.settle(board);
        self.subscribe(board, "plant/#");
    }

    pub fn subscribe(&mut self, board: usize, filter: &str) {
        self.boards[board].subscriptions.insert(filter.into());
        let mut kept: Vec<(String, Vec<u8>)> = self
            .retained
            .iter()
            .filter(|(topic, _)| matches(filter, topic))
            .map(|(t, p)| (t.clone(), p.clone()))
            .collect();
        if self.backwards {
            kept.reverse();
        }
        for (topic, payload) in kept {
            self.deliver(board, &topic, &payload, true);
        }
    }

    pub fn deliver(&mut self, board: usize, topic: &str, payload: &[u8], retained: bool) {
        let at = self.clock(board);
        let this = &mut self.boards[board];
        // What is larger the broker drops.
        if topic.len() + payload.len() + MQTT > PACKET {
            return;
        }
        this.received += payload.len();
        if this.device.is_reserved(topic) {
            let mut buf = payload.to_vec();
            if let Ok(Some(event)) = this.device.handle(topic, &mut buf, at) {
                this.events.push(event);
            }
            this.store();
            self.settle(board);
        } else {
            self.open(board, topic, payload, retained);
            self.settle(board);
        }
    }

    fn open(&mut self, board: usize, topic: &str, payload: &[u8], retained: bool) {
        let at = self.clock(board);
        let this = &mut self.boards[board];
        let mut buf = payload.to_vec();
        match this.device.open(topic, retained, at, &mut buf) {
            Ok(message) => {
                let payload = message.payload().to_vec();
                this.store();
                if !this.is_dead {
                    this.inbox.push(payload);
                }
            }
            Err(rejection) if rejection.may_wait() => {
                assert_eq!(buf, payload, "left as it was");
                this.waiting.push((topic.into(), buf, retained));
            }
            Err(rejection) => this.rejected.push(rejection.name()),
        }
    }

    /// Subscribes and publishes what is due, and offers again what waits.
    pub fn settle(&mut self, board: usize) {
        let at = self.clock(board);
        for _ in 0..32 {
            let this = &mut self.boards[board];
            if !this.online {
                return;
            }
            let prefix = this.device.prefix().to_owned();
            if let Some(filter) = this.device.poll_unsubscribe() {
                let filter = filter.under(&prefix).to_string();
                this.subscriptions.remove(&filter);
                continue;
            }
            if let Some(filter) = this.device.poll_subscribe() {
                let filter = filter.under(&prefix).to_string();
                this.asked.push(filter.clone());
                self.subscribe(board, &filter);
                continue;
            }
            let mut out = [0; 1536];
            if let Some(sent) = this.device.poll_transmit(at, &mut out) {
                let topic = sent.topic.under(&prefix).to_string();
                self.publish_bytes(&topic, &out[..sent.len], sent.retain);
                self.boards[board].device.acknowledged(&sent.topic);
                continue;
            }
            let waiting = std::mem::take(&mut this.waiting);
            let before = waiting.len();
            for (topic, payload, retained) in waiting {
                self.open(board, &topic, &payload, retained);
            }
            if self.boards[board].waiting.len() >= before {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    pub fn maintain(&mut self, board: usize) {
        let at = self.clock(board);
        let this = &mut self.boards[board];
        this.device.maintain(at, &mut this.rng).unwrap();
        this.store();
        self.settle(board);
    }

    /// As after a power cut: only what is in flash is there.
    pub fn restart(&mut self, board: usize) {
        let this = &mut self.boards[board];
        let store = this.store.take().unwrap();
        let mut flash = store.into_driver();
        flash.left = None;
        let mut store = open(flash);
        let mut place = None;
        store.load(&mut place, &mut [0; SCRATCH_LEN]).unwrap();
        *this.device = place.unwrap();
        this.store = Some(store);
        this.is_dead = false;
        this.online = false;
        this.subscriptions.clear();
        this.waiting.clear();
    }

    pub fn seal(
        &mut self,
        board: usize,
        message: &Sealing<'_>,
        payload: &[u8],
    ) -> Result<Vec<u8>, sealmq_embedded::SealRefused> {
        let at = self.clock(board);
        let this = &mut self.boards[board];
        this.device.prepare(message, at, &mut this.rng)?;
        this.store();
        if message.short {
            self.settle(board);
        }
        let this = &mut self.boards[board];
        let room = this.device.room(message, payload.len(), at)?;
        let mut buf = vec![0; room.headroom];
        buf.extend_from_slice(payload);
        buf.resize(buf.len() + room.tailroom, 0);
        let range = this.device.seal(
            message,
            at,
            &mut buf,
            room.headroom..room.headroom + payload.len(),
        )?;
        Ok(buf[range].to_vec())
    }

    pub fn tick_authority(&mut self) {
        let plan = self.authority.tick(self.now / 1000, &mut self.rng).unwrap();
        self.carry_out(plan);
    }

    pub fn rotate(&mut self) {
        let plan = self
            .authority
            .rotate("plant", self.now / 1000, &mut self.rng)
            .unwrap();
        self.carry_out(plan);
    }

    pub fn remove(&mut self, number: MemberNumber) {
        self.remove_all(&[number]);
    }

    pub fn remove_all(&mut self, numbers: &[MemberNumber]) {
        let plan = self
            .authority
            .remove_all(numbers, self.now / 1000, &mut self.rng)
            .unwrap();
        self.carry_out(plan);
    }
}

pub fn grant(access: Access) -> GrantSpec {
    GrantSpec {
        group: "plant".into(),
        access,
        publish_filter: String::new(),
    }
}

fn open(flash: Flash) -> FlashStore<Flash, 53> {
    let region = flash.region();
    FlashStore::open(flash, region, Some(&Secret::new([7; 32]))).unwrap()
}

impl Board {
    /// Stores all that is due.
    pub fn store(&mut self) {
        let store = self.store.as_mut().unwrap();
        match store.save(&mut self.device, &mut [0; SCRATCH_LEN]) {
            Ok(()) => {}
            Err(FlashError::Driver(Cut) | FlashError::Failed) => {
                self.is_dead = true;
                self.online = false;
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub fn flash(&self) -> Flash {
        self.store.as_ref().unwrap().driver().clone()
    }

    /// The power goes after so much work of the flash.
    pub fn cut_after(&mut self, work: u64) {
        let mut flash = self.store.take().unwrap().into_driver();
        flash.left = Some(work);
        self.store = Some(open(flash));
    }
}
