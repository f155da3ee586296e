//! A broker that keeps the welcome of a new generation from a member until that has followed the
//! old one beyond the window; and what a copy of a member's store is worth then
//! (spec/keys.md §7, "Forward secrecy, in numbers").

use sealmq_core::crypto::{KemId, RecipientKeyPair, Secret, VerifyingKey};
use sealmq_keys::{Change, Changes, VerifiedDelegation, VerifiedWelcome};

use super::Sabotage;
use super::device::varint;
use super::office::group;
use super::successor::serial_of;
use super::thief::find;
use super::world::World;

/// Seconds for which a package stays whatever happens, and for which one stays to which a welcome
/// may have been sealed again (spec/keys.md §4).
const SHORTEST: u64 = 60 + 5;
const AGAIN: u64 = 14 * 86_400;

/// A package record: version, number, hash, and more.
fn hash_of(record: &[u8]) -> &[u8] {
    let mut rest = &record[1..];
    varint(&mut rest);
    &rest[..32]
}

impl World {
    /// A new generation, whose welcome one member does not get, and many epochs.
    pub(super) fn withhold_welcome(&mut self, device: usize, step: u64) {
        if !self.acts() || self.devices[device].removed.is_some() {
            return;
        }
        let now = self.now / 1000;
        let begun = self.authority.renew_generation("plant", now, &mut self.rng);
        // Perhaps one is under way.
        if let Ok(plan) = begun {
            self.carry_out(plan);
        }
        self.trace
            .note(&format!("{device} gets no welcome for a while"));
        self.seen.fault("withheld welcome");
        let client = self.devices[device].client;
        self.broker.clients[client].unwelcome = step + 35 + self.dice.below(40);
        self.hurry = step + 12;
    }

    /// Epochs follow fast, and welcomes that were withheld arrive.
    pub(super) fn go_on_with_generations(&mut self, step: u64) {
        if self.hurry > step && self.dice.one_in(2) {
            self.rotate();
        }
        for device in 0..self.devices.len() {
            let client = self.devices[device].client;
            if self.broker.clients[client].unwelcome == step && step > 0 {
                let number = self.devices[device].number();
                let own = format!("{}/m/{number}/w/", self.authority.prefix());
                let shown = self.broker.retained.range(own.clone()..);
                let shown = shown.take_while(|(topic, _)| topic.starts_with(&own));
                let shown: Vec<_> = shown.map(|(t, p)| (t.clone(), p.clone())).collect();
                for (topic, payload) in shown {
                    self.broker.inject(client, &topic, &payload, true);
                }
                self.flow();
                // Packages are looked after once a second.
                self.pass_seconds(1);
                self.check_window(device);
            }
        }
    }

    /// A thief with a copy of a member's store and all that the broker ever had opens nothing
    /// older than the window.
    pub(super) fn check_window(&mut self, device: usize) {
        // What a thief of the authority's keys does to epochs is not a member's fault.
        let this = &self.devices[device];
        // Nor does it delete anything while it is switched off.
        let is_off = this.asleep > self.broker.step;
        let spared = this.removed.is_some() || this.put_back || is_off;
        if self.settings.thief || spared {
            return;
        }
        let Some(state) = this.state() else { return };
        let installed = (
            (state.installed_serial(), state.installed().0),
            state.confirmation().package_number,
        );
        let current = state.current_epoch();
        // Without a clock time passes with the announcements.
        let newest = this.announcement(current);
        let announced = newest.map_or(0, |newest| self.verified(newest).head().issued_at);
        let time = if this.has_clock {
            self.now / 1000
        } else {
            announced
        };
        let window = u64::from(group().policy.window);
        let kept = this.store.0.range("member/package/".to_owned()..);
        let kept = kept.take_while(|(key, _)| key.starts_with("member/package/"));
        let mut packages: Vec<&[u8]> = kept.map(|(_, record)| record.as_slice()).collect();
        if self.settings.sabotage == Sabotage::KeptPackages {
            packages.extend(this.old_packages.iter().map(Vec::as_slice));
        }
        let own = format!("/m/{}/w/", this.number());
        let root = VerifyingKey::from_bytes(self.authority.root_key()).unwrap();
        for publication in self.broker.log.iter().filter(|p| p.topic.contains(&own)) {
            let welcome = &publication.payload;
            // To verify all of them would take most of a seed's time.
            if !packages
                .iter()
                .any(|record| find(welcome, hash_of(record)).is_some())
            {
                continue;
            }
            let object = self.published.delegations.object(serial_of(welcome));
            let delegation = VerifiedDelegation::verify(object, &root).unwrap();
            let Ok(welcome) = VerifiedWelcome::verify(welcome, &delegation) else {
                continue;
            };
            let fields = *welcome.fields();
            // Version, number, hash, seed, set, issued_at.
            let found = packages.iter().find_map(|record| {
                let rest = &record[find(record, &fields.package.0)? + 32..];
                let (seed, mut rest) = rest.split_first_chunk::<32>()?;
                varint(&mut rest);
                Some((*seed, varint(&mut rest)))
            });
            let Some((seed, issued_at)) = found else {
                continue;
            };
            let key = RecipientKeyPair::derive(KemId::X25519, &Secret::new(seed));
            if welcome.open(&key).is_err() {
                continue;
            }
            // Made before the device knew any time: its age counts from then.
            let made = if issued_at == 0 {
                this.follows_since / 1000
            } else {
                issued_at
            };
            // Announcements that were held back may be older than when it first heard of the group.
            let heard_for = time.saturating_sub(this.heard_of / 1000);
            let age = time.abs_diff(made).min(heard_for);
            // Unconfirmed ones are issued again under a renewed delegation, too.
            let again = fields.generation <= installed.0.1 && fields.package_number > installed.1;
            let limit = if again { AGAIN } else { SHORTEST };
            assert!(
                fields.epoch + window >= current || age <= limit,
                "a copy of {device}'s store at epoch {current} opens the welcome of {} to package \
                 {} of {age} seconds; installed is {installed:?}",
                fields.epoch,
                fields.package_number,
            );
            self.seen.total("welcomes that a copy of a store opens");
        }
        self.seen.total("stores copied");
    }

    /// Deleted packages, for those who do not delete.
    pub(super) fn keep_packages(&mut self, device: usize, changes: &Changes) {
        if self.settings.sabotage != Sabotage::KeptPackages {
            return;
        }
        let this = &mut self.devices[device];
        for change in changes {
            if let Change::Delete { key } = change
                && key.starts_with("member/package/")
                && let Some(record) = this.store.0.get(key)
            {
                this.old_packages.push(record.clone());
            }
        }
    }
}
