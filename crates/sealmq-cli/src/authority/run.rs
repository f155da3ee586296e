//! `sealmq authority run`: the socket, clocks and signals around the office.

use getrandom::SysRng;
use rumqttc::v5::{ConnectionError, MqttOptions};
use sealmq_authority::office::{Moment, Office, OfficeEvent};
use sealmq_store::RunLock;
use tokio::task::block_in_place;
use tokio::time::{Duration, Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::events;
use super::folder::{look, vault};
use super::shared::SharedVault;
use super::transport::Transport;
use crate::args::RunArgs;
use crate::failure::Failure;
use crate::log::{AUTHORITY, BROKER};
use crate::signals::Stop;
use crate::{clock, connection};

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
    // A store that cannot be read is a reason to end, a broker that cannot be reached is not.
    block_in_place(|| look(&vault))?.check_delegation()?;
    let mut keeper = Keeper::new(SharedVault::new(vault));
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

/// The office, its store and its connection.
pub(crate) struct Keeper {
    office: Office,
    store: SharedVault,
    started: Instant,
    transport: Option<Transport>,
}

impl Keeper {
    pub(crate) fn new(store: SharedVault) -> Self {
        Self {
            office: Office::new(),
            store,
            started: Instant::now(),
            transport: None,
        }
    }

    fn now(&self) -> Moment {
        Moment {
            elapsed: self.started.elapsed(),
            unix: clock::seconds(),
        }
    }

    /// One connection, until it breaks; with `once` until the broker has everything.
    pub(crate) async fn connection(
        &mut self,
        options: MqttOptions,
        once: bool,
        connected: impl FnOnce(),
    ) -> Ended {
        self.transport = None;
        self.office.handle_disconnected();
        match Transport::connect(options).await {
            Ok(transport) => self.transport = Some(transport),
            Err(error) => return Ended::Lost(error),
        }
        self.office.handle_connected(self.now());
        let mut connected = Some(connected);
        loop {
            if let Err(ended) = self.act(once) {
                return ended;
            }
            if let Some(connected) = connected.take() {
                connected();
            }
            let Some(transport) = &mut self.transport else {
                return Ended::Lost(ConnectionError::RequestsDone);
            };
            let due = self.office.poll_timeout().unwrap_or(LONGEST_PAUSE);
            let due = self.started.checked_add(due).unwrap_or(self.started);
            let event = tokio::select! {
                event = transport.next() => event,
                () = sleep_until(due) => continue,
            };
            let now = self.now();
            match (event, &mut self.transport) {
                (Ok(event), Some(transport)) => transport.deliver(event, &mut self.office, now),
                (Ok(_), None) => {}
                (Err(error), _) => return Ended::Lost(error),
            }
        }
    }

    /// Lets the office do what is due, and carries out what it wants.
    fn act(&mut self, once: bool) -> Result<(), Ended> {
        let now = self.now();
        if self
            .office
            .poll_timeout()
            .is_some_and(|due| due <= now.elapsed)
        {
            // Blocks for milliseconds.
            let (office, store) = (&mut self.office, &mut self.store);
            let done = block_in_place(|| office.handle_timeout(now, store, &mut SysRng));
            done.map_err(|error| Ended::Failed(error.into()))?;
        }
        let mut ended = Ok(());
        while let Some(event) = self.office.poll_event() {
            events::log_office(&event, self.office.prefix());
            if once && ended.is_ok() {
                ended = is_over(&event);
            }
        }
        ended?;
        let now = self.now();
        while let Some(transmit) = self.office.poll_transmit(now)
            && let Some(transport) = &mut self.transport
        {
            if !transport.send(transmit) {
                break;
            }
        }
        Ok(())
    }

    /// Ends the connection, if there is one.
    pub(crate) async fn leave(&mut self) -> Result<(), Failure> {
        if let Some(transport) = self.transport.take() {
            transport.disconnect().await;
        }
        Ok(())
    }
}

/// Whoever waits for the end of `--once` has to know that everything was looked at, and is there.
fn is_over(event: &OfficeEvent) -> Result<(), Ended> {
    let why = match event {
        OfficeEvent::SubscribeRefused { .. } => {
            "the broker refuses this client's subscriptions, so it cannot be seen whether this folder is an old copy: nothing was published. Allow it to read what the authority reads (docs/operations.md)"
        }
        OfficeEvent::Complete { refused: 0, .. } => return Err(Ended::Done),
        OfficeEvent::Complete { .. } => "the broker refuses some of the authority's objects",
        _ => return Ok(()),
    };
    Err(Ended::Failed(Failure::refused(why)))
}
