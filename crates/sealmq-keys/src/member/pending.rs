//! Messages that cannot be opened yet, bounded by count, bytes and time.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;

use sealmq_core::MemberNumber;
use sealmq_core::open::{Rejection, Staleness};

use super::shares::Source;

use super::types::{MemberOptions, Now};

pub(super) struct Waiting {
    pub(super) topic: String,
    pub(super) envelope: Vec<u8>,
    pub(super) retain: bool,
    pub(super) since: Now,
    /// What it waits for: [`Rejection::may_wait`] holds.
    pub(super) cause: Rejection,
    /// It names a sender of whom a credential was seen.
    pub(super) is_known: bool,
}

impl Waiting {
    fn size(&self) -> usize {
        self.topic.len().saturating_add(self.envelope.len())
    }

    fn source(&self) -> Source {
        let member = match self.cause {
            Rejection::UnknownSender { group, member, .. } => Some((Some(group), member)),
            Rejection::Stale(Staleness::CredentialOfState { member }) => Some((None, member)),
            _ => None,
        };
        match member {
            Some((group, member)) if self.is_known => Source::Known(group, member),
            Some((group, member)) => Source::Named(group, member),
            // It did not decrypt yet: behind the form stands the key id, or the session tag.
            None => {
                let named = match self.cause {
                    Rejection::UnknownSession { .. } => 1..7,
                    _ => 1..9,
                };
                Source::Key(self.envelope.get(named).map(<[u8]>::to_vec))
            }
        }
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
    queue: BTreeMap<u64, Place>,
    bytes: usize,
    next_ticket: u64,
    most_messages: usize,
    most_bytes: usize,
    most_ms: u64,
}

/// A message in the queue.
struct Place {
    message: Waiting,
    source: Source,
    /// Within the share of its source: what others send does not push it out.
    is_kept: bool,
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
    /// it, and the messages that had to make room ([`Source`]).
    pub(super) fn push(&mut self, message: Waiting) -> (Option<u64>, Vec<(u64, Waiting)>) {
        let size = message.size();
        let mut dropped = Vec::new();
        if size > self.most_bytes || self.most_messages == 0 {
            return (None, dropped);
        }
        let source = message.source();
        while self.queue.len() >= self.most_messages
            || self.bytes.saturating_add(size) > self.most_bytes
        {
            let is_kept = self.has_share(&source, size);
            let lowest = self.passing().map(|(_, place)| place.source.rank()).min();
            let lowest = lowest.filter(|rank| is_kept || *rank <= source.rank());
            let Some(out) = lowest.and_then(|rank| self.worth_least(rank)) else {
                return (None, dropped);
            };
            dropped.extend(self.take(out).map(|waiting| (out, waiting)));
        }
        let ticket = self.next_ticket;
        self.next_ticket = ticket.wrapping_add(1);
        self.insert(ticket, message);
        (Some(ticket), dropped)
    }

    /// Puts a message back under the ticket that it had.
    pub(super) fn insert(&mut self, ticket: u64, message: Waiting) {
        let (size, source) = (message.size(), message.source());
        let place = Place {
            is_kept: self.has_share(&source, size),
            message,
            source,
        };
        self.bytes = self.bytes.saturating_add(size);
        self.queue.insert(ticket, place);
    }

    pub(super) fn take(&mut self, ticket: u64) -> Option<Waiting> {
        let Place { message, .. } = self.queue.remove(&ticket)?;
        self.bytes = self.bytes.saturating_sub(message.size());
        Some(message)
    }

    fn passing(&self) -> impl Iterator<Item = (&u64, &Place)> {
        self.queue.iter().filter(|(_, place)| !place.is_kept)
    }

    /// Whether one more message of this size is within the share of its source, and of those like
    /// it.
    fn has_share(&self, source: &Source, size: usize) -> bool {
        let shares = source.shares();
        shares.into_iter().all(|(part, same)| {
            let kept = self.queue.values().filter(|place| place.is_kept);
            let of_it = kept.filter(|place| same(&place.source, source));
            let (count, bytes) = of_it.fold((0_usize, size), |(count, bytes), place| {
                let bytes = bytes.saturating_add(place.message.size());
                (count.saturating_add(1), bytes)
            });
            let most_bytes = self.most_bytes.checked_div(part.bytes).unwrap_or(0);
            let most = self.most_messages.checked_div(part.messages);
            most.is_some_and(|most| count < most) && bytes <= most_bytes
        })
    }

    /// Of the passing messages of a rank: the oldest one of the sender, or of the group, with the
    /// most of them.
    fn worth_least(&self, rank: u8) -> Option<u64> {
        let mut counts: BTreeMap<Source, (usize, u64)> = BTreeMap::new();
        for (ticket, place) in self.passing() {
            if place.source.rank() == rank {
                let count = counts.entry(place.source.rival()).or_insert((0, *ticket));
                count.0 = count.0.saturating_add(1);
            }
        }
        let most = counts
            .values()
            .max_by_key(|(count, oldest)| (*count, Reverse(*oldest)));
        most.map(|(_, oldest)| *oldest)
    }

    /// Tickets of the messages that wait for this, oldest first.
    pub(super) fn waiting_for(&self, cause: impl Fn(&Rejection) -> bool) -> Vec<u64> {
        self.queue
            .iter()
            .filter(|(_, place)| cause(&place.message.cause))
            .map(|(ticket, _)| *ticket)
            .collect()
    }

    /// Whether a message waits for a credential of this member.
    pub(super) fn awaits(&self, member: MemberNumber) -> bool {
        let mut all = self.queue.values();
        all.any(|place| place.message.cause.awaited_credential() == Some(member))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Time is measured by another clock from here on: all of it begins anew.
    pub(super) fn restart(&mut self, now: Now) {
        for place in self.queue.values_mut() {
            place.message.since = now;
        }
    }

    /// Removes the messages whose time is over. Without a clock nothing times out.
    pub(super) fn expire(&mut self, now: Now) -> Vec<(u64, Waiting)> {
        let Some(now) = now else { return Vec::new() };
        let mut over = Vec::new();
        for (ticket, Place { message, .. }) in &mut self.queue {
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
            is_known: false,
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
        use sealmq_core::GroupId;
        use sealmq_core::open::Missing;
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
    fn made_up_senders_push_out_nothing_genuine() {
        use sealmq_core::GroupId;
        use sealmq_core::open::Missing;
        let of = |group: u8, member: u32, is_known: bool, len: usize| Waiting {
            cause: Rejection::UnknownSender {
                group: GroupId([group; 16]),
                member: MemberNumber(member),
                missing: Missing::Credential,
            },
            is_known,
            ..message(len, None)
        };
        let keyed = |key: u8| Waiting {
            envelope: vec![key; 20],
            cause: Rejection::UnknownKey {
                key_id: sealmq_core::KeyId([key; 8]),
            },
            ..message(0, None)
        };
        let mut queue = pending(1024, 1 << 20, 10);
        let mut genuine = Vec::new();
        for _ in 0..4 {
            for member in 1..=4 {
                genuine.push(queue.push(of(1, member, false, 100)).0.unwrap());
                genuine.push(queue.push(of(1, 100 + member, true, 100)).0.unwrap());
            }
            genuine.push(queue.push(of(2, 1, false, 100)).0.unwrap());
            genuine.push(queue.push(keyed(1)).0.unwrap());
        }
        // One sender of whom much waits.
        let many: Vec<u64> = (0..100)
            .map(|_| queue.push(of(1, 200, true, 100)).0.unwrap())
            .collect();
        // Made-up numbers, one number again and again, a known one's, large ones, and key ids.
        for n in 0..3000 {
            let _ = queue.push(of(1, 10_000 + n, false, 50));
            let _ = queue.push(of(1, 5000, false, 50));
            let _ = queue.push(of(1, 101, true, 50));
            let _ = queue.push(of(1, 20_000 + n % 300, false, 60_000));
            let _ = queue.push(keyed((n % 256) as u8));
            assert!(queue.len() <= 1024 && queue.bytes() <= 1 << 20);
        }
        for ticket in genuine {
            assert!(queue.take(ticket).is_some(), "{ticket}");
        }
        let left = many.iter().filter(|ticket| queue.take(**ticket).is_some());
        assert!(left.count() >= 16);
        // Who comes during the flood has a place all the same, and keeps it for a while.
        let late = queue.push(of(3, 7, true, 100)).0.unwrap();
        let named = queue.push(of(4, 7, false, 100)).0.unwrap();
        for n in 0..50 {
            let _ = queue.push(of(1, 40_000 + n, false, 50));
        }
        assert!(queue.take(late).is_some() && queue.take(named).is_some());
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
