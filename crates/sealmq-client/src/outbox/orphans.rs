use alloc::collections::BTreeSet;
use alloc::collections::btree_set::Iter;

/// Brokers without QoS 2 end the connection at a PUBREL (nats-server before 2.10, amqtt), and MQTT
/// 3.1.1 has nothing to say that before: after so many there was nothing to release.
const MOST_UNRELEASED: u8 = 2;

/// QoS 2 identifiers that an earlier process, or a message that was given up, may have left
/// half-way at the broker.
#[derive(Default)]
pub(super) struct Orphans {
    identifiers: BTreeSet<u16>,
    /// Connections in a row that ended when they were released, without an answer to any.
    unreleased: u8,
}

impl Orphans {
    pub(super) fn clear(&mut self) {
        self.identifiers.clear();
    }

    /// Whatever was in use.
    pub(super) fn inherit(&mut self, limit: u16) {
        self.identifiers = (1..=limit).collect();
    }

    pub(super) fn insert(&mut self, packet: u16) {
        self.identifiers.insert(packet);
    }

    pub(super) fn iter(&self) -> Iter<'_, u16> {
        self.identifiers.iter()
    }

    /// The broker answered.
    pub(super) fn released(&mut self, packet: u16) {
        if self.identifiers.remove(&packet) {
            self.unreleased = 0;
        }
    }

    /// The connection ended while they were released.
    pub(super) fn ended(&mut self) {
        if self.identifiers.is_empty() {
            return;
        }
        self.unreleased = self.unreleased.saturating_add(1);
        if self.unreleased >= MOST_UNRELEASED {
            self.clear();
        }
    }

    pub(super) fn take(&mut self) -> BTreeSet<u16> {
        core::mem::take(&mut self.identifiers)
    }
}
