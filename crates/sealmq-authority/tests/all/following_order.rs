//! What following costs does not depend on the order in which announcements come.

use sealmq_core::object::Access;
use sealmq_keys::member::Member;
use sealmq_keys::{Publication, ReservedTopic};

use crate::common::MemoryStore;
use crate::net::Net;

const EPOCHS: usize = 1000;

struct History {
    net: Net,
    alice: usize,
    /// Alice, before any of it.
    store: MemoryStore,
    announcements: Vec<Publication>,
    last: u64,
}

impl History {
    /// A thousand epochs: removals, healing ones and ordinary ones.
    fn new(healing: impl Fn(usize) -> bool) -> Self {
        let mut net = Net::new();
        let alice = net.join("alice", Access::BOTH);
        let others: Vec<usize> = (0..20)
            .map(|n| net.join(&format!("device-{n}"), Access::BOTH))
            .collect();
        net.restart(alice);
        let store = net.devices[alice].store.clone();
        let mut announcements = Vec::new();
        for n in 0..EPOCHS {
            let now = net.now / 1000;
            let plan = if n % 50 == 0 {
                let number = net.number(others[n / 50]);
                net.authority.remove(number, now, &mut net.rng)
            } else if healing(n) {
                net.authority.heal("plant", now, &mut net.rng)
            } else {
                net.authority.rotate("plant", now, &mut net.rng)
            };
            for publication in net.withhold(plan.unwrap()) {
                match ReservedTopic::parse(net.authority.prefix(), &publication.topic) {
                    Some(ReservedTopic::Announcement(..)) => announcements.push(publication),
                    Some(ReservedTopic::Chunk(..) | ReservedTopic::RefusedList(_)) => {
                        net.retained.insert(publication.topic, publication.payload);
                    }
                    _ => {}
                }
            }
        }
        announcements.retain(|announcement| !announcement.payload.is_empty());
        let last = net.epoch(alice).unwrap() + EPOCHS as u64;
        assert_eq!(announcements.len(), EPOCHS);
        Self {
            net,
            alice,
            store,
            announcements,
            last,
        }
    }

    /// Signatures that were checked, and covers that were opened.
    fn cost(&mut self, order: impl IntoIterator<Item = usize>) -> (u64, u64) {
        let device = &mut self.net.devices[self.alice];
        let options = device.member.options().clone();
        device.store = self.store.clone();
        device.member = Member::load(&device.store, options).unwrap();
        device.history.clear();
        device.online = true;
        for n in order {
            let Publication { topic, payload, .. } = self.announcements[n].clone();
            self.net.deliver(self.alice, &topic, &payload, true);
            self.net.devices[self.alice].history.clear();
        }
        assert_eq!(self.net.epoch(self.alice), Some(self.last));
        let stats = self.net.devices[self.alice].member.stats();
        assert_eq!(stats.reserved_refused, 0);
        (stats.announcements_verified, stats.announcements_unwrapped)
    }
}

fn orders() -> Vec<(&'static str, Vec<usize>)> {
    let all = || 0..EPOCHS;
    // 389 has no factor in common with 1000.
    let scattered = || all().map(|n| n * 389 % EPOCHS);
    let halves = all().map(|n| n / 2 + n % 2 * (EPOCHS / 2));
    let twice = all().rev().flat_map(|n| [n, n]);
    vec![
        ("newest first", all().rev().collect()),
        ("scattered", scattered().collect()),
        ("interleaved", halves.collect()),
        (
            "interleaved from behind",
            all()
                .map(|n| (EPOCHS - 1 - n / 2) * (1 - n % 2) + n / 2 * (n % 2))
                .collect(),
        ),
        ("each twice, newest first", twice.collect()),
        (
            "again and again",
            scattered().chain(scattered()).chain(all().rev()).collect(),
        ),
    ]
}

#[test]
fn any_order_costs_what_the_order_of_epochs_costs() {
    let all_heal: fn(usize) -> bool = |_| true;
    let some_heal: fn(usize) -> bool = |n| n % 3 == 0;
    for (healing, orders) in [(all_heal, orders()), (some_heal, orders().split_off(4))] {
        let mut history = History::new(healing);
        let in_order = history.cost(0..EPOCHS);
        assert_eq!(in_order, (EPOCHS as u64, EPOCHS as u64));
        for (name, order) in orders {
            let cost = history.cost(order);
            // Ordinary epochs that were passed are not followed; none costs more than in order.
            assert!(
                cost.0 <= in_order.0 && cost.1 <= in_order.1,
                "{name}: {cost:?}"
            );
        }
    }
}

/// Anybody can publish on the topics of announcements. What waits for others is not given up for
/// what does not verify, whenever that comes.
#[test]
fn garbage_displaces_no_announcement_that_waits() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let first = net.epoch(alice).unwrap();
    net.disconnect(alice);
    let mut announcements = Vec::new();
    for _ in 0..8 {
        let plan = net.authority.heal("plant", net.now / 1000, &mut net.rng);
        for publication in net.withhold(plan.unwrap()) {
            let topic = ReservedTopic::parse(net.authority.prefix(), &publication.topic);
            if matches!(topic, Some(ReservedTopic::Announcement(..))) {
                announcements.extend((!publication.payload.is_empty()).then_some(publication));
            }
        }
    }
    assert_eq!(announcements.len(), 8);
    net.connect(alice);
    for Publication { topic, payload, .. } in announcements.iter().rev() {
        // All of its form, and its signature or a byte before it is not what it was.
        let altered = [1, 30, 100].map(|from_end| {
            let mut altered = payload.clone();
            let at = altered.len() - from_end;
            altered[at] ^= 1;
            altered
        });
        for garbage in &altered {
            net.deliver(alice, topic, garbage, false);
        }
        net.deliver(alice, topic, payload, true);
        for garbage in &altered {
            net.deliver(alice, topic, garbage, false);
        }
    }
    assert_eq!(net.epoch(alice), Some(first + 8));
}
