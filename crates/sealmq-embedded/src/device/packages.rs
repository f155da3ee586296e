//! One-time keys (spec/keys.md §4). When they are made and end is decided by
//! `sealmq_keys::package_age`. The objects are not kept: a signature over the same fields is the same.

use rand_core::TryCryptoRng;
use sealmq_core::DomainId;
use sealmq_core::crypto::{
    DeviceSecret, Digest, IdentityKey, KemId, Purpose, RecipientKeyPair, Secret,
};
use sealmq_core::object::ObjectError;
use sealmq_keys::objects::{KEM_X25519, KeyPackage};
use sealmq_keys::package_age::{GroupProgress, KEPT_SETS, MIN_SET, PackageAge, is_old, times};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::lease::entropy;
use super::{Device, MAX_GROUPS, seconds};
use crate::Clock;
use crate::error::SealRefused;
use crate::records::RecordId;

/// The newest set, and two before it.
const PACKAGES: usize = MIN_SET * (KEPT_SETS as usize + 1);
/// Enough for a package of suite 1.
pub(crate) const MAX_PACKAGE: usize = 256;

/// An unused one-time key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) number: u32,
    pub(crate) hash: Digest,
    seed: [u8; 32],
    /// Number of the set that it was published in; 0: in the request.
    set: u32,
    issued_at: u64,
    not_after: u64,
    /// By the group's place: one more than its newest epoch when the package was made, or when the
    /// group was first heard of; 0 before that.
    epochs: [u64; MAX_GROUPS],
}

impl Drop for Package {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl Package {
    pub(super) fn key_pair(&self) -> RecipientKeyPair {
        RecipientKeyPair::derive(KemId::X25519, &Secret::new(self.seed))
    }

    /// The object; `domain` is the one it was made for.
    pub(crate) fn sign<'o>(
        &self,
        domain: DomainId,
        identity: &IdentityKey,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        let pair = self.key_pair();
        let package = KeyPackage {
            domain,
            identity: *identity.verifying_key().as_bytes(),
            number: self.number,
            kem: KEM_X25519,
            init_key: pair.public().as_bytes(),
            issued_at: self.issued_at,
            not_after: self.not_after,
        };
        package.sign(identity, out)
    }

    /// Makes one from a hedged seed; the device's secret moves on.
    pub(crate) fn make(
        (number, set): (u32, u32),
        (domain, identity): (DomainId, &IdentityKey),
        device: &mut DeviceSecret,
        (now, announced): (Option<u64>, u64),
        rng: &mut impl TryCryptoRng,
    ) -> Result<Self, SealRefused> {
        let hedged = device.hedge(&entropy(rng)?, Purpose::KeyPackage, number.into());
        *device = hedged.next;
        let (issued_at, not_after) = times(now, announced);
        let mut package = Self {
            number,
            hash: Digest::ZERO,
            seed: *hedged.seed.expose(),
            set,
            issued_at,
            not_after,
            epochs: [0; MAX_GROUPS],
        };
        let mut out = [0; MAX_PACKAGE];
        let signed = package.sign(domain, identity, &mut out);
        package.hash = signed.map_err(|_| SealRefused::Random)?.1;
        Ok(package)
    }

    fn age(&self, place: usize, group: &GroupProgress, time: u64) -> PackageAge {
        let noted = self
            .epochs
            .get(place)
            .and_then(|noted| noted.checked_sub(1));
        PackageAge {
            epochs: noted.map_or(0, |epoch| group.epochs_since(epoch)),
            seconds: self.seconds(time),
        }
    }

    /// A clock that was set back must not postpone its end for ever.
    const fn seconds(&self, time: u64) -> u64 {
        time.abs_diff(self.issued_at)
    }
}

/// The unused ones, ascending by number.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Packages {
    places: [Option<Package>; PACKAGES],
    /// New ones are due.
    #[serde(skip)]
    pub(super) replenish: bool,
    /// The older ones end with it: a welcome came too late.
    #[serde(skip)]
    pub(super) end_older: bool,
    /// The newest set is to be published.
    #[serde(skip)]
    pub(super) to_send: bool,
}

impl Packages {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Package> {
        self.places.iter().flatten()
    }

    pub(super) fn get(&self, number: u32) -> Option<&Package> {
        self.iter().find(|package| package.number == number)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Package) -> bool) -> bool {
        let mut dropped = false;
        for place in &mut self.places {
            dropped |= place.take_if(|package| !keep(package)).is_some();
        }
        dropped
    }

    /// The welcome to this one was installed.
    pub(super) fn used(&mut self, number: u32) {
        self.retain(|package| package.number != number);
    }

    /// Puts one in a free place, or in that of the oldest.
    pub(crate) fn put(&mut self, package: Package) {
        let number = |place: &Option<Package>| place.as_ref().map_or(0, |there| there.number);
        if let Some(place) = self.places.iter_mut().min_by_key(|place| number(place)) {
            *place = Some(package);
        }
        self.places.sort_unstable_by_key(number);
    }

    pub(super) fn newest_number(&self) -> u32 {
        self.iter().map(|package| package.set).max().unwrap_or(0)
    }

    /// The newest set; none if it is the request's.
    pub(super) fn newest_set(&self) -> impl Iterator<Item = &Package> {
        let newest = self.newest_number();
        self.iter().filter(move |p| p.set == newest && newest > 0)
    }
}

impl<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>
    Device<G, S, T, K, O>
{
    /// Does what time brings, and what needs randomness: ends packages and makes new ones, and makes
    /// nonces on a device without a clock. Call it about once a second; then store what is due.
    ///
    /// # Errors
    /// The random number generator failed; what was due stays so.
    pub fn maintain(&mut self, at: Clock, rng: &mut impl TryCryptoRng) -> Result<(), SealRefused> {
        let at = self.clock(at);
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
