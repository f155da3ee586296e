//! What an operator has to hear is told, wherever the process dies after the commit.

use sealmq_keys::Store;
use sealmq_keys::member::{Action, Member, MemberEvent};

use crate::common::MemoryStore;
use crate::net::Net;
use sealmq_core::object::Access;

/// Whether a device that starts from a store tells something, with how many ticks each.
pub fn tells(store: &MemoryStore, now: u64, what: impl Fn(&MemberEvent) -> bool) -> Vec<usize> {
    let mut store = store.clone();
    let mut told = Vec::new();
    for _ in 0..2 {
        let mut member = Member::load(&store, Default::default()).unwrap();
        let mut count = 0;
        for second in 0..3 {
            for action in member.tick(Some(now + second * 1000)) {
                match action {
                    Action::Commit(changes) => store.commit(&changes).unwrap(),
                    Action::Event(event) => count += usize::from(what(&event)),
                    _ => {}
                }
            }
        }
        told.push(count);
    }
    told
}

#[test]
fn a_removal_is_told_by_each_run_of_the_program() {
    let mut net = Net::new();
    let device = net.join("device", Access::BOTH);
    let other = net.join("other", Access::BOTH);
    let before = net.devices[device].history.len();
    net.remove(device);
    let is = |event: &MemberEvent| matches!(event, MemberEvent::Removed { .. });
    let first = net.devices[device].events.iter().filter(|event| is(event));
    assert_eq!(first.count(), 1);
    // The event follows the last commit: from that one on every start tells it, once.
    let history = net.devices[device].history.clone();
    assert!(history.len() > before);
    assert_eq!(tells(history.last().unwrap(), net.now, is), [1, 1]);
    assert_eq!(tells(&net.devices[other].store, net.now, is), [0, 0]);
}
