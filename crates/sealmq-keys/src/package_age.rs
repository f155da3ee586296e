//! When a member deletes a key package's private key, and when it makes new packages, as rules on
//! numbers (spec/keys.md §4): none outlives what its welcome would open, and a new generation gets
//! packages of its own.

/// Seconds after which a set is replaced although nothing is known that it should serve for.
const RENEW_AFTER: u64 = 7 * 86_400;
/// Seconds after which a package ends then, if its group has gone beyond its window.
const END_AFTER: u64 = 14 * 86_400;
/// Seconds for which a set stays whatever happens: its welcome may be under way.
const SHORTEST: u64 = 60;

/// How old a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageAge {
    /// Epochs of the group: the newest one known, less the one known when the package was made, or
    /// when the member first heard of the group, if that was later ([`GroupProgress::epochs_since`]).
    pub epochs: u64,
    /// Seconds since it was made.
    pub seconds: u64,
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
