//! Leases at a member: a broker that withholds and replays delays a removal by the lease, and no
//! longer (spec/keys.md §8).

use crate::common::TestRng;
use crate::net::{Net, START, YEAR};
use sealmq_authority::RootKey;
use sealmq_core::object::Access;
use sealmq_keys::member::{Action, Delivery, MemberEvent, OutgoingMessage, SealError};
use sealmq_keys::objects::{Policy, Roles};
use sealmq_keys::{Publication, ReservedTopic, Store};

const LEASE: u32 = 600;

fn leased() -> Policy {
    Policy {
        lease: LEASE,
        grace: 60,
        skew: 30,
        ..Policy::default()
    }
}

fn message() -> OutgoingMessage<'static> {
    OutgoingMessage::new("plant/a", b"x")
}

fn good_until(net: &Net, device: usize) -> Option<u64> {
    net.devices[device]
        .member
        .groups()
        .next()
        .unwrap()
        .good_until
}

#[test]
fn a_withheld_removal_counts_when_the_lease_ends_and_not_a_second_later() {
    let mut net = Net::with_policy(leased());
    let publisher = net.join("publisher", Access::BOTH);
    let reader = net.join("reader", Access::BOTH);
    net.now += 100_000;
    let epoch = net.epoch(reader).unwrap();
    let removed_at = net.now / 1000;
    // The last heartbeat is as new as can be.
    let last = net.heartbeat(epoch, removed_at, u32::MAX >> 1);
    net.publish(last.clone());
    let number = net.number(publisher);
    let plan = net
        .authority
        .remove(number, removed_at, &mut TestRng::new(5));
    let _withheld = net.withhold(plan.unwrap());

    let end = removed_at + u64::from(LEASE);
    assert_eq!(good_until(&net, publisher), Some(end));
    net.now = end * 1000 + 999;
    let sealed = [(); 3].map(|()| net.seal(publisher, &message()).unwrap());
    net.now = (end + 1) * 1000;
    for replay in [true, false] {
        if replay {
            net.publish(last.clone());
        }
        let refused = net.seal(publisher, &message()).unwrap_err();
        assert!(matches!(refused, SealError::LeaseExpired { good_until, .. } if good_until == end));
        assert!(refused.to_string().contains("withholds"));
    }

    let stale = end + 60 + 30;
    net.now = stale * 1000 + 999;
    net.deliver(reader, "plant/a", &sealed[0], false);
    assert_eq!(net.texts(reader), ["x"]);
    net.now = (stale + 1) * 1000;
    net.publish(last);
    for (envelope, restarts) in [(&sealed[1], true), (&sealed[2], false)] {
        // It waits for what would prove the lease, and nothing comes.
        net.deliver(reader, "plant/a", envelope, false);
        net.now += 30_000;
        net.tick(reader);
        assert_eq!(net.rejections(reader), ["Stale"]);
        if restarts {
            net.restart(reader);
        }
    }
    assert!(net.texts(reader).is_empty());
}

#[test]
fn old_heartbeats_and_delegations_change_nothing_and_are_reported_once() {
    let mut net = Net::with_policy(leased());
    let device = net.join("device", Access::BOTH);
    let epoch = net.epoch(device).unwrap();
    let [old, new] = [100, 200].map(|after| net.heartbeat(epoch, START + after, LEASE));
    let foreign = Publication {
        payload: {
            let mut altered = new.payload.clone();
            altered[60] ^= 1;
            altered
        },
        ..new.clone()
    };
    net.now += 200_000;
    for heartbeat in [&old, &new, &old, &foreign, &old] {
        net.publish(heartbeat.clone());
    }
    let end = START + 200 + u64::from(LEASE);
    assert_eq!(good_until(&net, device), Some(end));
    net.restart(device);
    assert_eq!(good_until(&net, device), Some(end), "renewals are stored");

    let first = net.retained[&net.topic(ReservedTopic::Delegation)].clone();
    let root = RootKey::from_seed(&net.root.seed());
    let next = root.delegate(&net.request, 2, START, START + YEAR, Roles::ALL);
    let topic = net.topic(ReservedTopic::Delegation);
    net.deliver(device, &topic, &next.clone().unwrap(), false);
    net.deliver(device, &topic, &first, false);
    net.deliver(device, &topic, &first, false);
    let rollbacks: Vec<_> = net.devices[device]
        .events
        .iter()
        .filter_map(|event| match event {
            MemberEvent::Rollback {
                installed, older, ..
            } => Some((installed.clone(), older.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(
        rollbacks,
        [(new.payload, old.payload), (next.unwrap(), first)]
    );
}

#[test]
fn a_heartbeat_for_a_later_epoch_waits_for_its_announcement() {
    let mut net = Net::with_policy(leased());
    let device = net.join("device", Access::BOTH);
    let before = net.epoch(device).unwrap();
    let plan = net
        .authority
        .rotate("plant", net.now / 1000, &mut TestRng::new(5));
    let withheld = net.withhold(plan.unwrap());
    let group = net.group("plant");
    let topic = net.topic(ReservedTopic::Announcement(group, before + 1));
    let announcement = withheld.into_iter().find(|p| p.topic == topic).unwrap();
    net.retained.insert(topic.clone(), announcement.payload);
    let heartbeat = net.heartbeat(before + 1, START + 50, LEASE);
    net.now += 50_000;
    net.publish(heartbeat.clone());
    net.publish(heartbeat);
    let behind = MemberEvent::Behind {
        group,
        epoch: before + 1,
    };
    assert!(!net.devices[device].events.contains(&behind), "on its way?");
    assert_eq!(good_until(&net, device), Some(START + u64::from(LEASE)));
    // It is asked for, and then the heartbeat counts.
    net.tick(device);
    net.now += 3_000;
    net.tick(device);
    let told = |net: &Net| {
        let events = net.devices[device].events.iter();
        events.filter(|e| **e == behind).count()
    };
    assert_eq!(told(&net), 1);
    net.now += 60_000;
    net.tick(device);
    assert_eq!(told(&net), 1);
    assert_eq!(net.epoch(device), Some(before + 1));
    assert_eq!(
        good_until(&net, device),
        Some(START + 50 + u64::from(LEASE))
    );
}

/// It has that announcement: nothing is withheld, and there is nothing to ask for.
#[test]
fn a_heartbeat_for_an_epoch_that_leaves_a_member_out_is_no_alarm() {
    let mut net = Net::with_policy(leased());
    let device = net.join("device", Access::BOTH);
    net.join("other", Access::BOTH);
    let group = net.group("plant");
    net.remove(device);
    let epoch = net.epoch(device).unwrap() + 1;
    let removed = MemberEvent::Removed { group, epoch };
    assert!(net.devices[device].events.contains(&removed));
    let heartbeat = net.heartbeat(epoch, START + 50, LEASE);
    net.now += 50_000;
    net.publish(heartbeat);
    for _ in 0..3 {
        net.now += 3_000;
        net.tick(device);
    }
    let behind = |event: &MemberEvent| matches!(event, MemberEvent::Behind { .. });
    assert!(!net.devices[device].events.iter().any(behind));
}

/// Lets a device without a clock do what is due, and returns its nonces.
fn nonces(net: &mut Net, device: usize, uptime: u64) -> Vec<Publication> {
    let this = &mut net.devices[device];
    this.member.set_uptime(uptime);
    let actions = this.member.maintain(None, &mut this.rng);
    let nonces = actions.iter().filter_map(|action| match action {
        Action::Publish(publication) if !publication.retain => Some(publication.clone()),
        _ => None,
    });
    let nonces = nonces.collect();
    net.act(device, actions);
    nonces
}

fn answer(net: &mut Net, nonce: &Publication) -> Publication {
    // The authority answers each member at most once in five seconds.
    net.now += 6_000;
    let now = net.now / 1000;
    let plan = net
        .authority
        .handle(&nonce.topic, &nonce.payload, now, &mut TestRng::new(7));
    let plan = plan.unwrap();
    let publications = net.withhold(plan);
    publications.into_iter().next().unwrap()
}

fn give(net: &mut Net, device: usize, publication: &Publication) -> bool {
    let member = &mut net.devices[device].member;
    let installed = member.stats().reserved_installed;
    let actions = member.handle_reserved(&publication.topic, &publication.payload, None);
    let counted = member.stats().reserved_installed > installed;
    net.act(device, actions);
    counted
}

fn seal(net: &mut Net, device: usize) -> Result<Vec<u8>, SealError> {
    let this = &mut net.devices[device];
    let sealed = this.member.seal(&message(), None, &mut this.rng)?;
    this.store.commit(&sealed.changes).unwrap();
    Ok(sealed.payload)
}

#[test]
fn without_a_clock_only_an_answer_to_the_own_nonce_gives_a_lease() {
    let mut net = Net::with_policy(leased());
    let device = net.join("device", Access::BOTH);
    let other = net.join("other", Access::BOTH);
    net.send(other, "plant/a", b"with a clock");
    assert_eq!(net.texts(device), ["with a clock"]);
    net.restart(device);
    let no_uptime = seal(&mut net, device).unwrap_err();
    assert!(matches!(
        no_uptime,
        SealError::NoLease { uptime: false, .. }
    ));
    let envelope = net.seal(other, &message()).unwrap();
    let opened = net.devices[device]
        .member
        .open("plant/a", &envelope, false, None);
    assert!(matches!(opened.0, Delivery::Rejected(rejection) if rejection.name() == "Stale"));

    let asked_at = 5_000;
    let mine = nonces(&mut net, device, asked_at);
    let [nonce] = &mine[..] else {
        panic!("one group, one nonce")
    };
    assert!(
        nonces(&mut net, device, asked_at + 9_999).is_empty(),
        "at most every 10 s"
    );
    let heartbeat = net.heartbeat(net.epoch(device).unwrap(), START, LEASE);
    assert!(
        give(&mut net, device, &heartbeat),
        "the device knows no time"
    );
    assert!(matches!(
        seal(&mut net, device),
        Err(SealError::NoLease { uptime: true, .. })
    ));
    let opened = net.devices[device]
        .member
        .open("plant/a", &envelope, false, None);
    assert!(
        matches!(opened.0, Delivery::Waiting(_)),
        "the answer is on its way"
    );

    // What was meant for another member, and for a nonce that this device did not make.
    let others = nonces(&mut net, other, 0);
    let for_other = answer(&mut net, &others[0]);
    assert!(!give(&mut net, device, &for_other));
    let right = answer(&mut net, nonce);
    let moved = Publication {
        topic: right.topic.clone(),
        ..for_other
    };
    assert!(!give(&mut net, device, &moved));
    // The authority answers nothing that the device has not signed, and nothing twice.
    for payload in [
        vec![7; 16],
        others[0].payload.clone(),
        nonce.payload.clone(),
    ] {
        net.now += 6_000;
        let now = net.now / 1000;
        let topic = &nonce.topic;
        let plan = net
            .authority
            .handle(topic, &payload, now, &mut TestRng::new(7));
        assert!(net.withhold(plan.unwrap()).is_empty());
    }
    assert!(seal(&mut net, device).is_err());

    assert!(give(&mut net, device, &right));
    assert_eq!(net.texts(device), ["x"]);
    assert!(!give(&mut net, device, &right), "each nonce serves once");
    // The lease counts from the nonce, not from the answer.
    let end = asked_at + u64::from(LEASE) * 1000;
    net.devices[device].member.set_uptime(end);
    assert!(seal(&mut net, device).is_ok());
    net.devices[device].member.set_uptime(end + 1);
    assert!(seal(&mut net, device).is_err());
    net.devices[device].member.set_uptime(end + 90_001);
    let late = net.seal(other, &message()).unwrap();
    let opened = net.devices[device]
        .member
        .open("plant/a", &late, false, None);
    assert!(matches!(opened.0, Delivery::Rejected(rejection) if rejection.name() == "Stale"));
}

#[test]
fn an_answer_for_an_older_announcement_gives_no_lease() {
    let mut net = Net::with_policy(leased());
    let device = net.join("device", Access::BOTH);
    net.restart(device);
    let mine = nonces(&mut net, device, 0);
    let old = answer(&mut net, &mine[0]);
    net.rotate();
    let group = net.group("plant");
    let epoch = net.authority.groups().next().unwrap().epoch;
    let topic = net.topic(ReservedTopic::Announcement(group, epoch));
    let newest = Publication::retained(topic.clone(), net.retained[&topic].clone());
    assert!(give(&mut net, device, &newest));
    assert!(!give(&mut net, device, &old));
    assert!(seal(&mut net, device).is_err());
}
