//! Messages between members: who sent them, what travels with them, when they are not sealed.

use crate::net::{Net, START};
use sealmq_core::object::Access;
use sealmq_core::replay::Gap;
use sealmq_keys::member::{
    Delivery, Member, MemberOptions, OutgoingMessage, Properties, SealError,
};
use sealmq_keys::objects::Policy;

#[test]
fn three_members_know_who_speaks() {
    let mut net = Net::new();
    let devices: Vec<usize> = ["alice", "bob", "carol"]
        .iter()
        .map(|name| net.join(name, Access::BOTH))
        .collect();
    for round in 0..3 {
        for sender in &devices {
            net.send(
                *sender,
                "plant/boiler/temp",
                format!("{sender}-{round}").as_bytes(),
            );
        }
    }
    for reader in &devices {
        let messages = net.inbox(*reader);
        assert_eq!(messages.len(), 6);
        for message in messages {
            let text = String::from_utf8(message.payload().to_vec()).unwrap();
            let (sender, round) = text.split_once('-').unwrap();
            let sender: usize = sender.parse().unwrap();
            assert_eq!(message.sender, net.number(sender));
            assert_eq!(message.sender_name, net.devices[sender].member.name());
            assert_eq!(message.group_name, "plant");
            assert_eq!(message.topic, "plant/boiler/temp");
            assert_eq!(message.counter.to_string(), round);
            assert_eq!(message.sent_at, Some(START * 1000));
            let gap = if message.counter == 0 {
                Gap::First
            } else {
                Gap::Missed(0)
            };
            assert_eq!(message.gap, Some(gap));
            assert!(!message.retained && !message.will);
            assert_eq!(message.clone().into_payload(), text.as_bytes());
        }
        assert_eq!(net.rejections(*reader), ["Own", "Own", "Own"]);
        let stats = net.devices[*reader].member.stats();
        assert_eq!((stats.opened, stats.sealed, stats.waiting), (6, 3, 0));
        assert_eq!(stats.rejected["Own"], 3);
    }
}

#[test]
fn properties_travel_inside() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let properties = Properties {
        payload_format: Some(1),
        expiry: Some(60),
        content_type: Some("text/plain".into()),
        response_topic: Some("plant/answers".into()),
        correlation_data: Some(vec![1, 2, 3]),
        user: vec![("unit".into(), "C".into())],
    };
    let message = OutgoingMessage {
        properties: properties.clone(),
        ..OutgoingMessage::new("plant/a", b"21")
    };
    let envelope = net.seal(alice, &message).unwrap();
    net.deliver(bob, "plant/a", &envelope, false);
    assert_eq!(net.inbox(bob)[0].properties, properties);
    // The expiry counts from the sender's clock, whatever the broker says outside.
    let envelope = net.seal(alice, &message).unwrap();
    net.now += 60_001;
    net.deliver(bob, "plant/a", &envelope, false);
    assert_eq!(net.rejections(bob), ["Stale"]);
}

#[test]
fn own_messages_on_request() {
    let mut net = Net::new();
    let options = MemberOptions {
        accept_own: true,
        ..MemberOptions::default()
    };
    let alice = net.join_with("alice", Access::BOTH, options);
    net.send(alice, "plant/a", b"echo");
    let own = net.inbox(alice).remove(0);
    assert_eq!(
        (own.sender, own.sender_name.as_str()),
        (net.number(alice), "alice")
    );
}

#[test]
fn plain_and_broken_payloads() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let envelope = net
        .seal(bob, &OutgoingMessage::new("plant/a", b"x"))
        .unwrap();
    net.deliver(alice, "plant/a", b"", true);
    net.deliver(alice, "plant/a", b"21.5", false);
    net.deliver(alice, "plant/a", &envelope[..60], false);
    net.deliver(alice, "plant/b", &envelope, false);
    let mut altered = envelope.clone();
    *altered.last_mut().unwrap() ^= 1;
    net.deliver(alice, "plant/a", &altered, false);
    assert_eq!(
        net.rejections(alice),
        [
            "NotSealed",
            "NotSealed",
            "Malformed",
            "Rejected",
            "Rejected"
        ]
    );
    net.deliver(alice, "plant/a", &envelope, false);
    assert_eq!(net.texts(alice), ["x"], "the genuine one is still good");
}

#[test]
fn only_the_first_message_of_a_session_costs_a_commit() {
    let mut net = Net::with_policy(Policy {
        session_messages: 3,
        ..Policy::default()
    });
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let mut commits = Vec::new();
    for _ in 0..7 {
        let before = net.devices[bob].history.len();
        net.send(bob, "plant/a", b"x");
        commits.push(net.devices[bob].history.len() - before);
    }
    assert_eq!(commits, [1, 0, 0, 1, 0, 0, 1]);
    let counters: Vec<u64> = net.inbox(alice).iter().map(|m| m.counter).collect();
    assert_eq!(counters, [0, 1, 2, 0, 1, 2, 0]);
    assert_eq!(net.devices[bob].member.stats().sessions, 3);
}

#[test]
fn a_failing_rng_seals_nothing() {
    let mut net = Net::new();
    let bob = net.join("bob", Access::BOTH);
    net.devices[bob].rng.break_down();
    assert_eq!(
        net.seal(bob, &OutgoingMessage::new("plant/a", b"x")),
        Err(SealError::Random)
    );
    net.devices[bob].rng = crate::common::TestRng::new(3);
    assert!(
        net.seal(bob, &OutgoingMessage::new("plant/a", b"x"))
            .is_ok()
    );
}

#[test]
fn keys_run_out() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    net.send(bob, "plant/a", b"known");
    let message = OutgoingMessage::new("plant/a", b"x");
    let not_after = START + 7 * 86_400;
    net.now = (not_after + 1) * 1000 - 1;
    let last = net.seal(bob, &message).unwrap();
    net.now += 1;
    assert_eq!(
        net.seal(bob, &message),
        Err(SealError::KeysExpired {
            group: "plant".into(),
            not_after
        })
    );
    net.restart(bob);
    assert!(matches!(
        net.seal(bob, &message),
        Err(SealError::KeysExpired { .. })
    ));
    let grace = 3600 + 300;
    net.now = (not_after + grace + 1) * 1000;
    net.deliver(alice, "plant/a", &last, false);
    assert!(net.rejections(alice).is_empty(), "an announcement may come");
    net.now += 30_000;
    net.tick(alice);
    assert_eq!(net.rejections(alice), ["Stale"]);
    net.now = (not_after + grace + 1) * 1000 - 1;
    net.deliver(alice, "plant/a", &last, false);
    assert_eq!(net.texts(alice).len(), 2);
}

#[test]
fn the_own_credential_runs_out() {
    let mut net = Net::new();
    let bob = net.join("bob", Access::BOTH);
    net.now += crate::net::YEAR * 1000 + 1000;
    let not_after = net.devices[bob].member.credential_not_after();
    assert_eq!(
        net.seal(bob, &OutgoingMessage::new("plant/a", b"x")),
        Err(SealError::CredentialExpired { not_after })
    );
}

#[test]
fn publish_only_members_read_nothing() {
    let mut net = Net::new();
    let (sensor, reader) = (
        net.join("sensor", Access::PUBLISH),
        net.join("reader", Access::SUBSCRIBE),
    );
    net.send(sensor, "plant/a", b"21.5");
    assert_eq!(net.texts(reader), ["21.5"]);
    // Its own message came back: it cannot even be opened, and nothing waits for it.
    assert_eq!(net.rejections(sensor), ["UnknownKey"]);
    assert_eq!(net.devices[sensor].member.stats().waiting, 0);
}

#[test]
fn nothing_secret_is_printed() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    net.send(bob, "plant/a", b"canary-payload");
    let message = net.inbox(alice).remove(0);
    let shown = format!("{message:?} {:?}", Delivery::Message(message.clone()));
    assert!(!shown.contains("canary"));
    let bytes = format!("{:?}", b"canary-payload");
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])));
    let changes = net.devices[bob].member.flush();
    assert_eq!(format!("{changes:?}"), "[]");
    let (changes, _) = Member::request(
        &crate::common::MemoryStore::default(),
        "x",
        1,
        None,
        &mut crate::common::TestRng::new(1),
    )
    .unwrap();
    assert_eq!(
        format!("{changes:?}"),
        "[Put(member/package/0000000001), Put(member/identity), Put(member/device)]"
    );
}
