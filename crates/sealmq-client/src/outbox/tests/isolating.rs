//! Messages that end connections, among others that do not.
#![allow(clippy::arithmetic_side_effects, reason = "a test may fail loudly")]

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;

use super::*;

/// A broker that takes messages in order and ends the connection at a bad one.
struct Broker {
    bad: BTreeSet<u64>,
    complains: bool,
    keeps_session: bool,
    /// How often it delivered each, by the rules of its quality of service.
    delivered: BTreeMap<u64, usize>,
    /// QoS 2 identifiers between PUBLISH and PUBREL.
    half_way: BTreeSet<u16>,
    given_up: Vec<u64>,
    connections: usize,
    /// Connections until everything good was through.
    good_after: usize,
}

impl Broker {
    /// One connection, until it ends or nothing is left to do; whether it ended.
    fn connect(&mut self, outbox: &mut Outbox, limit: u16) -> bool {
        let session = match (self.connections, self.keeps_session) {
            (0, _) | (_, false) => Session::New,
            _ => Session::Resumed,
        };
        if session == Session::New {
            self.half_way.clear();
        }
        self.connections += 1;
        let given_up = outbox.connected(session, limit);
        self.given_up
            .extend(given_up.into_iter().filter_map(number));
        let mut identifier = 100 * u16::try_from(self.connections).unwrap();
        loop {
            let mut socket = Vec::new();
            while let Some(resume) = outbox.next_resume(0) {
                socket.push(resume);
            }
            outbox.recall();
            while let Some((Content::Wire(wire), _)) = outbox.next() {
                let wire = wire.clone();
                outbox.hand();
                let exactly_or_at_least_once = wire.qos != Qos::AtMostOnce;
                identifier += u16::from(exactly_or_at_least_once);
                let packet = if exactly_or_at_least_once {
                    identifier
                } else {
                    0
                };
                assert!(outbox.written(packet, 0).is_none() || packet == 0);
                socket.push(Resume::Publish(packet, wire));
                outbox.recall();
            }
            if socket.is_empty() {
                return false;
            }
            for packet in socket {
                if !self.take(outbox, packet) {
                    outbox.accuse(self.complains);
                    outbox.disconnected();
                    return true;
                }
            }
        }
    }

    /// `false` if it ends the connection.
    fn take(&mut self, outbox: &mut Outbox, packet: Resume) -> bool {
        match packet {
            Resume::Release(packet) => {
                self.half_way.remove(&packet);
                outbox.settled(packet);
            }
            Resume::Publish(packet, wire) => {
                let message: u64 = wire.topic.parse().unwrap();
                if self.bad.contains(&message) {
                    return false;
                }
                let known = wire.qos == Qos::ExactlyOnce && !self.half_way.insert(packet);
                if !known {
                    *self.delivered.entry(message).or_default() += 1;
                }
                if wire.qos == Qos::ExactlyOnce {
                    outbox.received(packet, ReasonCode::SUCCESS);
                    self.half_way.remove(&packet);
                }
                outbox.settled(packet);
            }
        }
        true
    }
}

fn play(bad: &[u64], qos: Qos, complains: bool, keeps_session: bool, count: u64) -> Broker {
    let mut outbox = Outbox::new(Identifiers::Free, 0);
    let mut broker = Broker {
        bad: bad.iter().copied().collect(),
        complains,
        keeps_session,
        delivered: BTreeMap::new(),
        half_way: BTreeSet::new(),
        given_up: Vec::new(),
        connections: 0,
        good_after: 0,
    };
    for id in 0..count {
        push(&mut outbox, id, qos);
    }
    let good = usize::try_from(count).unwrap() - bad.len();
    while broker.connect(&mut outbox, 10) {
        assert!(broker.connections < 100, "{bad:?} {:?}", broker.given_up);
        if broker.delivered.len() < good {
            broker.good_after = broker.connections;
        }
    }
    broker
}

#[test]
fn bad_messages_are_given_up_and_all_others_arrive_once() {
    for bad in [&[0][..], &[4], &[29], &[3, 4], &[2, 15], &[0, 7, 8, 28]] {
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            for (complains, keeps_session) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let case = format!("{bad:?} {qos:?} {complains} {keeps_session}");
                let broker = play(bad, qos, complains, keeps_session, 30);
                let mut given_up = broker.given_up.clone();
                given_up.sort_unstable();
                assert_eq!(given_up, bad, "{case}");
                assert!(broker.delivered.values().all(|times| *times == 1), "{case}");
                assert_eq!(broker.delivered.len(), 30 - bad.len(), "{case}");
                // Each ends three connections, at most four when the broker is silent.
                assert!(broker.connections <= 1 + 4 * bad.len(), "{case}");
                // The others wait until each was the last one on its way.
                assert!(
                    broker.good_after <= 3 * bad.len(),
                    "{case}: {}",
                    broker.good_after
                );
            }
        }
    }
}

/// Three connections that end with a message on its way, and the broker away after each.
#[test]
fn a_broker_that_is_away_blames_nobody() {
    let mut outbox = Outbox::new(Identifiers::Free, 0);
    push(&mut outbox, 0, Qos::AtLeastOnce);
    for _ in 0..10 {
        assert!(outbox.connected(Session::New, 10).is_empty());
        assert_eq!(hand_all(&mut outbox), ["0"]);
        assert!(outbox.written(1, 0).is_none());
        assert!(outbox.accuse(false));
        outbox.disconnected();
        outbox.acquit();
    }
}

/// A connection that ends before anything was sent says that it is not the messages.
#[test]
fn connections_that_end_without_them_clear_everybody() {
    let mut outbox = Outbox::new(Identifiers::Free, 0);
    push(&mut outbox, 0, Qos::AtLeastOnce);
    for _ in 0..10 {
        for _ in 0..2 {
            assert!(outbox.connected(Session::New, 10).is_empty());
            outbox.recall();
            assert_eq!(hand_all(&mut outbox), ["0"]);
            assert!(outbox.written(1, 0).is_none());
            assert!(outbox.accuse(false));
            outbox.disconnected();
        }
        assert!(outbox.connected(Session::New, 10).is_empty());
        assert!(!outbox.accuse(false));
        outbox.disconnected();
    }
}

/// It may have been written in part, which is what ended the connection.
#[test]
fn a_message_of_qos_0_that_cannot_be_written_does_not_block() {
    let mut outbox = Outbox::new(Identifiers::Free, 0);
    push(&mut outbox, 0, Qos::AtMostOnce);
    push(&mut outbox, 1, Qos::AtLeastOnce);
    let mut given_up = Vec::new();
    for _ in 0..5 {
        given_up.extend(
            outbox
                .connected(Session::New, 10)
                .into_iter()
                .filter_map(number),
        );
        outbox.recall();
        if outbox
            .next()
            .is_some_and(|(content, _)| content.topic() == "1")
        {
            break;
        }
        hand_all(&mut outbox);
        outbox.unwritten(0);
        outbox.accuse(false);
        outbox.disconnected();
    }
    assert_eq!(hand_all(&mut outbox), ["1"]);
    assert!(outbox.written(1, 0).is_none());
    assert_eq!(settle(&mut outbox, 1), Some(1));
    outbox.recall();
    if given_up.is_empty() {
        assert_eq!(hand_all(&mut outbox), ["0"]);
        outbox.unwritten(0);
        outbox.accuse(false);
        outbox.disconnected();
        given_up.extend(
            outbox
                .connected(Session::New, 10)
                .into_iter()
                .filter_map(number),
        );
    }
    assert_eq!(given_up, [0]);
}

/// Whoever subscribes later gets the newest one.
#[test]
fn nothing_overtakes_a_retained_value() {
    let mut outbox = Outbox::new(Identifiers::Free, 0);
    for id in 0..2 {
        push(&mut outbox, id, Qos::AtLeastOnce);
    }
    for order in 0..outbox.next {
        let Some(entry) = outbox.entries.get_mut(&order) else {
            continue;
        };
        if let Content::Wire(wire) = &mut entry.message.content {
            wire.retain = true;
        }
    }
    for _ in 0..2 {
        assert!(outbox.connected(Session::New, 1).is_empty());
        outbox.recall();
        assert_eq!(hand_all(&mut outbox), ["0"]);
        assert!(outbox.written(1, 0).is_none());
        outbox.accuse(false);
        outbox.disconnected();
    }
    assert!(outbox.connected(Session::New, 1).is_empty());
    assert_eq!(hand_all(&mut outbox), ["0"]);
    assert!(outbox.written(1, 0).is_none());
    assert_eq!(settle(&mut outbox, 1), Some(0));
    assert_eq!(hand_all(&mut outbox), ["1"]);
}
