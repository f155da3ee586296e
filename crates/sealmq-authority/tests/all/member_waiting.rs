//! Messages that wait for a credential, an announcement or a refused list; and for how long.

use crate::net::{Net, START};
use sealmq_core::object::Access;
use sealmq_keys::member::{MemberEvent, MemberOptions, OutgoingMessage};
use sealmq_keys::{Publication, ReservedTopic};

/// Takes a retained credential away without telling anybody; it can be published again.
fn hide_credential(net: &mut Net, device: usize) -> Publication {
    let topic = net.topic(ReservedTopic::Credential(net.number(device)));
    let payload = net.retained.remove(&topic).unwrap();
    Publication::retained(topic, payload)
}

#[test]
fn an_unknown_sender_is_fetched_while_its_message_waits() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let credential = hide_credential(&mut net, bob);
    for text in ["one", "two", "three"] {
        net.send(bob, "plant/a", text.as_bytes());
    }
    assert!(net.texts(alice).is_empty());
    let stats = net.devices[alice].member.stats();
    assert_eq!((stats.waiting, stats.waited), (3, 3));
    assert!(stats.waiting_bytes > 3 * 126);
    let asked = |net: &Net| {
        net.devices[alice]
            .asked
            .iter()
            .filter(|t| **t == credential.topic)
            .count()
    };
    assert_eq!(asked(&net), 1, "asked once, not once per message");

    net.publish(credential.clone());
    assert_eq!(net.texts(alice), ["one", "two", "three"]);
    let stats = net.devices[alice].member.stats();
    assert_eq!((stats.waiting, stats.waiting_bytes), (0, 0));
    assert!(
        net.devices[alice]
            .events
            .contains(&MemberEvent::SenderKnown {
                member: net.number(bob),
                name: "bob".into(),
            })
    );
    // It is subscribed no longer than it is missing, and known after a restart.
    let subscribed = net.devices[alice].member.reserved_subscriptions();
    assert!(!subscribed.contains(&credential.topic));
    net.restart(alice);
    net.send(bob, "plant/a", b"four");
    let last = net.log.last().unwrap().payload.clone();
    net.deliver(alice, "plant/a", &last, false);
    assert_eq!(net.texts(alice), ["four"]);
}

#[test]
fn a_credential_inside_saves_the_fetch() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    hide_credential(&mut net, bob);
    let message = OutgoingMessage {
        announce_credential: true,
        ..OutgoingMessage::new("plant/a", b"hi")
    };
    let envelope = net.seal(bob, &message).unwrap();
    net.deliver(alice, "plant/a", &envelope, false);
    assert_eq!(net.texts(alice), ["hi"]);
    net.send(bob, "plant/a", b"again");
    assert_eq!(net.texts(alice), ["again"]);
    assert_eq!(net.devices[alice].member.stats().waited, 0);
    net.restart(alice);
    net.connect(alice);
    net.subscribe(alice, "plant/#");
    net.send(bob, "plant/a", b"after a restart");
    assert_eq!(net.texts(alice), ["after a restart"]);
}

/// What came before the message with the credential inside comes before it, whatever it waited for.
#[test]
fn a_credential_inside_ends_the_wait_of_what_came_before_it() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    hide_credential(&mut net, bob);
    let seal = |net: &mut Net, text: &[u8], announce_credential| {
        let message = OutgoingMessage {
            announce_credential,
            ..OutgoingMessage::new("plant/a", text)
        };
        net.seal(bob, &message).unwrap()
    };
    let mut sealed: Vec<Vec<u8>> = Vec::new();
    for (text, inside) in [("w1", false), ("w2", false), ("w3", true), ("w4", false)] {
        sealed.push(seal(&mut net, text.as_bytes(), inside));
    }
    for envelope in &sealed {
        net.deliver(alice, "plant/a", envelope, false);
    }
    assert_eq!(net.texts(alice), ["w1", "w2", "w3", "w4"]);
    let gaps: Vec<_> = net.devices[alice].rejected.clone();
    assert_eq!(gaps, []);
    net.now += 40_000;
    net.tick(alice);
    assert_eq!(net.rejections(alice), [""; 0]);

    // The same where all of them waited for the announcement before.
    let carol = net.join("carol", Access::BOTH);
    let plan = net.authority.rotate("plant", START, &mut net.rng).unwrap();
    let announced = net.withhold(plan);
    for publication in &announced {
        net.deliver(bob, &publication.topic, &publication.payload, false);
    }
    let texts = ["v1", "v2", "v3", "v4"];
    for (n, text) in texts.iter().enumerate() {
        let envelope = seal(&mut net, text.as_bytes(), n == 2);
        net.deliver(carol, "plant/a", &envelope, false);
    }
    assert_eq!(net.devices[carol].member.stats().waiting, 4);
    announced
        .into_iter()
        .for_each(|publication| net.publish(publication));
    assert_eq!(net.texts(carol), texts);

    // And where it had waited itself, for an announcement, before one came that lacks nothing else.
    let dave = net.join("dave", Access::BOTH);
    let of_now = seal(&mut net, b"x1", false);
    let plan = net.authority.rotate("plant", START, &mut net.rng).unwrap();
    let announced = net.withhold(plan);
    for publication in &announced {
        net.deliver(bob, &publication.topic, &publication.payload, false);
    }
    let of_next = seal(&mut net, b"x2", true);
    net.deliver(dave, "plant/a", &of_next, false);
    net.deliver(dave, "plant/a", &of_now, false);
    assert_eq!(net.devices[dave].member.stats().waiting, 2);
    announced
        .into_iter()
        .for_each(|publication| net.publish(publication));
    assert_eq!(net.texts(dave), ["x2", "x1"]);
}

/// A member makes up sender numbers, and uses another one's: what waits of others stays.
#[test]
fn made_up_senders_displace_nobody() {
    let mut net = Net::new();
    let (alice, bob, eve) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
        net.join("eve", Access::BOTH),
    );
    let credential = hide_credential(&mut net, bob);
    for text in ["one", "two", "three"] {
        net.send(bob, "plant/a", text.as_bytes());
    }
    let forged = crate::member_insiders::in_the_name_of(&net, eve, 1_000..3_500);
    for envelope in forged {
        net.deliver(alice, "plant/a", &envelope, false);
    }
    let stats = net.devices[alice].member.stats();
    assert!(stats.waiting <= 1024 && stats.waited > 2_000, "{stats:?}");
    net.publish(credential);
    assert_eq!(net.texts(alice), ["one", "two", "three"]);
}

#[test]
fn a_message_of_an_epoch_to_come_waits_for_its_announcement() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    net.send(bob, "plant/a", b"0");
    let plan = net.authority.rotate("plant", START, &mut net.rng).unwrap();
    let announced = net.withhold(plan);
    for publication in &announced {
        net.deliver(bob, &publication.topic, &publication.payload, false);
    }
    net.send(bob, "plant/a", b"1");
    net.send(bob, "plant/a", b"2");
    assert_eq!(net.texts(alice), ["0"]);
    assert_eq!(net.devices[alice].member.stats().waiting, 2);
    announced
        .into_iter()
        .for_each(|publication| net.publish(publication));
    assert_eq!(net.texts(alice), ["1", "2"]);
}

#[test]
fn waiting_is_bounded_in_time() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let credential = hide_credential(&mut net, bob);
    net.send(bob, "plant/a", b"lost");
    net.now += 29_999;
    net.tick(alice);
    assert_eq!(net.devices[alice].member.stats().waiting, 1);
    net.now += 1;
    net.tick(alice);
    assert_eq!(net.devices[alice].member.stats().waiting, 0);
    assert_eq!(net.rejections(alice), ["UnknownSender"]);
    assert!(
        !net.devices[alice].subscriptions.contains(&credential.topic),
        "nobody asks any more"
    );
    let before = net.devices[alice].member.stats().clone();
    net.publish(credential.clone());
    assert_eq!(
        *net.devices[alice].member.stats(),
        before,
        "not even delivered"
    );
    // The next message asks again.
    net.send(bob, "plant/a", b"found");
    assert_eq!(net.texts(alice), ["found"]);
}

#[test]
fn waiting_is_bounded_in_number() {
    let mut net = Net::new();
    let options = MemberOptions {
        pending_messages: 3,
        ..MemberOptions::default()
    };
    let alice = net.join_with("alice", Access::BOTH, options);
    let bob = net.join("bob", Access::BOTH);
    let credential = hide_credential(&mut net, bob);
    for text in ["1", "2", "3"] {
        net.send(bob, "plant/a", text.as_bytes());
    }
    assert!(net.rejections(alice).is_empty());
    net.send(bob, "plant/a", b"4");
    assert_eq!(net.rejections(alice), ["UnknownSender"]);
    net.publish(credential);
    assert_eq!(net.texts(alice), ["2", "3", "4"]);
    assert_eq!(
        net.devices[alice].member.stats().rejected["UnknownSender"],
        1
    );
}

#[test]
fn waiting_can_be_switched_off() {
    let mut net = Net::new();
    let options = MemberOptions {
        pending_messages: 0,
        ..MemberOptions::default()
    };
    let alice = net.join_with("alice", Access::BOTH, options);
    let bob = net.join("bob", Access::BOTH);
    hide_credential(&mut net, bob);
    net.send(bob, "plant/a", b"1");
    assert_eq!(net.rejections(alice), ["UnknownSender"]);
}

#[test]
fn a_missing_refused_list_makes_messages_wait() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let eve = net.join("eve", Access::BOTH);
    net.send(bob, "plant/a", b"known");
    net.texts(alice);
    let group = net.group("plant");
    let list_topic = net.topic(ReservedTopic::RefusedList(group));
    let number = net.number(eve);
    let plan = net.authority.remove(number, START, &mut net.rng).unwrap();
    let (lists, others): (Vec<Publication>, Vec<Publication>) = net
        .withhold(plan)
        .into_iter()
        .partition(|p| p.topic == list_topic);
    others
        .into_iter()
        .for_each(|publication| net.publish(publication));
    assert_eq!(net.epoch(alice), net.epoch(bob));
    net.send(bob, "plant/a", b"waits");
    assert!(net.texts(alice).is_empty());
    assert_eq!(net.devices[alice].member.stats().waiting, 1);
    assert!(!net.devices[alice].member.groups().next().unwrap().ready);

    // The device asks for it again by itself.
    net.retained
        .insert(list_topic.clone(), lists[0].payload.clone());
    net.tick(alice);
    net.now += 2_000;
    net.tick(alice);
    assert_eq!(net.devices[alice].asked.last(), Some(&list_topic));
    assert_eq!(net.texts(alice), ["waits"]);
    assert!(net.devices[alice].member.groups().next().unwrap().ready);
    net.restart(alice);
    assert!(
        net.devices[alice].member.groups().next().unwrap().ready,
        "it is stored"
    );
}

/// A flood of made-up key ids, which anybody can send, costs nobody's message.
#[test]
fn strangers_cannot_flood_the_queue() {
    let mut net = Net::new();
    let options = MemberOptions {
        pending_messages: 8,
        ..MemberOptions::default()
    };
    let alice = net.join_with("alice", Access::BOTH, options);
    let bob = net.join("bob", Access::BOTH);
    let credential = hide_credential(&mut net, bob);
    let envelope = net.send(bob, "plant/a", b"genuine");
    for number in 0..100_u32 {
        let mut junk = envelope.clone();
        junk[1..5].copy_from_slice(&number.to_be_bytes());
        net.deliver(alice, "plant/a", &junk, false);
    }
    assert_eq!(net.rejections(alice), ["UnknownKey"; 93]);
    net.publish(credential);
    assert_eq!(net.texts(alice), ["genuine"]);
}
