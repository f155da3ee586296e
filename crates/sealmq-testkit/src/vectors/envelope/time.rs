//! Kind `open`: freshness (spec/envelope.md §9, step 7), at the edges of every bound.

use super::case::Case;
use super::open::{refused, serial};
use super::scene::{ISSUED_BEFORE, Scene, VALIDITY, policy};
use crate::vectors::craft::{Draft, Property};
use crate::vectors::prelude::*;

const SKEW_MS: u64 = 300_000;

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    future_and_age(scene, file);
    wills(scene, file);
    expiry(scene, file);
    keys(scene, file);
    order(scene, file);
}

/// What a bound is called.
type Name<'a> = (&'a str, &'a str);

/// Accepted at the last moment, and no more one step of milliseconds later: `(last, step)`.
fn edge(
    scene: &Scene,
    file: &mut VectorFile,
    (id, comment): Name<'_>,
    draft: &Draft,
    set: &dyn Fn(Case) -> Case,
    (last, step): (u64, u64),
) {
    let case = |id: String, comment: String| set(Case::new(scene, id, comment, "§9"));
    case(format!("{id}-last"), format!("{comment} The last moment."))
        .at(Some(last))
        .ok(draft)
        .done(file);
    case(format!("{id}-over"), format!("{comment} Just over."))
        .at(Some(last + step))
        .bad(draft, "Stale")
        .done(file);
}

fn plain_case(case: Case) -> Case {
    case
}

fn future_and_age(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let ahead = |by: u64| plain.change(|d| d.message.sent_at = Some(NOW_MS + by));
    stories! { Case::of(scene, "§9") => file:
        "future-last": "The sender's clock is ahead by skew." => .at(Some(NOW_MS)).ok(&ahead(SKEW_MS));
        "future-over": "The sender's clock is ahead by skew and a millisecond."
            => .attacks(&["B24"]).at(Some(NOW_MS)).bad(&ahead(SKEW_MS + 1), "Stale");
        "future-retained": "Not retained either."
            => .retained(true).at(Some(NOW_MS))
            .bad(&ahead(SKEW_MS + 1).change(|d| d.message.retain = true), "Stale");
    }

    edge(
        scene,
        file,
        ("freshness", "At most 60 s, and skew, old."),
        &plain,
        &with_freshness,
        (NOW_MS + 60_000 + SKEW_MS, 1),
    );
    let untimed = plain.change(|d| d.message.sent_at = None);
    with_freshness(Case::new(
        scene,
        "freshness-without-time",
        "The policy asks for a time.",
        "§9",
    ))
    .bad(&untimed, "Stale")
    .done(file);
    stories! { Case::of(scene, "§9") => file:
        "no-freshness-without-time": "The policy asks for no time." => .ok(&untimed);
        "no-freshness-old": "Without a freshness policy a message may have any age."
            => .ok(&plain.change(|d| d.message.sent_at = Some(1)));
    }
    for (id, draft) in [("old", &plain), ("without-time", &untimed)] {
        let retained = draft.change(|d| d.message.retain = true);
        with_freshness(Case::new(
            scene,
            format!("freshness-retained-{id}"),
            "Retained values may have any age.",
            "§9",
        ))
        .retained(true)
        .at(Some(NOW_MS + 86_400_000))
        .ok(&retained)
        .done(file);
    }
    stories! { Case::of(scene, "§9") => file:
        "no-clock": "A reader without a clock checks no time."
            => .with("policy", policy(1, 1)).with("not_after", 1_u8).at(None).ok(&untimed)
            .ok(&plain.change(|d| { d.counter = 1; d.message.sent_at = Some((1 << 42) - 1); }))
            .ok(&plain.change(|d| { d.counter = 2; d.message.sent_at = Some(1); d.message.properties = vec![Property::MessageExpiry(1)]; }));
    }
    let issued_at = NOW - ISSUED_BEFORE;
    for (id, comment, not_after, reason) in table! {
        "no-clock-credential": "Without a clock it is at least the time of the newest announcement: the last second.",
            issued_at, None;
        "no-clock-credential-over": "The credential had expired when the newest announcement was issued.",
            issued_at - 1, Some("Revoked");
    } {
        let plan = CredentialPlan {
            issued_at: 1,
            not_after,
            ..sensor()
        };
        let case = Case::new(scene, id, comment, "§9")
            .attacks(&["A29"])
            .with("credentials", Json::Array(vec![Json::hex(plan.object())]))
            .at(None);
        match reason {
            Some(reason) => case.bad(&scene.sent_by(&plan), reason),
            None => case.ok(&scene.sent_by(&plan)),
        }
        .done(file);
    }
    let ended = |case: Case| case.with("delegation_not_after", NOW + 60);
    edge(
        scene,
        file,
        ("delegation", "Credentials end with the delegation."),
        &scene.sent(),
        &ended,
        ((NOW + 60) * 1000, 1000),
    );
}

fn with_freshness(case: Case) -> Case {
    case.with("policy", policy(60, WEEK))
}

fn with_will_age(case: Case) -> Case {
    case.with("policy", policy(60, 600))
}

fn retained(case: Case) -> Case {
    case.retained(true)
}

fn wills(scene: &Scene, file: &mut VectorFile) {
    let will = scene.sent().change(|d| d.message.will = true);
    edge(
        scene,
        file,
        (
            "will-age",
            "A will: at most will_age and skew, whatever the freshness.",
        ),
        &will,
        &with_will_age,
        (NOW_MS + 600_000 + SKEW_MS, 1),
    );
    let untimed = will.change(|d| d.message.sent_at = None);
    for (id, now) in [
        ("without-time", Some(NOW_MS)),
        ("without-time-no-clock", None),
    ] {
        Case::new(
            scene,
            format!("will-{id}"),
            "A will has the time at which it was sealed.",
            "§9",
        )
        .attacks(&["A25"])
        .at(now)
        .bad(&untimed, "Stale")
        .done(file);
    }
    for (id, now) in [("zero", Some(NOW_MS)), ("zero-no-clock", None)] {
        Case::new(
            scene,
            format!("will-age-{id}"),
            "will_age 0 accepts no will.",
            "§9",
        )
        .attacks(&["A25"])
        .with("policy", policy(0, 0))
        .at(now)
        .bad(&will, "Stale")
        .done(file);
    }
    stories! { Case::of(scene, "§9") => file:
        "will-future": "A will from the future." => .at(Some(NOW_MS - SKEW_MS - 1)).bad(&will, "Stale");
    }
}

fn expiry(scene: &Scene, file: &mut VectorFile) {
    let expiring = |seconds: u32| {
        scene.sent().change(|d| {
            d.message.properties = vec![Property::MessageExpiry(seconds)];
            d.message.retain = true;
        })
    };
    edge(
        scene,
        file,
        (
            "expiry",
            "A message expiry interval of 60 s, counted from sent_at, without skew.",
        ),
        &expiring(60),
        &plain_case,
        (NOW_MS + 60_000, 1),
    );
    edge(
        scene,
        file,
        ("expiry-0", "A message expiry interval of 0."),
        &expiring(0),
        &plain_case,
        (NOW_MS, 1),
    );
    edge(
        scene,
        file,
        ("expiry-retained", "It holds for retained values, too."),
        &expiring(60),
        &retained,
        (NOW_MS + 60_000, 1),
    );
    let will = expiring(60).change(|d| d.message.will = true);
    edge(
        scene,
        file,
        ("expiry-will", "And for wills."),
        &will,
        &plain_case,
        (NOW_MS + 60_000, 1),
    );
    stories! { Case::of(scene, "§9") => file:
        "expiry-max": "The longest interval does not overflow." => .ok(&expiring(u32::MAX));
    }
}

fn keys(scene: &Scene, file: &mut VectorFile) {
    let last = (NOW + VALIDITY + 3600 + 300) * 1000;
    edge(
        scene,
        file,
        (
            "keys",
            "not_after, grace and skew of the newest announcement.",
        ),
        &scene.sent(),
        &plain_case,
        (last, 1000),
    );
    let retained_value = scene.sent().change(|d| d.message.retain = true);
    edge(
        scene,
        file,
        (
            "keys-retained",
            "Keys that ran out open no retained values.",
        ),
        &retained_value,
        &retained,
        (last, 1000),
    );
    let older = Draft::new(scene.group.epoch(2), &sensor(), "a");
    edge(
        scene,
        file,
        (
            "keys-older-epoch",
            "For an epoch of the window the newest announcement counts.",
        ),
        &older,
        &plain_case,
        (last, 1000),
    );
}

/// Two faults: the one that comes first in the order of §9 is the reason.
fn order(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let late = NOW_MS + 3_600_000;
    let attacks: &[&'static str] = &["B26"];
    let (id, comment) = (
        "order-freshness-before-replay",
        "Seen before, and no longer fresh.",
    );
    with_freshness(Case::new(scene, id, comment, "§9"))
        .attacks(attacks)
        .ok(&plain)
        .at(Some(late))
        .bad(&plain, "Stale")
        .done(file);
    let (id, comment) = (
        "order-sender-before-freshness",
        "Made under a newer credential, and not fresh.",
    );
    with_freshness(Case::new(scene, id, comment, "§9"))
        .attacks(attacks)
        .at(Some(late))
        .bad(&scene.sent_by(&serial(2)), "UnknownSender")
        .done(file);
    let (id, comment) = (
        "order-grant-before-freshness",
        "Not allowed, and not fresh.",
    );
    with_freshness(Case::new(scene, id, comment, "§9"))
        .attacks(attacks)
        .at(Some(late))
        .bad(
            &plain.change(|d| d.topic = "office/temp".to_owned()),
            "NotAllowed",
        )
        .done(file);
    let (id, comment) = ("order-revoked-before-grant", "Removed, and not allowed.");
    Case::new(scene, id, comment, "§9")
        .attacks(attacks)
        .with("refused", refused(&[(7, u32::MAX)]))
        .bad(
            &plain.change(|d| d.topic = "office/temp".to_owned()),
            "Revoked",
        )
        .done(file);
    let (id, comment) = (
        "order-keys-before-aead",
        "The keys ran out, and it is forged.",
    );
    let mut forged = plain.envelope();
    forged[60] ^= 1;
    Case::new(scene, id, comment, "§9")
        .attacks(attacks)
        .at(Some((NOW + 2 * WEEK) * 1000))
        .raw(&plain.topic, &forged, "Stale")
        .done(file);
    let (id, comment) = (
        "order-replay-before-signature",
        "An insider forges a counter that was seen.",
    );
    Case::new(scene, id, comment, "§9")
        .attacks(attacks)
        .ok(&plain)
        .bad(&plain.change(|d| d.name = "insider-8"), "Replay")
        .done(file);
}
