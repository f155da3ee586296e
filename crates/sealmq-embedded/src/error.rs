use core::fmt;

use sealmq_core::object::{CodecError, ObjectError};
use sealmq_core::open::Rejection;
use sealmq_core::seal::SealError;
use sealmq_keys::Obstacle;
use sealmq_keys::group::{FollowError, InstallError};
use sealmq_keys::objects::WelcomeError;

/// What arrived on a reserved topic, and changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It does not verify, or breaks a rule.
    Object(ObjectError),
    /// An announcement that cannot be followed, or not yet: what it waits for is asked for.
    Follow(FollowError),
    /// A welcome that does not open.
    Welcome(WelcomeError),
    /// A welcome that cannot be installed.
    Install(InstallError),
    /// A welcome to a package that this device does not have.
    Package,
    /// It is longer than this device keeps: raise `OBJECT`.
    TooLong,
    /// The record of a session that is not authentic, or waits for something that is asked for.
    Record(Rejection),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(error) => error.fmt(f),
            Self::Follow(error) => error.fmt(f),
            Self::Welcome(error) => error.fmt(f),
            Self::Install(error) => error.fmt(f),
            Self::Package => f.write_str("the welcome is for a key that this device does not have"),
            Self::TooLong => f.write_str("the object is longer than this device keeps"),
            Self::Record(rejection) => f.write_str(rejection.name()),
        }
    }
}

impl core::error::Error for Refused {}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::Record(rejection)
    }
}

impl From<ObjectError> for Refused {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}

impl From<CodecError> for Refused {
    fn from(error: CodecError) -> Self {
        Self::Object(error.into())
    }
}

/// A message was not sealed, and nothing was sent in clear instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealRefused {
    /// No topic name, or a reserved one.
    Topic,
    /// No group of this device covers the topic, as far as it knows.
    NoGroup,
    /// By the rules of `sealmq_keys::standing`.
    Obstacle(Obstacle),
    /// Begin a session with [`crate::Device::prepare`] first.
    NotPrepared,
    /// Store what is due, and say so.
    Uncommitted,
    /// The random number generator failed, or is stuck.
    Random,
    /// Session numbers are used up.
    Numbers,
    /// From the session.
    Session(SealError),
}

impl fmt::Display for SealRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic => f.write_str("the topic is not allowed"),
            Self::NoGroup => {
                f.write_str("no group covers the topic, or its keys have not come yet")
            }
            Self::Obstacle(obstacle) => write!(f, "this member may not send now: {obstacle:?}"),
            Self::NotPrepared => f.write_str("no session: call prepare first"),
            Self::Uncommitted => f.write_str("records are due: store them first"),
            Self::Random => {
                f.write_str("the random number generator failed or is stuck: nothing was sealed")
            }
            Self::Numbers => f.write_str("session numbers are used up: a new credential is needed"),
            Self::Session(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SealRefused {}

/// A device cannot be started, or cannot join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// A stored record is damaged or of another version.
    Record,
    /// The random number generator failed, or is stuck.
    Random,
    /// A name, prefix or number that is not allowed, or an object that does not verify.
    Object(ObjectError),
    /// Delegation or credential are longer than `OBJECT`, or a buffer is too short.
    TooLong,
    /// The credential is for another device, or answers another request.
    OtherDevice,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record => f.write_str("a stored record is damaged or of another version"),
            Self::Random => {
                f.write_str("the random number generator failed or is stuck: look at the board's")
            }
            Self::Object(error) => error.fmt(f),
            Self::TooLong => f.write_str("an object is longer than this device keeps"),
            Self::OtherDevice => f.write_str("the credential is for another device or request"),
        }
    }
}

impl core::error::Error for StartError {}

impl From<ObjectError> for StartError {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}

impl From<CodecError> for StartError {
    fn from(error: CodecError) -> Self {
        Self::Object(error.into())
    }
}
