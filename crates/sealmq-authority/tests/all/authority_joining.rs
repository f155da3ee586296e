//! Joining over MQTT at the authority: tokens, answers, requests that wait, and attacks on all of
//! them (spec/keys.md §12).

use crate::common::desk::{Desk, NOW, YEAR, grants};
use crate::common::device::Device;
use sealmq_authority::{AuthorityError, AuthorityEvent, MAX_PENDING, TokenSpec};
use sealmq_core::VerifiedCredential;
use sealmq_core::crypto::{Secret, seal_base, sha256};
use sealmq_core::object::{Kind, Object, ObjectError, encode};
use sealmq_core::wire::Suite;
use sealmq_keys::{
    Fingerprint, JoinRefusalReason as Reason, JoinRequest, NamePattern, ReservedTopic, Token,
    VerifiedJoinRefusal, join_mac,
};

const SUITES: [Suite; 2] = [Suite::One, Suite::Two];
const DAY: u64 = 86_400;

fn device(desk: &Desk, seed: u8) -> Device {
    Device::new(seed, desk.delegation().suite(), desk.authority.domain())
}

/// Brings a device's request to its own topic.
fn bring(desk: &mut Desk, device: &Device, payload: &[u8], now: u64) -> usize {
    desk.handle(ReservedTopic::Join(device.fingerprint()), payload, now)
}

fn join(desk: &mut Desk, device: &Device, token: Option<&Token>, name: &str) -> Vec<u8> {
    let request = device.join(&desk.delegation(), token, name, 1, NOW);
    bring(desk, device, &request, NOW);
    request
}

fn refusal(desk: &Desk, device: &Device) -> Option<Reason> {
    let answer = desk.at(ReservedTopic::Answer(device.fingerprint()))?;
    let refusal = VerifiedJoinRefusal::verify(answer, &desk.delegation()).ok()?;
    Some(refusal.fields().reason)
}

/// The name of the credential on the answer topic.
fn admitted(desk: &Desk, device: &Device) -> Option<String> {
    let answer = desk.at(ReservedTopic::Answer(device.fingerprint()))?;
    let credential = VerifiedCredential::verify(answer, &desk.delegation()).ok()?;
    let fields = credential.fields();
    assert_eq!(fields.key, *device.identity.verifying_key().as_bytes());
    let own = desk.at(ReservedTopic::Credential(fields.member));
    assert_eq!(own, Some(answer), "the same credential on both topics");
    Some(fields.name.into())
}

fn members(desk: &Desk) -> usize {
    desk.authority.members().count()
}

#[test]
fn a_token_lets_devices_in() {
    for suite in SUITES {
        let mut desk = Desk::with_groups(suite);
        let token = desk.token("pump-*", 2);
        assert_eq!(token.suite, suite);
        let device = device(&desk, 1);
        let request = join(&mut desk, &device, Some(&token), "pump-1");
        assert_eq!(admitted(&desk, &device).as_deref(), Some("pump-1"));
        assert_eq!(desk.uses_left(), [1]);
        let info = desk.authority.members().next().unwrap();
        assert_eq!(info.grants, grants(&["plant"]));
        assert_eq!(info.not_after, NOW + YEAR / 4);
        assert!(desk.at(ReservedTopic::Join(device.fingerprint())).is_none());

        // It opens its welcome and says so: the answer is cleared.
        let group = desk.authority.groups().find(|g| g.name == "plant").unwrap();
        let welcome = desk.at(ReservedTopic::Welcome(info.number, group.id));
        let entry = device.install(&desk.delegation(), welcome.unwrap());
        let confirmation = device.confirmation(info.number, &[entry]);
        desk.handle(ReservedTopic::Confirm(info.number), &confirmation, NOW);
        assert!(
            desk.at(ReservedTopic::Answer(device.fingerprint()))
                .is_none()
        );

        // A broker that brings the old request again gets nothing for it.
        assert_eq!(bring(&mut desk, &device, &request, NOW), 0);
        assert!(
            desk.at(ReservedTopic::Answer(device.fingerprint()))
                .is_none()
        );
        assert_eq!((desk.uses_left(), members(&desk)), (vec![1], 1));
    }
}

#[test]
fn the_same_request_counts_once_whatever_is_lost() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 5);
    let device = device(&desk, 1);
    let request = device.join(&desk.delegation(), Some(&token), "a", 1, NOW);
    let topic = desk.name(ReservedTopic::Join(device.fingerprint()));

    // The process dies before the commit: nothing has happened, and the request still stands.
    drop(desk.authority.handle(&topic, &request, NOW, &mut desk.rng));
    desk.reload();
    assert_eq!((desk.uses_left(), members(&desk)), (vec![5], 0));

    // It dies after the commit, before anything was published: the outbox has the answer, and
    // the request comes again.
    let plan = desk.authority.handle(&topic, &request, NOW, &mut desk.rng);
    desk.store_only(plan.unwrap());
    desk.reload();
    let answer = desk.name(ReservedTopic::Answer(device.fingerprint()));
    let outbox = desk.authority.outbox(&desk.store).unwrap();
    let answered = outbox.iter().find(|p| p.topic == answer).unwrap();
    for _ in 0..2 {
        assert_eq!(bring(&mut desk, &device, &request, NOW), 0);
        assert!(desk.republished.contains(&answer));
        desk.reload();
    }
    // Sealed anew, it is still the same request.
    let again = device.join(&desk.delegation(), Some(&token), "a", 2, NOW);
    assert_ne!(again, request);
    assert_eq!(bring(&mut desk, &device, &again, NOW), 0);
    assert_eq!((desk.uses_left(), members(&desk)), (vec![4], 1));
    let outbox = desk.authority.outbox(&desk.store).unwrap();
    assert!(outbox.contains(answered), "byte for byte");
}

#[test]
fn tokens_are_used_up_expire_and_are_revoked() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 1);
    let [first, second] = [1, 2].map(|seed| device(&desk, seed));
    join(&mut desk, &first, Some(&token), "first");
    assert!(admitted(&desk, &first).is_some());
    join(&mut desk, &second, Some(&token), "second");
    assert_eq!(refusal(&desk, &second), Some(Reason::Token));

    let token = desk.token("", 9);
    let third = device(&desk, 3);
    let late = third.join(&desk.delegation(), Some(&token), "third", 1, NOW);
    bring(&mut desk, &third, &late, token.expires + 1);
    assert_eq!(refusal(&desk, &third), Some(Reason::Token));
    let plan = desk.authority.tick(token.expires + 1, &mut desk.rng);
    desk.commit(plan.unwrap());
    desk.reload();
    assert!(desk.authority.tokens().next().is_none());

    let token = desk.token("", 9);
    let plan = desk.authority.revoke_token(&token.id, NOW).unwrap();
    desk.commit(plan);
    let fourth = device(&desk, 4);
    join(&mut desk, &fourth, Some(&token), "fourth");
    assert_eq!(refusal(&desk, &fourth), Some(Reason::Token));
    let again = desk.authority.revoke_token(&token.id, NOW).err();
    assert_eq!(again, Some(AuthorityError::NoSuchToken));
    assert_eq!(members(&desk), 1);
}

#[test]
fn only_sensible_tokens_are_made() {
    let mut desk = Desk::with_groups(Suite::One);
    let good = TokenSpec {
        grants: grants(&["plant"]),
        name: NamePattern::Any,
        ttl: 60,
        uses: 1,
        member_validity: 60,
        broker: "mqtt://localhost:1883".into(),
    };
    let exact = NamePattern::Exact("x".into());
    for bad in [
        TokenSpec {
            ttl: 0,
            ..good.clone()
        },
        TokenSpec {
            uses: 0,
            ..good.clone()
        },
        TokenSpec {
            member_validity: 0,
            ..good.clone()
        },
        TokenSpec {
            name: exact,
            uses: 2,
            ..good.clone()
        },
        TokenSpec {
            grants: grants(&["nowhere"]),
            ..good.clone()
        },
        TokenSpec {
            grants: Vec::new(),
            ..good.clone()
        },
        TokenSpec {
            broker: "localhost".into(),
            ..good.clone()
        },
    ] {
        assert!(
            desk.authority
                .create_token(&bad, NOW, &mut desk.rng)
                .is_err()
        );
    }
    let (token, plan) = desk
        .authority
        .create_token(&good, NOW, &mut desk.rng)
        .unwrap();
    desk.commit(plan);
    desk.reload();
    let known: Vec<_> = desk.authority.tokens().collect();
    assert_eq!(known.len(), 1);
    assert_eq!((known[0].id, known[0].expires), (token.id, NOW + 60));
}

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

#[test]
fn names_and_keys_are_used_once() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("pump-*", 9);
    let first = device(&desk, 1);
    join(&mut desk, &first, Some(&token), "pump-1");
    for (seed, name, reason) in [(2, "pump-1", Reason::Name), (3, "valve-1", Reason::Name)] {
        let device = device(&desk, seed);
        join(&mut desk, &device, Some(&token), name);
        assert_eq!(refusal(&desk, &device), Some(reason), "{name}");
    }
    // The same key with another request; then after its removal, with the old one and a new one.
    join(&mut desk, &first, Some(&token), "pump-9");
    assert_eq!(refusal(&desk, &first), Some(Reason::Key));
    let number = desk.authority.find_member("pump-1").unwrap();
    let plan = desk.authority.remove(number, NOW, &mut desk.rng).unwrap();
    desk.commit(plan);
    assert!(
        desk.at(ReservedTopic::Answer(first.fingerprint()))
            .is_none()
    );
    for (token, name) in [
        (Some(&token), "pump-1"),
        (Some(&token), "pump-2"),
        (None, "pump-3"),
    ] {
        join(&mut desk, &first, token, name);
        assert_eq!(refusal(&desk, &first), Some(Reason::Key), "{name}");
    }
    assert_eq!((members(&desk), desk.uses_left()), (1, vec![8]));
    // A name is free again when its member is gone.
    let next = device(&desk, 4);
    join(&mut desk, &next, Some(&token), "pump-1");
    assert!(admitted(&desk, &next).is_some());
}

#[test]
fn too_few_packages_are_told() {
    let mut desk = Desk::with_groups(Suite::One);
    let spec = TokenSpec {
        grants: grants(&["plant", "office"]),
        name: NamePattern::Any,
        ttl: 60,
        uses: 3,
        member_validity: YEAR,
        broker: String::new(),
    };
    let (token, plan) = desk
        .authority
        .create_token(&spec, NOW, &mut desk.rng)
        .unwrap();
    desk.commit(plan);
    let device = device(&desk, 1);
    let secret = Secret::new([1; 32]);
    let with = Some((&token.id, &token.secret));
    let poor = device.request_for(token.id, "x", 1, 1);
    let poor = JoinRequest::seal(&desk.delegation(), with, &poor, &secret).unwrap();
    bring(&mut desk, &device, &poor, NOW);
    assert_eq!(refusal(&desk, &device), Some(Reason::Request));
    assert_eq!(desk.uses_left(), [3]);
    join(&mut desk, &device, Some(&token), "x");
    assert!(admitted(&desk, &device).is_some());
}

#[test]
fn an_operator_decides_about_requests_without_a_token() {
    for suite in SUITES {
        let mut desk = Desk::with_groups(suite);
        let [good, bad] = [1, 2].map(|seed| device(&desk, seed));
        let request = join(&mut desk, &good, None, "good");
        join(&mut desk, &bad, None, "bad");
        for device in [&good, &bad] {
            assert_eq!(refusal(&desk, device), Some(Reason::Waiting));
        }
        desk.reload();
        let waiting: Vec<_> = desk
            .authority
            .pending()
            .map(|p| (p.device, p.name))
            .collect();
        assert_eq!(waiting.len(), 2);
        assert!(waiting.contains(&(good.fingerprint(), "good".into())));
        // The same again waits no second time.
        assert_eq!(bring(&mut desk, &good, &request, NOW + 5), 0);

        let nobody = Fingerprint([9; 16]);
        assert!(desk.authority.reject(nobody, NOW).is_err());
        let plan = desk.authority.reject(bad.fingerprint(), NOW).unwrap();
        desk.commit(plan);
        assert_eq!(refusal(&desk, &bad), Some(Reason::Operator));
        let (enrolled, plan) = desk
            .authority
            .approve(
                good.fingerprint(),
                Some("renamed"),
                &grants(&["office"]),
                YEAR,
                NOW,
                &mut desk.rng,
            )
            .unwrap();
        desk.commit(plan);
        assert_eq!(enrolled.name, "renamed");
        assert_eq!(admitted(&desk, &good).as_deref(), Some("renamed"));
        desk.reload();
        assert_eq!(desk.authority.pending().count(), 0);
        // Both repeat themselves: both get what they got.
        bring(&mut desk, &good, &request, NOW + 9);
        join(&mut desk, &bad, None, "bad");
        assert_eq!(refusal(&desk, &bad), Some(Reason::Operator));
        assert!(admitted(&desk, &good).is_some());
        assert_eq!((members(&desk), desk.authority.pending().count()), (1, 0));
    }
}

#[test]
fn a_waiting_device_may_come_back_with_a_token() {
    let mut desk = Desk::with_groups(Suite::One);
    let device = device(&desk, 1);
    join(&mut desk, &device, None, "x");
    let token = desk.token("", 1);
    join(&mut desk, &device, Some(&token), "x");
    assert!(admitted(&desk, &device).is_some());
    desk.reload();
    assert_eq!(desk.authority.pending().count(), 0);
}

#[test]
fn waiting_and_answers_end() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 9);
    let [waits, joined] = [1, 2].map(|seed| device(&desk, seed));
    join(&mut desk, &waits, None, "waits");
    join(&mut desk, &joined, Some(&token), "joined");
    let late = NOW + 7 * DAY + 1;
    let device = waits.fingerprint();
    let all = grants(&["plant"]);
    let approved = desk
        .authority
        .approve(device, None, &all, YEAR, late, &mut desk.rng);
    assert!(matches!(approved, Err(AuthorityError::NoSuchRequest(_))));
    let tick = |desk: &mut Desk, now| {
        let plan = desk.authority.tick(now, &mut desk.rng).unwrap();
        desk.commit(plan);
        desk.reload();
    };
    tick(&mut desk, late);
    assert_eq!(desk.authority.pending().count(), 0);
    assert!(desk.at(ReservedTopic::Answer(device)).is_none());
    assert!(admitted(&desk, &joined).is_some());
    tick(&mut desk, NOW + 30 * DAY + 1);
    assert!(
        desk.at(ReservedTopic::Answer(joined.fingerprint()))
            .is_none()
    );
    // It never got it, and asks again: it is still the same member.
    join(&mut desk, &joined, Some(&token), "joined");
    assert!(admitted(&desk, &joined).is_some());
    assert_eq!(members(&desk), 1);
}

#[test]
fn floods_are_bounded() {
    let mut desk = Desk::with_groups(Suite::One);
    let delegation = desk.delegation();
    let busy = |desk: &Desk| {
        desk.events
            .iter()
            .any(|e| matches!(e, AuthorityEvent::Refused { why, .. } if why.contains("too many")))
    };
    // 50 at once, 10 in each second after: what is above is not even opened, and not cleared.
    let flooder = Device::new(9, Suite::One, desk.authority.domain());
    let request = flooder.join(&delegation, None, "flood", 1, NOW);
    let mut junk = request.clone();
    *junk.last_mut().unwrap() ^= 1;
    let opened = |desk: &mut Desk, now| {
        let mut count = 0;
        for _ in 0..70 {
            bring(desk, &flooder, &junk, now);
            let kept = desk
                .at(ReservedTopic::Join(flooder.fingerprint()))
                .is_some();
            assert_eq!(kept, busy(desk));
            count += usize::from(!busy(desk));
        }
        count
    };
    assert_eq!(opened(&mut desk, NOW), 50);
    assert_eq!(opened(&mut desk, NOW + 1), 10);
    assert_eq!(opened(&mut desk, NOW + 100), 50);

    // However many devices ask, so many wait, and what is stored stays bounded.
    let mut now = NOW + 1000;
    let domain = desk.authority.domain();
    let mut shown = 0;
    for n in 0..MAX_PENDING as u32 + 10 {
        let device = crate::common::device::numbered(n, domain);
        let request = device.join(&delegation, None, "x", 1, NOW);
        now += 1;
        bring(&mut desk, &device, &request, now);
        shown += usize::from(refusal(&desk, &device) == Some(Reason::Waiting));
    }
    assert_eq!(desk.authority.pending().count(), MAX_PENDING);
    assert_eq!(shown, MAX_PENDING);

    // Refusals too: the oldest make room.
    let none = Token {
        id: [5; 8],
        ..desk.token("", 1)
    };
    for n in 1000..1000 + 300 {
        let device = crate::common::device::numbered(n, domain);
        let request = device.join(&delegation, Some(&none), "x", 1, NOW);
        now += 1;
        bring(&mut desk, &device, &request, now);
        assert_eq!(refusal(&desk, &device), Some(Reason::Token));
    }
    let stored = desk
        .store
        .0
        .keys()
        .filter(|k| k.starts_with("authority/answer/"));
    assert_eq!(stored.count(), MAX_PENDING + 256);
}

#[test]
fn files_and_topics_are_one_domain() {
    // A device enrolled by file cannot join again, and a file of another suite is refused.
    let mut desk = Desk::with_groups(Suite::Two);
    let token = desk.token("", 9);
    let device = device(&desk, 1);
    let all = grants(&["plant"]);
    let file = device.request("by-file", 4, NOW + 1);
    let enrolled = desk.authority.enrol(&file, &all, YEAR, NOW, &mut desk.rng);
    let (_, plan) = enrolled.unwrap();
    desk.commit(plan);
    join(&mut desk, &device, Some(&token), "by-topic");
    assert_eq!(refusal(&desk, &device), Some(Reason::Key));
    let old = Device::new(2, Suite::One, desk.authority.domain()).request("old", 4, NOW);
    let refused = desk.authority.enrol(&old, &all, YEAR, NOW, &mut desk.rng);
    assert!(matches!(refused, Err(AuthorityError::Request(_))));
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

/// The name of a removed member is free again, its key is not.
#[test]
fn a_removed_members_name_comes_back_and_its_key_does_not() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 9);
    let [old, new] = [1, 2].map(|seed| device(&desk, seed));
    join(&mut desk, &old, Some(&token), "pump");
    let number = desk.authority.find_member("pump").unwrap();
    let plan = desk.authority.remove(number, NOW, &mut desk.rng);
    desk.commit(plan.unwrap());
    desk.reload();
    join(&mut desk, &old, Some(&token), "pump-2");
    assert_ne!(admitted(&desk, &old).as_deref(), Some("pump-2"));
    join(&mut desk, &new, Some(&token), "pump");
    assert_eq!(admitted(&desk, &new).as_deref(), Some("pump"));
    assert_ne!(desk.authority.find_member("pump").unwrap(), number);
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
