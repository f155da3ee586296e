//! When the replay windows are stored.

use super::Member;
use crate::store::Changes;

impl Member {
    /// The replay state that is not stored yet: commit it at shutdown.
    pub fn flush(&mut self) -> Changes {
        self.reader.snapshot(None)
    }

    /// From now on snapshots of the replay windows wait for [`Member::take_snapshot`], so that none
    /// is stored before the application has the messages that it covers: after a crash the broker
    /// delivers those again, and they must not count as seen. One is stored at once only if it has
    /// to be, because [`replay_persist_every`](super::MemberOptions::replay_persist_every) messages
    /// would be without; with 1, always.
    pub const fn defer_snapshots(&mut self) {
        self.reader.defer();
    }

    /// Whether a snapshot waits. It covers what was opened until then.
    #[must_use]
    pub const fn has_snapshot(&self) -> bool {
        self.reader.has_made()
    }

    /// The snapshot that waits, to be committed.
    pub fn take_snapshot(&mut self) -> Changes {
        self.reader.take_made()
    }

    /// Whether messages should not be opened now, because the next one makes a snapshot necessary
    /// while another one waits.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.reader.is_full()
    }
}
