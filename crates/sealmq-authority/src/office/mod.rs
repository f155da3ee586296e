//! The authority's loop, sans-IO: keeps the retained objects at a broker as the store wants them,
//! and takes what members write. Sockets, clocks, randomness and the store are the caller's.
//!
//! One connection, one rule. After it was made ([`Office::handle_connected`]) the office looks at
//! the store, subscribes, and reads everything that the broker has of its own: its store may be an
//! old copy, or another office may have been at work since. Then it reads the store's head again,
//! takes what was read, and only then publishes: what it did not see at the broker, or saw
//! differently. What others retain is subscribed then, so that nothing of it has to be kept. Later it publishes nothing on a look that is older than a second. So of two
//! offices on one store either may stall at any point: what it sends late is put right by the
//! other one, which reads it, and by itself.
//!
//! Nothing is sent before it was committed: what a plan publishes comes out of the store's own
//! outbox afterwards, in the piece of work that committed it.
//!
//! A driver repeats: [`Office::handle_timeout`] when [`Office::poll_timeout`] says so, then
//! [`Office::poll_transmit`] and [`Office::poll_event`] until there is no more; and gives the
//! office what arrives.

mod desk;
mod differences;
mod echoes;
mod event;
mod lanes;
mod packets;
mod reading;
mod waiting;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::sha256;
use sealmq_keys::{ReservedTopic, is_reserved};

pub use event::{Moment, OfficeError, OfficeEvent, Transmit, Unfinished};
pub use packets::Packets;
pub use sealmq_keys::{SharedError, SharedStore};

use crate::machine::AuthorityEvent;
use desk::{Desk, Looked, Wanted};
use differences::{Acknowledged, Differences};
use echoes::Echoes;

/// How often the store is looked at: an upper bound for how long a removal waits here.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Nothing is sent on an older look at the store.
const FRESH: Duration = Duration::from_secs(1);
/// What the broker refused is tried again after this time, in case its access list was changed.
const REFUSED_AGAIN: Duration = Duration::from_secs(60);
/// Events about refused inputs at a time: strangers cause them.
const REFUSED_EVENTS: usize = 8;
/// A broker that takes longer for the answer to a publication has lost it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
/// Filters in one packet: some brokers close the connection at a ninth.
const MOST_FILTERS: usize = 8;

/// Keeps a broker's retained objects as the store wants them.
pub struct Office {
    desk: Desk,
    differences: Differences,
    echoes: Echoes,
    phase: Phase,
    /// Of the reserved topics, since the first look.
    prefix: String,
    /// Filters subscribed for counting.
    counted: BTreeSet<String>,
    subscriptions: VecDeque<Transmit>,
    events: VecDeque<OfficeEvent>,
    next_look: Duration,
    looked_at: Duration,
    /// The next look counts as work, whether the store has changed or not.
    must_work: bool,
    refused_again: Duration,
    /// The broker has had everything since the last change.
    said: bool,
    /// The broker has refused a subscription.
    deaf: bool,
    /// Until when what others retain arrives, and at the latest.
    hears: Option<(Duration, Duration)>,
    /// Something that others retain was left out, since when.
    missed: Option<Duration>,
    read_at: Option<Duration>,
}

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Offline,
    /// What to subscribe stands in the store.
    Connected,
    /// Until the first time, or the second if nothing more arrives.
    Reading {
        silent: Duration,
        at_last: Duration,
    },
    /// Everything was read; the store's head comes next.
    Read,
    Open,
}

impl Default for Office {
    fn default() -> Self {
        Self::new()
    }
}

impl Office {
    /// An office that is not connected.
    #[must_use]
    pub fn new() -> Self {
        Self {
            desk: Desk::default(),
            differences: Differences::default(),
            echoes: Echoes::default(),
            phase: Phase::Offline,
            prefix: String::new(),
            counted: BTreeSet::new(),
            subscriptions: VecDeque::new(),
            events: VecDeque::new(),
            next_look: Duration::ZERO,
            looked_at: Duration::ZERO,
            must_work: false,
            refused_again: Duration::ZERO,
            said: false,
            deaf: false,
            hears: None,
            missed: None,
            read_at: None,
        }
    }

    /// As [`Authority::set_extensions`](crate::Authority::set_extensions), for the authority that
    /// this office loads from now on. Elements that make no sense fail there.
    pub fn set_extensions(&mut self, elements: &[u8]) {
        self.desk.extensions = elements.to_vec();
    }

    /// A connection was made. What was on its way before is unknown.
    pub fn handle_connected(&mut self, now: Moment) {
        self.handle_disconnected();
        self.phase = Phase::Connected;
        self.next_look = now.elapsed;
        self.refused_again = now.elapsed.saturating_add(REFUSED_AGAIN);
    }

    /// The connection is over. Nothing is done until the next one.
    pub fn handle_disconnected(&mut self) {
        self.phase = Phase::Offline;
        self.start_over();
        self.desk.forget_inputs();
        self.subscriptions.clear();
        self.said = false;
        (self.hears, self.missed) = (None, None);
    }

    /// The broker's answer to a [`Transmit::Subscribe`]: what it said if it refuses any of the
    /// filters.
    pub fn handle_subscribed(&mut self, now: Moment, refused: Option<String>) {
        if let Some(reason) = refused {
            self.deaf = true;
            let event = OfficeEvent::SubscribeRefused { reason };
            self.events.push_back(event);
        }
        self.not_silent(now.elapsed);
    }

    /// A message arrived. `retain` is the flag as it arrived.
    pub fn handle_publish(&mut self, now: Moment, topic: &str, payload: &[u8], retain: bool) {
        if matches!(self.phase, Phase::Offline | Phase::Connected) {
            return;
        }
        if !is_reserved(&self.prefix, topic) {
            if !retain {
                self.desk.count(topic);
            }
            return;
        }
        // What nobody of this domain writes, or can be right there, is dropped as it comes: anybody
        // may retain as much of it as the broker takes.
        let Some(own) = ReservedTopic::parse(&self.prefix, topic) else {
            return;
        };
        if retain {
            self.not_silent(now.elapsed);
        }
        if !own.is_of_authority() {
            if payload.len() <= own.max_len() && self.desk.reads(&own) {
                self.hear(now, topic, &own, payload);
                self.hurry(now);
            }
            return;
        }
        let hash = sha256(&[payload]);
        if self.echoes.take(topic, &hash, now.elapsed) {
            return;
        }
        let is_wanted = self.differences.is_wanted(topic, &hash);
        if matches!(self.phase, Phase::Reading { .. }) {
            self.differences.saw(topic, hash);
            // The others prove nothing, and what should be there instead is published anyway.
            if !own.is_evidence() {
                return;
            }
        }
        if !is_wanted {
            let is_own = self.differences.is_own(topic);
            let tells = waiting::is_plausible(&own, payload)
                && self.desk.push_own(&own, topic, payload, is_own);
            // Nothing but to be put right; what was read back is compared anyway.
            if !tells && is_own && self.phase == Phase::Open {
                self.desk.push_wrong(topic);
            }
            self.hurry(now);
        }
    }

    /// The broker's answer to a [`Transmit::Publish`]: what it said if it does not take it.
    pub fn handle_ack(&mut self, token: u64, refused: Option<String>) {
        match self.differences.acknowledged(token, refused.is_none()) {
            Acknowledged::Stands | Acknowledged::Unknown => {}
            Acknowledged::Cleared(topic) => self.desk.cleared(topic),
            Acknowledged::Refused(topic) => {
                let reason = refused.unwrap_or_default();
                let event = OfficeEvent::PublishRefused { topic, reason };
                self.events.push_back(event);
            }
        }
        self.check_complete();
    }

    /// Does what is due: looks at the store, takes what arrived, acts, and commits.
    ///
    /// # Errors
    /// The store, or the authority; it is suspended, for example. Nothing of what could not be
    /// committed is sent.
    pub fn handle_timeout<S: SharedStore>(
        &mut self,
        now: Moment,
        store: &mut S,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), OfficeError<SharedError<S>>> {
        if let Phase::Reading { silent, .. } = self.phase
            && silent <= now.elapsed
        {
            self.phase = Phase::Read;
            self.desk.list_all();
            self.next_look = now.elapsed;
        }
        self.hears = self.hears.filter(|(silent, _)| *silent > now.elapsed);
        if self.phase == Phase::Offline || now.elapsed < self.next_look {
            return Ok(());
        }
        self.next_look = now.elapsed.saturating_add(LOOK_EVERY);
        self.ask_again(now);
        self.look_again(now);
        self.check_complete();
        let may_act = matches!(self.phase, Phase::Read | Phase::Open);
        let holds = self.differences.is_behind();
        self.must_work |= self.desk.hold_strangers(holds) && !holds;
        let must_work = match self.phase {
            Phase::Open => self.desk.has_work(now.unix),
            Phase::Reading { .. } => self.desk.is_overfull(),
            _ => true,
        };
        // Work that takes longer than a look is good for must not keep everything from going out.
        let must_look =
            self.phase == Phase::Open && self.is_stale(now) && !self.differences.is_idle();
        if must_look || (!must_work && !self.must_work) {
            match store.has_changed().map_err(OfficeError::Store)? {
                // Another command is at work: what it commits is seen next time.
                None => return Ok(()),
                Some(false) => {
                    self.looked_at = now.elapsed;
                    return Ok(());
                }
                Some(true) => {}
            }
        }
        let mut looked = Looked::default();
        let work = |open: &mut S::Store| self.desk.work(open, may_act, now.unix, rng, &mut looked);
        match store.with(work).map_err(OfficeError::Store)? {
            Some(Ok(())) => self.take(looked, now),
            Some(Err(error)) => {
                self.note(looked.events, looked.more_refused);
                return Err(error);
            }
            None => {}
        }
        Ok(())
    }

    /// Something to send now, if there is anything. Nothing leaves before the broker's objects
    /// were read, the store's head after them, and not long ago.
    pub fn poll_transmit(&mut self, now: Moment) -> Option<Transmit> {
        if let Some(subscription) = self.subscriptions.pop_front() {
            return Some(subscription);
        }
        if self.phase != Phase::Open || self.is_stale(now) {
            return None;
        }
        let (token, publication) = self.differences.next(now.elapsed)?;
        let reserved = ReservedTopic::parse(&self.prefix, &publication.topic);
        if reserved.is_some_and(|of| of.is_of_authority()) {
            let hash = sha256(&[&publication.payload]);
            self.echoes.sent(&publication.topic, hash, now.elapsed);
        }
        Some(Transmit::Publish { token, publication })
    }

    /// What happened, in order.
    pub fn poll_event(&mut self) -> Option<OfficeEvent> {
        self.events.pop_front()
    }

    /// When [`Office::handle_timeout`] has something to do, by [`Moment::elapsed`]; `None` without
    /// a connection.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.phase {
            Phase::Offline => None,
            Phase::Reading { silent, .. } => Some(silent.min(self.next_look)),
            _ => Some(self.next_look),
        }
    }

    /// Whether the broker took a publication a minute ago and did not answer: MQTT lets nobody send
    /// it again on this connection, and it holds one of the few places of what is on its way. The
    /// driver ends the connection and makes another.
    #[must_use]
    pub fn is_left_unanswered(&self, now: Moment) -> bool {
        let since = self.differences.on_its_way_since();
        since.is_some_and(|since| now.elapsed.saturating_sub(since) > ANSWERED_WITHIN)
    }

    /// The most bytes of what arrived that ever waited to be looked at.
    #[must_use]
    pub const fn most_bytes_waiting(&self) -> usize {
        self.desk.most_bytes
    }

    /// The prefix of the reserved topics; empty before the store was looked at.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    fn is_stale(&self, now: Moment) -> bool {
        now.elapsed.saturating_sub(self.looked_at) > FRESH
    }

    fn take(&mut self, looked: Looked, now: Moment) {
        self.note(looked.events, looked.more_refused);
        if !looked.prefix.is_empty() {
            self.differences.set_prefix(&looked.prefix);
        }
        self.differences.once(looked.once);
        if looked.is_put_back {
            self.events.push_back(OfficeEvent::StorePutBack);
            self.start_over();
            self.phase = Phase::Connected;
        }
        if !looked.is_whole {
            return;
        }
        self.looked_at = now.elapsed;
        self.must_work = false;
        self.echoes.forget_old(now.elapsed);
        self.prefix = looked.prefix;
        match looked.wanted {
            Wanted::All(all) => self.differences.want(all),
            Wanted::Changed(changed, gone) => self.differences.want_changed(changed, &gone),
        }
        self.said &= self.differences.is_idle();
        match self.phase {
            Phase::Connected => self.listen(now),
            Phase::Read => self.open(now),
            _ => {}
        }
        let new = looked.counts.difference(&self.counted);
        let new: Vec<String> = new.cloned().collect();
        self.subscribe(&new, false);
        self.counted.extend(new);
        self.check_complete();
    }

    fn subscribe(&mut self, filters: &[String], at_least_once: bool) {
        let packets = filters.chunks(MOST_FILTERS);
        let packets = packets.map(|filters| Transmit::Subscribe {
            filters: filters.to_vec(),
            at_least_once,
        });
        self.subscriptions.extend(packets);
    }

    /// Many inputs do not wait for the next look.
    fn hurry(&mut self, now: Moment) {
        let is_full = self.phase == Phase::Open && self.desk.is_full();
        if is_full || self.desk.is_overfull() {
            self.next_look = now.elapsed;
        }
    }

    /// Tries again what the broker refused.
    fn ask_again(&mut self, now: Moment) {
        let refused = self.differences.has_refusals() || self.deaf;
        if !refused || now.elapsed < self.refused_again {
            return;
        }
        self.refused_again = now.elapsed.saturating_add(REFUSED_AGAIN);
        self.differences.forget_refusals();
        self.desk.list_all();
        self.must_work = true;
        self.said = false;
        if self.deaf {
            self.start_over();
            self.phase = Phase::Connected;
        }
    }

    /// What the broker has is unknown.
    fn start_over(&mut self) {
        self.differences.start_over();
        self.desk.list_all();
    }

    fn note(&mut self, events: Vec<AuthorityEvent>, more: usize) {
        let mut refused = 0_usize;
        for event in events {
            let of_strangers = matches!(
                event,
                AuthorityEvent::Refused { .. } | AuthorityEvent::JoinRefused { .. }
            );
            if of_strangers {
                refused = refused.saturating_add(1);
                if refused > REFUSED_EVENTS {
                    continue;
                }
            }
            self.events.push_back(OfficeEvent::Authority(event));
        }
        let more = more.saturating_add(refused.saturating_sub(REFUSED_EVENTS));
        if more > 0 {
            self.events.push_back(OfficeEvent::MoreRefused(more));
        }
    }

    fn check_complete(&mut self) {
        let hears = self.hears.is_some();
        if self.phase == Phase::Open && self.differences.is_idle() && !self.said && !hears {
            self.said = true;
            let (objects, refused) = self.differences.counts();
            let event = OfficeEvent::Complete { objects, refused };
            self.events.push_back(event);
        }
    }
}
