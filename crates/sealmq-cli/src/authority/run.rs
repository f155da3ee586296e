//! `sealmq authority run`: the socket, clocks and signals around the office.

use getrandom::SysRng;
use sealmq_authority::office::{Moment, Office, Packets, Transmit, Unfinished};
use sealmq_client::{Backoff, Pace, Qos, Subscription};
use sealmq_rumqttc::Version;
use sealmq_rumqttc::link::{Link, LinkError, LinkEvent};
use sealmq_rumqttc::v4::V4;
use sealmq_rumqttc::v5::V5;
use sealmq_store::{RunLock, SharedVault};
use tokio::task::block_in_place;
use tokio::time::{Duration, Instant, sleep, timeout};
use tracing::{info, warn};

use super::events::OfficeLog;
use super::folder::{look, vault};
use crate::args::{Protocol, RunArgs};
use crate::connection::Mqtt;
use crate::failure::Failure;
use crate::log::{AUTHORITY, BROKER};
use crate::signals::Stop;
use crate::unlock::PATIENCE;
use crate::{clock, connection};

/// Why a connection was ended from here.
pub(crate) const UNANSWERED: &str = "the broker has not answered a publish for a minute; if it allows only so many in a second, give that figure (--publishes-per-second)";
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

pub(crate) async fn run(args: RunArgs) -> Result<(), Failure> {
    match args.connection.protocol_version {
        Protocol::V5 => run_over::<V5>(args).await,
        Protocol::V311 => run_over::<V4>(args).await,
    }
}

async fn run_over<V: Mqtt>(args: RunArgs) -> Result<(), Failure> {
    clock::check()?;
    let address = args.connection.address();
    let options = connection::options::<V>(&args.connection)?;
    let vault = vault(&args.authority)?;
    // From here on: while a passphrase is typed, Ctrl-C just ends the program.
    let mut stop = Stop::new()?;
    // Two would do the same work, and fork epochs if one of them had a copy of the folder.
    let _lock = RunLock::acquire(&args.authority.dir)?;
    // A store that cannot be read is a reason to end, a broker that cannot be reached is not.
    block_in_place(|| look(&vault))?.check_delegation()?;
    let mut keeper = Keeper::new(SharedVault::new(vault, PATIENCE), args.once);
    keeper.pace = Pace::new(args.publishes_per_second);
    let connected =
        || info!(target: AUTHORITY, event = "connected", address, "connected to {address}");
    loop {
        let link = tokio::select! {
            link = Link::<V>::connect(options.clone()) => link,
            () = stop.requested() => return Ok(()),
        };
        let reason = match link {
            Err(error @ LinkError::Failed(_)) => connection::describe_link::<V>(&error, &address),
            Err(error) => {
                let reason = connection::describe_link::<V>(&error, &address);
                return Err(Failure::network(reason));
            }
            Ok(mut link) => {
                let ended = tokio::select! {
                    ended = keeper.serve(&mut link, connected) => ended,
                    () = stop.requested() => Ended::Done,
                };
                match ended {
                    Ended::Lost(error) => connection::describe::<V>(&error, &address),
                    Ended::Unanswered => UNANSWERED.to_owned(),
                    Ended::Failed(failure) => return Err(failure),
                    Ended::Done => {
                        link.disconnect().await;
                        return Ok(());
                    }
                }
            }
        };
        if args.once {
            return Err(Failure::network(reason));
        }
        let pause = keeper.backoff.take(keeper.uptime(), &mut SysRng);
        let seconds = pause.as_secs_f32();
        warn!(target: BROKER, event = "disconnected", address, pause = seconds, "{reason}; trying again in {seconds:.1} s");
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.requested() => return Ok(()),
        }
    }
}

/// How a connection ended.
pub(crate) enum Ended<F> {
    /// Everything is there, and that was all that was asked for.
    Done,
    /// The connection broke.
    Lost(F),
    /// The broker does not answer.
    Unanswered,
    /// It makes no sense to go on.
    Failed(Failure),
}

/// The office, and what it says and hears.
pub(crate) struct Keeper {
    office: Office,
    store: SharedVault,
    started: Instant,
    packets: Packets,
    backoff: Backoff,
    pace: Pace,
    log: OfficeLog,
    /// To end as soon as the broker has everything.
    once: bool,
}

impl Keeper {
    pub(crate) fn new(store: SharedVault, once: bool) -> Self {
        Self {
            office: Office::new(),
            store,
            started: Instant::now(),
            packets: Packets::new(),
            backoff: Backoff::new(PAUSES),
            pace: Pace::new(None),
            log: OfficeLog::default(),
            once,
        }
    }

    fn now(&self) -> Moment {
        Moment {
            elapsed: self.started.elapsed(),
            unix: clock::seconds(),
        }
    }

    /// Milliseconds.
    fn uptime(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long nothing may go out yet; the longest of all times if it may.
    fn paused(&self) -> Duration {
        let uptime = self.uptime();
        let until = self.pace.until(uptime);
        until.map_or(Duration::MAX, |until| {
            Duration::from_millis(until.saturating_sub(uptime))
        })
    }

    /// One connection, until it breaks or nothing is left to do. Tells when the office is at work.
    pub(crate) async fn serve<V: Version>(
        &mut self,
        link: &mut Link<V>,
        connected: impl FnOnce(),
    ) -> Ended<V::Failure> {
        self.packets = Packets::new();
        self.office.handle_connected(self.now());
        let mut connected = Some(connected);
        loop {
            if let Err(ended) = self.act(link) {
                return ended;
            }
            if let Some(connected) = connected.take() {
                connected();
            }
            let due = self.office.poll_timeout().unwrap_or(Duration::MAX);
            let due = due
                .saturating_sub(self.started.elapsed())
                .min(self.paused());
            match timeout(due, link.next()).await {
                Ok(Ok(heard)) => self.hear(heard),
                Ok(Err(error)) => return Ended::Lost(error),
                Err(_) => {}
            }
        }
    }

    /// Lets the office do what is due, and carries out what it wants.
    fn act<V: Version>(&mut self, link: &mut Link<V>) -> Result<(), Ended<V::Failure>> {
        let now = self.now();
        let due = self.office.poll_timeout();
        if self.office.is_left_unanswered(now) {
            return Err(Ended::Unanswered);
        }
        if due.is_some_and(|due| due <= now.elapsed) {
            // Blocks for milliseconds.
            let (office, store) = (&mut self.office, &mut self.store);
            let done = block_in_place(|| office.handle_timeout(now, store, &mut SysRng));
            done.map_err(|error| Ended::Failed(error.into()))?;
        }
        // Whoever waits for the end of `--once` has to know that everything was looked at.
        let mut outcome = None;
        while let Some(event) = self.office.poll_event() {
            self.log.write(&event, self.office.prefix());
            outcome = outcome.or(event.outcome());
        }
        if let Some(outcome) = outcome
            && self.once
        {
            let failed = |why: Unfinished| Ended::Failed(why.into());
            return Err(outcome.map_or_else(failed, |()| Ended::Done));
        }
        let now = self.now();
        let mut is_there = true;
        while is_there
            && self.paused() == Duration::MAX
            && let Some(transmit) = self.office.poll_transmit(now)
        {
            is_there = match transmit {
                Transmit::Subscribe {
                    filters,
                    at_least_once,
                } => {
                    let qos = if at_least_once {
                        Qos::AtLeastOnce
                    } else {
                        Qos::AtMostOnce
                    };
                    let filters = filters.into_iter();
                    let filters = filters.map(|filter| Subscription::new(filter, qos));
                    link.subscribe(filters.collect())
                }
                Transmit::Publish { token, publication } => {
                    self.packets.handed(token);
                    self.pace.sent(self.uptime());
                    link.publish(publication.into())
                }
            };
        }
        Ok(())
    }

    /// Tells the office what came.
    fn hear<V: Version>(&mut self, heard: LinkEvent<V>) {
        let now = self.now();
        match heard {
            LinkEvent::Written(packet) => return self.packets.written(packet),
            LinkEvent::Publish(message) => {
                let (payload, retain) = (&message.payload, message.retain);
                self.office
                    .handle_publish(now, &message.topic, payload, retain);
            }
            LinkEvent::Subscribed { refused } => {
                let refused = (!refused.is_empty()).then(|| format!("{refused:?}"));
                self.office.handle_subscribed(now, refused);
            }
            LinkEvent::Acknowledged { packet, refused } => {
                if let Some(token) = self.packets.answered(packet) {
                    self.office.handle_ack(token, refused);
                }
            }
        }
        self.backoff.useful(self.uptime());
    }
}
