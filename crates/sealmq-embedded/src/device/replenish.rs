//! When one-time keys are made and end: by the rules of `sealmq_keys::package_age`.

use rand_core::TryCryptoRng;
use sealmq_core::crypto::{DeviceSecret, Secret};
use sealmq_keys::package_age::{GroupProgress, KEPT_SETS, MIN_SET, is_old};

use super::{Device, seconds};
use crate::Clock;
use crate::error::SealRefused;
use crate::packages::Package;
use crate::records::RecordId;

impl<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>
    Device<G, S, T, K, O>
{
    /// Does what time brings, and what needs randomness: asks again for chunks that did not come, ends
    /// packages and makes new ones, and makes nonces on a device without a clock. Call it about once a second; then store what is due.
    ///
    /// # Errors
    /// The random number generator failed; what was due stays so.
    pub fn maintain(&mut self, at: Clock, rng: &mut impl TryCryptoRng) -> Result<(), SealRefused> {
        let at = self.clock(at);
        self.ask_for_chunks(at);
        self.note_epochs();
        self.end_stale_packages(at);
        if self.packages.replenish || self.set_was_due() || self.needs_packages(at) {
            self.make_packages(at, rng)?;
        }
        self.ask_for_leases(at, rng)
    }

    fn make_packages(&mut self, at: Clock, rng: &mut impl TryCryptoRng) -> Result<(), SealRefused> {
        let set = self.packages.newest_number().saturating_add(1);
        let kept_sets = if self.packages.end_older {
            0
        } else {
            KEPT_SETS
        };
        let (domain, announced) = (self.domain(), self.announced_at());
        let mut device = DeviceSecret::new(Secret::new(*self.secret.expose()));
        for _ in 0..MIN_SET {
            let number = self
                .package_number
                .checked_add(1)
                .ok_or(SealRefused::Numbers)?;
            let owner = (domain, &self.identity);
            let times = (seconds(at), announced);
            let package = Package::make((number, set), owner, &mut device, times, rng);
            // What was drawn is never drawn again, also if the rest fails.
            self.secret = DeviceSecret::new(Secret::new(*device.expose()));
            self.mark(RecordId::Numbers);
            self.package_number = number;
            self.packages.put(package?);
        }
        let now = seconds(at);
        self.packages.retain(|package| {
            let expired = now.is_some_and(|now| now > package.not_after);
            package.set.saturating_add(kept_sets) >= set && !expired
        });
        self.packages.replenish = false;
        self.packages.end_older = false;
        self.packages.to_send = true;
        self.mark(RecordId::Packages);
        self.note_epochs();
        Ok(())
    }

    /// For groups that were heard of since packages were made, their welcomes can be as old as that.
    fn note_epochs(&mut self) {
        let mut noted = false;
        for (place, group) in self.groups.iter().enumerate() {
            let Some(epoch) = group.as_ref().and_then(|group| group.known_epoch()) else {
                continue;
            };
            for package in self.packages.places.iter_mut().flatten() {
                if let Some(known) = package.epochs.get_mut(place).filter(|known| **known == 0) {
                    *known = epoch.saturating_add(1);
                    noted = true;
                }
            }
        }
        if noted {
            self.mark(RecordId::Packages);
        }
    }

    /// Whether a set is due that was due before the device was started: one that was never made, or
    /// whose packages were used; or a welcome is needed, and there are no packages since.
    fn set_was_due(&self) -> bool {
        let newest = self.packages.newest_number();
        let states = || {
            self.groups
                .iter()
                .flatten()
                .filter_map(|group| group.state())
        };
        let first = self.packages.newest_set().next();
        let used = |first: &Package| {
            let mut numbers = states().map(|state| state.confirmation().package_number);
            numbers.any(|number| number > first.number)
        };
        let incomplete = self.packages.newest_set().count() < MIN_SET;
        let set_is_due = first.is_none_or(|first| incomplete || used(first));
        let mut waiting = self.groups.iter().flatten();
        (states().next().is_some() && set_is_due)
            || waiting.any(|group| {
                group.is_left_out() == Some(false)
                    && group
                        .left_out
                        .is_some_and(|left_out| left_out.set >= newest)
            })
    }

    /// By the clock, or by what announcements say of the time.
    fn time(&self, at: Clock) -> u64 {
        seconds(at).unwrap_or_else(|| self.announced_at())
    }

    /// Deletes the keys of packages whose welcomes could open what is out of the window.
    pub(super) fn end_stale_packages(&mut self, at: Clock) {
        let time = self.time(at);
        let groups = &self.groups;
        let ended = self.packages.retain(|package| {
            let mut groups = groups.iter().enumerate();
            !groups.any(|(place, group)| {
                let group = group.as_ref().and_then(|group| group.progress());
                group.is_some_and(|group| {
                    group.ends(package.number, package.age(place, &group, time))
                })
            })
        });
        if ended {
            self.mark(RecordId::Packages);
        }
    }

    /// Whether a new set is due.
    fn needs_packages(&self, at: Clock) -> bool {
        let time = self.time(at);
        let own = self.own.fields();
        let lacks = self.groups.iter().enumerate().any(|(place, group)| {
            let Some(group) = group else { return false };
            let granted = own.grant(&group.id).is_some();
            let lacking = |group: &GroupProgress| granted && group.lacks_welcome();
            let Some(group) = group.progress().filter(lacking) else {
                return false;
            };
            let newest = self.packages.newest_number();
            let mut set = self.packages.iter().filter(|p| p.set == newest);
            let outdated = |p: &Package| group.outdates(p.age(place, &group, time));
            self.packages.iter().next().is_none() || set.any(outdated)
        });
        let old = self.packages.newest_set().any(|package| {
            let validity = package.not_after.saturating_sub(package.issued_at);
            is_old(package.seconds(time), validity)
        });
        lacks || old
    }

    /// A welcome to this package came too late: its key would open what is out of the window.
    pub(super) fn end_package(&mut self, number: u32) {
        self.packages.used(number);
        self.packages.replenish = true;
        self.packages.end_older = true;
        self.mark(RecordId::Packages);
    }
}
