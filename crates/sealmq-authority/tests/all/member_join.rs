//! From the enrolment request to the first keys; the objects in every order.

use crate::common::{MemoryStore, TestRng};
use crate::net::{Net, START, YEAR, grant};
use sealmq_core::object::Access;
use sealmq_keys::member::{
    MAX_PACKAGES, Member, MemberError, MemberEvent, MemberOptions, OutgoingMessage, SealError,
};
use sealmq_keys::objects::decode_request;
use sealmq_keys::{Publication, ReservedTopic, Store};

const NOW: Option<u64> = Some(START * 1000);

fn request(store: &mut MemoryStore, name: &str) -> String {
    let (changes, file) = Member::request(store, name, 3, NOW, &mut TestRng::new(9)).unwrap();
    store.commit(&changes).unwrap();
    file
}

fn approve(net: &mut Net, file: &str) -> String {
    let request = decode_request(file).unwrap();
    let grants = [grant("plant", Access::BOTH)];
    let (enrolled, plan) = net
        .authority
        .enrol(&request, &grants, YEAR, START, &mut net.rng)
        .unwrap();
    net.carry_out(plan);
    enrolled.credential_file
}

#[test]
fn enrolment_round_trip() {
    let mut net = Net::new();
    let mut store = MemoryStore::default();
    assert!(matches!(
        Member::load(&store, MemberOptions::default()),
        Err(MemberError::NotRequested)
    ));
    let file = request(&mut store, "sensor-1");
    assert_eq!(Member::request_file(&store).unwrap(), file);
    assert!(matches!(
        Member::load(&store, MemberOptions::default()),
        Err(MemberError::NotEnrolled)
    ));
    let credential = approve(&mut net, &file);
    let (changes, enrolled) = Member::enrol(&store, &credential, NOW).unwrap();
    store.commit(&changes).unwrap();
    assert_eq!(enrolled.name, "sensor-1");
    assert_eq!(enrolled.domain, net.authority.domain());
    assert_eq!(enrolled.prefix, net.authority.prefix());
    assert_eq!(&enrolled.root_key, net.authority.root_key());
    assert_eq!(
        enrolled.grants,
        [(net.group("plant"), Access::BOTH, String::new())]
    );
    let member = Member::load(&store, MemberOptions::default()).unwrap();
    assert_eq!(
        (member.name(), member.number()),
        ("sensor-1", enrolled.number)
    );
    assert_eq!(member.packages_left(), 3);
    // The same file again is fine.
    assert!(Member::enrol(&store, &credential, NOW).is_ok());
}

#[test]
fn requests_that_make_no_sense() {
    let store = MemoryStore::default();
    let mut rng = TestRng::new(1);
    for (name, packages) in [("a/b", 1), ("", 1), ("a", 0), ("a", MAX_PACKAGES + 1)] {
        assert!(Member::request(&store, name, packages, NOW, &mut rng).is_err());
    }
    assert!(Member::request(&store, "a", MAX_PACKAGES, NOW, &mut rng).is_ok());
    rng.break_down();
    assert!(matches!(
        Member::request(&store, "a", 1, NOW, &mut rng),
        Err(MemberError::Random)
    ));
    let mut store = store;
    request(&mut store, "a");
    assert!(matches!(
        Member::request(&store, "a", 1, NOW, &mut TestRng::new(1)),
        Err(MemberError::AlreadyRequested)
    ));
}

#[test]
fn a_request_without_a_clock_is_as_good() {
    let mut net = Net::new();
    let mut store = MemoryStore::default();
    let (changes, file) = Member::request(&store, "x", 1, None, &mut TestRng::new(3)).unwrap();
    store.commit(&changes).unwrap();
    let credential = approve(&mut net, &file);
    assert!(Member::enrol(&store, &credential, None).is_ok());
}

#[test]
fn files_that_are_not_the_answer() {
    let mut net = Net::new();
    let (mut one, mut two) = (MemoryStore::default(), MemoryStore::default());
    let file_one = request(&mut one, "one");
    let (changes, file_two) = Member::request(&two, "two", 1, NOW, &mut TestRng::new(10)).unwrap();
    two.commit(&changes).unwrap();
    let credential_one = approve(&mut net, &file_one);
    let credential_two = approve(&mut net, &file_two);
    assert!(matches!(
        Member::enrol(&one, &credential_two, NOW),
        Err(MemberError::OtherDevice)
    ));
    assert!(matches!(
        Member::enrol(&one, &file_one, NOW),
        Err(MemberError::File(_))
    ));
    let late = Some((START + 2 * YEAR) * 1000);
    assert!(matches!(
        Member::enrol(&one, &credential_one, late),
        Err(MemberError::Delegation(_))
    ));
    let early = Some((START - 301) * 1000);
    assert!(Member::enrol(&one, &credential_one, early).is_err());
    assert!(Member::enrol(&one, &credential_one, Some((START - 300) * 1000)).is_ok());

    // The root is pinned by the first file.
    let (changes, _) = Member::enrol(&one, &credential_one, NOW).unwrap();
    one.commit(&changes).unwrap();
    let mut other = Net::new();
    other.rng = TestRng::new(77);
    let domain = sealmq_authority::Authority::create(None, YEAR, START, &mut other.rng).unwrap();
    other.authority = domain.authority;
    other.authority_store = crate::common::MemoryStore::default();
    other.carry_out(domain.plan);
    other.add_group(
        "plant",
        &["plant/#"],
        sealmq_keys::objects::Policy::default(),
    );
    let foreign = approve(&mut other, &file_one);
    assert!(matches!(
        Member::enrol(&one, &foreign, NOW),
        Err(MemberError::OtherDomain)
    ));
}

/// The reserved messages that a joiner finds, in every order.
#[test]
fn join_in_every_order() {
    let orders = [
        [0, 1, 2, 3],
        [3, 2, 1, 0],
        [1, 3, 0, 2],
        [2, 0, 3, 1],
        [3, 0, 1, 2],
        [1, 0, 3, 2],
    ];
    for order in orders {
        let mut net = Net::new();
        let old = net.join("old", Access::BOTH);
        net.heal();
        let device = net.enrol("new", &[grant("plant", Access::BOTH)]);
        net.tick_authority();
        let (group, me) = (net.group("plant"), net.number(device));
        let epoch = net.epoch(old).unwrap();
        let topics = [
            net.topic(ReservedTopic::Welcome(me, group)),
            net.topic(ReservedTopic::Announcement(group, epoch)),
            net.topic(ReservedTopic::Announcement(group, epoch - 1)),
            net.topic(ReservedTopic::Delegation),
        ];
        for index in order {
            let payload = net.retained[&topics[index]].clone();
            net.deliver(device, &topics[index], &payload, true);
        }
        assert_eq!(net.epoch(device), Some(epoch), "order {order:?}");
        net.connect(device);
        net.subscribe(device, "plant/#");
        net.send(old, "plant/a", b"hello");
        assert_eq!(net.texts(device), ["hello"]);
        assert_eq!(net.devices[device].member.stats().reserved_refused, 0);
    }
}

#[test]
fn without_keys_sealing_says_what_is_missing() {
    let mut net = Net::new();
    let device = net.enrol("new", &[grant("plant", Access::PUBLISH)]);
    let group = net.group("plant");
    let message = OutgoingMessage::new("plant/a", b"x");
    assert_eq!(
        net.seal(device, &message),
        Err(SealError::NoKeysYet {
            groups: vec![group]
        })
    );
    net.connect(device);
    // The welcome is here; the announcement of its epoch is not.
    assert_eq!(
        net.seal(device, &message),
        Err(SealError::NoKeysYet {
            groups: vec![group]
        })
    );
    net.tick_authority();
    assert!(net.seal(device, &message).is_ok());
    let elsewhere = OutgoingMessage::new("office/a", b"x");
    assert_eq!(net.seal(device, &elsewhere), Err(SealError::NoGroup));
    let reserved = net.topic(ReservedTopic::Delegation);
    assert_eq!(
        net.seal(device, &OutgoingMessage::new(&reserved, b"x")),
        Err(SealError::Reserved)
    );
    assert!(matches!(
        net.seal(device, &OutgoingMessage::new("plant/+", b"x")),
        Err(SealError::Topic(_))
    ));
}

#[test]
fn the_private_half_of_a_package_goes_with_the_welcome() {
    let mut net = Net::new();
    let device = net.enrol("new", &[grant("plant", Access::BOTH)]);
    let package = net.devices[device].store.0["member/package/0000000001"].clone();
    let seed = package[package.len() - 32..].to_vec();
    net.tick_authority();
    net.connect(device);
    let this = &net.devices[device];
    assert!(matches!(this.events[0], MemberEvent::Joined { .. }));
    assert!(!this.store.0.contains_key("member/package/0000000001"));
    let held = |store: &MemoryStore| {
        store
            .0
            .values()
            .any(|v| v.windows(32).any(|window| window == seed))
    };
    assert!(held(&this.history[0]));
    assert!(!held(&this.store));
    // In one transaction: no state of the store has both, or neither.
    for store in &this.history {
        let joined = store.0.keys().any(|k| k.starts_with("group/"));
        assert_ne!(held(store), joined);
    }
}

#[test]
fn a_welcome_again_resets_nothing() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let welcome = net.topic(ReservedTopic::Welcome(
        net.number(alice),
        net.group("plant"),
    ));
    let payload = net.retained[&welcome].clone();
    let first = net.send(bob, "plant/a", b"one");
    net.rotate();
    net.send(bob, "plant/a", b"two");
    assert_eq!(net.texts(alice), ["one", "two"]);
    let before = net.devices[alice].store.0.clone();
    let epoch = net.epoch(alice);
    net.deliver(alice, &welcome, &payload, true);
    assert_eq!(net.devices[alice].store.0, before);
    assert_eq!(net.epoch(alice), epoch);
    net.restart(alice);
    net.deliver(alice, &welcome, &payload, true);
    net.deliver(alice, "plant/a", &first, false);
    assert!(net.inbox(alice).is_empty(), "the replay window survived");
    assert_eq!(net.devices[alice].member.stats().reserved_refused, 0);
}

#[test]
fn somebody_elses_welcome_is_not_mine() {
    let mut net = Net::new();
    let alice = net.enrol("alice", &[grant("plant", Access::BOTH)]);
    let bob = net.enrol("bob", &[grant("plant", Access::BOTH)]);
    let group = net.group("plant");
    let (a, b) = (net.number(alice), net.number(bob));
    let (mine, other) = (
        net.topic(ReservedTopic::Welcome(a, group)),
        net.topic(ReservedTopic::Welcome(b, group)),
    );
    let payload = net.retained[&other].clone();
    let before = net.devices[alice].store.0.clone();
    net.deliver(alice, &other, &payload, true);
    net.deliver(alice, &mine, &payload, true);
    assert_eq!(net.devices[alice].store.0, before);
    assert_eq!(net.devices[alice].member.stats().reserved_refused, 1);
    assert_eq!(net.devices[alice].member.packages_left(), 3);
}

#[test]
fn two_groups_and_a_later_one() {
    let mut net = Net::new();
    net.add_group(
        "office",
        &["office/#"],
        sealmq_keys::objects::Policy::default(),
    );
    let grants = [
        grant("plant", Access::PUBLISH),
        grant("office", Access::BOTH),
    ];
    let device = net.enrol("both", &grants);
    let reader = net.enrol("reader", &[grant("office", Access::SUBSCRIBE)]);
    net.tick_authority();
    for d in [device, reader] {
        net.connect(d);
        net.subscribe(d, "office/#");
    }
    net.send(device, "office/x", b"hi");
    assert_eq!(net.texts(reader), ["hi"]);
    assert!(
        net.seal(device, &OutgoingMessage::new("plant/x", b"hi"))
            .is_ok()
    );
    assert_eq!(
        net.seal(reader, &OutgoingMessage::new("office/x", b"no")),
        Err(SealError::NotGranted {
            group: "office".into()
        })
    );
    let info: Vec<_> = net.devices[device].member.groups().collect();
    assert_eq!(info.len(), 2);
    assert!(
        info.iter()
            .all(|g| g.epoch == Some(2) && g.ready && !g.removed && g.window == 2)
    );
}

#[test]
fn narrowed_publishing() {
    let mut net = Net::new();
    let mut narrow = grant("plant", Access::BOTH);
    narrow.publish_filter = "plant/%c/#".into();
    let device = net.enrol("boiler-7", &[narrow]);
    net.tick_authority();
    net.connect(device);
    assert!(
        net.seal(device, &OutgoingMessage::new("plant/boiler-7/temp", b"x"))
            .is_ok()
    );
    assert_eq!(
        net.seal(device, &OutgoingMessage::new("plant/boiler-8/temp", b"x")),
        Err(SealError::NotGranted {
            group: "plant".into()
        })
    );
}

#[test]
fn cleared_topics_change_nothing() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let before = net.devices[alice].store.0.clone();
    let topics: Vec<String> = net
        .retained
        .keys()
        .filter(|t| t.starts_with("_sealmq/"))
        .cloned()
        .collect();
    assert!(topics.len() >= 4);
    for topic in topics {
        net.publish(Publication::clear(topic));
    }
    assert_eq!(net.devices[alice].store.0, before);
    net.restart(alice);
    net.connect(alice);
    assert!(
        net.seal(alice, &OutgoingMessage::new("plant/a", b"x"))
            .is_ok()
    );
}
