use core::fmt;

use crate::crypto::{Digest, IdentityKey, VerifyingKey};
use crate::ids::{GroupId, MemberNumber};
use crate::topic::Topic;

/// What a member's verified credential and a group's announcement say together. Whoever
/// implements it has verified both.
pub trait Membership {
    /// The group.
    fn group(&self) -> GroupId;
    /// The member's number.
    fn member(&self) -> MemberNumber;
    /// The key in the credential.
    fn key(&self) -> &VerifyingKey;
    /// Hash of the credential object, which every signature covers.
    fn credential_hash(&self) -> Digest;
    /// The credential's own serial.
    fn credential_serial(&self) -> u32;
    /// Whether the credential grants publishing in this group at all.
    fn may_publish(&self) -> bool;
    /// Whether the credential grants reading in this group.
    fn may_subscribe(&self) -> bool;
    /// Whether one of the group's filters and the grant's publish filter match the topic.
    fn covers(&self, topic: Topic<'_>) -> bool;
}

impl<M: Membership + ?Sized> Membership for &M {
    fn group(&self) -> GroupId {
        (**self).group()
    }
    fn member(&self) -> MemberNumber {
        (**self).member()
    }
    fn key(&self) -> &VerifyingKey {
        (**self).key()
    }
    fn credential_hash(&self) -> Digest {
        (**self).credential_hash()
    }
    fn credential_serial(&self) -> u32 {
        (**self).credential_serial()
    }
    fn may_publish(&self) -> bool {
        (**self).may_publish()
    }
    fn may_subscribe(&self) -> bool {
        (**self).may_subscribe()
    }
    fn covers(&self, topic: Topic<'_>) -> bool {
        (**self).covers(topic)
    }
}

/// A membership cannot be used as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublisherError {
    /// The credential grants no publishing in this group.
    ReadOnly,
    /// The credential grants no reading in this group.
    PublishOnly,
    /// The identity key is not the credential's.
    OtherKey,
}

impl fmt::Display for PublisherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => {
                "the credential does not grant publishing in this group: ask for a new grant"
            }
            Self::PublishOnly => {
                "the credential does not grant reading in this group: ask for a new grant"
            }
            Self::OtherKey => {
                "the identity key is not the one in the credential: load the matching pair"
            }
        })
    }
}

impl core::error::Error for PublisherError {}

/// The right to seal in one group: identity key and a membership that grants publishing.
///
/// Only this type can seal. A member that may only read has a [`Subscriber`], and that does not
/// compile:
///
/// ```compile_fail,E0308
/// use sealmq_core::seal::{Membership, Outgoing, SealError, SenderSession, Subscriber};
/// fn send<M: Membership>(session: &mut SenderSession, me: &Subscriber<M>, message: &Outgoing<'_>,
///     payload: &[u8], out: &mut [u8]) -> Result<usize, SealError> {
///     session.seal_into(me, message, None, payload, out)
/// }
/// ```
///
/// while a publisher does:
///
/// ```
/// use sealmq_core::seal::{Membership, Outgoing, Publisher, SealError, SenderSession};
/// fn send<M: Membership>(session: &mut SenderSession, me: &Publisher<'_, M>, message: &Outgoing<'_>,
///     payload: &[u8], out: &mut [u8]) -> Result<usize, SealError> {
///     session.seal_into(me, message, None, payload, out)
/// }
/// ```
#[derive(Debug)]
pub struct Publisher<'a, M> {
    key: &'a IdentityKey,
    membership: M,
}

impl<'a, M: Membership> Publisher<'a, M> {
    /// Joins a key with its membership.
    ///
    /// # Errors
    /// The membership does not grant publishing, or is of another key.
    pub fn new(key: &'a IdentityKey, membership: M) -> Result<Self, PublisherError> {
        if *membership.key() != key.verifying_key() {
            return Err(PublisherError::OtherKey);
        }
        if !membership.may_publish() {
            return Err(PublisherError::ReadOnly);
        }
        Ok(Self { key, membership })
    }

    /// The membership.
    pub const fn membership(&self) -> &M {
        &self.membership
    }

    pub(crate) const fn key(&self) -> &IdentityKey {
        self.key
    }
}

/// A member that reads in one group. It cannot seal; see [`Publisher`].
#[derive(Debug)]
pub struct Subscriber<M> {
    membership: M,
}

impl<M: Membership> Subscriber<M> {
    /// Checks that the membership grants reading.
    ///
    /// # Errors
    /// It does not.
    pub fn new(membership: M) -> Result<Self, PublisherError> {
        if !membership.may_subscribe() {
            return Err(PublisherError::PublishOnly);
        }
        Ok(Self { membership })
    }

    /// The membership.
    pub const fn membership(&self) -> &M {
        &self.membership
    }

    /// The reader's number, by which its own messages are recognised.
    #[must_use]
    pub fn member(&self) -> MemberNumber {
        self.membership.member()
    }
}
