//! Messages that cannot be opened yet, bounded by count, bytes and time.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::open::{Rejection, Staleness};

use super::types::{MemberOptions, Now};

pub(super) struct Waiting {
    pub(super) topic: String,
    pub(super) envelope: Vec<u8>,
    pub(super) retain: bool,
    pub(super) since: Now,
    /// What it waits for: [`Rejection::may_wait`] holds.
    pub(super) cause: Rejection,
}

impl Waiting {
    /// Whether it decrypted under a group's keys.
    const fn is_from_a_member(&self) -> bool {
        matches!(
            self.cause,
            Rejection::UnknownSender { .. } | Rejection::Stale(Staleness::CredentialOfState { .. })
        )
    }

    fn size(&self) -> usize {
        self.topic.len().saturating_add(self.envelope.len())
    }
}

/// Whether newer keys, or proof that known ones count, may end the wait.
pub(super) const fn waits_for_keys(cause: &Rejection) -> bool {
    matches!(
        cause,
        Rejection::UnknownKey { .. } | Rejection::Stale(Staleness::Keys)
    )
}

/// The queue; tickets rise, so that iterating goes from the oldest to the newest.
pub(super) struct Pending {
    queue: BTreeMap<u64, Waiting>,
    bytes: usize,
    next_ticket: u64,
    most_messages: usize,
    most_bytes: usize,
    most_ms: u64,
}

impl Pending {
    pub(super) const fn new(options: &MemberOptions) -> Self {
        Self {
            queue: BTreeMap::new(),
            bytes: 0,
            next_ticket: 1,
            most_messages: options.pending_messages,
            most_bytes: options.pending_bytes,
            most_ms: options.pending_ms,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Queues a message under a new ticket. Returns the ticket, or `None` if there is no room for
    /// it, and the oldest messages that had to make room.
    ///
    /// Anybody can make up an unknown key id, but only members make messages that decrypt: the
    /// former never push out the latter.
    pub(super) fn push(&mut self, message: Waiting) -> (Option<u64>, Vec<(u64, Waiting)>) {
        let size = message.size();
        let mut dropped = Vec::new();
        if size > self.most_bytes || self.most_messages == 0 {
            return (None, dropped);
        }
        while self.queue.len() >= self.most_messages
            || self.bytes.saturating_add(size) > self.most_bytes
        {
            let anonymous = self.queue.iter().find(|(_, m)| !m.is_from_a_member());
            let oldest = match anonymous {
                None if message.is_from_a_member() => self.queue.first_key_value(),
                other => other,
            };
            let Some((&oldest, _)) = oldest else {
                return (None, dropped);
            };
            dropped.extend(self.take(oldest).map(|waiting| (oldest, waiting)));
        }
        let ticket = self.next_ticket;
        self.next_ticket = ticket.wrapping_add(1);
        self.insert(ticket, message);
        (Some(ticket), dropped)
    }

    /// Puts a message back under the ticket that it had.
    pub(super) fn insert(&mut self, ticket: u64, message: Waiting) {
        self.bytes = self.bytes.saturating_add(message.size());
        self.queue.insert(ticket, message);
    }

    pub(super) fn take(&mut self, ticket: u64) -> Option<Waiting> {
        let message = self.queue.remove(&ticket)?;
        self.bytes = self.bytes.saturating_sub(message.size());
        Some(message)
    }

    /// Tickets of the messages that wait for this, oldest first.
    pub(super) fn waiting_for(&self, cause: impl Fn(&Rejection) -> bool) -> Vec<u64> {
        self.queue
            .iter()
            .filter(|(_, m)| cause(&m.cause))
            .map(|(ticket, _)| *ticket)
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Removes the messages whose time is over. Without a clock nothing times out.
    pub(super) fn expire(&mut self, now: Now) -> Vec<(u64, Waiting)> {
        let Some(now) = now else { return Vec::new() };
        let mut over = Vec::new();
        for (ticket, message) in &mut self.queue {
            // A clock that was set, or set back, must not keep a message for ever.
            let since = message.since.map_or(now, |since| since.min(now));
            message.since = Some(since);
            if now.saturating_sub(since) >= self.most_ms {
                over.push(*ticket);
            }
        }
        over.into_iter()
            .filter_map(|t| self.take(t).map(|m| (t, m)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn message(len: usize, since: Now) -> Waiting {
        Waiting {
            topic: String::new(),
            envelope: vec![0; len],
            retain: false,
            since,
            cause: Rejection::Busy,
        }
    }

    fn pending(messages: usize, bytes: usize, ms: u64) -> Pending {
        Pending::new(&MemberOptions {
            pending_messages: messages,
            pending_bytes: bytes,
            pending_ms: ms,
            ..MemberOptions::default()
        })
    }

    #[test]
    fn count_is_bounded_and_the_oldest_goes() {
        let mut queue = pending(3, 1000, 10);
        for ticket in 1..=3 {
            let (got, dropped) = queue.push(message(1, None));
            assert_eq!((got, dropped.len()), (Some(ticket), 0));
        }
        let (_, dropped) = queue.push(message(1, None));
        assert_eq!(dropped.iter().map(|d| d.0).collect::<Vec<_>>(), [1]);
        assert_eq!((queue.len(), queue.bytes()), (3, 3));
    }

    #[test]
    fn bytes_are_bounded() {
        let mut queue = pending(100, 10, 10);
        assert!(queue.push(message(11, None)).0.is_none());
        for _ in 0..2 {
            assert!(queue.push(message(5, None)).1.is_empty());
        }
        let (_, dropped) = queue.push(message(1, None));
        assert_eq!(dropped.len(), 1);
        assert_eq!(queue.bytes(), 6);
        let (_, dropped) = queue.push(message(10, None));
        assert_eq!((dropped.len(), queue.bytes()), (2, 10));
    }

    #[test]
    fn strangers_push_out_strangers_only() {
        use sealmq_core::open::Missing;
        use sealmq_core::{GroupId, MemberNumber};
        let from_a_member = || Waiting {
            cause: Rejection::UnknownSender {
                group: GroupId([0; 16]),
                member: MemberNumber(1),
                missing: Missing::Credential,
            },
            ..message(1, None)
        };
        let mut queue = pending(3, 1000, 10);
        assert!(queue.push(message(1, None)).0.is_some());
        assert!(queue.push(from_a_member()).0.is_some());
        assert!(queue.push(from_a_member()).0.is_some());
        let dropped = |(ticket, dropped): (Option<u64>, Vec<(u64, Waiting)>)| {
            (ticket, dropped.iter().map(|d| d.0).collect::<Vec<_>>())
        };
        assert_eq!(dropped(queue.push(message(1, None))), (Some(4), vec![1]));
        assert_eq!(dropped(queue.push(from_a_member())), (Some(5), vec![4]));
        assert_eq!(dropped(queue.push(message(1, None))), (None, vec![]));
        assert_eq!(dropped(queue.push(from_a_member())), (Some(6), vec![2]));
    }

    #[test]
    fn nothing_is_kept_when_switched_off() {
        assert!(pending(0, 10, 10).push(message(1, None)).0.is_none());
    }

    #[test]
    fn time_is_bounded_even_when_the_clock_jumps() {
        let mut queue = pending(100, 1000, 10);
        for since in [Some(100), Some(105), Some(1_000_000), None] {
            assert!(queue.push(message(1, since)).0.is_some());
        }
        assert!(queue.expire(None).is_empty());
        assert!(queue.expire(Some(109)).is_empty());
        let over: Vec<u64> = queue.expire(Some(110)).into_iter().map(|o| o.0).collect();
        assert_eq!(over, [1]);
        // The one from the future and the one without a time count from 109.
        assert_eq!(queue.expire(Some(118)).len(), 1);
        assert_eq!(queue.expire(Some(119)).len(), 2);
        assert_eq!((queue.len(), queue.bytes()), (0, 0));
    }
}
