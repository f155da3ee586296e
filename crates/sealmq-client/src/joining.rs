//! A device becomes a member over MQTT (spec/keys.md §12).

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use rand_core::TryCryptoRng;
use sealmq_core::GroupId;
use sealmq_keys::member::{
    EnrolledAs, GroupTitle, JoinAction, JoinOptions, JoinWay, Joiner, Member, MemberError,
};
use sealmq_keys::objects::{Fingerprint, JoinRefusalReason};
use sealmq_keys::{Changes, Store};

use crate::subscription::Subscription;
use crate::time::Time;
use crate::trials::FILTERS_PER_PACKET;
use crate::wire::{Qos, Wire};

/// A broker that does not say what the groups are called, or an authority that lets joiners wait
/// for others, keeps nobody waiting for longer.
const KEYS_WITHIN: u64 = 5_000;

/// A request that was not answered is published again after this time, then after twice as long,
/// and so on, less a random half.
const FIRST_PAUSE: u64 = 10_000;
const LONGEST_PAUSE: u64 = 60_000;

/// What a driver has to do for a device that joins, in this order.
#[derive(Debug)]
#[must_use]
pub enum JoinOutput {
    /// Make it durable, then say [`Joining::committed`]. If that fails, drop the joining.
    Commit(Changes),
    /// SUBSCRIBE.
    Subscribe(Vec<Subscription>),
    /// PUBLISH.
    Publish(Wire),
    /// The request waits for an operator, who compares this fingerprint. Said once.
    Waiting(Fingerprint),
    /// What arrived there was refused: it is damaged, forged, too old or for another device.
    Ignored {
        /// The topic.
        topic: String,
        /// Why.
        error: MemberError,
    },
    /// The device is a member, and its store a member's. Nothing follows.
    Joined(Joined),
}

/// What a device learned when it joined.
#[derive(Debug)]
pub struct Joined {
    /// As what it was enrolled.
    pub enrolled: EnrolledAs,
    titles: BTreeMap<GroupId, GroupTitle>,
    /// The first epochs of the device's welcomes.
    first: BTreeMap<GroupId, u64>,
}

impl Joined {
    const fn new(enrolled: EnrolledAs) -> Self {
        Self {
            enrolled,
            titles: BTreeMap::new(),
            first: BTreeMap::new(),
        }
    }

    /// What a group is called, as far as the broker told: credentials name groups by id only.
    #[must_use]
    pub fn title(&self, group: &GroupId) -> Option<&GroupTitle> {
        self.titles.get(group)
    }

    /// Whether the epoch has begun for which the device's welcome to a group is.
    #[must_use]
    pub fn is_ready(&self, group: &GroupId) -> bool {
        let newest = self.titles.get(group).map(|title| title.epoch);
        let first = self.first.get(group);
        first.is_some_and(|first| newest.is_some_and(|newest| newest >= *first))
    }

    fn hear(&mut self, title: GroupTitle) {
        let known = self.titles.get(&title.id);
        if known.is_none_or(|known| known.epoch < title.epoch) {
            self.titles.insert(title.id, title);
        }
    }
}

/// The device does not become a member.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinError {
    /// The authority does not take it in.
    Refused {
        /// Its reason.
        reason: JoinRefusalReason,
        /// The authority does not tell an expired token from others that are not valid; by this
        /// device's clock it expired then, Unix seconds.
        expired: Option<u64>,
    },
    /// The broker refuses the subscription to these topics.
    NotSubscribed {
        /// The filters.
        filters: [String; 2],
    },
    /// The joiner failed.
    Member(MemberError),
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { reason, .. } => reason.fmt(f),
            Self::NotSubscribed { filters: [a, b] } => {
                write!(f, "the broker refuses the subscription to {a} or {b}")
            }
            Self::Member(error) => error.fmt(f),
        }
    }
}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Member(error) => Some(error),
            _ => None,
        }
    }
}

impl From<MemberError> for JoinError {
    fn from(error: MemberError) -> Self {
        Self::Member(error)
    }
}

/// A device on its way into a domain. Connections may break on the way: the request stays the same,
/// also when the program starts again with the same store.
pub struct Joining {
    joiner: Joiner,
    /// Of the token, Unix seconds.
    expires: Option<u64>,
    /// That the request waits for an operator.
    told: bool,
    /// From when it is a member, and until when it waits for its groups' titles and keys: from a
    /// moment on that is not known yet if it was one before.
    joined: Option<(Joined, Option<u64>)>,
    /// When the request goes out once more, and after which pause.
    again: Option<u64>,
    pause: u64,
    random: u32,
    queue: VecDeque<JoinOutput>,
    committing: bool,
}

impl Joining {
    /// Begins, or goes on with what the store has of an earlier attempt.
    ///
    /// # Errors
    /// The options make no sense, the store cannot be read, or holds a member that did not join
    /// with them.
    pub fn begin<S: Store>(
        store: &S,
        options: JoinOptions,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Self, MemberError> {
        let expires = match &options.way {
            JoinWay::Token(token) => Some(token.expires),
            _ => None,
        };
        let joiner = Member::join(store, options, rng)?;
        let joined = joiner.enrolled().cloned().map(Joined::new);
        let [first, second, third, fourth, ..] = joiner.fingerprint().0;
        Ok(Self {
            joiner,
            expires,
            told: false,
            joined: joined.map(|joined| (joined, None)),
            again: None,
            pause: FIRST_PAUSE,
            random: u32::from_be_bytes([first, second, third, fourth]) | 1,
            queue: VecDeque::new(),
            committing: false,
        })
    }

    /// The broker accepted a connection.
    pub fn handle_connected(&mut self) {
        match &self.joined {
            Some((joined, _)) => {
                let filters = self.titles(joined);
                self.subscribe(filters);
            }
            None => {
                let filters = self.joiner.subscriptions();
                self.subscribe(filters);
            }
        }
    }

    /// The connection broke. What it knows of the groups has to do.
    pub fn handle_disconnected(&mut self) {
        let of_connection = |output: &JoinOutput| {
            matches!(output, JoinOutput::Subscribe(_) | JoinOutput::Publish(_))
        };
        self.queue.retain(|output| !of_connection(output));
        self.again = None;
        self.finish(|_| true);
    }

    /// SUBACK: whether everything was granted.
    ///
    /// # Errors
    /// Without these subscriptions nothing will come.
    pub fn handle_subscribed(&mut self, granted: bool) -> Result<(), JoinError> {
        if granted || self.joined.is_some() {
            return Ok(());
        }
        let filters = self.joiner.subscriptions();
        Err(JoinError::NotSubscribed { filters })
    }

    /// PUBLISH.
    ///
    /// # Errors
    /// The device does not become a member.
    pub fn handle_publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        time: Time,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), JoinError> {
        if let Some((joined, _)) = &mut self.joined {
            let number = joined.enrolled.number;
            if let Some(title) = self.joiner.group_title(topic, payload) {
                joined.hear(title);
            } else if let Some((group, epoch)) = self.joiner.first_epoch(number, topic, payload) {
                joined.first.insert(group, epoch);
            }
            self.finish(|_| false);
            return Ok(());
        }
        for action in self.joiner.handle(topic, payload, time.clock, rng)? {
            match action {
                JoinAction::Commit(changes) => self.queue.push_back(JoinOutput::Commit(changes)),
                JoinAction::Publish(publication) => {
                    self.pause = FIRST_PAUSE;
                    let asks = !publication.payload.is_empty();
                    self.again = asks.then(|| self.next_pause(time));
                    self.queue
                        .push_back(JoinOutput::Publish(publication.into()));
                }
                JoinAction::Waiting(device) if !self.told => {
                    self.told = true;
                    self.queue.push_back(JoinOutput::Waiting(device));
                }
                JoinAction::Joined(enrolled) => {
                    self.joined(enrolled, time);
                    return Ok(());
                }
                JoinAction::Refused(reason) => return Err(self.refused(reason, time)),
                JoinAction::Ignored { topic, error } => {
                    self.queue.push_back(JoinOutput::Ignored { topic, error });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it has sent its request. Before, it waits for a delegation of its domain.
    #[must_use]
    pub fn has_asked(&self) -> bool {
        self.joiner.again().is_some()
    }

    /// Time has passed: call it at [`Joining::poll_timeout`].
    pub fn handle_timeout(&mut self, time: Time) {
        if let Some((_, until @ None)) = &mut self.joined {
            *until = Some(time.after(KEYS_WITHIN));
        }
        self.finish(|until| until.is_some_and(|until| until <= time.uptime));
        if self.again.is_some_and(|at| at <= time.uptime) {
            let request = self.joiner.again();
            self.again = request.is_some().then(|| self.next_pause(time));
            let request = request.map(|request| JoinOutput::Publish(request.into()));
            self.queue.extend(request);
        }
    }

    /// The uptime of the next [`Joining::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let until = self.joined.as_ref().map(|(_, until)| until.unwrap_or(0));
        until.into_iter().chain(self.again).min()
    }

    /// What to do next; until `None`.
    pub fn poll_output(&mut self) -> Option<JoinOutput> {
        if self.committing {
            return None;
        }
        let output = self.queue.pop_front();
        self.committing = matches!(output, Some(JoinOutput::Commit(_)));
        output
    }

    /// What [`JoinOutput::Commit`] gave is durable.
    pub const fn committed(&mut self) {
        self.committing = false;
    }

    /// Asks what the groups are called. Waits until the device's keys are in use, so that nothing
    /// that is sent from now on passes it by.
    fn joined(&mut self, enrolled: EnrolledAs, time: Time) {
        let joined = Joined::new(enrolled);
        let filters = self.titles(&joined);
        self.joined = Some((joined, Some(time.after(KEYS_WITHIN))));
        self.again = None;
        self.subscribe(filters);
        self.finish(|_| false);
    }

    fn titles(&self, joined: &Joined) -> Vec<String> {
        let grants = joined.enrolled.grants.iter();
        let groups: Vec<GroupId> = grants.map(|(group, ..)| *group).collect();
        let number = joined.enrolled.number;
        self.joiner.title_subscriptions(number, &groups)
    }

    /// When the pause is over that comes now. Devices that were switched on together do not ask
    /// together again: their keys differ, so nothing has to be drawn.
    fn next_pause(&mut self, time: Time) -> u64 {
        // Marsaglia's xorshift; nothing secret follows from it.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        let half = self.pause / 2;
        let part = u64::from(self.random % 1024);
        let pause = half.saturating_add(half.saturating_mul(part) / 1024);
        self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        time.after(pause)
    }

    /// Says that it is over when every group's keys are in use, or when `late` says so of the
    /// patience.
    fn finish(&mut self, late: impl FnOnce(Option<u64>) -> bool) {
        let over = self.joined.as_ref().is_some_and(|(joined, until)| {
            let mut groups = joined.enrolled.grants.iter().map(|(group, ..)| group);
            late(*until) || groups.all(|group| joined.is_ready(group))
        });
        if over && let Some((joined, _)) = self.joined.take() {
            self.queue.push_back(JoinOutput::Joined(joined));
        }
    }

    fn refused(&self, reason: JoinRefusalReason, time: Time) -> JoinError {
        let now = time.clock.map(|ms| ms / 1000);
        let expired = |at: &u64| reason == JoinRefusalReason::Token && now.is_some_and(|n| *at < n);
        JoinError::Refused {
            reason,
            expired: self.expires.filter(expired),
        }
    }

    fn subscribe(&mut self, filters: impl IntoIterator<Item = String>) {
        let filters = filters.into_iter();
        let wanted: Vec<_> = filters
            .map(|filter| Subscription::new(filter, Qos::AtLeastOnce))
            .collect();
        for packet in wanted.chunks(FILTERS_PER_PACKET) {
            self.queue.push_back(JoinOutput::Subscribe(packet.to_vec()));
        }
    }
}

impl fmt::Debug for Joining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joining")
            .field("joined", &self.joined.is_some())
            .finish_non_exhaustive()
    }
}
