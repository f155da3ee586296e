//! Devices whose clock was not set yet (spec/keys.md §8).

use sealmq_core::object::Access;
use sealmq_keys::Publication;
use sealmq_keys::member::{Action, Delivery, Member, MemberEvent, MemberOptions, SealError};
use sealmq_keys::objects::Policy;

use crate::net::{Net, START};

fn leased() -> Policy {
    Policy {
        lease: 600,
        ..Policy::default()
    }
}

fn told(actions: &[Action]) -> Vec<(u64, u64)> {
    let told = actions.iter().filter_map(|action| match action {
        Action::Event(MemberEvent::NoClock { says, passed }) => Some((*says, *passed)),
        _ => None,
    });
    told.collect()
}

/// A device that starts in 1970 follows, asks for a lease, reads and sends as one without a clock;
/// it says so once, and takes the clock when it is set.
#[test]
fn a_clock_from_before_is_no_clock() {
    let mut net = Net::with_policy(leased());
    let device = net.join("device", Access::BOTH);
    let other = net.join("other", Access::BOTH);
    net.send(other, "plant/a", b"with a clock");
    assert_eq!(net.texts(device), ["with a clock"]);
    net.restart(device);
    // Half a day later; what happened meanwhile stands at the broker.
    net.now += 43_200_000;
    net.rotate();
    net.rotate();
    let retained: Vec<_> = net.retained.clone().into_iter().collect();
    let at = |ms: u64| Some(ms);
    let this = &mut net.devices[device];
    this.member.set_uptime(1000);
    for (topic, payload) in &retained {
        let actions = this.member.handle_reserved(topic, payload, at(30_000));
        for action in actions {
            if let Action::Commit(changes) = action {
                sealmq_keys::Store::commit(&mut this.store, &changes).unwrap();
            }
        }
    }
    let actions = this.member.tick(at(31_000));
    let said = told(&actions);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, 31);
    assert!(said[0].1 >= START);
    assert!(told(&this.member.tick(at(32_000))).is_empty(), "once");
    assert_eq!(this.member.clock(at(32_000)), None);
    assert_eq!(net.epoch(device), net.epoch(other), "it follows");
    assert!(matches!(
        net.devices[device].member.check(&net_message(), at(32_000)),
        Err(SealError::NoLease { uptime: true, .. })
    ));
    // It asks as a device without a clock, and is answered.
    let this = &mut net.devices[device];
    let actions = this.member.maintain(at(33_000), &mut this.rng);
    let is_nonce = |p: &&Publication| !p.retain;
    let published = actions.iter().filter_map(|action| match action {
        Action::Publish(publication) => Some(publication),
        _ => None,
    });
    let nonce = published.into_iter().find(is_nonce).unwrap().clone();
    net.act(device, actions);
    let now = net.now / 1000;
    let plan = net
        .authority
        .handle(&nonce.topic, &nonce.payload, now, &mut net.rng);
    for answer in net.withhold(plan.unwrap()) {
        let this = &mut net.devices[device].member;
        let actions = this.handle_reserved(&answer.topic, &answer.payload, at(34_000));
        net.act(device, actions);
    }
    let this = &mut net.devices[device];
    assert!(this.member.check(&net_message(), at(35_000)).is_ok());
    let envelope = net.seal(other, &net_message()).unwrap();
    let opened = net.devices[device]
        .member
        .open("plant/a", &envelope, false, at(36_000));
    assert!(matches!(opened.0, Delivery::Message(_)), "{:?}", opened.0);
    // The clock is set: it counts at once, and the heartbeat that is there renews the lease.
    let now = Some(net.now + 5000);
    let this = &mut net.devices[device];
    assert!(told(&this.member.tick(now)).is_empty());
    assert_eq!(this.member.clock(now), now);
    let result = this.member.check(&net_message(), now);
    assert!(result.is_ok(), "{result:?}");
    // And it is told again should the clock be lost again.
    assert_eq!(told(&this.member.tick(at(1000))).len(), 1);
}

/// What is only a little behind those who sign is a clock; so is one that is ahead.
#[test]
fn a_clock_within_the_skew_stays_one() {
    let mut net = Net::new();
    let device = net.join("device", Access::BOTH);
    let member = &net.devices[device].member;
    let skew = 300_000;
    assert!(member.clock(Some(net.now - skew)).is_some());
    assert!(member.clock(Some(net.now - skew - 1000)).is_none());
    assert!(member.clock(Some(net.now + 365 * 86_400_000)).is_some());
    assert_eq!(member.clock(None), None);
}

/// What the program knows counts also where nothing newer was signed.
#[test]
fn no_clock_is_below_the_time_of_the_program() {
    let mut net = Net::new();
    let device = net.join("device", Access::BOTH);
    let store = &net.devices[device].store;
    let options = MemberOptions {
        clock_floor: START + 86_400,
        ..MemberOptions::default()
    };
    let mut member = Member::load(store, options).unwrap();
    let says = START * 1000 + 3_600_000;
    assert_eq!(
        told(&member.tick(Some(says))),
        [(says / 1000, START + 86_400)]
    );
    assert!(member.clock(Some(says + 86_400_000)).is_some());
}

fn net_message<'a>() -> sealmq_keys::member::OutgoingMessage<'a> {
    sealmq_keys::member::OutgoingMessage::new("plant/a", b"x")
}
