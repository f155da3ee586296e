//! Removals whose covers travel in chunks.

use sealmq_core::MemberNumber;
use sealmq_core::object::Access;
use sealmq_embedded::Event;
use sealmq_keys::objects::Policy;

use crate::following::both_ways;
use crate::net::Net;

struct Fleet {
    net: Net,
    board: usize,
    host: usize,
    others: Vec<MemberNumber>,
}

/// A group for tens of thousands, in which a cover has chunks from the third removal on.
fn fleet(others: usize) -> Fleet {
    let mut net = Net::in_tree(Policy::default(), 16);
    let board = net.board("sensor", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    let others = net.enrol_others(others);
    both_ways(&mut net, board, host);
    Fleet {
        net,
        board,
        host,
        others,
    }
}

impl Fleet {
    fn both_ways(&mut self) {
        both_ways(&mut self.net, self.board, self.host);
    }

    fn epoch(&self) -> u64 {
        let group = self.net.group();
        self.net.boards[self.board].device.epoch(&group).unwrap()
    }

    fn newest(&self) -> u64 {
        self.net.authority.groups().next().unwrap().epoch
    }

    /// Topics of the chunks of the newest epoch.
    fn chunks(&self) -> Vec<String> {
        let part = format!("/c/{}/", self.newest());
        let topics = self.net.retained.keys();
        topics.filter(|t| t.contains(&part)).cloned().collect()
    }

    fn asked(&self, part: &str) -> usize {
        let asked = self.net.boards[self.board].asked.iter();
        asked.filter(|filter| filter.contains(part)).count()
    }

    /// Removes them while the broker has lost the chunks; returns these.
    fn remove_without_chunks(&mut self) -> Vec<(String, Vec<u8>)> {
        self.net.boards[self.board].online = false;
        self.net.remove_all(&self.others.clone());
        let topics = self.chunks();
        assert!(topics.len() >= 2);
        let chunks = topics.into_iter().map(|topic| {
            let bytes = self.net.retained.remove(&topic).unwrap();
            (topic, bytes)
        });
        let chunks = chunks.collect();
        self.net.connect(self.board);
        assert_eq!(self.asked("/c/"), 1);
        assert!(self.epoch() < self.newest());
        chunks
    }

    /// The topic of the chunk that the device waits for.
    fn wanted(&self) -> String {
        let mut subscriptions = self.net.boards[self.board].subscriptions.iter();
        subscriptions.find(|t| t.contains("/c/")).unwrap().clone()
    }

    fn follows(&mut self) {
        assert_eq!(self.epoch(), self.newest());
        self.both_ways();
        // Nothing is left of it at the broker.
        let subscriptions = &self.net.boards[self.board].subscriptions;
        let of_all = |topic: &&String| topic.ends_with("/a/+") || !topic.contains("/a/");
        let left = subscriptions
            .iter()
            .find(|t| t.contains("/c/") || !of_all(t));
        assert_eq!(left, None);
    }
}

#[test]
fn a_removal_in_chunks_is_followed() {
    let mut fleet = fleet(4);
    fleet.net.remove_all(&fleet.others.clone());
    assert!(fleet.chunks().len() >= 2);
    assert_eq!(fleet.asked("/c/"), 1);
    fleet.follows();
    fleet.net.rotate();
    fleet.follows();
    fleet.net.restart(fleet.board);
    fleet.net.connect(fleet.board);
    fleet.follows();
    assert_eq!(fleet.asked("/c/"), 1);
}

#[test]
fn a_chunk_that_comes_late_is_taken() {
    let mut fleet = fleet(4);
    let chunks = fleet.remove_without_chunks();
    // Those of others are not asked for, and not taken.
    for (topic, bytes) in &chunks {
        fleet.net.publish_bytes(topic, bytes, true);
    }
    fleet.follows();
    assert_eq!(fleet.asked("/c/"), 1);
}

#[test]
fn a_chunk_that_nobody_announced_is_dropped() {
    let mut fleet = fleet(4);
    fleet.net.boards[fleet.board].online = false;
    fleet.net.remove_all(&fleet.others.clone());
    for topic in fleet.chunks() {
        let bytes = fleet.net.retained[&topic].clone();
        fleet.net.deliver(fleet.board, &topic, &bytes, false);
    }
    fleet.net.connect(fleet.board);
    fleet.follows();
}

#[test]
fn a_lost_chunk_is_asked_for_now_and_then() {
    let mut fleet = fleet(4);
    let chunks = fleet.remove_without_chunks();
    for _ in 0..61 {
        fleet.net.now += 1_000;
        fleet.net.maintain(fleet.board);
    }
    // At once, after 2 s and 30 s later.
    assert_eq!(fleet.asked("/c/"), 3);
    fleet.net.retained.extend(chunks);
    fleet.net.now += 30_000;
    fleet.net.maintain(fleet.board);
    assert_eq!(fleet.asked("/c/"), 4);
    fleet.follows();
}

#[test]
fn another_chunk_changes_nothing() {
    let mut fleet = fleet(4);
    let chunks = fleet.remove_without_chunks();
    let wanted = fleet.wanted();
    let (mut wrong, right): (Vec<_>, Vec<_>) =
        chunks.into_iter().partition(|(topic, _)| *topic != wanted);
    let (_, right) = right.into_iter().next().unwrap();
    for at in (0..right.len()).step_by(97) {
        let mut altered = right.clone();
        altered[at] ^= 1;
        wrong.push((String::new(), altered));
    }
    wrong.push((String::new(), right[52..].to_vec()));
    for (_, bytes) in wrong {
        fleet.net.deliver(fleet.board, &wanted, &bytes, false);
        assert!(fleet.epoch() < fleet.newest());
    }
    assert_eq!(fleet.asked("/c/"), 1);
    fleet.net.publish_bytes(&wanted, &right, true);
    fleet.follows();
}

/// What does not verify makes it ask for nothing, what does once, however often it comes.
#[test]
fn an_announcement_asks_for_one_chunk_once() {
    let mut fleet = fleet(4);
    fleet.remove_without_chunks();
    let newest = format!("/a/{}", fleet.newest());
    let mut topics = fleet.net.retained.keys();
    let topic = topics.find(|t| t.ends_with(&newest)).unwrap();
    let (topic, bytes) = (topic.clone(), fleet.net.retained[topic].clone());
    fleet.net.deliver(fleet.board, &topic, &bytes, false);
    let before = fleet.net.boards[fleet.board].asked.len();
    for at in (0..bytes.len()).step_by(29) {
        let mut forged = bytes.clone();
        forged[at] ^= 1;
        fleet.net.deliver(fleet.board, &topic, &forged, false);
        fleet.net.deliver(fleet.board, &topic, &bytes, false);
    }
    assert_eq!(fleet.net.boards[fleet.board].asked.len(), before);
    assert_eq!(fleet.asked(&newest), 0);
}

#[test]
fn a_power_cut_between_announcement_and_chunk_loses_nothing() {
    let mut fleet = fleet(4);
    let chunks = fleet.remove_without_chunks();
    fleet.net.restart(fleet.board);
    fleet.net.retained.extend(chunks);
    fleet.net.connect(fleet.board);
    fleet.follows();
}

#[test]
fn a_power_cut_while_the_epoch_is_stored_loses_nothing() {
    for work in [1, 100, 1_000, 2_000, 3_000] {
        let mut fleet = fleet(4);
        let chunks = fleet.remove_without_chunks();
        fleet.net.boards[fleet.board].cut_after(work);
        for (topic, bytes) in &chunks {
            fleet.net.publish_bytes(topic, bytes, true);
        }
        assert!(work > 1_000 || fleet.net.boards[fleet.board].is_dead);
        fleet.net.restart(fleet.board);
        fleet.net.connect(fleet.board);
        fleet.follows();
    }
}

#[test]
fn who_is_removed_in_a_chunk_learns_it() {
    let mut fleet = fleet(4);
    let gone = fleet.net.board("gone", Access::BOTH);
    let mut numbers = fleet.others.clone();
    numbers.push(fleet.net.boards[gone].device.number());
    fleet.net.remove_all(&numbers);
    fleet.follows();
    let group = fleet.net.group();
    assert!(fleet.net.boards[gone].device.is_removed(&group));
    fleet.net.restart(gone);
    assert!(fleet.net.boards[gone].device.is_removed(&group));
}

/// Removals one after the other while the device is off: whatever the order in which the broker
/// brings them, it catches up, and does not fetch them all for each of them.
#[test]
fn many_removals_in_chunks_are_caught_up_with() {
    const REMOVALS: usize = 40;
    for backwards in [false, true] {
        let mut fleet = fleet(REMOVALS);
        fleet.net.backwards = backwards;
        fleet.net.restart(fleet.board);
        for number in fleet.others.clone() {
            fleet.net.remove(number);
        }
        for _ in 0..5 {
            fleet.net.rotate();
        }
        let in_chunks = fleet.net.retained.keys().filter(|t| t.ends_with("/0"));
        let in_chunks = in_chunks.filter(|t| t.contains("/c/")).count();
        fleet.net.boards[fleet.board].received = 0;
        fleet.net.boards[fleet.board].asked.clear();
        fleet.net.connect(fleet.board);
        fleet.follows();
        let all = fleet.asked("/a/+");
        let received = fleet.net.boards[fleet.board].received;
        println!("{in_chunks} in chunks: {all} times all, {received} bytes");
        assert!(in_chunks > REMOVALS - 4);
        assert_eq!(fleet.asked("/c/"), in_chunks);
        assert!(all <= REMOVALS / 8 + 2, "{all} times all announcements");
    }
}

/// Hundreds are removed from a group of tens of thousands: packets of 4 KiB are enough.
#[test]
fn hundreds_of_removals_fit_into_packets_of_4_kib() {
    let mut fleet = fleet(300);
    fleet.net.remove_all(&fleet.others.clone());
    println!("{} chunks", fleet.chunks().len());
    fleet.follows();
    let events = &fleet.net.boards[fleet.board].events;
    assert!(matches!(
        events.last(),
        Some(Event::List(_) | Event::Sender(_))
    ));
}
