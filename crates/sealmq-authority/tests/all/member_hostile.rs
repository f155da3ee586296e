//! Bad content on reserved topics: delay at worst, never acceptance.

use crate::net::{Net, START, YEAR, grant};
use sealmq_authority::Authority;
use sealmq_core::object::Access;
use sealmq_keys::ReservedTopic;
use sealmq_keys::member::MemberEvent;

/// The reserved topics that concern a device, with what is retained there.
fn reserved(net: &Net, device: usize, epoch: u64, peer: usize) -> Vec<(String, Vec<u8>)> {
    let (group, me) = (net.group("plant"), net.number(device));
    [
        ReservedTopic::Delegation,
        ReservedTopic::Credential(me),
        ReservedTopic::Credential(net.number(peer)),
        ReservedTopic::Welcome(me, group),
        ReservedTopic::Announcement(group, epoch),
        ReservedTopic::RefusedList(group),
    ]
    .map(|topic| (net.topic(topic), net.retained[&net.topic(topic)].clone()))
    .to_vec()
}

/// A device that has seen nothing but its credential file, in a net with every kind of object.
fn fresh() -> (Net, usize, usize, u64) {
    let mut net = Net::new();
    let peer = net.join("peer", Access::BOTH);
    let leaver = net.join("leaver", Access::BOTH);
    net.remove(leaver);
    let device = net.enrol("device", &[grant("plant", Access::BOTH)]);
    net.tick_authority();
    let epoch = net.epoch(peer).unwrap();
    (net, device, peer, epoch)
}

#[test]
fn altered_objects_install_nothing() {
    let (mut net, device, peer, epoch) = fresh();
    let before = net.devices[device].store.0.clone();
    let objects = reserved(&net, device, epoch, peer);
    let mut given = 0;
    for (topic, object) in &objects {
        let mut bad = vec![
            vec![0],
            b"hello".to_vec(),
            vec![0xff; 300],
            vec![0x11; 70_000],
        ];
        bad.extend(
            (0..object.len())
                .step_by(13)
                .map(|len| object[..len].to_vec()),
        );
        bad.extend((0..object.len() * 8).step_by(29).map(|bit| {
            let mut flipped = object.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        }));
        bad.push([object.as_slice(), &[0]].concat());
        // The object of every other topic.
        bad.extend(
            objects
                .iter()
                .filter(|(t, _)| t != topic)
                .map(|(_, o)| o.clone()),
        );
        for payload in bad {
            // Each is reported: the same only once a minute.
            net.now += 60_000;
            net.deliver(device, topic, &payload, true);
            given += 1;
        }
    }
    let this = &net.devices[device];
    assert_eq!(this.history.len(), 1, "nothing was ever committed");
    assert_eq!(this.store.0, before);
    let stats = this.member.stats();
    assert_eq!(stats.reserved_installed, 0);
    assert_eq!(stats.reserved_refused + stats.reserved_ignored, given);
    // Ignored are empty payloads, credentials that nobody asked for, and objects of groups that
    // have no state yet; all else was refused and reported.
    assert!(stats.reserved_refused > given / 2);
    let reported = this
        .events
        .iter()
        .filter(|e| matches!(e, MemberEvent::BadReserved { .. }));
    assert_eq!(reported.count() as u64, stats.reserved_refused);

    // After all that the genuine ones still do.
    net.connect(device);
    net.subscribe(device, "plant/#");
    net.send(peer, "plant/a", b"hello");
    assert_eq!(net.texts(device), ["hello"]);
}

#[test]
fn altered_objects_change_nothing_at_a_running_member() {
    let (mut net, device, peer, epoch) = fresh();
    net.connect(device);
    net.subscribe(device, "plant/#");
    net.send(peer, "plant/a", b"hello");
    net.tick(device);
    // Objects of the next epoch, with a removal, withheld from everybody.
    let leaver = net.join("leaver-2", Access::BOTH);
    let number = net.number(leaver);
    let plan = net.authority.remove(number, START, &mut net.rng).unwrap();
    let next = net.withhold(plan);
    let now = net.epoch(device).unwrap();
    assert!(now > epoch);
    let (before, info) = (
        net.devices[device].store.0.clone(),
        net.devices[device].member.groups().next(),
    );
    for publication in &next {
        let object = &publication.payload;
        for bit in (0..object.len() * 8).step_by(17) {
            let mut flipped = object.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            net.deliver(device, &publication.topic, &flipped, false);
        }
        for len in (0..object.len()).step_by(11) {
            net.deliver(device, &publication.topic, &object[..len], false);
        }
    }
    assert_eq!(net.devices[device].store.0, before);
    assert_eq!(net.devices[device].member.groups().next(), info);
    next.into_iter()
        .for_each(|publication| net.publish(publication));
    assert_eq!(net.epoch(device), Some(now + 1));
    net.send(peer, "plant/a", b"on");
    assert_eq!(net.texts(device), ["hello", "on"]);
}

#[test]
fn another_domains_objects_are_strangers() {
    let (mut net, device, peer, epoch) = fresh();
    let mut other = Net::new();
    other.rng = crate::common::TestRng::new(555);
    let new = sealmq_authority::Authority::create(
        Some(net.authority.prefix()),
        YEAR,
        START,
        &mut other.rng,
    )
    .unwrap();
    other.authority = new.authority;
    other.authority_store = Default::default();
    other.retained.clear();
    other.carry_out(new.plan);
    other.add_group("plant", &["plant/#"], Default::default());
    other.enrol("twin", &[grant("plant", Access::BOTH)]);
    let before = net.devices[device].store.0.clone();
    let foreign: Vec<Vec<u8>> = other.retained.values().cloned().collect();
    assert!(foreign.len() >= 4);
    for (topic, _) in reserved(&net, device, epoch, peer) {
        for object in &foreign {
            net.deliver(device, &topic, object, true);
        }
    }
    assert_eq!(net.devices[device].store.0, before);
    assert_eq!(net.devices[device].history.len(), 1);
}

#[test]
fn an_older_announcement_or_credential_moves_nothing_back() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    for _ in 0..4 {
        net.rotate();
    }
    net.send(bob, "plant/a", b"x");
    net.tick(alice);
    let epoch = net.epoch(alice);
    let before = net.devices[alice].store.0.clone();
    let everything = net.log.clone();
    for publication in everything {
        if publication.topic.starts_with("_sealmq") {
            net.deliver(alice, &publication.topic, &publication.payload, true);
        }
    }
    assert_eq!(net.devices[alice].store.0, before);
    assert_eq!(net.epoch(alice), epoch);
}

#[test]
fn expired_delegations_give_nobody_a_role() {
    let (mut net, device, _, _) = fresh();
    net.now += (YEAR + 1) * 1000;
    net.connect(device);
    assert_eq!(net.epoch(device), None);
    assert!(net.devices[device].member.stats().reserved_refused > 0);
}

/// An epoch that both the authority and a thief with its store have begun, its topic, and the
/// thief's announcement, which the broker does not have.
fn forked(net: &mut Net) -> (u64, String, Vec<u8>) {
    let mut thief = Authority::load(&net.authority_store.clone()).unwrap();
    let forged = thief
        .rotate(
            "plant",
            net.now / 1000,
            &mut crate::common::TestRng::new(4711),
        )
        .unwrap();
    net.rotate();
    let epoch = net.authority.groups().next().unwrap().epoch;
    let topic = net.topic(ReservedTopic::Announcement(net.group("plant"), epoch));
    let forged = forged.publications.iter().find(|p| p.topic == topic);
    (epoch, topic.clone(), forged.unwrap().payload.clone())
}

#[test]
fn a_fork_of_an_epoch_before_the_newest_welcome_is_reported() {
    let mut net = Net::new();
    let device = net.join("alice", Access::BOTH);
    let (epoch, topic, forged) = forked(&mut net);

    // A welcome into a new tree: the base is above the epoch, which is still in the window.
    let plan = net
        .authority
        .renew_generation("plant", net.now / 1000, &mut net.rng)
        .unwrap();
    net.carry_out(plan);
    net.tick_authority();
    crate::net::serve::settle(&mut net);
    net.tick_authority();
    assert_eq!(net.epoch(device), Some(epoch + 2));
    let generation = |event: &MemberEvent| matches!(event, MemberEvent::Joined { .. });
    let joined = net.devices[device].events.iter();
    assert_eq!(joined.filter(|event| generation(event)).count(), 2);

    let before = net.devices[device].events.len();
    net.deliver(device, &topic, &forged, true);
    let reported = &net.devices[device].events[before..];
    assert!(
        reported
            .iter()
            .any(|event| matches!(event, MemberEvent::Fork { epoch: at, evidence, .. } if *at == epoch && *evidence == forged)),
        "{reported:?}"
    );
    // The genuine one again is no alarm.
    let before = net.devices[device].events.len();
    let genuine = net.retained[&topic].clone();
    net.deliver(device, &topic, &genuine, true);
    assert_eq!(net.devices[device].events.len(), before);
}

/// A broker that repeats the same for ever gives an application one event a minute for each
/// thing; everything is counted, and garbage silences no alarm.
#[test]
fn repetition_does_not_flood() {
    const TIMES: u64 = 2000;
    let mut net = Net::new();
    let device = net.join("alice", Access::BOTH);
    let (_, fork, forged) = forked(&mut net);

    net.devices[device].events.clear();
    let group = net.group("plant");
    for number in 0..TIMES {
        // Anybody can think of many topics.
        let made_up = net.topic(ReservedTopic::Announcement(group, 1_000 + number));
        net.deliver(device, &made_up, b"garbage", true);
        net.deliver(device, &fork, &forged, true);
    }
    let events = &net.devices[device].events;
    let forks = |events: &[MemberEvent]| {
        let is_fork = |event: &&MemberEvent| matches!(event, MemberEvent::Fork { .. });
        events.iter().filter(is_fork).count()
    };
    assert_eq!(forks(events), 1);
    assert!(events.len() <= 257, "{}", events.len());
    let refused = net.devices[device].member.stats().reserved_refused;
    assert_eq!(refused, 2 * TIMES);

    net.devices[device].events.clear();
    net.now += 60_000;
    for _ in 0..TIMES {
        net.deliver(device, &fork, &forged, true);
    }
    let events = &net.devices[device].events;
    assert_eq!((forks(events), events.len()), (1, 2), "a minute later");
}
