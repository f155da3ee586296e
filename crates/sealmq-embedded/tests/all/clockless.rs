use sealmq_core::object::Access;
use sealmq_embedded::{SealRefused, Sealing};
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

/// One message from the board, read by the host.
fn sends(net: &mut Net, board: usize, host: usize) {
    let before = net.hosts[host].inbox.len();
    let message = Sealing::event(TOPIC);
    let envelope = match net.seal(board, &message, b"x") {
        // The age of a session that was begun without a time is not known: it ends.
        Err(SealRefused::NotPrepared) => net.seal(board, &message, b"x"),
        sealed => sealed,
    };
    net.deliver_host(host, TOPIC, &envelope.unwrap(), false);
    assert_eq!(net.hosts[host].inbox.len(), before + 1, "in order");
}

#[test]
fn a_clock_that_comes_later_counts_once_it_can_be_right() {
    const DAY: u64 = 86_400_000;
    let mut net = Net::new(Policy {
        lease: 600,
        skew: 30,
        ..Policy::default()
    });
    let board = net.board("sensor", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    let says = |net: &Net| net.boards[board].device.clock(net.clock(board)).now;
    net.boards[board].has_clock = false;
    net.now += 10_000;
    net.maintain(board);
    sends(&mut net, board, host);
    // Not set yet, or by somebody who wants to live in the past: no clock, and nonces go on.
    net.boards[board].has_clock = true;
    for behind in [net.now, DAY] {
        net.boards[board].behind = behind;
        assert_eq!(says(&net), None);
        net.now += 400_000;
        net.maintain(board);
        sends(&mut net, board, host);
    }
    // Right: it counts at once, and heartbeats are leases now.
    net.boards[board].behind = 0;
    assert_eq!(says(&net), Some(net.now));
    net.tick_authority();
    sends(&mut net, board, host);
    // A new session has a higher number, although the one before was begun without a time.
    net.restart(board);
    net.connect(board);
    sends(&mut net, board, host);
    // Nothing that was asked for without a clock makes keys live longer.
    net.boards[board].online = false;
    net.now += 2 * 600_000;
    assert!(net.seal(board, &Sealing::event(TOPIC), b"x").is_err());
    // It stops: as before.
    net.boards[board].has_clock = false;
    assert!(net.seal(board, &Sealing::event(TOPIC), b"x").is_err());
    net.tick_authority();
    net.connect(board);
    net.maintain(board);
    sends(&mut net, board, host);
}

#[test]
fn a_signed_time_ends_a_clock_that_is_behind_it() {
    let mut net = Net::new(Policy {
        lease: 600,
        ..Policy::default()
    });
    let board = net.board("sensor", Access::BOTH);
    net.boards[board].behind = 200_000;
    let says = |net: &Net| net.boards[board].device.clock(net.clock(board)).now;
    assert_eq!(says(&net), Some(net.now - 200_000), "within the tolerance");
    net.now += 1000;
    net.boards[board].behind = 301_000 + 1000;
    net.rotate();
    assert_eq!(says(&net), None, "the announcement is newer than that");
}

#[test]
fn without_a_clock_a_group_without_leases_is_not_used() {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    net.boards[board].has_clock = false;
    net.maintain(board);
    assert!(net.seal(board, &Sealing::event(TOPIC), b"x").is_err());
}
