use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec;

use super::*;

fn publication(topic: usize, payload: &[u8]) -> Publication {
    Publication::retained(format!("t/{topic}"), payload)
}

/// Sends and confirms everything; the topics, in order.
fn drain(outbox: &mut Outbox) -> Vec<String> {
    let mut sent = Vec::new();
    while !outbox.is_idle() {
        let mut tokens = Vec::new();
        while let Some((token, next)) = outbox.next() {
            sent.push(next.topic);
            tokens.push(token);
        }
        assert!(tokens.len() <= 16);
        for token in tokens {
            assert_eq!(outbox.acknowledged(token, true), Acknowledged::Stands);
        }
    }
    sent
}

#[test]
fn only_differences_are_sent_and_in_order() {
    let mut outbox = Outbox::default();
    outbox.want((0..40).map(|n| publication(n, b"x")).collect());
    let sent = drain(&mut outbox);
    assert_eq!(sent, (0..40).map(|n| format!("t/{n}")).collect::<Vec<_>>());
    assert_eq!(outbox.counts(), (40, 0));

    outbox.want((0..40).map(|n| publication(n, b"x")).collect());
    assert!(outbox.is_idle());
    outbox.want(vec![
        publication(7, b"y"),
        publication(8, b"x"),
        publication(9, b""),
    ]);
    let (seven, next) = outbox.next().unwrap();
    assert_eq!(next, publication(7, b"y"));
    // Wanted again while it is on its way: not sent twice.
    outbox.want(vec![publication(7, b"y"), publication(9, b"")]);
    let (nine, next) = outbox.next().unwrap();
    assert_eq!(next, publication(9, b""));
    assert_eq!(outbox.next(), None);
    assert_eq!(
        outbox.acknowledged(nine, true),
        Acknowledged::Cleared("t/9".to_owned())
    );
    assert_eq!(outbox.acknowledged(nine, true), Acknowledged::Unknown);
    assert_eq!(outbox.acknowledged(seven, true), Acknowledged::Stands);
    assert!(outbox.is_idle());
    assert_eq!(outbox.counts(), (1, 0));
}

#[test]
fn what_was_seen_is_not_sent() {
    let mut outbox = Outbox::default();
    let all = || {
        vec![
            publication(1, b"x"),
            publication(2, b"x"),
            publication(3, b"x"),
        ]
    };
    outbox.want(all());
    outbox.saw("t/1", sha256(&[b"x"]));
    outbox.saw("t/2", sha256(&[b"old"]));
    outbox.saw("t/9", sha256(&[b"x"]));
    outbox.once(vec![publication(2, b"x")]);
    outbox.want(all());
    assert_eq!(drain(&mut outbox), ["t/2", "t/3"]);
    outbox.start_over();
    outbox.want(all());
    assert_eq!(drain(&mut outbox), ["t/1", "t/2", "t/3"]);
}

#[test]
fn repairs_are_sent_again_but_never_what_is_old() {
    let mut outbox = Outbox::default();
    outbox.want(vec![publication(1, b"x"), publication(2, b"x")]);
    drain(&mut outbox);
    outbox.once(vec![publication(1, b"x"), publication(2, b"x")]);
    outbox.want(vec![publication(1, b"x"), publication(2, b"y")]);
    assert!(!outbox.is_idle());
    assert_eq!(outbox.next().unwrap().1, publication(2, b"y"));
    assert_eq!(outbox.next().unwrap().1, publication(1, b"x"));
    assert_eq!(outbox.next(), None);
}

#[test]
fn what_is_refused_is_not_sent_again_at_once() {
    let mut outbox = Outbox::default();
    outbox.want(vec![publication(1, b"x")]);
    let (token, _) = outbox.next().unwrap();
    assert_eq!(
        outbox.acknowledged(token, false),
        Acknowledged::Refused("t/1".to_owned())
    );
    outbox.want(vec![publication(1, b"x")]);
    assert!(outbox.is_idle());
    assert_eq!(outbox.counts(), (0, 1));
    // Another object on the same topic is another question.
    outbox.want(vec![publication(1, b"y")]);
    assert!(outbox.next().is_some());
    outbox.forget_refusals();
    outbox.want(vec![publication(1, b"x")]);
    assert!(outbox.next().is_some());
}
