use sealmq_core::object::Access;
use sealmq_embedded::Sealing;
use sealmq_keys::member::OutgoingMessage;
use sealmq_keys::objects::Policy;

use crate::net::Net;

const TOPIC: &str = "plant/a";

#[test]
fn without_a_clock_a_lease_is_asked_for_and_ends() {
    let mut net = Net::new(Policy {
        lease: 600,
        grace: 60,
        skew: 30,
        ..Policy::default()
    });
    let board = net.board("sensor", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    net.boards[board].has_clock = false;
    assert!(net.seal(board, &Sealing::event(TOPIC), b"x").is_err());
    net.now += 10_000;
    net.maintain(board);
    let envelope = net.seal(board, &Sealing::event(TOPIC), b"x").unwrap();
    net.deliver_host(host, TOPIC, &envelope, false);
    assert_eq!(net.hosts[host].inbox, [b"x"]);
    let command = net.seal_host(host, &OutgoingMessage::new(TOPIC, b"on"));
    net.deliver(board, TOPIC, &command, false);
    assert_eq!(net.boards[board].inbox, [b"on"]);
    net.boards[board].online = false;
    net.now += 600_001;
    assert!(net.seal(board, &Sealing::event(TOPIC), b"x").is_err());
}

#[test]
fn without_a_clock_a_group_without_leases_is_not_used() {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    net.boards[board].has_clock = false;
    net.maintain(board);
    assert!(net.seal(board, &Sealing::event(TOPIC), b"x").is_err());
}
