//! Join requests that come again, from whomever: sealed anew, or as they were seen at the broker.

use crate::common::desk::{Desk, NOW};
use crate::common::device::{Device, numbered};
use sealmq_core::crypto::Secret;
use sealmq_core::wire::Suite;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::{JoinRefusalReason as Reason, JoinRequest};

use super::authority_joining::{admitted, bring, refusal};

fn tick(desk: &mut Desk, now: u64) {
    for _ in 0..4 {
        if desk.authority.next_due().is_some_and(|due| due <= now) {
            let plan = desk.authority.tick(now, &mut desk.rng).unwrap();
            desk.commit(plan);
        }
    }
}

/// Somebody who waits for an operator can seal its request as often as it likes.
#[test]
fn who_was_answered_does_not_keep_out_others_that_were() {
    let mut desk = Desk::with_groups(Suite::One);
    let (delegation, domain) = (desk.delegation(), desk.authority.domain());
    let seal = |device: &Device, count: u32| {
        let request = device.request_for([0; 8], "x", 1, 1);
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&count.to_be_bytes());
        JoinRequest::seal(&delegation, None, &request, &Secret::new(seed)).unwrap()
    };
    let [hostile, honest] = [1, 2].map(|n| numbered(n, domain));
    for device in [&hostile, &honest] {
        bring(&mut desk, device, &seal(device, 0), NOW);
        assert_eq!(refusal(&desk, device), Some(Reason::Waiting));
    }
    let mut count = 0;
    for second in 1..=4 {
        for _ in 0..900 {
            count += 1;
            let request = seal(&hostile, count);
            desk.handle(
                ReservedTopic::Join(hostile.fingerprint()),
                &request,
                NOW + second,
            );
        }
        tick(&mut desk, NOW + second);
    }
    // The broker has lost the answer.
    let topic = desk.name(ReservedTopic::Answer(honest.fingerprint()));
    desk.retained.remove(&topic);
    bring(&mut desk, &honest, &seal(&honest, 1), NOW + 5);
    let mut is_told = desk.republished.contains(&topic);
    for _ in 0..3 {
        tick(&mut desk, NOW + 5);
        is_told |= desk.republished.contains(&topic);
    }
    assert!(is_told);
    // Nothing of it is left to be done.
    tick(&mut desk, NOW + 7);
    let due = desk.authority.next_due().unwrap();
    assert!(due > NOW + 8, "{}", due - NOW);
}

/// Whoever has seen a crowd join can send their requests again.
#[test]
fn requests_of_members_that_come_again_do_not_keep_out_who_joins() {
    const ALL: u32 = 1200;
    let mut desk = Desk::with_groups(Suite::One);
    let (delegation, domain) = (desk.delegation(), desk.authority.domain());
    let token = desk.token("", ALL + 10);
    let mut seen = Vec::new();
    let mut now = NOW;
    for n in 0..ALL {
        let device = numbered(n, domain);
        let request = device.join(&delegation, Some(&token), &format!("device-{n}"), 1, NOW);
        now += u64::from(n % 100 == 99);
        desk.handle(ReservedTopic::Join(device.fingerprint()), &request, now);
        seen.push((device, request));
    }
    for _ in 0..20 {
        now += 1;
        tick(&mut desk, now);
    }
    let group = desk.authority.groups().find(|g| g.name == "plant");
    let group = group.unwrap().id;
    for (device, _) in &seen {
        let name = admitted(&desk, device).unwrap();
        let member = desk.authority.members().find(|m| m.name == name);
        let member = member.unwrap().number;
        let welcome = desk.at(ReservedTopic::Welcome(member, group)).unwrap();
        let entry = device.install(&delegation, welcome);
        let confirmation = device.confirmation(member, &[entry]);
        desk.handle(ReservedTopic::Confirm(member), &confirmation, now);
    }
    now += 10;
    for n in 0..10 {
        for (at, (device, request)) in seen.iter().enumerate() {
            if at as u32 % 2 == n % 2 {
                desk.handle(ReservedTopic::Join(device.fingerprint()), request, now);
            }
        }
        let device = numbered(ALL + n, domain);
        let name = format!("late-{n}");
        let request = device.join(&delegation, Some(&token), &name, 1, NOW);
        bring(&mut desk, &device, &request, now);
        for _ in 0..2 {
            now += 1;
            tick(&mut desk, now);
        }
        assert!(admitted(&desk, &device).is_some(), "{n}");
    }
}
