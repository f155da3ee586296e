//! Signed objects that contradict each other, for the operator: one that only says "there was
//! another" proves nothing.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::crypto::Digest;

use super::records;
use super::types::Now;
use crate::announcement::UnverifiedAnnouncement;
use crate::group::{Fork, GroupState};
use crate::store::Changes;
use crate::welcome;

/// Milliseconds between two reports of the same: brokers deliver twice, or for ever.
const REPORT_AGAIN: u64 = 60_000;
/// Most reports that are remembered.
const MAX_REPORTED: usize = 256;

/// What a group's state was built on: the announcements of its window, and its welcome.
#[derive(Default)]
pub(super) struct Evidence {
    announcements: BTreeMap<u64, Vec<u8>>,
    welcome: Vec<u8>,
    /// The newest heartbeat that counted.
    pub(super) heartbeat: Vec<u8>,
}

impl Evidence {
    /// `false` if it is damaged.
    pub(super) fn load_announcement(&mut self, epoch: u64, bytes: &[u8]) -> bool {
        self.announcements.insert(epoch, bytes.to_vec());
        UnverifiedAnnouncement::decode(bytes).is_ok_and(|known| known.epoch() == epoch)
    }

    /// `false` if it is damaged.
    pub(super) fn load_welcome(&mut self, bytes: &[u8]) -> bool {
        self.welcome = bytes.to_vec();
        welcome::is_welcome(bytes)
    }

    /// Keeps an announcement that was followed, and drops those that left the window.
    pub(super) fn followed(
        &mut self,
        state: &GroupState,
        epoch: u64,
        bytes: &[u8],
        changes: &mut Changes,
    ) {
        records::put_bytes(
            changes,
            records::announcement_key(state.group(), epoch),
            bytes,
        );
        self.announcements.insert(epoch, bytes.to_vec());
        self.drop_all_but(state, changes);
    }

    /// Keeps a welcome that was installed.
    pub(super) fn installed(&mut self, state: &GroupState, bytes: &[u8], changes: &mut Changes) {
        records::put_bytes(changes, records::group_welcome_key(state.group()), bytes);
        self.welcome = bytes.to_vec();
        self.drop_all_but(state, changes);
    }

    fn drop_all_but(&mut self, state: &GroupState, changes: &mut Changes) {
        self.announcements.retain(|epoch, _| {
            let kept = state.announcement_hash(*epoch).is_some();
            if !kept {
                changes.delete(records::announcement_key(state.group(), *epoch));
            }
            kept
        });
    }

    /// The announcement of an epoch in the window.
    pub(super) fn announcement(&self, epoch: u64) -> Option<&[u8]> {
        self.announcements.get(&epoch).map(Vec::as_slice)
    }

    /// The announcement of the newest epoch in the window.
    pub(super) fn newest(&self) -> Option<&[u8]> {
        let (_, newest) = self.announcements.last_key_value()?;
        Some(newest)
    }

    /// The object that says what a fork contradicts: the announcement itself, or one that refers
    /// to it, or the welcome.
    pub(super) fn known(&self, fork: &Fork) -> &[u8] {
        let hash_of = |bytes: &[u8]| {
            let decoded = UnverifiedAnnouncement::decode(bytes);
            decoded.map_or(Digest::ZERO, |announcement| *announcement.hash())
        };
        let itself = self.announcement(fork.epoch);
        let itself = itself.filter(|bytes| hash_of(bytes) == fork.known);
        let after = fork.epoch.saturating_add(1)..;
        let later = self.announcements.range(after).next();
        itself
            .or(later.map(|(_, bytes)| bytes.as_slice()))
            .unwrap_or(&self.welcome)
    }

    /// The newest announcement, if an older one in the window names this refused list and the
    /// newest does not: the list was replaced.
    pub(super) fn replaced_list(&self, list: &Digest) -> Option<&[u8]> {
        let names = |bytes: &[u8]| {
            UnverifiedAnnouncement::decode(bytes).is_ok_and(|a| *a.refused() == *list)
        };
        let (_, newest) = self.announcements.last_key_value()?;
        let older = self.announcements.values().rev().skip(1);
        let mut older = older.filter(|bytes| names(bytes));
        (!names(newest) && older.next().is_some()).then_some(newest)
    }
}

/// When something was reported, by a text that names it.
#[derive(Default)]
pub(super) struct Reported(BTreeMap<String, Now>);

impl Reported {
    /// Whether to report now.
    pub(super) fn is_due(&mut self, what: &str, now: Now) -> bool {
        let over = |at: Now| {
            at.zip(now)
                .is_some_and(|(at, now)| now.abs_diff(at) >= REPORT_AGAIN)
        };
        match self.0.get(what) {
            Some(at) if !over(*at) => return false,
            None if self.0.len() >= MAX_REPORTED => {
                self.0.retain(|_, at| !over(*at));
                if self.0.len() >= MAX_REPORTED {
                    return false;
                }
            }
            _ => {}
        }
        self.0.insert(what.into(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn reports_are_rare_and_bounded() {
        let mut reported = Reported::default();
        assert!(reported.is_due("a", Some(1_000)));
        assert!(!reported.is_due("a", Some(60_999)));
        assert!(reported.is_due("a", Some(61_000)));
        assert!(reported.is_due("a", Some(1_000)), "the clock was set back");
        for i in 1..MAX_REPORTED {
            assert!(reported.is_due(&format!("{i}"), Some(1_000)));
        }
        assert!(!reported.is_due("one more", Some(1_000)));
        assert!(reported.is_due("one more", Some(61_000)));
        assert!(reported.is_due("b", None));
        assert!(!reported.is_due("b", None), "without a clock: once");
    }
}
