//! What became of an object that arrived.

use core::fmt;

use sealmq_core::object::ObjectError;

use crate::group::{FollowError, InstallError};
use crate::welcome::WelcomeError;

/// Why an object on a reserved topic was refused.
#[derive(Debug)]
pub(super) enum BadObject {
    Object(ObjectError),
    Follow(FollowError),
    Install(InstallError),
    Sealed(WelcomeError),
    Package,
}

impl BadObject {
    /// The signer has no say, under the delegation that is in force.
    pub(super) const fn is_role(&self) -> bool {
        matches!(self, Self::Object(ObjectError::Role))
    }
}

impl fmt::Display for BadObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(e) => e.fmt(f),
            Self::Follow(e) => e.fmt(f),
            Self::Install(e) => e.fmt(f),
            Self::Sealed(e) => e.fmt(f),
            Self::Package => f.write_str(
                "the welcome is sealed to a key package that this device never made: check that no two devices share an identity",
            ),
        }
    }
}

impl From<ObjectError> for BadObject {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}

/// What became of an object.
pub(super) enum Handled {
    /// Nothing to do: known, used, cleared, or not for this member.
    Ignored,
    /// Kept until what it depends on arrives.
    Kept,
    /// Installed; the actions say what follows.
    Installed,
}
