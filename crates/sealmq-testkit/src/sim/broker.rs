//! A broker that does what it likes with what it carries: everything except forging signatures.

use std::collections::{BTreeMap, BTreeSet};

use sealmq_core::topic::{Filter, Topic};
use sealmq_keys::{Publication, ReservedTopic};

use super::Dice;
use super::report::Report;

/// Something on its way to a client.
pub(super) struct Delivery {
    /// First step in which it may arrive.
    at: u64,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) retain: bool,
}

#[derive(Default)]
pub(super) struct Client {
    pub(super) online: bool,
    filters: BTreeSet<String>,
    queue: Vec<Delivery>,
    /// Until this step nothing on reserved topics gets through.
    pub(super) withheld: u64,
    /// Until this step subscriptions are answered with old retained objects: a forked view.
    pub(super) forked: u64,
    /// What it sees of reserved topics for a while.
    pub(super) only: Only,
    /// Whatever happens to others, it gets everything.
    pub(super) favoured: bool,
    /// Until this step it gets no welcomes.
    pub(super) unwelcome: u64,
    /// Until this step it gets no lists of kept keys.
    pub(super) unlisted: u64,
}

/// A delegation, and nothing that follows from it.
#[derive(Default, Clone, Copy)]
pub(super) struct Only {
    pub(super) until: u64,
    /// Credentials get through, too.
    pub(super) credentials: bool,
}

impl Client {
    /// Whether something on a reserved topic is kept from it.
    fn lacks(&self, step: u64, topic: &str) -> bool {
        let passes = topic.ends_with("/delegation")
            || (self.only.credentials && topic.ends_with("/credential"));
        self.withheld > step
            || (self.only.until > step && !passes)
            || (self.unwelcome > step && topic.contains("/w/"))
            || (self.unlisted > step && topic.ends_with("/k"))
    }
}

pub(super) struct Broker {
    pub(super) hostile: bool,
    pub(super) step: u64,
    pub(super) prefix: String,
    pub(super) retained: BTreeMap<String, Vec<u8>>,
    /// Everything ever published.
    pub(super) log: Vec<Publication>,
    /// What was retained on a topic, in order.
    pub(super) history: BTreeMap<String, Vec<Vec<u8>>>,
    pub(super) clients: Vec<Client>,
}

fn matches(filter: &str, topic: &str) -> bool {
    // Most topics differ before the first wildcard, and to parse both takes longer.
    let literal = filter.split(['+', '#']).next().unwrap_or_default();
    let literal = literal.strip_suffix('/').unwrap_or(literal);
    if !topic.starts_with(literal) {
        return false;
    }
    Filter::new(filter)
        .unwrap()
        .matches(Topic::new(topic).unwrap())
}

impl Broker {
    pub(super) fn new(hostile: bool, prefix: &str) -> Self {
        Self {
            hostile,
            step: 0,
            prefix: prefix.into(),
            retained: BTreeMap::new(),
            log: Vec::new(),
            history: BTreeMap::new(),
            clients: Vec::new(),
        }
    }

    pub(super) fn is_reserved(&self, topic: &str) -> bool {
        sealmq_keys::is_reserved(&self.prefix, topic)
    }

    pub(super) fn publish(&mut self, publication: Publication, dice: &mut Dice, seen: &mut Report) {
        let Publication {
            topic,
            payload,
            retain,
        } = &publication;
        if *retain && payload.is_empty() {
            self.retained.remove(topic);
        } else if *retain {
            let history = self.history.entry(topic.clone()).or_default();
            if history.last() != Some(payload) {
                history.push(payload.clone());
            }
            if self.hostile && dice.one_in(40) {
                seen.fault("forget retained");
            } else {
                self.retained.insert(topic.clone(), payload.clone());
            }
        }
        for client in 0..self.clients.len() {
            let this = &self.clients[client];
            if this.online && this.filters.iter().any(|filter| matches(filter, topic)) {
                self.send(client, topic, payload, false, dice, seen);
            }
        }
        if !payload.is_empty() {
            self.log.push(publication);
        }
    }

    /// Puts something on its way to a client, or does not.
    fn send(
        &mut self,
        client: usize,
        topic: &str,
        payload: &[u8],
        retain: bool,
        dice: &mut Dice,
        seen: &mut Report,
    ) {
        let step = self.step;
        let reserved = topic.starts_with(&self.prefix);
        let this = &mut self.clients[client];
        if reserved && !this.favoured && this.lacks(step, topic) {
            return seen.fault("withhold");
        }
        let harms = self.hostile && !this.favoured;
        let roll = if harms { dice.below(100) } else { 100 };
        let mut delivery = Delivery {
            at: step,
            topic: topic.into(),
            payload: payload.to_vec(),
            retain,
        };
        match roll {
            0..=5 => return seen.fault("drop"),
            6..=13 => {
                delivery.at += 1 + dice.below(20);
                seen.fault("delay");
            }
            14..=18 => {
                let copy = Delivery {
                    topic: topic.into(),
                    payload: payload.to_vec(),
                    ..delivery
                };
                this.queue.push(copy);
                seen.fault("duplicate");
            }
            19..=24 => {
                this.queue.insert(0, delivery);
                return seen.fault("reorder");
            }
            _ => {}
        }
        this.queue.push(delivery);
    }

    /// Gives a client something, whoever has published it.
    pub(super) fn inject(&mut self, client: usize, topic: &str, payload: &[u8], retain: bool) {
        let at = self.step;
        self.clients[client].queue.push(Delivery {
            at,
            topic: topic.into(),
            payload: payload.to_vec(),
            retain,
        });
    }

    pub(super) fn subscribe(
        &mut self,
        client: usize,
        filter: &str,
        dice: &mut Dice,
        seen: &mut Report,
    ) {
        self.clients[client].filters.insert(filter.into());
        let this = &self.clients[client];
        let forked = self.hostile && !this.favoured && this.forked > self.step;
        let found = self.retained.iter().filter(|(t, _)| matches(filter, t));
        let mut found: Vec<(String, Vec<u8>)> =
            found.map(|(t, p)| (t.clone(), p.clone())).collect();
        for (topic, payload) in &mut found {
            let history = self.history.get(topic).filter(|h| forked && h.len() > 1);
            if let Some(history) = history {
                *payload = history[dice.index(history.len() - 1)].clone();
                seen.fault("fork");
            }
            self.send(client, topic, payload, true, dice, seen);
        }
    }

    pub(super) fn unsubscribe(&mut self, client: usize, filter: &str) {
        self.clients[client].filters.remove(filter);
    }

    /// Ends a connection: what was on its way is lost, and the subscriptions end.
    pub(super) fn disconnect(&mut self, client: usize) {
        let this = &mut self.clients[client];
        this.online = false;
        this.filters.clear();
        this.queue.clear();
    }

    /// Loses a retained object, and perhaps says so to those who are connected.
    pub(super) fn clear(&mut self, dice: &mut Dice, seen: &mut Report) {
        let topics: Vec<String> = self.retained.keys().cloned().collect();
        if topics.is_empty() {
            return;
        }
        let topic = &topics[dice.index(topics.len())];
        self.retained.remove(topic);
        seen.fault("clear");
        for client in 0..self.clients.len() {
            if self.clients[client].online && dice.one_in(2) {
                self.inject(client, topic, b"", false);
            }
        }
    }

    /// Plays something old to a client once more, as it was or with one fault.
    pub(super) fn replay(&mut self, client: usize, dice: &mut Dice, seen: &mut Report) {
        if self.log.is_empty() || !self.clients[client].online {
            return;
        }
        let late = dice.one_in(2);
        let from = if late { self.log.len() / 8 * 7 } else { 0 };
        let index = from + dice.index(self.log.len() - from);
        let Publication { topic, payload, .. } = self.log[index].clone();
        let mut payload = payload;
        let mut topic = topic;
        match dice.below(12) {
            0 => {
                let bit = dice.index(payload.len() * 8);
                payload[bit / 8] ^= 1 << (bit % 8);
                seen.fault("flip a bit");
            }
            1 => {
                payload.truncate(dice.index(payload.len()));
                seen.fault("cut");
            }
            2 if !topic.starts_with(&self.prefix) => {
                topic = "plant/elsewhere".into();
                seen.fault("move to another topic");
            }
            3 if !topic.starts_with(&self.prefix) => {
                payload = b"in clear".to_vec();
                seen.fault("inject clear text");
            }
            4 if !topic.starts_with(&self.prefix) => {
                // The short form, and a reserved one (spec/envelope.md).
                payload[0] = if dice.one_in(2) { 0x91 } else { 0x92 };
                seen.fault("inject another form");
            }
            _ => seen.fault("replay"),
        }
        let retain = dice.one_in(3);
        self.inject(client, &topic, &payload, retain);
    }

    /// What arrives at a client now, oldest first.
    pub(super) fn arriving(&mut self, client: usize) -> Option<Delivery> {
        let step = self.step;
        let queue = &mut self.clients[client].queue;
        let next = queue.iter().position(|delivery| delivery.at <= step)?;
        Some(queue.remove(next))
    }

    /// Whether announcements are about to arrive at a client.
    pub(super) fn announces(&self, client: usize) -> bool {
        let arriving = |delivery: &Delivery| delivery.at <= self.step;
        let announces = |delivery: &Delivery| {
            let topic = ReservedTopic::parse(&self.prefix, &delivery.topic);
            matches!(topic, Some(ReservedTopic::Announcement(..)))
        };
        let mut queue = self.clients[client].queue.iter();
        queue.any(|delivery| arriving(delivery) && announces(delivery))
    }

    /// From now on it does its work, and delivers what it held back.
    pub(super) fn behave(&mut self) {
        self.hostile = false;
        for client in &mut self.clients {
            client.withheld = 0;
            client.forked = 0;
            client.only = Only::default();
            client.unwelcome = 0;
            client.unlisted = 0;
            client.queue.iter_mut().for_each(|delivery| delivery.at = 0);
        }
    }
}
