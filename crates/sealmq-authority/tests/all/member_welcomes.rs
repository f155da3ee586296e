//! Genuine ciphertexts in welcomes that a stolen `groups` key signed anew: nothing of them is
//! taken, and above all not the key package (spec/keys.md §6).

use crate::net::{Net, START, YEAR, grant};
use sealmq_authority::RootKey;
use sealmq_core::crypto::Digest;
use sealmq_core::object::{
    Access, Extensions, Kind, Object, decode, decode_prefix, encode, sign_encoded,
};
use sealmq_core::wire::Suite;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::{Policy, Roles, WelcomeFields};

type Change = fn(&mut WelcomeFields);

/// A device with a credential and a welcome that waits for it, in a group that healed.
fn invited(suite: Suite) -> (Net, usize, String) {
    let mut net = Net::with_suite(suite, Policy::default());
    net.join("peer", Access::BOTH);
    net.heal();
    net.rotate();
    let device = net.enrol("device", &[grant("plant", Access::BOTH)]);
    net.tick_authority();
    let topic = ReservedTopic::Welcome(net.number(device), net.group("plant"));
    let topic = net.topic(topic);
    (net, device, topic)
}

/// The ciphertext of a welcome under changed fields, signed with the authority's key.
fn signed_anew(net: &Net, welcome: &[u8], change: Change) -> Vec<u8> {
    let object = Object::parse_any(welcome, Kind::Welcome).unwrap();
    let (before, rest) = decode_prefix::<(WelcomeFields, Extensions<'_>)>(object.body()).unwrap();
    let (mut fields, extensions) = before;
    assert!(fields.healing_epoch > 0 && fields.healing_epoch + 1 < fields.epoch);
    change(&mut fields);
    let (enc, sealed): (&[u8], &[u8]) = decode(rest).unwrap();
    let mut out = [0; 4096];
    out[..2].copy_from_slice(&[object.suite().form(), Kind::Welcome as u8]);
    let body = (fields, extensions, enc, sealed);
    let body_len = encode(&body, &mut out[2..]).unwrap().len();
    let key = net.authority_key();
    let made = sign_encoded(Kind::Welcome, body_len, &key, &mut out);
    made.unwrap().0.to_vec()
}

/// Gives the device what a thief made of its welcome: it is refused, and nothing changes.
fn refuses(net: &mut Net, device: usize, topic: &str, change: Change) {
    let forged = signed_anew(net, &net.retained[topic].clone(), change);
    let before = net.devices[device].store.0.clone();
    let refused = net.devices[device].member.stats().reserved_refused;
    net.now += 60_000;
    net.deliver(device, topic, &forged, true);
    assert_eq!(
        net.devices[device].member.stats().reserved_refused,
        refused + 1
    );
    net.tick(device);
    assert_eq!(net.devices[device].store.0, before);
    assert!(
        net.devices[device]
            .member
            .groups()
            .all(|g| g.epoch.is_none())
    );
}

fn uses_up_nothing(suite: Suite) {
    let (mut net, device, topic) = invited(suite);
    let changes: [Change; 5] = [
        |w| w.previous = Digest([1; 32]),
        |w| w.healing = Digest([1; 32]),
        |w| w.healing_epoch -= 1,
        |w| (w.healing_epoch, w.healing) = (0, Digest::ZERO),
        |w| (w.healing_epoch, w.healing) = (w.epoch - 1, w.previous),
    ];
    for change in changes {
        refuses(&mut net, device, &topic, change);
    }
    // The genuine one still opens.
    net.connect(device);
    assert!(net.epoch(device).is_some());
}

#[test]
fn a_welcome_signed_anew_uses_up_nothing() {
    uses_up_nothing(Suite::One);
}

#[test]
fn the_same_in_suite_2() {
    uses_up_nothing(Suite::Two);
}

#[test]
fn nor_does_one_under_another_delegation() {
    let (mut net, device, topic) = invited(Suite::One);
    let root = RootKey::from_seed(&net.root.seed());
    let delegation = root.delegate(&net.request, 2, START, START + YEAR, Roles::ALL);
    let delegation_topic = net.topic(ReservedTopic::Delegation);
    net.deliver(device, &delegation_topic, &delegation.unwrap(), true);
    refuses(&mut net, device, &topic, |w| w.serial = 2);

    // The authority issues it anew, and that one opens.
    let genuine = net.retained[&topic].clone();
    let delegation = root.delegate(&net.request, 2, START, START + YEAR, Roles::ALL);
    let plan = net
        .authority
        .install_delegation(&delegation.unwrap(), false, START, &mut net.rng);
    net.carry_out(plan.unwrap());
    net.tick_authority();
    assert_ne!(net.retained[&topic], genuine);
    net.connect(device);
    assert!(net.epoch(device).is_some());
}
