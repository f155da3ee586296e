//! What a driver on tokio does whatever its library: the client's outputs, the store's thread, the
//! calls that wait, and serving everybody while the library works.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use getrandom::SysRng;
use sealmq_client::{Client, DeliveryId, Event, OpenError, Output, PollError, StoreFailure, Time};
use sealmq_keys::member::{Member, MemberError};
use sealmq_keys::{RELEASED_AT, Store};
use tokio::sync::mpsc::Permit;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::calls::{Calls, Command};
use crate::clock::Clock;
use crate::options::SealOptions;
use crate::progress::Progress;
use crate::store::CommitThread;
use crate::waiting::{Waiting, weigh};

/// A library that talks to the broker.
pub(crate) trait Library: Sized {
    /// What the application is told, in the library's types.
    type Event;
    /// Why a connection broke.
    type Failure;

    fn event(event: Event) -> Self::Event;
    /// So many reports were lost.
    fn overflow(lost: u64) -> Report<Self> {
        Ok(Self::event(Event::Overflow { lost }))
    }
    fn log(event: &Result<Self::Event, PollError<Self::Failure>>);
    /// Takes a packet, or what is said of the next connection. A connection that is lost meanwhile
    /// shows up as the library's next result.
    fn hand(&mut self, output: Output);
}

/// What the application is told, or that it has to wait or give up.
pub(crate) type Report<L> = Result<<L as Library>::Event, PollError<<L as Library>::Failure>>;

/// The application's ends.
pub(crate) struct Callers<L: Library> {
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) events: mpsc::Sender<Handed<L>>,
    pub(crate) room: Arc<Semaphore>,
}

/// An event on its way to the application.
pub(crate) struct Handed<L: Library> {
    pub(crate) report: Report<L>,
    /// Something is acknowledged when it has it.
    pub(crate) counts: bool,
}

/// Everything of a driver but the library's event loop, which is borrowed while it works.
pub(crate) struct Host<L: Library> {
    pub(crate) client: Client,
    pub(crate) library: L,
    pub(crate) calls: Calls,
    store: CommitThread,
    clock: Arc<dyn Clock>,
    started: Instant,
    /// For the application.
    waiting: Waiting<Report<L>>,
    pub(crate) progress: Arc<Progress>,
    /// What is acknowledged when the application has taken as many, in their order.
    handed: VecDeque<DeliveryId>,
    acknowledged: u64,
    hang_up: bool,
    pub(crate) closed: bool,
    alarm: Alarm,
}

/// What happened first.
pub(crate) enum Step<T> {
    Done(T),
    /// The broker did not close the connection after DISCONNECT.
    HangUp,
    /// It is over, or nobody wants events any more.
    Left,
}

impl<L: Library> Host<L> {
    pub(crate) fn open<S>(
        mut store: S,
        options: &SealOptions,
        library: L,
    ) -> Result<Self, OpenError>
    where
        S: Store + Send + 'static,
    {
        if let Some(changes) = Member::migration(&store)? {
            let failed = |error| MemberError::Store(Box::new(error));
            store.commit(&changes).map_err(failed)?;
        }
        // Below the time of this release a device's clock is none.
        let mut client = options.client.clone();
        client.member.clock_floor = client.member.clock_floor.max(RELEASED_AT);
        Ok(Self {
            client: Client::open(&store, &client)?,
            library,
            calls: Calls::default(),
            store: CommitThread::new(store),
            clock: Arc::clone(&options.clock),
            started: Instant::now(),
            waiting: Waiting::new(),
            progress: Arc::default(),
            handed: VecDeque::new(),
            acknowledged: 0,
            hang_up: false,
            closed: false,
            alarm: Alarm::default(),
        })
    }

    pub(crate) fn time(&self) -> Time {
        let uptime = self.started.elapsed().as_millis();
        Time {
            uptime: u64::try_from(uptime).unwrap_or(u64::MAX),
            clock: self.clock.now_ms(),
        }
    }

    /// For the application, of the library.
    pub(crate) fn report(&mut self, report: Report<L>) {
        self.waiting.push_report(report, 0);
    }

    /// For the application: why it is over.
    pub(crate) fn report_end(&mut self, report: Report<L>) {
        self.waiting.push(report, None, 0);
    }

    /// Whether a message of QoS 0 that has just come is lost, because the application takes none.
    pub(crate) const fn loses(&mut self) -> bool {
        self.waiting.loses(self.client.unopened())
    }

    fn event(&mut self, event: Event, delivery: Option<DeliveryId>) {
        let (bytes, is_report) = weigh(&event);
        let report = Ok(L::event(event));
        if is_report && delivery.is_none() {
            self.waiting.push_report(report, bytes);
        } else {
            self.waiting.push(report, delivery, bytes);
        }
    }

    /// Does what the client wants done.
    pub(crate) async fn pump(&mut self) -> Result<(), StoreFailure> {
        while let Some(output) = self.client.poll_output(self.time(), &mut SysRng) {
            self.calls.count(self.client.outstanding());
            match output {
                Output::Commit(changes) => match self.store.commit(changes).await {
                    Ok(()) => self.client.committed(),
                    Err(error) => {
                        self.client.commit_failed();
                        return Err(error);
                    }
                },
                Output::Event(event, delivery) => self.event(event, delivery),
                Output::Accepted(id) => self.calls.accepted(id),
                Output::Refused { id, topic, error } => {
                    if let Some(error) = self.calls.refused(id, error) {
                        self.event(Event::NotPublished { topic, error }, None);
                    }
                }
                Output::Done(id, outcome) => self.calls.done(id, outcome),
                Output::Flushed(id) => self.calls.flushed(id),
                Output::HangUp => self.hang_up = true,
                Output::Closed => self.closed = true,
                output => self.library.hand(output),
            }
        }
        Ok(())
    }

    /// Waits for something, and serves everybody else meanwhile.
    pub(crate) async fn serve<T>(
        &mut self,
        callers: &mut Callers<L>,
        wait: impl Future<Output = T>,
    ) -> Result<Step<T>, StoreFailure> {
        let Callers {
            commands, events, ..
        } = callers;
        let mut wait = pin!(wait);
        let progress = Arc::clone(&self.progress);
        loop {
            self.acknowledge();
            self.pump().await?;
            if self.closed {
                return Ok(Step::Left);
            }
            if std::mem::take(&mut self.hang_up) {
                return Ok(Step::HangUp);
            }
            let timeout = self.client.poll_timeout().map(Duration::from_millis);
            let timeout = timeout.and_then(|uptime| self.started.checked_add(uptime));
            let alarm = self.alarm.at(timeout);
            // While the application does not take events, the network has to wait; but not while
            // something is outstanding, for which the application itself may be waiting.
            let open = self.waiting.has_room(self.client.unopened())
                || self.client.outstanding() > 0
                || self.calls.goodbye.is_some();
            tokio::select! {
                done = &mut wait, if open => return Ok(Step::Done(done)),
                permit = events.reserve(), if !self.waiting.is_empty() => match permit {
                    Ok(permit) => self.deliver(permit),
                    Err(_) => return Ok(Step::Left),
                },
                () = events.closed() => return Ok(Step::Left),
                () = progress.news() => {}
                // Without clients the subscriptions go on.
                Some(command) = commands.recv() => {
                    let time = self.time();
                    self.acknowledge();
                    self.calls.command(command, &mut self.client, time);
                }
                () = rings(alarm) => {
                    self.alarm = Alarm::default();
                    self.calls.abandon(&mut self.client);
                    self.client.handle_timeout(self.time(), &mut SysRng);
                }
            }
        }
    }

    /// Hands the next event to the application.
    fn deliver(&mut self, permit: Permit<'_, Handed<L>>) {
        if let Some((report, delivery)) = self.waiting.pop(L::overflow) {
            L::log(&report);
            let counts = delivery.is_some();
            permit.send(Handed { report, counts });
            self.handed.extend(delivery);
        }
    }

    /// What the application has taken is acknowledged to the broker.
    fn acknowledge(&mut self) {
        while self.acknowledged < self.progress.taken()
            && let Some(delivery) = self.handed.pop_front()
        {
            self.acknowledged = self.acknowledged.saturating_add(1);
            self.client.handle_delivered(delivery);
        }
    }

    /// The application is gone.
    pub(crate) fn leave(&mut self) {
        self.acknowledge();
        self.client.leave();
    }

    /// Whoever waits in a call learns that it is over; the last events wait for the application.
    pub(crate) async fn end(mut self, mut callers: Callers<L>) {
        if let Some(goodbye) = self.calls.goodbye.take() {
            let _caller_left = goodbye.send(());
        }
        self.calls = Calls::default();
        callers.room.close();
        callers.commands.close();
        while callers.commands.try_recv().is_ok() {}
        while !self.waiting.is_empty() {
            let Ok(permit) = callers.events.reserve().await else {
                return;
            };
            self.deliver(permit);
        }
    }
}

/// When it rings; never without one.
async fn rings(alarm: Option<Pin<&mut Sleep>>) {
    match alarm {
        Some(alarm) => alarm.await,
        None => pending().await,
    }
}

/// Set again only when the time is another one, which it is seldom: that costs as much as all else
/// around a message.
#[derive(Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Rings at a time, once; without one there is none.
    fn at(&mut self, time: Option<Instant>) -> Option<Pin<&mut Sleep>> {
        let time = time?;
        let alarm = self.0.get_or_insert_with(|| Box::pin(sleep_until(time)));
        if alarm.deadline() != time {
            alarm.as_mut().reset(time);
        }
        Some(alarm.as_mut())
    }
}
