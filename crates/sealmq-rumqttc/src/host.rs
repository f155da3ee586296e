//! What a driver on tokio does whatever its library: the client's outputs, the store's thread, the
//! calls that wait, and serving everybody while the library works.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use getrandom::SysRng;
use sealmq_client::{Client, DeliveryId, Event, OpenError, Output, PollError, StoreFailure, Time};
use sealmq_keys::member::{Member, MemberError};
use sealmq_keys::{RELEASED_AT, Store};
use tokio::sync::mpsc::Permit;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::calls::Command;
use crate::hub::{Hub, lock};
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
    /// Commands that were not carried out yet.
    pub(crate) queued: Arc<AtomicUsize>,
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
    /// Ends with this: callers hold it for as long as a call takes only.
    pub(crate) hub: Arc<Mutex<Hub>>,
    pub(crate) library: L,
    store: CommitThread,
    started: Instant,
    /// For the application.
    pub(crate) waiting: Waiting<Report<L>>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) hang_up: bool,
    pub(crate) closed: bool,
    alarm: Alarm,
}

/// Commands that are carried out together, at most.
const COMMANDS: usize = 64;

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
        let (client, progress) = (Client::open(&store, &client)?, Arc::default());
        let hub = Hub::new(client, Arc::clone(&options.clock), Arc::clone(&progress));
        Ok(Self {
            library,
            store: CommitThread::new(store),
            started: hub.started(),
            hub: Arc::new(Mutex::new(hub)),
            waiting: Waiting::new(),
            progress,
            hang_up: false,
            closed: false,
            alarm: Alarm::default(),
        })
    }

    /// Never held while waiting for anything.
    pub(crate) fn hub(&self) -> MutexGuard<'_, Hub> {
        lock(&self.hub)
    }

    /// For the application, of the library.
    pub(crate) fn report(&mut self, report: Report<L>) {
        self.waiting.push_report(report, 0);
    }

    /// For the application: why it is over.
    pub(crate) fn report_end(&mut self, report: Report<L>) {
        self.waiting.push(report, None, 0);
    }

    /// Callers that left are not waited for.
    pub(crate) fn abandon(&self) {
        let mut hub = self.hub();
        let hub = &mut *hub;
        hub.calls.abandon(&mut hub.client);
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

    /// Does what the client wants done. A commit only begins: until it is durable nothing comes out,
    /// and what arrives meanwhile is opened.
    pub(crate) fn pump(&mut self) {
        let time = self.hub().time();
        while let Some(output) = self.next_output(time) {
            match output {
                Output::Commit(changes) => self.store.begin(changes),
                Output::Event(event, delivery) => self.event(event, delivery),
                Output::Accepted(id) => self.hub().calls.accepted(id),
                Output::Refused { id, topic, error } => {
                    let error = self.hub().calls.refused(id, error);
                    if let Some(error) = error {
                        self.event(Event::NotPublished { topic, error }, None);
                    }
                }
                Output::Done(id, outcome) => self.hub().calls.done(id, outcome),
                Output::Flushed(id) => self.hub().calls.flushed(id),
                Output::HangUp => self.hang_up = true,
                Output::Closed => self.closed = true,
                output => self.library.hand(output),
            }
        }
    }

    /// Does all that the client wants done, whatever is to be durable before it.
    pub(crate) async fn settle(&mut self) -> Result<(), StoreFailure> {
        self.pump();
        while self.store.is_busy() {
            let result = self.store.done().await;
            self.committed(result)?;
            self.pump();
        }
        Ok(())
    }

    fn committed(&self, result: Result<(), StoreFailure>) -> Result<(), StoreFailure> {
        let mut hub = self.hub();
        match result {
            Ok(()) => hub.client.committed(),
            Err(_) => hub.client.commit_failed(),
        }
        result
    }

    fn next_output(&self, time: Time) -> Option<Output> {
        let mut hub = self.hub();
        let output = hub.client.poll_output(time, &mut SysRng)?;
        // Before anybody is answered.
        hub.calls.count(hub.client.outstanding());
        Some(output)
    }

    /// Waits for something, and serves everybody else meanwhile.
    pub(crate) async fn serve<T>(
        &mut self,
        callers: &mut Callers<L>,
        wait: impl Future<Output = T>,
    ) -> Result<Step<T>, StoreFailure> {
        let Callers {
            commands,
            queued,
            events,
            ..
        } = callers;
        let mut wait = pin!(wait);
        let progress = Arc::clone(&self.progress);
        loop {
            self.hub().acknowledge();
            self.pump();
            if self.closed {
                return Ok(Step::Left);
            }
            if std::mem::take(&mut self.hang_up) {
                return Ok(Step::HangUp);
            }
            self.deliver_all(events);
            let open = self.may_read();
            let alarm = self.alarm.at(self.timeout());
            tokio::select! {
                done = &mut wait, if open => return Ok(Step::Done(done)),
                permit = events.reserve(), if !self.waiting.is_empty() => match permit {
                    Ok(permit) => self.deliver(permit),
                    Err(_) => return Ok(Step::Left),
                },
                () = events.closed() => return Ok(Step::Left),
                () = progress.news() => {}
                result = self.store.done(), if self.store.is_busy() => self.committed(result)?,
                // Without clients the subscriptions go on.
                Some(command) = commands.recv() => self.carry_out(command, commands, queued),
                () = rings(alarm) => {
                    self.alarm = Alarm::default();
                    self.abandon();
                    let mut hub = self.hub();
                    let time = hub.time();
                    hub.client.handle_timeout(time, &mut SysRng);
                }
            }
        }
    }

    /// When to look at the client again.
    fn timeout(&self) -> Option<Instant> {
        let uptime = self.hub().client.poll_timeout()?;
        self.started.checked_add(Duration::from_millis(uptime))
    }

    /// Whether the network may bring more. While the application does not take events, it has to wait;
    /// but not while something is outstanding, for which the application itself may be waiting.
    pub(crate) fn may_read(&self) -> bool {
        if self.closed || self.hang_up {
            return false;
        }
        let hub = self.hub();
        self.waiting.has_room(hub.client.unopened())
            || hub.client.outstanding() > 0
            || hub.calls.goodbye.is_some()
    }

    /// Carries out what has been called meanwhile, so that it shares commits and packets.
    fn carry_out(
        &self,
        first: Command,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        queued: &AtomicUsize,
    ) {
        let others = std::iter::from_fn(|| commands.try_recv().ok());
        let mut hub = self.hub();
        for command in std::iter::once(first).chain(others).take(COMMANDS) {
            hub.command(command);
            queued.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Hands over what the application has room for.
    pub(crate) fn deliver_all(&mut self, events: &mpsc::Sender<Handed<L>>) {
        while !self.waiting.is_empty()
            && let Ok(permit) = events.try_reserve()
        {
            self.deliver(permit);
        }
    }

    /// Hands the next event to the application.
    fn deliver(&mut self, permit: Permit<'_, Handed<L>>) {
        if let Some((report, delivery)) = self.waiting.pop(L::overflow) {
            L::log(&report);
            let counts = delivery.is_some();
            if let Some(delivery) = delivery {
                self.hub().gave(delivery);
            }
            permit.send(Handed { report, counts });
        }
    }

    /// The application is gone.
    pub(crate) fn leave(&self) {
        let mut hub = self.hub();
        hub.acknowledge();
        hub.client.leave();
    }

    /// Whoever waits in a call learns that it is over; the last events wait for the application.
    pub(crate) async fn end(self, mut callers: Callers<L>) {
        let Self {
            hub, mut waiting, ..
        } = self;
        let goodbye = lock(&hub).calls.goodbye.take();
        if let Some(goodbye) = goodbye {
            let _caller_left = goodbye.send(());
        }
        // With whoever waits for an answer. No call finds it any more.
        drop(hub);
        callers.room.close();
        callers.commands.close();
        while callers.commands.try_recv().is_ok() {}
        while let Some((report, delivery)) = waiting.pop(L::overflow) {
            let Ok(permit) = callers.events.reserve().await else {
                return;
            };
            L::log(&report);
            let counts = delivery.is_some();
            permit.send(Handed { report, counts });
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
