//! What has to be true in the end.

use sealmq_client::{Event, Output, Time};
use sealmq_core::crypto::{Digest, Hasher, Secret, VerifyingKey};
use sealmq_keys::{Announcement, Psk, Publication, ReaderSecret, VerifiedDelegation};

use super::Crashes;
use super::driver::incoming;
use super::report::Report;
use super::world::World;

impl World {
    /// Everybody talks to everybody, and what the removed have stored opens nothing later.
    pub(super) fn end(mut self) -> Report {
        for step in 0..15 {
            self.broker.step = self.settings.steps + step;
            self.trace.begin(self.broker.step);
            self.quiet_step(2);
        }
        // The last message is not sent again: a reader that dies just then has lost it.
        self.settings.crashes = Crashes::Never;
        self.check_conversation();
        self.check_state();
        self.give_keys_away();
        self.check_removed();
        self.check_pool();
        if let Some(device) = self.honest().first() {
            self.check_window(*device);
        }
        let mut seen = std::mem::take(&mut self.seen);
        seen.digests.insert(self.settings.seed, self.digest(&seen));
        seen
    }

    fn digest(&self, seen: &Report) -> Digest {
        let mut hash = Hasher::new();
        for Publication {
            topic,
            payload,
            retain,
        } in &self.broker.log
        {
            hash.update(&[u8::from(*retain)]);
            hash.update(&(topic.len() as u64).to_be_bytes());
            hash.update(topic.as_bytes());
            hash.update(&(payload.len() as u64).to_be_bytes());
            hash.update(payload);
        }
        hash.update(format!("{seen:?}").as_bytes());
        hash.finish()
    }

    pub(super) fn check_conversation(&mut self) {
        let active = self.honest();
        for sender in active.clone() {
            if !self.devices[sender].access.may_publish() {
                continue;
            }
            let id = self.messages.len();
            let sent = self.send(sender);
            assert!(sent, "{sender} cannot send");
            self.flow();
            // Who lacks the sender's credential fetches it, the next one a little later; or asks, and
            // the office answers at its next look.
            for _ in 0..10 {
                self.pass_seconds(2);
                if self.is_heard(sender, id) {
                    break;
                }
            }
            for reader in &active {
                let this = &self.devices[*reader];
                if *reader != sender && this.access.may_subscribe() {
                    let heard = sent && this.accepted.contains(&id);
                    assert!(heard, "{reader} does not hear {sender}");
                    let total = if heard { "heard" } else { "not heard" };
                    self.seen.total(total);
                    if self.devices[sender].is_sensor() {
                        self.seen.total("a sensor's message heard");
                    }
                }
            }
        }
    }

    fn is_heard(&self, sender: usize, id: usize) -> bool {
        self.honest().into_iter().all(|reader| {
            let this = &self.devices[reader];
            let hears = reader != sender && this.access.may_subscribe();
            !hears || this.accepted.contains(&id)
        })
    }

    /// Removed members that have everything the broker has open nothing that was sealed after
    /// their removal bound its sender.
    pub(super) fn check_removed(&mut self) {
        let latency = self
            .authority
            .groups()
            .next()
            .unwrap()
            .publishers_stop_after;
        for device in 0..self.devices.len() {
            let Some(removed) = self.devices[device].removed else {
                continue;
            };
            let later = |m: &&super::sealed::Message| {
                let sealed = !m.envelope.is_empty();
                sealed
                    && m.at > self.thief.binds_from(removed, m.at) + latency
                    && m.sender != device
                    && !m.misled
            };
            let later: Vec<_> = self.messages.iter().filter(later).collect();
            let this = &mut self.devices[device];
            if this.is_sensor() {
                let later = later.iter().map(|message| (message.at * 1000, *message));
                let opened = this.shown_to_removed(self.now, &self.records, later);
                assert!(
                    opened.is_none(),
                    "{device}, removed at {removed}, opens a message of {opened:?}"
                );
                self.seen.total("envelopes shown to removed sensors");
                continue;
            }
            for record in &self.records {
                let time = Time {
                    uptime: self.now - this.begun,
                    clock: this.has_clock.then_some(self.now),
                };
                let shown = incoming(&record.topic, &record.payload, true);
                this.engine.host_mut().handle_publish(shown, time);
                while this
                    .engine
                    .host_mut()
                    .poll_output(time, &mut this.rng)
                    .is_some()
                {
                    this.engine.host_mut().committed();
                }
            }
            for message in later {
                let time = Time {
                    uptime: self.now - this.begun,
                    clock: this.has_clock.then_some(message.at * 1000),
                };
                let shown = incoming(&message.topic, &message.envelope, false);
                this.engine.host_mut().handle_publish(shown, time);
                let mut opens = false;
                while let Some(output) = this.engine.host_mut().poll_output(time, &mut this.rng) {
                    opens |= matches!(output, Output::Event(Event::Message(_), _));
                    this.engine.host_mut().committed();
                }
                assert!(
                    !opens,
                    "{device}, removed at {removed}, opens a message of {}",
                    message.at
                );
                self.seen.total("envelopes shown to removed members");
            }
        }
    }

    /// Every 32 bytes that a removed member ever keeps of the group, as each kind of secret,
    /// against every epoch after the last of them was removed.
    pub(super) fn check_pool(&mut self) {
        let removed = self.devices.iter().filter(|d| d.removed.is_some());
        let pool: Vec<_> = removed.collect();
        let Some(last) = pool.iter().filter_map(|d| d.removed).max() else {
            return;
        };
        let root = VerifyingKey::from_bytes(self.authority.root_key()).unwrap();
        let delegation = VerifiedDelegation::verify(self.authority.delegation(), &root).unwrap();
        let prefix = self.authority.prefix();
        let announced = self.published.announcements.values();
        let checks: Vec<[u8; 32]> = announced
            .filter_map(|bytes| Announcement::verify(bytes, &delegation, prefix).ok())
            .filter(|announcement| announcement.head().issued_at > last)
            .map(|announcement| announcement.head().psk_check)
            .collect();
        let mut windows = 0;
        for device in pool {
            let states = device
                .store
                .0
                .iter()
                .filter(|(key, _)| key.ends_with("/state"));
            for window in states.flat_map(|(_, value)| value.windows(32)) {
                let bytes: [u8; 32] = window.try_into().unwrap();
                let reader = ReaderSecret::new(Secret::new(bytes)).psk().check();
                let psk = Psk::new(Secret::new(bytes)).check();
                let opens = checks.contains(&reader) || checks.contains(&psk);
                assert!(
                    !opens,
                    "what removed members have stored opens a later epoch"
                );
                windows += 1;
            }
        }
        if windows > 0 && !checks.is_empty() {
            self.seen.total("pools tried");
        }
    }
}
