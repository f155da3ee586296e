use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sealmq_client::{ClientError, Draft, Qos, Subscription, TopicMap, check_filter};
use tokio::sync::{Semaphore, TryAcquireError, oneshot};

use crate::calls::{Command, Request};
use crate::hub::Way;
use crate::notice::{Outcome, PublishNotice};
use crate::progress::Progress;
use crate::start::Start;

/// What clients of every version of MQTT hold: the way to the driver.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) way: Way,
    /// One permit for each message that is not acknowledged yet.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) outstanding: Arc<AtomicUsize>,
    /// The outbox is persistent.
    pub(crate) persistent: bool,
    /// Of the reserved topics.
    pub(crate) prefix: Arc<str>,
    pub(crate) topic_map: Arc<TopicMap>,
    /// Topic aliases of the application.
    pub(crate) aliases: Arc<Mutex<BTreeMap<u16, String>>>,
    pub(crate) start: Arc<Start>,
    pub(crate) progress: Arc<Progress>,
}

impl Handle {
    /// Waits for room, and until the message was accepted.
    pub(crate) async fn publish(&self, draft: Draft) -> Result<(), ClientError> {
        self.accept(draft, None).await
    }

    pub(crate) async fn publish_tracked(&self, draft: Draft) -> Result<PublishNotice, ClientError> {
        let (sender, notice) = PublishNotice::new(self.stores(&draft));
        self.accept(draft, Some(sender)).await?;
        Ok(notice)
    }

    async fn accept(
        &self,
        draft: Draft,
        notice: Option<oneshot::Sender<Outcome>>,
    ) -> Result<(), ClientError> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.map_err(|_| ClientError::Closed)?;
        self.start.now();
        let request = Request {
            draft,
            room,
            notice,
        };
        match self.way.publish(request)? {
            None => Ok(()),
            Some(answer) => answer.await.map_err(|_| ClientError::Closed)?,
        }
    }

    pub(crate) fn try_publish(&self, draft: Draft) -> Result<(), ClientError> {
        self.try_accept(draft, None)
    }

    pub(crate) fn try_publish_tracked(&self, draft: Draft) -> Result<PublishNotice, ClientError> {
        let (sender, notice) = PublishNotice::new(self.stores(&draft));
        self.try_accept(draft, Some(sender))?;
        Ok(notice)
    }

    /// Whether the message is in the store once it is accepted.
    fn stores(&self, draft: &Draft) -> bool {
        self.persistent && draft.qos != Qos::AtMostOnce
    }

    fn try_accept(
        &self,
        draft: Draft,
        notice: Option<oneshot::Sender<Outcome>>,
    ) -> Result<(), ClientError> {
        let room = Arc::clone(&self.room).try_acquire_owned();
        let room = room.map_err(|error| match error {
            TryAcquireError::NoPermits => ClientError::Full,
            TryAcquireError::Closed => ClientError::Closed,
        })?;
        let request = Request {
            draft,
            room,
            notice,
        };
        self.way.command(Command::Publish(request, None))
    }

    pub(crate) fn subscribe(&self, wanted: Vec<Subscription>) -> Result<(), ClientError> {
        for wanted in &wanted {
            self.check_filter(&wanted.filter)?;
        }
        self.way.command(Command::Subscribe(wanted))
    }

    fn check_filter(&self, filter: &str) -> Result<(), ClientError> {
        check_filter(&self.prefix, filter)?;
        let here = self.topic_map.to_here(filter);
        here.map(drop).ok_or(ClientError::NotMapped)
    }

    /// The topic for which a message is sealed: of the application's own alias, or what the alias
    /// stands for from now on.
    pub(crate) fn alias(&self, topic: String, alias: Option<u16>) -> String {
        let Some(alias) = alias else { return topic };
        let mut known = self.aliases.lock().unwrap_or_else(PoisonError::into_inner);
        if topic.is_empty() {
            return known.get(&alias).cloned().unwrap_or_default();
        }
        known.insert(alias, topic.clone());
        topic
    }

    pub(crate) fn unsubscribe(&self, filter: String) -> Result<(), ClientError> {
        self.check_filter(&filter)?;
        self.way.command(Command::Unsubscribe(filter))
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Acquire)
    }

    pub(crate) async fn flush(&self) -> Result<(), ClientError> {
        let (reply, flushed) = oneshot::channel();
        self.start.now();
        self.way.command(Command::Flush(reply))?;
        flushed.await.map_err(|_| ClientError::Closed)
    }

    pub(crate) async fn disconnect(&self) -> Result<(), ClientError> {
        let (reply, done) = oneshot::channel();
        self.start.now();
        self.progress.came_back();
        self.way.command(Command::Disconnect(reply))?;
        done.await.map_err(|_| ClientError::Closed)
    }

    pub(crate) fn try_disconnect(&self) -> Result<(), ClientError> {
        let (reply, _nobody_waits) = oneshot::channel();
        self.start.now();
        self.progress.came_back();
        self.way.command(Command::Disconnect(reply))
    }
}
