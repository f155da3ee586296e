//! What one member, or anybody, can make the authority do to all the others of its group: nothing
//! that costs them epochs.

use crate::common::desk::{Desk, NOW, YEAR, grants};
use crate::common::device::Device;
use crate::net::serve::serve;
use crate::net::{Net, grant};
use sealmq_authority::{AuthorityEvent, EpochReason, GrantSpec, NewGroup};
use sealmq_core::MemberNumber;
use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::VerifiedWelcome;

const SUITES: [Suite; 2] = [Suite::One, Suite::Two];

fn enrol(desk: &mut Desk, seed: u8, grants: &[GrantSpec]) -> (Device, MemberNumber) {
    let suite = desk.delegation().suite();
    let device = Device::new(seed, suite, desk.authority.domain());
    let request = device.request(&format!("device-{seed}"), 4, NOW);
    let enrolled = desk
        .authority
        .enrol(&request, grants, YEAR, NOW, &mut desk.rng);
    let (enrolled, plan) = enrolled.unwrap();
    desk.commit(plan);
    (device, enrolled.number)
}

/// Ticks, and tells why epochs began.
fn tick(desk: &mut Desk, now: u64) -> Vec<EpochReason> {
    let plan = desk.authority.tick(now, &mut desk.rng).unwrap();
    let reason = |event: &AuthorityEvent| match event {
        AuthorityEvent::Epoch { reason, .. } => Some(*reason),
        _ => None,
    };
    let reasons = plan.events.iter().filter_map(reason).collect();
    desk.commit(plan);
    reasons
}

fn publish_only() -> Vec<GrantSpec> {
    let mut grants = grants(&["plant"]);
    grants[0].access = Access::PUBLISH;
    grants
}

#[test]
fn a_member_that_never_confirms_drives_no_epochs() {
    for suite in SUITES {
        let mut desk = Desk::with_groups(suite);
        let (device, number) = enrol(&mut desk, 1, &publish_only());
        assert_eq!(tick(&mut desk, NOW), [EpochReason::Welcomes]);
        let topic = ReservedTopic::Packages(number);
        let (mut changes, mut welcomes, mut last) = (0, 0, None);
        for second in 1..=7200_u32 {
            let now = NOW + u64::from(second);
            if suite == Suite::One || second % 60 == 0 {
                let set = device.packages([4 + second], now);
                changes += usize::from(desk.handle(topic, &set, now) > 0);
            }
            if second == 3000 {
                desk.reload();
            }
            assert_eq!(tick(&mut desk, now), []);
            let groups = desk.authority.groups();
            let id = groups.into_iter().find(|g| g.name == "plant").unwrap().id;
            let welcome = desk.at(ReservedTopic::Welcome(number, id));
            let welcome = welcome.map(<[u8]>::to_vec);
            welcomes += u32::from(welcome != last);
            last = welcome;
        }
        // The first one; after 10 seconds, 10 minutes, 20, 40: less and less often.
        assert!((4..=6).contains(&welcomes), "{welcomes}");
        // What it can have written is bounded, too: some at once, then one in a minute.
        assert!(changes <= 2 * 8 + 7200 / 60, "{changes}");
    }
}

/// The same while a generation begins: each member moves once.
#[test]
fn nor_while_members_move() {
    let mut desk = Desk::with_groups(Suite::One);
    let (device, number) = enrol(&mut desk, 1, &publish_only());
    let _away = enrol(&mut desk, 2, &grants(&["plant"]));
    tick(&mut desk, NOW);
    let plan = desk.authority.renew_generation("plant", NOW, &mut desk.rng);
    desk.commit(plan.unwrap());
    let mut reasons = Vec::new();
    for second in 1..=3600_u32 {
        let now = NOW + u64::from(second);
        let set = device.packages([4 + second], now);
        desk.handle(ReservedTopic::Packages(number), &set, now);
        reasons.extend(tick(&mut desk, now));
    }
    let expected = [EpochReason::GenerationStarted, EpochReason::Welcomes];
    assert_eq!(reasons, expected);
}

/// Who cannot use its welcome gets another one soon, for the epoch that has begun, and opens
/// nothing that its first one would not have opened.
#[test]
fn a_member_that_lost_its_keys_is_back_soon_and_costs_nobody_an_epoch() {
    for suite in SUITES {
        for confirms_late in [false, true] {
            let mut desk = Desk::with_groups(suite);
            let (device, number) = enrol(&mut desk, 1, &grants(&["plant"]));
            assert_eq!(tick(&mut desk, NOW), [EpochReason::Welcomes]);
            let group = desk.authority.groups().find(|g| g.name == "plant").unwrap();
            let (topic, confirm) = (
                ReservedTopic::Welcome(number, group.id),
                ReservedTopic::Confirm(number),
            );
            let first = desk.at(topic).unwrap().to_vec();
            let set = device.packages(5..=8, NOW + 1);
            desk.handle(ReservedTopic::Packages(number), &set, NOW + 1);
            desk.reload();
            assert!(desk.authority.next_due().unwrap() <= NOW + 10);
            assert_eq!(tick(&mut desk, NOW + 10), []);
            let second = desk.at(topic).unwrap().to_vec();
            assert_ne!(first, second);
            let fields = |bytes: &[u8]| {
                let welcome = VerifiedWelcome::verify(bytes, &desk.delegation());
                *welcome.unwrap().fields()
            };
            let (old, new) = (fields(&first), fields(&second));
            assert_eq!((new.epoch, new.leaf), (old.epoch, old.leaf));
            assert_eq!(new.epoch, group.epoch);
            assert_eq!((new.previous, new.healing), (old.previous, old.healing));
            assert!(new.package_number > old.package_number);
            // A confirmation of the first that was on its way confirms nothing, and spoils nothing.
            if confirms_late {
                let entry = device.install(&desk.delegation(), &first);
                let late = device.confirmation(number, &[entry]);
                assert_eq!(desk.handle(confirm, &late, NOW + 11), 0);
                assert_eq!(desk.refusals(), 0);
            }
            let entry = device.install(&desk.delegation(), &second);
            let confirmation = device.confirmation(number, &[entry]);
            assert_ne!(desk.handle(confirm, &confirmation, NOW + 12), 0);
            let moved = desk.authority.groups().map(|g| g.moved).max();
            assert_eq!(moved, Some(1));
        }
    }
}

/// The member machine on the other side: it follows the epoch at once and reads.
#[test]
fn who_is_welcomed_again_reads_the_epoch_that_has_begun() {
    for heals in [false, true] {
        let mut net = Net::new();
        let writer = net.join("writer", Access::BOTH);
        let reader = net.enrol("reader", &[grant("plant", Access::BOTH)]);
        net.tick_authority();
        let id = net.group("plant");
        let number = net.devices[reader].member.number();
        let topic = net.topic(ReservedTopic::Welcome(number, id));
        let lost = net.retained.remove(&topic).unwrap();
        net.connect(reader);
        net.subscribe(reader, "plant/#");
        net.tick(reader);
        net.send(writer, "plant/a", b"before");
        net.rotate();
        net.rotate();
        if heals {
            net.heal();
        }
        let epoch = net.authority.groups().next().unwrap().epoch;
        net.now += 61_000;
        net.tick(reader);
        serve(&mut net);
        assert_ne!(net.retained[&topic], lost);
        net.send(writer, "plant/a", b"now");
        assert_eq!(net.texts(reader), ["now"]);
        assert_eq!(net.authority.groups().next().unwrap().epoch, epoch);
        // The older one, played back, does nothing; and the authority knows that it is there.
        net.deliver(reader, &topic, &lost, true);
        serve(&mut net);
        assert_eq!(net.authority.groups().next().unwrap().moved, 2);
    }
}

/// Whoever publishes on a group's topics is counted, with keys or without.
#[test]
fn a_flood_of_messages_drives_no_epochs() {
    let mut desk = Desk::new(Suite::One, 1);
    let mut group = NewGroup::new("plant", ["plant/#"]);
    group.schedule.rotate_after_messages = 1;
    desk.add_group(&group);
    let mut reasons = Vec::new();
    for second in 1..=3600 {
        desk.authority.count("plant", 100).unwrap();
        reasons.extend(tick(&mut desk, NOW + second));
    }
    assert_eq!(reasons, [EpochReason::Use; 6]);
    desk.authority.count("plant", 100).unwrap();
    let due = desk.authority.next_due().unwrap();
    assert_eq!(due, NOW + 4200, "it is not asked for again and again");
}
