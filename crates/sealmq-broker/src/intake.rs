//! Large packets that are half here: their bytes are kept until the rest has come, so there is room
//! for some of them at a time.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use crate::door::Party;

/// Packets up to this size are not counted.
pub(crate) const SMALL: usize = 16 * 1024;
/// How long one waits for room, and how long one that has it may take when others wait.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Intake {
    room: usize,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    next: u64,
    /// Of packets that got room; 0 is who got none.
    served: u64,
    used: usize,
    shares: HashMap<Party, Share>,
    /// In the order in which they began.
    packets: BTreeMap<u64, Begun>,
    waiting: BTreeMap<u64, Waiting>,
}

/// Of who has room or waits for it.
#[derive(Clone, Copy, Default)]
struct Share {
    bytes: usize,
    /// Packets that have room or wait.
    packets: usize,
    /// Number of the last one that got room.
    served: u64,
}

struct Begun {
    party: Party,
    bytes: usize,
    since: Instant,
    close: Arc<Notify>,
}

struct Waiting {
    party: Party,
    bytes: usize,
    close: Arc<Notify>,
    admit: oneshot::Sender<()>,
}

/// A packet's room, or its turn while it waits, until this is dropped.
pub(crate) struct Place {
    intake: Arc<Intake>,
    id: u64,
}

impl Intake {
    pub(crate) fn new(room: usize) -> Arc<Self> {
        Arc::new(Self {
            room,
            inside: Mutex::default(),
        })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of the packets that have room now.
    pub(crate) fn used(&self) -> usize {
        self.inside().used
    }

    /// Waits until there is room for a packet of this size. Room goes to who has least of it. Who has
    /// it for long while others wait, and does not complete its packet, loses its connection: `close`
    /// is told.
    pub(crate) async fn enter(
        self: Arc<Self>,
        party: Party,
        bytes: usize,
        close: Arc<Notify>,
    ) -> Place {
        let (admit, admitted) = oneshot::channel();
        let place = {
            let mut inside = self.inside();
            let id = inside.next;
            inside.next = id.wrapping_add(1);
            let share = inside.shares.entry(party.clone()).or_default();
            share.packets = share.packets.saturating_add(1);
            let waiting = Waiting {
                party,
                bytes: bytes.min(self.room),
                close,
                admit,
            };
            inside.waiting.insert(id, waiting);
            inside.admit(self.room);
            Place {
                intake: Arc::clone(&self),
                id,
            }
        };
        let mut admitted = pin!(admitted);
        while timeout(PATIENCE, &mut admitted).await.is_err() {
            self.inside().turn_out(self.room);
        }
        place
    }
}

impl Inside {
    fn share(&self, party: &Party) -> Share {
        self.shares.get(party).copied().unwrap_or_default()
    }

    /// Whose turn it is: of who has least and was served least recently, who has waited longest. Nobody
    /// passes it by because it needs less room.
    fn next_in_turn(&self) -> Option<u64> {
        let waiting = self.waiting.iter();
        let next = waiting.min_by_key(|(id, one)| {
            let share = self.share(&one.party);
            (share.bytes, share.served, **id)
        });
        next.map(|(id, _)| *id)
    }

    fn admit(&mut self, room: usize) {
        while let Some(id) = self.next_in_turn()
            && let Some(one) = self.waiting.get(&id)
            && let Some(used) = self
                .used
                .checked_add(one.bytes)
                .filter(|used| *used <= room)
            && let Some(one) = self.waiting.remove(&id)
        {
            let Waiting {
                party,
                bytes,
                close,
                admit,
            } = one;
            self.used = used;
            self.served = self.served.saturating_add(1);
            let served = self.served;
            let share = self.shares.entry(party.clone()).or_default();
            share.bytes = share.bytes.saturating_add(bytes);
            share.served = served;
            let begun = Begun {
                party,
                bytes,
                since: Instant::now(),
                close,
            };
            self.packets.insert(id, begun);
            // Who is gone drops its place.
            let _gone = admit.send(());
        }
    }

    /// Makes room for whose turn it is: the oldest packets of who has most, unless they began just now.
    fn turn_out(&self, room: usize) {
        let Some(next) = self.next_in_turn().and_then(|id| self.waiting.get(&id)) else {
            return;
        };
        let mut missing = self.used.saturating_add(next.bytes).saturating_sub(room);
        let mut oldest: Vec<&Begun> = self.packets.values().collect();
        oldest.sort_by_key(|packet| {
            (
                core::cmp::Reverse(self.share(&packet.party).bytes),
                packet.since,
            )
        });
        for packet in oldest {
            if missing == 0 {
                return;
            }
            if packet.since.elapsed() >= PATIENCE {
                missing = missing.saturating_sub(packet.bytes);
                packet.close.notify_one();
            }
        }
    }

    fn leave(&mut self, id: u64) {
        let begun = self.packets.remove(&id).map(|one| (one.party, one.bytes));
        let waited = || self.waiting.remove(&id).map(|one| (one.party, 0));
        let Some((party, bytes)) = begun.or_else(waited) else {
            return;
        };
        self.used = self.used.saturating_sub(bytes);
        if let Some(share) = self.shares.get_mut(&party) {
            share.bytes = share.bytes.saturating_sub(bytes);
            share.packets = share.packets.saturating_sub(1);
            if share.packets == 0 {
                self.shares.remove(&party);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.intake.inside();
        inside.leave(self.id);
        inside.admit(self.intake.room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(name: &str) -> Party {
        Party::User(name.to_owned())
    }

    /// A packet whose connection ends when it is told to, or when it is complete.
    fn half(
        intake: &Arc<Intake>,
        name: &str,
        bytes: usize,
        complete: Duration,
    ) -> tokio::task::JoinHandle<Duration> {
        let close = Arc::new(Notify::new());
        let place = Arc::clone(intake).enter(party(name), bytes, Arc::clone(&close));
        let begun = Instant::now();
        tokio::spawn(async move {
            let place = place.await;
            let waited = begun.elapsed();
            let _ended = timeout(complete, close.notified()).await;
            drop(place);
            waited
        })
    }

    const NEVER: Duration = Duration::from_secs(100_000);

    #[tokio::test(start_paused = true)]
    async fn many_halves_of_one_keep_another_waiting_for_seconds() {
        let intake = Intake::new(100);
        let halves: Vec<_> = (0..40).map(|_| half(&intake, "eve", 40, NEVER)).collect();
        tokio::task::yield_now().await;
        let ann = half(&intake, "ann", 100, Duration::from_secs(1));
        let waited = ann.await.unwrap();
        assert!(waited <= Duration::from_secs(10), "{waited:?}");
        assert!(intake.used() <= 100);
        // The rest ends one after the other, as long as somebody waits; then nobody is in the way.
        tokio::time::sleep(Duration::from_secs(200)).await;
        let ended = halves.iter().filter(|half| half.is_finished()).count();
        assert_eq!(ended, 38);
        for half in halves {
            half.abort();
            let _aborted = half.await;
        }
        let inside = intake.inside();
        assert_eq!(
            (inside.used, inside.packets.len(), inside.waiting.len()),
            (0, 0, 0)
        );
        assert!(inside.shares.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_complete_soon_is_waited_for() {
        let intake = Intake::new(100);
        let ann = half(&intake, "ann", 100, Duration::from_secs(3));
        tokio::task::yield_now().await;
        let bob = half(&intake, "bob", 1000, Duration::ZERO);
        assert_eq!(bob.await.unwrap(), Duration::from_secs(3));
        assert_eq!(ann.await.unwrap(), Duration::ZERO);
    }
}
