//! A later authority and later members: what they add to their objects (spec/keys.md §1).

use crate::net::Net;
use crate::net::serve::{generations, renew, settle, talk};
use sealmq_core::object::{Access, Extension, List};
use sealmq_core::wire::Suite;
use sealmq_keys::member::{MemberEvent, MemberOptions};
use sealmq_keys::objects::Policy;

/// The encoded elements of a list with one extension.
fn extension(id: u16) -> Vec<u8> {
    let mut buffer = [0; 64];
    let value = b"a policy field of a later version".as_slice();
    let list = List::encode(&[Extension { id, value }], &mut buffer).unwrap();
    list.as_encoded().to_vec()
}

/// What members were told of objects that they cannot take.
fn told(net: &mut Net, device: usize) -> Vec<String> {
    let events = std::mem::take(&mut net.devices[device].events);
    let told = events.iter().filter_map(|event| match event {
        MemberEvent::BadReserved { error, .. } => Some(error.clone()),
        _ => None,
    });
    told.collect()
}

/// Objects of every kind carry one, whoever signs; epochs, removals, leases and generations go on.
#[test]
fn members_of_this_version_follow_a_later_one() {
    for suite in [Suite::One, Suite::Two] {
        let policy = Policy {
            lease: 600,
            ..Policy::default()
        };
        let mut net = Net::with_suite(suite, policy);
        net.authority.set_extensions(&extension(0x7abc)).unwrap();
        let later = MemberOptions {
            extensions: extension(9),
            ..MemberOptions::default()
        };
        let alice = net.join("alice", Access::BOTH);
        let bob = net.join_with("bob", Access::BOTH, later);
        talk(
            &mut net,
            bob,
            &[alice],
            "welcomes, credentials, announcements",
        );
        net.rotate();
        let eve = net.join("eve", Access::SUBSCRIBE);
        net.remove(eve);
        net.heal();
        talk(&mut net, alice, &[bob], "refused lists and healing epochs");
        assert_eq!(net.epoch(eve), net.epoch(alice).map(|epoch| epoch - 2));
        settle(&mut net);
        renew(&mut net);
        settle(&mut net);
        net.now += 600_000;
        net.tick_authority();
        settle(&mut net);
        settle(&mut net);
        assert_eq!(generations(&net), [2], "packages and confirmations");
        talk(&mut net, bob, &[alice], "heartbeats");
        for device in [alice, bob] {
            assert_eq!(told(&mut net, device), [""; 0]);
            net.restart(device);
            net.connect(device);
            net.subscribe(device, "plant/#");
        }
        talk(&mut net, bob, &[alice], "and after a restart");
    }
}

/// What must be understood and is not is refused as that, and nothing else changes.
#[test]
fn what_must_be_understood_is_refused_and_told() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let bob = net.join("bob", Access::BOTH);
    let before = net.epoch(alice);
    net.authority.set_extensions(&extension(0x8001)).unwrap();
    net.rotate();
    assert_eq!(net.epoch(alice), before);
    let reasons = told(&mut net, alice);
    assert_eq!(reasons.len(), 1, "once, not for every object: {reasons:?}");
    assert!(reasons[0].contains("update this program"), "{reasons:?}");
    talk(&mut net, bob, &[alice], "as before");

    net.authority.set_extensions(&[]).unwrap();
    net.rotate();
    assert!(net.epoch(alice) > before);
    talk(&mut net, bob, &[alice], "and afterwards");
}

#[test]
fn lists_that_nobody_could_read_are_not_signed() {
    let mut net = Net::new();
    let twice = [extension(7), extension(7)].concat();
    assert!(net.authority.set_extensions(&twice).is_err());
    assert!(net.authority.set_extensions(&[7]).is_err());
    assert!(net.authority.set_extensions(&extension(7)).is_ok());
}
