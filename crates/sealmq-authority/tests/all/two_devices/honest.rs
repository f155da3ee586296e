//! One machine, whatever happens to it and to what it sends, is never taken for two.

use sealmq_core::object::Access;
use sealmq_keys::Publication;
use sealmq_keys::member::OutgoingMessage;

use super::told;
use crate::net::Net;

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// What the machine seals next: an event, a value, or a will.
fn seal(net: &mut Net, sensor: usize, dice: &mut Dice) -> Publication {
    let topic = ["plant/a", "plant/b"][usize::from(dice.below(2) == 0)];
    let kind = dice.below(12);
    let message = OutgoingMessage {
        retain: kind < 4,
        will: kind == 0,
        announce_credential: dice.below(4) == 0,
        ..OutgoingMessage::new(topic, b"x")
    };
    let payload = net.seal(sensor, &message).unwrap();
    Publication {
        topic: topic.into(),
        payload,
        retain: kind < 4,
    }
}

/// Restarts, crashes, rotations, renewals; what it sends comes late, twice, in any order, and as
/// retained again and again; its clock stands still, and is set forward.
#[test]
fn restarts_crashes_delays_and_replays_tell_nothing() {
    for seed in 0..24 {
        let mut dice = Dice(seed);
        let mut net = Net::new();
        let reader = net.join("reader", Access::SUBSCRIBE);
        let sensor = net.join("sensor", Access::PUBLISH);
        let mut sent: Vec<Publication> = Vec::new();
        for _ in 0..250 {
            net.now += [0, 1, 400, 5_000, 90_000][dice.below(5) as usize];
            match dice.below(30) {
                0 => {
                    net.restart(sensor);
                    net.connect(sensor);
                }
                1 => {
                    net.crash(sensor);
                    net.connect(sensor);
                }
                2 => {
                    net.restart(reader);
                    net.connect(reader);
                }
                3 => net.rotate(),
                4 => {
                    let number = net.number(sensor);
                    let plan = net.authority.renew(number, 86_400 * 90, net.now / 1000);
                    net.carry_out(plan.unwrap());
                }
                _ => {}
            }
            let publication = seal(&mut net, sensor, &mut dice);
            sent.push(publication);
            // Some of the newest, and now and then an old one.
            for _ in 0..dice.below(4) {
                let span = if dice.below(5) == 0 {
                    sent.len()
                } else {
                    sent.len().min(12)
                };
                let back = dice.below(span as u64) as usize;
                let one = sent[sent.len() - 1 - back].clone();
                let retained = one.retain && dice.below(2) == 0;
                net.deliver(reader, &one.topic, &one.payload, retained);
            }
        }
        assert!(net.inbox(reader).len() > 100, "seed {seed}");
        assert_eq!(told(&net, reader), [], "seed {seed}");
    }
}

/// A clock that is set back, in one run and between two, while messages come in order.
#[test]
fn a_clock_that_is_set_back_tells_nothing() {
    for seed in 0..24 {
        let mut dice = Dice(1000 + seed);
        let mut net = Net::new();
        let reader = net.join("reader", Access::SUBSCRIBE);
        let sensor = net.join("sensor", Access::PUBLISH);
        net.now += 3_600_000;
        for _ in 0..200 {
            net.now += dice.below(30_000);
            match dice.below(12) {
                0 => net.now -= dice.below(120_000),
                1 => {
                    net.now -= dice.below(120_000);
                    net.crash(sensor);
                    net.connect(sensor);
                }
                2 => net.rotate(),
                _ => {}
            }
            let one = seal(&mut net, sensor, &mut dice);
            net.deliver(reader, &one.topic, &one.payload, false);
        }
        assert!(net.inbox(reader).len() > 100, "seed {seed}");
        assert_eq!(told(&net, reader), [], "seed {seed}");
    }
}

/// A store that was put back, on a device whose clock is right, begins above all numbers before.
#[test]
fn a_store_that_is_put_back_with_a_clock_tells_nothing() {
    let mut net = Net::new();
    let reader = net.join("reader", Access::SUBSCRIBE);
    let sensor = net.join("sensor", Access::PUBLISH);
    let backup = net.devices[sensor].store.clone();
    for round in 0..4_u8 {
        for n in 0..5_u8 {
            net.now += 1_000;
            net.send(sensor, "plant/a", &[round, n]);
        }
        net.rotate();
        net.devices[sensor].store = backup.clone();
        net.crash(sensor);
        net.now += 1_000;
        net.connect(sensor);
        let topics: Vec<_> = net.devices[sensor].member.reserved_subscriptions();
        topics.iter().for_each(|topic| net.subscribe(sensor, topic));
    }
    assert_eq!(net.inbox(reader).len(), 20);
    assert_eq!(told(&net, reader), []);
}
