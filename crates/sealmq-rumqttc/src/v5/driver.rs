//! The task that owns the connection. rumqttc's `poll` must not be cancelled while it writes, so
//! its future is kept until it is done, while commands and time are served beside it.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use getrandom::SysRng;
use rumqttc::v5::{EventLoop, MqttOptions};
use sealmq_client::{Client, OpenError, StoreFailure};
use sealmq_keys::Store;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use super::calls::Calls;
use super::client::Command;
use super::core::Core;
use super::state::States;
use super::{Event, PollError};
use crate::options::SealOptions;
use crate::store::CommitThread;

/// rumqttc's queue: what is in it is bounded by the outbox, and by what the broker sends.
const REQUESTS: usize = 1 << 24;

pub(super) struct Driver {
    core: Core,
    eventloop: EventLoop,
    /// Without a Last Will.
    mqtt: MqttOptions,
    callers: Callers,
}

/// The application's ends.
pub(super) struct Callers {
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) events: mpsc::Sender<Result<Event, PollError>>,
    pub(super) room: Arc<Semaphore>,
}

/// What happened first.
enum Step<T> {
    Done(T),
    /// The broker did not close the connection after DISCONNECT.
    HangUp,
    /// It is over, or nobody wants events any more.
    Left,
}

impl Driver {
    pub(super) fn new<S>(
        mqtt: MqttOptions,
        store: S,
        options: &SealOptions,
        callers: Callers,
    ) -> Result<Self, OpenError>
    where
        S: Store + Send + 'static,
    {
        let client = Client::open(&store, &options.client)?;
        let most_inflight = mqtt.get_outgoing_inflight_upper_limit().unwrap_or(1);
        let (requests, eventloop) = rumqttc::v5::AsyncClient::new(mqtt.clone(), REQUESTS);
        let core = Core {
            client,
            store: CommitThread::new(store),
            states: States::new(most_inflight),
            calls: Calls::default(),
            mqtt: requests,
            clock: Arc::clone(&options.clock),
            started: Instant::now(),
            mqtt_events: options.mqtt_events,
            connack: None,
            out: VecDeque::new(),
            resume: Vec::new(),
            will: None,
            hang_up: false,
            closed: false,
        };
        Ok(Self {
            core,
            eventloop,
            mqtt,
            callers,
        })
    }

    pub(super) fn outstanding(&self) -> Arc<AtomicUsize> {
        self.core.calls.outstanding()
    }

    pub(super) fn prefix(&self) -> &str {
        self.core.client.member().prefix()
    }

    pub(super) async fn run(mut self: Box<Self>) {
        let result = self.drive().await;
        let Self {
            mut core,
            mut callers,
            eventloop,
            ..
        } = *self;
        if let Err(error) = result {
            core.out.push_back((Err(PollError::Store(error)), None));
        }
        // Whoever waits in a call learns that it is over.
        let mut calls = std::mem::take(&mut core.calls);
        if let Some(goodbye) = calls.goodbye.take() {
            let _caller_left = goodbye.send(());
        }
        drop(calls);
        callers.room.close();
        callers.commands.close();
        while callers.commands.try_recv().is_ok() {}
        drop(eventloop); // and with it the connection, however long the last events wait
        while !core.out.is_empty() {
            let Ok(permit) = callers.events.reserve().await else {
                return;
            };
            core.deliver(permit);
        }
    }

    /// Until the application has enough of it, or the store fails.
    async fn drive(&mut self) -> Result<(), StoreFailure> {
        // `None` while there is a connection, or one that ends.
        let mut pause = Some(Duration::ZERO);
        while !self.core.closed {
            let (core, callers) = (&mut self.core, &mut self.callers);
            if let Some(pause) = pause.take() {
                match step(core, callers, sleep(pause)).await? {
                    Step::Left => core.client.leave(),
                    _ => self.connect().await?,
                }
                self.core.pump().await?;
                continue;
            }
            let eventloop = &mut self.eventloop;
            match step(core, callers, eventloop.poll()).await? {
                Step::Done(Ok(event)) => core.on_event(event, eventloop).await?,
                Step::Done(Err(error)) => {
                    core.drain(eventloop);
                    let again = core.client.handle_disconnected(&mut SysRng);
                    if again.is_some() {
                        let error = PollError::Connection(error);
                        core.out.push_back((Err(error), None));
                    }
                    pause = Some(again.unwrap_or_default());
                }
                Step::HangUp => {
                    eventloop.clean();
                    core.drain(eventloop);
                    let again = core.client.handle_disconnected(&mut SysRng);
                    pause = Some(again.unwrap_or_default());
                }
                Step::Left => core.client.leave(),
            }
            core.pump().await?;
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), StoreFailure> {
        let time = self.core.time();
        self.core.client.connect(time, &mut SysRng);
        self.core.pump().await?;
        let will = self.core.will.take();
        if will.is_some() || self.eventloop.options.last_will().is_some() {
            self.eventloop.options = self.mqtt.clone();
        }
        if let Some(will) = will {
            self.eventloop.options.set_last_will(will);
        }
        Ok(())
    }
}

/// Waits for something, and serves everybody else meanwhile.
async fn step<T>(
    core: &mut Core,
    callers: &mut Callers,
    wait: impl Future<Output = T>,
) -> Result<Step<T>, StoreFailure> {
    let Callers {
        commands, events, ..
    } = callers;
    let mut wait = pin!(wait);
    loop {
        core.pump().await?;
        if core.closed {
            return Ok(Step::Left);
        }
        if std::mem::take(&mut core.hang_up) {
            return Ok(Step::HangUp);
        }
        let timeout = core.client.poll_timeout();
        let timeout = timeout.and_then(|at| core.started.checked_add(Duration::from_millis(at)));
        tokio::select! {
            // While the application does not take events, the network has to wait.
            done = &mut wait, if core.out.is_empty() || core.calls.goodbye.is_some() => {
                return Ok(Step::Done(done));
            }
            permit = events.reserve(), if !core.out.is_empty() => match permit {
                Ok(permit) => core.deliver(permit),
                Err(_) => return Ok(Step::Left),
            },
            () = events.closed() => return Ok(Step::Left),
            // Without clients the subscriptions go on.
            Some(command) = commands.recv() => {
                let time = core.time();
                core.calls.command(command, &mut core.client, time);
            }
            () = at(timeout) => core.tick(),
        }
    }
}

impl core::fmt::Debug for Driver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

/// At a time; never without one.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
