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
    /// It is in the list of places that owe something, and this comes behind it.
    listed: Option<Next>,
}

/// A place of the list, or its end.
#[derive(Debug, Clone, Copy)]
enum Next {
    Place(u32),
    End,
}

/// How many places of a table are in use, and the list of those that owe the store something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tally {
    pub(super) used: usize,
    first: Next,
}

impl<K> Debt<K> {
    pub(crate) const NONE: Self = Self {
        changed: false,
        stored: false,
        gone: None,
        listed: None,
    };

    const fn is_due(&self) -> bool {
        self.changed || self.gone.is_some()
    }

    /// The record here is another one than the store has.
    pub(super) fn change(&mut self, tally: &mut Tally, index: usize) {
        self.changed = true;
        self.enlist(tally, index);
    }

    /// The store has a record under the key of the one here.
    pub(super) const fn set_stored(&mut self) {
        self.stored = true;
    }

    /// The record with this key leaves the place.
    pub(super) fn push_out(&mut self, key: K, tally: &mut Tally, index: usize) {
        self.changed = false;
        if core::mem::take(&mut self.stored) {
            self.gone = Some(key);
        }
        self.enlist(tally, index);
    }

    /// The first place of the list leaves it: what it owed, which counts as done, if it still owed
    /// something.
    pub(super) fn settle(&mut self, tally: &mut Tally, index: usize) -> Option<Due<K>> {
        tally.first = self.listed.take().unwrap_or(Next::End);
        let due = match self.gone.take() {
            Some(key) => Some(Due::Gone(key)),
            None if core::mem::take(&mut self.changed) => {
                self.stored = true;
                Some(Due::Changed)
            }
            None => None,
        };
        self.enlist(tally, index);
        due
    }

    /// Puts a place that owes something into the list; one that does not any more stays until its
    /// turn comes.
    fn enlist(&mut self, tally: &mut Tally, index: usize) {
        if self.is_due()
            && self.listed.is_none()
            // No table has more places.
            && let Ok(index) = u32::try_from(index)
        {
            self.listed = Some(core::mem::replace(&mut tally.first, Next::Place(index)));
        }
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
        first: Next::End,
    };

    /// The first place of the list.
    pub(super) fn next(&self) -> Option<usize> {
        match self.first {
            Next::Place(index) => usize::try_from(index).ok(),
            Next::End => None,
        }
    }

    pub(super) const fn one_more(&mut self) {
        self.used = self.used.saturating_add(1);
    }
}
