//! When key packages are replaced, so that none outlives what its welcome would open, and so that
//! a new generation gets packages of its own (spec/keys.md §4).

use alloc::vec::Vec;

use sealmq_core::GroupId;

use super::groups::Group;
use super::packages::Package;
use super::records;
use super::types::{Action, Now};
use super::{Member, MemberError, seconds};
use crate::announcement::{Head, UnverifiedAnnouncement};
use crate::package_age::{GroupProgress, Listed, PackageAge, is_old};
use crate::store::Changes;

impl Group {
    /// Notes what a verified announcement says, if it is the newest.
    pub(super) fn list(&mut self, head: &Head<'_>) {
        Listed::note(&mut self.listed, head);
    }

    pub(super) fn list_bytes(&mut self, bytes: &[u8]) {
        if let Ok(announcement) = UnverifiedAnnouncement::decode(bytes) {
            self.list(announcement.head());
        }
    }

    /// As [`Group::list_bytes`], if a later delegation has signed it than what was followed.
    pub(super) fn list_newer(&mut self, bytes: &[u8]) {
        let serial = |bytes: &[u8]| {
            let announcement = UnverifiedAnnouncement::decode(bytes);
            announcement.map_or(0, |announcement| announcement.head().serial)
        };
        let followed = self.evidence.newest().map_or(0, serial);
        if serial(bytes) > followed {
            self.list_bytes(bytes);
        }
    }

    /// Goes back to what was followed.
    pub(super) fn list_followed(&mut self) {
        self.listed = None;
        if let Some(bytes) = self.evidence.newest().map(<[u8]>::to_vec) {
            self.list_bytes(&bytes);
        }
    }

    /// What the rules for packages look at; `None` before an announcement came.
    fn progress(&self) -> Option<GroupProgress> {
        let removed = self.is_left_out() == Some(true);
        let state = self.state.as_deref();
        Some(GroupProgress::of(self.listed.as_ref()?, state, removed))
    }
}

impl Package {
    fn age(&self, id: &GroupId, group: &GroupProgress, time: u64) -> PackageAge {
        let noted = self.epochs.iter().find(|(noted, _)| noted == id);
        PackageAge {
            epochs: noted.map_or(0, |(_, epoch)| group.epochs_since(*epoch)),
            seconds: self.seconds(time),
        }
    }

    /// A clock that was set back must not postpone its end for ever.
    const fn seconds(&self, time: u64) -> u64 {
        time.abs_diff(self.issued_at)
    }
}

impl Member {
    /// When the newest announcement of any group was issued, Unix seconds; 0 before one came.
    pub(super) fn announced_at(&self) -> u64 {
        let listed = self.groups.values().filter_map(|group| group.listed);
        listed.map(|listed| listed.issued_at).max().unwrap_or(0)
    }

    /// The newest epoch of each group that is known: a welcome tells of the one before its own.
    pub(super) fn known_epochs(&self) -> Vec<(GroupId, u64)> {
        let groups = self.groups.iter();
        let known = groups.filter_map(|(id, group)| {
            let welcomed = || {
                let state = group.state.as_ref()?;
                Some(state.confirmation().epoch.saturating_sub(1))
            };
            let listed = group.listed.map(|listed| listed.epoch);
            Some((*id, listed.or_else(welcomed)?))
        });
        known.collect()
    }

    /// By the clock, or by what announcements say of the time.
    fn time(&self, now: Now) -> u64 {
        seconds(now).unwrap_or_else(|| self.announced_at())
    }

    /// For groups that were heard of since packages were made, their welcomes can be as old as
    /// that.
    pub(super) fn note_epochs(&mut self, actions: &mut Vec<Action>) -> Result<(), MemberError> {
        let known = self.known_epochs();
        let mut changes = Changes::new();
        for (number, package) in &mut self.packages {
            let mut noted = false;
            for (id, epoch) in &known {
                if package.epochs.iter().all(|(group, _)| group != id) {
                    package.epochs.push((*id, *epoch));
                    noted = true;
                }
            }
            if noted {
                let record = package.record(*number, package.object.clone());
                records::put(&mut changes, records::package_key(*number), &record)?;
            }
        }
        if !changes.is_empty() {
            actions.push(Action::Commit(changes));
        }
        Ok(())
    }

    /// Deletes the keys of packages whose welcomes could open what is out of the window.
    pub(super) fn end_stale_packages(&mut self, now: Now, actions: &mut Vec<Action>) {
        let time = self.time(now);
        let groups = &self.groups;
        let mut changes = Changes::new();
        self.packages.retain(|number, package| {
            let mut groups = groups.iter();
            let ends = groups.any(|(id, group)| {
                let group = group.progress();
                group.is_some_and(|group| group.ends(*number, package.age(id, &group, time)))
            });
            if ends {
                changes.delete(records::package_key(*number));
            }
            !ends
        });
        if !changes.is_empty() {
            actions.push(Action::Commit(changes));
        }
    }

    /// Whether a new set is due.
    pub(super) fn needs_packages(&self, now: Now) -> bool {
        let time = self.time(now);
        let newest = self.newest_set_number();
        let set: Vec<&Package> = self.packages.values().filter(|p| p.set == newest).collect();
        let lacks = self.groups.iter().any(|(id, group)| {
            let granted = self.own.grant(id).is_some();
            let lacking = |group: &GroupProgress| granted && group.lacks_welcome();
            let Some(group) = group.progress().filter(lacking) else {
                return false;
            };
            let outdated = |package: &&Package| group.outdates(package.age(id, &group, time));
            set.is_empty() || set.iter().any(outdated)
        });
        let old = |package: &&Package| {
            let validity = package.not_after.saturating_sub(package.issued_at);
            is_old(package.seconds(time), validity)
        };
        lacks || (newest > 0 && set.iter().any(old))
    }

    /// A welcome to this package came too late: its key would open what is out of the window.
    pub(super) fn end_package(&mut self, number: u32, actions: &mut Vec<Action>) {
        if self.packages.remove(&number).is_some() {
            let mut changes = Changes::new();
            changes.delete(records::package_key(number));
            actions.push(Action::Commit(changes));
            (self.replenish, self.end_older) = (true, true);
        }
    }
}
