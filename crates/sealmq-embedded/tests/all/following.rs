use sealmq_core::object::Access;
use sealmq_embedded::{Event, Sealing};
use sealmq_keys::member::OutgoingMessage;
use sealmq_keys::objects::Policy;

use crate::net::Net;

const TOPIC: &str = "plant/a";

pub(crate) fn both_ways(net: &mut Net, board: usize, host: usize) {
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

/// A device whose group has a refused list, just started, and hosts that send.
fn with_a_list() -> (Net, usize, [usize; 2], String) {
    let mut net = Net::new(Policy::default());
    let board = net.board("sensor", Access::BOTH);
    let other = net.board("other", Access::BOTH);
    let hosts = [
        net.host("host", Access::BOTH),
        net.host("another", Access::BOTH),
    ];
    let number = net.boards[other].device.number();
    net.remove(number);
    net.maintain(board);
    net.restart(board);
    net.boards[board].asked.clear();
    let list = net.retained.keys().find(|topic| topic.ends_with("/r"));
    let list = list.unwrap().clone();
    (net, board, hosts, list)
}

fn asked(net: &Net, board: usize, list: &str) -> usize {
    let asked = net.boards[board].asked.iter();
    asked.filter(|filter| *filter == list).count()
}

/// Each fetch costs a device the time of its radio: whatever waits and however often it is offered,
/// the list is fetched when it can tell something.
#[test]
fn messages_that_wait_fetch_the_refused_list_once() {
    let (mut net, board, [known, unknown], list) = with_a_list();
    let number = net.hosts[unknown].member.number();
    let credential = format!("/m/{number}/credential");
    net.retained
        .retain(|topic, _| !topic.ends_with(&credential));
    net.connect(board);
    assert_eq!(asked(&net, board, &list), 0, "the connection brought it");
    for round in 0..20 {
        // Nobody has the credential of this one, and its messages wait for ever.
        let never = net.seal_host(unknown, &OutgoingMessage::new(TOPIC, b"x"));
        net.deliver(board, TOPIC, &never, false);
        let command = net.seal_host(known, &OutgoingMessage::new(TOPIC, b"on"));
        net.deliver(board, TOPIC, &command, false);
        // As with each heartbeat.
        let payload = net.retained[&list].clone();
        net.publish_bytes(&list, &payload, true);
        assert_eq!(net.boards[board].inbox.len(), round + 1);
        net.now += 20_000;
        net.maintain(board);
    }
    assert_eq!(
        asked(&net, board, &list),
        1,
        "with the credential of the known one"
    );
    assert_eq!(net.boards[board].waiting.len(), 20);
}

#[test]
fn a_list_that_does_not_come_is_fetched_now_and_then() {
    let (mut net, board, [host, _], list) = with_a_list();
    let payload = net.retained.remove(&list).unwrap();
    net.connect(board);
    for _ in 0..60 {
        let command = net.seal_host(host, &OutgoingMessage::new(TOPIC, b"on"));
        net.deliver(board, TOPIC, &command, false);
        net.now += 1_000;
        net.maintain(board);
    }
    // With the sender's credential, after 2 s and 30 s later.
    assert_eq!(asked(&net, board, &list), 3);
    assert_eq!(net.boards[board].inbox.len(), 0);
    net.retained.insert(list.clone(), payload);
    net.now += 30_000;
    let command = net.seal_host(host, &OutgoingMessage::new(TOPIC, b"on"));
    net.deliver(board, TOPIC, &command, false);
    assert_eq!(asked(&net, board, &list), 4);
    assert_eq!(net.boards[board].inbox.len(), 61);
}
