use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
use rumqttc::v5::{ConnectionError, Event, MqttOptions};
use tokio::task::block_in_place;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, sleep};

use super::folder::{describe, vault};
use super::outbox::{Acknowledged, Outbox};
use super::source::{Desired, Source};
use crate::args::RunArgs;
use crate::connection;
use crate::failure::Failure;
use crate::link::Link;
use crate::output::{note, say};
use crate::signals::Stop;

/// How often the store is looked at: an upper bound for how long a removal waits here.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What the broker refused is tried again after this time, in case its access list was changed.
const REFUSED_AGAIN: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(crate) async fn run(args: RunArgs) -> Result<(), Failure> {
    let address = args.connection.address();
    let options = connection::options(&args.connection)?;
    let vault = vault(&args.authority)?;
    // From here on: while a passphrase is typed, Ctrl-C just ends the program.
    let mut stop = Stop::new()?;
    let mut keeper = Keeper::new(Source::new(vault), say_line);
    // A store that cannot be read is a reason to end, a broker that cannot be reached is not.
    keeper.look()?;
    let mut pause = FIRST_PAUSE;
    loop {
        let ended = tokio::select! {
            ended = keeper.connection(options.clone(), args.once, || {
                pause = FIRST_PAUSE;
                say(format_args!("connected to {address}"))
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
                note(format_args!(
                    "sealmq: {reason}; trying again in {} s",
                    pause.as_secs_f32()
                ));
            }
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.requested() => return Ok(()),
        }
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

fn say_line(line: String) -> Result<(), Failure> {
    say(line)
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
pub(crate) struct Keeper<L> {
    source: Source,
    outbox: Outbox,
    /// What should be there, as of the last look.
    desired: Option<Desired>,
    link: Option<Link>,
    log: L,
    /// Whether the broker has had everything since the last change.
    said: bool,
}

impl<L: FnMut(String) -> Result<(), Failure>> Keeper<L> {
    pub(crate) fn new(source: Source, log: L) -> Self {
        Self {
            source,
            outbox: Outbox::default(),
            desired: None,
            link: None,
            log,
            said: false,
        }
    }

    /// Looks at the store. Reading it blocks for milliseconds.
    fn look(&mut self) -> Result<(), Failure> {
        if let Some(mut desired) = block_in_place(|| self.source.poll())? {
            for event in core::mem::take(&mut desired.events) {
                (self.log)(describe(&event))?;
            }
            self.outbox.want(desired.publications.clone());
            self.desired = Some(desired);
            self.said = false;
        }
        Ok(())
    }

    /// One connection, until it breaks; with `once` until the broker has everything.
    pub(crate) async fn connection(
        &mut self,
        options: MqttOptions,
        once: bool,
        connected: impl FnOnce() -> Result<(), Failure>,
    ) -> Ended {
        match Link::connect(options).await {
            Ok(link) => self.link = Some(link),
            Err(error) => return Ended::Lost(error),
        }
        self.start_over();
        match connected() {
            Ok(()) => self.serve(once).await,
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
                _ = ticks.tick() => self.look(),
            };
            if let Err(failure) = step.and_then(|()| self.pump()) {
                return Ended::Failed(failure);
            }
            if self.outbox.is_idle() && !self.said {
                self.said = true;
                let (there, refused) = self.outbox.counts();
                let line = match refused {
                    0 => format!("the broker has all {there} objects"),
                    _ => format!("the broker has {there} objects and refuses {refused}"),
                };
                if let Err(failure) = (self.log)(line) {
                    return Ended::Failed(failure);
                }
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
            if refused > 0 && refused_again.is_some_and(|at| at <= Instant::now()) {
                refused_again = Instant::now().checked_add(REFUSED_AGAIN);
                self.start_over();
            }
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Outgoing(rumqttc::Outgoing::Publish(packet)) => self.outbox.sent(packet),
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
                        note(format_args!(
                            "sealmq: the broker refuses {topic} ({:?}): allow this client to publish under {prefix}/#",
                            ack.reason
                        ));
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
        while let Some(publication) = self.outbox.next() {
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
