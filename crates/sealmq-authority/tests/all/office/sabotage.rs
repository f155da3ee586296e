//! Harm to the loop, from outside of it, that somebody has to notice: what shows that the order of
//! things matters, and that these tests can fail.

use sealmq_authority::Authority;
use sealmq_core::object::Access;
use sealmq_keys::ReservedTopic;
use sealmq_keys::member::MemberEvent;

use super::Street;
use crate::net::grant;

/// The process sends, and dies before what it sent follows from was durable.
#[test]
fn committing_after_sending_is_noticed() {
    let run = |lazy| {
        let mut street = Street::new();
        street.pass(3000);
        street.posts[0].lazy = lazy;
        street.net.authority = Authority::load(&street.net.authority_store).unwrap();
        street.net.enrol("alice", &[grant("plant", Access::BOTH)]);
        // The epoch that the welcome is for.
        street.pass(500);
        let group = street.net.group("plant");
        let second = street.net.topic(ReservedTopic::Announcement(group, 2));
        assert!(street.net.retained.contains_key(&second));
        street.disconnect(0);
        street.open();
        street.pass(3000);
        street.posts[1].error.clone()
    };
    assert_eq!(run(false), None);
    assert_eq!(run(true).as_deref(), Some("suspended"));
}

/// An old copy that acts without a look at the broker forks: members see it.
#[test]
fn publishing_before_looking_is_noticed() {
    let run = |blind| {
        let mut street = Street::new();
        street.pass(3000);
        let alice = street.join("alice", Access::BOTH);
        street.pass_all(2);
        let copy = street.net.authority_store.clone();
        street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
        street.pass_all(2);
        street.disconnect(0);
        street.net.authority_store = copy;
        street.open();
        street.posts[1].blind = blind;
        street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
        street.pass_all(3);
        let events = &street.net.devices[alice].events;
        let forked = events.iter().any(|e| matches!(e, MemberEvent::Fork { .. }));
        (forked, street.posts[1].error.is_some())
    };
    assert_eq!(run(false), (false, true));
    assert!(run(true).0);
}

/// What is acknowledged and lost is missing, until the next connection reads what is there.
#[test]
fn acknowledging_what_was_not_taken_is_noticed() {
    let mut street = Street::new();
    street.pass(3000);
    let group = street.net.group("plant");
    let topic = street.net.topic(ReservedTopic::Announcement(group, 2));
    street.posts[0].loses.insert(topic.clone());
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.pass(1000);
    assert_eq!(street.wrong(), [topic.as_str()]);
    street.posts[0].loses.clear();
    street.connect(0);
    street.pass(3000);
    assert_eq!(street.wrong(), [""; 0]);
}
