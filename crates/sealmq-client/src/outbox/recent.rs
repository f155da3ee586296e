//! What the broker acknowledged a moment ago. A broker that writes behind its acknowledgements loses
//! such messages when it dies: they are sent again, the same bytes, and readers that had them drop
//! the duplicate by its counter.

use alloc::collections::VecDeque;

use sealmq_core::wire::Head;

use super::accepted::{Accepted, Content};
use crate::wire::Qos;

/// Messages, and bytes of payload, that are remembered at most; the oldest are forgotten first.
const MOST: usize = 4_096;
const MOST_BYTES: usize = 4 << 20;

#[derive(Default)]
pub(crate) struct Recent {
    /// Milliseconds; 0: nothing is remembered.
    keep_for: u64,
    /// Place in the order, message, until when.
    kept: VecDeque<(u64, Accepted, u64)>,
    bytes: usize,
}

impl Recent {
    pub(super) fn new(keep_for: u64) -> Self {
        Self {
            keep_for,
            ..Self::default()
        }
    }

    /// Only what readers tell apart: sealed events of the application. State has an order of its own,
    /// and brokers keep it before they acknowledge it. Each once: a broker that dies again and again
    /// must not get more and more.
    pub(super) fn wants(&self, message: &Accepted) -> bool {
        let Content::Wire(wire) = &message.content else {
            return false;
        };
        self.keep_for > 0
            && message.id.is_some()
            && !message.is_again
            && wire.qos != Qos::AtMostOnce
            && !wire.retain
            && wire.payload.len() <= MOST_BYTES
            && Head::parse(&wire.payload).is_ok()
    }

    pub(super) fn keep(&mut self, order: u64, message: Accepted, uptime: u64) {
        self.bytes = self.bytes.saturating_add(size(&message));
        let until = uptime.saturating_add(self.keep_for);
        self.kept.push_back((order, message, until));
    }

    /// One that need not be remembered any more.
    pub(super) fn forget(&mut self, uptime: u64) -> Option<(u64, Accepted)> {
        let (_, _, until) = self.kept.front()?;
        if *until > uptime && self.kept.len() <= MOST && self.bytes <= MOST_BYTES {
            return None;
        }
        let (order, message, _) = self.kept.pop_front()?;
        self.bytes = self.bytes.saturating_sub(size(&message));
        Some((order, message))
    }

    /// When a record of one may go.
    pub(crate) fn until(&self) -> Option<u64> {
        let (_, message, until) = self.kept.front()?;
        message.is_stored.then_some(*until)
    }

    /// Everything.
    pub(super) fn take(&mut self) -> VecDeque<(u64, Accepted, u64)> {
        self.bytes = 0;
        core::mem::take(&mut self.kept)
    }
}

fn size(message: &Accepted) -> usize {
    match &message.content {
        Content::Wire(wire) => wire.payload.len(),
        _ => 0,
    }
}
