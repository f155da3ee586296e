use sealmq_core::object::Access;
use sealmq_embedded::{Event, Sealing};
use sealmq_keys::member::OutgoingMessage;
use sealmq_keys::objects::Policy;

use crate::net::Net;

const TOPIC: &str = "plant/a";

fn both_ways(net: &mut Net, board: usize, host: usize) {
    let before = (net.boards[board].inbox.len(), net.hosts[host].inbox.len());
    let envelope = net.seal(board, &Sealing::event(TOPIC), b"up").unwrap();
    net.deliver_host(host, TOPIC, &envelope, false);
    let command = net.seal_host(host, &OutgoingMessage::new(TOPIC, b"down"));
    net.deliver(board, TOPIC, &command, false);
    let after = (net.boards[board].inbox.len(), net.hosts[host].inbox.len());
    let rejected = (&net.boards[board].rejected, &net.hosts[host].rejected);
    assert_eq!(after, (before.0 + 1, before.1 + 1), "{rejected:?}");
}

#[test]
fn rotations_and_the_removal_of_another_are_followed() {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    let other = net.board("other", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    both_ways(&mut net, board, host);
    net.rotate();
    both_ways(&mut net, board, host);
    let late = net.seal(other, &Sealing::event(TOPIC), b"late").unwrap();
    let number = net.boards[other].device.number();
    net.remove(number);
    both_ways(&mut net, board, host);
    net.deliver(board, TOPIC, &late, false);
    assert_eq!(net.boards[board].rejected, ["Revoked"]);
    // The removed one knows it, and stops; also after a start.
    let group = net.group();
    assert!(net.boards[other].device.is_removed(&group));
    assert!(net.seal(other, &Sealing::event(TOPIC), b"x").is_err());
    net.restart(other);
    assert!(net.boards[other].device.is_removed(&group));
    assert!(net.seal(other, &Sealing::event(TOPIC), b"x").is_err());
}

#[test]
fn who_was_away_catches_up_from_what_the_broker_keeps() {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    let other = net.board("other", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    net.restart(board);
    let number = net.boards[other].device.number();
    net.remove(number);
    for _ in 0..40 {
        net.rotate();
    }
    net.connect(board);
    both_ways(&mut net, board, host);
    net.restart(board);
    net.connect(board);
    both_ways(&mut net, board, host);
}

#[test]
fn packages_are_renewed_and_a_new_generation_is_joined() {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    let host = net.host("host", Access::BOTH);
    net.maintain(board);
    assert!(
        net.retained
            .keys()
            .any(|topic| topic.ends_with("/packages"))
    );
    let plan = net
        .authority
        .renew_generation("plant", net.now / 1000, &mut net.rng);
    net.carry_out(plan.unwrap());
    for _ in 0..5 {
        net.now += 60_000;
        net.maintain(board);
        net.tick_host(host);
        net.tick_authority();
    }
    let joined = |event: &&Event| matches!(event, Event::Joined { .. });
    assert!(net.boards[board].events.iter().filter(joined).count() >= 2);
    both_ways(&mut net, board, host);
}
