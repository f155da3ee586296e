use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use sealmq_core::NameError;
use sealmq_core::object::ObjectError;

use crate::armour::ArmourError;
use crate::reserved::PrefixError;

/// Enrolling or loading a member failed. Nothing was changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum MemberError {
    /// The store could not be read.
    Store(Box<dyn core::error::Error + Send + Sync>),
    /// A stored record does not decode.
    Record(String),
    /// An earlier version wrote the store: what [`Member::migration`](super::Member::migration)
    /// says has not been committed.
    OldStore,
    /// A later version wrote the store.
    NewerStore,
    /// An earlier version made the request in the store, and no authority of this one reads it.
    OldRequest,
    /// The store holds no keys yet.
    NotRequested,
    /// The store holds keys, but no credential yet.
    NotEnrolled,
    /// The store holds keys already; new ones would orphan them.
    AlreadyRequested,
    /// The name is not in the closed alphabet.
    Name(NameError),
    /// The number of key packages is 0 or above the limit.
    Packages {
        /// Most packages that one request may hold.
        most: u32,
    },
    /// The random number generator failed.
    Random,
    /// The credential file cannot be read.
    File(ArmourError),
    /// The root key in the credential file is no acceptable Ed25519 key.
    RootKey,
    /// The delegation in the credential file was refused.
    Delegation(ObjectError),
    /// The credential in the file was refused.
    Credential(ObjectError),
    /// The credential was issued for another device's key or request.
    OtherDevice,
    /// The device is enrolled in another domain.
    OtherDomain,
    /// The device is a member already.
    AlreadyEnrolled,
    /// The join token does not admit the name.
    TokenName {
        /// Names that it admits: a name, or a beginning followed by `*`.
        admits: String,
    },
    /// The prefix of the reserved topics cannot be used.
    Prefix(PrefixError),
    /// The delegation lists no key that join requests could be sealed to.
    NoJoining,
    /// The authority's answer to a join request was refused.
    Answer(ObjectError),
    /// An object could not be made.
    Object(ObjectError),
}

impl fmt::Display for MemberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(e) => write!(f, "the store cannot be read: {e}"),
            Self::Record(key) => write!(
                f,
                "the store's record `{key}` is damaged or from a newer version: update, or enrol the device anew"
            ),
            Self::OldStore => f.write_str(
                "an earlier version wrote this store: it has to be brought forward before it is used",
            ),
            Self::NewerStore => f.write_str(
                "a later version wrote this store: update this program",
            ),
            Self::OldRequest => f.write_str(
                "an earlier version made the request in this store, it was not answered, and no authority of this version reads it: delete the store, and ask again",
            ),
            Self::NotRequested => {
                f.write_str("this device has no keys yet: make an enrolment request first")
            }
            Self::NotEnrolled => f.write_str(
                "this device is not enrolled yet: have the authority approve its request, then import the credential file",
            ),
            Self::AlreadyRequested => f.write_str(
                "this device has keys already: use its existing request, or delete the store to start over",
            ),
            Self::Name(e) => e.fmt(f),
            Self::Packages { most } => write!(f, "a request takes 1 to {most} key packages"),
            Self::Random => f.write_str(
                "the random number generator failed: check the platform's RNG, no key was made",
            ),
            Self::File(e) => e.fmt(f),
            Self::RootKey => f.write_str("the credential file holds an unusable root key: make it again"),
            Self::Delegation(e) => write!(f, "the delegation in the credential file was refused: {e}"),
            Self::Credential(e) => write!(f, "the credential in the file was refused: {e}"),
            Self::OtherDevice => f.write_str(
                "the credential was made for another device or an older request: import the file that answers this device's request",
            ),
            Self::OtherDomain => f.write_str(
                "this device belongs to another domain: delete its store and make a new request to move it",
            ),
            Self::AlreadyEnrolled => f.write_str(
                "this device is a member already: use another store for another device",
            ),
            Self::TokenName { admits } => write!(
                f,
                "the token does not admit this name: it is for {admits}, choose such a name"
            ),
            Self::Prefix(e) => e.fmt(f),
            Self::NoJoining => f.write_str(
                "the domain takes no join requests: renew its delegation, or enrol the device by file",
            ),
            Self::Answer(e) => write!(f, "the answer to the join request was refused: {e}"),
            Self::Object(e) => write!(f, "an object could not be made: {e}"),
        }
    }
}

impl core::error::Error for MemberError {}

impl From<NameError> for MemberError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}
