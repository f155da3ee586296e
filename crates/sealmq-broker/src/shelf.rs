//! What is retained, counted. mqtt5 refuses by number and by size of one message, both of which can
//! be changed while it runs: so the room that is left is the largest size.

use core::future::Future;
use core::pin::Pin;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use mqtt5::broker::events::{BrokerEventHandler, RetainedSetEvent};
use mqtt5::broker::router::MessageRouter;

/// What a message costs beside topic and payload.
const OVERHEAD: usize = 512;
/// Messages that were accepted and are not retained yet: their writers are remembered.
const ON_THE_WAY: usize = 1024;

#[derive(Clone, Copy, Debug)]
pub(crate) struct ShelfRoom {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

pub(crate) struct Shelf {
    room: ShelfRoom,
    router: OnceLock<Weak<MessageRouter>>,
    stock: Mutex<Stock>,
    /// The disk takes no more.
    closed: AtomicBool,
}

#[derive(Default)]
struct Stock {
    values: HashMap<Arc<str>, Value>,
    bytes: usize,
    users: HashMap<Arc<str>, Share>,
    writers: VecDeque<(Arc<str>, Arc<str>)>,
}

struct Value {
    cost: usize,
    /// Who wrote it since the start, if it was a user.
    user: Option<Arc<str>>,
}

#[derive(Clone, Copy, Default)]
struct Share {
    messages: usize,
    bytes: usize,
}

impl Shelf {
    pub(crate) fn new(room: ShelfRoom) -> Arc<Self> {
        Arc::new(Self {
            room,
            router: OnceLock::new(),
            stock: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to count and to limit: what the router has already is counted, and stays.
    pub(crate) async fn attach(&self, router: &Arc<MessageRouter>) {
        for message in router.get_retained_messages("#").await {
            let topic = message.topic_name.as_str().into();
            self.stock().set(topic, message.payload.len());
        }
        let _first = self.router.set(Arc::downgrade(router));
        self.limit();
    }

    /// Whether this user may have a new topic retained. When three quarters are full, the rest is for
    /// those who have less than a quarter, so that one user alone does not fill it.
    pub(crate) fn has_room_for(&self, user: &str, topic: &str) -> bool {
        let stock = self.stock();
        if stock.values.contains_key(topic) {
            return true;
        }
        let own = stock.users.get(user).copied().unwrap_or_default();
        let refused = |used: usize, own: usize, room: usize| {
            let quarter = room / 4;
            used >= room.saturating_sub(quarter) && own >= quarter.max(1)
        };
        !refused(stock.bytes, own.bytes, self.room.bytes)
            && !refused(stock.values.len(), own.messages, self.room.messages)
    }

    /// A message to be retained was accepted from a user.
    pub(crate) fn comes_from(&self, user: &Arc<str>, topic: &Arc<str>) {
        let mut stock = self.stock();
        if stock.writers.len() >= ON_THE_WAY {
            stock.writers.pop_front();
        }
        stock
            .writers
            .push_back((Arc::clone(topic), Arc::clone(user)));
    }

    /// What could not be written is not acknowledged as retained: with a full disk, clients of MQTT 5
    /// are told `Quota exceeded`.
    pub(crate) fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::Relaxed);
        self.limit();
    }

    fn limit(&self) {
        let Some(router) = self.router.get().and_then(Weak::upgrade) else {
            return;
        };
        let stock = self.stock();
        let (mut messages, mut size) = self.room.left(stock.values.len(), stock.bytes);
        if self.closed.load(Ordering::Relaxed) {
            // No new topics, and of the others nothing that is worth it; clearing is not limited.
            (messages, size) = (messages.min(stock.values.len()).max(1), 1);
        }
        router.update_retained_limits(messages, size);
    }
}

impl Stock {
    fn set(&mut self, topic: Arc<str>, payload: usize) {
        let written = self
            .writers
            .iter()
            .position(|(written, _)| *written == topic);
        let user = written
            .and_then(|at| self.writers.remove(at))
            .map(|(_, user)| user);
        if let Some(before) = self.values.remove(&topic) {
            self.bytes = self.bytes.saturating_sub(before.cost);
            if let Some(user) = before.user
                && let Some(share) = self.users.get_mut(&user)
            {
                share.bytes = share.bytes.saturating_sub(before.cost);
                share.messages = share.messages.saturating_sub(1);
                if share.messages == 0 {
                    self.users.remove(&user);
                }
            }
        }
        if payload == 0 {
            return;
        }
        let cost = payload.saturating_add(topic.len()).saturating_add(OVERHEAD);
        self.bytes = self.bytes.saturating_add(cost);
        if let Some(user) = &user {
            let share = self.users.entry(Arc::clone(user)).or_default();
            share.bytes = share.bytes.saturating_add(cost);
            share.messages = share.messages.saturating_add(1);
        }
        self.values.insert(topic, Value { cost, user });
    }
}

impl ShelfRoom {
    /// The number of messages and the size of one that are allowed now. New topics get seven
    /// eighths of the room; the rest is for new values of those that are there. To mqtt5, 0 is no
    /// limit.
    fn left(self, messages: usize, bytes: usize) -> (usize, usize) {
        let left = self.bytes.saturating_sub(bytes).max(1);
        let for_new = self.bytes.saturating_sub(self.bytes / 8);
        let most = if bytes >= for_new {
            messages.min(self.messages)
        } else {
            self.messages
        };
        (most.max(1), left)
    }
}

impl BrokerEventHandler for Shelf {
    fn on_retained_set<'a>(
        &'a self,
        event: RetainedSetEvent,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let payload = if event.cleared {
            0
        } else {
            event.payload.len()
        };
        self.stock().set(event.topic, payload);
        self.limit();
        Box::pin(core::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: ShelfRoom = ShelfRoom {
        messages: 8,
        bytes: 80_000,
    };

    #[test]
    fn what_is_counted_is_what_is_there() {
        let shelf = Shelf::new(ROOM);
        let bytes = || shelf.stock().bytes;
        let set = |topic: &str, payload| shelf.stock().set(topic.into(), payload);
        set("a", 1000);
        set("b", 10);
        assert_eq!(bytes(), 1000 + 1 + OVERHEAD + 10 + 1 + OVERHEAD);
        set("a", 20);
        assert_eq!(bytes(), 20 + 1 + OVERHEAD + 10 + 1 + OVERHEAD);
        set("a", 0);
        set("b", 0);
        set("c", 0);
        assert_eq!(bytes(), 0);
    }

    #[test]
    fn one_user_alone_does_not_fill_it() {
        let shelf = Shelf::new(ROOM);
        let (ann, eve): (Arc<str>, Arc<str>) = ("ann".into(), "eve".into());
        let write = |user: &Arc<str>, topic: String, payload| {
            let allowed = shelf.has_room_for(user, &topic);
            if allowed {
                let topic: Arc<str> = topic.into();
                shelf.comes_from(user, &topic);
                shelf.stock().set(topic, payload);
            }
            allowed
        };
        let written = (0..20)
            .filter(|number| write(&eve, format!("e/{number}"), 1))
            .count();
        assert_eq!(written, 6);
        assert!(write(&eve, "e/0".to_owned(), 2));
        assert!(write(&ann, "a/0".to_owned(), 1) && write(&ann, "a/1".to_owned(), 1));
        // By bytes, too; what is cleared, or taken over by another one, counts no more.
        for number in 0..6 {
            assert!(write(&eve, format!("e/{number}"), 0));
        }
        assert!(!shelf.stock().users.contains_key("eve"));
        assert!(write(&eve, "e/0".to_owned(), 70_000));
        assert!(!write(&eve, "e/1".to_owned(), 1));
        assert!(write(&ann, "a/2".to_owned(), 1));
        assert!(write(&ann, "e/0".to_owned(), 70_000));
        assert!(write(&eve, "e/1".to_owned(), 1));
        // Who is never retained, because the room is full, is not remembered for ever.
        for number in 0..5000 {
            shelf.comes_from(&ann, &format!("{number}").into());
        }
        assert_eq!(shelf.stock().writers.len(), ON_THE_WAY);
    }

    #[tokio::test]
    async fn a_full_disk_keeps_nothing_new() {
        let router = Arc::new(MessageRouter::new());
        let shelf = Shelf::new(ROOM);
        shelf.attach(&router).await;
        shelf.stock().set("a".into(), 10);
        shelf.close(true);
        let limits = || {
            (
                router.max_retained_messages(),
                router.max_retained_message_size(),
            )
        };
        assert_eq!(limits(), (1, 1));
        shelf.close(false);
        assert_eq!(limits(), (8, 80_000 - 10 - 1 - OVERHEAD));
    }

    #[test]
    fn the_room_that_is_left() {
        let room = ShelfRoom {
            messages: 4,
            bytes: 8000,
        };
        assert_eq!(room.left(0, 0), (4, 8000));
        assert_eq!(room.left(3, 6999), (4, 1001));
        assert_eq!(room.left(3, 7000), (3, 1000));
        assert_eq!(room.left(9, 9000), (4, 1));
    }
}
