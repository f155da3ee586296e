//! What waits for the application to call `poll`, bounded by weight.

use std::collections::VecDeque;

use sealmq_client::{DeliveryId, Event, MemberEvent};

/// With so much waiting, the network waits as well, unless something is outstanding: then
/// acknowledgements are on their way, and perhaps the very task that would call `poll` waits for
/// them.
const NETWORK_WAITS: usize = 64 * 1024;
/// With so much waiting, what may be lost is lost, and counted: messages of QoS 0 and reports.
/// Messages of QoS 1 and 2 are bounded by the receive maximum, because they are not acknowledged.
const REPORTS_ARE_LOST: usize = 8 * 1024 * 1024;

pub(crate) struct Waiting<R> {
    reports: VecDeque<Entry<R>>,
    bytes: usize,
    /// Reports that were lost.
    lost: u64,
}

struct Entry<R> {
    report: R,
    /// What is acknowledged when it was handed over.
    delivery: Option<DeliveryId>,
    bytes: usize,
}

impl<R> Waiting<R> {
    pub(crate) const fn new() -> Self {
        Self {
            reports: VecDeque::new(),
            bytes: 0,
            lost: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// Whether the network may bring more although nothing is outstanding; `unopened` bytes wait
    /// elsewhere.
    pub(crate) const fn has_room(&self, unopened: usize) -> bool {
        self.bytes.saturating_add(unopened) < NETWORK_WAITS
    }

    /// Whether a message of QoS 0 is lost; it is counted.
    pub(crate) const fn loses(&mut self, unopened: usize) -> bool {
        let full = self.bytes.saturating_add(unopened) >= REPORTS_ARE_LOST;
        if full {
            self.lost = self.lost.saturating_add(1);
        }
        full
    }

    /// Last in order. `bytes` is what it holds on the heap.
    pub(crate) fn push(&mut self, report: R, delivery: Option<DeliveryId>, bytes: usize) {
        // Twice: a queue that grows doubles.
        let bytes = size_of::<Entry<R>>()
            .saturating_mul(2)
            .saturating_add(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        self.reports.push_back(Entry {
            report,
            delivery,
            bytes,
        });
    }

    /// One that may be lost.
    pub(crate) fn push_report(&mut self, report: R, bytes: usize) {
        if !self.loses(0) {
            self.push(report, None, bytes);
        }
    }

    /// The next; after the last one, how many were lost meanwhile, if any, as `overflow` says it.
    pub(crate) fn pop(
        &mut self,
        overflow: impl FnOnce(u64) -> R,
    ) -> Option<(R, Option<DeliveryId>)> {
        let entry = self.reports.pop_front()?;
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        if self.reports.is_empty() && self.lost > 0 {
            let lost = std::mem::take(&mut self.lost);
            self.push(overflow(lost), None, 0);
        }
        Some((entry.report, entry.delivery))
    }
}

/// Bytes of an event on the heap, about; and whether it is a report that may be lost when nobody
/// polls: it can be caused again and again, and nothing was acknowledged for it.
pub(crate) fn weigh(event: &Event) -> (usize, bool) {
    match event {
        Event::Message(message) => {
            let bytes = message.payload.len().saturating_add(message.topic.len());
            (bytes.saturating_add(message.sender_name.len()), false)
        }
        Event::Unsealed { topic, payload, .. } => {
            (topic.len().saturating_add(payload.len()), false)
        }
        Event::Cleared { topic } => (topic.len(), false),
        Event::Rejected { topic, .. } | Event::NotPublished { topic, .. } => (topic.len(), true),
        Event::PublishRefused { topic, reason } => (topic.len().saturating_add(reason.len()), true),
        Event::Key(MemberEvent::BadReserved { topic, .. }) => (topic.len(), true),
        Event::Connected { .. } | Event::NoWill { .. } | Event::SubscribeRefused { .. } => {
            (0, true)
        }
        _ => (0, false),
    }
}
