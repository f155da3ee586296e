//! A hostile broker, insiders and operators against what the broker keeps.

use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_keys::member::OutgoingMessage;
use sealmq_keys::{Policy, Publication, ReservedTopic};

use super::pool::{Pool, announced};
use super::{
    copy_opens, join_late, keep, kept_topic, renew_credential, values, values_after_restart,
};
use crate::net::serve::{days, renew, settle};
use crate::net::{Net, grant};

fn plant(suite: Suite, policy: Policy) -> (Net, usize, usize) {
    let mut net = Net::with_suite(suite, policy);
    let alice = net.join("alice", Access::SUBSCRIBE);
    let pump = net.join("pump", Access::PUBLISH);
    settle(&mut net);
    (net, alice, pump)
}

/// All orders of some things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let shorter = orders(last).into_iter();
    let all = shorter.flat_map(|order| {
        (0..count).map(move |at| {
            let mut longer = order.clone();
            longer.insert(at, last);
            longer
        })
    });
    all.collect()
}

/// What a late reader needs comes in any order, and the power fails anywhere in between.
#[test]
fn a_late_reader_gets_there_in_every_order() {
    let (mut net, _, pump) = plant(Suite::One, Policy::default());
    let value = keep(&mut net, pump, "plant/s", "old");
    for _ in 0..2 {
        net.heal();
    }
    renew_credential(&mut net, pump);
    let number = net.number(pump);
    for (n, order) in orders(5).into_iter().enumerate() {
        let late = net.enrol(&format!("late-{n}"), &[grant("plant", Access::SUBSCRIBE)]);
        net.tick_authority();
        let group = net.group("plant");
        let epoch = net.authority.groups().next().unwrap().epoch;
        let topics = [
            net.topic(ReservedTopic::Welcome(net.number(late), group)),
            net.topic(ReservedTopic::Announcement(group, epoch)),
            kept_topic(&net, "plant"),
            net.topic(ReservedTopic::Credential(number)),
            "plant/s".to_owned(),
        ];
        for step in &order {
            let topic = &topics[*step];
            let payload = match *step {
                4 => value.clone(),
                _ => net.retained[topic].clone(),
            };
            net.deliver(late, topic, &payload, true);
        }
        assert_eq!(net.texts(late), ["old"], "{order:?}");
        assert_eq!(net.rejections(late), [""; 0], "{order:?}");
    }
}

/// A reader that becomes a publisher loses what opens state, and gets it back with a new welcome;
/// one that was removed comes back as somebody else.
#[test]
fn who_comes_back_reads_as_a_late_reader_and_its_own_values_have_ended() {
    for suite in [Suite::One, Suite::Two] {
        let (mut net, alice, pump) = plant(suite, Policy::default());
        let eve = net.join("eve", Access::BOTH);
        settle(&mut net);
        let own = keep(&mut net, eve, "plant/eve", "eve's");
        keep(&mut net, pump, "plant/s", "before");
        net.remove(eve);
        let event = net.send(pump, "plant/e", b"without eve");
        let without = keep(&mut net, pump, "plant/t", "without eve");
        net.heal();
        let copy = net.devices[eve].store.clone();
        let again = join_late(&mut net, "eve");
        assert_eq!(values(&mut net, again), ["before", "without eve"]);
        assert_eq!(net.rejections(again), ["Revoked"]);
        // As somebody else she has what a late reader has: no event, with both of her stores.
        let all = announced(&net);
        let mut pool = Pool::of(
            [&copy, &net.devices[again].store, &net.devices[pump].store],
            &all,
        );
        pool.follow_lists(&net, &all);
        assert!(pool.opens("plant/t", &without, &all));
        assert!(!pool.opens("plant/e", &event, &all));
        net.texts(alice);
        for retained in [true, false] {
            net.deliver(alice, "plant/eve", &own, retained);
        }
        assert!(net.texts(alice).is_empty());
    }
}

/// Delegations that continue, one that does not, and others that continue it: a reader is away
/// for all of them, and one follows.
#[test]
fn what_a_break_has_ended_no_later_delegation_brings_back() {
    for away in [true, false] {
        let (mut net, alice, pump) = plant(Suite::One, Policy::default());
        let mut lineage = net.lineage();
        let old = keep(&mut net, pump, "plant/old", "old");
        if away {
            net.disconnect(alice);
        }
        for _ in 0..2 {
            net.renew_delegation(true, &mut lineage);
            settle(&mut net);
        }
        if !away {
            assert_eq!(values_after_restart(&mut net, alice), ["old"]);
        }
        net.break_delegation(true);
        settle(&mut net);
        settle(&mut net);
        keep(&mut net, pump, "plant/new", "new");
        let mut lineage = net.lineage();
        for _ in 0..2 {
            net.renew_delegation(true, &mut lineage);
            settle(&mut net);
            net.heal();
        }
        net.connect(alice);
        for _ in 0..3 {
            net.now += 60_000;
            settle(&mut net);
        }
        assert_eq!(values_after_restart(&mut net, alice), ["new"], "{away}");
        let bob = join_late(&mut net, "bob");
        assert_eq!(values(&mut net, bob), ["new"]);
        for reader in [alice, bob] {
            assert!(!copy_opens(&net, &net.devices[reader], "plant/old", &old));
        }
        // Every list and delegation once more, in the wrong order.
        let log: Vec<Publication> = net.log.clone();
        for publication in log.iter().rev() {
            if net.devices[alice].member.is_reserved(&publication.topic) {
                net.deliver(alice, &publication.topic, &publication.payload, true);
            }
        }
        assert_eq!(values_after_restart(&mut net, alice), ["new"], "{away}");
    }
}

/// A reader without a clock, in a group with leases: the credential that a value carries has
/// ended long ago, and its sender has another one.
#[test]
fn without_a_clock_a_value_outlives_its_credential() {
    let (mut net, alice, pump) = plant(
        Suite::One,
        Policy {
            lease: 600,
            ..Policy::default()
        },
    );
    let number = net.number(pump);
    let plan = net.authority.renew(number, 86_400, net.now / 1000);
    net.carry_out(plan.unwrap());
    let value = keep(&mut net, pump, "plant/s", "old");
    net.disconnect(pump);
    for _ in 0..3 {
        days(&mut net, 1);
        settle(&mut net);
    }
    renew_credential(&mut net, pump);
    net.rotate();
    net.restart(alice);
    net.connect(alice);
    net.prove_lease(alice);
    let open = |net: &mut Net, retained| {
        let member = &mut net.devices[alice].member;
        let (opened, actions) = member.open("plant/s", &value, retained, None);
        net.act(alice, actions);
        matches!(opened, sealmq_keys::member::Delivery::Message(_))
    };
    // Its sender's newer credential is asked for.
    assert!(!open(&mut net, true));
    assert_eq!(net.texts(alice), ["old"]);
    assert!(!open(&mut net, false), "it was shown");
    // Its sender is removed: nothing of it opens, whichever credential it is under.
    net.remove(pump);
    settle(&mut net);
    net.prove_lease(alice);
    assert!(!open(&mut net, true));
}

/// A sender's backup is put back: its numbers go on above what it has used since.
#[test]
fn a_sender_whose_store_was_put_back_goes_on() {
    let (mut net, alice, pump) = plant(Suite::One, Policy::default());
    let will = || OutgoingMessage {
        will: true,
        ..OutgoingMessage::new("plant/s", b"gone").retained()
    };
    net.disconnect(pump);
    let first = net.seal(pump, &will()).unwrap();
    net.connect(pump);
    let backup = net.devices[pump].store.clone();
    for n in 0..3 {
        net.now += 5_000;
        net.disconnect(pump);
        net.seal(pump, &will()).unwrap();
        net.connect(pump);
        keep(&mut net, pump, "plant/s", &n.to_string());
    }
    let newest = net.retained["plant/s"].clone();
    assert_eq!(net.texts(alice), ["0", "1", "2"]);
    net.now += 5_000;
    net.devices[pump].store = backup;
    net.crash(pump);
    net.connect(pump);
    keep(&mut net, pump, "plant/s", "back");
    assert_eq!(net.texts(alice), ["back"]);
    for old in [&first, &newest] {
        net.deliver(alice, "plant/s", old, true);
        assert_eq!(net.rejections(alice), ["Replay"]);
    }
}

/// A generation changes twice while reader and publisher are off, and the publisher comes back
/// first: what it seals then opens for the reader, and so does what it had sealed.
#[test]
fn both_are_off_through_two_generations() {
    for suite in [Suite::One, Suite::Two] {
        let (mut net, alice, pump) = plant(suite, Policy::default());
        let old = keep(&mut net, pump, "plant/old", "old");
        net.texts(alice);
        net.disconnect(alice);
        net.disconnect(pump);
        for _ in 0..2 {
            renew(&mut net);
            for _ in 0..31 {
                days(&mut net, 1);
                settle(&mut net);
            }
        }
        net.connect(pump);
        settle(&mut net);
        settle(&mut net);
        keep(&mut net, pump, "plant/new", "new");
        net.connect(alice);
        for _ in 0..3 {
            net.now += 60_000;
            settle(&mut net);
        }
        assert_eq!(values_after_restart(&mut net, alice), ["new", "old"]);
        net.deliver(alice, "plant/old", &old, false);
        assert_eq!(net.rejections(alice), ["Replay"], "it was shown");
    }
}
