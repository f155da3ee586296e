use alloc::vec::Vec;

use sealmq_core::topic::{Filter, Topic, matches_grant};
use sealmq_keys::member::{GroupInfo, SealError};

use super::Client;
use crate::draft::Draft;
use crate::time::Time;

impl Client {
    /// Whether this member may publish on a topic, by the rules of `Member::seal`,
    /// without sealing anything. [`SealError::NoGroup`] is certain: with a group whose filters are
    /// not known yet it is [`SealError::NoKeysYet`].
    pub(super) fn publishing(&self, topic: &str, time: Time) -> Result<(), SealError> {
        let name = Topic::new(topic).map_err(SealError::Topic)?;
        if self.member.is_reserved(topic) {
            return Err(SealError::Reserved);
        }
        let mut unknown = Vec::new();
        for group in self.member.groups() {
            if covers(&group, name) {
                // What an older delegation's objects say is not final.
                if group.awaits_delegation || self.member.awaits_credential() {
                    return self.member.check_times(topic, time.clock);
                }
                return if !self.may_publish(&group, name) {
                    Err(SealError::NotGranted { group: group.name })
                } else if group.removed {
                    Err(SealError::Removed { group: group.name })
                } else {
                    Ok(())
                };
            }
            if group.epoch.is_none() || group.awaits_delegation {
                unknown.push(group.id);
            }
        }
        Err(if unknown.is_empty() {
            SealError::NoGroup
        } else {
            SealError::NoKeysYet { groups: unknown }
        })
    }

    /// What runs out: keys, and the own credential (spec/keys.md §8).
    pub(super) fn check_times(&self, draft: &Draft, time: Time) -> Result<(), SealError> {
        let Some(now) = time.clock else {
            let needs_clock = draft.will || draft.properties.expiry.is_some();
            return if needs_clock {
                Err(SealError::NeedsClock)
            } else {
                self.member.check_times(&draft.topic, None)
            };
        };
        self.member.check_times(&draft.topic, Some(now))
    }

    /// Newest epoch, and window, of the group that covers a topic.
    pub(super) fn epoch_of(&self, topic: &str) -> Option<(u64, u8)> {
        let topic = Topic::new(topic).ok()?;
        let group = self.member.groups().find(|group| covers(group, topic))?;
        Some((group.epoch?, group.window))
    }

    fn may_publish(&self, group: &GroupInfo, topic: Topic<'_>) -> bool {
        let filter = &group.publish_filter;
        group.access.is_some_and(|access| access.may_publish())
            && (filter.is_empty()
                || Filter::new(filter)
                    .is_ok_and(|filter| matches_grant(filter, self.member.name(), topic)))
    }
}

fn covers(group: &GroupInfo, topic: Topic<'_>) -> bool {
    group
        .filters
        .iter()
        .any(|filter| Filter::new(filter).is_ok_and(|f| f.matches(topic)))
}
