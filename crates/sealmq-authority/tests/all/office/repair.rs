//! What others do to the authority's topics.

use sealmq_authority::{AuthorityEvent, office::OfficeEvent};
use sealmq_core::object::Access;
use sealmq_keys::{Publication, ReservedTopic};

use super::Street;

fn rolled_back(street: &Street) -> usize {
    let events = street.posts[0].events.iter();
    events
        .filter(|e| matches!(e, OfficeEvent::Authority(AuthorityEvent::RolledBack { .. })))
        .count()
}

/// Somebody who may write there keeps the office less and less busy, and never has the last word.
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
    assert!((10..=18).contains(&repaired), "{repaired}");
    let contested =
        |e: &&OfficeEvent| matches!(e, OfficeEvent::Authority(AuthorityEvent::Contested { .. }));
    assert_eq!(street.posts[0].events.iter().filter(contested).count(), 1);
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

/// Whatever it is that a stranger clears or replaces, it is there again within seconds, the second
/// and the third time as well.
#[test]
fn everything_of_its_own_is_there_again_within_seconds() {
    let mut street = Street::new();
    let leaver = street.net.join("leaver", Access::BOTH);
    let number = street.net.number(leaver);
    street.pass(3000);
    street.command(|a, now, rng| a.remove(number, now, rng).unwrap());
    street.pass(3000);
    let own: Vec<String> = street.net.retained.keys().cloned().collect();
    let prefix = street.net.authority.prefix().to_owned();
    let own: Vec<String> = own
        .into_iter()
        .filter(|topic| ReservedTopic::parse(&prefix, topic).is_some_and(|of| of.is_of_authority()))
        .collect();
    let kinds = ["/r", "/k", "/a/", "/credential", "/delegation"];
    for kind in kinds {
        assert!(own.iter().any(|topic| topic.contains(kind)), "{kind}");
    }
    for round in 0..3 {
        for topic in &own {
            street.net.publish(Publication::clear(topic.as_str()));
        }
        street.pass(2500);
        assert_eq!(street.wrong(), [""; 0], "{round}");
        for topic in &own {
            let junk = Publication::retained(topic.as_str(), vec![round; 100]);
            street.net.publish(junk);
        }
        street.pass(2500);
        assert_eq!(street.wrong(), [""; 0], "{round}");
    }
}

/// What is retained under the prefix and is nobody's costs no memory.
#[test]
fn planted_objects_are_not_kept() {
    let mut street = Street::new();
    street.pass(3000);
    let prefix = street.net.authority.prefix().to_owned();
    let group = street.net.group("plant");
    let junk = vec![0x11; 60_000];
    for n in 0..5000_u32 {
        let topic = match n % 10 {
            0 => format!("{prefix}/planted/{n}"),
            1 => format!("{prefix}/m/{}/packages", n + 1000),
            2 => format!("{prefix}/m/{}/confirm", n + 1000),
            3 => format!("{prefix}/g/{group}/a/{}", n + 100),
            4 => format!("{prefix}/g/{n:032x}/a/1"),
            5 => format!("{prefix}/m/{}/credential", n + 1000),
            6 => format!("{prefix}/g/{group}/n/{}", n + 1000),
            7 => format!("{prefix}/g/{n:032x}/r"),
            8 => format!("{prefix}/g/{group}/r/{}", n + 1000),
            _ => format!("{prefix}/answer/{n:032x}"),
        };
        street.net.retained.insert(topic, junk.clone());
    }
    let post = street.open();
    street.pass(10_000);
    let most = street.posts[post].office.most_bytes_waiting();
    assert!(most <= 64 * 1024, "{most}");
    assert_eq!(street.wrong(), [""; 0]);
}
