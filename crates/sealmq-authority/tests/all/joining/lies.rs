//! What a broker that lies, and a thief of keys, can do to a device that joins.

use super::*;

#[test]
fn no_two_requests_are_sealed_alike() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 9);
    let mut seen = Vec::new();
    let mut store = MemoryStore::default();
    for _ in 0..3 {
        // The RNG begins anew with each process; the stored device secret does not.
        let mut client = Client::with(store, 7, "x", by_token(&token)).unwrap();
        let topic = desk.name(ReservedTopic::Delegation);
        let bytes = desk.authority.delegation().to_vec();
        let actions = client.joiner.handle(&topic, &bytes, MS, &mut client.rng);
        for action in actions.unwrap() {
            match action {
                JoinAction::Commit(changes) => client.store.commit(&changes).unwrap(),
                JoinAction::Publish(p) => seen.push(p.payload),
                other => panic!("{other:?}"),
            }
        }
        store = client.store;
    }
    assert_eq!(seen.len(), 3);
    assert!(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2]);
    desk.reload();
}

#[test]
fn a_broker_that_lies_gets_nothing_accepted() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 9);
    let mut victim = Client::new(1, "victim", by_token(&token));
    let delegation_topic = desk.name(ReservedTopic::Delegation);
    let delegation = desk.authority.delegation().to_vec();

    // A delegation of another root, or damaged, or of another suite: nothing is sent.
    let other = Desk::new(Suite::One, 2);
    let foreign = other.authority.delegation().to_vec();
    let mut damaged = delegation.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for bad in [&foreign, &damaged] {
        victim.deliver(&mut desk, &delegation_topic, bad);
    }
    assert_eq!((victim.sent, victim.ignored.len()), (0, 2));
    assert!(victim.store.0.is_empty());
    victim.deliver(&mut desk, &delegation_topic, &delegation);
    assert_eq!(victim.sent, 1);
    let real = desk
        .at(ReservedTopic::Answer(victim.joiner.fingerprint()))
        .unwrap()
        .to_vec();

    // Another device's credential.
    let mut thief = Client::new(2, "thief", by_token(&token));
    thief.deliver(&mut desk, &delegation_topic, &delegation);
    let stolen = desk
        .at(ReservedTopic::Answer(thief.joiner.fingerprint()))
        .unwrap()
        .to_vec();
    victim.answer(&mut desk, &stolen);
    assert!(matches!(
        victim.ignored.pop(),
        Some(MemberError::OtherDevice)
    ));

    // A refusal that somebody else signed; another device's; the right one, damaged.
    let forged = |request: Digest, reason| {
        let fields = JoinRefusalFields {
            domain: desk.authority.domain(),
            serial: desk.delegation().serial(),
            signer: 0,
            request,
            reason,
        };
        let signer = IdentityKey::from_seed(&Secret::new([9; 32]));
        fields.sign(&signer, &mut [0; 256]).unwrap().0.to_vec()
    };
    let forgery = forged(Digest::ZERO, Reason::Operator);
    let none = Token {
        id: [5; 8],
        ..desk.token("", 1)
    };
    let stranger = Device::new(7, Suite::One, desk.authority.domain());
    let asked = stranger.join(&desk.delegation(), Some(&none), "stranger", 1, NOW);
    desk.handle(ReservedTopic::Join(stranger.fingerprint()), &asked, NOW);
    let others = desk.answer(stranger.fingerprint()).unwrap().to_vec();
    for bad in [forgery, others] {
        victim.answer(&mut desk, &bad);
        assert!(victim.ignored.pop().is_some());
    }
    for at in [0, 1, 2, real.len() / 2, real.len() - 1] {
        let mut bad = real.clone();
        bad[at] ^= 1;
        victim.answer(&mut desk, &bad);
        assert!(victim.ignored.pop().is_some(), "byte {at}");
    }
    // On another topic, or cleared.
    let elsewhere = desk.name(ReservedTopic::Answer(thief.joiner.fingerprint()));
    victim.deliver(&mut desk, &elsewhere, &real);
    victim.answer(&mut desk, &[]);
    assert!(victim.joined.is_none() && victim.refused.is_none());
    victim.answer(&mut desk, &real);
    assert_eq!(victim.joined.unwrap().name, "victim");
}

#[test]
fn an_old_delegation_is_not_taken() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 9);
    let topic = desk.name(ReservedTopic::Delegation);
    let old = desk.authority.delegation().to_vec();
    let asked = desk
        .authority
        .request_delegation(true, false, NOW, &mut desk.rng);
    let (request, plan) = asked.unwrap();
    desk.commit(plan);
    let signed = desk.root.delegate(&request, 2, NOW, NOW + YEAR, Roles::ALL);
    let plan = desk
        .authority
        .install_delegation(&signed.unwrap(), false, NOW, &mut desk.rng);
    desk.commit(plan.unwrap());
    let new = desk.authority.delegation().to_vec();
    assert_ne!(old, new);

    let mut client = Client::new(1, "x", by_token(&token));
    client.deliver(&mut desk, &topic, &new);
    client.deliver(&mut desk, &topic, &old);
    assert!(matches!(
        client.ignored.pop(),
        Some(MemberError::Delegation(_))
    ));
    assert_eq!(client.sent, 1);
    // Not after a restart either.
    let mut client = client.restart("x", by_token(&token));
    client.deliver(&mut desk, &topic, &old);
    assert_eq!((client.sent, client.ignored.len()), (0, 1));
    client.connect(&mut desk);
    assert!(client.joined.is_some());

    // A device that knows nothing yet asks under the new one when that comes; an expired one is
    // refused by its clock.
    let mut late = Client::new(2, "y", by_token(&token));
    late.deliver(&mut desk, &topic, &old);
    late.deliver(&mut desk, &topic, &new);
    late.connect(&mut desk);
    assert!(late.joined.is_some());
    let mut expired = Client::new(3, "z", by_token(&token));
    let now = Some((NOW + 2 * YEAR) * 1000);
    let actions = expired.joiner.handle(&topic, &new, now, &mut expired.rng);
    assert!(matches!(actions.unwrap()[..], [JoinAction::Ignored { .. }]));
}

#[test]
fn a_store_belongs_to_one_domain_and_one_way() {
    let mut desk = Desk::with_groups(Suite::One);
    let mut other = Desk::new(Suite::Two, 2);
    let mut client = Client::new(1, "x", by_root(&desk));
    client.connect(&mut desk);
    let moved = Client::with(client.store, 1, "x", by_root(&other));
    assert!(matches!(moved.err(), Some(MemberError::OtherDomain)));

    let mut store = MemoryStore::default();
    let (changes, _) = Member::request(&store, "x", 1, MS, &mut other.rng).unwrap();
    store.commit(&changes).unwrap();
    let mixed = Client::with(store, 1, "x", by_root(&desk));
    assert!(matches!(mixed.err(), Some(MemberError::AlreadyRequested)));

    let mut broken = Client::new(1, "x", by_root(&desk));
    broken.rng.break_down();
    let topic = desk.name(ReservedTopic::Delegation);
    let bytes = desk.authority.delegation().to_vec();
    let failed = broken.joiner.handle(&topic, &bytes, MS, &mut broken.rng);
    assert!(matches!(failed, Err(MemberError::Random)));
}

/// Threat model A40: the thief of the first delegation's key would take the device in.
#[test]
fn a_token_pins_the_delegation() {
    for suite in [Suite::One, Suite::Two] {
        let mut desk = Desk::with_groups(suite);
        let topic = desk.name(ReservedTopic::Delegation);
        let stolen = desk.retained[&topic].clone();
        // It learned the first delegation before the theft was noticed, and its request waits.
        let mut early = Client::new(2, "early", by_root(&desk));
        early.connect(&mut desk);
        assert!(early.waiting);

        // The answer to another one is signed, and does not come through in time.
        let mut signed = Client::new(4, "signed", by_root(&desk));
        signed.connect(&mut desk);
        let (device, all) = (signed.joiner.fingerprint(), grants(&["plant"]));
        let approved = desk
            .authority
            .approve(device, None, &all, YEAR, NOW, &mut desk.rng);
        desk.commit(approved.unwrap().1);
        let answer = desk.retained[&desk.name(ReservedTopic::Answer(device))].clone();

        desk.recover();
        let token = desk.token("", 3);
        assert_eq!(token.serial, 2);
        let mut signed = signed.restart("signed", by_token(&token));
        signed.answer(&mut desk, &answer);
        assert!(signed.joined.is_none(), "under the delegation of its store");
        let good = desk.retained[&topic].clone();
        let serial = |e: &MemberError| matches!(e, MemberError::Delegation(ObjectError::Serial));

        let mut late = Client::new(1, "late", by_token(&token));
        for _ in 0..2 {
            late.deliver(&mut desk, &topic, &stolen);
            assert!(late.ignored.iter().all(serial) && !late.ignored.is_empty());
            assert_eq!((late.sent, late.store.0.len()), (0, 0));
            late = late.restart("late", by_token(&token));
        }
        let mut early = early.restart("early", by_token(&token));
        early.deliver(&mut desk, &topic, &stolen);
        assert!(early.ignored.iter().all(serial) && !early.ignored.is_empty());
        assert_eq!(early.sent, 0);

        // The root alone, with its serial, pins as much.
        let JoinWay::Root {
            root_key,
            prefix,
            suite,
            ..
        } = by_root(&desk)
        else {
            unreachable!("by the root");
        };
        let way = JoinWay::Root {
            root_key,
            prefix,
            suite,
            serial: 2,
        };
        let mut by_hand = Client::new(3, "by-hand", way);
        by_hand.deliver(&mut desk, &topic, &stolen);
        assert_eq!((by_hand.sent, by_hand.ignored.len()), (0, 1));

        for client in [&mut late, &mut early] {
            client.deliver(&mut desk, &topic, &good);
            client.connect(&mut desk);
            assert!(client.joined.is_some());
        }
    }
}
