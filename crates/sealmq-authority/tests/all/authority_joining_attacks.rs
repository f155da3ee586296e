//! What strangers, eavesdroppers and holders of other tokens try (spec/keys.md §12).

use crate::common::desk::{Desk, NOW, YEAR, grants};
use crate::common::device::Device;
use sealmq_authority::AuthorityError;
use sealmq_core::crypto::{Secret, seal_base, sha256};
use sealmq_core::object::{Kind, Object, ObjectError, encode};
use sealmq_core::wire::Suite;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::{JoinRefusalReason as Reason, JoinRequest, Token, join_mac};

use super::authority_joining::{SUITES, admitted, bring, device, join, members, refusal};

#[test]
fn foreign_tokens_are_refused_and_wrong_secrets_get_no_answer() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 9);
    let mut other = Desk::new(Suite::One, 2);
    other.add_group(&sealmq_authority::NewGroup::new("plant", ["plant/#"]));
    let foreign = other.token("", 9);
    let wrong = Token {
        secret: Secret::new([3; 32]),
        ..desk.token("", 9)
    };
    let stranger = device(&desk, 1);
    join(&mut desk, &stranger, Some(&foreign), "x");
    assert_eq!(refusal(&desk, &stranger), Some(Reason::Token));
    // A wrong mac may be somebody else's: it decides nothing about the device.
    let next = device(&desk, 2);
    join(&mut desk, &next, Some(&wrong), "x");
    assert_eq!((refusal(&desk, &next), desk.refusals()), (None, 1));
    // With the right secret the same device gets in: a refusal of one token is not one of others.
    let device = device(&desk, 2);
    join(&mut desk, &device, Some(&token), "x");
    assert!(admitted(&desk, &device).is_some());
    assert_eq!(desk.uses_left().iter().sum::<u32>(), 17);
}

#[test]
fn requests_for_another_domain_or_topic_are_refused_unanswered() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 9);
    let victim = device(&desk, 1);
    let request = victim.join(&desk.delegation(), Some(&token), "victim", 1, NOW);

    // The broker brings it under another device's topic.
    let thief = device(&desk, 2);
    assert_eq!(bring(&mut desk, &thief, &request, NOW), 0);
    // It copies it to another domain, whose authority has neither the key nor the serial's.
    let mut other = Desk::new(Suite::One, 2);
    assert_eq!(bring(&mut other, &victim, &request, NOW), 0);
    assert_eq!(other.refusals(), 1);
    // A request for another domain or another suite, sealed to this authority by an insider.
    let elsewhere = Device::new(1, Suite::One, other.authority.domain());
    let body = elsewhere.request("x", 4, NOW);
    let unsealed = JoinRequest::seal(&desk.delegation(), None, &body, &Secret::new([1; 32]));
    assert!(unsealed.is_err(), "an honest device does not even make it");
    // Damage anywhere.
    for at in [0, 1, 2, 5, 40, request.len() / 2, request.len() - 1] {
        let mut damaged = request.clone();
        damaged[at] ^= 1;
        assert_eq!(bring(&mut desk, &victim, &damaged, NOW), 0, "byte {at}");
        assert_eq!(desk.refusals(), 1);
    }
    assert!(
        desk.at(ReservedTopic::Answer(victim.fingerprint()))
            .is_none()
    );
    assert!(
        desk.at(ReservedTopic::Answer(thief.fingerprint()))
            .is_none()
    );
    assert_eq!((members(&desk), desk.uses_left()), (0, vec![9]));
    // Nothing of this was in the way of the device.
    bring(&mut desk, &victim, &request, NOW);
    assert!(admitted(&desk, &victim).is_some());
}

#[test]
fn an_eavesdropper_cannot_use_what_it_sees() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 9);
    let victim = device(&desk, 1);
    let request = victim.join(&desk.delegation(), Some(&token), "victim", 1, NOW);
    // Neither the token's id nor the name nor the mac stands in the clear.
    let inside = victim.request_for(token.id, "victim", 1, 4);
    let hash = Object::parse_any(&inside, Kind::EnrolmentRequest)
        .unwrap()
        .hash();
    let shows = |what: &[u8]| request.windows(what.len()).any(|w| w == what);
    assert!(!shows(&token.id) && !shows(b"victim") && !shows(&token.mac_for(&hash)));
    // With the token's id alone, and a mac over its own request under a guessed secret.
    let thief = device(&desk, 2);
    let guess = Token {
        secret: Secret::new(sha256(&[&request]).0),
        ..desk.token("x", 1)
    };
    let guess = Token {
        id: token.id,
        ..guess
    };
    join(&mut desk, &thief, Some(&guess), "thief");
    assert_eq!((refusal(&desk, &thief), desk.refusals()), (None, 1));
    assert_eq!(members(&desk), 0);
}

/// Threat model A42: somebody who saw a device's request, as a file or with a stolen KEM key,
/// seals it again as he likes.
#[test]
fn a_request_is_bound_to_its_token() {
    for suite in SUITES {
        let mut desk = Desk::with_groups(suite);
        let (own, other) = (desk.token("", 1), desk.token("", 5));
        let victim = device(&desk, 1);
        let request = victim.request_for(own.id, "victim", 1, 4);
        let mac = |secret: &Secret, request: &[u8]| {
            let hash = Object::parse_any(request, Kind::EnrolmentRequest).unwrap();
            join_mac(secret, &hash.hash())
        };
        // Another token's mac, none, and the token's for another request: no answer at all, so
        // that nothing final stands in the device's way, and no token is spent.
        let again = victim.request_for(own.id, "victim", 5, 4);
        for wrong in [
            mac(&other.secret, &request),
            [0; 32],
            mac(&own.secret, &again),
        ] {
            let sealed = sealed_by_anybody(&desk, &wrong, &request);
            assert_eq!(bring(&mut desk, &victim, &sealed, NOW), 0);
            assert_eq!((refusal(&desk, &victim), desk.refusals()), (None, 1));
            assert_eq!((members(&desk), desk.authority.pending().count()), (0, 0));
        }
        // The device itself refuses to send it for another token, or for none.
        let seed = Secret::new([9; 32]);
        for token in [None, Some((&other.id, &other.secret))] {
            let sealed = JoinRequest::seal(&desk.delegation(), token, &request, &seed);
            assert_eq!(sealed.err(), Some(ObjectError::Field("token")));
        }
        // Nor does an operator enrol it by file, with grants of another kind.
        let all = grants(&["office"]);
        let by_file = desk
            .authority
            .enrol(&request, &all, YEAR, NOW, &mut desk.rng);
        assert_eq!(by_file.err(), Some(AuthorityError::RequestForToken));
        assert_eq!(desk.uses_left().iter().sum::<u32>(), 6);

        // Sealed again with the mac that he saw, it is what the device asked for.
        let sealed = sealed_by_anybody(&desk, &mac(&own.secret, &request), &request);
        bring(&mut desk, &victim, &sealed, NOW);
        assert!(admitted(&desk, &victim).is_some());
        assert_eq!(desk.uses_left().iter().sum::<u32>(), 5);
    }
}

/// An older request of the same device neither replaces nor ends the one that waits.
#[test]
fn an_older_request_does_not_undo_the_one_that_waits() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 1);
    let victim = device(&desk, 1);
    let mac = |request: &[u8]| {
        let hash = Object::parse_any(request, Kind::EnrolmentRequest).unwrap();
        join_mac(&token.secret, &hash.hash())
    };
    let old = [
        (victim.request_for([0; 8], "old", 1, 2), [0; 32]),
        (victim.request_for([7; 8], "old", 1, 2), [0; 32]),
    ];
    let first = victim.request_for(token.id, "old", 1, 2);
    let first = (first.clone(), mac(&first));
    let waits = victim.request_for([0; 8], "new", 5, 2);
    let sealed = sealed_by_anybody(&desk, &[0; 32], &waits);
    bring(&mut desk, &victim, &sealed, NOW);
    desk.reload();
    for (request, mac) in old.iter().chain([&first]) {
        let sealed = sealed_by_anybody(&desk, mac, request);
        assert_eq!(bring(&mut desk, &victim, &sealed, NOW), 0);
        let pending: Vec<_> = desk.authority.pending().map(|p| p.name).collect();
        assert_eq!((pending, members(&desk)), (vec!["new".to_owned()], 0));
        assert_eq!(refusal(&desk, &victim), Some(Reason::Waiting));
    }
    // A refusal of a request with the same numbers is none of the one that waits either.
    let other = victim.request_for([7; 8], "other", 5, 2);
    let sealed = sealed_by_anybody(&desk, &[0; 32], &other);
    bring(&mut desk, &victim, &sealed, NOW);
    assert_eq!(desk.authority.pending().count(), 1);
}

/// What anybody can make of a request that he saw.
fn sealed_by_anybody(desk: &Desk, mac: &[u8; 32], request: &[u8]) -> Vec<u8> {
    let delegation = desk.delegation();
    let (key, recipient) = delegation.kem_keys().next().unwrap();
    let serial = delegation.serial();
    let domain = desk.authority.domain().0;
    let info = [b"sealmq/1 join", &domain[..], &serial.to_be_bytes(), &[key]].concat();
    let mut text = [&mac[..], request].concat();
    let mut fields = [0; 16];
    // Behind the key's index: no extensions.
    let fields = encode(&(serial, key, 0_u8), &mut fields).unwrap();
    let aad = [&[delegation.suite().form(), 10], &*fields].concat();
    let (enc, tag) = seal_base(recipient, &info, &aad, &Secret::new([8; 32]), &mut text).unwrap();
    text.extend_from_slice(&tag);
    let mut out = vec![0; 65536];
    let sealed = encode(&(enc.as_bytes(), text.as_slice()), &mut out).unwrap();
    [&aad, &*sealed].concat()
}
