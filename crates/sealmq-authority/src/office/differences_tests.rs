use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec;

use super::*;

fn publication(topic: usize, payload: &[u8]) -> Publication {
    Publication::retained(format!("t/{topic}"), payload)
}

/// Sends and confirms everything; the topics, in order.
fn drain(differences: &mut Differences) -> Vec<String> {
    let mut sent = Vec::new();
    while !differences.is_idle() {
        let mut tokens = Vec::new();
        while let Some((token, next)) = differences.next(Duration::ZERO) {
            sent.push(next.topic);
            tokens.push(token);
        }
        assert!(tokens.len() <= 16);
        for token in tokens {
            assert_eq!(differences.acknowledged(token, true), Acknowledged::Stands);
        }
    }
    sent
}

#[test]
fn only_differences_are_sent_and_in_order() {
    let mut differences = Differences::default();
    differences.want((0..40).map(|n| publication(n, b"x")).collect());
    let sent = drain(&mut differences);
    assert_eq!(sent, (0..40).map(|n| format!("t/{n}")).collect::<Vec<_>>());
    assert_eq!(differences.counts(), (40, 0));

    differences.want((0..40).map(|n| publication(n, b"x")).collect());
    assert!(differences.is_idle());
    differences.want(vec![
        publication(7, b"y"),
        publication(8, b"x"),
        publication(9, b""),
    ]);
    let (seven, next) = differences.next(Duration::ZERO).unwrap();
    assert_eq!(next, publication(7, b"y"));
    // Wanted again while it is on its way: not sent twice.
    differences.want(vec![publication(7, b"y"), publication(9, b"")]);
    let (nine, next) = differences.next(Duration::ZERO).unwrap();
    assert_eq!(next, publication(9, b""));
    assert_eq!(differences.next(Duration::ZERO), None);
    assert_eq!(
        differences.acknowledged(nine, true),
        Acknowledged::Cleared("t/9".to_owned())
    );
    assert_eq!(differences.acknowledged(nine, true), Acknowledged::Unknown);
    assert_eq!(differences.acknowledged(seven, true), Acknowledged::Stands);
    assert!(differences.is_idle());
    assert_eq!(differences.counts(), (1, 0));
}

#[test]
fn what_was_seen_is_not_sent() {
    let mut differences = Differences::default();
    let all = || {
        vec![
            publication(1, b"x"),
            publication(2, b"x"),
            publication(3, b"x"),
        ]
    };
    differences.want(all());
    differences.saw("t/1", sha256(&[b"x"]));
    differences.saw("t/2", sha256(&[b"old"]));
    differences.saw("t/9", sha256(&[b"x"]));
    differences.once(vec![publication(2, b"x")]);
    differences.want(all());
    assert_eq!(drain(&mut differences), ["t/2", "t/3"]);
    differences.start_over();
    differences.want(all());
    assert_eq!(drain(&mut differences), ["t/1", "t/2", "t/3"]);
}

#[test]
fn repairs_are_sent_again_but_never_what_is_old() {
    let mut differences = Differences::default();
    differences.want(vec![publication(1, b"x"), publication(2, b"x")]);
    drain(&mut differences);
    differences.once(vec![publication(1, b"x"), publication(2, b"x")]);
    differences.want(vec![publication(1, b"x"), publication(2, b"y")]);
    assert!(!differences.is_idle());
    assert_eq!(
        differences.next(Duration::ZERO).unwrap().1,
        publication(2, b"y")
    );
    assert_eq!(
        differences.next(Duration::ZERO).unwrap().1,
        publication(1, b"x")
    );
    assert_eq!(differences.next(Duration::ZERO), None);
}

#[test]
fn what_is_refused_is_not_sent_again_at_once() {
    let mut differences = Differences::default();
    differences.want(vec![publication(1, b"x")]);
    let (token, _) = differences.next(Duration::ZERO).unwrap();
    assert_eq!(
        differences.acknowledged(token, false),
        Acknowledged::Refused("t/1".to_owned())
    );
    differences.want(vec![publication(1, b"x")]);
    assert!(differences.is_idle());
    assert_eq!(differences.counts(), (0, 1));
    // Another object on the same topic is another question.
    differences.want(vec![publication(1, b"y")]);
    assert!(differences.next(Duration::ZERO).is_some());
    differences.forget_refusals();
    differences.want(vec![publication(1, b"x")]);
    assert!(differences.next(Duration::ZERO).is_some());
}

/// What changes alone gives the same as all of it.
#[test]
fn changes_are_enough() {
    let mut differences = Differences::default();
    differences.want((0..4).map(|n| publication(n, b"x")).collect());
    assert_eq!(drain(&mut differences).len(), 4);
    let gone = ["t/3".to_owned()];
    let changed = || vec![publication(1, b"y"), publication(2, b"")];
    differences.want_changed(changed(), &gone);
    assert_eq!(differences.counts(), (1, 0));
    let (first, next) = differences.next(Duration::ZERO).unwrap();
    assert_eq!(next, publication(1, b"y"));
    // Said again: neither what is on its way nor what waits is sent twice.
    differences.want_changed(changed(), &gone);
    assert_eq!(differences.acknowledged(first, true), Acknowledged::Stands);
    let (second, next) = differences.next(Duration::ZERO).unwrap();
    assert_eq!(next, publication(2, b""));
    assert_eq!(differences.next(Duration::ZERO), None);
    let cleared = Acknowledged::Cleared("t/2".to_owned());
    assert_eq!(differences.acknowledged(second, true), cleared);
    differences.want_changed(Vec::new(), &["t/2".to_owned()]);
    assert!(differences.is_idle());
    assert_eq!(differences.counts(), (2, 0));
    // A repair that is overtaken.
    differences.once(vec![publication(0, b"x")]);
    differences.want_changed(vec![publication(0, b"z")], &[]);
    assert_eq!(drain_with_repairs(&mut differences), ["t/0"]);
    assert_eq!(differences.counts(), (2, 0));
}

fn drain_with_repairs(differences: &mut Differences) -> Vec<String> {
    let mut sent = Vec::new();
    while let Some((token, next)) = differences.next(Duration::ZERO) {
        sent.push(next.topic);
        let _ = differences.acknowledged(token, true);
    }
    sent
}

/// One that names an epoch is of no use behind the next one's announcement.
#[test]
fn answers_go_in_front_of_what_was_committed_after_them() {
    let mut of = Differences::default();
    of.set_prefix("p");
    let answer = Publication {
        retain: false,
        ..Publication::retained("n", *b"answer")
    };
    of.once(vec![Publication::clear("join"), answer.clone()]);
    of.want(vec![Publication::retained("a", *b"announcement")]);
    let sent = core::iter::from_fn(|| of.next(Duration::ZERO));
    let topics: Vec<String> = sent.map(|(_, publication)| publication.topic).collect();
    assert_eq!(topics, ["n", "a", "join"]);
    assert!(!of.is_idle());
}
