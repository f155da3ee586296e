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
use crate::store::Changes;

/// Seconds after which a set is replaced although nothing is known that it should serve for.
const RENEW_AFTER: u64 = 7 * 86_400;
/// Seconds after which a package ends then, if its group has gone beyond its window.
const END_AFTER: u64 = 14 * 86_400;
/// Seconds for which a set stays whatever happens: its welcome may be under way.
const SHORTEST: u64 = 60;

/// What the newest announcement of a group says.
#[derive(Clone, Copy)]
pub(super) struct Listed {
    serial: u32,
    pub(super) epoch: u64,
    pub(super) issued_at: u64,
    /// The newest generation, and its first epoch.
    pub(super) generation: u32,
    pub(super) first_epoch: u64,
}

impl Group {
    /// Notes what a verified announcement says, if it is the newest.
    pub(super) fn list(&mut self, head: &Head<'_>) {
        let Some(newest) = head.generations.iter().last() else {
            return;
        };
        if self
            .listed
            .is_none_or(|known| (head.serial, head.epoch) > (known.serial, known.epoch))
        {
            self.listed = Some(Listed {
                serial: head.serial,
                epoch: head.epoch,
                issued_at: head.issued_at,
                generation: newest.number,
                first_epoch: newest.first_epoch,
            });
        }
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

    /// What the newest announcement says, if this member has no welcome to its newest generation
    /// and is not removed.
    fn lacking(&self) -> Option<&Listed> {
        let removed = self.is_left_out() == Some(true);
        let installed = self.state.as_ref().map(|state| state.installed().0);
        self.listed
            .as_ref()
            .filter(|listed| !removed && installed.is_none_or(|own| listed.generation > own))
    }

    /// Whether the installed welcome was sealed to a package with a higher number.
    fn passed(&self, package: u32) -> bool {
        let installed = self.state.as_ref().map(|state| state.confirmation());
        installed.is_some_and(|entry| entry.package_number > package)
    }

    fn window(&self) -> u64 {
        self.policy().window.into()
    }
}

impl Package {
    /// Epochs of a group since the package was made.
    fn behind(&self, id: &GroupId, newest: u64) -> u64 {
        let noted = self.epochs.iter().find(|(group, _)| group == id);
        noted.map_or(0, |(_, epoch)| newest.saturating_sub(*epoch))
    }

    fn is_older(&self, time: u64, than: u64) -> bool {
        // A clock that was set back must not postpone it for ever.
        time.abs_diff(self.issued_at) >= than
    }
}

impl Member {
    /// When the newest announcement of any group was issued, Unix seconds; 0 before one came.
    pub(super) fn announced_at(&self) -> u64 {
        let listed = self.groups.values().filter_map(|group| group.listed);
        listed.map(|listed| listed.issued_at).max().unwrap_or(0)
    }

    /// The newest epoch of each group that is known.
    pub(super) fn known_epochs(&self) -> Vec<(GroupId, u64)> {
        let groups = self.groups.iter();
        let known = groups.filter_map(|(id, group)| Some((*id, group.listed?.epoch)));
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
            let mut stale = groups.iter().filter(|(id, group)| {
                let newest = group.listed.map_or(0, |listed| listed.epoch);
                package.behind(id, newest) > group.window().saturating_add(1)
            });
            let ends = stale.any(|(_, group)| {
                // Without a welcome to the newest generation, the one to this package may be withheld;
                // and none serves that is sealed to a package before the installed welcome's.
                let after = if group.lacking().is_some() || group.passed(*number) {
                    SHORTEST
                } else {
                    END_AFTER
                };
                package.is_older(time, after)
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
            let Some(listed) = group.lacking().filter(|_| granted) else {
                return false;
            };
            let before = |package: &&Package| {
                let behind = package.behind(id, listed.epoch);
                let since = listed.epoch.saturating_sub(listed.first_epoch);
                // Made before the generation began; or soon to be of no use.
                behind > since || (behind > group.window() / 2 && package.is_older(time, SHORTEST))
            };
            set.is_empty() || set.iter().any(before)
        });
        let old = |package: &&Package| {
            let half = package.not_after.saturating_sub(package.issued_at) / 2;
            package.is_older(time, RENEW_AFTER.min(half))
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
