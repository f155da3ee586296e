//! With a data folder, a publisher is told that the broker has its message when that is on disk.
//! Those who wait meanwhile share the next write.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use mqtt5::broker::DynamicStorage;
use tokio::sync::{Notify, watch};

/// Writes of the data folder, one after the other.
pub(crate) struct Writes {
    /// Those who want to know, numbered.
    wanted: AtomicU64,
    asked: Notify,
    /// The highest number whose messages are on disk.
    done: watch::Sender<u64>,
}

impl Writes {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            wanted: AtomicU64::new(0),
            asked: Notify::new(),
            done: watch::Sender::new(0),
        })
    }

    /// Writes whenever somebody asks, until the task ends.
    pub(crate) async fn run(self: Arc<Self>, storage: Arc<DynamicStorage>) {
        loop {
            self.asked.notified().await;
            let number = self.wanted.load(Ordering::Acquire);
            if let DynamicStorage::File(files) = &*storage {
                files.flush_queue_writes().await;
            }
            self.done.send_replace(number);
        }
    }

    fn ask(&self) -> u64 {
        let number = self.wanted.fetch_add(1, Ordering::AcqRel);
        self.asked.notify_one();
        number.saturating_add(1)
    }
}

type Written = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Acknowledgements of one connection that wait for the disk.
pub(crate) struct Acknowledgements {
    writes: Arc<Writes>,
    waiting: VecDeque<(u64, Vec<u8>)>,
    written: Option<Written>,
    /// May be written.
    ready: Vec<u8>,
}

impl Acknowledgements {
    pub(crate) fn new(writes: &Arc<Writes>) -> Self {
        Self {
            writes: Arc::clone(writes),
            waiting: VecDeque::new(),
            written: None,
            ready: Vec::new(),
        }
    }

    /// Length of the packet at the beginning of `bytes` if it acknowledges a publish: PUBACK, PUBREC,
    /// PUBCOMP.
    pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
        let [first, length, ..] = *bytes else {
            return None;
        };
        // Longer ones have a text, hence an error: nothing is promised.
        let whole = usize::from(length).saturating_add(2);
        let is_one = matches!(first.wrapping_shr(4), 4 | 5 | 7);
        (is_one && length < 0x80 && whole <= bytes.len()).then_some(whole)
    }

    pub(crate) fn hold(&mut self, packet: Vec<u8>) {
        self.waiting.push_back((self.writes.ask(), packet));
    }

    /// Looks what may be sent now; `cx` is woken when there is more.
    pub(crate) fn look(&mut self, cx: &mut Context<'_>) {
        while let Some((number, _)) = self.waiting.front() {
            if *self.writes.done.borrow() >= *number {
                if let Some((_, packet)) = self.waiting.pop_front() {
                    self.ready.extend(packet);
                }
                continue;
            }
            let number = *number;
            let written = self.written.get_or_insert_with(|| {
                let mut done = self.writes.done.subscribe();
                Box::pin(async move {
                    // Fails only if the broker ends.
                    let _over = done.wait_for(|done| *done >= number).await.is_err();
                })
            });
            match written.as_mut().poll(cx) {
                Poll::Ready(()) => self.written = None,
                Poll::Pending => return,
            }
        }
    }

    /// What may be sent and was not yet.
    pub(crate) fn ready(&self) -> &[u8] {
        &self.ready
    }

    pub(crate) fn sent(&mut self, count: usize) {
        self.ready.drain(..count.min(self.ready.len()));
    }
}
