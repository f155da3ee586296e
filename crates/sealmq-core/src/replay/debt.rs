//! What the tables owe the store: per place, and where to look first.

/// What is to be done for the next change of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due<K> {
    /// Delete the record of this key, which was pushed out.
    Gone(K),
    /// Store the record that stands here.
    Changed,
}

/// What one place owes the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Debt<K> {
    changed: bool,
    /// The store may have something under the key of the record that stands here.
    stored: bool,
    /// A stored record that was pushed out of here. Only a record that was handed out is stored,
    /// and this is handed out first: the records that come and go meanwhile need no deletion.
    gone: Option<K>,
}

/// How many places of a table are in use, how many owe the store something, and where one is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tally {
    pub(super) used: usize,
    due: usize,
    hint: usize,
}

impl<K> Debt<K> {
    pub(crate) const NONE: Self = Self {
        changed: false,
        stored: false,
        gone: None,
    };

    pub(super) const fn is_due(&self) -> bool {
        self.changed || self.gone.is_some()
    }

    /// The record here is another one than the store has.
    pub(super) fn change(&mut self, tally: &mut Tally, index: usize) {
        self.update(tally, index, |debt| debt.changed = true);
    }

    /// The store has a record under the key of the one here.
    pub(super) const fn set_stored(&mut self) {
        self.stored = true;
    }

    /// The record with this key leaves the place.
    pub(super) fn push_out(&mut self, key: K, tally: &mut Tally, index: usize) {
        self.update(tally, index, |debt| {
            debt.changed = false;
            if core::mem::take(&mut debt.stored) {
                debt.gone = Some(key);
            }
        });
    }

    /// A place of another table moves here, with its record.
    pub(super) fn take_over(&mut self, other: Self, tally: &mut Tally, index: usize) {
        self.update(tally, index, |debt| {
            let gone = debt.gone.take();
            *debt = other;
            debt.gone = debt.gone.take().or(gone);
        });
    }

    /// What is due next; it counts as done.
    pub(super) fn settle(&mut self, tally: &mut Tally, index: usize) -> Due<K> {
        let mut due = Due::Changed;
        self.update(tally, index, |debt| match debt.gone.take() {
            Some(key) => due = Due::Gone(key),
            None => {
                debt.changed = false;
                debt.stored = true;
            }
        });
        due
    }

    fn update(&mut self, tally: &mut Tally, index: usize, change: impl FnOnce(&mut Self)) {
        let before = self.is_due();
        change(self);
        match (before, self.is_due()) {
            (false, true) => tally.due = tally.due.saturating_add(1),
            (true, false) => tally.due = tally.due.saturating_sub(1),
            _ => {}
        }
        tally.hint = index;
    }
}

impl<K> Default for Debt<K> {
    fn default() -> Self {
        Self::NONE
    }
}

impl Tally {
    pub(super) const NONE: Self = Self {
        used: 0,
        due: 0,
        hint: 0,
    };

    /// A place that owes something, at or behind the last one that was touched.
    pub(super) fn next(&self, len: usize, is_due: impl Fn(usize) -> bool) -> Option<usize> {
        if self.due == 0 {
            return None;
        }
        (self.hint..len)
            .chain(0..self.hint.min(len))
            .find(|&i| is_due(i))
    }

    pub(super) const fn one_more(&mut self) {
        self.used = self.used.saturating_add(1);
    }
}
