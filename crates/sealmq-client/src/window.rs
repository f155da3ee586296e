//! Slots for publishes on their way, and the packet identifiers that a driver's library gives out.

use crate::in_order::InOrder;

/// How a driver's library gives out packet identifiers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Identifiers {
    /// One that is free, whichever.
    #[default]
    Free,
    /// One after the other in a ring as large as the limit, whether or not the next one is free,
    /// for publishes, subscriptions and their ends alike (rumqttc). With all slots in use such a
    /// library does not even send acknowledgements: one stays free.
    Ring,
}

/// What is on its way, by order in the outbox.
#[derive(Default)]
pub(crate) struct Window {
    identifiers: Identifiers,
    /// QoS 1 and 2 that hold or will hold an identifier, with its running number.
    active: InOrder<u64, u64>,
    /// Running number of the next identifier on this connection.
    next: u64,
    limit: u16,
    /// Slots that the library does not free by itself.
    leaked: u16,
}

impl Window {
    pub(crate) fn new(identifiers: Identifiers) -> Self {
        Self {
            identifiers,
            ..Self::default()
        }
    }

    pub(crate) const fn limit(&self) -> u16 {
        self.limit
    }

    /// A connection begins, with an empty identifier space in the library.
    pub(crate) fn connected(&mut self, limit: u16) {
        self.limit = limit.max(1);
        self.next = 0;
        self.leaked = 0;
    }

    pub(crate) fn has_room(&self) -> bool {
        let slots = match self.identifiers {
            Identifiers::Free => self.limit,
            Identifiers::Ring => self.limit.saturating_sub(1).max(1),
        };
        let slots = slots.saturating_sub(self.leaked);
        self.active.len() < usize::from(slots) && !self.is_round()
    }

    /// Whether the next identifier would reach the oldest that is in use: the library would stall,
    /// or, for QoS 2, use it twice.
    fn is_round(&self) -> bool {
        let oldest = self.active.first();
        let oldest = oldest.map_or(self.next, |(_, number)| *number);
        let distance = self.next.saturating_sub(oldest);
        self.identifiers == Identifiers::Ring && distance >= u64::from(self.limit)
    }

    /// Nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.active.is_empty()
    }

    pub(crate) fn take(&mut self, order: u64) {
        self.active.insert(order, self.next);
        self.use_identifier();
    }

    /// A subscription takes an identifier, too.
    pub(crate) const fn use_identifier(&mut self) {
        self.next = self.next.saturating_add(1);
    }

    pub(crate) fn give_back(&mut self, order: u64) {
        self.active.remove(&order);
    }

    pub(crate) const fn leaked(&mut self) {
        self.leaked = self.leaked.saturating_add(1);
    }

    pub(crate) fn is_leaking_only(&self) -> bool {
        self.leaked > 0 && self.active.is_empty()
    }

    /// The library has a new state.
    pub(crate) const fn fresh_state(&mut self) {
        self.leaked = 0;
        self.next = 0;
    }
}
