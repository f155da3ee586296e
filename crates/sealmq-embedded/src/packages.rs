//! One-time keys (spec/keys.md §4). When they are made and end is decided by
//! `sealmq_keys::package_age`. The objects are not kept: a signature over the same fields is the same.

use rand_core::TryCryptoRng;
use sealmq_core::DomainId;
use sealmq_core::crypto::{
    DeviceSecret, Digest, IdentityKey, KemId, Purpose, RecipientKeyPair, Secret,
};
use sealmq_core::object::{ObjectError, decode_prefix};
use sealmq_keys::objects::{KEM_X25519, KeyPackage};
use sealmq_keys::package_age::{GroupProgress, KEPT_SETS, MIN_SET, PackageAge, times};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::draw::entropy;
use crate::error::{SealRefused, StartError};
use crate::records::{self, MAX_GROUPS};

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
    pub(crate) set: u32,
    pub(crate) issued_at: u64,
    pub(crate) not_after: u64,
    /// By the group's place: one more than its newest epoch when the package was made, or when the
    /// group was first heard of; 0 before that.
    pub(crate) epochs: [u64; MAX_GROUPS],
}

impl Drop for Package {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl Package {
    pub(crate) fn key_pair(&self) -> RecipientKeyPair {
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

    pub(crate) fn age(&self, place: usize, group: &GroupProgress, time: u64) -> PackageAge {
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
    pub(crate) const fn seconds(&self, time: u64) -> u64 {
        time.abs_diff(self.issued_at)
    }
}

/// The unused ones, ascending by number.
#[derive(Serialize)]
pub(crate) struct Packages {
    pub(crate) places: [Option<Package>; PACKAGES],
    /// New ones are due.
    #[serde(skip)]
    pub(crate) replenish: bool,
    /// The older ones end with it: a welcome came too late.
    #[serde(skip)]
    pub(crate) end_older: bool,
    /// The newest set is to be published.
    #[serde(skip)]
    pub(crate) to_send: bool,
}

impl Packages {
    #[inline(always)]
    pub(crate) fn none() -> Self {
        Self {
            places: core::array::from_fn(|_| None),
            replenish: false,
            end_older: false,
            to_send: false,
        }
    }

    /// Takes back a record, one place after the other: all of them are large on the stack.
    pub(crate) fn restore(&mut self, record: &[u8]) -> Result<(), StartError> {
        let mut rest = records::body(record)?;
        for place in &mut self.places {
            rest = Self::restore_one(place, rest)?;
        }
        Ok(())
    }

    fn restore_one<'r>(
        place: &mut Option<Package>,
        record: &'r [u8],
    ) -> Result<&'r [u8], StartError> {
        let taken = decode_prefix(record);
        let (package, rest) = taken.map_err(|_| StartError::Record)?;
        *place = package;
        Ok(rest)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Package> {
        self.places.iter().flatten()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Package> {
        self.iter().find(|package| package.number == number)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&Package) -> bool) -> bool {
        let mut dropped = false;
        for place in &mut self.places {
            dropped |= place.take_if(|package| !keep(package)).is_some();
        }
        dropped
    }

    /// The welcome to this one was installed.
    pub(crate) fn used(&mut self, number: u32) {
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

    pub(crate) fn newest_number(&self) -> u32 {
        self.iter().map(|package| package.set).max().unwrap_or(0)
    }

    /// The newest set; none if it is the request's.
    pub(crate) fn newest_set(&self) -> impl Iterator<Item = &Package> {
        let newest = self.newest_number();
        self.iter().filter(move |p| p.set == newest && newest > 0)
    }
}
