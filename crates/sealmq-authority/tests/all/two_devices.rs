//! Two machines from one copied store (spec/envelope.md §11): both are read, readers tell, and the
//! authority shows it. And what never tells.

mod honest;
mod reports;

use sealmq_authority::What;
use sealmq_core::MemberNumber;
use sealmq_core::object::Access;
use sealmq_keys::member::{Delivery, Member, MemberEvent, MemberOptions, OutgoingMessage};
use sealmq_keys::objects::{DevicesSign, Policy};
use sealmq_keys::{Publication, Store as _};

use crate::common::TestRng;
use crate::member_insiders::in_the_name_of;
use crate::net::serve::{serve, settle};
use crate::net::{Device, Net};

/// A machine that starts from a copy of a device's store.
fn copy(net: &mut Net, device: usize) -> usize {
    let changes = net.devices[device].member.flush();
    net.devices[device].store.commit(&changes).unwrap();
    let store = net.devices[device].store.clone();
    let options = net.devices[device].member.options().clone();
    net.devices.push(Device {
        member: Member::load(&store, options).unwrap(),
        history: vec![store.clone()],
        store,
        rng: TestRng::new(900 + net.devices.len() as u64),
        online: false,
        subscriptions: Default::default(),
        asked: Vec::new(),
        inbox: Vec::new(),
        events: Vec::new(),
        rejected: Vec::new(),
    });
    let twin = net.devices.len() - 1;
    net.connect(twin);
    twin
}

/// What a device was told of others: of whom, and why.
fn told(net: &Net, device: usize) -> Vec<(MemberNumber, DevicesSign)> {
    let tell = |event: &MemberEvent| match event {
        MemberEvent::TwoDevices { member, sign, .. } => Some((*member, *sign)),
        _ => None,
    };
    net.devices[device].events.iter().filter_map(tell).collect()
}

/// Each reporter of a member, as an operator sees it; and how many have proof.
fn listed(net: &Net, member: MemberNumber) -> Option<(Vec<MemberNumber>, usize)> {
    let mut members = net.authority.members();
    let said = members.find(|m| m.number == member)?.two_devices?;
    Some((said.reporters, said.with_proof))
}

/// Of whom the log says it, and who said it.
fn logged(net: &Net) -> Vec<(MemberNumber, MemberNumber)> {
    let entries = sealmq_authority::Authority::audit_log(&net.authority_store).unwrap();
    let said = |entry: &Vec<u8>| match sealmq_authority::Entry::decode(entry).unwrap().what {
        What::TwoDevices { member, by } => Some((member, by)),
        _ => None,
    };
    entries.iter().filter_map(said).collect()
}

fn value(net: &mut Net, device: usize, text: &str) {
    let message = OutgoingMessage::new("plant/v", text.as_bytes()).retained();
    let payload = net.seal(device, &message).unwrap();
    net.publish(Publication::retained("plant/v", payload));
}

#[test]
fn two_machines_from_one_store_are_both_read_and_told_of() {
    let mut net = Net::new();
    let readers = [
        net.join("reader", Access::BOTH),
        net.join("other", Access::SUBSCRIBE),
    ];
    let sensor = net.join("sensor", Access::PUBLISH);
    let (number, group) = (net.number(sensor), net.group("plant"));
    let twin = copy(&mut net, sensor);
    settle(&mut net);
    assert_eq!(listed(&net, number), None);
    // Powered on together: one number, two sessions.
    let mut expected = Vec::new();
    for n in 0..4 {
        for machine in [sensor, twin] {
            let text = format!("{n} of {machine}");
            net.send(machine, "plant/a", text.as_bytes());
            expected.push(text);
        }
        net.now += 1000;
    }
    for reader in readers {
        assert_eq!(net.texts(reader), expected, "nothing is lost");
        assert_eq!(told(&net, reader), [(number, DevicesSign::SharedNumber)]);
        let event = net.devices[reader].events.iter();
        let event = event.rev().find_map(|event| match event {
            MemberEvent::TwoDevices {
                name,
                group,
                first,
                second,
                ..
            } => Some((name.as_str(), *group, *first, *second)),
            _ => None,
        });
        let (name, of, first, second) = event.unwrap();
        assert_eq!((name, of), ("sensor", group));
        assert_eq!(first.session, second.session);
        assert_ne!(first.enc, second.enc);
        assert!(first.sent_at.is_some() && second.sent_at.is_some());
    }
    // Nobody else is told, and the authority hears of it once, whatever comes again.
    assert_eq!((told(&net, sensor), told(&net, twin)), (vec![], vec![]));
    let by = readers.map(|reader| net.number(reader));
    for _ in 0..3 {
        serve(&mut net);
        assert_eq!(listed(&net, number), Some((by.to_vec(), 2)));
    }
    assert_eq!(logged(&net), [(number, by[0])]);
    // It is durable on both sides: a confirmation after a start says it, too.
    net.restart(readers[0]);
    net.connect(readers[0]);
    net.authority = sealmq_authority::Authority::load(&net.authority_store).unwrap();
    serve(&mut net);
    assert_eq!(listed(&net, number), Some((by.to_vec(), 2)));
    assert_eq!(logged(&net).len(), 1);
    // The remedy.
    net.remove(sensor);
    assert_eq!(listed(&net, number), None);
    let anew = net.join("sensor", Access::PUBLISH);
    settle(&mut net);
    assert_eq!(listed(&net, net.number(anew)), None);
}

/// It ends with the credential that it is about; if both go on, it is told again.
#[test]
fn a_new_credential_ends_what_was_said_until_it_is_seen_again() {
    let mut net = Net::new();
    let reader = net.join("reader", Access::BOTH);
    let sensor = net.join("sensor", Access::PUBLISH);
    let (number, by) = (net.number(sensor), net.number(reader));
    let twin = copy(&mut net, sensor);
    let talk = |net: &mut Net| {
        for machine in [sensor, twin] {
            net.send(machine, "plant/a", b"x");
        }
        net.texts(reader);
        serve(net);
    };
    talk(&mut net);
    assert_eq!(listed(&net, number), Some((vec![by], 1)));
    for round in 2..4 {
        net.now += 3_600_000;
        let plan = net.authority.renew(number, 86_400 * 90, net.now / 1000);
        net.carry_out(plan.unwrap());
        assert_eq!(listed(&net, number), None);
        serve(&mut net);
        assert_eq!(
            listed(&net, number),
            None,
            "an old confirmation says nothing new"
        );
        net.rotate();
        talk(&mut net);
        assert_eq!(told(&net, reader).len(), round);
        assert_eq!(listed(&net, number), Some((vec![by], 1)));
    }
    assert_eq!(logged(&net), [(number, by); 3]);
    // A recovery gives new credentials to all.
    net.recover();
    assert_eq!(listed(&net, number), None);
}

/// Started at other times they take other numbers, and turns.
#[test]
fn machines_with_clocks_take_turns() {
    let mut net = Net::new();
    let reader = net.join("reader", Access::BOTH);
    let sensor = net.join("sensor", Access::PUBLISH);
    let number = net.number(sensor);
    let twin = copy(&mut net, sensor);
    let mut seen = Vec::new();
    for n in 0..8_u8 {
        net.now += 20_000;
        let machine = if n % 2 == 0 { sensor } else { twin };
        net.send(machine, "plant/a", &[n]);
        assert_eq!(net.inbox(reader).len(), 1, "message {n}");
        seen.push(told(&net, reader).len());
    }
    // One that goes back could be one that was held back: the second one tells.
    assert_eq!(seen, [0, 0, 0, 0, 1, 1, 1, 1]);
    assert_eq!(told(&net, reader), [(number, DevicesSign::Turns)]);
    serve(&mut net);
    let by = net.number(reader);
    assert_eq!(listed(&net, number), Some((vec![by], 0)), "no proof");
    // With the next epoch both begin a session in the same second: that is one.
    net.rotate();
    for machine in [sensor, twin] {
        net.send(machine, "plant/a", b"x");
    }
    assert_eq!(told(&net, reader).len(), 2);
    net.now += 700_000;
    settle(&mut net);
    assert_eq!(listed(&net, number), Some((vec![by], 1)));
    assert_eq!(logged(&net).len(), 1);
}

/// State has one order, so one of the two is not shown: but its reader is told.
#[test]
fn what_is_refused_of_state_tells() {
    for same_second in [false, true] {
        let mut net = Net::new();
        let reader = net.join("reader", Access::BOTH);
        let sensor = net.join("sensor", Access::PUBLISH);
        let twin = copy(&mut net, sensor);
        for n in 0..4 {
            for machine in [sensor, twin] {
                value(&mut net, machine, &format!("{n} of {machine}"));
                net.now += if same_second { 0 } else { 2000 };
            }
            net.now += 1000;
        }
        let sign = match same_second {
            true => DevicesSign::SharedNumber,
            false => DevicesSign::Turns,
        };
        assert_eq!(told(&net, reader), [(net.number(sensor), sign)]);
        // Replays of both tell nothing more, and change nothing.
        let texts = net.texts(reader);
        assert!((4..8).contains(&texts.len()), "{texts:?}");
        let log: Vec<_> = net
            .log
            .iter()
            .filter(|p| p.topic == "plant/v")
            .cloned()
            .collect();
        for publication in log {
            net.deliver(reader, "plant/v", &publication.payload, false);
        }
        assert!(net.texts(reader).is_empty());
        assert_eq!(told(&net, reader).len(), 1);
    }
}

/// Without clocks numbers count up, so that they meet.
#[test]
fn machines_without_clocks_share_numbers() {
    let mut net = Net::with_policy(Policy {
        lease: 3600,
        ..Policy::default()
    });
    let reader = net.join("reader", Access::BOTH);
    let sensor = net.join("sensor", Access::PUBLISH);
    let number = net.number(sensor);
    let twin = copy(&mut net, sensor);
    let send = |net: &mut Net, machine: usize, text: &str| {
        let this = &mut net.devices[machine];
        let message = OutgoingMessage::new("plant/a", text.as_bytes());
        let sealed = this.member.seal(&message, None, &mut this.rng).unwrap();
        this.store.commit(&sealed.changes).unwrap();
        net.deliver(reader, "plant/a", &sealed.payload, false);
    };
    for machine in [sensor, twin] {
        net.prove_lease(machine);
        // A nonce counts once, and an answer comes every few seconds.
        net.authority = sealmq_authority::Authority::load(&net.authority_store).unwrap();
        net.now += 6_000;
    }
    let mut expected = Vec::new();
    for n in 0..4 {
        for machine in [sensor, twin] {
            let text = format!("{n} of {machine}");
            send(&mut net, machine, &text);
            expected.push(text);
        }
        // The reader restarts between: what replay protection keeps tells all the same.
        net.restart(reader);
        net.connect(reader);
    }
    assert_eq!(net.texts(reader), expected);
    // Each run of the program tells what it sees.
    assert!(!told(&net, reader).is_empty());
    assert!(
        told(&net, reader)
            .iter()
            .all(|seen| *seen == (number, DevicesSign::SharedNumber))
    );
    serve(&mut net);
    let by = net.number(reader);
    assert_eq!(listed(&net, number), Some((vec![by], 1)));
}

/// A reader restarts between the two machines' first messages.
#[test]
fn a_restart_of_the_reader_hides_no_shared_number() {
    let mut net = Net::new();
    let reader = net.join("reader", Access::BOTH);
    let sensor = net.join("sensor", Access::PUBLISH);
    let twin = copy(&mut net, sensor);
    net.send(sensor, "plant/a", b"one");
    net.restart(reader);
    net.connect(reader);
    net.subscribe(reader, "plant/#");
    assert_eq!(told(&net, reader), []);
    net.send(twin, "plant/a", b"two");
    assert_eq!(net.texts(reader), ["one", "two"]);
    assert_eq!(told(&net, reader).len(), 1);
}

/// Nobody is framed: not by an insider who knows the group's keys, nor by a stranger's replays.
#[test]
fn insiders_and_replays_frame_nobody() {
    let mut net = Net::new();
    let reader = net.join("reader", Access::BOTH);
    let bob = net.join("bob", Access::BOTH);
    let eve = net.join("eve", Access::BOTH);
    let number = net.number(bob);
    // Bob's session has the number of the insider's.
    net.now += 1000;
    for n in 0..6_u8 {
        net.now += 1000;
        net.send(bob, "plant/a", &[n]);
        for _ in 0..3 {
            for forged in in_the_name_of(&net, eve, number.0..number.0 + 1) {
                net.deliver(reader, "plant/a", &forged, false);
            }
        }
        if n == 2 {
            net.restart(bob);
            net.connect(bob);
        }
    }
    let log: Vec<_> = net
        .log
        .iter()
        .filter(|p| p.topic == "plant/a")
        .cloned()
        .collect();
    for publication in log.iter().chain(log.iter().rev()) {
        net.deliver(reader, "plant/a", &publication.payload, false);
        net.deliver(reader, "plant/a", &publication.payload, true);
    }
    assert_eq!(net.inbox(reader).len(), 6);
    assert_eq!(told(&net, reader), []);
}

/// Own messages that come back are no sign, also where an application takes them.
#[test]
fn a_member_does_not_report_itself() {
    let mut net = Net::new();
    let options = MemberOptions {
        accept_own: true,
        ..MemberOptions::default()
    };
    let sensor = net.join_with("sensor", Access::BOTH, options);
    let twin = copy(&mut net, sensor);
    net.subscribe(twin, "plant/#");
    for _ in 0..3 {
        for machine in [sensor, twin] {
            net.send(machine, "plant/a", b"x");
        }
    }
    assert_eq!((told(&net, sensor), told(&net, twin)), (vec![], vec![]));
    let (opened, _) = {
        let envelope = net
            .seal(twin, &OutgoingMessage::new("plant/a", b"y"))
            .unwrap();
        let now = Some(net.now);
        net.devices[sensor]
            .member
            .open("plant/a", &envelope, false, now)
    };
    assert!(matches!(opened, Delivery::Message(_)));
}
