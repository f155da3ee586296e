//! Offices beside each other, at one broker and on one store, in virtual time.

mod crowded;
mod joins;
mod reading;
mod repair;
mod sabotage;
mod slow_broker;
mod standby;
mod store;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem::take;
use std::time::Duration;

use sealmq_authority::office::{Moment, Office, OfficeError, OfficeEvent, SharedStore, Transmit};
use sealmq_authority::{Authority, Plan};
use sealmq_core::object::Access;
use sealmq_core::topic::{Filter, Topic};
use sealmq_keys::{Change, Changes, Conflict, Publication, Store};
use zeroize::Zeroizing;

use crate::common::{MemoryStore, TestRng};
use crate::net::{Net, START};

/// How long a step of virtual time is, in milliseconds.
const STEP: u64 = 50;

/// What one process has of an office: the office, and a connection that may stall.
pub struct Post {
    pub office: Office,
    /// The store as it was after the last look.
    seen: Option<BTreeMap<String, Vec<u8>>>,
    pub online: bool,
    /// It has stopped between its looks and what it would send.
    pub mute: bool,
    /// Its commits are durable only when it opens the store the next time.
    pub lazy: bool,
    /// It does not hear what the broker retains.
    pub blind: bool,
    /// Publications on these topics are acknowledged and get lost.
    pub loses: BTreeSet<String>,
    /// Its work at the store takes two seconds.
    pub slow: bool,
    /// The broker passes nothing on to it.
    pub deaf: bool,
    /// The process does not run.
    pub stalled: bool,
    /// What it sends stays in its socket.
    pub holds: bool,
    pub held: Vec<Publication>,
    /// Everything that it handed over, with the time.
    pub sent: Vec<(u64, Publication)>,
    pub events: Vec<OfficeEvent>,
    pub error: Option<String>,
    /// What a lazy process has not written yet.
    late: Option<MemoryStore>,
    filters: BTreeSet<String>,
    queue: VecDeque<(String, Vec<u8>, bool)>,
    /// When an acknowledgement comes, and for which token.
    answers: Vec<(u64, u64)>,
    /// After how many milliseconds the broker acknowledges.
    pub acknowledges_after: u64,
    /// What the broker says to publications on these topics.
    pub refuses: BTreeSet<String>,
    pub refuses_subscriptions: bool,
    rng: TestRng,
}

/// A broker, its devices and some offices.
pub struct Street {
    pub net: Net,
    pub posts: Vec<Post>,
    /// So many of the broker's publications were passed on.
    passed: usize,
    /// Another process acts at the next commit.
    pub interferes: Option<fn(&mut Authority, &mut TestRng) -> Plan>,
    /// The store was opened.
    worked: bool,
    /// How often all of the outbox was read.
    pub outbox_reads: usize,
}

impl Street {
    /// One office, connected, and a group `plant`.
    pub fn new() -> Self {
        Self::of(Net::new())
    }

    pub fn of(net: Net) -> Self {
        let mut street = Self {
            passed: net.log.len(),
            net,
            posts: Vec::new(),
            interferes: None,
            worked: false,
            outbox_reads: 0,
        };
        street.open();
        street
    }

    /// One more office on the store, connected.
    pub fn open(&mut self) -> usize {
        let post = self.posts.len();
        self.posts.push(Post {
            office: Office::new(),
            seen: None,
            online: false,
            mute: false,
            deaf: false,
            slow: false,
            lazy: false,
            blind: false,
            loses: BTreeSet::new(),
            late: None,
            stalled: false,
            holds: false,
            held: Vec::new(),
            sent: Vec::new(),
            events: Vec::new(),
            error: None,
            filters: BTreeSet::new(),
            queue: VecDeque::new(),
            answers: Vec::new(),
            acknowledges_after: 0,
            refuses: BTreeSet::new(),
            refuses_subscriptions: false,
            rng: TestRng::new(900 + post as u64),
        });
        self.connect(post);
        post
    }

    pub fn connect(&mut self, post: usize) {
        let now = self.now();
        let this = &mut self.posts[post];
        this.filters.clear();
        this.queue.clear();
        this.answers.clear();
        this.online = true;
        this.office.handle_connected(now);
    }

    pub fn disconnect(&mut self, post: usize) {
        self.posts[post].online = false;
        self.posts[post].office.handle_disconnected();
    }

    pub fn now(&self) -> Moment {
        Moment {
            elapsed: Duration::from_millis(self.net.now - START * 1000),
            unix: self.net.now / 1000,
        }
    }

    /// A command: it changes the store, and sends nothing.
    pub fn command(&mut self, change: impl FnOnce(&mut Authority, u64, &mut TestRng) -> Plan) {
        let store = &mut self.net.authority_store;
        let mut authority = Authority::load(store).unwrap();
        let plan = change(&mut authority, self.net.now / 1000, &mut self.net.rng);
        store.commit(&plan.changes).unwrap();
    }

    pub fn remove(&mut self, device: usize) {
        let number = self.net.number(device);
        self.command(|a, now, rng| a.remove(number, now, rng).unwrap());
    }

    /// A device that is enrolled by a command, and connected.
    pub fn join(&mut self, name: &str, access: Access) -> usize {
        self.net.authority = Authority::load(&self.net.authority_store).unwrap();
        self.net.join(name, access)
    }

    /// Lets so many milliseconds pass.
    pub fn pass(&mut self, millis: u64) {
        for _ in 0..millis.div_ceil(STEP) {
            self.net.now += STEP;
            self.pass_on();
            for post in 0..self.posts.len() {
                self.play(post);
            }
        }
        self.pass_on();
    }

    /// As [`Street::pass`], with the devices' clocks.
    pub fn pass_all(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.pass(1000);
            for device in 0..self.net.devices.len() {
                if self.net.devices[device].online {
                    self.net.tick(device);
                }
            }
        }
    }

    /// What was published reaches the offices that have subscribed it.
    fn pass_on(&mut self) {
        for publication in &self.net.log[self.passed..] {
            let Publication { topic, payload, .. } = publication;
            for post in self
                .posts
                .iter_mut()
                .filter(|post| post.online && !post.deaf)
            {
                if post.filters.iter().any(|filter| matches(filter, topic)) {
                    post.queue
                        .push_back((topic.clone(), payload.clone(), false));
                }
            }
        }
        self.passed = self.net.log.len();
    }

    fn play(&mut self, post: usize) {
        let mut now = self.now();
        let this = &mut self.posts[post];
        if !this.online || this.stalled {
            return;
        }
        let later = |(due, _): &(u64, u64)| *due > self.net.now;
        let (later, answers) = take(&mut this.answers).into_iter().partition(later);
        this.answers = later;
        for (_, token) in answers {
            this.office.handle_ack(token, None);
        }
        for (topic, payload, retain) in take(&mut this.queue) {
            this.office.handle_publish(now, &topic, &payload, retain);
        }
        if this
            .office
            .poll_timeout()
            .is_some_and(|due| due <= now.elapsed)
        {
            let mut shared = Cabinet {
                store: &mut self.net.authority_store,
                seen: &mut this.seen,
                interferes: &mut self.interferes,
                worked: &mut self.worked,
                outbox_reads: &mut self.outbox_reads,
                lazy: this.lazy.then_some(&mut this.late),
            };
            let done = this.office.handle_timeout(now, &mut shared, &mut this.rng);
            if let Err(error) = done {
                this.error = Some(match error {
                    OfficeError::Suspended(_) => "suspended".into(),
                    other => other.to_string(),
                });
                this.online = false;
            }
        }
        if self.posts[post].slow && take(&mut self.worked) {
            self.net.now += 2000;
            now = self.now();
        }
        while let Some(event) = self.posts[post].office.poll_event() {
            self.posts[post].events.push(event);
        }
        if self.posts[post].online && !self.posts[post].mute {
            while let Some(transmit) = self.posts[post].office.poll_transmit(now) {
                self.carry(post, transmit);
            }
        }
    }

    fn carry(&mut self, post: usize, transmit: Transmit) {
        let now = self.now();
        let this = &mut self.posts[post];
        match transmit {
            Transmit::Subscribe { filters, .. } => {
                assert!(filters.len() <= 8);
                if this.refuses_subscriptions {
                    this.office.handle_subscribed(now, Some("no".into()));
                    return;
                }
                for filter in filters {
                    let retained = self.net.retained.iter();
                    let matching = retained.filter(|(topic, _)| matches(&filter, topic));
                    let matching = matching.map(|(t, p)| (t.clone(), p.clone(), true));
                    let heard = matching.filter(|_| !this.blind);
                    this.queue.extend(heard);
                    this.filters.insert(filter);
                }
                this.office.handle_subscribed(now, None);
            }
            Transmit::Publish { token, publication } => {
                this.sent.push((self.net.now, publication.clone()));
                let acknowledged = (self.net.now + this.acknowledges_after, token);
                if this.refuses.contains(&publication.topic) {
                    this.office.handle_ack(token, Some("no".into()));
                } else if this.loses.contains(&publication.topic) {
                    this.answers.push(acknowledged);
                } else if this.holds {
                    this.held.push(publication);
                } else {
                    this.answers.push(acknowledged);
                    self.net.publish(publication);
                }
            }
        }
    }

    /// What is in the socket of an office that stalled arrives at the broker.
    pub fn release(&mut self, post: usize) {
        for publication in take(&mut self.posts[post].held) {
            self.net.publish(publication);
        }
    }

    /// What the store wants to stand at the broker, and does not.
    pub fn wrong(&self) -> Vec<String> {
        let authority = Authority::load(&self.net.authority_store).unwrap();
        let outbox = authority.outbox(&self.net.authority_store).unwrap();
        let stands = |entry: &Publication| {
            let retained = self.net.retained.get(&entry.topic);
            retained.map_or(&[][..], Vec::as_slice) == entry.payload
        };
        let wrong = outbox.into_iter().filter(|entry| !stands(entry));
        wrong.map(|entry| entry.topic).collect()
    }

    pub fn published(&mut self, post: usize) -> Vec<Publication> {
        let sent = take(&mut self.posts[post].sent);
        sent.into_iter()
            .map(|(_, publication)| publication)
            .collect()
    }

    /// What the store has on a topic.
    pub fn stored(&self, topic: &str) -> &Vec<u8> {
        &self.net.authority_store.0[&format!("outbox/{topic}")]
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    let topic = Topic::new(topic).unwrap();
    Filter::new(filter).unwrap().matches(topic)
}

/// The store of [`Net`], as one process sees it.
struct Cabinet<'a> {
    store: &'a mut MemoryStore,
    seen: &'a mut Option<BTreeMap<String, Vec<u8>>>,
    interferes: &'a mut Option<fn(&mut Authority, &mut TestRng) -> Plan>,
    worked: &'a mut bool,
    outbox_reads: &'a mut usize,
    lazy: Option<&'a mut Option<MemoryStore>>,
}

impl SharedStore for Cabinet<'_> {
    type Store = Interfered;

    fn has_changed(&mut self) -> Result<Option<bool>, Conflict> {
        Ok(Some(self.seen.as_ref() != Some(&self.store.0)))
    }

    fn with<T>(&mut self, work: impl FnOnce(&mut Interfered) -> T) -> Result<Option<T>, Conflict> {
        if let Some(late) = &mut self.lazy {
            *self.store = late.take().unwrap_or_else(|| self.store.clone());
        }
        let durable = self.store.clone();
        let reads = Cell::new(0);
        let mut store = Interfered(take(self.store), self.interferes.take(), reads);
        let done = work(&mut store);
        *self.outbox_reads += store.2.get();
        *self.store = store.0;
        *self.interferes = store.1;
        if let Some(late) = &mut self.lazy {
            **late = Some(std::mem::replace(self.store, durable));
        }
        *self.seen = Some(self.store.0.clone());
        *self.worked = true;
        Ok(Some(done))
    }
}

/// A store in which another process may act just before a commit.
struct Interfered(
    MemoryStore,
    Option<fn(&mut Authority, &mut TestRng) -> Plan>,
    Cell<usize>,
);

impl Store for Interfered {
    type Error = Conflict;

    fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Conflict> {
        self.0.get(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>, Conflict> {
        self.2.set(self.2.get() + usize::from(prefix == "outbox/"));
        self.0.list(prefix)
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), Conflict> {
        let counts = changes.iter().any(|c| matches!(c, Change::Put { .. }));
        if let Some(change) = self.1.take_if(|_| counts) {
            let mut other = Authority::load(&self.0).unwrap();
            let plan = change(&mut other, &mut TestRng::new(77));
            self.0.commit(&plan.changes).unwrap();
        }
        self.0.commit(changes)
    }

    fn is_conflict(_: &Conflict) -> bool {
        true
    }
}
