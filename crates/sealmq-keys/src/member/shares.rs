//! Whom the places of the waiting queue belong to when there are too few.
//!
//! What waits is not proven: anybody can make up a key id, and a member a sender's number, or use
//! another one's. So each source has a share, and what came first within it stays, whatever comes
//! after it. The rest makes room: first what strangers can have made, then senders that nobody has
//! heard of, of the group with the most, then known ones, of the sender with the most; the oldest
//! first.

use alloc::vec::Vec;

use sealmq_core::{GroupId, MemberNumber};

/// What a waiting message says of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// It did not decrypt: anybody. The key id, or the session tag.
    Key(Option<Vec<u8>>),
    /// A member of the group sealed it, in the name of this one, which is not known.
    Named(Option<GroupId>, MemberNumber),
    /// As `Named`, and a credential of this one was seen.
    Known(Option<GroupId>, MemberNumber),
}

/// One part in so many of what the queue holds.
pub(super) struct Part {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// Which sources share a part.
type Same = fn(&Source, &Source) -> bool;

const fn part(messages: usize, bytes: usize) -> Part {
    Part { messages, bytes }
}

impl Source {
    /// The lowest makes room first.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Key(_) => 0,
            Self::Named(..) => 1,
            Self::Known(..) => 2,
        }
    }

    const fn group(&self) -> Option<GroupId> {
        match self {
            Self::Key(_) => None,
            Self::Named(group, _) | Self::Known(group, _) => *group,
        }
    }

    /// What can be kept of this source, and of all that are like it. Together an eighth, a quarter
    /// and half of the queue, so that there is always room for what passes.
    pub(super) fn shares(&self) -> [(Part, Same); 3] {
        let own: Same = |a, b| a == b;
        let group: Same = |a, b| a.rank() == b.rank() && a.group() == b.group();
        let rank: Same = |a, b| a.rank() == b.rank();
        match self {
            Self::Key(_) => [
                (part(128, 32), own),
                (part(8, 8), group),
                (part(8, 8), rank),
            ],
            Self::Named(..) => [
                (part(128, 32), own),
                (part(8, 8), group),
                (part(4, 4), rank),
            ],
            Self::Known(..) => [(part(64, 32), own), (part(4, 4), group), (part(2, 2), rank)],
        }
    }

    /// What competes for the places beyond the shares: numbers can be made up, groups and known
    /// members cannot.
    pub(super) fn rival(&self) -> Self {
        match self {
            Self::Key(_) => Self::Key(None),
            Self::Named(group, _) => Self::Named(*group, MemberNumber(0)),
            Self::Known(..) => self.clone(),
        }
    }
}
