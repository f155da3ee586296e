//! The authority's store is stolen, with every key in it. The root replaces it (threat model A15, A31).

use crate::member_untold::tells;
use crate::net::{Net, START, YEAR};
use crate::thief::{Thief, announced};
use sealmq_authority::{Authority, AuthorityError, AuthorityEvent, RootKey};
use sealmq_core::object::Access;
use sealmq_keys::Store;
use sealmq_keys::member::MemberEvent;
use sealmq_keys::objects::{Announcement, Roles};

/// Asks for new keys, has the root sign them, and installs what it signed.
fn replace_keys(net: &mut Net, serial: u32) -> Vec<AuthorityEvent> {
    let now = net.now / 1000;
    let (request, plan) = net
        .authority
        .request_delegation(true, false, now, &mut net.rng)
        .unwrap();
    net.carry_out(plan);
    let root = RootKey::from_seed(&net.root.seed());
    let object = root
        .delegate(&request, serial, now, now + YEAR, Roles::ALL)
        .unwrap();
    let plan = net
        .authority
        .install_delegation(&object, true, now, &mut net.rng)
        .unwrap();
    let events = plan.events.clone();
    net.carry_out(plan);
    events
}

fn current(net: &Net) -> u64 {
    net.authority.groups().next().unwrap().epoch
}

#[test]
fn the_root_replaces_a_stolen_controller() {
    let mut net = Net::new();
    let alice = net.join("alice", Access::BOTH);
    let bob = net.join("bob", Access::BOTH);
    let carol = net.join("carol", Access::BOTH);
    net.rotate();
    net.send(bob, "plant/a", b"before");
    assert_eq!(net.texts(alice), ["before"]);
    net.disconnect(carol);

    // The thief drives epoch and credential serials as far as they go, and alice and bob follow.
    let thief = Thief::with_copy_of(&net);
    let epoch = current(&net);
    let last = announced(&net, epoch);
    let last = Announcement::verify(&last, &thief.delegation, net.authority.prefix()).unwrap();
    let forged = thief.announce(&net, &last, epoch + 60_000);
    net.publish(forged);
    assert_eq!(net.epoch(alice), Some(epoch + 60_000));
    assert_eq!(net.epoch(bob), Some(epoch + 60_000));
    for victim in [alice, bob, carol] {
        let forged = thief.credential(&net, net.number(victim), 0);
        net.publish(forged);
    }

    let events = replace_keys(&mut net, 2);
    let anew = |e: &AuthorityEvent| {
        matches!(
            e,
            AuthorityEvent::GenerationStarted {
                generation: 2,
                members: 3,
                ..
            }
        )
    };
    assert!(events.iter().any(anew), "{events:?}");
    net.tick_authority();
    net.connect(carol);
    net.subscribe(carol, "plant/#");

    // Everyone is back, on the authority's own epochs, and says what happened.
    for device in [alice, bob, carol] {
        assert_eq!(net.epoch(device), Some(current(&net)), "{device}");
    }
    assert!(current(&net) < epoch + 10);
    for device in [alice, bob] {
        let events = &net.devices[device].events;
        let recovered = |e: &MemberEvent| matches!(e, MemberEvent::Recovered { .. });
        assert_eq!(events.iter().filter(|e| recovered(e)).count(), 1);
        // Whoever dies between the commit and the event tells it with the next start, and then no
        // more.
        let name = "/recovered";
        let mut history = net.devices[device].history.iter();
        let died = history.find(|store| store.0.keys().any(|key| key.ends_with(name)));
        assert_eq!(tells(died.unwrap(), net.now, recovered), [1, 0]);
        net.tick(device);
        assert_eq!(
            tells(&net.devices[device].store, net.now, recovered),
            [0, 0]
        );
    }
    net.send(bob, "plant/a", b"from bob");
    net.send(carol, "plant/a", b"from carol");
    assert_eq!(net.texts(alice), ["from bob", "from carol"]);
    net.send(alice, "plant/a", b"from alice");
    assert_eq!(net.texts(bob).last().unwrap(), "from alice");
    assert_eq!(net.texts(carol).last().unwrap(), "from alice");

    // What the thief signs from now on moves nobody, and what it has opens nothing.
    let late = thief.announce(&net, &last, epoch + 60_001);
    net.publish(late);
    for device in [alice, bob, carol] {
        assert_eq!(net.epoch(device), Some(current(&net)));
    }
    net.rotate();
    let old_tree = thief.tree_secret(&last).unwrap();
    let root = sealmq_core::crypto::VerifyingKey::from_bytes(net.authority.root_key()).unwrap();
    let delegation =
        sealmq_keys::objects::VerifiedDelegation::verify(net.authority.delegation(), &root)
            .unwrap();
    let prefix = net.authority.prefix();
    for later in epoch + 1..=current(&net) {
        let object = announced(&net, later);
        let announcement = Announcement::verify(&object, &delegation, prefix).unwrap();
        assert!(thief.opens(&old_tree, &announcement).is_none());
        assert!(thief.tree_secret(&announcement).is_none(), "{later}");
    }
    // The copy itself would still act, but nobody listens to it.
    let mut copy = Authority::load(&thief.store).unwrap();
    let plan = copy.rotate("plant", net.now / 1000, &mut net.rng).unwrap();
    let before = current(&net);
    for publication in plan.publications {
        net.publish(publication);
    }
    assert_eq!(net.epoch(alice), Some(before));
}

/// Keys that may have been stolen with the others do not count as new ones.
#[test]
fn recovery_needs_keys_that_were_never_in_use() {
    let mut net = Net::new();
    net.join("alice", Access::BOTH);
    let root = RootKey::from_seed(&net.root.seed());
    let now = net.now / 1000;
    let (same, _) = net
        .authority
        .request_delegation(false, false, now, &mut net.rng)
        .unwrap();
    let object = root
        .delegate(&same, 2, now, now + YEAR, Roles::ALL)
        .unwrap();
    let refused = net
        .authority
        .install_delegation(&object, true, now, &mut net.rng);
    assert!(matches!(refused, Err(AuthorityError::Delegation(_))));
    // Keys that waited when a second request was made are forgotten.
    let mut request = || {
        net.authority
            .request_delegation(true, true, now, &mut net.rng)
            .unwrap()
            .0
    };
    let (first, second) = (request(), request());
    assert_ne!(first, second);
    let object = root
        .delegate(&first, 2, now, now + YEAR, Roles::ALL)
        .unwrap();
    let refused = net
        .authority
        .install_delegation(&object, true, now, &mut net.rng);
    assert!(matches!(refused, Err(AuthorityError::Delegation(_))));
    let object = root
        .delegate(&second, 2, now, now + YEAR, Roles::ALL)
        .unwrap();
    assert!(
        net.authority
            .install_delegation(&object, true, now, &mut net.rng)
            .is_ok()
    );
}

/// A forged announcement under the authority's own key reaches the authority, too.
#[test]
fn the_authority_sees_a_fork_under_its_own_key() {
    let mut net = Net::new();
    net.join("alice", Access::BOTH);
    net.rotate();
    let thief = Thief::with_copy_of(&net);
    let epoch = current(&net);
    let last = announced(&net, epoch);
    let verified = Announcement::verify(&last, &thief.delegation, net.authority.prefix()).unwrap();
    let forged = thief.announce(&net, &verified, epoch);
    let plan = net
        .authority
        .observe(&net.authority_store, &forged.topic, &forged.payload, START)
        .unwrap();
    let fork = AuthorityEvent::Fork {
        group: net.group("plant"),
        epoch,
        ours: last.clone(),
        theirs: forged.payload.clone(),
    };
    assert!(plan.events.contains(&fork));
    net.authority_store.commit(&plan.changes).unwrap();
    let error = net.authority.rotate("plant", START, &mut net.rng).err();
    assert_eq!(error, Some(AuthorityError::Suspended { serial: 1 }));
}
