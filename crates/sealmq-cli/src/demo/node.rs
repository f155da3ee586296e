//! A member that runs: the adapter, and a log of what happened.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rumqttc::v5::MqttOptions;
use sealmq_core::MemberNumber;
use sealmq_core::open::Rejection;
use sealmq_keys::member::MemberEvent;
use sealmq_rumqttc::v5::V5;
use sealmq_rumqttc::v5::{AsyncClient, Event, EventLoop};
use sealmq_rumqttc::{Message, SealOptions};
use sealmq_store::Vault;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::domain::Enrolled;
use crate::failure::Failure;
use crate::session;
use crate::unlock::PATIENCE;

/// How long anything may take without progress.
pub(super) const LIMIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a member saw.
#[derive(Default)]
pub(super) struct Log {
    pub(super) messages: Vec<Message>,
    pub(super) rejected: Vec<(String, Rejection)>,
    pub(super) connections: usize,
    pub(super) subscriptions: usize,
    pub(super) epoch: u64,
    pub(super) is_removed: bool,
    pub(super) refused: Vec<String>,
    pub(super) error: Option<String>,
}

pub(super) struct Node {
    pub(super) name: String,
    pub(super) number: MemberNumber,
    pub(super) client: AsyncClient,
    log: Arc<Mutex<Log>>,
    task: JoinHandle<()>,
    vault: Vault,
}

impl Node {
    /// Connects; `subscribe` is a reader's filter.
    pub(super) async fn start(
        enrolled: Enrolled,
        mqtt: MqttOptions,
        subscribe: Option<&str>,
    ) -> Result<Self, Failure> {
        let store = enrolled.vault.open_wait(PATIENCE)?;
        let options = SealOptions::new().capacity(256).wait_for_keys(LIMIT);
        let (client, events) =
            AsyncClient::with_options(mqtt, store, options).map_err(session::open_failure)?;
        if let Some(filter) = subscribe {
            client
                .subscribe(filter, session::qos::<V5>(1))
                .await
                .map_err(Failure::refused)?;
        }
        let log = Arc::new(Mutex::new(Log::default()));
        let task = tokio::spawn(follow(events, Arc::clone(&log)));
        Ok(Self {
            name: enrolled.name,
            number: enrolled.number,
            client,
            log,
            task,
            vault: enrolled.vault,
        })
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is in the log; gives up after a time without progress (by `progress`,
    /// any number that moves).
    pub(super) async fn wait(
        &self,
        progress: impl Fn(&Log) -> u64,
        reached: impl Fn(&Log) -> bool,
    ) -> bool {
        let mut last = None;
        let mut since = Instant::now();
        loop {
            {
                let log = self.log();
                if reached(&log) {
                    return true;
                }
                let now = Some(progress(&log));
                if now != last {
                    last = now;
                    since = Instant::now();
                }
                if log.error.is_some() || since.elapsed() > LIMIT {
                    return false;
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits for an epoch.
    pub(super) async fn wait_for_epoch(&self, epoch: u64) -> Result<(), Failure> {
        if self.wait(|log| log.epoch, |log| log.epoch >= epoch).await {
            return Ok(());
        }
        let log = self.log();
        let error = log
            .error
            .as_deref()
            .unwrap_or("the announcement did not arrive");
        Err(Failure::refused(format_args!(
            "demo: {} is still at epoch {} instead of {epoch}: {error}",
            self.name, log.epoch
        )))
    }

    /// Ends it and hands out its stored state.
    pub(super) async fn stop(mut self) -> Result<Vault, Failure> {
        session::leave(&self.client).await;
        if timeout(LIMIT, &mut self.task).await.is_err() {
            self.task.abort();
            return Err(Failure::refused(format_args!(
                "demo: {} does not end",
                self.name
            )));
        }
        Ok(self.vault)
    }
}

async fn follow(mut events: EventLoop, log: Arc<Mutex<Log>>) {
    loop {
        let event = events.poll().await;
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Ok(Event::Connected { .. }) => log.connections = log.connections.saturating_add(1),
            Ok(Event::Subscribed { .. }) => log.subscriptions = log.subscriptions.saturating_add(1),
            Ok(Event::Message(message)) => log.messages.push(message),
            Ok(Event::Rejected { topic, reason }) => log.rejected.push((topic, reason)),
            Ok(Event::Key(MemberEvent::Epoch { epoch, .. })) => log.epoch = log.epoch.max(epoch),
            Ok(Event::Key(MemberEvent::Removed { .. })) => log.is_removed = true,
            Ok(Event::PublishRefused { topic, reason }) => {
                log.refused.push(format!("{topic}: {reason}"))
            }
            Ok(Event::NotPublished { topic, error }) => {
                log.refused.push(format!("{topic}: {error}"));
            }
            Ok(Event::SubscribeRefused { filter, reason }) => {
                log.error = Some(session::refused_subscription(&filter, reason));
            }
            Ok(Event::Disconnected) => return,
            Ok(_) => {}
            Err(error) => {
                if !error.is_temporary() {
                    log.error.get_or_insert(error.to_string());
                    return;
                }
            }
        }
    }
}
