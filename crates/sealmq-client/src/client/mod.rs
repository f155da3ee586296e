//! The client: everything that is the same for every driver.

mod answers;
mod connection;
mod holding;
mod isolating;
mod parked;
mod polling;
mod receiving;
mod record_waits;
mod resealing;
mod sending;
mod short_form;
mod storing;
mod taking;
mod unanswered;
mod unsaved;
mod will;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use core::time::Duration;

use sealmq_core::crypto::Digest;
use sealmq_core::topic::Filter;
use sealmq_keys::member::{Action, Member, Now};
use sealmq_keys::{Changes, Store};

use crate::aliases::Aliases;
use crate::backoff::Backoff;
use crate::contest::Contest;
use crate::draft::Draft;
use crate::envelopes::Envelopes;
use crate::error::OpenError;
use crate::event::Event;
use crate::inbox::Inbox;
use crate::isolation::Isolation;
use crate::ledger::Ledger;
use crate::limits::{BrokerLimit, Limits};
use crate::options::Options;
use crate::outbox::{Accepted, Content, Outbox};
use crate::output::{DeliveryId, FlushId, Output};
use crate::pace::Pace;
use crate::patience::Patience;
use crate::settle::Settling;
use crate::subscription::Subscription;
use crate::subscriptions::Subscriptions;
use crate::time::Time;
use crate::topic_map::TopicMap;
use crate::values::Values;
use crate::wire::{Qos, Wire};
pub use answers::Acknowledged;
use parked::Parked;
pub use receiving::Incoming;
use record_waits::RecordWaits;
use unsaved::Unsaved;

/// Most refused topics of key management that are remembered.
const MOST_TOLD: usize = 1024;

/// A member that talks to a broker, without the talking. Methods come in families: `handle_*` are
/// what happened, `poll_*` what to do, and when to come back; all others are the application's.
pub struct Client {
    member: Member,
    plaintext: Vec<String>,
    announce_credential: bool,
    short: RecordWaits,
    wait_for_keys: u64,
    /// Messages that wait in the member, by ticket, with what acknowledges them.
    waiting: BTreeMap<u64, Option<DeliveryId>>,
    /// While one is held back: when the broker last delivered something to acknowledge.
    held_at: Option<u64>,
    /// Shared subscriptions: several readers, so a gap says nothing.
    shared: Vec<String>,
    subscriptions: Subscriptions,
    outbox: Outbox,
    envelopes: Envelopes,
    unsaved: Unsaved,
    ledger: Ledger,
    inbox: Inbox<Incoming>,
    /// Messages whose keys have not arrived.
    parked: VecDeque<Parked>,
    /// Own topics of key management of which was told that the broker refuses them: as many as a
    /// member has groups, and a few.
    told: BTreeSet<String>,
    /// What was said of the broker.
    limits_told: Vec<BrokerLimit>,
    /// How often in a row it did not answer CONNECT.
    unanswered: u8,
    /// And seconds that the broker waits before it publishes it.
    will: Option<(Draft, Option<u32>)>,
    /// What the Will of this connection was sealed under.
    will_under: Option<WillUnder>,
    /// When half of the time is over after which readers find it too old.
    will_until: Option<u64>,
    /// It is over.
    will_is_old: bool,
    values: Values,
    connection: Option<Connection>,
    connections: u64,
    /// The newest uptime.
    uptime: u64,
    /// What the clock said then, if that can be true.
    clock: Now,
    /// The time that both are of, if the member has learnt nothing since.
    looked: Option<Time>,
    isolation: Isolation,
    /// Publishes are held back.
    settling: Option<Settling>,
    /// When waiting for what an earlier process left behind ends.
    resume_until: Option<u64>,
    /// DISCONNECT was sent in order to connect again with a new Will; until then the broker may
    /// close the connection.
    renewing: Option<u64>,
    /// The application said goodbye; so long may DISCONNECT take.
    closing: Option<u64>,
    ticked_at: u64,
    next_tick: u64,
    backoff: Backoff,
    pace: Pace,
    patience: Patience,
    contest: Contest,
    topic_map: TopicMap,
    aliases: Aliases,
    queue: VecDeque<Output>,
    life: Life,
}

/// With another credential, what is published on the connection ranks above its Will.
#[derive(PartialEq, Eq)]
struct WillUnder {
    /// Names the kept keys.
    kept: Digest,
    /// Hash of the credential.
    credential: Digest,
}

struct Connection {
    number: u64,
    limits: Limits,
    /// The broker stopped delivering while an acknowledgement was held back.
    stalls: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    /// A commit is on its way: nothing comes out.
    Committing,
    /// No more inputs; what is in the queue comes out.
    Ending,
    /// As `Ending`, and a commit is on its way.
    EndingCommits,
    /// Nothing comes out any more.
    Over,
}

impl Client {
    /// Loads the member whose state is in `store`. Everything that changes it comes out as
    /// [`Output::Commit`]: one client per store at a time.
    ///
    /// # Errors
    /// The store holds no enrolled member, or an option makes no sense.
    pub fn open<S: Store>(store: &S, options: &Options) -> Result<Self, OpenError> {
        let will = match &options.will {
            Some(will) => Some((will.draft().map_err(OpenError::WillTopic)?, will.delay)),
            None => None,
        };
        for filter in &options.plaintext {
            Filter::new(filter).map_err(|error| OpenError::PlaintextFilter {
                filter: filter.clone(),
                error,
            })?;
        }
        let (values, changes) = Values::load(options.kept_values, store)?;
        let mut client = Self {
            member: Member::load(store, options.member.clone())?,
            plaintext: options.plaintext.clone(),
            announce_credential: options.announce_credential,
            short: RecordWaits::new(options.short_form),
            wait_for_keys: milliseconds(options.wait_for_keys),
            waiting: BTreeMap::new(),
            held_at: None,
            shared: Vec::new(),
            subscriptions: Subscriptions::default(),
            outbox: Outbox::new(
                options.identifiers,
                milliseconds(options.broker_writes_within),
            ),
            envelopes: Envelopes::default(),
            unsaved: Unsaved::default(),
            ledger: Ledger::default(),
            inbox: Inbox::default(),
            parked: VecDeque::new(),
            told: BTreeSet::new(),
            limits_told: Vec::new(),
            unanswered: 0,
            will,
            will_under: None,
            will_until: None,
            will_is_old: false,
            values,
            connection: None,
            connections: 0,
            uptime: 0,
            clock: None,
            looked: None,
            isolation: Isolation::default(),
            settling: None,
            resume_until: None,
            renewing: None,
            closing: None,
            ticked_at: 0,
            next_tick: 0,
            backoff: Backoff::new(options.reconnect_delay),
            pace: Pace::new(options.publishes_per_second),
            patience: Patience::new(),
            contest: Contest::default(),
            topic_map: options.topic_map.clone(),
            aliases: Aliases::default(),
            queue: VecDeque::new(),
            life: Life::Running,
        };
        client.member.defer_snapshots();
        client.commit(changes);
        client.load_outbox(options.persistent_outbox, store)?;
        Ok(client)
    }

    /// The member, to look at.
    #[must_use]
    pub const fn member(&self) -> &Member {
        &self.member
    }

    /// Accepted messages that the broker has not acknowledged (QoS 1, 2) or that were not written
    /// (QoS 0) yet.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.ledger.count()
    }

    /// Whether a topic, as it is called at the broker, is one of key management's.
    #[must_use]
    pub fn is_reserved(&self, here: &str) -> bool {
        let sealed = self.topic_map.to_sealed(here);
        sealed.is_some_and(|topic| self.member.is_reserved(&topic))
    }

    /// Subscribes, now and after each connect that needs it. The filters were checked
    /// ([`check_filter`](crate::check_filter)).
    pub fn subscribe(&mut self, subscriptions: Vec<Subscription>) {
        for subscription in &subscriptions {
            self.subscriptions.add(subscription.clone());
        }
        self.shared = self.subscriptions.shared();
        self.send_subscribe(subscriptions);
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, filter: String) {
        self.subscriptions.remove(&filter);
        self.shared = self.subscriptions.shared();
        self.send_unsubscribe(filter);
    }

    /// [`Output::Flushed`] says when everything that was accepted so far is not outstanding any
    /// more.
    pub fn flush(&mut self) -> FlushId {
        let (id, over) = self.ledger.wait();
        if over {
            self.push(Output::Flushed(id));
        }
        id
    }

    fn is_current(&self, delivery: DeliveryId) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|connection| connection.number == delivery.connection)
    }

    fn push(&mut self, output: Output) {
        if matches!(self.life, Life::Running | Life::Committing) {
            self.queue.push_back(output);
        }
    }

    fn event(&mut self, event: Event) {
        self.push(Output::Event(event, None));
    }

    fn commit(&mut self, changes: Changes) {
        if !changes.is_empty() {
            self.push(Output::Commit(changes));
        }
    }

    /// Without a clock the member counts how long the program has been running.
    fn set_time(&mut self, time: Time) {
        if self.looked.replace(time) == Some(time) {
            return;
        }
        self.uptime = self.uptime.max(time.uptime);
        if let Some(settling) = &mut self.settling {
            settling.look(time);
        }
        self.clock = self.member.clock(time.clock);
        if self.clock.is_none() {
            self.member.set_uptime(time.uptime);
        }
    }

    /// What the member wants done, in its order.
    fn carry_out(&mut self, actions: Vec<Action>) {
        self.looked = None;
        for action in actions {
            match action {
                Action::Commit(changes) => self.commit(changes),
                Action::Subscribe(filter) => {
                    self.subscriptions.begin(&filter);
                    self.send_subscribe(vec![Subscription::new(filter, Qos::AtLeastOnce)]);
                }
                Action::Unsubscribe(filter) => {
                    self.subscriptions.end(&filter);
                    self.send_unsubscribe(filter);
                }
                Action::Publish(publication) => self.publish_own(Wire::from(publication)),
                Action::Message(ticket, received) => {
                    let delivery = self.waiting.remove(&ticket).flatten();
                    self.opened(*received, delivery);
                }
                Action::Rejected(ticket, topic, reason) => {
                    let delivery = self.waiting.remove(&ticket).flatten();
                    self.rejected(topic, reason, delivery);
                }
                Action::Event(event) => self.event(Event::Key(event)),
                // A later version of the member machine; what it needs, it also reports.
                _ => {}
            }
        }
    }

    /// A message of key management.
    fn publish_own(&mut self, wire: Wire) {
        if !self.isolation.ends_connections(&wire) {
            self.outbox.push(Accepted {
                content: Content::Wire(wire),
                id: None,
                expires: None,
                until: None,
                value: None,
                is_stored: false,
                is_again: false,
            });
        }
    }

    /// Subscribes what the broker takes; how many packets that are, now and later.
    fn send_subscribe(&mut self, mut filters: Vec<Subscription>) -> usize {
        let Some(connection) = &self.connection else {
            return 0; // it is done when there is one
        };
        let limits = connection.limits;
        let refused = filters.extract_if(.., |wanted| limits.check_filter(&wanted.filter).is_err());
        for Subscription { filter, .. } in refused.collect::<Vec<_>>() {
            if let Err(reason) = limits.check_filter(&filter)
                && !self.member.is_reserved(&filter)
            {
                self.refuse_subscription(filter, reason);
            }
        }
        let (packets, all) = self.subscriptions.packets(filters);
        for packet in packets {
            self.push(Output::Subscribe(packet));
        }
        self.try_next_filter();
        all
    }

    /// One of the filters at which the broker may have ended the connection before.
    fn try_next_filter(&mut self) {
        if self.connection.is_none() {
            return;
        }
        if let Some(packet) = self.subscriptions.next_packet() {
            self.push(Output::Subscribe(packet));
        } else if let Some(filter) = self.subscriptions.next_end() {
            self.push(Output::Unsubscribe(filter));
        }
    }

    /// The broker does not take a subscription: that is said once.
    fn refuse_subscription(&mut self, filter: String, reason: u8) {
        let is_news = match self.member.is_reserved(&filter) {
            true => self.told.len() < MOST_TOLD && self.told.insert(filter.clone()),
            false => self.subscriptions.tell_refused(&filter),
        };
        if is_news {
            self.event(Event::SubscribeRefused { filter, reason });
        }
    }

    /// Something about the broker is in the way: that is said once.
    fn tell_limit(&mut self, limit: BrokerLimit) {
        if !self.limits_told.contains(&limit) {
            self.limits_told.push(limit.clone());
            self.event(Event::BrokerLimit(limit));
        }
    }

    fn send_unsubscribe(&mut self, filter: String) {
        if self.connection.is_some() && self.subscriptions.may_end(&filter) {
            self.push(Output::Unsubscribe(filter));
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl core::fmt::Debug for Client {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Client")
            .field("member", &self.member.number())
            .field("connections", &self.connections)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
