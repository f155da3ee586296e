//! A broker that does its work, and lets anybody read and write everything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Retained, or on its way.
#[derive(Clone)]
pub(super) struct Packet {
    pub(super) topic: Arc<str>,
    pub(super) payload: Arc<[u8]>,
    pub(super) retain: bool,
}

/// What strangers have heard of a kind.
const MOST_HEARD: usize = 256;

#[derive(Default)]
pub(super) struct Broker {
    pub(super) retained: BTreeMap<Arc<str>, Arc<[u8]>>,
    exact: BTreeMap<String, BTreeSet<usize>>,
    patterns: BTreeMap<String, BTreeSet<usize>>,
    queues: Vec<VecDeque<Packet>>,
    busy: BTreeSet<usize>,
    /// Nobody reserved: what strangers have heard, the newest last.
    pub(super) heard: BTreeMap<&'static str, VecDeque<Packet>>,
}

impl Broker {
    pub(super) fn client(&mut self) -> usize {
        self.queues.push(VecDeque::new());
        self.queues.len() - 1
    }

    pub(super) fn publish(&mut self, topic: &str, payload: impl Into<Arc<[u8]>>, retain: bool) {
        let (topic, payload) = (Arc::<str>::from(topic), payload.into());
        if retain && payload.is_empty() {
            self.retained.remove(&topic);
        } else if retain {
            self.retained.insert(topic.clone(), payload.clone());
        }
        let exact = self.exact.get(&*topic).into_iter();
        let patterns = self.patterns.iter();
        let patterns = patterns.filter(|(filter, _)| matches(filter, &topic));
        let clients = exact.chain(patterns.map(|(_, clients)| clients)).flatten();
        let clients: BTreeSet<usize> = clients.copied().collect();
        for client in clients {
            self.deliver(client, topic.clone(), payload.clone(), false);
        }
    }

    fn deliver(&mut self, client: usize, topic: Arc<str>, payload: Arc<[u8]>, retain: bool) {
        self.busy.insert(client);
        self.queues[client].push_back(Packet {
            topic,
            payload,
            retain,
        });
    }

    pub(super) fn subscribe(&mut self, client: usize, filter: &str) {
        let pattern = filter.find(['+', '#']);
        let by = match pattern {
            Some(_) => &mut self.patterns,
            None => &mut self.exact,
        };
        by.entry(filter.to_owned()).or_default().insert(client);
        let literal = &filter[..pattern.unwrap_or(filter.len())];
        let literal = literal.strip_suffix('/').unwrap_or(literal);
        let found = self.retained.range(Arc::from(literal)..);
        let found = found.take_while(|(topic, _)| topic.starts_with(literal));
        let found = found.filter(|(topic, _)| matches(filter, topic));
        let found: Vec<_> = found.map(|(t, p)| (t.clone(), p.clone())).collect();
        for (topic, payload) in found {
            self.deliver(client, topic, payload, true);
        }
    }

    pub(super) fn unsubscribe(&mut self, client: usize, filter: &str) {
        for by in [&mut self.exact, &mut self.patterns] {
            if let Some(clients) = by.get_mut(filter) {
                clients.remove(&client);
                if clients.is_empty() {
                    by.remove(filter);
                }
            }
        }
    }

    pub(super) fn disconnect(&mut self, client: usize) {
        for by in [&mut self.exact, &mut self.patterns] {
            by.retain(|_, clients| {
                clients.remove(&client);
                !clients.is_empty()
            });
        }
        self.queues[client].clear();
        self.busy.remove(&client);
    }

    /// Somebody to whom something arrives.
    pub(super) fn next_busy(&self) -> Option<usize> {
        self.busy.first().copied()
    }

    /// Everything that arrives at a client.
    pub(super) fn arriving(&mut self, client: usize) -> VecDeque<Packet> {
        self.busy.remove(&client);
        std::mem::take(&mut self.queues[client])
    }

    /// Strangers remember it.
    pub(super) fn hear(&mut self, kind: &'static str, topic: &str, payload: &[u8]) {
        let heard = self.heard.entry(kind).or_default();
        if heard.len() == MOST_HEARD {
            heard.pop_front();
        }
        heard.push_back(Packet {
            topic: topic.into(),
            payload: payload.into(),
            retain: false,
        });
    }

    /// Something of that kind, chosen by a number.
    pub(super) fn heard(&self, kind: &str, number: u64) -> Option<&Packet> {
        let heard = self.heard.get(kind)?;
        heard.get(number as usize % heard.len().max(1))
    }
}

/// MQTT 5 §4.7, for topics that do not begin with `$`.
fn matches(filter: &str, topic: &str) -> bool {
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}
