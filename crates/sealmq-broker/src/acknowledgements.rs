//! With a data folder, a publisher is told that the broker has its message when that is on disk.
//! Those who wait meanwhile share the next write. If it fails, nobody of them is told so.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use mqtt5::broker::DynamicStorage;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::overheard::Failures;
use crate::storage;

const PUBACK: u8 = 4;
/// "Quota exceeded": a reason code of PUBACK.
const QUOTA_EXCEEDED: u8 = 0x97;

/// Writes of the data folder, one round after the other.
pub(crate) struct Writes {
    folder: PathBuf,
    failures: Arc<Failures>,
    asked: Notify,
    /// Of those who ask now.
    next: Mutex<Arc<Round>>,
}

/// One write, for everybody who asked before it began.
struct Round {
    outcome: watch::Sender<Option<Outcome>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Written,
    Failed,
}

impl Round {
    fn new() -> Arc<Self> {
        let outcome = watch::Sender::new(None);
        Arc::new(Self { outcome })
    }
}

impl Writes {
    pub(crate) fn new(folder: PathBuf, failures: Arc<Failures>) -> Arc<Self> {
        Arc::new(Self {
            folder,
            failures,
            asked: Notify::new(),
            next: Mutex::new(Round::new()),
        })
    }

    /// Writes that failed, since the start.
    pub(crate) fn failed(&self) -> u64 {
        self.failures.count()
    }

    /// Writes whenever somebody asks, until the task ends.
    pub(crate) async fn run(self: Arc<Self>, storage: Arc<DynamicStorage>) {
        let (mut counted, mut failing) = (self.failures.count(), false);
        loop {
            self.asked.notified().await;
            let round = std::mem::replace(&mut *self.next(), Round::new());
            if let DynamicStorage::File(files) = &*storage {
                files.flush_queue_writes().await;
            }
            let count = self.failures.count();
            let failed = count != counted;
            counted = count;
            let outcome = match failed || failing {
                true => Outcome::Failed,
                false => Outcome::Written,
            };
            // What failed may have been for somebody who asked only afterwards, so the round behind it
            // fails, too, and all of them until a file can be written again.
            let still = failed || (failing && !storage::takes_a_file(&self.folder).await);
            self.say(failing, still);
            failing = still;
            round.outcome.send_replace(Some(outcome));
        }
    }

    fn say(&self, before: bool, now: bool) {
        let folder = self.folder.display();
        match (before, now) {
            (false, true) => {
                warn!(target: "sealmq::server", "the data folder {folder} cannot be written: what needs it is not acknowledged (MQTT 5: 0x97; otherwise the connection ends); make room, look at its permissions and at the disk");
            }
            (true, false) => {
                info!(target: "sealmq::server", "the data folder {folder} can be written again");
            }
            _ => {}
        }
    }

    fn next(&self) -> std::sync::MutexGuard<'_, Arc<Round>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self) -> Arc<Round> {
        let round = Arc::clone(&self.next());
        self.asked.notify_one();
        round
    }
}

type Ended = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// One that waits for the disk.
struct Held {
    round: Arc<Round>,
    packet: Vec<u8>,
    /// Instead, if the write fails; if there is no such packet, the connection ends: its publisher
    /// sends the message again.
    refusal: Option<Vec<u8>>,
}

/// Acknowledgements of one connection that wait for the disk.
pub(crate) struct Acknowledgements {
    writes: Arc<Writes>,
    waiting: VecDeque<Held>,
    ended: Option<Ended>,
    /// May be written.
    ready: Vec<u8>,
}

impl Acknowledgements {
    pub(crate) fn new(writes: &Arc<Writes>) -> Self {
        Self {
            writes: Arc::clone(writes),
            waiting: VecDeque::new(),
            ended: None,
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

    /// `older`: for a client of MQTT 3.1.1, whose acknowledgements have no reason codes.
    pub(crate) fn hold(&mut self, packet: Vec<u8>, older: bool) {
        let refusal = refusal(&packet).filter(|_| !older);
        self.waiting.push_back(Held {
            round: self.writes.ask(),
            packet,
            refusal,
        });
    }

    /// Looks what may be sent now; `cx` is woken when there is more.
    ///
    /// # Errors
    /// A write failed, and the connection has to end.
    pub(crate) fn look(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some(first) = self.waiting.front() {
            let outcome = *first.round.outcome.borrow();
            if let Some(outcome) = outcome {
                self.ended = None;
                if let Some(held) = self.waiting.pop_front() {
                    let packet = match outcome {
                        Outcome::Written => Some(held.packet),
                        Outcome::Failed => held.refusal,
                    };
                    let failed = || io::Error::other("the data folder cannot be written");
                    self.ready.extend(packet.ok_or_else(failed)?);
                }
                continue;
            }
            let mut ending = first.round.outcome.subscribe();
            let ended = self.ended.get_or_insert_with(|| {
                Box::pin(async move {
                    // Fails only if the broker ends.
                    let _over = ending.wait_for(Option::is_some).await.is_err();
                })
            });
            match ended.as_mut().poll(cx) {
                Poll::Ready(()) => self.ended = None,
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// What may be sent and was not yet.
    pub(crate) fn ready(&self) -> &[u8] {
        &self.ready
    }

    pub(crate) fn sent(&mut self, count: usize) {
        self.ready.drain(..count.min(self.ready.len()));
    }
}

/// What is sent instead of a PUBACK that promises something. A PUBREC is not refused, because mqtt5
/// goes on waiting for the message's release.
fn refusal(packet: &[u8]) -> Option<Vec<u8>> {
    match *packet {
        [first, _, high, low] | [first, _, high, low, ..=0x7f, ..]
            if first.wrapping_shr(4) == PUBACK =>
        {
            Some(vec![first, 3, high, low, QUOTA_EXCEEDED])
        }
        // It is one.
        [first, ..] if first.wrapping_shr(4) == PUBACK => Some(packet.to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_puback_can_be_refused() {
        let refused = Some(vec![0x40, 3, 1, 2, 0x97]);
        assert_eq!(refusal(&[0x40, 2, 1, 2]), refused);
        assert_eq!(refusal(&[0x40, 3, 1, 2, 0x10]), refused);
        assert_eq!(refusal(&[0x40, 4, 1, 2, 0, 0]), refused);
        let own = vec![0x40, 3, 1, 2, 0x87];
        assert_eq!(refusal(&own), Some(own.clone()));
        assert_eq!(refusal(&[0x50, 2, 1, 2]), None);
        assert_eq!(refusal(&[0x70, 2, 1, 2]), None);
    }
}
