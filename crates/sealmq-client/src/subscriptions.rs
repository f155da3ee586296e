use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::topic::{self, TopicError};
use sealmq_keys::is_reserved;

use crate::error::ClientError;
use crate::subscription::Subscription;
use crate::trials::{GivenUp, Trials};
use crate::wire::Qos;

/// Whether an application may subscribe a filter, or end its subscription. `prefix` is that of the
/// reserved topics.
///
/// # Errors
/// It is not valid, or it belongs to key management.
pub fn check_filter(prefix: &str, filter: &str) -> Result<(), ClientError> {
    let topics = match filter.strip_prefix("$share/") {
        // A share name is one level without wildcards, and not empty.
        Some(rest) => match rest.split_once('/') {
            Some((name, topics)) if !name.is_empty() && !name.contains(['+', '#']) => topics,
            _ => return Err(ClientError::Topic(TopicError::WildcardPosition)),
        },
        None => filter,
    };
    topic::Filter::new(topics).map_err(ClientError::Topic)?;
    if is_reserved(prefix, topics) {
        Err(ClientError::Reserved)
    } else {
        Ok(())
    }
}

/// The application's subscriptions, and what the broker said to each.
#[derive(Default)]
pub(crate) struct Subscriptions {
    wanted: BTreeMap<String, Wanted>,
    /// Ended, and not confirmed yet.
    ended: Vec<String>,
    /// Given to the driver, which takes them and gives identifiers in this order.
    handed: VecDeque<Vec<String>>,
    handed_ends: VecDeque<String>,
    sent: BTreeMap<u16, Vec<String>>,
    sent_ends: BTreeMap<u16, String>,
    trials: Trials,
}

struct Wanted {
    subscription: Subscription,
    confirmed: bool,
    /// The application knows that it was refused.
    told: bool,
}

impl Subscriptions {
    pub(crate) fn add(&mut self, subscription: Subscription) {
        self.begin(&subscription.filter);
        self.trials.forgive(&subscription.filter);
        self.wanted.insert(
            subscription.filter.clone(),
            Wanted {
                subscription,
                confirmed: false,
                told: false,
            },
        );
    }

    pub(crate) fn remove(&mut self, filter: &str) {
        self.wanted.remove(filter);
        self.end(filter);
    }

    /// It is to end, on this connection or on a later one.
    pub(crate) fn end(&mut self, filter: &str) {
        self.trials.forgive(filter);
        if !self.ended.iter().any(|ended| ended == filter) {
            self.ended.push(filter.to_owned());
        }
    }

    /// It is subscribed again.
    pub(crate) fn begin(&mut self, filter: &str) {
        self.ended.retain(|ended| ended != filter);
    }

    /// Topic filters of the shared subscriptions, without `$share/<name>/`.
    pub(crate) fn shared(&self) -> Vec<String> {
        let rest = |path: &str| Some(path.strip_prefix("$share/")?.split_once('/')?.1.to_owned());
        self.wanted.keys().filter_map(|path| rest(path)).collect()
    }

    /// The connection is gone. What the broker will not take, if it `broke` and that is clear now.
    pub(crate) fn disconnected(&mut self, broke: bool) -> Option<GivenUp> {
        let handed = core::mem::take(&mut self.handed).into_iter();
        let sent = core::mem::take(&mut self.sent).into_values();
        let unanswered = sent.chain(handed).flatten();
        let unanswered = unanswered.filter(|_| broke).collect();
        self.handed_ends.clear();
        self.sent_ends.clear();
        self.trials.ended(unanswered)
    }

    /// The packets for these filters that may be sent now, and how many will be sent in all.
    pub(crate) fn packets(
        &mut self,
        filters: Vec<Subscription>,
    ) -> (Vec<Vec<Subscription>>, usize) {
        self.trials.packets(filters)
    }

    /// The next packet of those that wait for answers to others.
    pub(crate) fn next_packet(&mut self) -> Option<Vec<Subscription>> {
        self.trials.next().map(|wanted| alloc::vec![wanted])
    }

    /// Whether the application does not know yet that this was refused.
    pub(crate) fn tell_refused(&mut self, filter: &str) -> bool {
        let wanted = self.wanted.get_mut(filter);
        wanted.is_none_or(|wanted| !core::mem::replace(&mut wanted.told, true))
    }

    /// What has to be sent when a connection begins: subscriptions, and ends of subscriptions. A
    /// broker that kept the session has those that it confirmed.
    pub(crate) fn connected(&mut self, session_present: bool) -> (Vec<Subscription>, Vec<String>) {
        if !session_present {
            self.ended.clear();
            self.wanted
                .values_mut()
                .for_each(|wanted| wanted.confirmed = false);
        }
        let confirmed = self.wanted.values().filter(|wanted| wanted.confirmed);
        self.trials.kept(confirmed.count());
        let missing = self.wanted.values().filter(|wanted| !wanted.confirmed);
        (
            missing.map(|wanted| wanted.subscription.clone()).collect(),
            self.ended.clone(),
        )
    }

    pub(crate) fn hand(&mut self, filters: Vec<String>) {
        self.handed.push_back(filters);
    }

    pub(crate) fn hand_end(&mut self, filter: String) {
        self.handed_ends.push_back(filter);
    }

    pub(crate) fn written(&mut self, packet: u16) {
        self.sent
            .extend(self.handed.pop_front().map(|filters| (packet, filters)));
    }

    pub(crate) fn end_written(&mut self, packet: u16) {
        self.sent_ends
            .extend(self.handed_ends.pop_front().map(|filter| (packet, filter)));
    }

    /// What the broker said to each filter of a packet: granted, or refused with a reason code.
    pub(crate) fn answered(
        &mut self,
        packet: u16,
        answers: &[Result<Qos, u8>],
    ) -> Vec<(String, Result<Qos, u8>)> {
        let Some(filters) = self.sent.remove(&packet) else {
            return Vec::new();
        };
        self.trials.answered(&filters, answers);
        for (filter, answer) in filters.iter().zip(answers) {
            if let Some(wanted) = self.wanted.get_mut(filter) {
                wanted.confirmed = answer.is_ok();
                wanted.told &= answer.is_err();
            }
        }
        filters.into_iter().zip(answers.iter().copied()).collect()
    }

    pub(crate) fn end_answered(&mut self, packet: u16) -> Option<String> {
        let filter = self.sent_ends.remove(&packet)?;
        self.ended.retain(|ended| *ended != filter);
        Some(filter)
    }
}
