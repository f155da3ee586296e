//! A reader that was away for long: the broker may hand out values before what they rest on.

use sealmq_core::object::Access;
use sealmq_keys::Policy;
use sealmq_keys::member::OutgoingMessage;

use super::{join_late, keep, renew_credential, values};
use crate::net::Net;
use crate::net::serve::{days, settle};

const VALUE: &str = "plant/pump/temp";

/// A reader and a publisher that are switched off after a value was published, for a month.
fn away(keeps: u64) -> (Net, usize, usize, Vec<u8>) {
    let mut net = Net::new();
    let alice = net.join("alice", Access::SUBSCRIBE);
    let pump = net.join("pump", Access::PUBLISH);
    settle(&mut net);
    let number = net.number(pump);
    let plan = net.authority.renew(number, keeps, net.now / 1000);
    net.carry_out(plan.unwrap());
    let envelope = keep(&mut net, pump, VALUE, "21.5");
    assert_eq!(values(&mut net, alice), ["21.5"]);
    for device in [alice, pump] {
        net.disconnect(device);
    }
    for _ in 0..30 {
        days(&mut net, 1);
        settle(&mut net);
    }
    renew_credential(&mut net, pump);
    net.restart(alice);
    (net, alice, pump, envelope)
}

#[test]
fn a_value_ahead_of_the_announcements_waits_for_them() {
    let (mut net, alice, _, envelope) = away(crate::net::YEAR);
    net.deliver(alice, VALUE, &envelope, true);
    assert!(net.texts(alice).is_empty() && net.rejections(alice).is_empty());
    net.connect(alice);
    assert_eq!(net.texts(alice), ["21.5"]);
    assert!(net.rejections(alice).is_empty());
}

#[test]
fn a_value_ahead_of_its_senders_new_credential_waits_for_it() {
    let (mut net, alice, pump, envelope) = away(86_400);
    let number = net.number(pump);
    let topic = net.topic(sealmq_keys::ReservedTopic::Credential(number));
    let credential = net.retained.remove(&topic).unwrap();
    net.connect(alice);
    net.deliver(alice, VALUE, &envelope, true);
    assert!(net.texts(alice).is_empty() && net.rejections(alice).is_empty());
    net.deliver(alice, &topic, &credential, true);
    assert_eq!(net.texts(alice), ["21.5"]);
    assert!(net.rejections(alice).is_empty());
}

/// Who joins late knows nobody, and is given values under credentials that have expired since.
#[test]
fn who_does_not_know_the_sender_asks_for_its_new_credential() {
    let (mut net, _, _, _) = away(86_400);
    let bob = join_late(&mut net, "bob");
    assert_eq!(values(&mut net, bob), ["21.5"]);
    assert!(net.rejections(bob).is_empty());
}

#[test]
fn a_new_credential_inside_another_value_ends_the_wait_as_well() {
    let (mut net, _, pump, envelope) = away(86_400);
    net.restart(pump);
    net.connect(pump);
    settle(&mut net);
    let other = OutgoingMessage::new("plant/pump/other", b"on").retained();
    let other = net.seal(pump, &other).unwrap();
    let topic = net.topic(sealmq_keys::ReservedTopic::Credential(net.number(pump)));
    net.retained.remove(&topic).unwrap();
    net.retained.remove(VALUE);
    let bob = join_late(&mut net, "bob");
    net.deliver(bob, VALUE, &envelope, true);
    assert!(net.texts(bob).is_empty() && net.rejections(bob).is_empty());
    net.deliver(bob, "plant/pump/other", &other, true);
    let mut texts = net.texts(bob);
    texts.sort_unstable();
    assert_eq!(texts, ["21.5", "on"]);
}

#[test]
fn what_never_comes_is_said_when_the_wait_is_over() {
    for keeps in [crate::net::YEAR, 86_400] {
        let (mut net, alice, pump, envelope) = away(keeps);
        if keeps == 86_400 {
            let topic = sealmq_keys::ReservedTopic::Credential(net.number(pump));
            let topic = net.topic(topic);
            net.retained.remove(&topic);
            net.connect(alice);
        }
        net.deliver(alice, VALUE, &envelope, true);
        assert!(net.rejections(alice).is_empty());
        net.now += 30_000;
        net.tick(alice);
        assert!(net.texts(alice).is_empty());
        assert_eq!(net.rejections(alice), ["Stale"]);
    }
}

/// Where leases are in use, a heartbeat is what is missing.
#[test]
fn a_value_ahead_of_the_heartbeat_waits_for_it() {
    let mut net = Net::with_policy(Policy {
        lease: 600,
        grace: 60,
        ..Policy::default()
    });
    let alice = net.join("alice", Access::SUBSCRIBE);
    let pump = net.join("pump", Access::PUBLISH);
    net.now += 60_000;
    let epoch = net.epoch(alice).unwrap();
    let first = net.heartbeat(epoch, net.now / 1000, 600);
    net.publish(first);
    let envelope = keep(&mut net, pump, VALUE, "21.5");
    assert_eq!(net.texts(alice), ["21.5"]);
    net.now += 3_600_000;
    net.restart(alice);
    net.deliver(alice, VALUE, &envelope, true);
    assert!(net.texts(alice).is_empty() && net.rejections(alice).is_empty());
    let heartbeat = net.heartbeat(epoch, net.now / 1000, 600);
    net.deliver(alice, &heartbeat.topic, &heartbeat.payload, true);
    assert_eq!(net.texts(alice), ["21.5"]);
    assert!(net.rejections(alice).is_empty());
}

/// Announcements of before a delegation count only when a later one vouches for them, and come
/// before it: each link of the chain is asked for again, and none is waited for.
#[test]
fn whoever_slept_through_removals_and_delegations_is_back_within_seconds() {
    for clock in [true, false] {
        let mut net = Net::new();
        let alice = net.join("alice", Access::SUBSCRIBE);
        let pump = net.join("pump", Access::PUBLISH);
        let gone: Vec<usize> = (0..5)
            .map(|n| net.join(&format!("gone-{n}"), Access::SUBSCRIBE))
            .collect();
        settle(&mut net);
        keep(&mut net, pump, VALUE, "21.5");
        net.disconnect(alice);
        for device in gone {
            net.rotate();
            net.remove(device);
        }
        let mut lineage = net.lineage();
        for new_keys in [false, true] {
            net.renew_delegation(new_keys, &mut lineage);
            settle(&mut net);
        }
        net.restart(alice);
        net.texts(alice);
        net.connect(alice);
        net.subscribe(alice, "plant/#");
        for _ in 0..5 {
            net.now += 1_000;
            let now = clock.then_some(net.now);
            let actions = net.devices[alice].member.tick(now);
            net.act(alice, actions);
        }
        assert_eq!(net.texts(alice), ["21.5"], "clock: {clock}");
        let current = net.authority.groups().next().unwrap().epoch;
        assert_eq!(net.epoch(alice), Some(current));
    }
}
