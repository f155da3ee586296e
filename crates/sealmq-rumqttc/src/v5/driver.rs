//! The task that owns the connection. rumqttc's `poll` must not be cancelled while it writes, so
//! its future is kept until it is done, while commands and time are served beside it.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use rumqttc::v5::{ConnectionError, EventLoop, MqttOptions};
use sealmq_keys::Store;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until};

use super::client::Command;
use super::core::Core;
use super::settle::Settling;
use super::{Event, PollError};
use crate::engine::Engine;
use crate::error::{OpenError, StoreFailure};
use crate::options::SealOptions;

const TICK: Duration = Duration::from_millis(500);
/// rumqttc's queue: what is in it is bounded by the outbox, and by what the broker sends.
const REQUESTS: usize = 1 << 24;

pub(super) struct Driver {
    core: Core,
    eventloop: EventLoop,
    /// Without a Last Will.
    mqtt: MqttOptions,
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::Sender<Result<Event, PollError>>,
    room: Arc<Semaphore>,
    delays: Delays,
}

/// Pauses before connecting again.
struct Delays {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Driver {
    pub(super) fn new<S>(
        mqtt: MqttOptions,
        store: S,
        options: &SealOptions,
        commands: mpsc::UnboundedReceiver<Command>,
        events: mpsc::Sender<Result<Event, PollError>>,
        room: Arc<Semaphore>,
    ) -> Result<Self, OpenError>
    where
        S: Store + Send + 'static,
    {
        let engine = Engine::open(store, options)?;
        let most_inflight = mqtt.get_outgoing_inflight_upper_limit().unwrap_or(1);
        let (client, eventloop) = rumqttc::v5::AsyncClient::new(mqtt.clone(), REQUESTS);
        let core = Core::new(engine, client, options, most_inflight);
        let (first, longest) = options.reconnect_delay;
        let delays = Delays {
            first,
            longest,
            next: first,
        };
        Ok(Self {
            core,
            eventloop,
            mqtt,
            commands,
            events,
            room,
            delays,
        })
    }

    pub(super) fn outstanding(&self) -> Arc<AtomicUsize> {
        self.core.outstanding()
    }

    pub(super) fn prefix(&self) -> &str {
        self.core.engine.member().prefix()
    }

    pub(super) async fn run(mut self: Box<Self>) {
        let mut result = self.drive().await;
        if result.is_ok() {
            result = self.core.engine.flush().await;
        }
        self.core.end(result);
        // Whoever waits in a call learns that it is over.
        self.room.close();
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
        let Self {
            mut core,
            events,
            eventloop,
            ..
        } = *self;
        drop(eventloop); // and with it the connection, however long the last events wait
        while !core.out.is_empty() {
            let Ok(permit) = events.reserve().await else {
                return;
            };
            core.deliver(permit);
        }
    }

    /// Until the application has enough of it, or the store fails.
    async fn drive(&mut self) -> Result<(), StoreFailure> {
        let mut ticker = interval(TICK);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pause = Duration::ZERO;
        while !self.core.done {
            if self.core.connection.is_none() && self.core.renewing.is_none() {
                self.core
                    .prepare_will(&mut self.eventloop, &self.mqtt)
                    .await?;
            }
            let step = self.step(pause, &mut ticker).await?;
            let (core, eventloop) = (&mut self.core, &mut self.eventloop);
            pause = Duration::ZERO;
            match step {
                Step::Polled(Ok(event)) => {
                    core.on_event(event, eventloop).await?;
                    self.delays.next = self.delays.first;
                }
                Step::Polled(Err(error)) => {
                    core.on_disconnect(eventloop).await?;
                    core.done |= core.is_closing();
                    if core.renewing.take().is_none() {
                        pause = self.delays.take();
                        core.out
                            .push_back((Err(PollError::Connection(error)), None));
                    }
                }
                Step::HangUp => {
                    eventloop.clean();
                    core.on_disconnect(eventloop).await?;
                    core.renewing = None;
                }
                Step::Left => core.done = true,
            }
            core.pump().await?;
        }
        Ok(())
    }

    /// Waits for the connection's next event, and serves everybody else meanwhile.
    async fn step(&mut self, pause: Duration, ticker: &mut Interval) -> Result<Step, StoreFailure> {
        let Self {
            core,
            eventloop,
            commands,
            events,
            ..
        } = self;
        let mut poll = pin!(poll_after(pause, eventloop));
        loop {
            tokio::select! {
                // While the application does not take events, the network has to wait.
                polled = &mut poll, if core.out.is_empty() || core.is_closing() => {
                    return Ok(Step::Polled(polled));
                }
                permit = events.reserve(), if !core.out.is_empty() => match permit {
                    Ok(permit) => core.deliver(permit),
                    Err(_) => return Ok(Step::Left),
                },
                () = events.closed() => return Ok(Step::Left),
                // Without clients the subscriptions go on.
                Some(command) = commands.recv() => core.command(command),
                _ = ticker.tick() => core.tick().await?,
                () = at(core.settling.as_ref().map(Settling::until)) => {}
                () = at(core.renewing) => return Ok(Step::HangUp),
            }
            core.pump().await?;
            if core.done {
                return Ok(Step::Left);
            }
        }
    }
}

/// What happened first.
#[allow(clippy::large_enum_variant, reason = "one at a time, for one step")]
enum Step {
    Polled(Result<rumqttc::v5::Event, ConnectionError>),
    /// The broker did not close the connection after DISCONNECT.
    HangUp,
    /// Nobody wants events any more.
    Left,
}

impl Delays {
    /// Doubles, and takes a random half off.
    fn take(&mut self) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.longest);
        let mut random = [0];
        // Without randomness the pause is the whole one.
        let part = if getrandom::fill(&mut random).is_ok() {
            u32::from(random[0])
        } else {
            0
        };
        let off = whole
            .saturating_mul(part)
            .checked_div(512)
            .unwrap_or_default();
        whole.saturating_sub(off)
    }
}

impl core::fmt::Debug for Driver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

async fn poll_after(
    pause: Duration,
    eventloop: &mut EventLoop,
) -> Result<rumqttc::v5::Event, ConnectionError> {
    if !pause.is_zero() {
        sleep(pause).await;
    }
    eventloop.poll().await
}

/// At a time; never without one.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
