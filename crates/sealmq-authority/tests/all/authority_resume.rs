//! An authority whose store was put back: it sees what it has published itself, does nothing more,
//! and goes on only by a new delegation, without a fork and without forgetting anybody (A33).

use crate::common::{TestRng, request};
use crate::net::{Net, START, YEAR, grant};
use crate::restored::{Restored, delegation, log};
use sealmq_authority::{
    AuditLog, Authority, AuthorityError, AuthorityEvent, EvidenceKind, LoadError, ResumeOptions,
};
use sealmq_core::object::Access;
use sealmq_keys::objects::Policy;
use sealmq_keys::{ReservedTopic, Store};

/// A net with heartbeats, and two members.
fn leased() -> Net {
    let mut net = Net::with_policy(Policy {
        lease: 300,
        ..Policy::default()
    });
    net.join("alice", Access::BOTH);
    net.join("bob", Access::BOTH);
    net
}

fn install(net: &mut Net, serial: u32) {
    let object = delegation(&Net::new(), &mut net.authority, serial);
    let plan = net
        .authority
        .install_delegation(&object, false, net.now / 1000, &mut net.rng);
    net.carry_out(plan.unwrap());
}

fn beat(net: &mut Net) {
    net.now += 200_000;
    net.tick_authority();
}

#[test]
fn every_kind_of_evidence_stops_it_for_good() {
    type Act = fn(&mut Net);
    let cases: [(&str, Act, EvidenceKind); 4] = [
        ("/a/", Net::rotate, EvidenceKind::LaterEpoch),
        ("/hb", beat_after_epoch, EvidenceKind::LaterEpoch),
        ("/hb", beat_after_renewal, EvidenceKind::LongerLog),
        (
            "/delegation",
            |net| install(net, 2),
            EvidenceKind::Delegation,
        ),
    ];
    for (topics, act, kind) in cases {
        let mut net = leased();
        let copy = net.authority_store.clone();
        act(&mut net);
        let mut restored = Restored::from(&copy);
        assert!(restored.authority.suspension().is_none());
        restored.observe_all(&net, topics);
        assert_eq!(restored.evidence(), Some(kind));
        let old = |e: &AuthorityEvent| matches!(e, AuthorityEvent::StoreIsOld { evidence } if evidence.kind == kind);
        assert_eq!(restored.events.iter().filter(|e| old(e)).count(), 1);

        // It does nothing, publishes nothing, and is the same after a restart.
        for mut authority in [
            Authority::load(&restored.store).unwrap(),
            restored.authority,
        ] {
            let rng = &mut net.rng;
            let refused = authority.rotate("plant", START, rng).err().unwrap();
            assert!(matches!(refused, AuthorityError::Suspended { .. }));
            assert!(refused.to_string().contains("sealmq authority resume"));
            assert!(authority.tick(START, rng).is_err());
            let object = request(9, "late", 1, START);
            let grants = [grant("plant", Access::BOTH)];
            assert!(authority.enrol(&object, &grants, YEAR, START, rng).is_err());
            assert_eq!(authority.outbox(&restored.store).unwrap(), []);
        }
    }
}

fn beat_after_epoch(net: &mut Net) {
    net.rotate();
    beat(net);
}

/// Only the log tells of it: the epoch stays.
fn beat_after_renewal(net: &mut Net) {
    let (alice, now) = (net.number(0), net.now / 1000);
    let plan = net.authority.renew(alice, YEAR, now).unwrap();
    net.carry_out(plan);
    beat(net);
}

/// Two lives of one store: each is the other's evidence.
#[test]
fn another_life_of_the_same_store_is_a_fork() {
    let mut net = leased();
    let copy = net.authority_store.clone();
    net.rotate();
    beat(&mut net);
    let mut other = Restored::from(&copy);
    let plan = other
        .authority
        .rotate("plant", START, &mut TestRng::new(99))
        .unwrap();
    other.commit(plan);
    other.observe_all(&net, "/a/");
    assert_eq!(other.evidence(), Some(EvidenceKind::OtherEpoch));
    let fork = other.events.iter().find_map(|e| match e {
        AuthorityEvent::Fork { ours, theirs, .. } => Some((ours.clone(), theirs.clone())),
        _ => None,
    });
    let (ours, theirs) = fork.unwrap();
    assert!(!ours.is_empty() && ours != theirs);
}

/// What does not speak against the store changes nothing, and what is older is put right.
#[test]
fn older_and_foreign_objects_are_no_evidence() {
    let mut net = leased();
    let heartbeat = net.topic(ReservedTopic::Heartbeat(net.group("plant")));
    let old = net.retained[&heartbeat].clone();
    beat(&mut net);
    let copy = net.authority_store.clone();
    let mut same = Restored::from(&copy);
    same.observe_all(&net, "");
    assert_eq!(same.events, []);

    let repaired = same.observe(&heartbeat, &old);
    assert_eq!(repaired[0].payload, net.retained[&heartbeat]);
    let rolled_back = AuthorityEvent::RolledBack {
        topic: heartbeat.clone(),
    };
    assert_eq!(same.events, [rolled_back]);
    // Not again and again.
    assert!(same.observe(&heartbeat, &old).is_empty());

    // Another domain's objects, and bytes, are not the authority's.
    let mut foreign = Net::new();
    foreign.rotate();
    for (topic, payload) in &foreign.retained {
        same.observe(topic, &payload[..payload.len() - 1]);
        same.observe(&heartbeat, payload);
    }
    let delegation = net.topic(ReservedTopic::Delegation);
    same.observe(&delegation, b"x");
    assert!(same.authority.suspension().is_none());
}

/// Memory that is behind the store must not take the store's own doing for somebody else's.
#[test]
fn an_authority_that_is_behind_its_store_has_to_load_again() {
    let mut net = leased();
    let mut behind = Authority::load(&net.authority_store).unwrap();
    net.rotate();
    let (topic, payload) = net
        .retained
        .iter()
        .find(|(t, _)| t.ends_with("/a/4"))
        .unwrap();
    // What the store holds is no evidence, however old the memory is.
    let store = &net.authority_store;
    let plan = behind.observe(store, topic, payload, START).unwrap();
    assert!(plan.events.is_empty());
    let other = behind.observe(store, topic, b"x", START);
    assert!(matches!(other, Err(LoadError::Stale)));
}

#[test]
fn a_marked_backup_starts_suspended() {
    let mut net = leased();
    let mut copy = net.authority_store.clone();
    let changes = Authority::mark_restored(&copy, START).unwrap();
    copy.commit(&changes).unwrap();
    let restored = Restored::from(&copy);
    let suspension = restored.authority.suspension().unwrap();
    assert_eq!((suspension.evidence, suspension.serial), (None, 1));
    // The store in use goes on.
    net.rotate();
}

/// The backup misses: a removal, an enrolment, epochs, a healing, and a generation.
#[test]
fn a_restored_backup_forks_nothing_and_forgets_nobody() {
    let mut net = leased();
    let (alice, bob) = (0, 1);
    let copy = net.authority_store.clone();
    net.remove(bob);
    let carol = net.join("carol", Access::BOTH);
    let plan = net
        .authority
        .renew_generation("plant", net.now / 1000, &mut net.rng);
    net.carry_out(plan.unwrap());
    net.tick_authority();
    net.rotate();
    let lost = Authority::audit_log(&net.authority_store).unwrap();
    let epoch = net.authority.groups().next().unwrap().epoch;
    let generation = 2;

    let mut restored = Restored::from(&copy);
    restored.observe_all(&net, "/a/");
    let rng = &mut TestRng::new(50);
    let good = delegation(&net, &mut restored.authority, 2);
    // Not under a serial that was seen, not with a log of another life.
    let same = delegation(&net, &mut restored.authority, 1);
    let refused = restored.authority.resume(&same, &log(&lost), START, rng);
    assert!(matches!(
        refused,
        Err(AuthorityError::Suspended { serial: 1 })
    ));
    let mut cut = lost.clone();
    cut.remove(3);
    let refused = restored.authority.resume(&good, &log(&cut), START, rng);
    assert!(matches!(refused, Err(AuthorityError::Log(_))));

    let plan = restored.authority.resume(&good, &log(&lost), START, rng);
    let publications = restored.commit(plan.unwrap());
    assert!(restored.authority.suspension().is_none());
    net.authority = Authority::load(&restored.store).unwrap();
    net.authority_store = restored.store.clone();
    for publication in publications {
        net.publish(publication);
    }
    net.tick_authority();

    // No epoch, generation, number or key twice; the removal is remembered.
    let group = net.authority.groups().next().unwrap();
    assert!(group.epoch > epoch);
    assert!(group.generations.last().unwrap().number > generation);
    let bobs = net.authority.members().find(|m| m.name == "bob").unwrap();
    assert!(bobs.removed_at.is_some());
    let carols = net.authority.members().find(|m| m.name == "carol").unwrap();
    assert!(carols.removed_at.is_some());
    assert_eq!(carols.number, net.number(carol));
    let dave = net.join("dave", Access::BOTH);
    assert!(net.number(dave).0 > carols.number.0 + 1000);

    // Its log goes on from the lost one's, and says what happened.
    let log = Authority::audit_log(&net.authority_store).unwrap();
    let before = AuditLog::verify(lost.iter().map(Vec::as_slice)).unwrap();
    assert!(before.continued_by(log.iter().map(Vec::as_slice)).is_ok());
    let resumed = restored.events.iter().find_map(|e| match e {
        AuthorityEvent::Resumed {
            enrolled, removed, ..
        } => Some((enrolled.len(), removed.len())),
        _ => None,
    });
    assert_eq!(resumed, Some((1, 1)));

    // The packages that the backup knew are used up: alice has no key for the new epoch, and
    // publishes others.
    net.tick(alice);
    let topic = net.topic(ReservedTopic::Packages(net.number(alice)));
    let packages = net.retained[&topic].clone();
    let plan = net.authority.handle(&topic, &packages, START, rng);
    net.carry_out(plan.unwrap());
    net.tick_authority();

    // alice goes on; bob and carol read nothing more.
    assert_eq!(net.epoch(alice), net.epoch(dave));
    net.send(dave, "plant/a", b"after");
    assert_eq!(net.texts(alice), ["after"]);
    assert!(net.texts(bob).is_empty());
    assert!(net.texts(carol).is_empty());
}

/// Without any copy of the log, numbers leave a gap, and everyone who is left comes back.
#[test]
fn without_a_log_numbers_leave_a_gap() {
    let mut net = leased();
    let mut copy = net.authority_store.clone();
    let changes = Authority::mark_restored(&copy, START).unwrap();
    copy.commit(&changes).unwrap();
    net.rotate();
    let epoch = net.authority.groups().next().unwrap().epoch;
    let mut restored = Restored::from(&copy);
    let rng = &mut TestRng::new(50);
    let good = delegation(&net, &mut restored.authority, 2);
    let plan = restored
        .authority
        .resume(&good, &ResumeOptions::default(), START, rng);
    let publications = restored.commit(plan.unwrap());
    net.authority = restored.authority;
    net.authority_store = restored.store;
    for publication in publications {
        net.publish(publication);
    }
    let after = net.authority.groups().next().unwrap().epoch;
    assert!(after > epoch + 1000);
    assert_eq!(net.epoch(0), Some(after));
    net.send(0, "plant/a", b"hello");
    assert_eq!(net.texts(1), ["hello"]);
    let again = net
        .authority
        .resume(&good, &ResumeOptions::default(), START, &mut net.rng)
        .err();
    assert_eq!(again, Some(AuthorityError::NotSuspended));
}
