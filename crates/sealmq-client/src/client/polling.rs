//! What comes out, one after the other.

use rand_core::TryCryptoRng;

use super::{Client, Life};
use crate::output::Output;
use crate::time::Time;
use crate::wire::Qos;

impl Client {
    /// What to do next; until `None`. Seals what may go out now.
    pub fn poll_output(&mut self, time: Time, rng: &mut impl TryCryptoRng) -> Option<Output> {
        if !matches!(self.life, Life::Running | Life::Ending) {
            return None;
        }
        self.set_time(time);
        self.forget_stored();
        loop {
            self.store_snapshot();
            // Where it is: it is large.
            let Some(output) = self.queue.front_mut() else {
                if self.life == Life::Running && (self.open_next(time) || self.fill(time, rng)) {
                    continue;
                }
                return None;
            };
            match output {
                Output::Publish(wire) => self.aliases.shorten(wire),
                Output::Commit(_) if self.life == Life::Running => self.life = Life::Committing,
                Output::Commit(_) => self.life = Life::EndingCommits,
                Output::Acknowledge(delivery) => {
                    let delivery = *delivery;
                    if !self.is_current(delivery) {
                        self.queue.pop_front();
                        continue;
                    }
                    if delivery.qos == Qos::ExactlyOnce {
                        self.isolation.received(delivery.packet);
                    }
                }
                Output::Subscribe(filters) => {
                    self.outbox.use_identifier();
                    let filters = filters.iter().map(|wanted| wanted.filter.clone());
                    self.subscriptions.hand(filters.collect());
                }
                Output::Unsubscribe(filter) => {
                    self.outbox.use_identifier();
                    self.subscriptions.hand_end(filter.clone());
                }
                Output::Disconnect if self.closing.is_none() => self.begin_renewing(time),
                Output::Closed => self.life = Life::Over,
                _ => {}
            }
            if let Some(output) = self.queue.front_mut() {
                self.topic_map.rename(output);
            }
            return self.queue.pop_front();
        }
    }

    /// What [`Output::Commit`] gave is durable.
    pub const fn committed(&mut self) {
        match self.life {
            Life::Committing => self.life = Life::Running,
            Life::EndingCommits => self.life = Life::Ending,
            _ => {}
        }
    }

    /// A commit failed: memory is ahead of the store, so nothing comes out any more. Repair the
    /// store, and open a new client.
    pub fn commit_failed(&mut self) {
        self.life = Life::Over;
        self.queue.clear();
        self.parked.clear();
    }

    /// Whether anything comes out any more, now or later.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.life == Life::Over
    }
}
