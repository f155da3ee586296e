//! Members that were away, and what they find (spec/keys.md §7): everything from retained
//! messages, without a human.

use crate::common::TestRng;
use crate::net::serve::{days, generations, group, renew, request_of, serve, settle, talk};
use crate::net::{Net, YEAR, grant};
use sealmq_authority::{AuthorityEvent, NewGroup};
use sealmq_core::MemberNumber;
use sealmq_core::object::Access;
use sealmq_keys::Store;
use sealmq_keys::member::MemberEvent;
use sealmq_keys::objects::Policy;

/// Three generations begin and end while a member sleeps. It says precisely what it lacks, once,
/// and gets it because it says so to the authority, too.
#[test]
fn a_sleeper_through_three_generations_needs_no_human() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let mallory = net.join("mallory", Access::SUBSCRIBE);
    let dave = net.join("dave", Access::BOTH);
    settle(&mut net);
    net.disconnect(dave);
    net.remove(mallory);
    for number in [2, 3, 4] {
        settle(&mut net);
        renew(&mut net);
        settle(&mut net);
        days(&mut net, 31);
        net.rotate();
        assert_eq!(generations(&net), [number]);
    }
    talk(&mut net, alice, &[], "while dave sleeps");

    net.devices[dave].events.clear();
    net.connect(dave);
    net.subscribe(dave, "plant/#");
    let said = |net: &Net| {
        let events = net.devices[dave].events.iter();
        let kinds = events.filter(|event| {
            matches!(
                event,
                MemberEvent::NeedsWelcome { .. } | MemberEvent::Removed { .. }
            )
        });
        kinds.cloned().collect::<Vec<_>>()
    };
    let once = said(&net);
    assert!(
        matches!(once[..], [MemberEvent::NeedsWelcome { .. }]),
        "{once:?}"
    );
    assert!(
        net.devices[dave]
            .member
            .groups()
            .next()
            .unwrap()
            .needs_welcome
    );
    assert!(net.texts(dave).is_empty());

    // Only what members do by themselves: ticks, and an authority that listens.
    net.now += 1000;
    settle(&mut net);
    net.now += 1000;
    settle(&mut net);
    let joined = |event: &MemberEvent| matches!(event, MemberEvent::Joined { .. });
    assert!(net.devices[dave].events.iter().any(joined));
    assert_eq!(said(&net), once);
    assert!(
        !net.devices[dave]
            .member
            .groups()
            .next()
            .unwrap()
            .needs_welcome
    );
    net.inbox(alice);
    talk(&mut net, alice, &[dave], "to dave");
    talk(&mut net, dave, &[alice], "from dave");
    settle(&mut net);
    assert_eq!(group(&net).moved, 2);
}

/// Whoever was removed while it slept is told so, and not that a welcome would help.
#[test]
fn a_sleeper_that_was_removed_two_generations_ago_is_told_so() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let dave = net.join("dave", Access::BOTH);
    settle(&mut net);
    net.disconnect(dave);
    net.remove(dave);
    for _ in 0..2 {
        settle(&mut net);
        renew(&mut net);
        settle(&mut net);
        days(&mut net, 31);
    }
    net.connect(dave);
    net.subscribe(dave, "plant/#");
    for _ in 0..3 {
        net.now += 1000;
        settle(&mut net);
    }
    let events = &net.devices[dave].events;
    let is_removed = |event: &&MemberEvent| matches!(event, MemberEvent::Removed { .. });
    assert_eq!(events.iter().filter(is_removed).count(), 1, "{events:?}");
    let needs = |event: &MemberEvent| matches!(event, MemberEvent::NeedsWelcome { .. });
    assert!(!events.iter().any(needs));
    net.send(alice, "plant/a", b"without dave");
    assert!(net.texts(dave).is_empty());
}

/// What the broker had queued for epochs of the window opens, once the member has caught up; what
/// is older is given up, and said so.
#[test]
fn queued_messages_of_the_window_open_after_catching_up() {
    let window = 3;
    let mut net = Net::with_policy(Policy {
        window,
        ..Policy::default()
    });
    let alice = net.join("alice", Access::PUBLISH);
    let other = net.join("other", Access::SUBSCRIBE);
    let dave = net.join("dave", Access::SUBSCRIBE);
    settle(&mut net);
    net.disconnect(dave);
    let mut queue = Vec::new();
    for round in 0..8_u8 {
        queue.push(net.send(alice, "plant/a", &[round]));
        match round {
            3 => net.remove(other),
            5 => net.heal(),
            _ => net.rotate(),
        }
    }
    queue.push(net.send(alice, "plant/a", &[8]));

    // First the queue, as brokers do, then the retained topics.
    net.devices[dave].online = true;
    for envelope in &queue {
        net.deliver(dave, "plant/a", envelope, false);
    }
    assert_eq!(net.inbox(dave).len(), 1, "of the epoch that it has");
    net.connect(dave);
    let mut opened: Vec<u8> = net.inbox(dave).iter().map(|m| m.payload()[0]).collect();
    opened.sort_unstable();
    // And one more: the healing epoch has to be gone through anyway.
    assert_eq!(
        opened,
        [4, 5, 6, 7, 8],
        "the newest epoch and {window} before it"
    );
    net.now += 60_000;
    net.tick(dave);
    assert_eq!(net.rejections(dave), ["UnknownKey"; 3]);
}

/// A cover that is too long for one packet: a member subscribes the one chunk that its leaf is
/// in, and nothing of the others, also if it was away.
#[test]
fn of_a_chunked_cover_a_member_fetches_one_chunk() {
    const FLEET: u32 = 400;
    let mut net = Net::new();
    let mut fleet = NewGroup::new("fleet", ["fleet/#"]);
    fleet.depth = 11;
    fleet.schedule.cover_limit = 1 << 16;
    let now = net.now / 1000;
    let plan = net.authority.add_group(&fleet, now, &mut net.rng).unwrap();
    net.carry_out(plan);
    let grants = [grant("fleet", Access::BOTH)];
    // Leaves are drawn: of eight devices some are in different chunks.
    let devices: Vec<usize> = (0..8)
        .map(|n| net.enrol(&format!("played-{n}"), &grants))
        .collect();
    let (near, far) = (devices[0], devices[7]);
    let mut members: Vec<MemberNumber> = Vec::new();
    for number in 0..FLEET {
        let mut rng = TestRng::new(u64::from(number) + 5000);
        let object = request_of(&mut rng, number, now);
        let enrolled = net
            .authority
            .enrol(&object, &grants, YEAR, now, &mut net.rng);
        let (enrolled, plan) = enrolled.unwrap();
        net.authority_store.commit(&plan.changes).unwrap();
        members.push(enrolled.number);
    }
    net.tick_authority();
    for device in devices.clone() {
        net.connect(device);
        net.subscribe(device, "fleet/#");
    }
    serve(&mut net);
    net.disconnect(far);

    let every_other: Vec<MemberNumber> = members.iter().copied().step_by(2).collect();
    let plan = net
        .authority
        .remove_all(&every_other, now, &mut net.rng)
        .unwrap();
    let chunks = plan.events.iter().find_map(|event| match event {
        AuthorityEvent::Epoch { chunks, .. } => Some(*chunks),
        _ => None,
    });
    assert!(chunks.unwrap() >= 2, "{chunks:?}");
    net.carry_out(plan);
    net.connect(far);

    let id = net.group("fleet");
    let part = format!("/g/{id}/c/");
    let mut fetched = Vec::new();
    for device in devices {
        let asked = net.devices[device].asked.iter();
        let asked: Vec<&String> = asked.filter(|filter| filter.contains(&part)).collect();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert!(net.retained.contains_key(asked[0]));
        fetched.push(asked[0].clone());
        let still = &net.devices[device].subscriptions;
        assert!(!still.contains(asked[0]), "unsubscribed again");
    }
    fetched.sort();
    fetched.dedup();
    assert!(fetched.len() > 1, "not all in the same chunk");
    net.subscribe(far, "fleet/#");
    net.send(near, "fleet/a", b"to those who are left");
    assert_eq!(net.texts(far), ["to those who are left"]);
}
