//! Messages between members: who sent them, waiting for what is missing, replays, bounds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;
mod net;

use net::{Net, START, grant};
use sealmq_core::object::Access;
use sealmq_core::replay::Gap;
use sealmq_core::wire::Header;
use sealmq_keys::member::{
    Action, Member, MemberEvent, MemberOptions, Opened, OutgoingMessage, Properties, SealError,
};
use sealmq_keys::{Policy, Publication, ReservedTopic};

/// Takes a retained credential away without telling anybody; it can be published again.
fn hide_credential(net: &mut Net, device: usize) -> Publication {
    let topic = net.topic(ReservedTopic::Credential(net.number(device)));
    let payload = net.retained.remove(&topic).unwrap();
    Publication::retained(topic, payload)
}

#[test]
fn three_members_know_who_speaks() {
    let mut net = Net::new();
    let devices: Vec<usize> =
        ["alice", "bob", "carol"].iter().map(|name| net.join(name, Access::BOTH)).collect();
    for round in 0..3 {
        for sender in &devices {
            net.send(*sender, "plant/boiler/temp", format!("{sender}-{round}").as_bytes());
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
            let gap = if message.counter == 0 { Gap::First } else { Gap::Missed(0) };
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
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
    let properties = Properties {
        payload_format: Some(1),
        expiry: Some(60),
        content_type: Some("text/plain".into()),
        response_topic: Some("plant/answers".into()),
        correlation_data: Some(vec![1, 2, 3]),
        user: vec![("unit".into(), "C".into())],
    };
    let message =
        OutgoingMessage { properties: properties.clone(), ..OutgoingMessage::new("plant/a", b"21") };
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
    let options = MemberOptions { accept_own: true, ..MemberOptions::default() };
    let alice = net.join_with("alice", Access::BOTH, options);
    net.send(alice, "plant/a", b"echo");
    let own = net.inbox(alice).remove(0);
    assert_eq!((own.sender, own.sender_name.as_str()), (net.number(alice), "alice"));
}

#[test]
fn an_unknown_sender_is_fetched_while_its_message_waits() {
    let mut net = Net::new();
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
    let credential = hide_credential(&mut net, bob);
    for text in ["one", "two", "three"] {
        net.send(bob, "plant/a", text.as_bytes());
    }
    assert!(net.texts(alice).is_empty());
    let stats = net.devices[alice].member.stats();
    assert_eq!((stats.waiting, stats.waited), (3, 3));
    assert!(stats.waiting_bytes > 3 * 126);
    let asked = |net: &Net| net.devices[alice].asked.iter().filter(|t| **t == credential.topic).count();
    assert_eq!(asked(&net), 1, "asked once, not once per message");

    net.publish(credential.clone());
    assert_eq!(net.texts(alice), ["one", "two", "three"]);
    let stats = net.devices[alice].member.stats();
    assert_eq!((stats.waiting, stats.waiting_bytes), (0, 0));
    assert!(net.devices[alice].events.contains(&MemberEvent::SenderKnown {
        member: net.number(bob),
        name: "bob".into(),
    }));
    // From then on the credential is subscribed after every connect, and known after a restart.
    assert!(net.devices[alice].member.reserved_subscriptions().contains(&credential.topic));
    net.restart(alice);
    net.send(bob, "plant/a", b"four");
    let last = net.log.last().unwrap().payload.clone();
    net.deliver(alice, "plant/a", &last, false);
    assert_eq!(net.texts(alice), ["four"]);
}

#[test]
fn a_credential_inside_saves_the_fetch() {
    let mut net = Net::new();
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
    hide_credential(&mut net, bob);
    let message =
        OutgoingMessage { announce_credential: true, ..OutgoingMessage::new("plant/a", b"hi") };
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

#[test]
fn a_message_of_an_epoch_to_come_waits_for_its_announcement() {
    let mut net = Net::new();
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
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
    announced.into_iter().for_each(|publication| net.publish(publication));
    assert_eq!(net.texts(alice), ["1", "2"]);
}

#[test]
fn waiting_is_bounded_in_time() {
    let mut net = Net::new();
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
    let credential = hide_credential(&mut net, bob);
    net.send(bob, "plant/a", b"lost");
    net.now += 29_999;
    net.tick(alice);
    assert_eq!(net.devices[alice].member.stats().waiting, 1);
    net.now += 1;
    net.tick(alice);
    assert_eq!(net.devices[alice].member.stats().waiting, 0);
    assert_eq!(net.rejections(alice), ["UnknownSender"]);
    assert!(!net.devices[alice].subscriptions.contains(&credential.topic), "nobody asks any more");
    let before = net.devices[alice].member.stats().clone();
    net.publish(credential.clone());
    assert_eq!(*net.devices[alice].member.stats(), before, "not even delivered");
    // The next message asks again.
    net.send(bob, "plant/a", b"found");
    assert_eq!(net.texts(alice), ["found"]);
}

#[test]
fn waiting_is_bounded_in_number() {
    let mut net = Net::new();
    let options = MemberOptions { pending_messages: 3, ..MemberOptions::default() };
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
    assert_eq!(net.devices[alice].member.stats().rejected["UnknownSender"], 1);
}

#[test]
fn waiting_can_be_switched_off() {
    let mut net = Net::new();
    let options = MemberOptions { pending_messages: 0, ..MemberOptions::default() };
    let alice = net.join_with("alice", Access::BOTH, options);
    let bob = net.join("bob", Access::BOTH);
    hide_credential(&mut net, bob);
    net.send(bob, "plant/a", b"1");
    assert_eq!(net.rejections(alice), ["UnknownSender"]);
}

#[test]
fn plain_and_broken_payloads() {
    let mut net = Net::new();
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
    let envelope = net.seal(bob, &OutgoingMessage::new("plant/a", b"x")).unwrap();
    net.deliver(alice, "plant/a", b"", true);
    net.deliver(alice, "plant/a", b"21.5", false);
    net.deliver(alice, "plant/a", &envelope[..60], false);
    net.deliver(alice, "plant/b", &envelope, false);
    let mut altered = envelope.clone();
    *altered.last_mut().unwrap() ^= 1;
    net.deliver(alice, "plant/a", &altered, false);
    assert_eq!(
        net.rejections(alice),
        ["NotSealed", "NotSealed", "Malformed", "Rejected", "Rejected"]
    );
    net.deliver(alice, "plant/a", &envelope, false);
    assert_eq!(net.texts(alice), ["x"], "the genuine one is still good");
}

#[test]
fn replays_are_refused_also_after_a_restart() {
    let mut net = Net::new();
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
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
        let options = MemberOptions { replay_persist_every: every, ..MemberOptions::default() };
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
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
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
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
    let seal = |net: &mut Net, text: &str| {
        net.seal(bob, &OutgoingMessage::new("plant/a", text.as_bytes()).retained()).unwrap()
    };
    let (old, new) = (seal(&mut net, "old"), seal(&mut net, "new"));
    let live = net.seal(bob, &OutgoingMessage::new("plant/a", b"live")).unwrap();
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
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
    let will = OutgoingMessage { will: true, ..OutgoingMessage::new("plant/state", b"gone") };
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
    let mut net = Net::new();
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
    let mut last = 0;
    for round in 0..5 {
        // A clock that stands still, jumps back by a day, or is lost, starts no old number again.
        let back = 86_400_000 * u64::from(round == 2);
        net.now -= back;
        let envelope = net.seal(bob, &OutgoingMessage::new("plant/a", b"x")).unwrap();
        net.now += back;
        net.deliver(alice, "plant/a", &envelope, false);
        let session = net.inbox(alice)[0].session;
        assert!(session > last, "round {round}");
        last = session;
        net.crash(bob);
        net.connect(bob);
    }
    let this = &mut net.devices[bob];
    let sealed =
        this.member.seal(&OutgoingMessage::new("plant/a", b"x"), None, &mut this.rng).unwrap();
    assert!(!sealed.changes.is_empty());
    net.deliver(alice, "plant/a", &sealed.payload, false);
    let message = net.inbox(alice).remove(0);
    assert_eq!((message.session, message.sent_at), (last + 1, None));
}

#[test]
fn only_the_first_message_of_a_session_costs_a_commit() {
    let mut net = Net::with_policy(Policy { session_messages: 3, ..Policy::default() });
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
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
fn a_repeating_rng_repeats_no_session() {
    let mut net = Net::new();
    let bob = net.join("bob", Access::BOTH);
    let mut seen = Vec::new();
    for _ in 0..5 {
        // As after a reboot of a device whose RNG starts from the same seed, with its clock stopped.
        net.devices[bob].rng = common::TestRng::new(7);
        let envelope = net.seal(bob, &OutgoingMessage::new("plant/a", b"x")).unwrap();
        let header = Header::parse(&envelope).unwrap();
        assert!(!seen.contains(&header.enc));
        seen.push(header.enc);
        net.crash(bob);
    }
}

#[test]
fn a_failing_rng_seals_nothing() {
    let mut net = Net::new();
    let bob = net.join("bob", Access::BOTH);
    net.devices[bob].rng.break_down();
    assert_eq!(net.seal(bob, &OutgoingMessage::new("plant/a", b"x")), Err(SealError::Random));
    net.devices[bob].rng = common::TestRng::new(3);
    assert!(net.seal(bob, &OutgoingMessage::new("plant/a", b"x")).is_ok());
}

#[test]
fn keys_run_out() {
    let mut net = Net::new();
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
    net.send(bob, "plant/a", b"known");
    let message = OutgoingMessage::new("plant/a", b"x");
    let not_after = START + 7 * 86_400;
    net.now = (not_after + 1) * 1000 - 1;
    let last = net.seal(bob, &message).unwrap();
    net.now += 1;
    assert_eq!(
        net.seal(bob, &message),
        Err(SealError::KeysExpired { group: "plant".into(), not_after })
    );
    net.restart(bob);
    assert!(matches!(net.seal(bob, &message), Err(SealError::KeysExpired { .. })));
    let grace = 3600 + 300;
    net.now = (not_after + grace + 1) * 1000;
    net.deliver(alice, "plant/a", &last, false);
    assert_eq!(net.rejections(alice), ["Stale"]);
    net.now -= 1;
    net.deliver(alice, "plant/a", &last, false);
    assert_eq!(net.texts(alice).len(), 2);
}

#[test]
fn the_own_credential_runs_out() {
    let mut net = Net::new();
    let bob = net.join("bob", Access::BOTH);
    net.now += net::YEAR * 1000 + 1000;
    let not_after = net.devices[bob].member.credential_not_after();
    assert_eq!(
        net.seal(bob, &OutgoingMessage::new("plant/a", b"x")),
        Err(SealError::CredentialExpired { not_after })
    );
}

#[test]
fn publish_only_members_read_nothing() {
    let mut net = Net::new();
    let (sensor, reader) = (net.join("sensor", Access::PUBLISH), net.join("reader", Access::SUBSCRIBE));
    net.send(sensor, "plant/a", b"21.5");
    assert_eq!(net.texts(reader), ["21.5"]);
    // Its own message came back: it cannot even be opened, and nothing waits for it.
    assert_eq!(net.rejections(sensor), ["UnknownKey"]);
    assert_eq!(net.devices[sensor].member.stats().waiting, 0);
}

#[test]
fn a_missing_refused_list_makes_messages_wait() {
    let mut net = Net::new();
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
    let eve = net.join("eve", Access::BOTH);
    net.send(bob, "plant/a", b"known");
    net.texts(alice);
    let group = net.group("plant");
    let list_topic = net.topic(ReservedTopic::RefusedList(group));
    let number = net.number(eve);
    let plan = net.authority.remove(number, START, &mut net.rng).unwrap();
    let (lists, others): (Vec<Publication>, Vec<Publication>) =
        net.withhold(plan).into_iter().partition(|p| p.topic == list_topic);
    others.into_iter().for_each(|publication| net.publish(publication));
    assert_eq!(net.epoch(alice), net.epoch(bob));
    net.send(bob, "plant/a", b"waits");
    assert!(net.texts(alice).is_empty());
    assert_eq!(net.devices[alice].member.stats().waiting, 1);
    assert!(!net.devices[alice].member.groups().next().unwrap().ready);

    // The device asks for it again by itself.
    net.retained.insert(list_topic.clone(), lists[0].payload.clone());
    net.tick(alice);
    net.now += 2_000;
    net.tick(alice);
    assert_eq!(net.devices[alice].asked.last(), Some(&list_topic));
    assert_eq!(net.texts(alice), ["waits"]);
    assert!(net.devices[alice].member.groups().next().unwrap().ready);
    net.restart(alice);
    assert!(net.devices[alice].member.groups().next().unwrap().ready, "it is stored");
}

/// Reordering within the window, duplicates, and loss: reported, never accepted twice.
#[test]
fn gaps_are_reported() {
    let mut net = Net::new();
    let (alice, bob) = (net.enrol("alice", &[grant("plant", Access::BOTH)]), net.join("bob", Access::BOTH));
    net.tick_authority();
    net.connect(alice);
    let sent: Vec<Vec<u8>> = (0..6_u8)
        .map(|i| net.seal(bob, &OutgoingMessage::new("plant/a", &[i])).unwrap())
        .collect();
    for index in [0, 1, 4, 3, 5] {
        net.deliver(alice, "plant/a", &sent[index], false);
    }
    let gaps: Vec<Gap> = net.inbox(alice).iter().map(|m| m.gap.unwrap()).collect();
    assert_eq!(gaps, [Gap::First, Gap::Missed(0), Gap::Missed(2), Gap::Late, Gap::Missed(0)]);
}

#[test]
fn the_message_that_came_with_a_commit_is_given_after_it() {
    let mut net = Net::new();
    let options = MemberOptions { replay_persist_every: 1, ..MemberOptions::default() };
    let alice = net.join_with("alice", Access::BOTH, options);
    let bob = net.join("bob", Access::BOTH);
    net.send(bob, "plant/a", b"known");
    let envelope = net.seal(bob, &OutgoingMessage::new("plant/a", b"x")).unwrap();
    let (opened, actions) =
        net.devices[alice].member.open("plant/a", &envelope, false, Some(net.now));
    assert!(matches!(opened, Opened::Message(_)));
    assert!(matches!(actions.as_slice(), [Action::Commit(changes)] if !changes.is_empty()));
}

#[test]
fn nothing_secret_is_printed() {
    let mut net = Net::new();
    let (alice, bob) = (net.join("alice", Access::BOTH), net.join("bob", Access::BOTH));
    net.send(bob, "plant/a", b"canary-payload");
    let message = net.inbox(alice).remove(0);
    let shown = format!("{message:?} {:?}", Opened::Message(Box::new(message.clone())));
    assert!(!shown.contains("canary"));
    let bytes = format!("{:?}", b"canary-payload");
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])));
    let changes = net.devices[bob].member.flush();
    assert_eq!(format!("{changes:?}"), "[]");
    let (changes, _) = Member::request(
        &common::MemoryStore::default(),
        "x",
        1,
        None,
        &mut common::TestRng::new(1),
    )
    .unwrap();
    assert_eq!(
        format!("{changes:?}"),
        "[Put(member/package/0000000001), Put(member/identity), Put(member/device)]"
    );
}
