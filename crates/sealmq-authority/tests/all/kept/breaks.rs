//! What ends keys for state: a delegation that does not continue, and the end of a generation.

use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_keys::objects::KeptKeys;
use sealmq_keys::{Policy, Publication, ReservedTopic};

use super::pool::{Pool, announced};
use super::{copy_opens, join_late, keep, kept_topic, values, values_after_restart};
use crate::net::serve::{days, generations, renew, settle};
use crate::net::{Device, Net};

fn plant(suite: Suite) -> (Net, usize, usize) {
    let mut net = Net::with_suite(suite, Policy::default());
    let alice = net.join("alice", Access::SUBSCRIBE);
    let pump = net.join("pump", Access::PUBLISH);
    settle(&mut net);
    (net, alice, pump)
}

fn last_heals(net: &Net) -> bool {
    announced(net).last().unwrap().kept_key.is_some()
}

fn kept_in_store(net: &Net, device: usize) -> usize {
    let all = announced(net);
    Pool::of([&net.devices[device].store], &all).stored
}

/// The delegation alone comes through, and the power fails.
#[test]
fn a_delegation_that_does_not_continue_ends_them_durably() {
    for (suite, new_keys) in [(Suite::One, false), (Suite::One, true), (Suite::Two, true)] {
        let (mut net, alice, pump) = plant(suite);
        net.heal();
        keep(&mut net, pump, "plant/s", "old");
        assert_eq!(kept_in_store(&net, alice), 2);
        let request = net.request_delegation(new_keys);
        let object = net.delegate(&request, None);
        let now = net.now / 1000;
        let plan = net
            .authority
            .install_delegation(&object, false, now, &mut net.rng);
        let withheld = net.withhold(plan.unwrap());
        let topic = net.topic(ReservedTopic::Delegation);
        net.publish(Publication::retained(topic, object));
        net.crash(alice);
        assert_eq!(kept_in_store(&net, alice), 0);
        net.connect(alice);
        assert!(values(&mut net, alice).is_empty());
        net.crash(pump);
        net.connect(pump);

        for publication in withheld {
            net.publish(publication);
        }
        assert!(last_heals(&net), "though nobody was removed");
        settle(&mut net);
        assert!(values_after_restart(&mut net, alice).is_empty());
        let bob = join_late(&mut net, "bob");
        assert!(values(&mut net, bob).is_empty());
        let list = net.retained[&kept_topic(&net, "plant")].clone();
        let list = KeptKeys::verify(&list, &net.delegation()).unwrap();
        assert_eq!(list.names().count(), 1);
        keep(&mut net, pump, "plant/s", "new");
        for reader in [alice, bob] {
            assert_eq!(values_after_restart(&mut net, reader), ["new"]);
        }
        assert_eq!(kept_in_store(&net, alice), 1);
    }
}

/// A reader that was away follows healing epochs of the old serial, because the new one refers to
/// them. Their kept keys count only if the delegation continues that serial.
#[test]
fn who_was_away_keeps_none_of_a_serial_that_has_ended() {
    for continues in [true, false] {
        let (mut net, alice, pump) = plant(Suite::One);
        net.disconnect(alice);
        net.heal();
        keep(&mut net, pump, "plant/s", "old");
        if continues {
            let mut lineage = net.lineage();
            net.renew_delegation(true, &mut lineage);
        } else {
            net.break_delegation(true);
        }
        net.heal();
        net.connect(alice);
        settle(&mut net);
        // She asks for what the new announcements refer to.
        net.now += 60_000;
        settle(&mut net);
        assert_eq!(net.epoch(alice), net.epoch(pump));
        let expected: &[&str] = if continues { &["old"] } else { &[] };
        assert_eq!(values(&mut net, alice), expected);
        assert_eq!(values_after_restart(&mut net, alice), expected);
        assert_eq!(kept_in_store(&net, alice), if continues { 3 } else { 2 });
    }
}

/// The same for welcomes that were issued under it.
#[test]
fn a_welcome_brings_none_of_a_serial_that_has_ended() {
    let (mut net, _, pump) = plant(Suite::One);
    keep(&mut net, pump, "plant/s", "old");
    let late = net.enrol("late", &[crate::net::grant("plant", Access::SUBSCRIBE)]);
    net.break_delegation(false);
    settle(&mut net);
    net.connect(late);
    settle(&mut net);
    assert!(values(&mut net, late).is_empty());
    assert!(net.epoch(late).is_some());
    assert_eq!(kept_in_store(&net, late), 1);
}

fn copy_of(net: &Net, device: usize) -> Device {
    let device = &net.devices[device];
    Device {
        member: sealmq_keys::member::Member::load(&device.store, device.member.options().clone())
            .unwrap(),
        store: device.store.clone(),
        rng: crate::common::TestRng::new(1),
        online: false,
        subscriptions: std::collections::BTreeSet::new(),
        asked: Vec::new(),
        inbox: Vec::new(),
        events: Vec::new(),
        rejected: Vec::new(),
        history: vec![device.store.clone()],
    }
}

/// Everybody has moved, or the deadline has passed: whoever copied a store before can neither
/// follow nor open what is sealed from the next epoch on.
#[test]
fn a_silent_copy_opens_no_state_after_the_end_of_its_generation() {
    for (suite, deadline) in [(Suite::One, false), (Suite::One, true), (Suite::Two, false)] {
        let (mut net, alice, pump) = plant(suite);
        let sleeper = net.join("sleeper", Access::SUBSCRIBE);
        settle(&mut net);
        if deadline {
            net.disconnect(sleeper);
        }
        let copy = copy_of(&net, alice);
        renew(&mut net);
        let during = keep(&mut net, pump, "plant/t", "during");
        assert!(copy_opens(&net, &copy, "plant/t", &during), "until then");
        settle(&mut net);
        if deadline {
            days(&mut net, 30);
            settle(&mut net);
        } else {
            net.now += 600_000;
            net.tick_authority();
            settle(&mut net);
            settle(&mut net);
            assert_eq!(generations(&net), [2]);
            // The next epoch comes when it comes, whatever for.
            days(&mut net, 1);
        }
        assert_eq!(generations(&net), [2]);
        settle(&mut net);
        let after = keep(&mut net, pump, "plant/s", "after");
        assert_eq!(values(&mut net, alice), ["after", "during"]);
        assert!(!copy_opens(&net, &copy, "plant/s", &after));
        let all = announced(&net);
        let mut pool = Pool::of([&copy.store], &all);
        pool.follow_lists(&net, &all);
        assert!(!pool.opens("plant/s", &after, &all));
    }
}
