//! Things that go wrong once and must not stay wrong: a message that cannot be sealed, an
//! authority whose clock was off, a removal that is not possible, a credential that runs out.

use crate::common::{MemoryStore, TestRng, request};
use crate::net::{Net, START, YEAR, grant};
use sealmq_authority::{Authority, AuthorityError, NewGroup};
use sealmq_core::object::Access;
use sealmq_keys::Store;
use sealmq_keys::member::{
    Delivery, Member, MemberEvent, MemberOptions, OutgoingMessage, Properties,
};
use sealmq_keys::objects::Policy;

const DAY: u64 = 86_400;

/// Threat model A22: the session began although nothing was sealed; its number and the ratcheted
/// device secret must be durable before the next message goes out.
#[test]
fn a_message_that_cannot_be_sealed_costs_no_durability() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let device = &mut net.devices[alice];
    let mut bad = OutgoingMessage::new("plant/a", b"x");
    bad.properties = Properties {
        content_type: Some("y".repeat(40_000)),
        ..Properties::default()
    };
    let now = Some(net.now);
    // An RNG that repeats after the crash, to make the worst of it.
    device
        .member
        .seal(&bad, now, &mut TestRng::new(7))
        .unwrap_err();
    let one = OutgoingMessage::new("plant/a", b"one");
    let sealed = device.member.seal(&one, now, &mut TestRng::new(9)).unwrap();
    device.store.commit(&sealed.changes).unwrap();

    let mut restarted = Member::load(&device.store, MemberOptions::default()).unwrap();
    let two = OutgoingMessage::new("plant/a", b"two");
    let again = restarted.seal(&two, now, &mut TestRng::new(7)).unwrap();
    assert_ne!(sealed.payload[..42], again.payload[..42]);
}

/// Threat model A32: one announcement from the future must not stop the group.
#[test]
fn an_authority_whose_clock_jumped_comes_back() {
    for healing in [false, true] {
        let mut net = Net::new();
        let alice = net.join("alice", Access::BOTH);
        let bob = net.join("bob", Access::BOTH);
        let eve = net.join("eve", Access::BOTH);
        let jumped = net.now / 1000 + 200 * DAY;
        let plan = if healing {
            let number = net.number(eve);
            net.authority.remove(number, jumped, &mut net.rng)
        } else {
            net.authority.rotate("plant", jumped, &mut net.rng)
        };
        net.carry_out(plan.unwrap());
        // The clock is right again: the authority notices by itself.
        net.tick_authority();
        for _ in 0..30 {
            net.now += DAY * 1000;
            net.tick_authority();
            for device in [alice, bob] {
                net.tick(device);
            }
        }
        assert_eq!(
            net.epoch(alice),
            Some(net.authority.groups().next().unwrap().epoch)
        );
        net.subscribe(alice, "plant/#");
        net.send(bob, "plant/a", b"still here");
        assert_eq!(net.texts(alice), ["still here"]);
    }
}

#[test]
fn a_wrong_clock_forgets_no_refusal() {
    let mut net = Net::new();
    let eve = net.join("eve", Access::BOTH);
    net.remove(eve);
    let refused = |net: &Net| net.authority.groups().next().unwrap().refused;
    assert_eq!(refused(&net), 1);
    let jump = net.now / 1000 + 360 * DAY;
    let plan = net.authority.rotate("plant", jump, &mut net.rng).unwrap();
    net.carry_out(plan);
    net.tick_authority();
    assert_eq!(refused(&net), 1);
}

/// Threat model A29, for readers that cannot know what time it is.
#[test]
fn a_removed_publisher_stays_refused_after_its_credential_has_expired() {
    for clock in [None, Some((START + DAY - 200) * 1000)] {
        let mut net = Net::with_policy(Policy {
            lease: 7 * 86_400,
            ..Policy::default()
        });
        let alice = net.join("alice", Access::BOTH);
        let mut store = MemoryStore::default();
        let rng = &mut TestRng::new(77);
        let (changes, file) = Member::request(&store, "eve", 1, Some(START * 1000), rng).unwrap();
        store.commit(&changes).unwrap();
        let object = sealmq_keys::objects::decode_request(&file).unwrap();
        let grants = [grant("plant", Access::PUBLISH)];
        let (enrolled, plan) = net
            .authority
            .enrol(&object, &grants, DAY, START, &mut net.rng)
            .unwrap();
        net.carry_out(plan);
        net.tick_authority();
        let (changes, _) = Member::enrol(&store, &enrolled.credential_file, None).unwrap();
        store.commit(&changes).unwrap();
        let mut eve = Member::load(&store, MemberOptions::default()).unwrap();
        for (topic, payload) in net.retained.clone() {
            let _ = eve.handle_reserved(&topic, &payload, None);
        }
        let hello = OutgoingMessage::new("plant/a", b"hello");
        let sealed = eve.seal(&hello, Some(net.now), rng).unwrap();
        net.deliver(alice, "plant/a", &sealed.payload, false);
        assert_eq!(net.texts(alice), ["hello"]);
        let number = enrolled.number;
        let plan = net
            .authority
            .remove(number, START + DAY - 600, &mut net.rng);
        net.now = (START + DAY - 600) * 1000;
        net.carry_out(plan.unwrap());
        // Her credential is over, and with it, after the skew, the entry in the refused list.
        net.now = (START + DAY + 1) * 1000;
        net.rotate();
        let message = OutgoingMessage::new("plant/a", b"I am still here");
        // Her clock says what she likes.
        let sealed = eve
            .seal(&message, Some((START + DAY - 700) * 1000), rng)
            .unwrap();
        if clock.is_none() {
            net.prove_lease(alice);
        }
        let member = &mut net.devices[alice].member;
        let (opened, _) = member.open("plant/a", &sealed.payload, false, clock);
        match opened {
            Delivery::Rejected(reason) => assert_eq!(reason.name(), "Revoked", "{clock:?}"),
            Delivery::Waiting(_) => panic!("{clock:?}: waiting"),
            Delivery::Message(_) => panic!("{clock:?}: accepted"),
        }
    }
}

#[test]
fn everyone_can_be_removed() {
    let mut rng = TestRng::new(1);
    let mut store = MemoryStore::default();
    let new = Authority::create(None, YEAR, START, &mut rng).unwrap();
    let mut authority = new.authority;
    store.commit(&new.plan.changes).unwrap();
    let mut group = NewGroup::new("plant", ["plant/#"]);
    group.depth = 2;
    let mut plans = vec![authority.add_group(&group, START, &mut rng).unwrap()];
    let mut members = Vec::new();
    for seed in 1..=4 {
        let access = if seed <= 2 {
            Access::SUBSCRIBE
        } else {
            Access::PUBLISH
        };
        let object = request(seed, &format!("device-{seed}"), 1, START);
        let (enrolled, plan) = authority
            .enrol(&object, &[grant("plant", access)], YEAR, START, &mut rng)
            .unwrap();
        members.push(enrolled.number);
        plans.push(plan);
    }
    for member in &members[..3] {
        plans.push(authority.remove(*member, START, &mut rng).unwrap());
    }
    for plan in &plans {
        store.commit(&plan.changes).unwrap();
    }
    // Nothing of the tree is left to cover: the last removal begins another one.
    let number = |a: &Authority| a.groups().next().unwrap().generations[0].number;
    assert_eq!(number(&authority), 1);
    let plan = authority.remove(members[3], START, &mut rng).unwrap();
    store.commit(&plan.changes).unwrap();
    let mut authority = Authority::load(&store).unwrap();
    assert_eq!((number(&authority), authority.groups().count()), (2, 1));
    let object = request(5, "device-5", 1, START);
    let grants = [grant("plant", Access::SUBSCRIBE)];
    let again = authority.enrol(&object, &grants, YEAR, START, &mut rng);
    assert!(again.is_ok(), "the group goes on");
}

#[test]
fn a_change_that_fails_halfway_is_not_built_upon() {
    let mut net = Net::new();
    net.add_group("office", &["office/#"], Policy::default());
    let grants = [grant("plant", Access::BOTH), grant("office", Access::BOTH)];
    let eve = net.enrol("eve", &grants);
    let number = net.number(eve);
    // Enough randomness for the first of the two groups only.
    let mut rng = TestRng::new(5);
    rng.break_down_after(3);
    let result = net.authority.remove(number, START, &mut rng);
    assert_eq!(result.err(), Some(AuthorityError::Random));
    assert!(net.authority.is_current(&net.authority_store).unwrap());
    let plan = net.authority.rotate("plant", START, &mut net.rng).unwrap();
    net.carry_out(plan);
    let plan = net.authority.remove(number, START, &mut net.rng).unwrap();
    net.carry_out(plan);
}

#[test]
fn names_that_look_like_numbers_are_refused() {
    let mut net = Net::new();
    let object = request(1, "2", 1, START);
    let grants = [grant("plant", Access::BOTH)];
    let result = net
        .authority
        .enrol(&object, &grants, YEAR, START, &mut net.rng);
    assert_eq!(result.err(), Some(AuthorityError::NumericName));
}

/// A renewed credential reaches device and readers by itself, and messages go on.
#[test]
fn credentials_are_renewed_without_touching_the_device() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let bob = net.join("bob", Access::BOTH);
    net.subscribe(alice, "plant/#");
    net.send(bob, "plant/a", b"before");
    let plan = net
        .authority
        .renew(net.number(bob), 2 * YEAR, net.now / 1000)
        .unwrap();
    net.carry_out(plan);
    let events = &net.devices[bob].events;
    let renewed = |e: &MemberEvent| matches!(e, MemberEvent::Credential { serial: 2 });
    assert!(events.iter().any(renewed), "{events:?}");
    net.send(bob, "plant/a", b"after");
    assert_eq!(net.texts(alice), ["before", "after"]);
    let info = net.authority.members().find(|m| m.name == "bob").unwrap();
    assert_eq!(info.not_after, net.now / 1000 + 2 * YEAR);
}
