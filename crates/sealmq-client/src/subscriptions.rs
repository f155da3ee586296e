use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::topic::{self, TopicError};
use sealmq_keys::is_reserved;

use crate::error::ClientError;
use crate::subscription::Subscription;
use crate::trials::{LeftOut, Trials};
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
    /// A connection ended at an UNSUBSCRIBE, or may have: they go out one by one, after everything
    /// that is subscribed.
    ends_alone: bool,
    /// Those whose turn comes on this connection.
    waiting_ends: VecDeque<String>,
    /// One of them has no answer yet.
    end_open: bool,
    /// How often each, alone, ended a connection.
    strikes: BTreeMap<String, u8>,
}

/// So often an UNSUBSCRIBE has to end the connection.
const ENOUGH: u8 = 3;

/// What the end of a connection says of what was not answered.
pub(crate) enum Verdict {
    /// Filters that are not subscribed any more.
    LeftOut(LeftOut),
    /// The broker refused a filter with a code that the library cannot read, and it is not
    /// subscribed any more.
    Refused(String, u8),
    /// It answered an UNSUBSCRIBE with such a code.
    Ended(String),
    /// It ends the connection at this UNSUBSCRIBE, which is not sent any more.
    EndsConnections(String),
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
        self.waiting_ends.retain(|ended| ended != filter);
    }

    /// Topic filters of the shared subscriptions, without `$share/<name>/`.
    pub(crate) fn shared(&self) -> Vec<String> {
        let rest = |path: &str| Some(path.strip_prefix("$share/")?.split_once('/')?.1.to_owned());
        self.wanted.keys().filter_map(|path| rest(path)).collect()
    }

    /// The connection is gone, perhaps by an `answer` that the library could not read. What the
    /// broker will not take, if it `broke` and that is clear now.
    pub(crate) fn disconnected(&mut self, broke: bool, answer: Option<u8>) -> Option<Verdict> {
        let handed = core::mem::take(&mut self.handed).into_iter();
        let sent: Vec<_> = core::mem::take(&mut self.sent).into_values().collect();
        let mut ends = core::mem::take(&mut self.sent_ends).into_values();
        self.handed_ends.clear();
        self.waiting_ends.clear();
        self.end_open = false;
        let (end, more) = (ends.next(), ends.next().is_some());
        let alone = broke && end.is_some() && sent.is_empty() && !more;
        self.ends_alone |= broke && end.is_some();
        let only = match (&*sent, &end) {
            ([filters], None) if filters.len() == 1 => filters.first().cloned(),
            _ => None,
        };
        let unanswered = sent.into_iter().chain(handed).flatten();
        let unanswered = unanswered.filter(|_| broke).collect();
        let given_up = self.trials.ended(unanswered);
        if let (Some(code), Some(filter)) = (answer, only) {
            self.trials.give_up(&filter);
            return Some(Verdict::Refused(filter, code));
        }
        if let Some(filter) = end.filter(|_| alone) {
            let strikes = self.strikes.entry(filter.clone()).or_default();
            *strikes = strikes.saturating_add(1);
            let often = *strikes >= ENOUGH;
            if answer.is_some() || often {
                self.strikes.remove(&filter);
                self.ended.retain(|ended| *ended != filter);
            }
            if answer.is_some() {
                return Some(Verdict::Ended(filter));
            }
            if often {
                return Some(Verdict::EndsConnections(filter));
            }
        }
        given_up.map(Verdict::LeftOut)
    }

    /// Whether an UNSUBSCRIBE may be sent now; if not, its turn comes.
    pub(crate) fn may_end(&mut self, filter: &str) -> bool {
        if self.ends_alone {
            self.waiting_ends.push_back(filter.to_owned());
        }
        !self.ends_alone
    }

    /// The next UNSUBSCRIBE of those that go out alone.
    pub(crate) fn next_end(&mut self) -> Option<String> {
        if !self.trials.is_idle() || self.end_open {
            return None;
        }
        let filter = self.waiting_ends.pop_front();
        self.end_open = filter.is_some();
        filter
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
        self.end_open = false;
        self.strikes.remove(&filter);
        self.ended.retain(|ended| *ended != filter);
        Some(filter)
    }
}
