//! How far the application is with what it was given. Whoever calls `poll` again has taken what the
//! call before returned: a program that dies while it works on a message gets it again.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts events with something to acknowledge.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    returned: AtomicU64,
    taken: AtomicU64,
    news: Notify,
}

impl Progress {
    /// `poll` returns one.
    pub(crate) fn returns(&self) {
        self.returned.fetch_add(1, Ordering::AcqRel);
    }

    /// The application has what was returned to it.
    pub(crate) fn came_back(&self) {
        let returned = self.returned.load(Ordering::Acquire);
        if self.taken.swap(returned, Ordering::AcqRel) != returned {
            self.wake();
        }
    }

    /// There is something to do for the driver.
    pub(crate) fn wake(&self) {
        self.news.notify_one();
    }

    /// How many it has.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    /// Until it has more, or there is something else to do.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }
}
