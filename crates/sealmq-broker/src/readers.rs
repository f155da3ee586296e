//! Clients that do not read what they subscribe to. mqtt5 bounds what waits for one in number, not in
//! bytes; messages are shared between those who wait for them, so what has been published since the
//! slowest one stopped is as much as can wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Nobody is ended sooner, unless much more than the limit waits: memory comes first.
const GRACE: Duration = Duration::from_secs(5);
const AT_ONCE: u64 = 4;
/// Looked at when this much was published.
const STEP: u64 = 1024 * 1024;

pub(crate) struct Readers {
    limit: u64,
    published: AtomicU64,
    looked_at: AtomicU64,
    next: AtomicU64,
    count: AtomicUsize,
    behind: Mutex<HashMap<u64, Behind>>,
    ended: AtomicU64,
}

struct Behind {
    since: Instant,
    published: u64,
    read: Arc<AtomicU64>,
    close: Arc<Notify>,
}

/// One connection's reading.
pub(crate) struct Reader {
    readers: Arc<Readers>,
    id: u64,
    close: Arc<Notify>,
    behind: bool,
    /// Bytes that the socket took since it fell behind.
    read: Arc<AtomicU64>,
    /// Since it last had nothing to read or write.
    wrote: bool,
    unacknowledged: usize,
}

impl Readers {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit: u64::try_from(limit).unwrap_or(u64::MAX),
            published: AtomicU64::new(0),
            looked_at: AtomicU64::new(0),
            next: AtomicU64::new(0),
            count: AtomicUsize::new(0),
            behind: Mutex::default(),
            ended: AtomicU64::new(0),
        })
    }

    /// Connections that were ended because they did not read.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn published(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let now = self
            .published
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        if self.count.load(Ordering::Relaxed) == 0
            || now.saturating_sub(self.looked_at.load(Ordering::Relaxed)) < STEP
        {
            return;
        }
        self.looked_at.store(now, Ordering::Relaxed);
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        behind.retain(|_, one| {
            let read = one.read.load(Ordering::Relaxed);
            let waits = now.saturating_sub(one.published).saturating_sub(read);
            let at_once = waits > self.limit.saturating_mul(AT_ONCE);
            let ends = at_once || (waits > self.limit && one.since.elapsed() >= GRACE);
            if ends {
                self.ended.fetch_add(1, Ordering::Relaxed);
                one.close.notify_one();
            }
            !ends
        });
        self.count.store(behind.len(), Ordering::Relaxed);
    }
}

impl Reader {
    pub(crate) fn new(readers: &Arc<Readers>, close: &Arc<Notify>) -> Self {
        Self {
            id: readers.next.fetch_add(1, Ordering::Relaxed),
            readers: Arc::clone(readers),
            close: Arc::clone(close),
            behind: false,
            read: Arc::default(),
            wrote: false,
            unacknowledged: 0,
        }
    }

    /// The socket takes no more.
    pub(crate) fn blocked(&mut self) {
        self.fall_behind();
    }

    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.wrote = true;
        if self.behind {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            self.read.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// A message of QoS 1 or 2 went out; the client acknowledges at most `window` of them later.
    pub(crate) fn sent(&mut self, window: usize) {
        self.unacknowledged = self.unacknowledged.saturating_add(1);
        if self.unacknowledged >= window {
            self.fall_behind();
        }
    }

    pub(crate) fn acknowledged(&mut self) {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
    }

    /// The handler looks for packets and there is none. Twice without writing in between: it had
    /// nothing to write.
    pub(crate) fn idle(&mut self, window: usize) {
        let wrote = std::mem::replace(&mut self.wrote, false);
        if self.behind && !wrote && self.unacknowledged < window {
            self.catch_up();
        }
    }

    fn fall_behind(&mut self) {
        if self.behind {
            return;
        }
        self.behind = true;
        self.read.store(0, Ordering::Relaxed);
        let one = Behind {
            since: Instant::now(),
            published: self.readers.published.load(Ordering::Relaxed),
            read: Arc::clone(&self.read),
            close: Arc::clone(&self.close),
        };
        let mut behind = self
            .readers
            .behind
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        behind.insert(self.id, one);
        self.readers.count.store(behind.len(), Ordering::Relaxed);
    }

    fn catch_up(&mut self) {
        self.behind = false;
        let mut behind = self
            .readers
            .behind
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        behind.remove(&self.id);
        self.readers.count.store(behind.len(), Ordering::Relaxed);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.behind {
            self.catch_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn who_is_far_behind_ends_at_once_and_who_reads_does_not() {
        let readers = Readers::new(10 * MIB);
        let [stuck, slow, idle] = [(); 3].map(|()| Arc::<Notify>::default());
        let mut of_stuck = Reader::new(&readers, &stuck);
        let mut of_slow = Reader::new(&readers, &slow);
        let mut of_idle = Reader::new(&readers, &idle);
        of_stuck.blocked();
        of_slow.blocked();
        of_idle.blocked();
        // It has nothing to write: it is not behind any more.
        of_idle.wrote(1);
        of_idle.idle(64);
        of_idle.idle(64);
        for _ in 0..40 {
            readers.published(MIB);
            of_slow.wrote(MIB / 2);
        }
        // Within the grace.
        assert_eq!(readers.ended(), 0);
        readers.published(2 * MIB);
        assert_eq!(readers.ended(), 1);
        drop((of_stuck, of_slow, of_idle));
        assert_eq!(readers.count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_acknowledges_nothing_is_behind_although_it_reads() {
        let readers = Readers::new(MIB);
        let close = Arc::<Notify>::default();
        let mut reader = Reader::new(&readers, &close);
        reader.sent(2);
        assert_eq!(readers.count.load(Ordering::Relaxed), 0);
        reader.sent(2);
        reader.idle(2);
        reader.idle(2);
        assert_eq!(readers.count.load(Ordering::Relaxed), 1);
        reader.acknowledged();
        reader.idle(2);
        assert_eq!(readers.count.load(Ordering::Relaxed), 0);
    }
}
