//! Changes of generation as members live through them (spec/keys.md §6).

use crate::common::request;
use crate::net::serve::{days, generations, group, renew, serve, settle, talk};
use crate::net::{Device, Net, YEAR, grant};
use sealmq_authority::{Authority, AuthorityError, NewGroup};
use sealmq_core::DomainId;
use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_keys::member::{Delivery, Member};
use sealmq_keys::{ReservedTopic, Store};

const DAY: u64 = 86_400;

#[test]
fn members_move_one_by_one_and_messages_go_on() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::SUBSCRIBE);
    let bob = net.join("bob", Access::PUBLISH);
    let carol = net.join("carol", Access::SUBSCRIBE);
    settle(&mut net);
    net.disconnect(carol);

    renew(&mut net);
    assert_eq!(generations(&net), [1, 2]);
    let again = net
        .authority
        .renew_generation("plant", net.now / 1000, &mut net.rng);
    assert_eq!(again.err(), Some(AuthorityError::Moving("plant".into())));
    // They make packages for it. One is away: the others are moved together, after a while.
    settle(&mut net);
    assert_eq!(group(&net).moved, 0);
    net.now += 600_000;
    net.tick_authority();
    talk(&mut net, bob, &[alice], "both have a welcome");
    settle(&mut net);
    assert_eq!((generations(&net), group(&net).moved), (vec![1, 2], 2));

    // Carol holds the old one up; rotations and removals go on meanwhile.
    let dave = net.join("dave", Access::BOTH);
    net.rotate();
    net.remove(dave);
    net.rotate();
    talk(&mut net, bob, &[alice], "after a removal");
    settle(&mut net);
    assert_eq!(generations(&net), [1, 2]);

    net.connect(carol);
    net.subscribe(carol, "plant/#");
    talk(&mut net, bob, &[alice, carol], "carol is back");
    settle(&mut net);
    settle(&mut net);
    assert_eq!(generations(&net), [2]);
    talk(&mut net, bob, &[alice, carol], "one tree");
    net.rotate();
    talk(&mut net, bob, &[alice, carol], "the next epoch");
    assert_eq!(group(&net).moved, 3);
}

/// A member that slept through two generations finds its welcome of the first, learns that it is
/// over, and gets another one by publishing packages.
#[test]
fn a_straggler_gets_its_welcome_after_the_deadline() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let dave = net.join("dave", Access::SUBSCRIBE);
    serve(&mut net);
    net.disconnect(dave);
    for number in [2, 3] {
        settle(&mut net);
        renew(&mut net);
        settle(&mut net);
        assert_eq!(generations(&net), [number - 1, number]);
        let epoch = group(&net).epoch;
        for _ in 0..29 {
            days(&mut net, 1);
        }
        assert_eq!(generations(&net), [number - 1, number]);
        days(&mut net, 1);
        assert_eq!(generations(&net), [number], "the deadline");
        assert_eq!(group(&net).epoch, epoch + 30);
    }
    net.connect(dave);
    net.subscribe(dave, "plant/#");
    net.send(alice, "plant/a", b"without dave");
    assert!(net.texts(dave).is_empty());
    settle(&mut net);
    settle(&mut net);
    net.inbox(dave);
    talk(&mut net, alice, &[dave], "with dave");
    settle(&mut net);
    assert_eq!(group(&net).moved, 2);
}

/// Whoever was removed, with everything that it ever stored and everything that it can receive,
/// before, in the middle of, and after a change of generation.
#[test]
fn removed_members_open_nothing_later_across_generations() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let sleeper = net.join("sleeper", Access::SUBSCRIBE);
    let eves: Vec<usize> = ["eve-1", "eve-2", "eve-3"]
        .map(|name| net.join(name, Access::SUBSCRIBE))
        .to_vec();
    settle(&mut net);
    net.disconnect(sleeper);
    net.remove(eves[0]);
    renew(&mut net);
    net.remove(eves[1]);
    settle(&mut net);
    net.remove(eves[2]);
    net.rotate();
    days(&mut net, 30);
    assert_eq!(generations(&net), [2]);
    renew(&mut net);
    settle(&mut net);

    let message = net.send(alice, "plant/a", b"secret");
    let now = Some(net.now);
    for eve in eves {
        let Device {
            history, member, ..
        } = &net.devices[eve];
        let options = member.options().clone();
        for store in history {
            let mut eve = Member::load(store, options.clone()).unwrap();
            for publication in &net.log {
                if eve.is_reserved(&publication.topic) {
                    drop(eve.handle_reserved(&publication.topic, &publication.payload, now));
                }
            }
            let (opened, _) = eve.open("plant/a", &message, false, now);
            assert!(!matches!(opened, Delivery::Message(_)));
        }
    }
    net.connect(sleeper);
    settle(&mut net);
    settle(&mut net);
    net.subscribe(sleeper, "plant/#");
    talk(
        &mut net,
        alice,
        &[sleeper],
        "the sleeper is no victim of it",
    );
}

/// The authority is killed and loaded between any two calls.
#[test]
fn a_move_is_the_same_whoever_is_reloaded() {
    let run = |reload: bool| {
        let mut net = Net::new();
        let step = |net: &mut Net| {
            if reload {
                net.authority = Authority::load(&net.authority_store).unwrap();
            }
        };
        let alice = net.join("alice", Access::BOTH);
        step(&mut net);
        let bob = net.join("bob", Access::BOTH);
        step(&mut net);
        settle(&mut net);
        net.disconnect(bob);
        let now = net.now / 1000;
        let plan = net.authority.renew_generation("plant", now, &mut net.rng);
        net.carry_out(plan.unwrap());
        for day in 0..32 {
            step(&mut net);
            settle(&mut net);
            step(&mut net);
            if day == 3 {
                let carol = net.join("carol", Access::PUBLISH);
                step(&mut net);
                net.remove(carol);
            }
            days(&mut net, 1);
        }
        net.connect(bob);
        net.subscribe(bob, "plant/#");
        for _ in 0..2 {
            step(&mut net);
            settle(&mut net);
        }
        talk(&mut net, alice, &[bob], "done");
        assert_eq!((generations(&net), group(&net).moved), (vec![2], 2));
        (format!("{:?}", group(&net)), net.retained)
    };
    let (straight, reloaded) = (run(false), run(true));
    assert_eq!(straight.0, reloaded.0);
    assert_eq!(
        straight.1.keys().collect::<Vec<_>>(),
        reloaded.1.keys().collect::<Vec<_>>()
    );
    assert!(straight.1 == reloaded.1, "the same bytes");
}

/// A fleet moves in bounded steps, and shares one epoch.
#[test]
fn a_large_group_moves_in_several_ticks() {
    let mut net = Net::new();
    let mut fleet = NewGroup::new("fleet", ["fleet/#"]);
    fleet.depth = 13;
    let now = net.now / 1000;
    let plan = net.authority.add_group(&fleet, now, &mut net.rng).unwrap();
    net.carry_out(plan);
    let members = 1100_u32;
    let domain = net.devices.first().map(|d| d.member.domain());
    let domain = domain.unwrap_or_else(|| DomainId::of_root(&net.root.verifying_key()));
    let mut fleet = Vec::new();
    for number in 0..members {
        let device = crate::common::device::Device::numbered(number, Suite::One, domain);
        let first = [
            device.package(1, now, now + DAY),
            device.package(2, now, now + DAY),
        ];
        let object = device.request_with(&format!("device-{number}"), &first, now);
        let grants = [grant("fleet", Access::SUBSCRIBE)];
        let enrolled = net
            .authority
            .enrol(&object, &grants, YEAR, now, &mut net.rng);
        let (enrolled, plan) = enrolled.unwrap();
        net.authority_store.commit(&plan.changes).unwrap();
        fleet.push((enrolled.number, device));
    }
    net.tick_authority();
    let info = |net: &Net| net.authority.groups().find(|g| g.name == "fleet").unwrap();
    let epoch = info(&net).epoch;
    let plan = net.authority.renew_generation("fleet", now, &mut net.rng);
    net.carry_out(plan.unwrap());
    net.tick_authority();
    assert_eq!(info(&net).epoch, epoch + 1, "it is announced");
    let epoch = epoch + 1;
    for (number, device) in &fleet {
        let topic = net.topic(ReservedTopic::Packages(*number));
        let set = device.package_set(&[device.package(3, now, now + DAY)]);
        let plan = net.authority.handle(&topic, &set, now, &mut net.rng);
        net.authority_store.commit(&plan.unwrap().changes).unwrap();
    }

    let welcomes = |net: &mut Net| {
        let plan = net.authority.tick(now, &mut net.rng).unwrap();
        net.authority_store.commit(&plan.changes).unwrap();
        let topics = plan.publications.iter().map(|p| p.topic.contains("/w/"));
        topics.filter(|is_welcome| *is_welcome).count()
    };
    assert_eq!(welcomes(&mut net), 1024);
    assert_eq!(info(&net).epoch, epoch, "the others are waited for");
    assert!(net.authority.next_due().unwrap() <= now);
    assert_eq!(welcomes(&mut net), 76);
    assert_eq!(info(&net).epoch, epoch + 1);
    assert_eq!(welcomes(&mut net), 0);
    assert!(net.authority.next_due().unwrap() > now);
}

/// A tree that fills up, or whose covers or healing log grow, is replaced by itself.
#[test]
fn limits_begin_a_generation() {
    let mut net = Net::new();
    let new = |net: &mut Net, name: &str, change: &dyn Fn(&mut NewGroup)| {
        let mut group = NewGroup::new(name, [format!("{name}/#")]);
        group.depth = 8;
        change(&mut group);
        let plan = net
            .authority
            .add_group(&group, net.now / 1000, &mut net.rng);
        net.carry_out(plan.unwrap());
    };
    new(&mut net, "full", &|group| group.depth = 3);
    new(&mut net, "cover", &|group| group.schedule.cover_limit = 10);
    new(&mut net, "healings", &|group| {
        group.schedule.healing_limit = 2
    });
    new(&mut net, "age", &|group| {
        group.schedule.generation_every = 3 * DAY
    });
    let now = net.now / 1000;
    let enrol = |net: &mut Net, seed: u8, group: &str| {
        let object = request(seed, &format!("device-{seed}"), 1, now);
        let grants = [grant(group, Access::SUBSCRIBE)];
        let enrolled = net
            .authority
            .enrol(&object, &grants, YEAR, now, &mut net.rng);
        let (enrolled, plan) = enrolled.unwrap();
        net.carry_out(plan);
        enrolled.number
    };
    for seed in 1..=4 {
        enrol(&mut net, seed, "full");
    }
    let removed = [enrol(&mut net, 5, "cover"), enrol(&mut net, 6, "cover")];
    let plan = net.authority.remove_all(&removed, now, &mut net.rng);
    net.carry_out(plan.unwrap());
    for _ in 0..2 {
        let plan = net.authority.heal("healings", now, &mut net.rng);
        net.carry_out(plan.unwrap());
    }
    let newest = |net: &Net, name: &str| {
        let group = net.authority.groups().find(|g| g.name == name).unwrap();
        let newest = group.generations.last().unwrap();
        (newest.number, newest.depth)
    };
    net.tick_authority();
    assert_eq!(newest(&net, "full"), (2, 4), "deeper");
    assert_eq!(newest(&net, "cover"), (2, 8));
    assert_eq!(newest(&net, "healings"), (2, 8));
    assert_eq!(newest(&net, "age"), (1, 8));
    days(&mut net, 3);
    assert_eq!(newest(&net, "age"), (2, 8));
    assert_eq!(newest(&net, "plant"), (1, 8));
    // Healing announcements go with the generation that needed them.
    days(&mut net, 1);
    let healings = net.group("healings");
    let retained = net
        .retained
        .keys()
        .filter(|topic| topic.contains(&format!("{healings}/a/")));
    assert_eq!(retained.count(), 3);
}

/// A store that was copied late in a generation, with all that a thief can record: it opens
/// nothing after everyone has moved to the next one (spec/keys.md §6).
#[test]
fn a_copied_store_opens_nothing_of_the_next_generation() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let bob = net.join("bob", Access::BOTH);
    for _ in 0..3 {
        settle(&mut net);
        days(&mut net, 1);
    }
    talk(&mut net, alice, &[bob], "alice is known");
    let copy = net.devices[bob].store.clone();
    let opens = |net: &Net, message: &[u8]| {
        let now = Some(net.now);
        let options = net.devices[bob].member.options().clone();
        let mut thief = Member::load(&copy, options).unwrap();
        for publication in &net.log {
            if thief.is_reserved(&publication.topic) {
                drop(thief.handle_reserved(&publication.topic, &publication.payload, now));
            }
        }
        let (opened, _) = thief.open("plant/a", message, false, now);
        matches!(opened, Delivery::Message(_))
    };
    let before = net.send(alice, "plant/a", b"before");
    assert!(opens(&net, &before));
    assert_eq!(net.texts(bob), ["before"]);

    renew(&mut net);
    settle(&mut net);
    // The broker keeps bob's confirmation to itself: the old tree lives on.
    let confirm = net.topic(ReservedTopic::Confirm(net.devices[bob].member.number()));
    for day in 0..30 {
        net.retained.remove(&confirm);
        serve(&mut net);
        assert_eq!(generations(&net), [1, 2], "day {day}");
        assert_eq!(group(&net).moved, 1);
        days(&mut net, 1);
    }
    assert_eq!(generations(&net), [2], "the deadline");
    talk(&mut net, alice, &[bob], "both go on");
    let after = net.send(alice, "plant/a", b"after");
    assert!(!opens(&net, &after));
}
