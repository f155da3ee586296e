//! Welcomes that the broker withholds or loses: which packages end then, and which are made
//! (spec/keys.md §4).

use crate::common::TestRng;
use crate::member_packages::{kept, packages_topic};
use crate::net::serve::{generations, renew, serve, settle};
use crate::net::{Net, START};
use crate::restored::{Restored, delegation, put_in_place};
use sealmq_authority::{Authority, ResumeOptions};
use sealmq_core::object::Access;
use sealmq_keys::member::MemberEvent;
use sealmq_keys::objects::Policy;
use sealmq_keys::{ReservedTopic, Store as _};

/// The broker withholds one welcome and shows the next one, which is sealed to a later package.
#[test]
fn no_package_below_the_installed_welcomes_outlives_the_window() {
    let mut net = Net::new();
    let device = net.join("device", Access::BOTH);
    let (number, group) = (net.number(device), net.group("plant"));
    let topic = net.topic(ReservedTopic::Welcome(number, group));
    settle(&mut net);
    renew(&mut net);
    // Packages made for the new generation, and the welcome to one of them.
    net.tick(device);
    net.now += 3_600_000;
    let bring = |net: &mut Net| {
        let packages = packages_topic(net, device);
        let (now, set) = (net.now / 1000, net.retained[&packages].clone());
        let rng = &mut TestRng::new(now);
        let plan = net.authority.handle(&packages, &set, now, rng);
        net.carry_out(plan.unwrap());
        net.authority.tick(now, rng).unwrap()
    };
    let plan = bring(&mut net);
    let (withheld, rest): (Vec<_>, Vec<_>) = net
        .withhold(plan)
        .into_iter()
        .partition(|publication| publication.topic == topic);
    rest.into_iter().for_each(|p| net.publish(p));
    let package = |net: &Net, welcome: &[u8]| {
        let delegation = &net.retained[&net.topic(ReservedTopic::Delegation)];
        let root = net.root.verifying_key();
        let delegation =
            sealmq_keys::objects::VerifiedDelegation::verify(delegation, &root).unwrap();
        let welcome = sealmq_keys::objects::VerifiedWelcome::verify(welcome, &delegation).unwrap();
        welcome.fields().package_number
    };
    let first = package(&net, &withheld[0].payload);
    assert!(kept(&net.devices[device].store).contains(&first));

    // Half of the window later it brings others, and gets its welcome.
    for _ in 0..=Policy::default().window / 2 {
        net.rotate();
    }
    net.tick(device);
    net.now += 3_600_000;
    let plan = bring(&mut net);
    net.carry_out(plan);
    let (state, installed) = (
        net.devices[device].member.groups().next().unwrap(),
        package(&net, &net.retained[&topic]),
    );
    assert!(!state.needs_welcome && installed > first);
    assert!(!kept(&net.devices[device].store).contains(&installed));

    for _ in 0..=Policy::default().window + 1 {
        net.rotate();
    }
    net.now += 60_000;
    net.tick(device);
    let kept = kept(&net.devices[device].store);
    assert!(
        !kept.contains(&first),
        "{first} opens what has left the window"
    );
    assert!(!kept.is_empty());
}

/// It slept while its group went on, and the broker has lost its welcome.
#[test]
fn no_package_from_before_a_long_sleep_stays_without_a_welcome() {
    let mut net = Net::new();
    let device = net.join("device", Access::BOTH);
    settle(&mut net);
    let before = kept(&net.devices[device].store);
    assert!(!before.is_empty());
    net.disconnect(device);
    renew(&mut net);
    for _ in 0..=Policy::default().window + 1 {
        net.rotate();
    }
    let topic = ReservedTopic::Welcome(net.number(device), net.group("plant"));
    net.retained.remove(&net.topic(topic));
    net.now += 3_600_000;
    net.connect(device);
    net.tick(device);
    let joined = |e: &&MemberEvent| matches!(e, MemberEvent::Joined { .. });
    assert_eq!(net.devices[device].events.iter().filter(joined).count(), 1);
    let after = kept(&net.devices[device].store);
    assert!(after.is_disjoint(&before), "{before:?} {after:?}");
    assert!(!after.is_empty());
}

/// Its chain has a healing that the backup lacks, so a resumption replaces it; and by the time it hears of that there is another
/// generation, which takes only packages that were made for it.
#[test]
fn a_member_without_a_clock_brings_packages_for_the_chain_that_replaces_its_own() {
    let mut net = Net::with_policy(Policy {
        lease: 300,
        ..Policy::default()
    });
    let device = net.join("device", Access::BOTH);
    let mut restored = Restored::from(&net.authority_store.clone());
    net.heal();
    net.rotate();
    net.disconnect(device);
    let log = Authority::audit_log(&net.authority_store).unwrap();
    let changes = Authority::mark_restored(&restored.store, START).unwrap();
    restored.store.commit(&changes).unwrap();
    let mut restored = Restored::from(&restored.store);
    let object = delegation(&net, &mut restored.authority, 2);
    let options = ResumeOptions {
        log: Some(&log),
        ..ResumeOptions::default()
    };
    let rng = &mut TestRng::new(50);
    let plan = restored.authority.resume(&object, &options, START, rng);
    let publications = restored.commit(plan.unwrap());
    put_in_place(&mut net, &restored, publications);
    net.tick_authority();
    net.now += 3_600_000;
    renew(&mut net);
    net.rotate();
    // The broker has lost the welcome of the resumption.
    let topic = ReservedTopic::Welcome(net.number(device), net.group("plant"));
    net.retained.remove(&net.topic(topic));

    for _ in 0..3 {
        net.now += 3_600_000;
        for (topic, payload) in net.retained.clone() {
            let member = &mut net.devices[device].member;
            let actions = member.handle_reserved(&topic, &payload, None);
            net.act(device, actions);
        }
        let this = &mut net.devices[device];
        let actions = this.member.maintain(None, &mut this.rng);
        net.act(device, actions);
        serve(&mut net);
    }
    let events = &net.devices[device].events;
    let fork = |e: &MemberEvent| matches!(e, MemberEvent::Fork { .. });
    assert!(events.iter().any(fork));
    let newest = net.authority.groups().next().unwrap().epoch;
    assert_eq!(net.epoch(device), Some(newest));
}

/// Its welcome's epoch is the new generation's first: what it made after the welcome came before
/// that generation was announced, and serves for nothing there.
#[test]
fn a_member_whose_first_epoch_begins_a_generation_brings_other_packages() {
    let mut net = Net::new();
    net.join("other", Access::BOTH);
    let device = net.enrol("device", &[crate::net::grant("plant", Access::BOTH)]);
    net.connect(device);
    net.tick(device);
    let packages = packages_topic(&net, device);
    let before = net.retained[&packages].clone();
    assert_eq!(net.epoch(device), None, "its epoch has not begun");
    renew(&mut net);
    assert_eq!(generations(&net), [1, 2]);
    net.tick(device);
    assert_ne!(net.retained[&packages], before);
    // They are taken for the move.
    settle(&mut net);
    let state = net.devices[device].member.groups().next().unwrap();
    assert!(!state.needs_welcome);
}
