//! Sessions that clients leave behind: how many there are, and what waits in them.

use core::future::{Future, ready};
use core::pin::Pin;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mqtt5::QoS;
use mqtt5::broker::DynamicStorage;
use mqtt5::broker::events::{
    BrokerEventHandler, ClientConnectEvent, ClientPublishEvent, PublishAction,
};
use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::storage::StorageBackend as _;
use tracing::{info, warn};

use crate::door::Source;
use crate::readers::Readers;
use crate::shelf::Shelf;

/// What a message costs in a queue beside topic and payload.
const OVERHEAD: usize = 512;

#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionRoom {
    pub(crate) sessions: usize,
    pub(crate) bytes: usize,
}

/// Ends sessions of absent clients when there are too many or too much waits in them: the one that
/// was left first, of the source (address or network) that has most of it.
pub(crate) struct Sessions {
    room: SessionRoom,
    router: Arc<MessageRouter>,
    storage: Arc<DynamicStorage>,
    /// Told what is published.
    readers: Arc<Readers>,
    shelf: Arc<Shelf>,
    /// Where the sessions' clients came from; sessions from before a restart are one source.
    sources: Mutex<HashMap<String, Source>>,
    /// Since the last look: sessions that may have been added, bytes that may have been queued.
    added: AtomicUsize,
    queued: AtomicUsize,
    /// At the last look: sessions of absent clients, all sessions, and what waits in them.
    known: AtomicUsize,
    all: AtomicUsize,
    held: AtomicUsize,
    /// One look at a time.
    looking: tokio::sync::Mutex<()>,
}

/// A session whose client is away.
struct Absent {
    id: String,
    source: Option<Source>,
    since: u64,
    bytes: usize,
}

impl Sessions {
    pub(crate) fn new(
        room: SessionRoom,
        router: Arc<MessageRouter>,
        storage: Arc<DynamicStorage>,
        readers: Arc<Readers>,
        shelf: Arc<Shelf>,
    ) -> Arc<Self> {
        Arc::new(Self {
            room,
            router,
            storage,
            readers,
            shelf,
            sources: Mutex::default(),
            added: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            known: AtomicUsize::new(0),
            all: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            looking: tokio::sync::Mutex::new(()),
        })
    }

    /// Whether there is a data folder.
    fn are_written(&self) -> bool {
        matches!(*self.storage, DynamicStorage::File(_))
    }

    /// A client logs in. Its session may stay.
    pub(crate) async fn opened(&self, client: &str, source: Source) {
        {
            let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
            sources.insert(client.to_owned(), source);
        }
        let added = self.added.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let known = self.known.load(Ordering::Relaxed);
        // A margin, so that a full house does not look at every login.
        let margin = self.room.sessions / 8;
        if known.saturating_add(added) > self.room.sessions.saturating_add(margin) {
            self.look(false).await;
        }
    }

    /// Ends as many sessions as it takes. `regular`: not because of a client that waits for it.
    pub(crate) async fn look(&self, regular: bool) {
        let Ok(_alone) = self.looking.try_lock() else {
            return;
        };
        // Before looking: what comes meanwhile counts for the next look.
        self.added.store(0, Ordering::Relaxed);
        let queued = self.queued.swap(0, Ordering::Relaxed);
        let Ok(ids) = self.storage.session_client_ids().await else {
            return;
        };
        self.all.store(ids.len(), Ordering::Relaxed);
        let held = self.held.load(Ordering::Relaxed);
        let may_be_full = held.saturating_add(queued) > self.room.bytes;
        let away = ids.len().saturating_sub(self.router.client_count().await);
        if regular && away <= self.room.sessions && !may_be_full {
            self.known.store(away, Ordering::Relaxed);
            // An upper bound of what was measured and what came since.
            self.held
                .store(held.saturating_add(queued), Ordering::Relaxed);
            return;
        }
        let mut total = 0_usize;
        let mut absent = Vec::new();
        for id in ids {
            let bytes = self.bytes(&id).await;
            total = total.saturating_add(bytes);
            if let Ok(Some(session)) = self.storage.get_session(&id).await
                && !self.router.is_connected(&id).await
            {
                absent.push(Absent {
                    source: self.source(&id),
                    id,
                    since: session.disconnected_at.unwrap_or_default(),
                    bytes,
                });
            }
        }
        // Room for some time to come, when it was too little.
        let sessions = spare(self.room.sessions, absent.len());
        let bytes = spare(self.room.bytes, total);
        let many = absent.len().saturating_sub(sessions);
        let much = total.saturating_sub(bytes);
        for victim in victims(&mut absent, many, much) {
            if self.end(&victim.id).await {
                total = total.saturating_sub(victim.bytes);
            }
        }
        self.known.store(absent.len(), Ordering::Relaxed);
        self.held.store(total, Ordering::Relaxed);
        self.forget_sources().await;
    }

    /// Sessions, and bytes that wait in them, as of the last look.
    pub(crate) fn kept(&self) -> (usize, usize) {
        let [all, held, queued] =
            [&self.all, &self.held, &self.queued].map(|count| count.load(Ordering::Relaxed));
        (all, held.saturating_add(queued))
    }

    fn source(&self, client: &str) -> Option<Source> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.get(client).copied()
    }

    async fn forget_sources(&self) {
        let ids = self.storage.session_client_ids().await.unwrap_or_default();
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = ids.into_iter().filter_map(|id| sources.remove_entry(&id));
        let kept = kept.collect();
        *sources = kept;
    }

    /// What waits in a session. Copies it, one session at a time.
    async fn bytes(&self, client: &str) -> usize {
        let queue = self.router.queue_handle(client);
        let mut bytes = 0_usize;
        if !queue.is_empty() {
            for message in queue.peek_all().await {
                bytes = bytes.saturating_add(message.footprint());
            }
        }
        let inflight = self.storage.get_inflight_messages(client).await;
        for message in inflight.unwrap_or_default() {
            bytes = bytes
                .saturating_add(message.payload.len())
                .saturating_add(OVERHEAD);
        }
        bytes
    }

    /// Ends a session unless its client has just come back.
    async fn end(&self, client: &str) -> bool {
        let slot = self.router.lock_session(client).await;
        if self.router.is_connected(client).await {
            return false;
        }
        if let Err(error) = self.storage.remove_session(client).await {
            warn!(%error, client, "a session cannot be ended");
            return false;
        }
        let stripped = self.router.set_client_subscriptions(&slot, None).await;
        let emptied = self.storage.remove_all_inflight_messages(client).await;
        if let Err(error) = stripped.and(emptied) {
            warn!(%error, client, "a session was not ended completely");
        }
        self.router.queue_handle(client).clear(None);
        info!(
            client,
            "ended the session of an absent client: too many, or too much waits in them"
        );
        true
    }
}

/// `limit` if that is not exceeded, else less.
fn spare(limit: usize, used: usize) -> usize {
    if used > limit {
        limit.saturating_sub(limit / 8)
    } else {
        limit
    }
}

/// Whose sessions end, so that there are `many` fewer and `much` less waits in them.
fn victims(absent: &mut Vec<Absent>, many: usize, much: usize) -> Vec<Absent> {
    absent.sort_by_key(|session| session.since);
    let mut victims = Vec::new();
    let (mut gone, mut freed) = (0_usize, 0_usize);
    while gone < many || freed < much {
        let by_bytes = freed < much;
        let mut shares: BTreeMap<Option<Source>, usize> = BTreeMap::new();
        for session in absent.iter() {
            let share = shares.entry(session.source).or_default();
            *share = share.saturating_add(if by_bytes { session.bytes } else { 1 });
        }
        let Some((&source, _)) = shares.iter().max_by_key(|(_, share)| **share) else {
            break;
        };
        // The oldest of that source with a part in it.
        let found = absent
            .iter()
            .position(|session| session.source == source && (!by_bytes || session.bytes > 0));
        let Some(index) = found else {
            break;
        };
        let victim = absent.remove(index);
        gone = gone.saturating_add(1);
        freed = freed.saturating_add(victim.bytes);
        victims.push(victim);
    }
    victims
}

/// No client's number of mqtt5's.
const NOBODY: u64 = u64::MAX;

impl BrokerEventHandler for Sessions {
    /// Before the session is served. Messages for it go through its queue, which is written, and not
    /// past it through a channel, as mqtt5 prefers while the client keeps up: it does so if another
    /// connection is about to take the session over, which here none is.
    fn on_client_connect<'a>(
        &'a self,
        event: ClientConnectEvent,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        if self.are_written() && event.session_expiry_interval > 0 {
            self.storage
                .queue_handle(&event.client_id)
                .expect_bind(NOBODY);
        }
        Box::pin(ready(()))
    }

    /// Before a message is routed: one that may be queued in all sessions counts for all of them.
    fn on_client_publish<'a>(
        &'a self,
        event: ClientPublishEvent,
    ) -> Pin<Box<dyn Future<Output = PublishAction> + Send + 'a>> {
        Box::pin(async move {
            self.readers.published(event.payload.len());
            if let Some(user) = event.user_id.as_ref().filter(|_| event.retain) {
                self.shelf.comes_from(user, &event.topic);
            }
            if event.qos != QoS::AtMostOnce {
                let one = event.payload.len().saturating_add(event.topic.len());
                let all = self.all.load(Ordering::Relaxed);
                let sessions = all.saturating_add(self.added.load(Ordering::Relaxed));
                let most = one.saturating_add(OVERHEAD).saturating_mul(sessions);
                let queued = self.queued.fetch_add(most, Ordering::Relaxed);
                let held = self.held.load(Ordering::Relaxed).saturating_add(queued);
                if held.saturating_add(most) > self.room.bytes {
                    self.look(false).await;
                }
            }
            PublishAction::Continue
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent(id: &str, source: &str, since: u64, bytes: usize) -> Absent {
        Absent {
            id: id.to_owned(),
            source: Some(Source::of(source.parse().unwrap())),
            since,
            bytes,
        }
    }

    fn ended(many: usize, much: usize) -> String {
        let mut all = vec![
            absent("a", "10.0.0.1", 1, 10),
            absent("d", "10.0.0.2", 4, 500),
            absent("c", "10.0.0.2", 3, 0),
            absent("b", "10.0.0.2", 2, 400),
            absent("e", "10.0.0.3", 5, 1000),
        ];
        let ended = victims(&mut all, many, much);
        assert_eq!(ended.len().saturating_add(all.len()), 5);
        ended.into_iter().map(|session| session.id).collect()
    }

    #[test]
    fn the_oldest_of_who_has_most_goes() {
        assert_eq!(ended(0, 0), "");
        assert_eq!(ended(2, 0), "bc");
        assert_eq!(ended(0, 1), "e");
        assert_eq!(ended(0, 1001), "eb");
        assert_eq!(ended(9, 0).len(), 5);
        assert_eq!(ended(0, 9999).len(), 4);
    }
}
