//! What others do to the authority's topics.

use sealmq_authority::{AuthorityEvent, office::OfficeEvent};
use sealmq_keys::{Publication, ReservedTopic};

use super::Street;

fn rolled_back(street: &Street) -> usize {
    let events = street.posts[0].events.iter();
    events
        .filter(|e| matches!(e, OfficeEvent::Authority(AuthorityEvent::RolledBack { .. })))
        .count()
}

/// Somebody who may write there keeps the office busy once a minute, and never has the last word.
#[test]
fn whoever_clears_a_topic_all_the_time_has_not_the_last_word() {
    let mut street = Street::new();
    street.pass(3000);
    let group = street.net.group("plant");
    let topic = street.net.topic(ReservedTopic::Announcement(group, 1));
    for _ in 0..600 {
        street.net.publish(Publication::clear(topic.as_str()));
        street.pass(200);
    }
    let repaired = rolled_back(&street);
    assert!((2..=4).contains(&repaired), "{repaired}");
    street.pass(60_000);
    assert_eq!(street.wrong(), [""; 0]);
}

/// The office's own changes are no news to it.
#[test]
fn its_own_echoes_are_no_news() {
    let mut street = Street::new();
    street.pass(3000);
    for _ in 0..20 {
        street.command(|a, now, rng| a.heal("plant", now, rng).unwrap());
        street.pass(100);
    }
    street.pass(3000);
    assert_eq!(rolled_back(&street), 0);
}

/// Also something that is too long to be read.
#[test]
fn what_is_too_long_is_put_right() {
    let mut street = Street::new();
    street.pass(3000);
    let group = street.net.group("plant");
    let delegation = street.net.topic(ReservedTopic::Delegation);
    let announcement = street.net.topic(ReservedTopic::Announcement(group, 1));
    for topic in [&delegation, &announcement] {
        street
            .net
            .publish(Publication::retained(topic.as_str(), vec![7; 70_000]));
    }
    street.pass(1000);
    assert_eq!(street.wrong(), [""; 0]);
    assert_eq!(rolled_back(&street), 2);
}
