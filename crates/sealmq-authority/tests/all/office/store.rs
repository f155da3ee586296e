//! The office and its store: commands beside it, conflicts, and what goes out when.

use sealmq_authority::{AuthorityEvent, office::OfficeEvent};
use sealmq_core::object::Access;
use sealmq_keys::member::MemberEvent;
use sealmq_keys::objects::Policy;
use sealmq_keys::{Publication, ReservedTopic};

use super::Street;
use crate::net::{Net, START};

#[test]
fn what_commands_change_is_published_within_a_look() {
    let mut street = Street::new();
    street.pass(3000);
    street.published(0);
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.pass(300);
    let published = street.published(0);
    assert!(published.iter().any(|sent| sent.topic.ends_with("/a/2")));
    assert_eq!(street.wrong(), [""; 0]);
}

/// A process that was stopped between its look and its socket looks again first.
#[test]
fn nothing_is_published_on_an_old_look() {
    let mut street = Street::new();
    street.pass(3000);
    let eve = street.join("eve", Access::BOTH);
    street.pass(2000);
    street.command(|a, now, rng| a.heal("plant", now, rng).unwrap());
    // The look finds it; the process stops before it asks what to send.
    street.posts[0].mute = true;
    street.pass(300);
    let now = street.now();
    let group = street.net.group("plant");
    let refused = street.net.topic(ReservedTopic::RefusedList(group));
    street.posts[0].stalled = true;
    street.remove(eve);
    street.pass(10_000);
    let later = street.now();
    assert!(street.posts[0].office.poll_transmit(later).is_none());
    assert!(later.elapsed > now.elapsed);
    (street.posts[0].stalled, street.posts[0].mute) = (false, false);
    street.published(0);
    street.pass(1000);
    let published = street.published(0);
    assert!(published.iter().any(|sent| sent.topic == refused));
    assert_eq!(street.wrong(), [""; 0]);
}

#[test]
fn a_conflict_is_repeated_with_what_the_other_did() {
    let mut street = Street::of(Net::with_policy(Policy {
        lease: 60,
        ..Policy::default()
    }));
    street.pass(3000);
    street.interferes = Some(|a, rng| a.rotate("plant", START + 10, rng).unwrap());
    street.pass(30_000);
    assert!(street.interferes.is_none(), "the other one acted");
    assert_eq!(street.posts[0].error, None);
    assert_eq!(street.wrong(), [""; 0]);
    let beat = |e: &&OfficeEvent| {
        matches!(
            e,
            OfficeEvent::Authority(AuthorityEvent::Heartbeat { epoch: 2, .. })
        )
    };
    assert!(street.posts[0].events.iter().any(|e| beat(&e)));
}

#[test]
fn a_clear_is_forgotten_once_it_is_confirmed() {
    let mut street = Street::of(Net::with_policy(Policy {
        window: 0,
        ..Policy::default()
    }));
    street.pass(3000);
    let group = street.net.group("plant");
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    let old = street.net.topic(ReservedTopic::Announcement(group, 2));
    let key = format!("outbox/{old}");
    assert_eq!(street.net.authority_store.0[&key], b"");
    street.pass(1000);
    assert!(!street.net.authority_store.0.contains_key(&key));
    assert!(!street.net.retained.contains_key(&old));
}

/// Leases of seconds, for as long as the office runs.
#[test]
fn heartbeats_keep_a_group_in_use() {
    let mut street = Street::of(Net::with_policy(Policy {
        lease: 10,
        grace: 0,
        skew: 0,
        window: 0,
        ..Policy::default()
    }));
    street.pass(3000);
    let sensor = street.join("sensor", Access::PUBLISH);
    let ann = street.join("ann", Access::SUBSCRIBE);
    for _ in 0..12 {
        street.pass_all(10);
        street.net.send(sensor, "plant/x", b"still good");
        assert_eq!(street.net.texts(ann), ["still good"]);
    }
    // Without it they end.
    street.posts[0].stalled = true;
    street.pass_all(11);
    let message = sealmq_keys::member::OutgoingMessage::new("plant/x", b"x");
    assert!(street.net.seal(sensor, &message).is_err());
}

/// Each change is told of once the broker has all of it, with what stands there then.
#[test]
fn what_stands_is_counted() {
    let mut street = Street::new();
    street.pass(3000);
    let eve = street.join("eve", Access::BOTH);
    street.pass_all(2);
    let told = |street: &mut Street| {
        let events = std::mem::take(&mut street.posts[0].events);
        let objects = events.into_iter().filter_map(|event| match event {
            OfficeEvent::Complete { objects, refused } => Some((objects, refused)),
            _ => None,
        });
        objects.collect::<Vec<_>>()
    };
    // Delegation, credential, welcome, two announcements, kept keys, and no heartbeat.
    assert_eq!(told(&mut street).last(), Some(&(6, 0)));
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.pass(1000);
    assert_eq!(told(&mut street), [(7, 0)]);
    // One more, and the refused list, without the welcome; the first epoch healed, and stays.
    street.remove(eve);
    street.pass(1000);
    assert_eq!(told(&mut street), [(8, 0)]);
}

/// A large store: each look costs more than it is good for, and there is always something to do.
#[test]
fn an_office_whose_looks_take_long_still_publishes() {
    let mut street = Street::new();
    street.pass(3000);
    let alice = street.join("alice", Access::BOTH);
    let number = street.net.number(alice);
    street.posts[0].slow = true;
    street.pass(5000);
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    let packages = street.net.topic(ReservedTopic::Packages(number));
    for _ in 0..60 {
        street
            .net
            .publish(Publication::retained(packages.as_str(), *b"junk"));
        street.pass(50);
    }
    assert_eq!(street.wrong(), [""; 0]);
}

/// With 100,000 members a look at everything that should stand at the broker takes a second.
#[test]
fn what_arrives_and_is_answered_has_nobody_read_all_of_the_outbox() {
    let mut street = Street::of(Net::with_policy(Policy {
        window: 0,
        lease: 60,
        ..Policy::default()
    }));
    street.pass(3000);
    let alice = street.join("alice", Access::BOTH);
    street.pass_all(3);
    street.outbox_reads = 0;
    let packages = street
        .net
        .topic(ReservedTopic::Packages(street.net.number(alice)));
    let group = street.net.group("plant");
    let list = street.net.topic(ReservedTopic::KeptKeys(group));
    for second in 0..600 {
        if second % 100 == 0 {
            street.net.publish(Publication::clear(list.as_str()));
        }
        street
            .net
            .publish(Publication::retained(packages.as_str(), *b"junk"));
        street.pass_all(1);
    }
    assert_eq!(street.outbox_reads, 0);
    let beats = street.published(0);
    let beats = beats.iter().filter(|sent| sent.topic.ends_with("/hb"));
    assert!(beats.count() > 10, "it acts all the time");
    // Whoever acts beside it may have changed everything.
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.pass(1000);
    assert_eq!(street.outbox_reads, 1);
    assert_eq!(street.wrong(), [""; 0]);
}

/// The process dies between the commit and the socket.
#[test]
fn what_was_committed_and_not_sent_is_sent_by_the_next_process() {
    let mut street = Street::new();
    street.pass(3000);
    let eve = street.join("eve", Access::BOTH);
    street.pass(2000);
    street.posts[0].mute = true;
    street.remove(eve);
    street.pass(500);
    street.disconnect(0);
    assert_ne!(street.wrong(), [""; 0]);
    let stored = street.net.authority_store.clone();
    street.open();
    street.pass(3000);
    assert_eq!(street.wrong(), [""; 0]);
    // The same bytes: nothing was signed anew but what fell due.
    for sent in street.published(1) {
        let before = stored.0.get(&format!("outbox/{}", sent.topic));
        assert_eq!(before, Some(&sent.payload), "{}", sent.topic);
    }
}

/// A command rotates, and in the same look the office finds the packages of members that wait for a
/// welcome: what is announced comes to them before a welcome for a later epoch, after which they
/// could not follow it.
#[test]
fn a_welcome_comes_after_what_was_announced_before_its_epoch() {
    let mut street = Street::new();
    street.pass(3000);
    let ann = street.join("ann", Access::BOTH);
    let bob = street.join("bob", Access::BOTH);
    street.pass_all(2);
    street.command(|a, now, rng| a.renew_generation("plant", now, rng).unwrap());
    street.pass(1000);
    // Both make packages for the new generation.
    street.net.tick(ann);
    street.net.tick(bob);
    let before = street.net.epoch(ann).unwrap();
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.pass(1000);
    let (followed, last) = (before + 1, street.net.epoch(ann).unwrap());
    assert!(last > followed, "both were welcomed");
    for device in [ann, bob] {
        let of_epoch = |event: &MemberEvent| match event {
            MemberEvent::Epoch { epoch, .. } | MemberEvent::Joined { epoch, .. } => Some(*epoch),
            _ => None,
        };
        let events = street.net.devices[device].events.iter();
        let new = events.filter_map(of_epoch).filter(|epoch| *epoch > before);
        // The one that was announced, the welcome, and the epoch of the welcome.
        assert_eq!(new.collect::<Vec<_>>(), [followed, last, last]);
    }
}
