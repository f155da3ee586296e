//! How the credentials of senders are asked for (spec/keys.md §9): by a few topics of their own, or,
//! when many are missing, all of the domain's at once. A reader has few subscriptions for them
//! however many senders there are, and none while it lacks nothing: brokers in the cloud allow 50
//! for all purposes together.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use sealmq_core::MemberNumber;

use super::types::Now;

/// Most senders whose own topics are subscribed at a time.
const MOST_SINGLE: usize = 8;
/// The same of a member of many groups, which has used up most of its subscriptions.
const MOST_SPARED: usize = 2;
/// With more missing than this, all credentials are asked for.
const MANY: usize = 32;
/// Milliseconds that others wait behind those few, which may not exist, before that is done, too.
const STUCK: u64 = 2_000;
/// Milliseconds between two times that all are asked for. Doubles while that brings nothing: an
/// insider can make up senders, and a domain may have a hundred thousand credentials.
const PAUSE: u64 = 10_000;
const LONGEST_PAUSE: u64 = 600_000;
/// After so many milliseconds one's own topic is subscribed again: the broker may have refused it,
/// because there were too many subscriptions.
const AGAIN: u64 = 10_000;

/// Whose credential topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// This member's.
    One(MemberNumber),
    /// Everybody's.
    All,
}

/// A subscription begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Begin(Whose),
    End(Whose),
}

#[derive(Default)]
pub(super) struct Fetching {
    /// With the time at which they were asked for, as far as it is known.
    single: BTreeMap<MemberNumber, Now>,
    spare: bool,
    /// Behind them, oldest first.
    queue: VecDeque<MemberNumber>,
    /// Those that will be among all.
    covered: BTreeSet<MemberNumber>,
    all: bool,
    /// It brought something since it was asked for.
    useful: bool,
    asked_at: Now,
    pause: u64,
    /// Since when somebody stands in the queue.
    stuck_since: Now,
    asks: Vec<Ask>,
}

impl Fetching {
    /// What is subscribed.
    pub(super) fn subscribed(&self) -> impl Iterator<Item = Whose> {
        let single = self.single.keys().copied().map(Whose::One);
        single.chain(self.all.then_some(Whose::All))
    }

    /// Whether there is room for few subscriptions.
    pub(super) const fn spare(&mut self, spare: bool) {
        self.spare = spare;
    }

    /// What to subscribe, and what not any more.
    pub(super) fn take_asks(&mut self) -> Vec<Ask> {
        core::mem::take(&mut self.asks)
    }

    /// What came before a new delegation was refused: it is asked for again.
    pub(super) fn again(&mut self) {
        let asks: Vec<Ask> = self.subscribed().map(Ask::Begin).collect();
        self.asks.extend(asks);
    }

    /// One is missing.
    pub(super) fn begin(&mut self, member: MemberNumber) {
        self.queue.push_back(member);
        self.fill();
    }

    /// It is there, or nobody waits for it any more.
    pub(super) fn end(&mut self, member: MemberNumber, came: bool) {
        if self.single.remove(&member).is_some() {
            self.asks.push(Ask::End(Whose::One(member)));
        } else if self.covered.remove(&member) {
            self.useful |= came;
        } else {
            self.queue.retain(|other| *other != member);
        }
        self.fill();
        if self.all && self.covered.is_empty() {
            self.all = false;
            self.asks.push(Ask::End(Whose::All));
        }
    }

    fn fill(&mut self) {
        let most = match self.spare {
            true => MOST_SPARED,
            false => MOST_SINGLE,
        };
        while self.single.len() < most
            && let Some(member) = self.queue.pop_front()
        {
            self.single.insert(member, None);
            self.asks.push(Ask::Begin(Whose::One(member)));
        }
    }

    /// Time has passed. Without a clock and an uptime, all are asked for once at a time.
    pub(super) fn tick(&mut self, now: Now) {
        self.ask_again(now);
        if self.queue.is_empty() {
            self.stuck_since = None;
            return;
        }
        // A clock that was set back lets nobody wait.
        let over = |since: Now, ms: u64| match now.zip(since) {
            Some((now, since)) => now.checked_sub(since).is_none_or(|span| span >= ms),
            None => !self.all,
        };
        let since = self.stuck_since.or(now);
        let many = self.queue.len().saturating_add(self.single.len()) > MANY;
        let is_due = many || over(since, STUCK);
        let may = match now {
            Some(_) => self.asked_at.is_none() || over(self.asked_at, self.pause),
            None => !self.all,
        };
        self.stuck_since = since;
        if !is_due || !may {
            return;
        }
        let longer = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        self.pause = if self.useful {
            PAUSE
        } else {
            longer.max(PAUSE)
        };
        (self.all, self.useful) = (true, false);
        (self.asked_at, self.stuck_since) = (now, None);
        self.covered.extend(self.queue.drain(..));
        self.asks.push(Ask::Begin(Whose::All));
    }
}

impl Fetching {
    fn ask_again(&mut self, now: Now) {
        let Some(now) = now else {
            return;
        };
        for (member, asked) in &mut self.single {
            let due = |asked: u64| now.checked_sub(asked).is_none_or(|span| span >= AGAIN);
            if asked.is_some_and(due) {
                self.asks.push(Ask::Begin(Whose::One(*member)));
                *asked = Some(now);
            }
            asked.get_or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(fetching: &mut Fetching, senders: core::ops::RangeInclusive<u32>) {
        senders.for_each(|number| fetching.begin(MemberNumber(number)));
    }

    #[test]
    fn a_few_are_asked_for_one_by_one_and_many_at_once() {
        let mut fetching = Fetching::default();
        begin(&mut fetching, 1..=8);
        assert_eq!(fetching.subscribed().count(), 8);
        for number in 1..=8 {
            fetching.end(MemberNumber(number), true);
        }
        assert_eq!(fetching.subscribed().count(), 0);
        begin(&mut fetching, 1..=1000);
        assert_eq!(fetching.subscribed().count(), 8);
        fetching.tick(Some(1));
        assert_eq!(fetching.subscribed().count(), 9);
        assert_eq!(fetching.take_asks().last(), Some(&Ask::Begin(Whose::All)));
        for number in 1..=1000 {
            fetching.end(MemberNumber(number), true);
        }
        assert_eq!(fetching.subscribed().count(), 0);
        assert_eq!(fetching.take_asks().last(), Some(&Ask::End(Whose::All)));
    }

    #[test]
    fn what_does_not_come_is_asked_for_again() {
        let mut fetching = Fetching::default();
        begin(&mut fetching, 1..=2);
        fetching.tick(Some(5));
        fetching.end(MemberNumber(2), true);
        fetching.take_asks();
        fetching.tick(Some(10_004));
        assert_eq!(fetching.take_asks(), []);
        fetching.tick(Some(10_005));
        let again = [Ask::Begin(Whose::One(MemberNumber(1)))];
        assert_eq!(fetching.take_asks(), again);
        fetching.tick(Some(10_500));
        assert_eq!(fetching.take_asks(), []);
    }

    #[test]
    fn with_many_groups_two_are_asked_for_at_a_time() {
        let mut fetching = Fetching::default();
        fetching.spare(true);
        begin(&mut fetching, 1..=20);
        assert_eq!(fetching.subscribed().count(), 2);
        fetching.tick(Some(0));
        fetching.tick(Some(2_000));
        assert_eq!(fetching.subscribed().count(), 3);
    }

    #[test]
    fn made_up_senders_hold_up_nobody_for_long_and_cost_less_and_less() {
        let mut fetching = Fetching::default();
        begin(&mut fetching, 1..=9);
        fetching.tick(Some(0));
        fetching.tick(Some(1_999));
        assert_eq!(fetching.subscribed().count(), 8);
        fetching.tick(Some(2_000));
        assert_eq!(fetching.subscribed().count(), 9);
        let mut times = 0;
        for second in 2..3_600 {
            fetching.begin(MemberNumber(second * 10));
            fetching.tick(Some(u64::from(second) * 1000));
            let asks = fetching.take_asks();
            times += asks
                .iter()
                .filter(|ask| **ask == Ask::Begin(Whose::All))
                .count();
        }
        assert!(times <= 12, "{times} times in an hour");
        // One that brought something is followed by the next soon.
        let covered = *fetching.covered.first().unwrap();
        fetching.end(covered, true);
        fetching.tick(Some(5_000_000));
        begin(&mut fetching, 100_000..=100_100);
        fetching.tick(Some(5_009_999));
        assert_eq!(fetching.pause, PAUSE);
    }

    #[test]
    fn without_a_clock_all_are_asked_for_once_at_a_time() {
        let mut fetching = Fetching::default();
        begin(&mut fetching, 1..=40);
        fetching.tick(None);
        begin(&mut fetching, 41..=80);
        fetching.tick(None);
        let asks = fetching.take_asks();
        assert_eq!(
            asks.iter()
                .filter(|ask| **ask == Ask::Begin(Whose::All))
                .count(),
            1
        );
    }
}
