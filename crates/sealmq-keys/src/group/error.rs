use core::fmt;

use sealmq_core::crypto::Digest;
use sealmq_core::object::ObjectError;

use crate::announcement::ChunkRef;

/// Two signed objects tell different stories of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fork {
    /// The epoch.
    pub epoch: u64,
    /// Hash of the announcement that is known, or was referred to, before. Zeros if it is known
    /// that there is none like it.
    pub known: Digest,
    /// Hash of the announcement that contradicts it. Zeros if it denies that there is one.
    pub other: Digest,
}

impl fmt::Display for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "two announcements for epoch {}, {} and {}: an authority key was stolen, or an old copy of the authority is running",
            self.epoch, self.known, self.other
        )
    }
}

/// Why an announcement was not followed. The group state is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FollowError {
    /// It does not verify, or was issued in the future ([`ObjectError::Expired`]).
    Object(ObjectError),
    /// It is of another group.
    OtherGroup,
    /// It contradicts what is known: raise an alarm and keep both objects.
    Fork(Fork),
    /// A healing announcement in between has to be followed first; pass its hash as
    /// [`FollowContext::referenced`](super::FollowContext::referenced).
    NeedsHealing {
        /// Its epoch, which names its topic.
        epoch: u64,
        /// Its hash.
        hash: Digest,
    },
    /// The entry for this member stands in a chunk of the cover; pass it as
    /// [`FollowContext::chunk`](super::FollowContext::chunk).
    NeedsChunk {
        /// The epoch, which with the chunk's number names its topic.
        epoch: u64,
        /// The chunk.
        chunk: ChunkRef,
    },
    /// The chunk is not the one that the announcement refers to: ask for it again.
    Chunk,
    /// No entry is for this member: it was removed, or its generation has ended.
    NotCovered,
    /// Older than the window.
    TooOld,
    /// More than 65536 epochs ahead.
    TooFar,
    /// The entry does not open, or does not hold the announced keys.
    WrongSecret,
}

impl FollowError {
    /// Why a chunk of a cover was refused: what does not fit its hash is another one.
    #[must_use]
    pub const fn of_chunk(error: ObjectError) -> Self {
        match error {
            ObjectError::Serial => Self::Chunk,
            error => Self::Object(error),
        }
    }
}

impl fmt::Display for FollowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object(error) => return error.fmt(f),
            Self::OtherGroup => "the announcement is of another group",
            Self::Fork(fork) => return fork.fmt(f),
            Self::NeedsHealing { epoch, .. } => {
                return write!(f, "the announcement of epoch {epoch} has to be followed first: wait for it");
            }
            Self::NeedsChunk { epoch, chunk } => {
                return write!(f, "chunk {} of the cover of epoch {epoch} is needed: fetch it", chunk.number);
            }
            Self::Chunk => "the chunk is not the one that the announcement refers to: it is old or was altered; fetch it again",
            Self::NotCovered => "the announcement has no key for this member: it was removed from the group, or needs a new welcome",
            Self::TooOld => "the announcement is older than the group's window",
            Self::TooFar => "the announcement is too many epochs ahead: ask the authority for a new welcome",
            Self::WrongSecret => "the announcement's keys do not fit together: the authority is faulty, or a signing key was stolen",
        })
    }
}

impl core::error::Error for FollowError {}

impl From<ObjectError> for FollowError {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}

/// Why a welcome was not installed. The group state is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstallError {
    /// It is for another group or domain.
    OtherGroup,
    /// Serial, generation, epoch and package are not above those of the installed welcome: ignore it.
    NotNewer,
    /// The group has moved on further than its window since.
    TooOld,
    /// It contradicts what is known: raise an alarm and keep both objects.
    Fork(Fork),
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherGroup => "the welcome is for another group",
            Self::NotNewer => "the welcome is not newer than the installed one",
            Self::TooOld => {
                "the welcome is older than the group's window: ask the authority for a new one"
            }
            Self::Fork(fork) => return fork.fmt(f),
        })
    }
}

impl core::error::Error for InstallError {}

/// The stored bytes are no group state: damaged, or of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateError;

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stored group state is damaged or of another version: restore the store, or re-enrol this device")
    }
}

impl core::error::Error for StateError {}
