//! What the broker counts.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::framing::{Head, Kind};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters that only grow, since the start.
        #[derive(Debug, Default)]
        pub(crate) struct Figures {
            $($(#[$doc])* pub(crate) $name: Counter,)*
        }
    };
}

counters! {
    bytes_received,
    bytes_sent,
    packets_received,
    packets_sent,
    publishes_received,
    publishes_sent,
    /// Of PUBLISH packets, after the fixed header.
    publish_bytes_received,
    publish_bytes_sent,
    logins_refused,
    publishes_refused,
    subscriptions_refused,
    connections_refused,
    /// Handshakes of TLS and WebSocket, and first packets that are no CONNECT.
    greetings_failed,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Figures {
    pub(crate) fn received(&self, bytes: usize) {
        self.bytes_received.add(bytes);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.bytes_sent.add(bytes);
    }

    pub(crate) fn packet_received(&self, head: Head) {
        self.packets_received.add(1);
        if let Kind::Publish { .. } = head.kind() {
            self.publishes_received.add(1);
            self.publish_bytes_received.add(head.length);
        }
    }

    pub(crate) fn packet_sent(&self, head: Head) {
        self.packets_sent.add(1);
        if let Kind::Publish { .. } = head.kind() {
            self.publishes_sent.add(1);
            self.publish_bytes_sent.add(head.length);
        }
    }
}
