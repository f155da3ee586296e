//! Two offices on one store: whichever stalls, and wherever.

use sealmq_core::object::Access;
use sealmq_keys::{Publication, ReservedTopic};

use super::Street;

/// Who is there: alice, bob; eve and mallory are removed.
struct Drill {
    street: Street,
    refused: String,
    alice: usize,
    bob: usize,
    eve: usize,
    mallory: usize,
}

/// A has committed the removal of eve, and it stays in A's socket; B has taken over, and removed
/// mallory.
fn drill() -> Drill {
    drill_with(false)
}

/// As [`drill`]; perhaps the broker does not give B its own packets back.
fn drill_with(deaf: bool) -> Drill {
    let mut street = Street::new();
    street.pass(3000);
    let [alice, bob, eve, mallory] =
        ["alice", "bob", "eve", "mallory"].map(|name| street.join(name, Access::BOTH));
    street.pass_all(3);
    assert_eq!(street.wrong(), [""; 0]);

    street.posts[0].holds = true;
    street.remove(eve);
    street.pass(1000);
    let group = street.net.group("plant");
    let refused = street.net.topic(ReservedTopic::RefusedList(group));
    let held = street.posts[0].held.iter();
    assert!(held.map(|held| &held.topic).any(|topic| *topic == refused));
    street.posts[0].stalled = true;
    assert!(!street.net.retained.contains_key(&refused));

    street.open();
    street.posts[1].deaf = deaf;
    street.pass(3000);
    assert_eq!(street.wrong(), [""; 0], "B publishes what A has committed");
    street.remove(mallory);
    street.pass(1000);
    assert_eq!(street.wrong(), [""; 0]);
    Drill {
        street,
        refused,
        alice,
        bob,
        eve,
        mallory,
    }
}

impl Drill {
    /// Everything is right, and nobody is stranded.
    fn ends_well(&mut self) {
        let street = &mut self.street;
        assert_eq!(street.wrong(), [""; 0]);
        assert_eq!(
            street.net.retained[&self.refused],
            *street.stored(&self.refused)
        );
        for device in 0..street.net.devices.len() {
            street.net.disconnect(device);
            street.net.connect(device);
            street.net.subscribe(device, "plant/#");
        }
        street.pass_all(2);
        let newest = Some(street.net.epoch(self.alice).unwrap());
        assert_eq!(street.net.epoch(self.bob), newest);
        for (from, to) in [(self.alice, self.bob), (self.bob, self.alice)] {
            street.net.send(from, "plant/a", b"still here");
            assert_eq!(street.net.texts(to), ["still here"]);
            street.net.inbox(from);
        }
        for removed in [self.eve, self.mallory] {
            assert_eq!(street.net.texts(removed), [""; 0]);
        }
    }
}

#[test]
fn what_a_stalled_office_publishes_late_is_put_right_by_the_other() {
    let mut drill = drill();
    // A never comes back, but its packets do.
    drill.street.release(0);
    assert_ne!(drill.street.wrong(), [""; 0]);
    drill.street.pass(60_000);
    drill.ends_well();
}

#[test]
fn a_stalled_office_that_comes_back_is_up_to_date() {
    let mut drill = drill();
    drill.street.release(0);
    let a = &mut drill.street.posts[0];
    (a.stalled, a.holds) = (false, false);
    // B is not there any more to put anything right.
    drill.street.disconnect(1);
    drill.street.pass(60_000);
    drill.ends_well();
}

/// What comes late comes again and again.
#[test]
fn late_packets_that_repeat_are_put_right_within_seconds() {
    let mut drill = drill();
    let late = drill.street.posts[0].held.clone();
    let list = late.iter().find(|held| held.topic == drill.refused);
    let list = list.unwrap().clone();
    drill.street.net.publish(list.clone());
    drill.street.pass(5000);
    assert_eq!(drill.street.wrong(), [""; 0]);
    for _ in 0..3 {
        drill.street.net.publish(list.clone());
        drill.street.pass(1000);
    }
    drill.street.pass(2000);
    assert_eq!(drill.street.wrong(), [""; 0]);
    drill.street.pass(60_000);
    drill.ends_well();
}

/// The echo of what B has sent does not come, but the same from A, late.
#[test]
fn a_late_packet_is_not_taken_for_an_echo() {
    let mut drill = drill_with(true);
    drill.street.posts[1].deaf = false;
    let mut held = drill.street.posts[0].held.iter().rev();
    let list = held.find(|held| held.topic == drill.refused);
    let list = list.unwrap().clone();
    drill.street.pass(31_000);
    drill.street.net.publish(list);
    drill.street.pass(5000);
    drill.ends_well();
}

/// Credentials, welcomes and answers, not only what is named in announcements.
#[test]
fn everything_that_is_late_is_put_right() {
    let mut street = Street::new();
    street.pass(3000);
    let alice = street.join("alice", Access::BOTH);
    let bob = street.join("bob", Access::BOTH);
    street.pass_all(3);
    let number = street.net.number(bob);
    let renew = |street: &mut Street, seconds| {
        street.command(|a, now, _| a.renew(number, seconds, now).unwrap());
    };
    street.posts[0].holds = true;
    renew(&mut street, 1_000_000);
    street.command(|a, now, rng| a.renew_generation("plant", now, rng).unwrap());
    street.pass(1000);
    street.posts[0].stalled = true;
    street.open();
    street.pass(3000);
    renew(&mut street, 2_000_000);
    // Another generation's welcomes take the place of those of A.
    street.pass_all(5);
    let credential = street.net.topic(ReservedTopic::Credential(number));
    let late: Vec<Publication> = street.posts[0].held.clone();
    assert!(late.iter().any(|late| late.topic == credential));
    street.release(0);
    let welcome = street
        .net
        .topic(ReservedTopic::Welcome(number, street.net.group("plant")));
    assert!(street.net.retained.contains_key(&welcome));
    street.net.publish(Publication::clear(welcome.as_str()));
    street
        .net
        .publish(Publication::retained(credential.as_str(), *b"junk"));
    assert!(street.wrong().contains(&welcome));
    street.pass(60_000);
    assert_eq!(street.wrong(), [""; 0]);
    street.net.send(alice, "plant/a", b"hello");
    assert_eq!(street.net.texts(bob), ["hello"]);
}

#[test]
fn two_offices_that_run_beside_each_other_fork_nothing() {
    let mut street = Street::new();
    street.open();
    let alice = street.join("alice", Access::BOTH);
    let bob = street.join("bob", Access::BOTH);
    for _ in 0..10 {
        street.pass_all(3);
        street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
        street.pass_all(2);
        street.net.send(alice, "plant/a", b"x");
        assert_eq!(street.net.texts(bob), ["x"]);
    }
    assert_eq!(street.wrong(), [""; 0]);
    assert!(street.posts.iter().all(|post| post.error.is_none()));
    let events = &street.net.devices[bob].events;
    let fork = |event: &_| format!("{event:?}").contains("Fork");
    assert!(!events.iter().any(fork), "{events:?}");
}
