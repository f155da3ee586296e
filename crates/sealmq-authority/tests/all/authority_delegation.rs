//! Where an authority's right to act comes from: an offline root, split keys, the log of what it did.

use crate::common::desk::Desk;
use crate::common::device::Device;
use crate::common::{MemoryStore, TestRng, request};
use crate::net::{Net, START, YEAR, grant};
use sealmq_authority::{
    AuditLog, Authority, AuthorityError, AuthorityEvent, DomainOptions, Entry, LoadError, NewGroup,
    PreparedAuthority, RootError, RootKey, What,
};
use sealmq_core::crypto::{Secret, VerifyingKey, sha256};
use sealmq_core::object::{Access, Role};
use sealmq_core::wire::Suite;
use sealmq_keys::member::MemberEvent;
use sealmq_keys::objects::{Announcement, Roles, VerifiedDelegation};
use sealmq_keys::{ReservedTopic, Store};

use crate::thief::{Thief, announced};

const DAY: u64 = 86_400;

fn verified(authority: &Authority) -> VerifiedDelegation {
    let root = VerifyingKey::from_bytes(authority.root_key()).unwrap();
    VerifiedDelegation::verify(authority.delegation(), &root).unwrap()
}

/// The log names everything that is retained at the broker, by topic and hash, and each decision.
#[test]
fn the_log_tells_everything_that_was_signed_and_decided() {
    let mut net = Net::new();
    net.join("alice", Access::BOTH);
    let eve = net.join("eve", Access::BOTH);
    net.remove(eve);
    net.rotate();
    let entries = Authority::audit_log(&net.authority_store).unwrap();
    let verified = AuditLog::verify(entries.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(verified, net.authority.audit_head());
    assert_eq!(verified.size, entries.len() as u64);
    let entries: Vec<Entry<'_>> = entries.iter().map(|e| Entry::decode(e).unwrap()).collect();

    for (topic, payload) in &net.retained {
        let parsed = ReservedTopic::parse(net.authority.prefix(), topic);
        // Heartbeats are not logged, and what members write is not the authority's.
        let others = |topic: ReservedTopic| {
            use ReservedTopic::{Confirm, Heartbeat, Packages};
            matches!(topic, Heartbeat(_) | Confirm(_) | Packages(_))
        };
        if parsed.is_some_and(others) {
            continue;
        }
        let object = sha256(&[&payload[..payload.len() - 64]]);
        let named = |e: &Entry<'_>| matches!(&e.what, What::Signed { topic: t, hash } if t == topic && *hash == object);
        assert!(entries.iter().any(named), "{topic}");
    }
    let decided: Vec<String> = entries
        .iter()
        .filter_map(|entry| match entry.what {
            What::Delegation { serial, .. } => Some(format!("delegation {serial}")),
            What::Enrolled { member, name, .. } => Some(format!("enrolled {member} {name}")),
            What::Removed { member } => Some(format!("removed {member}")),
            _ => None,
        })
        .collect();
    let expected = [
        "delegation 1",
        "enrolled 1 alice",
        "enrolled 2 eve",
        "removed 2",
    ];
    assert_eq!(decided, expected);
    // What was loaded goes on where the log ended.
    let mut loaded = Authority::load(&net.authority_store).unwrap();
    let plan = loaded
        .rotate("plant", net.now / 1000, &mut net.rng)
        .unwrap();
    net.authority_store.commit(&plan.changes).unwrap();
    let entries = Authority::audit_log(&net.authority_store).unwrap();
    let after = AuditLog::verify(entries.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(after, loaded.audit_head());
    assert!(after.size > verified.size);
}

#[test]
fn a_domain_begins_with_an_offline_root() {
    let mut rng = TestRng::new(5);
    let root = RootKey::generate(&mut rng).unwrap();
    let mut store = MemoryStore::default();
    let options = DomainOptions {
        suite: Suite::Two,
        ..DomainOptions::default()
    };
    let (prepared, plan) = Authority::prepare(&root.public(), &options, &mut rng).unwrap();
    assert!(plan.publications.is_empty());
    store.commit(&plan.changes).unwrap();
    drop(prepared);
    // Without a delegation it does nothing, and says what is missing.
    let error = Authority::load(&store).err().unwrap();
    assert!(matches!(
        error,
        LoadError::Authority(AuthorityError::NoDelegation)
    ));

    let prepared = PreparedAuthority::load(&store).unwrap();
    let request = prepared.request().unwrap();
    assert_eq!(request.suite, 2);
    let stranger = RootKey::from_seed(&Secret::new([9; 32]));
    let signed = stranger.delegate(&request, 1, START, START + DAY, Roles::ALL);
    assert_eq!(signed.err(), Some(RootError::OtherDomain));
    let none = root.delegate(&request, 1, START, START + DAY, Roles::NONE);
    assert_eq!(none.err(), Some(RootError::NoRoles));
    let object = root
        .delegate(&request, 1, START, START + DAY, Roles::ALL)
        .unwrap();
    let (mut authority, plan) = prepared.install(&object, START).unwrap();
    store.commit(&plan.changes).unwrap();
    assert_eq!(plan.publications[0].payload, object);
    assert_eq!(verified(&authority).kem_keys().count(), 1);

    let group = NewGroup::new("plant", ["plant/#"]);
    let plan = authority.add_group(&group, START, &mut rng).unwrap();
    store.commit(&plan.changes).unwrap();
    let groups = Authority::load(&store).unwrap().groups().count();
    assert_eq!(groups, 1);
    let again = PreparedAuthority::load(&store).err().unwrap();
    assert!(again.to_string().contains("first one already"), "{again}");
}

#[test]
fn a_first_delegation_for_other_keys_or_another_time_is_refused() {
    let mut rng = TestRng::new(5);
    let root = RootKey::generate(&mut rng).unwrap();
    let options = DomainOptions::default();
    let mut prepare = || {
        let (prepared, _) = Authority::prepare(&root.public(), &options, &mut rng).unwrap();
        prepared
    };
    let other = prepare().request().unwrap();
    let signed = root
        .delegate(&other, 1, START, START + DAY, Roles::ALL)
        .unwrap();
    let error = prepare().install(&signed, START).err().unwrap();
    assert!(matches!(error, AuthorityError::Delegation(_)), "{error}");

    let prepared = prepare();
    let mine = prepared.request().unwrap();
    let signed = root
        .delegate(&mine, 1, START, START + DAY, Roles::ALL)
        .unwrap();
    let error = prepared.install(&signed, START + DAY + 1).err().unwrap();
    assert!(matches!(error, AuthorityError::Delegation(_)), "{error}");

    let prepared = prepare();
    let mine = prepared.request().unwrap();
    let only = Roles::NONE.with(Role::Heartbeat);
    let signed = root.delegate(&mine, 1, START, START + DAY, only).unwrap();
    let error = prepared.install(&signed, START).err();
    assert_eq!(error, Some(AuthorityError::NoRole(Role::Issue)));
}

/// Fencing: of two that were loaded from one store, only one acts, and the other loses nothing.
#[test]
fn two_authorities_on_one_store_cannot_both_act() {
    let mut net = Net::new();
    let mut second = Authority::load(&net.authority_store).unwrap();
    net.rotate();
    let object = request(7, "late", 2, START);
    let grants = [grant("plant", Access::BOTH)];
    let (_, plan) = second
        .enrol(&object, &grants, YEAR, START, &mut TestRng::new(3))
        .unwrap();
    let before = net.authority_store.clone();
    net.authority_store.commit(&plan.changes).unwrap_err();
    assert_eq!(before.0, net.authority_store.0);

    let mut again = Authority::load(&net.authority_store).unwrap();
    assert_eq!(again.groups().next().unwrap().epoch, 2);
    let (enrolled, plan) = again
        .enrol(&object, &grants, YEAR, START, &mut TestRng::new(3))
        .unwrap();
    net.authority_store.commit(&plan.changes).unwrap();
    assert_eq!(enrolled.number.0, 1);
    // Now it is the first one that is late.
    let plan = net.authority.rotate("plant", START, &mut net.rng).unwrap();
    net.authority_store.commit(&plan.changes).unwrap_err();
}

/// Asks the root for the next delegation and installs it; no recovery.
fn renew(
    net: &mut Net,
    serial: u32,
    seconds: u64,
    new_keys: bool,
    split: bool,
) -> Vec<AuthorityEvent> {
    let now = net.now / 1000;
    let (request, plan) = net
        .authority
        .request_delegation(new_keys, split, now, &mut net.rng)
        .unwrap();
    net.carry_out(plan);
    let root = RootKey::from_seed(&net.root.seed());
    let until = now + seconds;
    let object = root
        .delegate_on(
            Some(&net.lineage()),
            &request,
            serial,
            now,
            until,
            Roles::ALL,
        )
        .unwrap();
    let plan = net
        .authority
        .install_delegation(&object, false, now, &mut net.rng)
        .unwrap();
    let events = plan.events.clone();
    net.carry_out(plan);
    events
}

/// Routine: nothing is replaced, messages go on, and welcomes that nobody has opened yet come
/// again, with the same keys and with new ones.
#[test]
fn a_renewed_delegation_interrupts_nobody() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let bob = net.join("bob", Access::BOTH);
    let eve = net.enrol("eve", &[grant("plant", Access::BOTH)]);
    for (serial, new_keys) in [(2, false), (3, true)] {
        net.send(bob, "plant/a", b"before");
        let events = renew(&mut net, serial, YEAR, new_keys, false);
        let replaced = |e: &AuthorityEvent| matches!(e, AuthorityEvent::GenerationStarted { .. });
        assert!(!events.iter().any(replaced));
        net.send(bob, "plant/a", b"after");
        assert_eq!(net.texts(alice), ["before", "after"]);
        let forked = |e: &MemberEvent| matches!(e, MemberEvent::Fork { .. });
        assert!(!net.devices[alice].events.iter().any(forked));
        assert_eq!(net.authority.delegation_info().serial, serial);
        assert_eq!(net.rejections(alice), [""; 0]);
    }
    net.connect(eve);
    net.subscribe(eve, "plant/#");
    net.tick_authority();
    assert_eq!(net.epoch(eve), net.epoch(alice));
    net.send(alice, "plant/a", b"welcome");
    assert_eq!(net.texts(eve), ["welcome"]);
    // What was loaded has the same keys.
    let mut loaded = Authority::load(&net.authority_store).unwrap();
    assert_eq!(loaded.delegation_info(), net.authority.delegation_info());
    let plan = loaded.rotate("plant", START, &mut net.rng).unwrap();
    net.carry_out(plan);
    assert!(net.epoch(alice) > Some(5));
}

/// They were told to wait for a newer delegation, by the one that had replaced the objects.
#[test]
fn what_is_retained_from_before_a_renewal_is_no_fault() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let carol = net.join("carol", Access::BOTH);
    let group = net.group("plant");
    let topics = [
        ReservedTopic::Credential(net.number(alice)),
        ReservedTopic::Welcome(net.number(alice), group),
        ReservedTopic::Credential(net.number(carol)),
    ];
    let topics = topics.map(|topic| net.topic(topic));
    let old: Vec<(String, Vec<u8>)> = topics
        .into_iter()
        .filter_map(|topic| Some((topic.clone(), net.retained.get(&topic)?.clone())))
        .collect();
    assert!(old.len() >= 2);
    net.remove(carol);
    renew(&mut net, 2, YEAR, true, false);
    for (topic, object) in &old {
        net.deliver(alice, topic, object, true);
        // Altered, it says the same and is as old.
        let mut altered = object.clone();
        *altered.last_mut().unwrap() ^= 1;
        net.deliver(alice, topic, &altered, true);
    }
    let faults = |net: &Net| {
        let events = net.devices[alice].events.iter();
        events
            .filter(|event| matches!(event, MemberEvent::BadReserved { .. }))
            .count()
    };
    assert_eq!(faults(&net), 0, "{:?}", net.devices[alice].events);
    // Of the delegation in force, the same is one.
    let credential = net.topic(ReservedTopic::Credential(net.number(alice)));
    let mut altered = net.retained[&credential].clone();
    *altered.last_mut().unwrap() ^= 1;
    net.deliver(alice, &credential, &altered, true);
    assert_eq!(faults(&net), 1);
}

#[test]
fn delegations_that_are_old_or_of_another_root_are_refused() {
    let mut net = Net::new();
    let object = net.authority.delegation().to_vec();
    renew(&mut net, 7, YEAR, false, false);
    let mut refused = |object: &[u8]| {
        let rng = &mut net.rng;
        let result = net.authority.install_delegation(object, false, START, rng);
        result.err().unwrap()
    };
    assert!(matches!(refused(&object), AuthorityError::Delegation(_)));
    let altered = [&object[..80], &[0], &object[81..]].concat();
    assert!(matches!(refused(&altered), AuthorityError::Object(_)));
    // Nothing was changed by them.
    net.rotate();
}

#[test]
fn an_expired_delegation_stops_everything_until_the_next() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let warned = |plan: &sealmq_authority::Plan| {
        let ends =
            |e: &&AuthorityEvent| matches!(e, AuthorityEvent::DelegationEnds { serial: 2, .. });
        plan.events.iter().filter(ends).count()
    };
    renew(&mut net, 2, 30 * DAY, false, false);
    for (days, expected) in [(19, 0), (21, 1), (21, 0), (23, 1)] {
        net.now = (START + days * DAY) * 1000;
        let plan = net.authority.tick(net.now / 1000, &mut net.rng).unwrap();
        assert_eq!(warned(&plan), expected, "{days}");
        net.carry_out(plan);
    }
    net.now = (START + 30 * DAY + 1) * 1000;
    let late = net
        .authority
        .rotate("plant", net.now / 1000, &mut net.rng)
        .err();
    assert_eq!(late, Some(AuthorityError::DelegationExpired));
    let number = net.number(alice);
    let late = net.authority.renew(number, YEAR, net.now / 1000).err();
    assert_eq!(late, Some(AuthorityError::DelegationExpired));
    let object = request(7, "late", 2, net.now / 1000);
    let grants = [grant("plant", Access::BOTH)];
    let late = net
        .authority
        .enrol(&object, &grants, YEAR, net.now / 1000, &mut net.rng)
        .err();
    assert_eq!(late, Some(AuthorityError::DelegationExpired));
    let before = net.epoch(alice);
    renew(&mut net, 3, YEAR, false, false);
    net.rotate();
    assert!(net.epoch(alice) > before);
}

/// A key does what its role says and nothing else, whoever has it.
#[test]
fn split_keys_sign_only_what_their_role_allows() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let bob = net.join("bob", Access::BOTH);
    renew(&mut net, 2, YEAR, true, true);
    net.send(bob, "plant/a", b"so that alice knows bob");
    let keys = net.authority.delegation_info().keys;
    let roles: Vec<bool> = keys.iter().map(|k| k.roles.has(Role::Groups)).collect();
    assert_eq!(roles, [false, true, false]);
    let thief = Thief::with_copy_of(&net);
    let epoch = net.epoch(alice).unwrap();
    let last = announced(&net, epoch);
    let last = Announcement::verify(&last, &thief.delegation, net.authority.prefix()).unwrap();
    for signer in [0, 2, 1] {
        // The same complaint comes once a minute.
        net.now += 60_000;
        net.devices[alice].events.clear();
        let forged = thief.announce_by(signer, &net, &last, epoch + 2);
        net.publish(forged);
        let refused = |e: &MemberEvent| matches!(e, MemberEvent::BadReserved { .. });
        let has_role = signer == 1;
        assert_eq!(net.devices[alice].events.iter().any(refused), !has_role);
        assert_eq!(net.epoch(alice), Some(epoch + if has_role { 2 } else { 0 }));
    }
    for signer in [1, 2] {
        net.now += 60_000;
        net.devices[alice].events.clear();
        // Only a reader that lacks a credential subscribes one.
        let forged = thief.credential(&net, net.number(bob), signer);
        net.deliver(alice, &forged.topic, &forged.payload, true);
        let refused = |e: &MemberEvent| matches!(e, MemberEvent::BadReserved { .. });
        assert!(net.devices[alice].events.iter().any(refused));
    }
}

/// A join request may cross a new delegation on its way, but not two; and what waits for the
/// root is still there after a restart.
#[test]
fn a_join_request_crosses_one_renewal() {
    for (renewals, admitted) in [(1, 1), (2, 0)] {
        let mut desk = Desk::with_groups(Suite::Two);
        let token = desk.token("", 2);
        let old = desk.delegation();
        let device = Device::new(1, Suite::Two, desk.authority.domain());
        let request = device.join(&old, Some(&token), "pump", 1, START);
        for serial in 2..2 + renewals {
            let (answer, plan) = desk
                .authority
                .request_delegation(true, true, START, &mut desk.rng)
                .unwrap();
            desk.commit(plan);
            desk.reload();
            let object = desk
                .root
                .delegate(&answer, serial, START, START + YEAR, Roles::ALL)
                .unwrap();
            let rng = &mut desk.rng;
            let plan = desk
                .authority
                .install_delegation(&object, false, START, rng);
            desk.commit(plan.unwrap());
        }
        desk.handle(ReservedTopic::Join(device.fingerprint()), &request, START);
        assert_eq!(desk.authority.members().count(), admitted, "{renewals}");
    }
}

/// Whoever took the keys has the tokens' secrets, too.
#[test]
fn recovery_revokes_tokens() {
    let mut desk = Desk::with_groups(Suite::One);
    desk.token("", 5);
    for (serial, recovery, left) in [(2, false, 1), (3, true, 0)] {
        let (request, plan) = desk
            .authority
            .request_delegation(true, false, START, &mut desk.rng)
            .unwrap();
        desk.commit(plan);
        let object = desk
            .root
            .delegate(&request, serial, START, START + YEAR, Roles::ALL)
            .unwrap();
        let rng = &mut desk.rng;
        let plan = desk
            .authority
            .install_delegation(&object, recovery, START, rng);
        desk.commit(plan.unwrap());
        desk.reload();
        assert_eq!(desk.uses_left().len(), left);
    }
}
