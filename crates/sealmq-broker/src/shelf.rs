//! What is retained, counted. mqtt5 refuses by number and by size of one message, both of which can
//! be changed while it runs: so the room that is left is the largest size.

use core::future::Future;
use core::pin::Pin;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use mqtt5::broker::events::{BrokerEventHandler, RetainedSetEvent};
use mqtt5::broker::router::MessageRouter;

/// What a message costs beside topic and payload.
const OVERHEAD: usize = 512;

#[derive(Clone, Copy, Debug)]
pub(crate) struct ShelfRoom {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

pub(crate) struct Shelf {
    room: ShelfRoom,
    router: OnceLock<Weak<MessageRouter>>,
    stock: Mutex<Stock>,
}

#[derive(Default)]
struct Stock {
    costs: HashMap<Arc<str>, usize>,
    bytes: usize,
}

impl Shelf {
    pub(crate) fn new(room: ShelfRoom) -> Arc<Self> {
        Arc::new(Self {
            room,
            router: OnceLock::new(),
            stock: Mutex::default(),
        })
    }

    /// Begins to count and to limit: what the router has already is counted, and stays.
    pub(crate) async fn attach(&self, router: &Arc<MessageRouter>) {
        for message in router.get_retained_messages("#").await {
            self.stock(message.topic_name.as_str().into(), message.payload.len());
        }
        let _first = self.router.set(Arc::downgrade(router));
        self.limit();
    }

    fn stock(&self, topic: Arc<str>, payload: usize) {
        let mut stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = payload.saturating_add(topic.len()).saturating_add(OVERHEAD);
        let before = if payload == 0 {
            stock.costs.remove(&topic)
        } else {
            stock.bytes = stock.bytes.saturating_add(cost);
            stock.costs.insert(topic, cost)
        };
        stock.bytes = stock.bytes.saturating_sub(before.unwrap_or_default());
    }

    fn limit(&self) {
        let Some(router) = self.router.get().and_then(Weak::upgrade) else {
            return;
        };
        let stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        let (messages, size) = self.room.left(stock.costs.len(), stock.bytes);
        router.update_retained_limits(messages, size);
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
        self.stock(event.topic, payload);
        self.limit();
        Box::pin(core::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_what_is_there() {
        let shelf = Shelf::new(ShelfRoom {
            messages: 4,
            bytes: 8000,
        });
        let bytes = || shelf.stock.lock().unwrap().bytes;
        shelf.stock("a".into(), 1000);
        shelf.stock("b".into(), 10);
        assert_eq!(bytes(), 1000 + 1 + OVERHEAD + 10 + 1 + OVERHEAD);
        shelf.stock("a".into(), 20);
        assert_eq!(bytes(), 20 + 1 + OVERHEAD + 10 + 1 + OVERHEAD);
        shelf.stock("a".into(), 0);
        shelf.stock("b".into(), 0);
        shelf.stock("c".into(), 0);
        assert_eq!(bytes(), 0);
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
