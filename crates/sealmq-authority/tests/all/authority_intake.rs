//! What the authority makes of what members write: confirmations, key packages, nonces.

use std::collections::BTreeSet;

use crate::common::desk::{Desk, NOW, YEAR, grants};
use crate::common::device::Device;
use sealmq_authority::{AuthorityError, AuthorityEvent, NewGroup};
use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::objects::{ConfirmationEntry, Policy, VerifiedNonceAnswer};
use sealmq_keys::{Publication, ReservedTopic};

const SUITES: [Suite; 2] = [Suite::One, Suite::Two];

fn enrol(desk: &mut Desk, seed: u8, groups: &[&str]) -> (Device, MemberNumber) {
    let suite = desk.delegation().suite();
    let device = Device::new(seed, suite, desk.authority.domain());
    let request = device.request(&format!("device-{seed}"), 4, NOW);
    let enrolled = desk
        .authority
        .enrol(&request, &grants(groups), YEAR, NOW, &mut desk.rng);
    let (enrolled, plan) = enrolled.unwrap();
    desk.commit(plan);
    (device, enrolled.number)
}

fn group(desk: &Desk, name: &str) -> GroupId {
    let mut groups = desk.authority.groups();
    groups.find(|g| g.name == name).unwrap().id
}

/// The entries for all welcomes that stand at the broker for a member.
fn entries(desk: &Desk, device: &Device, member: MemberNumber) -> Vec<ConfirmationEntry> {
    let welcome = |name: &str| desk.at(ReservedTopic::Welcome(member, group(desk, name)));
    let welcomes = ["plant", "office"].into_iter().filter_map(welcome);
    welcomes
        .map(|w| device.install(&desk.delegation(), w))
        .collect()
}

fn confirmed(desk: &Desk) -> usize {
    let of = |event: &AuthorityEvent| match event {
        AuthorityEvent::Confirmed { groups, .. } => *groups,
        _ => 0,
    };
    desk.events.iter().map(of).sum()
}

fn added(desk: &Desk) -> usize {
    let of = |event: &AuthorityEvent| match event {
        AuthorityEvent::Packages { count, .. } => *count,
        _ => 0,
    };
    desk.events.iter().map(of).sum()
}

#[test]
fn a_confirmation_counts_once() {
    for suite in SUITES {
        let mut desk = Desk::with_groups(suite);
        let (device, number) = enrol(&mut desk, 1, &["plant", "office"]);
        let topic = ReservedTopic::Confirm(number);
        let all = entries(&desk, &device, number);
        let first = device.confirmation(number, &all[..1]);
        assert_ne!(desk.handle(topic, &first, NOW), 0);
        assert_eq!(confirmed(&desk), 1);
        let both = device.confirmation(number, &all);
        desk.handle(topic, &both, NOW);
        assert_eq!(confirmed(&desk), 1, "the other group");
        for again in [&first, &both] {
            assert_eq!(desk.handle(topic, again, NOW), 0);
            desk.reload();
            assert_eq!(desk.handle(topic, again, NOW), 0);
            assert_eq!((confirmed(&desk), desk.refusals()), (0, 0));
        }
    }
}

#[test]
fn only_the_packages_owner_can_confirm() {
    let mut desk = Desk::with_groups(Suite::One);
    let (device, number) = enrol(&mut desk, 1, &["plant"]);
    let (other, its_number) = enrol(&mut desk, 2, &["plant"]);
    let entry = entries(&desk, &device, number)[0];
    let topic = ReservedTopic::Confirm(number);

    // Who has the identity key, but not the package's private key, cannot guess the proof.
    let mut wrong = entry;
    wrong.proof[31] ^= 1;
    let refused = [
        device.confirmation(number, &[wrong]),
        other.confirmation(number, &[entry]),
        other.confirmation(its_number, &[entry]),
        device.confirmation(its_number, &[entry]),
        b"junk".to_vec(),
        vec![0; 9000],
    ];
    for payload in &refused {
        assert_eq!(desk.handle(topic, payload, NOW), 0);
        assert_eq!((confirmed(&desk), desk.refusals()), (0, 1));
    }
    assert_eq!(desk.authority.refused_inputs(), refused.len() as u64);

    // Another generation, epoch or package is another welcome: it says nothing of this one.
    let mut others = [entry; 3];
    others[0].generation += 1;
    others[1].epoch += 1;
    others[2].package_number += 1;
    for entry in others {
        let payload = device.confirmation(number, &[entry]);
        assert_eq!(desk.handle(topic, &payload, NOW), 0);
        assert_eq!((confirmed(&desk), desk.refusals()), (0, 0));
    }
    desk.handle(topic, &device.confirmation(number, &[entry]), NOW);
    assert_eq!(confirmed(&desk), 1);
}

#[test]
fn packages_are_taken_once_and_bounded() {
    for suite in SUITES {
        let mut desk = Desk::with_groups(suite);
        let (device, number) = enrol(&mut desk, 1, &["plant"]);
        let topic = ReservedTopic::Packages(number);
        // 1 to 4 came with the request.
        let set = device.packages(3..=6, NOW);
        assert_ne!(desk.handle(topic, &set, NOW), 0);
        assert_eq!(added(&desk), 2);
        let size = |desk: &Desk| {
            let key = format!("authority/member/{number}");
            desk.store.0[&key].len()
        };
        let before = size(&desk);
        for _ in 0..2 {
            assert_eq!(desk.handle(topic, &set, NOW), 0, "nothing new is written");
            desk.reload();
        }
        // However many come, 2 for each grant and 8 more are kept.
        let each = (before / 6).max(1);
        for first in (7_u32..).step_by(8).take(8) {
            let set = device.packages(first..first + 8, NOW);
            desk.handle(topic, &set, NOW);
            assert_eq!(added(&desk), 8);
        }
        assert!(size(&desk) < before + 5 * each, "{suite:?}");
        // Lower numbers never come back.
        assert_eq!(desk.handle(topic, &set, NOW), 0);
    }
}

#[test]
fn packages_of_others_and_of_removed_members_are_ignored() {
    let mut desk = Desk::with_groups(Suite::One);
    let (device, number) = enrol(&mut desk, 1, &["plant"]);
    let (other, _) = enrol(&mut desk, 2, &["plant"]);
    let set = device.packages(5..=8, NOW);
    let refuse = |desk: &mut Desk, member, payload: &[u8]| {
        let before = desk.authority.refused_inputs();
        assert_eq!(
            desk.handle(ReservedTopic::Packages(member), payload, NOW),
            0
        );
        assert_eq!(desk.authority.refused_inputs(), before + 1);
    };
    refuse(&mut desk, number, &other.packages(5..=8, NOW));
    refuse(&mut desk, MemberNumber(99), &set);
    let mut altered = set.clone();
    *altered.last_mut().unwrap() ^= 1;
    refuse(&mut desk, number, &altered);
    let elsewhere = Device::new(1, Suite::One, sealmq_core::DomainId([9; 16]));
    refuse(&mut desk, number, &elsewhere.packages(5..=8, NOW));
    let later_suite = Device::new(1, Suite::Two, desk.authority.domain());
    refuse(&mut desk, number, &later_suite.packages(5..=8, NOW));
    let plan = desk.authority.remove(number, NOW, &mut desk.rng).unwrap();
    desk.commit(plan);
    refuse(&mut desk, number, &set);
    let entry = desk.authority.members().next().unwrap();
    assert_eq!(entry.removed_at, Some(NOW));
}

#[test]
fn expired_packages_are_not_taken() {
    let mut desk = Desk::with_groups(Suite::One);
    let (device, number) = enrol(&mut desk, 1, &["plant"]);
    let set = device.packages(5..=8, NOW);
    let topic = ReservedTopic::Packages(number);
    assert_eq!(desk.handle(topic, &set, NOW + 86_401), 0);
    assert_eq!(added(&desk), 0);
    assert_ne!(desk.handle(topic, &set, NOW + 86_400), 0);
    assert_eq!(added(&desk), 4);
}

#[test]
fn a_sign_of_life_asks_for_what_may_be_lost() {
    let mut desk = Desk::with_groups(Suite::One);
    let (device, number) = enrol(&mut desk, 1, &["plant", "office"]);
    let set = device.packages(1..=4, NOW);
    let topic = ReservedTopic::Packages(number);
    desk.handle(topic, &set, NOW);
    let credential = desk.name(ReservedTopic::Credential(number));
    let (plant, office) = (group(&desk, "plant"), group(&desk, "office"));
    let mut expected = vec![
        credential.clone(),
        desk.name(ReservedTopic::Welcome(number, plant)),
        desk.name(ReservedTopic::Welcome(number, office)),
    ];
    expected.sort();
    desk.republished.sort();
    assert_eq!(desk.republished, expected);
    // Not with every message: once in a minute.
    desk.handle(topic, &set, NOW + 59);
    assert!(desk.republished.is_empty());
    let all = entries(&desk, &device, number);
    let confirmation = device.confirmation(number, &all);
    desk.handle(ReservedTopic::Confirm(number), &confirmation, NOW + 60);
    assert_eq!(desk.republished, [credential], "the welcomes have arrived");
}

/// A group with a lease, one member of it and one that is not.
fn leased() -> (Desk, GroupId, Device, MemberNumber, MemberNumber) {
    let mut desk = Desk::with_groups(Suite::One);
    let mut new = NewGroup::new("leased", ["leased/#"]);
    new.policy = Policy {
        lease: 600,
        ..Policy::default()
    };
    desk.add_group(&new);
    let (device, member) = enrol(&mut desk, 1, &["leased"]);
    let (_, stranger) = enrol(&mut desk, 2, &["plant"]);
    let id = group(&desk, "leased");
    (desk, id, device, member, stranger)
}

#[test]
fn a_nonce_gets_a_lease_that_is_not_kept() {
    let (mut desk, id, device, member, stranger) = leased();
    let answers = ask(&mut desk, member, id, &device.nonce(member, id, 1), NOW);
    assert_eq!(answers.len(), 1);
    assert!(!answers[0].retain);
    let topic = desk.name(ReservedTopic::NonceAnswer(member, id));
    assert_eq!(answers[0].topic, topic);
    let answer = VerifiedNonceAnswer::verify(&answers[0].payload, &desk.delegation()).unwrap();
    let fields = answer.fields();
    let current = desk.authority.groups().find(|g| g.id == id).unwrap();
    assert_eq!((fields.nonce, fields.lease), ([1; 16], 600));
    assert_eq!(
        (fields.epoch, fields.announcement),
        (current.epoch, current.announcement)
    );

    // Each at most once in 5 s; members of the group only; no lease, no answer.
    let plant = group(&desk, "plant");
    assert!(ask(&mut desk, member, id, &device.nonce(member, id, 2), NOW + 4).is_empty());
    assert!(desk.authority.next_due().unwrap() <= NOW + 5);
    assert_eq!(answered(&mut desk, NOW + 5), [[2; 16]]);
    let other = Device::new(2, Suite::One, desk.authority.domain());
    for of in [id, plant] {
        assert!(
            ask(
                &mut desk,
                stranger,
                of,
                &other.nonce(stranger, of, 3),
                NOW + 9
            )
            .is_empty()
        );
    }
    for payload in [vec![1; 16], vec![1; 88], vec![1; 5000]] {
        assert!(ask(&mut desk, member, id, &payload, NOW + 20).is_empty());
    }
    assert!(
        ask(
            &mut desk,
            member,
            plant,
            &device.nonce(member, id, 9),
            NOW + 20
        )
        .is_empty()
    );
    let plan = desk.authority.remove(member, NOW, &mut desk.rng).unwrap();
    desk.commit(plan);
    assert!(
        ask(
            &mut desk,
            member,
            id,
            &device.nonce(member, id, 9),
            NOW + 30
        )
        .is_empty()
    );
}

/// Two, or a hundred, nonces a second by somebody else take nothing from the member: neither made
/// up, nor another member's, nor what it had published itself.
#[test]
fn a_stranger_takes_no_answer_from_anybody() {
    let (mut desk, id, device, member, stranger) = leased();
    let insider = Device::new(2, Suite::One, desk.authority.domain());
    let mut captured = Vec::new();
    let mut answers = Vec::new();
    for second in 0..3600_u64 {
        let now = NOW + second;
        for n in 0..100 {
            let forged = match (second + n) % 4 {
                0 => vec![second as u8; 16],
                1 => {
                    let mut forged = device.nonce(member, id, second + 1);
                    *forged.last_mut().unwrap() ^= 1;
                    forged
                }
                2 if n < 50 => insider.nonce(member, id, 1 << 40),
                _ => captured
                    .get(n as usize % captured.len().max(1))
                    .cloned()
                    .unwrap_or_default(),
            };
            if n < 2 || second % 600 == 0 {
                answers.extend(ask(&mut desk, member, id, &forged, now));
            }
        }
        if second % 10 == 3 {
            let nonce = device.nonce(member, id, second);
            answers.extend(ask(&mut desk, member, id, &nonce, now));
            captured.push(nonce);
        }
        if second == 1800 {
            // It remembers nothing of before: what was captured comes in order.
            desk.reload();
        }
        answers.extend(given(&mut desk, now));
    }
    let numbers: BTreeSet<[u8; 16]> = answers.iter().map(|a| nonce_of(&desk, a)).collect();
    let asked = (0..3600_u64).filter(|s| s % 10 == 3);
    let missed = asked.filter(|s| !numbers.contains(&[*s as u8; 16])).count();
    assert_eq!(missed, 0, "of 360");
    assert!(answers.len() <= 360 + 3600 / 60, "{}", answers.len());
    assert!(answers.iter().all(|answer| !answer.retain));
    let _ = stranger;
}

fn ask(
    desk: &mut Desk,
    member: MemberNumber,
    group: GroupId,
    payload: &[u8],
    now: u64,
) -> Vec<Publication> {
    let topic = desk.name(ReservedTopic::Nonce(group, member));
    let plan = desk.authority.handle(&topic, payload, now, &mut desk.rng);
    let plan = plan.unwrap();
    assert!(plan.changes.is_empty());
    plan.publications
}

/// The answers of one tick.
fn given(desk: &mut Desk, now: u64) -> Vec<Publication> {
    let plan = desk.authority.tick(now, &mut desk.rng).unwrap();
    let prefix = desk.authority.prefix().to_owned();
    let is_answer = |p: &&Publication| {
        let topic = ReservedTopic::parse(&prefix, &p.topic);
        matches!(topic, Some(ReservedTopic::NonceAnswer(..)))
    };
    let answers = plan
        .publications
        .iter()
        .filter(is_answer)
        .cloned()
        .collect();
    desk.commit(plan);
    answers
}

fn nonce_of(desk: &Desk, answer: &Publication) -> [u8; 16] {
    let answer = VerifiedNonceAnswer::verify(&answer.payload, &desk.delegation());
    answer.unwrap().fields().nonce
}

fn answered(desk: &mut Desk, now: u64) -> Vec<[u8; 16]> {
    let answers = given(desk, now);
    answers
        .iter()
        .map(|answer| nonce_of(desk, answer))
        .collect()
}

#[test]
fn empty_and_foreign_content_does_nothing() {
    let mut desk = Desk::with_groups(Suite::One);
    let (_, number) = enrol(&mut desk, 1, &["plant"]);
    for topic in [
        ReservedTopic::Confirm(number),
        ReservedTopic::Packages(number),
        ReservedTopic::Nonce(group(&desk, "plant"), number),
        ReservedTopic::Delegation,
    ] {
        assert_eq!(desk.handle(topic, &[], NOW), 0);
        assert_eq!(desk.refusals(), 0);
    }
    let long = "x/".repeat(30_000);
    for topic in ["", "plant/temperature", &long] {
        let plan = desk.authority.handle(topic, b"x", NOW, &mut desk.rng);
        let plan = plan.unwrap();
        assert!(plan.changes.is_empty() && plan.publications.is_empty());
        let AuthorityEvent::Refused { topic, .. } = &plan.events[0] else {
            panic!("{:?}", plan.events);
        };
        assert!(topic.len() <= 200);
    }
}

#[test]
fn access_decides_nothing_here() {
    // A publish-only member confirms like a reader.
    let mut desk = Desk::with_groups(Suite::One);
    let device = Device::new(3, Suite::One, desk.authority.domain());
    let mut grants = grants(&["plant"]);
    grants[0].access = Access::PUBLISH;
    let request = device.request("sensor", 1, NOW);
    let enrolled = desk
        .authority
        .enrol(&request, &grants, YEAR, NOW, &mut desk.rng);
    let (enrolled, plan) = enrolled.unwrap();
    desk.commit(plan);
    let all = entries(&desk, &device, enrolled.number);
    let payload = device.confirmation(enrolled.number, &all);
    desk.handle(ReservedTopic::Confirm(enrolled.number), &payload, NOW);
    assert_eq!(confirmed(&desk), 1);
}

/// A welcome cannot be sealed to a key of low order: it must not get as far as the next tick.
#[test]
fn a_key_that_nothing_can_be_sealed_to_stops_nobody() {
    let mut desk = Desk::with_groups(Suite::One);
    let (device, number) = enrol(&mut desk, 1, &["plant"]);
    let (other, of_other) = enrol(&mut desk, 2, &["plant"]);
    let until = NOW + 86_400;
    let low = [[0; 32], low_order_8()];
    for (at, key) in (5..).zip(low) {
        let topic = ReservedTopic::Packages(number);
        let bad = [
            device.package(at, NOW, until),
            device.package_for(at + 1, &key, NOW, until),
        ];
        assert_eq!(desk.handle(topic, &device.package_set(&bad), NOW), 0);
        assert_eq!((desk.refusals(), added(&desk)), (1, 0));

        let stranger = Device::new(3, Suite::One, desk.authority.domain());
        let bad = [
            stranger.package(1, NOW, until),
            stranger.package_for(2, &key, NOW, until),
        ];
        let request = stranger.request_with("stranger", &bad, NOW);
        let enrolled =
            desk.authority
                .enrol(&request, &grants(&["plant"]), YEAR, NOW, &mut desk.rng);
        assert!(matches!(enrolled, Err(AuthorityError::Request(_))));
    }

    // A new generation welcomes everybody again.
    let plan = desk.authority.renew_generation("plant", NOW, &mut desk.rng);
    desk.commit(plan.unwrap());
    for minute in 1..=5 {
        let plan = desk.authority.tick(NOW + minute * 60, &mut desk.rng);
        desk.commit(plan.unwrap());
        if minute == 1 {
            // Each makes packages for it.
            for (device, number) in [(&device, number), (&other, of_other)] {
                let topic = ReservedTopic::Packages(number);
                let set = device.package_set(&[device.package(20, NOW, until)]);
                desk.handle(topic, &set, NOW);
            }
        }
    }
    for (device, number) in [(&device, number), (&other, of_other)] {
        let entries = entries(&desk, device, number);
        assert_eq!(entries[0].generation, 2, "{number}");
    }
}

/// A point of order 8.
fn low_order_8() -> [u8; 32] {
    let hex = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    core::array::from_fn(byte)
}
