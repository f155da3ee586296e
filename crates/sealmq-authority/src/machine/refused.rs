use sealmq_core::object::ObjectError;

use super::AuthorityError;

/// Why an input changed nothing.
pub(super) enum Refused {
    /// It cannot be used now, or not by this authority.
    Content(&'static str),
    /// It cannot be used by anyone.
    Object(ObjectError),
    /// The authority itself is at fault.
    Fault(AuthorityError),
}

impl From<ObjectError> for Refused {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}

impl From<AuthorityError> for Refused {
    fn from(error: AuthorityError) -> Self {
        Self::Fault(error)
    }
}
