//! What a reader has to make of state, written down once more (spec/envelope.md §8, §9).

use std::collections::BTreeMap;

use sealmq_core::MemberNumber;

use super::actors::Sent;

/// Credential serial, connection, WILL, session number, counter.
pub(super) type Place = (u32, u64, bool, u64, u32);

/// Everything that was accepted of state.
#[derive(Default)]
pub(super) struct Accepted {
    /// Per sender and topic.
    marks: BTreeMap<(u32, usize), Place>,
    /// Of the wills that came live.
    wills: BTreeMap<u32, (u32, u64)>,
}

impl Accepted {
    /// Whether a genuine value or will is to be accepted, as far as order goes.
    pub(super) fn takes(&self, sent: &Sent, retained: bool) -> bool {
        let mark = self.marks.get(&(sent.sender.0, sent.topic));
        let in_order = match (mark, retained) {
            _ if !sent.retain => !retained,
            (None, _) => true,
            (Some(mark), true) => sent.place >= *mark,
            (Some(mark), false) => sent.place > *mark,
        };
        let highest = self.wills.get(&sent.sender.0);
        let is_newest = highest.is_none_or(|highest| number(sent) > *highest);
        in_order && (retained || !sent.will || is_newest)
    }

    pub(super) fn take(&mut self, sent: &Sent, retained: bool) {
        let MemberNumber(sender) = sent.sender;
        if sent.retain {
            let mark = self.marks.entry((sender, sent.topic));
            let mark = mark.or_insert(sent.place);
            *mark = sent.place.max(*mark);
        }
        if sent.will && !retained {
            self.wills.insert(sender, number(sent));
        }
    }
}

const fn number(sent: &Sent) -> (u32, u64) {
    let (serial, _, _, number, _) = sent.place;
    (serial, number)
}
