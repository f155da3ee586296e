//! Key packages and confirmations of a member (spec/keys.md §4).

use std::collections::BTreeSet;

use crate::common::{MemoryStore, TestRng};
use crate::net::Net;
use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_keys::member::{Action, Member, MemberEvent, OutgoingMessage, SealError};
use sealmq_keys::objects::{PackageSet, Policy, VerifiedConfirmation};
use sealmq_keys::{Publication, ReservedTopic};

fn identity(net: &Net, device: usize) -> VerifyingKey {
    let topic = net.topic(ReservedTopic::Credential(net.number(device)));
    let object = &net.retained[&topic];
    let delegation = &net.retained[&net.topic(ReservedTopic::Delegation)];
    let root = net.root.verifying_key();
    let delegation = sealmq_keys::objects::VerifiedDelegation::verify(delegation, &root).unwrap();
    let credential = sealmq_core::VerifiedCredential::verify(object.as_slice(), &delegation);
    *credential.unwrap().key()
}

pub fn packages_topic(net: &Net, device: usize) -> String {
    net.topic(ReservedTopic::Packages(net.number(device)))
}

/// The numbers of a published set, every package verified.
fn numbers(net: &Net, device: usize, set: &[u8], suite: Suite) -> BTreeSet<u32> {
    let domain = net.devices[device].member.domain();
    let key = identity(net, device);
    let set = PackageSet::verify(set, suite, &domain, &key).unwrap();
    set.packages()
        .map(|(_, package)| package.number())
        .collect()
}

/// The numbers whose private keys are in a store.
pub fn kept(store: &MemoryStore) -> BTreeSet<u32> {
    let keys = store.0.keys();
    let numbers = keys.filter_map(|key| key.strip_prefix("member/package/")?.parse().ok());
    numbers.collect()
}

fn joins(suite: Suite) {
    let mut net = Net::with_suite(suite, Policy::default());
    let device = net.join("device", Access::BOTH);
    let other = net.join("other", Access::BOTH);
    net.send(other, "plant/a", b"hello");
    assert_eq!(net.texts(device), ["hello"]);

    let number = net.number(device);
    let topic = net.topic(ReservedTopic::Confirm(number));
    let confirmation = net.retained[&topic].clone();
    let (domain, key) = (net.devices[device].member.domain(), identity(&net, device));
    let verified = VerifiedConfirmation::verify(&confirmation, &domain, number, &key).unwrap();
    let groups: Vec<_> = verified.entries().map(|entry| entry.group).collect();
    assert_eq!(groups, [net.group("plant")]);

    assert!(!net.retained.contains_key(&packages_topic(&net, device)));
    net.tick(device);
    let set = net.retained[&packages_topic(&net, device)].clone();
    let published = numbers(&net, device, &set, suite);
    assert!(published.len() >= 4);
    assert!(published.is_subset(&kept(&net.devices[device].store)));
    net.tick(device);
    assert_eq!(net.retained[&packages_topic(&net, device)], set, "once");

    // The authority takes both, and the member does not mind its own copies.
    let now = net.now / 1000;
    for (topic, object) in [(topic, confirmation), (packages_topic(&net, device), set)] {
        let plan = net
            .authority
            .handle(&topic, &object, now, &mut TestRng::new(3));
        let plan = plan.unwrap();
        let refused = plan
            .events
            .iter()
            .find(|event| format!("{event:?}").starts_with("Refused"));
        assert!(refused.is_none(), "{refused:?}");
        net.carry_out(plan);
        net.deliver(device, &topic, &object, true);
    }
    assert_eq!(net.devices[device].member.stats().reserved_refused, 0);
}

#[test]
fn a_member_that_joined_confirms_and_publishes_packages() {
    joins(Suite::One);
}

#[test]
fn the_same_in_suite_2() {
    joins(Suite::Two);
}

#[test]
fn what_was_published_can_be_opened_whatever_crashes() {
    let mut net = Net::new();
    let device = net.join("device", Access::BOTH);
    let topic = packages_topic(&net, device);
    let mut sets: Vec<BTreeSet<u32>> = Vec::new();
    for _ in 0..5 {
        net.tick(device);
        let set = net.retained[&topic].clone();
        sets.push(numbers(&net, device, &set, Suite::One));
        // Half of their validity later new ones are due.
        net.now += 190 * 86_400_000;
    }
    assert!(sets.windows(2).all(|pair| pair[0].last() < pair[1].first()));
    let last = kept(&net.devices[device].store);
    assert!(last.is_superset(&sets[4]));
    assert!(last.is_disjoint(&sets[1]), "two later sets are out");

    // At each commit, the set that was last published before it and the one before that are there.
    let history = net.devices[device].history.clone();
    let options = || net.devices[device].member.options().clone();
    for store in &history {
        let here = kept(store);
        if let Some(newest) = sets.iter().rposition(|set| set.is_subset(&here)) {
            let before = &sets[newest.saturating_sub(1)];
            assert!(before.is_subset(&here), "{before:?} in {here:?}");
        }
        let mut member = Member::load(store, options()).unwrap();
        let again = member
            .connected()
            .into_iter()
            .find_map(|action| match action {
                Action::Publish(publication) if publication.topic == topic => Some(publication),
                _ => None,
            });
        // What a crash kept from going out goes out now, and its keys are there.
        if let Some(Publication { payload, .. }) = again {
            assert!(numbers(&net, device, &payload, Suite::One).is_subset(&here));
        }
    }
}

#[test]
fn a_set_that_a_crash_prevented_is_made_after_it() {
    let mut net = Net::new();
    let device = net.join("device", Access::BOTH);
    net.crash(device);
    net.connect(device);
    assert!(!net.retained.contains_key(&packages_topic(&net, device)));
    net.tick(device);
    assert!(net.retained.contains_key(&packages_topic(&net, device)));
}

/// Held back until the window is beyond its epoch, a welcome cannot be installed any more.
#[test]
fn a_welcome_that_comes_too_late_is_replaced_without_a_human() {
    let mut net = Net::new();
    let device = net.join("device", Access::BOTH);
    let (number, group) = (net.number(device), net.group("plant"));
    let packages = packages_topic(&net, device);
    let bring_packages = |net: &mut Net| {
        net.tick(device);
        let set = net.retained[&packages].clone();
        let now = net.now / 1000;
        let plan = net
            .authority
            .handle(&packages, &set, now, &mut TestRng::new(5));
        net.carry_out(plan.unwrap());
        set
    };
    let before = bring_packages(&mut net);
    let now = net.now / 1000;
    let plan = net
        .authority
        .renew_generation("plant", now, &mut TestRng::new(6))
        .unwrap();
    net.carry_out(plan);
    net.tick_authority();
    let fresh = bring_packages(&mut net);
    assert_ne!(before, fresh, "made for the new generation");

    // The broker keeps the welcome to the new generation to itself.
    let topic = net.topic(ReservedTopic::Welcome(number, group));
    // Within a minute, in which packages stay whatever epochs pass.
    net.now += 30_000;
    let plan = net.authority.tick(net.now / 1000, &mut TestRng::new(7));
    let (late, rest): (Vec<_>, Vec<_>) = net
        .withhold(plan.unwrap())
        .into_iter()
        .partition(|publication| publication.topic == topic);
    assert_eq!(late.len(), 1);
    rest.into_iter()
        .for_each(|publication| net.publish(publication));
    for _ in 0..=Policy::default().window {
        net.rotate();
    }
    late.into_iter()
        .for_each(|publication| net.publish(publication));
    let refused =
        |e: &MemberEvent| matches!(e, MemberEvent::BadReserved { topic: t, .. } if *t == topic);
    assert!(net.devices[device].events.iter().any(refused));
    // At once, and the rest of its set with the next one.
    let used = numbers(&net, device, &fresh, Suite::One);
    let left = kept(&net.devices[device].store);
    assert_eq!(used.difference(&left).count(), 1);
    let after = bring_packages(&mut net);
    assert_ne!(fresh, after);
    let kept = kept(&net.devices[device].store);
    assert!(
        kept.is_disjoint(&used),
        "it would open what is out of the window"
    );
    assert_eq!(bring_packages(&mut net), after, "once");

    let joined = |net: &Net| {
        let events = net.devices[device].events.iter();
        events
            .filter(|e| matches!(e, MemberEvent::Joined { .. }))
            .count()
    };
    assert_eq!(joined(&net), 1);
    net.now += 600_000;
    net.tick_authority();
    assert_eq!(joined(&net), 2);
}

/// A welcome that the broker never shows: whoever copies the store later and has recorded it
/// opens nothing that is older than the window and one epoch.
#[test]
fn no_package_outlives_the_window_without_a_welcome() {
    let mut net = Net::new();
    let device = net.join("device", Access::BOTH);
    let (number, group) = (net.number(device), net.group("plant"));
    let (topic, packages) = (
        net.topic(ReservedTopic::Welcome(number, group)),
        packages_topic(&net, device),
    );
    net.tick(device);
    let now = net.now / 1000;
    let plan = net
        .authority
        .renew_generation("plant", now, &mut TestRng::new(6));
    net.carry_out(plan.unwrap());
    net.tick_authority();
    let mut withheld: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut sets = BTreeSet::new();
    for hour in 0..38 {
        net.now += 3_600_000;
        if hour % 7 == 3 {
            net.crash(device);
            net.connect(device);
        }
        net.tick(device);
        let set = net.retained[&packages].clone();
        sets.insert(set.clone());
        let now = net.now / 1000;
        let plan = net
            .authority
            .handle(&packages, &set, now, &mut TestRng::new(hour));
        net.carry_out(plan.unwrap());
        let plan = net.authority.tick(now, &mut TestRng::new(100 + hour));
        for publication in net.withhold(plan.unwrap()) {
            if publication.topic == topic {
                let epoch = net.authority.groups().next().unwrap().epoch;
                withheld.push((epoch, publication.payload));
            } else {
                net.publish(publication);
            }
        }
        net.rotate();
        net.tick(device);

        let current = net.epoch(device).unwrap();
        for (epoch, welcome) in &withheld {
            let options = net.devices[device].member.options().clone();
            let mut thief = Member::load(&net.devices[device].store, options).unwrap();
            let actions = thief.handle_reserved(&topic, welcome, Some(net.now));
            let event = |a: &Action| matches!(a, Action::Event(MemberEvent::Joined { .. }));
            if actions.iter().any(event) {
                let window = u64::from(Policy::default().window);
                assert!(epoch + window + 1 >= current, "{epoch} at {current}");
            }
        }
    }
    assert!(withheld.len() > 3, "{}", withheld.len());
    assert!(sets.len() < 38, "{}", sets.len());
    // Once the broker behaves, one comes through.
    for _ in 0..3 {
        net.now += 86_400_000;
        let set = net.retained[&packages].clone();
        let now = net.now / 1000;
        let plan = net
            .authority
            .handle(&packages, &set, now, &mut TestRng::new(7));
        net.carry_out(plan.unwrap());
        net.tick_authority();
        net.tick(device);
    }
    let state = net.devices[device].member.groups().next().unwrap();
    assert!(!state.needs_welcome);
    let joined = net.devices[device].events.iter();
    let joined = joined.filter(|e| matches!(e, MemberEvent::Joined { .. }));
    assert!(joined.count() >= 2);
}

/// It slept while its generation ended, and the broker has lost its welcome to the next one: the
/// healing announcements on the way are retained no longer, so it must not wait for them.
#[test]
fn a_member_of_a_generation_that_has_ended_asks_for_a_welcome() {
    let mut net = Net::new();
    let device = net.join("device", Access::BOTH);
    net.join("other", Access::BOTH);
    let group = net.group("plant");
    net.disconnect(device);
    net.heal();
    let healing = net.authority.groups().next().unwrap().epoch;
    let now = net.now / 1000;
    let plan = net
        .authority
        .renew_generation("plant", now, &mut TestRng::new(8));
    net.carry_out(plan.unwrap());
    for _ in 0..60 {
        net.now += 86_400_000;
        net.tick_authority();
    }
    net.heal();
    net.rotate();
    let announcement = |epoch| net.topic(ReservedTopic::Announcement(group, epoch));
    assert!(!net.retained.contains_key(&announcement(healing)));
    let welcome = net.topic(ReservedTopic::Welcome(net.number(device), group));
    net.retained.remove(&welcome);

    net.connect(device);
    let asks = |e: &MemberEvent| matches!(e, MemberEvent::NeedsWelcome { .. });
    assert!(net.devices[device].events.iter().any(asks));
    let waits = |net: &Net| {
        net.devices[device]
            .member
            .groups()
            .next()
            .unwrap()
            .needs_welcome
    };
    assert!(waits(&net));
    net.crash(device);
    assert!(waits(&net), "it knows before the broker shows it anything");
    net.retained.remove(&packages_topic(&net, device));
    net.tick(device);
    assert!(net.retained.contains_key(&packages_topic(&net, device)));
}

/// The welcome that stands there may be one of an older delegation, to a generation that has
/// ended: the authority has nothing that it could replace it with.
#[test]
fn a_member_without_a_usable_welcome_brings_packages() {
    let mut net = Net::new();
    net.join("other", Access::BOTH);
    let device = net.enrol("device", &[crate::net::grant("plant", Access::BOTH)]);
    net.tick_authority();
    let welcome = ReservedTopic::Welcome(net.number(device), net.group("plant"));
    net.retained.remove(&net.topic(welcome));
    let packages = packages_topic(&net, device);
    net.connect(device);
    net.tick(device);
    assert!(!net.retained.contains_key(&packages), "it may come yet");
    net.now += 2_000;
    net.tick(device);
    let set = net.retained[&packages].clone();
    for _ in 0..40 {
        net.now += 2_000;
        net.tick(device);
    }
    assert_eq!(net.retained[&packages], set, "once");
    let now = net.now / 1000;
    let plan = net
        .authority
        .handle(&packages, &set, now, &mut TestRng::new(9));
    net.carry_out(plan.unwrap());
    net.tick_authority();
    net.now += 600_000;
    net.tick_authority();
    assert!(net.epoch(device).is_some());
}

#[test]
fn only_the_refused_list_says_that_a_member_was_removed() {
    let mut net = Net::new();
    let (device, _other) = (
        net.join("device", Access::BOTH),
        net.join("o", Access::BOTH),
    );
    let number = net.number(device);
    let now = net.now / 1000;
    let plan = net
        .authority
        .remove(number, now, &mut TestRng::new(4))
        .unwrap();
    let list = net.topic(ReservedTopic::RefusedList(net.group("plant")));
    let (lists, rest): (Vec<_>, Vec<_>) = net
        .withhold(plan)
        .into_iter()
        .partition(|p| p.topic == list);
    rest.into_iter()
        .for_each(|publication| net.publish(publication));
    let removed = |net: &Net| {
        let events = net.devices[device].events.iter();
        events
            .filter(|e| matches!(e, MemberEvent::Removed { .. }))
            .count()
    };
    let info = |net: &Net| net.devices[device].member.groups().next().unwrap();
    assert_eq!(removed(&net), 0);
    assert!(!info(&net).removed && !info(&net).needs_welcome);
    lists
        .into_iter()
        .for_each(|publication| net.publish(publication));
    assert_eq!(removed(&net), 1);
    assert!(info(&net).removed && !info(&net).needs_welcome);

    // Started again, it knows, whatever the broker shows it; and says so once more.
    net.crash(device);
    assert!(info(&net).removed);
    let sealed = net.seal(device, &OutgoingMessage::new("plant/a", b"still here"));
    assert!(
        matches!(sealed, Err(SealError::Removed { .. })),
        "{sealed:?}"
    );
    net.connect(device);
    assert_eq!(removed(&net), 2);
}
