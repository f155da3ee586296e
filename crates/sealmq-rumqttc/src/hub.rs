//! What the driver and its callers share: the client, and who waits for what. A caller whose message
//! can be accepted at once does that itself, so that publishing is no change of tasks for each
//! message, and the driver finds several. Nobody waits for the lock but the driver: where it is taken,
//! or where others wait already, a call goes through the queue.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

use sealmq_client::{Client, ClientError, DeliveryId, Time};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::calls::{Calls, Command, Request};
use crate::clock::Clock;
use crate::progress::Progress;

pub(crate) struct Hub {
    pub(crate) client: Client,
    pub(crate) calls: Calls,
    progress: Arc<Progress>,
    clock: Arc<dyn Clock>,
    started: Instant,
    /// What is acknowledged when the application has taken as many, in their order.
    handed: VecDeque<DeliveryId>,
    acknowledged: u64,
}

impl Hub {
    pub(crate) fn new(client: Client, clock: Arc<dyn Clock>, progress: Arc<Progress>) -> Self {
        Self {
            client,
            calls: Calls::default(),
            progress,
            clock,
            started: Instant::now(),
            handed: VecDeque::new(),
            acknowledged: 0,
        }
    }

    pub(crate) fn time(&self) -> Time {
        let uptime = self.started.elapsed().as_millis();
        Time {
            uptime: u64::try_from(uptime).unwrap_or(u64::MAX),
            clock: self.clock.now_ms(),
        }
    }

    /// When the client's uptime was zero.
    pub(crate) const fn started(&self) -> Instant {
        self.started
    }

    /// The application was given something that is acknowledged when it has it.
    pub(crate) fn gave(&mut self, delivery: DeliveryId) {
        self.handed.push_back(delivery);
    }

    /// What the application has taken is acknowledged to the broker.
    pub(crate) fn acknowledge(&mut self) {
        while self.acknowledged < self.progress.taken()
            && let Some(delivery) = self.handed.pop_front()
        {
            self.acknowledged = self.acknowledged.saturating_add(1);
            self.client.handle_delivered(delivery);
        }
    }

    pub(crate) fn command(&mut self, command: Command) {
        let time = self.time();
        self.acknowledge();
        self.calls.command(command, &mut self.client, time);
    }

    /// `None`: it was accepted. Otherwise the answer comes later.
    fn publish(&mut self, request: Request) -> Option<Answer> {
        let time = self.time();
        self.acknowledge();
        self.calls.publish_now(request, &mut self.client, time)
    }
}

/// The client's answer to a publish.
pub(crate) type Answer = oneshot::Receiver<Result<(), ClientError>>;

/// For the driver, which is the only one that waits for it: callers hold it for microseconds.
pub(crate) fn lock(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The callers' way to the hub, which ends with the driver.
#[derive(Clone)]
pub(crate) struct Way {
    hub: Weak<Mutex<Hub>>,
    progress: Arc<Progress>,
    queue: mpsc::UnboundedSender<Command>,
    /// Commands in the queue: what is called after them must not overtake them.
    queued: Arc<AtomicUsize>,
}

impl Way {
    pub(crate) const fn new(
        hub: Weak<Mutex<Hub>>,
        progress: Arc<Progress>,
        queue: mpsc::UnboundedSender<Command>,
        queued: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            hub,
            progress,
            queue,
            queued,
        }
    }

    /// The hub, if nobody is at it and nobody waits.
    fn enter<'h>(&self, hub: Option<&'h Mutex<Hub>>) -> Option<MutexGuard<'h, Hub>> {
        if self.queued.load(Ordering::Acquire) > 0 {
            return None;
        }
        match hub?.try_lock() {
            Ok(hub) => Some(hub),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(crate) fn command(&self, command: Command) -> Result<(), ClientError> {
        let hub = self.hub.upgrade();
        let Some(mut hub) = self.enter(hub.as_deref()) else {
            return self.wait(command);
        };
        hub.command(command);
        drop(hub);
        self.progress.wake();
        Ok(())
    }

    /// `None`: the message was accepted.
    pub(crate) fn publish(&self, request: Request) -> Result<Option<Answer>, ClientError> {
        let hub = self.hub.upgrade();
        let Some(mut hub) = self.enter(hub.as_deref()) else {
            let (reply, answer) = oneshot::channel();
            self.wait(Command::Publish(request, Some(reply)))?;
            return Ok(Some(answer));
        };
        let answer = hub.publish(request);
        drop(hub);
        self.progress.wake();
        Ok(answer)
    }

    fn wait(&self, command: Command) -> Result<(), ClientError> {
        self.queued.fetch_add(1, Ordering::AcqRel);
        self.queue.send(command).map_err(|_| ClientError::Closed)
    }
}
