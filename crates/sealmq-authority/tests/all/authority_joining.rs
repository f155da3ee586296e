//! Joining over MQTT at the authority: tokens, answers, requests that wait, and attacks on all of
//! them (spec/keys.md §12).

use crate::common::desk::{Desk, NOW, YEAR, grants};
use crate::common::device::Device;
use sealmq_authority::{AuthorityError, TokenSpec};
use sealmq_core::VerifiedCredential;
use sealmq_core::crypto::Secret;
use sealmq_core::wire::Suite;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::{
    Fingerprint, JoinRefusalReason as Reason, JoinRequest, NamePattern, Token, VerifiedJoinRefusal,
};

pub const SUITES: [Suite; 2] = [Suite::One, Suite::Two];
pub const DAY: u64 = 86_400;

pub fn device(desk: &Desk, seed: u8) -> Device {
    Device::new(seed, desk.delegation().suite(), desk.authority.domain())
}

/// Brings a device's request to its own topic.
pub fn bring(desk: &mut Desk, device: &Device, payload: &[u8], now: u64) -> usize {
    desk.handle(ReservedTopic::Join(device.fingerprint()), payload, now)
}

pub fn join(desk: &mut Desk, device: &Device, token: Option<&Token>, name: &str) -> Vec<u8> {
    // The same bytes again would be taken for an echo.
    let seed = u8::try_from(desk.store.0.len() % 251).unwrap();
    let request = device.join(&desk.delegation(), token, name, seed, NOW);
    bring(desk, device, &request, NOW);
    request
}

pub fn refusal(desk: &Desk, device: &Device) -> Option<Reason> {
    let answer = desk.answer(device.fingerprint())?;
    let refusal = VerifiedJoinRefusal::verify(answer, &desk.delegation()).ok()?;
    Some(refusal.fields().reason)
}

/// The name of the credential on the answer topic.
pub fn admitted(desk: &Desk, device: &Device) -> Option<String> {
    let answer = desk.at(ReservedTopic::Answer(device.fingerprint()))?;
    let credential = VerifiedCredential::verify(answer, &desk.delegation()).ok()?;
    let fields = credential.fields();
    assert_eq!(fields.key, *device.identity.verifying_key().as_bytes());
    let own = desk.at(ReservedTopic::Credential(fields.member));
    assert_eq!(own, Some(answer), "the same credential on both topics");
    Some(fields.name.into())
}

pub fn members(desk: &Desk) -> usize {
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
