//! Replays, retained values, wills and session numbers, across restarts and crashes.

use crate::net::{Net, grant};
use sealmq_core::object::Access;
use sealmq_core::replay::Gap;
use sealmq_core::wire::Header;
use sealmq_keys::Store;
use sealmq_keys::member::{
    Action, Delivery, Member, MemberOptions, OutgoingMessage, Properties, SealError,
};
use sealmq_keys::objects::Policy;

#[test]
fn replays_are_refused_also_after_a_restart() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let sent: Vec<Vec<u8>> = (0..20_u8).map(|i| net.send(bob, "plant/a", &[i])).collect();
    assert_eq!(net.inbox(alice).len(), 20);
    for round in 0..2 {
        for envelope in &sent {
            net.deliver(alice, "plant/a", envelope, false);
        }
        assert_eq!(net.rejections(alice), vec!["Replay"; 20], "round {round}");
        net.restart(alice);
    }
    assert!(net.inbox(alice).is_empty());
}

#[test]
fn after_a_crash_fewer_messages_than_allowed_come_again() {
    for every in [1, 5, 64] {
        let mut net = Net::new();
        let options = MemberOptions {
            replay_persist_every: every,
            ..MemberOptions::default()
        };
        let alice = net.join_with("alice", Access::BOTH, options);
        let bob = net.join("bob", Access::BOTH);
        let sent: Vec<Vec<u8>> = (0..99_u8).map(|i| net.send(bob, "plant/a", &[i])).collect();
        assert_eq!(net.inbox(alice).len(), 99);
        net.crash(alice);
        for envelope in &sent {
            net.deliver(alice, "plant/a", envelope, false);
        }
        let again = net.inbox(alice).len();
        assert_eq!(again, 99 % every as usize, "every {every}");
        assert!(again < every as usize);
    }
}

#[test]
fn snapshots_are_due_by_time_too() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    net.tick(alice);
    let before = net.devices[alice].history.len();
    let envelope = net.send(bob, "plant/a", b"x");
    net.tick(alice);
    net.tick(alice);
    // One commit for the sender's credential, one for the window; a second tick has nothing.
    assert_eq!(net.devices[alice].history.len(), before + 2);
    net.crash(alice);
    net.inbox(alice);
    net.deliver(alice, "plant/a", &envelope, false);
    assert_eq!(net.rejections(alice), ["Replay"]);
}

#[test]
fn retained_values() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let seal = |net: &mut Net, text: &str| {
        net.seal(
            bob,
            &OutgoingMessage::new("plant/a", text.as_bytes()).retained(),
        )
        .unwrap()
    };
    let (old, new) = (seal(&mut net, "old"), seal(&mut net, "new"));
    let live = net
        .seal(bob, &OutgoingMessage::new("plant/a", b"live"))
        .unwrap();
    net.deliver(alice, "plant/a", &new, true);
    // The same value again is the same value; an older one is a replay.
    net.restart(alice);
    net.deliver(alice, "plant/a", &new, true);
    let messages = net.inbox(alice);
    assert!(messages.iter().all(|m| m.retained && m.payload() == b"new"));
    assert_eq!(messages.len(), 2);
    net.deliver(alice, "plant/a", &old, true);
    net.deliver(alice, "plant/a", &live, true);
    assert_eq!(net.rejections(alice), ["Replay", "Replay"]);
}

#[test]
fn a_last_will_has_a_session_of_its_own() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let will = OutgoingMessage {
        will: true,
        ..OutgoingMessage::new("plant/state", b"gone")
    };
    let sealed = net.seal(bob, &will).unwrap();
    net.send(bob, "plant/a", b"first");
    net.deliver(alice, "plant/state", &sealed, false);
    let messages = net.inbox(alice);
    assert_eq!(messages.len(), 2);
    assert!(!messages[0].will && messages[1].will);
    assert!(messages[0].session > messages[1].session);
    net.deliver(alice, "plant/state", &sealed, false);
    assert_eq!(net.rejections(alice), ["Replay"]);
    let this = &mut net.devices[bob];
    assert_eq!(
        this.member.seal(&will, None, &mut this.rng).unwrap_err(),
        SealError::NeedsClock
    );
}

#[test]
fn session_numbers_never_go_back() {
    let mut net = Net::with_policy(Policy {
        lease: 7 * 86_400,
        ..Policy::default()
    });
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let mut last = 0;
    for round in 0..5 {
        // A clock that stands still, jumps back, or is lost, starts no old number again.
        let back = 250_000 * u64::from(round == 2);
        net.now -= back;
        let envelope = net
            .seal(bob, &OutgoingMessage::new("plant/a", b"x"))
            .unwrap();
        net.now += back;
        net.deliver(alice, "plant/a", &envelope, false);
        let session = net.inbox(alice)[0].session;
        assert!(session > last, "round {round}");
        last = session;
        net.crash(bob);
        net.connect(bob);
    }
    net.prove_lease(bob);
    let this = &mut net.devices[bob];
    let sealed = this
        .member
        .seal(&OutgoingMessage::new("plant/a", b"x"), None, &mut this.rng)
        .unwrap();
    assert!(!sealed.changes.is_empty());
    net.deliver(alice, "plant/a", &sealed.payload, false);
    let message = net.inbox(alice).remove(0);
    // One number went to the nonce.
    assert_eq!((message.session, message.sent_at), (last + 2, None));
}

#[test]
fn a_repeating_rng_repeats_no_session() {
    let mut net = Net::new();
    let bob = net.join("bob", Access::BOTH);
    let mut seen = Vec::new();
    for _ in 0..5 {
        // As after a reboot of a device whose RNG starts from the same seed, with its clock stopped.
        net.devices[bob].rng = crate::common::TestRng::new(7);
        let envelope = net
            .seal(bob, &OutgoingMessage::new("plant/a", b"x"))
            .unwrap();
        let header = Header::parse(&envelope).unwrap();
        assert!(!seen.contains(&header.enc));
        seen.push(header.enc);
        net.crash(bob);
    }
}

/// Reordering within the window, duplicates, and loss: reported, never accepted twice.
#[test]
fn gaps_are_reported() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.enrol("alice", &[grant("plant", Access::BOTH)]),
        net.join("bob", Access::BOTH),
    );
    net.tick_authority();
    net.connect(alice);
    let sent: Vec<Vec<u8>> = (0..6_u8)
        .map(|i| {
            net.seal(bob, &OutgoingMessage::new("plant/a", &[i]))
                .unwrap()
        })
        .collect();
    for index in [0, 1, 4, 3, 5] {
        net.deliver(alice, "plant/a", &sent[index], false);
    }
    let gaps: Vec<Gap> = net.inbox(alice).iter().map(|m| m.gap.unwrap()).collect();
    assert_eq!(
        gaps,
        [
            Gap::First,
            Gap::Missed(0),
            Gap::Missed(2),
            Gap::Late,
            Gap::Missed(0)
        ]
    );
}

#[test]
fn the_message_that_came_with_a_commit_is_given_after_it() {
    let mut net = Net::new();
    let options = MemberOptions {
        replay_persist_every: 1,
        ..MemberOptions::default()
    };
    let alice = net.join_with("alice", Access::BOTH, options);
    let bob = net.join("bob", Access::BOTH);
    net.send(bob, "plant/a", b"known");
    let envelope = net
        .seal(bob, &OutgoingMessage::new("plant/a", b"x"))
        .unwrap();
    let (opened, actions) =
        net.devices[alice]
            .member
            .open("plant/a", &envelope, false, Some(net.now));
    assert!(matches!(opened, Delivery::Message(_)));
    assert!(matches!(actions.as_slice(), [Action::Commit(changes)] if !changes.is_empty()));
}

/// A session that began with a message that could not be sealed: its record still goes out with
/// the next one, so the number and the seed are never used again.
#[test]
fn a_failed_seal_loses_no_session_record() {
    let mut net = Net::new();
    let bob = net.join("bob", Access::BOTH);
    net.devices[bob].rng = crate::common::TestRng::new(7);
    let impossible = OutgoingMessage {
        properties: Properties {
            content_type: Some("y".repeat(20_000)),
            ..Properties::default()
        },
        ..OutgoingMessage::new("plant/a", b"x")
    };
    assert!(matches!(
        net.seal(bob, &impossible),
        Err(SealError::Properties(_))
    ));
    let message = OutgoingMessage::new("plant/a", b"x");
    let first = Header::parse(&net.seal(bob, &message).unwrap()).unwrap();
    net.crash(bob);
    net.devices[bob].rng = crate::common::TestRng::new(7);
    let second = Header::parse(&net.seal(bob, &message).unwrap()).unwrap();
    assert_ne!(first.enc, second.enc);
}

/// Threat model F2: an insider with thousands of retained topics takes neither the marks of others nor
/// room in the store.
#[test]
fn an_insider_with_many_topics_harms_only_itself() {
    let mut net = Net::new();
    let options = MemberOptions {
        max_topics: 8,
        max_senders: 4,
        ..MemberOptions::default()
    };
    let alice = net.join_with("alice", Access::BOTH, options);
    let (eve, bob) = (
        net.join("eve", Access::PUBLISH),
        net.join("bob", Access::BOTH),
    );
    let names = ["plant/b/1", "plant/b/2", "plant/b/3"];
    let publish = |net: &mut Net, device, name: &str| {
        let message = OutgoingMessage::new(name, b"v").retained();
        let envelope = net.seal(device, &message).unwrap();
        net.deliver(alice, name, &envelope, false);
        envelope
    };
    for name in names {
        let envelope = publish(&mut net, bob, name);
        net.retained.insert(name.into(), envelope);
    }
    for i in 0..1000 {
        publish(&mut net, eve, &format!("plant/e/{i}"));
    }
    for round in ["before a restart", "after it"] {
        net.inbox(alice);
        net.subscribe(alice, "plant/b/#");
        assert_eq!(net.texts(alice), ["v"; 3], "{round}");
        net.restart(alice);
        net.connect(alice);
        let stored = net.devices[alice].store.0.keys();
        assert!(stored.filter(|key| key.starts_with("replay/")).count() <= 2 + 2 + 16);
    }
    // A store from larger tables shrinks with the next snapshot.
    let options = MemberOptions {
        max_topics: 2,
        max_senders: 4,
        ..MemberOptions::default()
    };
    let device = &mut net.devices[alice];
    device.member = Member::load(&device.store, options).unwrap();
    net.tick(alice);
    let store = &net.devices[alice].store.0;
    let stored = |prefix: &str| store.keys().filter(|key| key.starts_with(prefix)).count();
    assert_eq!(stored("replay/0a"), 2);
    // State has no windows; what stands for forgotten marks is one for each sender.
    assert_eq!(stored("replay/09"), 2);
}

/// The tables grow, so that nobody is pushed out: devices without a clock, which count their
/// sessions from 1, are heard next to many with one.
#[test]
fn many_senders_lock_nobody_out() {
    let leased = Policy {
        lease: 7 * 86_400,
        ..Policy::default()
    };
    let mut net = Net::with_policy(leased);
    net.add_group("yard", &["yard/#"], leased);
    // Senders count per group.
    let grants = [grant("plant", Access::BOTH), grant("yard", Access::BOTH)];
    let enrol = |net: &mut Net, name: &str| {
        let device = net.enrol(name, &grants);
        net.tick_authority();
        net.connect(device);
        device
    };
    let seal = |net: &mut Net, device: usize, message: &OutgoingMessage<'_>, clock: bool| {
        let this = &mut net.devices[device];
        let now = clock.then_some(net.now);
        let sealed = this.member.seal(message, now, &mut this.rng).unwrap();
        this.store.commit(&sealed.changes).unwrap();
        sealed.payload
    };
    let (alice, eve) = (enrol(&mut net, "alice"), enrol(&mut net, "eve"));
    let will = OutgoingMessage {
        will: true,
        ..OutgoingMessage::new("plant/state", b"gone")
    };
    let envelope = seal(&mut net, eve, &will, true);
    net.deliver(alice, "plant/state", &envelope, false);
    let mut sent = Vec::new();
    for i in 0..70 {
        let device = enrol(&mut net, &format!("d{i}"));
        if i % 2 != 0 {
            net.prove_lease(device);
        }
        for topic in ["plant/a", "yard/a"] {
            let message = OutgoingMessage::new(topic, b"x");
            let envelope = seal(&mut net, device, &message, i % 2 == 0);
            net.deliver(alice, topic, &envelope, false);
            net.deliver(alice, topic, &envelope, false);
            sent.push((topic, envelope));
        }
        net.disconnect(device);
        if i == 40 {
            net.restart(alice);
            net.connect(alice);
        }
    }
    assert_eq!(net.inbox(alice).len(), 1 + 140);
    assert_eq!(net.rejections(alice), ["Replay"; 140]);
    net.restart(alice);
    for (topic, envelope) in &sent {
        net.deliver(alice, topic, envelope, false);
    }
    // Most epochs have left the window.
    assert!(net.inbox(alice).is_empty());
    let rejected = net.rejections(alice);
    assert!(!rejected.is_empty() && rejected.iter().all(|name| *name == "Replay"));
    let store = &net.devices[alice].store.0;
    let stored = |prefix: &str| store.keys().filter(|key| key.starts_with(prefix)).count();
    assert_eq!(stored("replay/09"), 1 + 140);
    assert_eq!(stored("replay/04"), 0, "no floors for all");
}
