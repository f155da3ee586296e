//! When a member deletes a key package's private key, and when it makes new packages, as rules on
//! numbers (spec/keys.md §4): none outlives what its welcome would open, and a new generation gets
//! packages of its own.

use serde::{Deserialize, Serialize};

use crate::announcement::Head;
use crate::group::GroupState;

/// Seconds after which a set is replaced although nothing is known that it should serve for.
const RENEW_AFTER: u64 = 7 * 86_400;
/// Seconds after which a package ends then, if its group has gone beyond its window.
const END_AFTER: u64 = 14 * 86_400;
/// Seconds for which a set stays whatever happens: its welcome may be under way.
const SHORTEST: u64 = 60;

/// How long key packages can be used, in seconds: a year.
pub const PACKAGE_VALIDITY: u64 = 365 * 86_400;
/// Seconds that an authority's clock may be ahead, by any policy (spec/constants.md §3).
const MAX_SKEW: u64 = 86_400;
/// Fewest packages of a set. A member of more groups gets one for each, as far as they fit: a
/// new generation may begin in all of them at once.
pub const MIN_SET: usize = 4;
/// Sets whose private keys are kept before the newest one. Two later sets end a set's use
/// (spec/keys.md §4), and the newest counts from its publication only, which a crash may delay.
pub const KEPT_SETS: u32 = 2;

/// issued_at and not_after of a package that is made now; `announced`: when the newest
/// announcement that the member knows was issued. All in Unix seconds.
///
/// By the authority's time if its clock is ahead: it tells packages that were made for a new
/// generation from older ones. Without a clock it decides alone how long they are good.
#[must_use]
pub const fn times(now: Option<u64>, announced: u64) -> (u64, u64) {
    match now {
        Some(now) => {
            let latest = now.saturating_add(MAX_SKEW);
            let announced = if announced < latest {
                announced
            } else {
                latest
            };
            let issued_at = if now > announced { now } else { announced };
            (issued_at, now.saturating_add(PACKAGE_VALIDITY))
        }
        None if announced == u64::MAX => (u64::MAX - 1, u64::MAX),
        None => (announced, u64::MAX),
    }
}

/// How old a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageAge {
    /// Epochs of the group: the newest one known, less the one known when the package was made, or
    /// when the member first heard of the group, if that was later ([`GroupProgress::epochs_since`]).
    pub epochs: u64,
    /// Seconds since it was made.
    pub seconds: u64,
}

/// What the newest verified announcement of a group says, followed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Serial of the delegation under which it was signed.
    pub serial: u32,
    /// Its epoch.
    pub epoch: u64,
    /// Unix seconds.
    pub issued_at: u64,
    /// The newest generation that it lists, and
    pub generation: u32,
    /// that one's first epoch.
    pub first_epoch: u64,
}

impl Listed {
    /// What a verified head says.
    #[must_use]
    pub fn of(head: &Head<'_>) -> Option<Self> {
        let newest = head.generations.iter().last()?;
        Some(Self {
            serial: head.serial,
            epoch: head.epoch,
            issued_at: head.issued_at,
            generation: newest.number,
            first_epoch: newest.first_epoch,
        })
    }

    /// Notes in `known` what a verified head says, if it is the newest.
    pub fn note(known: &mut Option<Self>, head: &Head<'_>) {
        let order = |listed: &Self| (listed.serial, listed.epoch);
        if let Some(new) = Self::of(head)
            && known.is_none_or(|known| order(&new) > order(&known))
        {
            *known = Some(new);
        }
    }
}

/// What a member knows of a group, whether or not it can follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupProgress {
    /// The newest epoch known.
    pub newest: u64,
    /// The newest generation that its announcement lists.
    pub generation: u32,
    /// That generation's first epoch.
    pub first_epoch: u64,
    /// Window of the policy.
    pub window: u8,
    /// Generation of the installed welcome; `None` without one.
    pub installed: Option<u32>,
    /// Number of the package that it was sealed to; 0 without one.
    pub installed_package: u32,
    /// The refused list names this member.
    pub removed: bool,
}

impl GroupProgress {
    /// Of the newest announcement and the state, if there is one.
    #[must_use]
    pub fn of(listed: &Listed, state: Option<&GroupState>, removed: bool) -> Self {
        let policy = state.and_then(GroupState::policy).copied();
        Self {
            newest: listed.epoch,
            generation: listed.generation,
            first_epoch: listed.first_epoch,
            window: policy.unwrap_or_default().window,
            installed: state.map(|state| state.installed().0),
            installed_package: state.map_or(0, |state| state.confirmation().package_number),
            removed,
        }
    }

    /// Epochs since the one that was known when a package was made. If that one is above the newest,
    /// it was known under a delegation whose numbers ended with it, perhaps a thief's: the package
    /// is older than any.
    #[must_use]
    pub fn epochs_since(&self, noted: u64) -> u64 {
        self.newest.checked_sub(noted).unwrap_or(u64::MAX)
    }

    /// Whether a welcome to the newest generation is missing.
    #[must_use]
    pub fn lacks_welcome(&self) -> bool {
        !self.removed && self.installed.is_none_or(|own| self.generation > own)
    }

    /// Whether the package with this number ends: its welcome could open what has left the window.
    /// Without a welcome to the newest generation, the one to this package may be withheld; and
    /// none serves that is sealed to a package before the installed welcome's.
    #[must_use]
    pub fn ends(&self, number: u32, age: PackageAge) -> bool {
        let least = if self.lacks_welcome() || self.installed_package > number {
            SHORTEST
        } else {
            END_AFTER
        };
        age.epochs > u64::from(self.window) && age.seconds >= least
    }

    /// Whether a package of this age in the newest set makes a new set due: it was made before the
    /// generation began that the member lacks a welcome to, or is soon of no use.
    #[must_use]
    pub fn outdates(&self, age: PackageAge) -> bool {
        let since = self.newest.saturating_sub(self.first_epoch);
        let half = u64::from(self.window) / 2;
        self.lacks_welcome()
            && (age.epochs > since || (age.epochs > half && age.seconds >= SHORTEST))
    }
}

/// Whether a package that is good for so many seconds makes a new set due by its age alone.
#[must_use]
pub fn is_old(seconds: u64, validity: u64) -> bool {
    seconds >= RENEW_AFTER.min(validity / 2)
}
