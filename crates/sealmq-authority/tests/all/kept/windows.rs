//! How far back state opens: the policy's `kept`.

use sealmq_core::object::Access;
use sealmq_keys::Policy;
use sealmq_keys::objects::KeptKeys;

use super::{join_late, keep, kept_topic, values, values_after_restart};
use crate::net::Net;
use crate::net::serve::settle;

fn plant(kept: u8) -> (Net, usize, usize) {
    let mut net = Net::with_policy(Policy {
        kept,
        ..Policy::default()
    });
    let alice = net.join("alice", Access::SUBSCRIBE);
    let pump = net.join("pump", Access::PUBLISH);
    settle(&mut net);
    (net, alice, pump)
}

/// How many kept epochs before the newest one the published list leads to.
fn listed(net: &Net) -> usize {
    let list = &net.retained[&kept_topic(net, "plant")];
    let list = KeptKeys::verify(list, &net.delegation()).unwrap();
    list.names().count() - 1
}

fn check(net: &mut Net, alice: usize, expected: &[&str], name: &str) {
    assert_eq!(values(net, alice), expected);
    assert_eq!(values_after_restart(net, alice), expected);
    let late = join_late(net, name);
    assert_eq!(values(net, late), expected, "{name}");
}

#[test]
fn with_0_only_the_state_of_now_opens() {
    let (mut net, alice, pump) = plant(0);
    keep(&mut net, pump, "plant/s", "old");
    for _ in 0..3 {
        net.rotate();
    }
    check(&mut net, alice, &["old"], "bob");
    net.heal();
    assert_eq!(listed(&net), 0);
    check(&mut net, alice, &[], "carol");
    keep(&mut net, pump, "plant/t", "new");
    check(&mut net, alice, &["new"], "dave");
    assert!(
        !net.devices[alice]
            .store
            .0
            .keys()
            .any(|key| key.ends_with("/kept"))
    );
}

#[test]
fn with_64_as_many_removals_pass() {
    let (mut net, alice, pump) = plant(64);
    keep(&mut net, pump, "plant/s", "old");
    for _ in 0..64 {
        net.heal();
    }
    assert_eq!(listed(&net), 64);
    check(&mut net, alice, &["old"], "bob");
    net.heal();
    assert_eq!(listed(&net), 64);
    check(&mut net, alice, &[], "carol");
    keep(&mut net, pump, "plant/s", "new");
    check(&mut net, alice, &["new"], "dave");
}
