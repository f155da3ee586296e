//! What an office reads before it publishes.

use sealmq_authority::AuthorityEvent;
use sealmq_authority::office::OfficeEvent;
use sealmq_core::object::{Access, Extension, List};
use sealmq_keys::{Policy, Publication, ReservedTopic, Store};

use super::Street;
use crate::net::Net;

#[test]
fn nothing_is_published_before_everything_was_read() {
    let mut street = Street::new();
    street.pass(900);
    assert!(street.posts[0].sent.is_empty());
    street.pass(1000);
    assert_eq!(street.wrong(), [""; 0]);
    // The broker sends what it retains, and goes on: until at most 20 seconds are over.
    street.net.rotate();
    street.disconnect(0);
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.connect(0);
    let group = street.net.group("plant");
    let topic = street.net.topic(ReservedTopic::RefusedList(group));
    let began = street.net.now;
    street.posts[0].sent.clear();
    while street.posts[0].sent.is_empty() && street.posts[0].error.is_none() {
        let now = street.now();
        let office = &mut street.posts[0].office;
        office.handle_publish(now, &topic, b"x", true);
        street.pass(500);
        assert!(street.net.now - began < 22_000);
    }
    assert!(street.net.now - began > 19_000);
}

/// What somebody publishes meanwhile is not what the broker retains.
#[test]
fn strangers_do_not_stretch_the_reading() {
    let mut street = Street::new();
    street.pass(3000);
    street.disconnect(0);
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    let group = street.net.group("plant");
    street.posts[0].sent.clear();
    let began = street.net.now;
    street.connect(0);
    let mut n = 100;
    while street.posts[0].sent.is_empty() {
        n += 1;
        for of in [
            ReservedTopic::Delegation,
            ReservedTopic::RefusedList(group),
            ReservedTopic::Announcement(group, n),
        ] {
            let topic = street.net.topic(of);
            street.net.publish(Publication::clear(topic));
        }
        street.pass(100);
        assert!(street.net.now - began < 3000, "it still reads");
    }
    street.pass(2000);
    assert_eq!(street.wrong(), [""; 0]);
}

#[test]
fn what_stands_at_the_broker_is_not_published_again() {
    let mut street = Street::new();
    street.join("alice", Access::BOTH);
    street.pass_all(4);
    street.disconnect(0);
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.posts[0].events.clear();
    street.published(0);
    street.connect(0);
    street.pass(3000);
    // The authority answers a sign of life with the credential, whatever stands.
    let topics = street.published(0).into_iter().map(|sent| sent.topic);
    let topics: Vec<String> = topics.filter(|t| !t.ends_with("/credential")).collect();
    assert_eq!(topics.len(), 1, "{topics:?}");
    assert!(topics[0].contains("/a/"), "{topics:?}");
    assert_eq!(street.wrong(), [""; 0]);
    let complete = |e: &&OfficeEvent| matches!(e, OfficeEvent::Complete { refused: 0, .. });
    assert_eq!(street.posts[0].events.iter().filter(complete).count(), 1);
}

/// The store is an old copy, with a broker that shows what was published since.
#[test]
fn an_old_copy_publishes_nothing() {
    let mut street = Street::new();
    street.pass(3000);
    let copy = street.net.authority_store.clone();
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.pass(1000);
    street.disconnect(0);
    street.net.authority_store = copy;
    let before = street.net.log.len();
    street.open();
    street.pass(3000);
    assert_eq!(street.posts[1].error.as_deref(), Some("suspended"));
    assert!(street.posts[1].sent.is_empty());
    assert_eq!(street.net.log.len(), before);
    assert!(
        street
            .net
            .authority_store
            .get("authority/suspended")
            .unwrap()
            .is_some()
    );
}

/// The same under the feet of an office that runs.
#[test]
fn a_store_that_is_put_back_is_noticed_by_a_running_office() {
    let mut street = Street::new();
    street.pass(3000);
    let copy = street.net.authority_store.clone();
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.pass(1000);
    let before = street.net.log.len();
    street.net.authority_store = copy;
    street.pass(5000);
    let events = &street.posts[0].events;
    assert!(events.contains(&OfficeEvent::StorePutBack), "{events:?}");
    assert_eq!(street.posts[0].error.as_deref(), Some("suspended"));
    assert_eq!(street.net.log.len(), before);
}

#[test]
fn refusals_are_told_and_asked_again_after_a_minute() {
    let mut street = Street::new();
    let group = street.net.group("plant");
    let topic = street.net.topic(ReservedTopic::Announcement(group, 2));
    street.pass(3000);
    street.posts[0].refuses.insert(topic.clone());
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.pass(1000);
    let events = &street.posts[0].events;
    let refused =
        |e: &&OfficeEvent| matches!(e, OfficeEvent::PublishRefused { topic: t, .. } if *t == topic);
    assert_eq!(events.iter().filter(refused).count(), 1, "{events:?}");
    assert!(matches!(
        events.last(),
        Some(OfficeEvent::Complete { refused: 1, .. })
    ));
    street.posts[0].refuses.clear();
    street.pass(50_000);
    assert_eq!(street.wrong(), [topic.as_str()]);
    street.pass(12_000);
    assert_eq!(street.wrong(), [""; 0]);

    street.disconnect(0);
    street.posts[0].refuses_subscriptions = true;
    street.connect(0);
    street.pass(1000);
    let told = |e: &&OfficeEvent| matches!(e, OfficeEvent::SubscribeRefused { .. });
    assert!(street.posts[0].events.iter().any(|e| told(&e)));
    street.posts[0].refuses_subscriptions = false;
    street.pass(62_000);
    street.posts[0].events.clear();
    street.join("alice", Access::BOTH);
    street.pass_all(2);
    assert_eq!(street.wrong(), [""; 0]);
}

/// What was done before the office gave up is told.
#[test]
fn what_suspends_it_is_an_event_all_the_same() {
    let mut street = Street::new();
    street.join("alice", Access::BOTH);
    street.pass_all(2);
    let copy = street.net.authority_store.clone();
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.pass(3000);
    street.disconnect(0);
    street.net.authority_store = copy;
    let post = street.open();
    street.pass(3000);
    assert_eq!(street.posts[post].error.as_deref(), Some("suspended"));
    let events = &street.posts[post].events;
    let found = |event: &OfficeEvent| {
        matches!(
            event,
            OfficeEvent::Authority(AuthorityEvent::StoreIsOld { .. })
        )
    };
    assert!(events.iter().any(found), "{events:?}");
}

/// Commands act on the store, so that it is loaded again and again.
#[test]
fn a_later_version_signs_as_one_whatever_is_loaded() {
    let mut street = Street::of(Net::with_policy(Policy {
        lease: 10,
        ..Policy::default()
    }));
    let value = b"a field of a later version".as_slice();
    let mut buffer = [0; 64];
    let list = List::encode(&[Extension { id: 7, value }], &mut buffer).unwrap();
    street.posts[0].office.set_extensions(list.as_encoded());
    street.pass(3000);
    for _ in 0..2 {
        street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
        street.pass(500);
        street.published(0);
        street.pass(15_000);
        let sent = street.published(0).into_iter();
        let beats: Vec<_> = sent.filter(|sent| sent.topic.ends_with("/hb")).collect();
        let later = |payload: &[u8]| payload.windows(value.len()).any(|bytes| bytes == value);
        assert!(!beats.is_empty() && beats.iter().all(|beat| later(&beat.payload)));
    }
}
