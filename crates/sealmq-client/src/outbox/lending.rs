//! A draft is moved, not copied, while it is sealed.

use super::{Content, Outbox};
use crate::draft::Draft;

impl Outbox {
    /// The next message, which is a draft, and its place. It is sealed then, or
    /// [given back](Self::give_back).
    pub(crate) fn lend_draft(&mut self) -> Option<(u64, Draft)> {
        let order = self.turn()?;
        match &mut self.entries.get_mut(&order)?.message.content {
            Content::Draft(draft) => Some((order, draft.lend())),
            _ => None,
        }
    }

    pub(crate) fn give_back(&mut self, order: u64, draft: Draft) {
        if let Some(entry) = self.entries.get_mut(&order) {
            entry.message.content = Content::Draft(draft);
        }
    }
}
