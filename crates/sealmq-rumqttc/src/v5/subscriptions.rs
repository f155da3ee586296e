use std::collections::{BTreeMap, HashMap, VecDeque};

use rumqttc::v5::mqttbytes::v5::{Filter, SubAck, SubscribeReasonCode, UnsubAck};

/// The application's subscriptions, and what the broker said to each.
#[derive(Default)]
pub(super) struct Subscriptions {
    wanted: BTreeMap<String, Wanted>,
    /// Ended, and not confirmed yet.
    ended: Vec<String>,
    /// Given to rumqttc, which takes them and gives identifiers in this order.
    handed: VecDeque<Vec<String>>,
    handed_ends: VecDeque<String>,
    sent: HashMap<u16, Vec<String>>,
    sent_ends: HashMap<u16, String>,
}

struct Wanted {
    filter: Filter,
    confirmed: bool,
}

impl Subscriptions {
    pub(super) fn add(&mut self, filter: Filter) {
        self.ended.retain(|ended| *ended != filter.path);
        self.wanted.insert(
            filter.path.clone(),
            Wanted {
                filter,
                confirmed: false,
            },
        );
    }

    pub(super) fn remove(&mut self, filter: &str) {
        self.wanted.remove(filter);
        if !self.ended.iter().any(|ended| ended == filter) {
            self.ended.push(filter.to_owned());
        }
    }

    /// Topic filters of the shared subscriptions, without `$share/<name>/`.
    pub(super) fn shared(&self) -> Vec<String> {
        let rest = |path: &str| Some(path.strip_prefix("$share/")?.split_once('/')?.1.to_owned());
        self.wanted.keys().filter_map(|path| rest(path)).collect()
    }

    pub(super) fn disconnected(&mut self) {
        self.handed.clear();
        self.handed_ends.clear();
        self.sent.clear();
        self.sent_ends.clear();
    }

    /// What has to be sent when a connection begins: subscriptions, and ends of subscriptions. A
    /// broker that kept the session has those that it confirmed.
    pub(super) fn connected(&mut self, session_present: bool) -> (Vec<Filter>, Vec<String>) {
        if !session_present {
            self.ended.clear();
            self.wanted
                .values_mut()
                .for_each(|wanted| wanted.confirmed = false);
        }
        let missing = self.wanted.values().filter(|wanted| !wanted.confirmed);
        (
            missing.map(|wanted| wanted.filter.clone()).collect(),
            self.ended.clone(),
        )
    }

    pub(super) fn hand(&mut self, filters: Vec<String>) {
        self.handed.push_back(filters);
    }

    pub(super) fn hand_end(&mut self, filter: String) {
        self.handed_ends.push_back(filter);
    }

    pub(super) fn written(&mut self, packet: u16) {
        self.sent
            .extend(self.handed.pop_front().map(|filters| (packet, filters)));
    }

    pub(super) fn end_written(&mut self, packet: u16) {
        self.sent_ends
            .extend(self.handed_ends.pop_front().map(|filter| (packet, filter)));
    }

    /// What the broker said to each filter of a packet.
    pub(super) fn answered(&mut self, ack: &SubAck) -> Vec<(String, SubscribeReasonCode)> {
        let filters = self.sent.remove(&ack.pkid).unwrap_or_default();
        for (path, code) in filters.iter().zip(&ack.return_codes) {
            if let Some(wanted) = self.wanted.get_mut(path) {
                wanted.confirmed = matches!(code, SubscribeReasonCode::Success(_));
            }
        }
        filters
            .into_iter()
            .zip(ack.return_codes.iter().copied())
            .collect()
    }

    pub(super) fn end_answered(&mut self, ack: &UnsubAck) -> Option<String> {
        let filter = self.sent_ends.remove(&ack.pkid)?;
        self.ended.retain(|ended| *ended != filter);
        Some(filter)
    }
}
