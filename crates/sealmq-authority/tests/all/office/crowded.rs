//! What strangers and members can make an office keep, whatever they send at once.

use sealmq_authority::AuthorityEvent;
use sealmq_authority::office::OfficeEvent;
use sealmq_core::crypto::{Secret, VerifyingKey};
use sealmq_core::object::{Access, Kind};
use sealmq_keys::objects::{JoinRequest, VerifiedDelegation};
use sealmq_keys::{Publication, ReservedTopic};

use super::Street;
use crate::common::device::numbered;
use crate::net::START;

/// Bytes that may wait because of somebody who has no key.
const LITTLE: usize = 256 * 1024;

/// Somebody publishes on the authority's own topics what might be its own, by the look of it.
#[test]
fn garbage_of_the_right_kind_is_not_kept() {
    let mut street = Street::new();
    street.join("alice", Access::BOTH);
    street.pass(3000);
    let group = street.net.group("plant");
    let kinds = [
        (ReservedTopic::Delegation, Kind::Delegation, 8000),
        (ReservedTopic::RefusedList(group), Kind::RefusedList, 60_000),
        (ReservedTopic::Heartbeat(group), Kind::Heartbeat, 1000),
        (
            ReservedTopic::Announcement(group, 1),
            Kind::Announcement,
            60_000,
        ),
    ];
    let garbage = |n: u32, kind: Kind, len: usize| {
        let mut bytes = vec![n as u8; len];
        bytes[..8].copy_from_slice(&[1, kind as u8, 0, 0, 0, 0, (n >> 8) as u8, n as u8]);
        bytes
    };
    for n in 0..1000 {
        for (of, kind, len) in kinds {
            let topic = street.net.topic(of);
            let junk = Publication::retained(topic, garbage(n, kind, len));
            street.net.publish(junk);
        }
        let topic = street
            .net
            .topic(ReservedTopic::Announcement(group, 100 + u64::from(n)));
        let junk = Publication::retained(topic, garbage(n, Kind::Announcement, 60_000));
        street.net.publish(junk);
    }
    street.pass(5000);
    assert!(street.posts[0].office.most_bytes_waiting() <= LITTLE);
    assert_eq!(street.wrong(), [""; 0]);

    // What is genuine among it is seen all the same: the store is an old copy.
    let copy = street.net.authority_store.clone();
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.pass(1000);
    street.disconnect(0);
    street.net.authority_store = copy;
    let post = street.open();
    street.pass(5000);
    assert_eq!(street.posts[post].error.as_deref(), Some("suspended"));
    assert!(street.posts[post].office.most_bytes_waiting() <= LITTLE);
    assert!(street.posts[post].sent.is_empty());
}

/// Long join requests, random ones and such as only their opening tells from honest ones.
#[test]
fn planted_requests_are_not_kept() {
    let mut street = Street::new();
    street.pass(3000);
    let root = VerifyingKey::from_bytes(street.net.authority.root_key()).unwrap();
    let delegation = VerifiedDelegation::verify(street.net.authority.delegation(), &root).unwrap();
    let of_one = numbered(0, street.net.authority.domain()).request_for([0; 8], "x", 1, 60);
    let of_one = JoinRequest::seal(&delegation, None, &of_one, &Secret::new([7; 32])).unwrap();
    let mut stranger = 0;
    let mut plant = |street: &mut Street| {
        for _ in 0..500 {
            stranger += 1;
            let device = numbered(stranger, street.net.authority.domain());
            let mut request = of_one.clone();
            match stranger % 4 {
                0 => request = vec![0x22; 60_000],
                1 => request.resize(60_000, 0x22),
                2 => *request.last_mut().unwrap() ^= 1,
                _ => {}
            }
            let topic = street.net.topic(ReservedTopic::Join(device.fingerprint()));
            street.net.publish(Publication::retained(topic, request));
        }
    };
    plant(&mut street);
    street.pass(3000);
    plant(&mut street);
    let post = street.open();
    street.pass(3000);
    for post in [0, post] {
        let most = street.posts[post].office.most_bytes_waiting();
        assert!(most <= 2 * LITTLE, "{most}");
    }
}

/// Garbage before it fills every queue; it is served all the same.
#[test]
fn packages_are_taken_beside_a_flood() {
    let mut street = Street::new();
    let devices: Vec<_> = (0..40)
        .map(|n| numbered(n, street.net.authority.domain()))
        .collect();
    for (n, device) in devices.iter().enumerate() {
        let request = device.request(&format!("device-{n}"), 1, START);
        let grants = [crate::net::grant("plant", Access::BOTH)];
        street.command(|a, now, rng| a.enrol(&request, &grants, 86_400, now, rng).unwrap().1);
    }
    street.pass(3000);
    let numbers: Vec<_> = {
        let authority = sealmq_authority::Authority::load(&street.net.authority_store).unwrap();
        authority.members().map(|member| member.number).collect()
    };
    for n in 0..2000_u32 {
        let topic = street.net.topic(ReservedTopic::Confirm(numbers[0]));
        let mut junk = vec![0x33; 8000];
        junk[..4].copy_from_slice(&n.to_be_bytes());
        street.net.publish(Publication::retained(topic, junk));
    }
    // More of what is genuine than may wait.
    for (device, number) in devices.iter().zip(&numbers) {
        let topic = street.net.topic(ReservedTopic::Packages(*number));
        let set = device.packages(2..=60, START);
        assert!(set.len() > 9000);
        street.net.publish(Publication::retained(topic, set));
    }
    street.pass(10_000);
    let taken = street.posts[0].events.iter().filter(|event| {
        matches!(
            event,
            OfficeEvent::Authority(AuthorityEvent::Packages { .. })
        )
    });
    assert_eq!(taken.count(), devices.len());
    let most = street.posts[0].office.most_bytes_waiting();
    assert!(most <= 2 * LITTLE, "{most}");
}

/// More topics than can be remembered are cleared at once, and one again and again; meanwhile
/// somebody acts on the store, so that everything in memory is loaded anew.
#[test]
fn nothing_stays_wrong_that_was_left_out() {
    let mut street = Street::new();
    street.pass(3000);
    let group = street.net.group("plant");
    let topic = street.net.topic(ReservedTopic::Heartbeat(group));
    let delegation = street.net.topic(ReservedTopic::Delegation);
    for _ in 0..12 {
        street.net.publish(Publication::clear(delegation.as_str()));
        street.pass(300);
    }
    assert!(!street.net.retained.contains_key(&delegation), "{topic}");
    street.command(|a, now, rng| a.rotate("plant", now, rng).unwrap());
    street.pass(10_000);
    assert_eq!(street.wrong(), [""; 0]);
    street.command(|a, now, rng| {
        let large = sealmq_authority::NewGroup {
            depth: 11,
            ..sealmq_authority::NewGroup::new("large", ["large/#"])
        };
        a.add_group(&large, now, rng).unwrap()
    });
    for n in 0..800 {
        let request = numbered(n, street.net.authority.domain());
        let request = request.request(&format!("device-{n}"), 1, START);
        let access = [Access::BOTH, Access::PUBLISH][n as usize % 2];
        let grants = [crate::net::grant("large", access)];
        if n % 100 == 0 {
            street.net.authority =
                sealmq_authority::Authority::load(&street.net.authority_store).unwrap();
        }
        let now = street.net.now / 1000;
        let enrolled =
            street
                .net
                .authority
                .enrol(&request, &grants, 86_400, now, &mut street.net.rng);
        sealmq_keys::Store::commit(
            &mut street.net.authority_store,
            &enrolled.unwrap().1.changes,
        )
        .unwrap();
    }
    street.pass(10_000);
    assert_eq!(street.wrong(), [""; 0]);
    let own: Vec<String> = street.net.retained.keys().cloned().collect();
    let own = own.iter().filter(|topic| topic.contains("/m/"));
    assert!(own.clone().count() > 1300);
    for topic in own {
        street.net.publish(Publication::clear(topic.as_str()));
    }
    street.pass(65_000);
    assert_eq!(street.wrong(), [""; 0]);
}
