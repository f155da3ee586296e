//! What a new member's groups are called, and whether its keys are in use yet: for showing it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sealmq_core::{GroupId, MemberNumber};

use super::Joiner;
use crate::announcement::Announcement;
use crate::reserved::{ReservedTopic, announcements_filter};
use crate::welcome::VerifiedWelcome;

/// What members call a group, from its announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTitle {
    /// Its id, as credentials have it.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// The filters of its topics.
    pub filters: Vec<String>,
    /// The announcement's epoch.
    pub epoch: u64,
}

impl Joiner {
    /// Filters whose messages tell what a new member's groups are called, and whether its keys are
    /// in use yet: for [`Joiner::group_title`] and [`Joiner::first_epoch`].
    #[must_use]
    pub fn title_subscriptions(&self, member: MemberNumber, groups: &[GroupId]) -> Vec<String> {
        let welcome = |group: &GroupId| ReservedTopic::Welcome(member, *group).name(&self.prefix);
        let announcements = |group| announcements_filter(&self.prefix, group);
        let both = |group| [welcome(group), announcements(group)];
        groups.iter().flat_map(both).collect()
    }

    /// The first epoch of its group that a new member's welcome has a key for: what is sent before
    /// is not for it. `None` if it is none, or not this member's.
    #[must_use]
    pub fn first_epoch(
        &self,
        member: MemberNumber,
        topic: &str,
        payload: &[u8],
    ) -> Option<(GroupId, u64)> {
        let (delegation, _) = self.delegation.as_ref()?;
        let ReservedTopic::Welcome(number, id) = ReservedTopic::parse(&self.prefix, topic)? else {
            return None;
        };
        let welcome = VerifiedWelcome::verify(payload, delegation).ok()?;
        let fields = welcome.fields();
        let own = number == member && fields.member == member && fields.group == id;
        own.then_some((id, fields.epoch))
    }

    /// What an announcement of the domain calls its group. `None` if it is none, or not of this
    /// group's topic. Only for showing it: whether the epoch is the newest is not checked.
    #[must_use]
    pub fn group_title(&self, topic: &str, payload: &[u8]) -> Option<GroupTitle> {
        let (delegation, _) = self.delegation.as_ref()?;
        let parsed = ReservedTopic::parse(&self.prefix, topic)?;
        let ReservedTopic::Announcement(id, _) = parsed else {
            return None;
        };
        if payload.len() > parsed.max_len() {
            return None;
        }
        let announcement = Announcement::verify(payload, delegation, &self.prefix).ok()?;
        let head = announcement.head();
        (head.group == id).then(|| GroupTitle {
            id,
            name: head.name.to_string(),
            filters: head.filters.iter().map(ToString::to_string).collect(),
            epoch: head.epoch,
        })
    }
}
