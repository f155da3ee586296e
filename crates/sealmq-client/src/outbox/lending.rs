//! A draft is moved, not copied, while it is sealed; one whose turn it is at once never stands here.

use super::{Content, MAX_HANDED, Outbox};
use crate::draft::Draft;
use crate::wire::Qos;

impl Outbox {
    /// Whether a message that is pushed now is the next, and may be handed over.
    pub(crate) fn hands_at_once(&self, qos: Qos) -> bool {
        self.queued.is_empty()
            && self.resuming.is_empty()
            && self.handed.len() < MAX_HANDED
            && !self.suspects.blames()
            && (qos == Qos::AtMostOnce || self.window.has_room())
    }

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
