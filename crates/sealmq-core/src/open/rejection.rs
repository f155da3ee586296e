use core::fmt;

use crate::ids::{GroupId, KeyId, MemberNumber};
use crate::wire::{HeaderError, SessionTag};

/// What has to be fetched before a sender's messages can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// Its credential.
    Credential,
    /// The refused list that the group's newest announcement names.
    RefusedList,
}

/// Why a message or its keys are out of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Staleness {
    /// The group's keys ran out and no newer announcement arrived.
    Keys,
    /// The sender's credential is not valid now.
    Credential,
    /// The same of the sender of state, which opens when the renewed credential is there.
    CredentialOfState {
        /// The sender.
        member: MemberNumber,
    },
    /// `sent_at` lies ahead of this reader's clock.
    Future,
    /// Older than the policy allows.
    Old,
    /// Its message expiry interval has run out.
    Expired,
    /// The policy asks for a time and there is none inside.
    NoTime,
}

/// A message was not accepted (spec/envelope.md §10). Local information only: nothing of it goes
/// back to the network, and a QoS 1 or 2 message is acknowledged all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The payload is no envelope.
    NotSealed,
    /// It starts like an envelope and is not one.
    Malformed,
    /// A form or suite that this reader does not implement.
    Unsupported {
        /// The first byte.
        form: u8,
    },
    /// No epoch in the window has this key id. The buffer still holds the envelope.
    UnknownKey {
        /// First bytes of the announcement's hash.
        key_id: KeyId,
    },
    /// It is of the short form, and no session with this tag is known: its record has not arrived
    /// yet. The buffer still holds the envelope.
    UnknownSession {
        /// What names the session.
        tag: SessionTag,
    },
    /// The sender cannot be judged yet. The buffer holds the envelope again.
    UnknownSender {
        /// The group.
        group: GroupId,
        /// The number that the message claims; not proven.
        member: MemberNumber,
        /// What to fetch.
        missing: Missing,
    },
    /// The sender may not publish on this topic.
    NotAllowed {
        /// The sender's number.
        member: MemberNumber,
    },
    /// The sender was removed, or uses an old credential.
    Revoked {
        /// The sender's number.
        member: MemberNumber,
    },
    /// Seen before, or older than what was seen.
    Replay {
        /// The sender's number.
        member: MemberNumber,
    },
    /// Out of time. For want of a newer announcement or, of state, of a newer credential, the buffer
    /// still holds the envelope.
    Stale(Staleness),
    /// This reader's own message came back.
    Own,
    /// Altered, misdirected or forged. Deliberately not more precise (threat model B26).
    Rejected,
    /// Too many envelopes of unknown sessions at once. The buffer still holds the envelope.
    Busy,
}

impl Rejection {
    /// The name of every reason ([`Rejection::name`]), so that a test can say which ones it has seen.
    pub const NAMES: [&'static str; 14] = [
        "NotSealed",
        "Malformed",
        "Unsupported",
        "UnknownKey",
        "UnknownSession",
        "UnknownSender",
        "UnknownList",
        "NotAllowed",
        "Revoked",
        "Replay",
        "Stale",
        "Own",
        "Rejected",
        "Busy",
    ];

    /// The sender whose credential, or whose newer one, the same envelope waits for.
    #[must_use]
    pub const fn awaited_credential(&self) -> Option<MemberNumber> {
        match self {
            Self::UnknownSender {
                member,
                missing: Missing::Credential,
                ..
            }
            | Self::Stale(Staleness::CredentialOfState { member }) => Some(*member),
            _ => None,
        }
    }

    /// The sender for which the refused list of a group, or a part of it, is missing.
    #[must_use]
    pub const fn awaited_list(&self) -> Option<(GroupId, MemberNumber)> {
        match self {
            Self::UnknownSender {
                group,
                member,
                missing: Missing::RefusedList,
            } => Some((*group, *member)),
            _ => None,
        }
    }

    /// Whether the same envelope may be accepted later, so that it is worth keeping. The buffer
    /// then holds it unchanged; after every other rejection it must be thrown away.
    #[must_use]
    pub const fn may_wait(&self) -> bool {
        matches!(
            self,
            Self::UnknownKey { .. }
                | Self::UnknownSession { .. }
                | Self::UnknownSender { .. }
                | Self::Stale(Staleness::Keys | Staleness::CredentialOfState { .. })
                | Self::Busy
        )
    }

    /// The reason's name in the spec, for counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotSealed => "NotSealed",
            Self::Malformed => "Malformed",
            Self::Unsupported { .. } => "Unsupported",
            Self::UnknownKey { .. } => "UnknownKey",
            Self::UnknownSession { .. } => "UnknownSession",
            Self::UnknownSender {
                missing: Missing::Credential,
                ..
            } => "UnknownSender",
            Self::UnknownSender {
                missing: Missing::RefusedList,
                ..
            } => "UnknownList",
            Self::NotAllowed { .. } => "NotAllowed",
            Self::Revoked { .. } => "Revoked",
            Self::Replay { .. } => "Replay",
            Self::Stale(_) => "Stale",
            Self::Own => "Own",
            Self::Rejected => "Rejected",
            Self::Busy => "Busy",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSealed => f.write_str("not sealed: the publisher does not use sealmq on this topic"),
            Self::Malformed => f.write_str(
                "malformed envelope: it was cut short on the way, or the publisher is incompatible",
            ),
            Self::Unsupported { form } => {
                write!(f, "envelope form {form:#04x} is newer than this reader: update it")
            }
            Self::UnknownKey { key_id } => write!(
                f,
                "unknown key {key_id}: its announcement has not arrived yet, or this reader does not have the key any more (a retained value then has to be published again)"
            ),
            Self::UnknownSession { tag } => write!(
                f,
                "unknown session {tag}: its record has not arrived yet; the broker has to keep the topics g/+/s/+ under the prefix, and let this reader have them"
            ),
            Self::UnknownSender { group, member, missing: Missing::Credential } => write!(
                f,
                "unknown sender {member} in group {group}: its credential has not arrived yet"
            ),
            Self::UnknownSender { group, member, missing: Missing::RefusedList } => write!(
                f,
                "sender {member} in group {group} cannot be judged: the group's refused list has not arrived yet"
            ),
            Self::NotAllowed { member } => {
                write!(f, "member {member} may not publish here: check its grant")
            }
            Self::Revoked { member } => write!(
                f,
                "member {member} was removed or uses an old credential: enrol it again if it should publish"
            ),
            Self::Replay { member } => write!(
                f,
                "replay of a message of member {member}: already seen, or older than what was seen (a device that lost its state needs a new credential)"
            ),
            Self::Stale(why) => f.write_str(match why {
                Staleness::Keys => {
                    "stale: the group's keys have run out; check the way to the authority, and the clock"
                }
                Staleness::Credential | Staleness::CredentialOfState { .. } => {
                    "stale: the sender's credential is not valid now; renew it, and check the clocks"
                }
                Staleness::Future => "stale: sent in the future; check both clocks",
                Staleness::Old => "stale: older than the group's policy allows",
                Staleness::Expired => "stale: its message expiry interval has run out",
                Staleness::NoTime => {
                    "stale: the group's policy asks for a time and the sender gave none; give it a clock"
                }
            }),
            Self::Own => f.write_str("own message: ask for own messages to receive it"),
            Self::Rejected => f.write_str("rejected: altered, misdirected or forged"),
            Self::Busy => f.write_str(
                "too many unknown sessions at once: try again in a moment; if it lasts, somebody floods this topic",
            ),
        }
    }
}

impl core::error::Error for Rejection {}

impl From<HeaderError> for Rejection {
    fn from(error: HeaderError) -> Self {
        match error {
            HeaderError::NotSealed => Self::NotSealed,
            HeaderError::Unsupported { form } => Self::Unsupported { form },
            HeaderError::Malformed => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reason after this one; a new one does not compile here.
    fn next(reason: Option<&Rejection>) -> Option<Rejection> {
        let (group, member) = (GroupId([0; 16]), MemberNumber(1));
        let unknown = |missing| Rejection::UnknownSender {
            group,
            member,
            missing,
        };
        Some(match reason {
            None => Rejection::NotSealed,
            Some(Rejection::NotSealed) => Rejection::Malformed,
            Some(Rejection::Malformed) => Rejection::Unsupported { form: 0 },
            Some(Rejection::Unsupported { .. }) => Rejection::UnknownKey {
                key_id: KeyId([0; 8]),
            },
            Some(Rejection::UnknownKey { .. }) => Rejection::UnknownSession {
                tag: SessionTag([0; 8]),
            },
            Some(Rejection::UnknownSession { .. }) => unknown(Missing::Credential),
            Some(Rejection::UnknownSender { missing, .. }) => match missing {
                Missing::Credential => unknown(Missing::RefusedList),
                Missing::RefusedList => Rejection::NotAllowed { member },
            },
            Some(Rejection::NotAllowed { .. }) => Rejection::Revoked { member },
            Some(Rejection::Revoked { .. }) => Rejection::Replay { member },
            Some(Rejection::Replay { .. }) => Rejection::Stale(Staleness::Keys),
            Some(Rejection::Stale(_)) => Rejection::Own,
            Some(Rejection::Own) => Rejection::Rejected,
            Some(Rejection::Rejected) => Rejection::Busy,
            Some(Rejection::Busy) => return None,
        })
    }

    #[test]
    fn every_reason_is_named() {
        let mut names = Rejection::NAMES.iter();
        let mut reason = next(None);
        while let Some(this) = reason {
            assert_eq!(Some(&this.name()), names.next());
            reason = next(Some(&this));
        }
        assert_eq!(names.next(), None);
    }
}
