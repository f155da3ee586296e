use sealmq_core::crypto::{Digest, KemPublicKey};
use sealmq_core::object::{List, ObjectError};
use sealmq_core::{DomainId, GroupId, check_name};
use serde::{Deserialize, Serialize};

use super::filters::check_filters;
use super::policy::Policy;
use crate::chain::check_chain;
use crate::kept::usable;
use crate::tree::is_depth;

/// Most generations that one announcement covers.
pub const MAX_GENERATIONS: usize = 2;

/// Whether the tree heals at an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EpochKind(u8);

impl EpochKind {
    /// Scheduled rotation, or a new member.
    pub const ORDINARY: Self = Self(0);
    /// A removal, or by policy: node keys are mixed with a fresh secret afterwards.
    pub const HEALING: Self = Self(1);

    /// Whether it heals.
    #[must_use]
    pub const fn is_healing(self) -> bool {
        self.0 == Self::HEALING.0
    }
}

/// A tree that an announcement covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Rises with each generation of the group.
    pub number: u32,
    /// Depth of its tree, 2 to 24.
    pub depth: u8,
    /// The epoch whose node keys are `N[v, first]`.
    pub first_epoch: u64,
    /// Unix time in seconds after which the older of two generations is covered no longer; 0 for
    /// the newest one, and while no time was set.
    pub deadline: u64,
}

/// The head of an announcement (spec/keys.md §5): everything but the covers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Head<'a> {
    /// The domain.
    pub domain: DomainId,
    /// Serial of the delegation that the signer belongs to.
    pub serial: u32,
    /// Index of the signing key in that delegation.
    pub signer: u8,
    /// Ordinary or healing.
    pub epoch_kind: EpochKind,
    /// The group.
    pub group: GroupId,
    /// The group's name.
    pub name: &'a str,
    /// From 1, one more each.
    pub epoch: u64,
    /// 32 fresh random bytes.
    pub salt: [u8; 32],
    /// Hash of the announcement of epoch − 1; zeros at 1.
    pub previous: Digest,
    /// The last healing epoch before this one; 0 if none.
    pub healing_epoch: u64,
    /// Hash of its announcement; zeros if none.
    pub healing: Digest,
    /// Unix seconds.
    pub issued_at: u64,
    /// Unix seconds: publishers stop then.
    pub not_after: u64,
    /// The group's policy.
    pub policy: Policy,
    /// The group's topic filters.
    #[serde(borrow)]
    pub filters: List<'a, &'a str>,
    /// The group's HPKE key of this epoch. [`Head::sign`] computes it.
    pub group_key: KemPublicKey,
    /// Check value of the psk. [`Head::sign`] computes it.
    pub psk_check: [u8; 32],
    /// What state is sealed to from here on: 32 bytes in a healing epoch, empty in all others. [`Head::sign`] computes it.
    pub kept_key: &'a [u8],
    /// Hash of the refused list; zeros if nobody is refused.
    pub refused: Digest,
    /// 1 or 2 trees, ascending by number.
    #[serde(borrow)]
    pub generations: List<'a, Generation>,
}

impl Head<'_> {
    /// Whether kept keys begin with this epoch (spec/keys.md §7).
    #[must_use]
    pub const fn begins_kept(&self) -> bool {
        self.epoch_kind.is_healing()
    }

    /// The key for state that it brings; `None` if it brings none.
    #[must_use]
    pub fn kept_key(&self) -> Option<KemPublicKey> {
        self.kept_key.try_into().ok().map(KemPublicKey)
    }

    pub(super) fn check(&self, prefix: &str) -> Result<(), ObjectError> {
        if self.epoch_kind.0 > EpochKind::HEALING.0 {
            return Err(ObjectError::Field("epoch_kind"));
        }
        check_name(self.name).map_err(|_| ObjectError::Field("name"))?;
        check_chain(
            self.epoch,
            &self.previous,
            self.healing_epoch,
            &self.healing,
        )?;
        if self.not_after <= self.issued_at {
            return Err(ObjectError::Field("not_after"));
        }
        self.policy.check()?;
        check_filters(&self.filters, prefix)?;
        let fits = match self.begins_kept() {
            true => usable(self.kept_key).is_some(),
            false => self.kept_key.is_empty(),
        };
        if !fits {
            return Err(ObjectError::Field("kept_key"));
        }
        self.check_generations()
    }

    fn check_generations(&self) -> Result<(), ObjectError> {
        let error = ObjectError::Field("generations");
        let mut last = None;
        for (index, generation) in self.generations.iter().enumerate() {
            let begun = (1..=self.epoch).contains(&generation.first_epoch);
            let ascending = last.is_none_or(|last: Generation| last.number < generation.number);
            if index >= MAX_GENERATIONS || !is_depth(generation.depth) || !begun || !ascending {
                return Err(error);
            }
            last = Some(generation);
        }
        // The newest one lives on.
        match last {
            Some(newest) if newest.deadline == 0 => Ok(()),
            _ => Err(error),
        }
    }
}
