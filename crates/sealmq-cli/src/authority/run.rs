use std::collections::{BTreeMap, BTreeSet};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PubAckReason, Publish, SubscribeReasonCode};
use rumqttc::v5::{ConnectionError, Event, MqttOptions};
use sealmq_authority::AuthorityEvent;
use sealmq_core::crypto::{Digest, sha256};
use sealmq_keys::{authority_filters, is_reserved};
use sealmq_store::RunLock;
use tokio::task::block_in_place;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

use super::events;
use super::folder::vault;
use super::outbox::{Acknowledged, Outbox};
use super::source::{Desired, Input, Source, is_own};
use crate::args::RunArgs;
use crate::connection;
use crate::failure::Failure;
use crate::link::Link;
use crate::log::{AUTHORITY, BROKER};
use crate::signals::Stop;

/// How often the store is looked at: an upper bound for how long a removal waits here.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What the broker refused is tried again after this time, in case its access list was changed.
const REFUSED_AGAIN: Duration = Duration::from_secs(60);
/// After so long without one of its own objects the broker has sent what it retains of them.
const SILENCE: Duration = Duration::from_secs(1);
/// The longest that reading back may take: somebody may keep sending.
const READ_BACK: Duration = Duration::from_secs(20);
/// Inputs that are handled together at the latest.
const MOST_INPUTS: usize = 256;
/// Inputs of others that wait while the authority reads back.
const MOST_WAITING: usize = 16_384;
/// Lines about refused inputs at a time: strangers cause them.
const REFUSED_LINES: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(crate) async fn run(args: RunArgs) -> Result<(), Failure> {
    let address = args.connection.address();
    let options = connection::options(&args.connection)?;
    let vault = vault(&args.authority)?;
    // From here on: while a passphrase is typed, Ctrl-C just ends the program.
    let mut stop = Stop::new()?;
    // Two would do the same work, and fork epochs if one of them had a copy of the folder.
    let _lock = RunLock::acquire(&args.authority.dir)?;
    let mut keeper = Keeper::new(Source::new(vault));
    // A store that cannot be read is a reason to end, a broker that cannot be reached is not.
    keeper.look()?;
    let mut pause = FIRST_PAUSE;
    loop {
        let ended = tokio::select! {
            ended = keeper.connection(options.clone(), args.once, || {
                pause = FIRST_PAUSE;
                info!(target: AUTHORITY, event = "connected", address, "connected to {address}");
            }) => ended,
            () = stop.requested() => return keeper.leave().await,
        };
        match ended {
            Ended::Done => return keeper.leave().await,
            Ended::Failed(failure) => return Err(failure),
            Ended::Lost(error) => {
                let reason = connection::describe(&error, &address);
                if args.once {
                    return Err(Failure::network(reason));
                }
                let pause = pause.as_secs_f32();
                warn!(target: BROKER, event = "disconnected", address, pause, "{reason}; trying again in {pause} s");
            }
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.requested() => return Ok(()),
        }
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

/// How a connection ended.
pub(crate) enum Ended {
    /// Everything is there, and that was all that was asked for.
    Done,
    /// The connection broke or was not made.
    Lost(ConnectionError),
    /// It makes no sense to go on.
    Failed(Failure),
}

/// Keeps the broker's retained objects as the store wants them.
pub(crate) struct Keeper {
    source: Source,
    outbox: Outbox,
    /// What should be there, as of the last look.
    desired: Option<Desired>,
    link: Option<Link>,
    /// Whether the broker has had everything since the last change.
    said: bool,
    reading: ReadBack,
    inputs: Vec<Input>,
    /// What was sent and did not come back yet: no news.
    echoes: BTreeMap<String, BTreeSet<[u8; 32]>>,
    /// Filters subscribed for counting.
    counted: BTreeSet<String>,
    /// The broker has refused a subscription.
    deaf: bool,
}

/// After each connection the authority first reads what the broker has of it: its store may be an
/// old copy, and must then publish nothing.
enum ReadBack {
    /// Until the first time, or the second if nothing more arrives.
    Until {
        silent: Instant,
        at_last: Instant,
    },
    Done,
}

impl Keeper {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            outbox: Outbox::default(),
            desired: None,
            link: None,
            said: false,
            reading: ReadBack::Done,
            inputs: Vec::new(),
            echoes: BTreeMap::new(),
            counted: BTreeSet::new(),
            deaf: false,
        }
    }

    /// Looks at the store, and acts once the broker's objects were read. Blocks for milliseconds.
    fn look(&mut self) -> Result<(), Failure> {
        let may_act = self.link.is_some() && matches!(self.reading, ReadBack::Done);
        let polled = block_in_place(|| self.source.poll(may_act, &mut self.inputs))?;
        let Some(mut desired) = polled else {
            return Ok(());
        };
        let mut refused = 0_usize;
        for event in core::mem::take(&mut desired.events) {
            if matches!(event, AuthorityEvent::Refused { .. }) {
                refused = refused.saturating_add(1);
                if refused > REFUSED_LINES {
                    continue;
                }
            }
            events::log(&event);
        }
        if let Some(more @ 1..) = refused.checked_sub(REFUSED_LINES) {
            warn!(target: AUTHORITY, event = "refused more", count = more, "refused {more} more inputs");
        }
        self.outbox.once(core::mem::take(&mut desired.once));
        self.outbox.want(desired.publications.clone());
        self.said &= self.outbox.is_idle();
        self.desired = Some(desired);
        self.count_more()
    }

    /// Subscribes what the authority listens to. What this process missed is sent again by the
    /// broker, as far as it is retained.
    fn listen(&mut self) -> Result<(), Failure> {
        let (Some(link), Some(desired)) = (&self.link, &self.desired) else {
            return Ok(());
        };
        let filters = authority_filters(&desired.prefix);
        let filters = filters
            .into_iter()
            .map(|filter| Filter::new(filter, QoS::AtLeastOnce));
        link.client
            .try_subscribe_many(filters.collect::<Vec<_>>())
            .map_err(Failure::network)?;
        let now = Instant::now();
        let at_last = now.checked_add(READ_BACK).unwrap_or(now);
        self.reading = ReadBack::Until {
            silent: at_last,
            at_last,
        };
        self.echoes.clear();
        self.counted.clear();
        self.deaf = false;
        self.count_more()
    }

    /// Subscribes the topics of groups that rotate by use.
    fn count_more(&mut self) -> Result<(), Failure> {
        let (Some(link), Some(desired)) = (&self.link, &self.desired) else {
            return Ok(());
        };
        let new = desired.counts.difference(&self.counted);
        let new: Vec<String> = new.cloned().collect();
        if !new.is_empty() {
            let filters = new
                .iter()
                .map(|filter| Filter::new(filter.clone(), QoS::AtMostOnce));
            link.client
                .try_subscribe_many(filters.collect::<Vec<_>>())
                .map_err(Failure::network)?;
        }
        self.counted.extend(new);
        Ok(())
    }

    /// The broker begins to send, or still does.
    fn not_silent(&mut self) {
        if let ReadBack::Until { silent, at_last } = &mut self.reading {
            let next = Instant::now().checked_add(SILENCE).unwrap_or(*at_last);
            *silent = next.min(*at_last);
        }
    }

    fn check_silence(&mut self) {
        if let ReadBack::Until { silent, .. } = self.reading
            && silent <= Instant::now()
        {
            self.reading = ReadBack::Done;
        }
    }

    fn arrived(&mut self, publish: &Publish) {
        let Some(desired) = &self.desired else {
            return;
        };
        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
        if !is_reserved(&desired.prefix, &topic) {
            if !publish.retain {
                self.source.count(&topic);
            }
            return;
        }
        if !is_own(&desired.prefix, &topic) {
            // What is retained comes again with the next connection.
            if self.inputs.len() >= MOST_WAITING {
                return;
            }
        } else {
            let Digest(hash) = sha256(&[&publish.payload]);
            let sent = self.echoes.get_mut(&topic);
            if sent.is_some_and(|sent| sent.remove(&hash)) {
                return;
            }
            self.not_silent();
        }
        self.inputs.push(Input {
            topic,
            payload: publish.payload.to_vec(),
        });
    }

    /// One connection, until it breaks; with `once` until the broker has everything.
    pub(crate) async fn connection(
        &mut self,
        options: MqttOptions,
        once: bool,
        connected: impl FnOnce(),
    ) -> Ended {
        self.link = None;
        match Link::connect(options).await {
            Ok(link) => {
                self.link = Some(link);
                // Nothing is done before `listen` says so.
                let now = Instant::now();
                self.reading = ReadBack::Until {
                    silent: now,
                    at_last: now,
                };
            }
            Err(error) => return Ended::Lost(error),
        }
        self.start_over();
        self.inputs.clear();
        let listening = self.look().and_then(|()| self.listen());
        match listening {
            Ok(()) => {
                connected();
                self.serve(once).await
            }
            Err(failure) => Ended::Failed(failure),
        }
    }

    /// Everything is published anew: what a broker has after a break is unknown.
    fn start_over(&mut self) {
        self.outbox = Outbox::default();
        self.said = false;
        if let Some(desired) = &self.desired {
            self.outbox.want(desired.publications.clone());
        }
    }

    async fn serve(&mut self, once: bool) -> Ended {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut refused_again = Instant::now().checked_add(REFUSED_AGAIN);
        loop {
            let Some(link) = &mut self.link else {
                return Ended::Lost(ConnectionError::RequestsDone);
            };
            let step = tokio::select! {
                event = link.next() => match event {
                    Ok(event) => self.handle(event),
                    Err(error) => return Ended::Lost(error),
                },
                _ = ticks.tick() => {
                    self.check_silence();
                    self.look()
                }
            };
            let step = step.and_then(|()| match self.inputs.len() {
                MOST_INPUTS.. if matches!(self.reading, ReadBack::Done) => self.look(),
                _ => Ok(()),
            });
            // Whoever waits for the end of this command has to know that nobody has looked.
            if once && self.deaf {
                return Ended::Failed(Failure::refused(
                    "the broker refuses this client's subscriptions, so it cannot be seen whether this folder is an old copy: nothing was published. Allow it to read what the authority reads (docs/operations.md)",
                ));
            }
            if let Err(failure) = step.and_then(|()| self.pump()) {
                return Ended::Failed(failure);
            }
            let is_read = matches!(self.reading, ReadBack::Done);
            if is_read && self.outbox.is_idle() && !self.said {
                self.said = true;
                let (there, refused) = self.outbox.counts();
                let line = match refused {
                    0 => format!("the broker has all {there} objects"),
                    _ => format!("the broker has {there} objects and refuses {refused}"),
                };
                info!(target: AUTHORITY, event = "published", objects = there, refused, "{line}");
                match (once, refused) {
                    (false, _) => {}
                    (true, 0) => return Ended::Done,
                    (true, _) => {
                        return Ended::Failed(Failure::refused(
                            "the broker refuses some of the authority's objects",
                        ));
                    }
                }
            }
            let (_, refused) = self.outbox.counts();
            let again = refused_again.is_some_and(|at| at <= Instant::now());
            if (refused > 0 || self.deaf) && again {
                refused_again = Instant::now().checked_add(REFUSED_AGAIN);
                self.start_over();
                if self.deaf
                    && let Err(failure) = self.listen()
                {
                    return Ended::Failed(failure);
                }
            }
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Outgoing(rumqttc::Outgoing::Publish(packet)) => self.outbox.sent(packet),
            Event::Incoming(Packet::SubAck(ack)) => {
                let is_taken =
                    |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                if !ack.return_codes.iter().all(is_taken) {
                    self.deaf = true;
                    let prefix = self.desired.as_ref().map_or("_sealmq", |d| &d.prefix);
                    warn!(
                        target: BROKER,
                        event = "subscription refused",
                        "the broker refuses subscriptions ({:?}): allow this client to read {prefix}/#, and the topics of groups with --rotate-after; until then joins, renewals and old copies of this folder go unnoticed",
                        ack.return_codes
                    );
                }
                self.not_silent();
            }
            Event::Incoming(Packet::Publish(publish)) => self.arrived(&publish),
            Event::Incoming(Packet::PubAck(ack)) => {
                let accepted = matches!(
                    ack.reason,
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers
                );
                match self.outbox.acknowledged(ack.pkid, accepted) {
                    Acknowledged::Stands | Acknowledged::Unknown => {}
                    Acknowledged::Cleared(topic) => {
                        block_in_place(|| self.source.cleared(&[topic]))?;
                    }
                    Acknowledged::Refused(topic) => {
                        let prefix = self
                            .desired
                            .as_ref()
                            .map_or("_sealmq", |desired| &desired.prefix);
                        warn!(
                            target: BROKER,
                            event = "publish refused",
                            topic,
                            "the broker refuses {topic} ({:?}): allow this client to publish under {prefix}/#",
                            ack.reason
                        );
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Hands what is due to the client; there is always room, because little is on its way at a time.
    fn pump(&mut self) -> Result<(), Failure> {
        let Some(link) = &self.link else {
            return Ok(());
        };
        if !matches!(self.reading, ReadBack::Done) {
            return Ok(());
        }
        while let Some(publication) = self.outbox.next() {
            let is_own = self
                .desired
                .as_ref()
                .is_some_and(|desired| is_own(&desired.prefix, &publication.topic));
            if is_own {
                let Digest(hash) = sha256(&[&publication.payload]);
                let sent = self.echoes.entry(publication.topic.clone());
                sent.or_default().insert(hash);
            }
            link.client
                .try_publish(
                    publication.topic,
                    QoS::AtLeastOnce,
                    publication.retain,
                    publication.payload,
                )
                .map_err(|error| {
                    Failure::network(format_args!("an object could not be published: {error}"))
                })?;
        }
        Ok(())
    }

    /// Ends the connection, if there is one.
    pub(crate) async fn leave(&mut self) -> Result<(), Failure> {
        if let Some(link) = self.link.take() {
            link.disconnect().await;
        }
        Ok(())
    }
}
