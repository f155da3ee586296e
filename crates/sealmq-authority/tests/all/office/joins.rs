//! Join requests at the office: many, beside others' work at the store, and strangers' ones.

use std::collections::BTreeSet;

use sealmq_authority::office::OfficeEvent;
use sealmq_authority::{AuthorityEvent, TokenSpec};
use sealmq_keys::objects::{NamePattern, Token, VerifiedDelegation};
use sealmq_keys::{Publication, ReservedTopic};

use super::Street;
use crate::common::desk::grants;
use crate::common::device::{Device, numbered};
use crate::net::START;

fn delegation(street: &Street) -> VerifiedDelegation {
    let root = sealmq_core::crypto::VerifyingKey::from_bytes(street.net.authority.root_key());
    VerifiedDelegation::verify(street.net.authority.delegation(), &root.unwrap()).unwrap()
}

pub fn token(street: &mut Street, uses: u32) -> Token {
    let spec = TokenSpec {
        grants: grants(&["plant"]),
        name: NamePattern::Any,
        ttl: 3300,
        uses,
        member_validity: 86_400,
        broker: String::new(),
    };
    let mut made = None;
    street.command(|a, now, rng| {
        let (token, plan) = a.create_token(&spec, now, rng).unwrap();
        made = Some(token);
        plan
    });
    made.unwrap()
}

/// A device's request reaches the broker, and what is told about it there.
pub fn ask(street: &mut Street, n: u32, token: Option<&Token>, name: &str) -> (Device, String) {
    let device = numbered(n, street.net.authority.domain());
    let request = device.join(&delegation(street), token, name, 1, START);
    let topic = street.net.topic(ReservedTopic::Join(device.fingerprint()));
    street.net.publish(Publication::retained(topic, request));
    let answer = street
        .net
        .topic(ReservedTopic::Answer(device.fingerprint()));
    (device, answer)
}

/// Others change the store whenever this one commits: nobody has to ask twice.
#[test]
fn a_join_request_outlives_a_conflict() {
    let mut street = Street::new();
    street.pass(3000);
    let token = token(&mut street, 3);
    street.pass(1000);
    for n in 0..3 {
        street.interferes = Some(|a, rng| a.rotate("plant", START + 10, rng).unwrap());
        let (_, answer) = ask(&mut street, n, Some(&token), &format!("device-{n}"));
        street.pass(2000);
        assert!(street.interferes.is_none(), "the other one acted");
        assert!(street.net.retained.contains_key(&answer), "{n}");
    }
    assert_eq!(street.wrong(), [""; 0]);
}

/// Requests that were there before the office was, and a stranger's among them.
#[test]
fn requests_that_stand_at_the_broker_are_worked_off() {
    let mut street = Street::new();
    street.pass(3000);
    let token = token(&mut street, 300);
    street.disconnect(0);
    let mut answers = Vec::new();
    for n in 0..300 {
        answers.push(ask(&mut street, n, Some(&token), &format!("device-{n}")).1);
        let (stranger, _) = ask(&mut street, 0x8000_0000 | n, None, "x");
        let topic = street
            .net
            .topic(ReservedTopic::Join(stranger.fingerprint()));
        if n >= 50 {
            street
                .net
                .publish(Publication::retained(topic, vec![7; 862]));
        }
    }
    street.connect(0);
    street.pass(30_000);
    let retained = &street.net.retained;
    let answered = answers.iter().filter(|topic| retained.contains_key(*topic));
    let refused: BTreeSet<&String> = street.posts[0]
        .events
        .iter()
        .filter_map(|event| match event {
            OfficeEvent::Authority(AuthorityEvent::Refused { why, .. }) => Some(why),
            _ => None,
        })
        .collect();
    assert_eq!(
        answered.count(),
        300,
        "{:?} {refused:?}",
        street.posts[0].error
    );
    assert!(!retained.keys().any(|topic| topic.contains("/join/")));
    assert_eq!(street.wrong(), [""; 0]);
    // What strangers cause is told of in part, and then in number.
    let told = street.posts[0].events.iter().filter(|event| {
        let OfficeEvent::Authority(event) = event else {
            return false;
        };
        matches!(
            event,
            AuthorityEvent::Refused { .. } | AuthorityEvent::JoinRefused { .. }
        )
    });
    assert!(told.count() <= 8 * 120);
}
