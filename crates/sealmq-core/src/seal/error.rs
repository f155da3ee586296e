use core::fmt;

use crate::wire::BodyError;

/// Why a session takes no further message (spec/envelope.md §6, limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// The policy's number of messages was sealed.
    Messages,
    /// The policy's number of bytes was sealed.
    Bytes,
    /// The policy's time is over.
    Time,
    /// The counter's hard limit of 2^21 messages.
    Counter,
    /// Its record was sealed under another credential.
    Credential,
}

/// A message was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// The session is at a limit. Start a new one and seal again; the payload was not touched.
    SessionEnded(EndReason),
    /// The announcement's validity is over by the caller's clock.
    KeysExpired,
    /// The publisher's grant, or its group, does not cover the topic.
    NotAllowed,
    /// The publisher's membership is of another group than the session.
    WrongGroup,
    /// The group's key is unusable, so no session can start.
    GroupKey,
    /// The session number is 0 or above 2^35 − 1.
    SessionNumber,
    /// A Last Will needs a session of its own: this one has already sealed.
    WillNeedsOwnSession,
    /// A Last Will needs the time at which it was sealed.
    WillNeedsTime,
    /// A field cannot be encoded.
    Field(BodyError),
    /// The buffer has too little room before or after the payload, or the payload's range is not
    /// inside it.
    Room {
        /// Bytes needed before the payload.
        headroom: usize,
        /// Bytes needed after the payload.
        tailroom: usize,
    },
    /// The message is longer than AES-GCM allows (2^36 − 32 bytes). Nothing was changed.
    TooLong,
    /// Encryption failed. The buffer was wiped and the counter is used up.
    Encryption,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionEnded(EndReason::Messages | EndReason::Counter) => {
                f.write_str("the session has sealed as many messages as it may: start a new one")
            }
            Self::SessionEnded(EndReason::Bytes) => {
                f.write_str("the session has sealed as many bytes as it may: start a new one")
            }
            Self::SessionEnded(EndReason::Time) => {
                f.write_str("the session has lasted as long as it may: start a new one")
            }
            Self::SessionEnded(EndReason::Credential) => f.write_str(
                "the session's record was sealed under another credential: start a new session",
            ),
            Self::KeysExpired => f.write_str(
                "the group's keys have expired: get a newer announcement, and check the clock",
            ),
            Self::NotAllowed => f.write_str(
                "the credential does not allow publishing on this topic: check the grant and the group's filters",
            ),
            Self::WrongGroup => {
                f.write_str("the session belongs to another group than this publisher's membership")
            }
            Self::GroupKey => {
                f.write_str("the group key in the announcement is unusable: the announcement is bad")
            }
            Self::SessionNumber => f.write_str(
                "a session number is 1 to 2^35 - 1: the larger of the previous one plus 1 and the Unix time",
            ),
            Self::WillNeedsOwnSession => {
                f.write_str("a Last Will needs a session of its own: start a new one for it")
            }
            Self::WillNeedsTime => {
                f.write_str("a Last Will needs `sent_at`: readers refuse wills without a time")
            }
            Self::Field(error) => write!(f, "the message cannot be encoded: {error}"),
            Self::Room { headroom, tailroom } => write!(
                f,
                "the buffer needs {headroom} bytes before the payload and {tailroom} after it"
            ),
            Self::TooLong => {
                f.write_str("the message is longer than AES-GCM allows: split the payload")
            }
            Self::Encryption => {
                f.write_str("encryption failed: nothing was sent, seal the payload again")
            }
        }
    }
}

impl core::error::Error for SealError {}

impl From<BodyError> for SealError {
    fn from(error: BodyError) -> Self {
        Self::Field(error)
    }
}
