//! Kind `open`: freshness (spec/envelope.md §9, step 7), at the edges of every bound.

use super::case::Case;
use super::open::{known, refused, serial};
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

fn future_and_age(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let value = scene.value();
    let untimed = plain.change(|d| d.message.sent_at = None);
    let kept_untimed = value.change(|d| d.message.sent_at = None);
    let ahead = |draft: &Draft, by: u64| draft.change(|d| d.message.sent_at = Some(NOW_MS + by));
    let sent = |counter: u32, sent_at: u64, properties: Vec<Property>| {
        let draft = plain.change(|d| (d.counter, d.message.sent_at) = (counter, Some(sent_at)));
        draft.change(|d| d.message.properties = properties)
    };
    let last = NOW_MS + 60_000 + SKEW_MS;
    let day = Some(NOW_MS + 86_400_000);
    stories! { Case::of(scene, "§9") => file:
        "future-last": "The sender's clock is ahead by skew." => .at(Some(NOW_MS)).ok(&ahead(&plain, SKEW_MS));
        "future-over": "The sender's clock is ahead by skew and a millisecond."
            => .attacks(&["B24"]).at(Some(NOW_MS)).bad(&ahead(&plain, SKEW_MS + 1), "Stale");
        "future-retained": "Not retained either."
            => .retained(true).at(Some(NOW_MS)).bad(&ahead(&value, SKEW_MS + 1), "Stale");
        "freshness-last": "At most 60 s, and skew, old. The last moment."
            => .with("policy", policy(60, WEEK)).at(Some(last)).ok(&plain);
        "freshness-over": "At most 60 s, and skew, old. Just over."
            => .with("policy", policy(60, WEEK)).at(Some(last + 1)).bad(&plain, "Stale");
        "freshness-without-time": "The policy asks for a time."
            => .with("policy", policy(60, WEEK)).bad(&untimed, "Stale");
        "no-freshness-without-time": "The policy asks for no time." => .ok(&untimed);
        "no-freshness-old": "Without a freshness policy a message may have any age." => .ok(&sent(0, 1, vec![]));
        "freshness-retained-old": "Retained values may have any age."
            => .with("policy", policy(60, WEEK)).retained(true).at(day).ok(&value);
        "freshness-retained-without-time": "Retained values may have any age."
            => .with("policy", policy(60, WEEK)).retained(true).at(day).ok(&kept_untimed);
        "freshness-value-live": "A retained value that comes live has to be fresh."
            => .with("policy", policy(60, WEEK)).at(Some(last + 1)).bad(&value, "Stale");
        "freshness-value-live-last": "A retained value that comes live has to be fresh. The last moment."
            => .with("policy", policy(60, WEEK)).at(Some(last)).ok(&value);
        "freshness-value-live-without-time": "Live, a retained value needs a time as events do."
            => .with("policy", policy(60, WEEK)).bad(&kept_untimed, "Stale");
        "no-clock": "A reader without a clock checks no time."
            => .with("policy", policy(1, 1)).with("not_after", 1_u8).at(None).ok(&untimed)
            .ok(&sent(1, (1 << 42) - 1, vec![])).ok(&sent(2, 1, vec![Property::MessageExpiry(1)]));
    }
    let issued = NOW - ISSUED_BEFORE;
    let until = |not_after: u64| CredentialPlan {
        issued_at: 1,
        not_after,
        ..sensor()
    };
    let (last, over) = (until(issued), until(issued - 1));
    let end = NOW + 60;
    stories! { Case::of(scene, "§9") => file:
        "no-clock-credential": "Without a clock it is at least the time of the newest announcement: the last second."
            => .attacks(&["A29"]).with("credentials", known(&[&last])).at(None).ok(&scene.sent_by(&last));
        "no-clock-credential-over": "The credential had expired when the newest announcement was issued."
            => .attacks(&["A29"]).with("credentials", known(&[&over])).at(None).bad(&scene.sent_by(&over), "Revoked");
        "delegation-last": "Credentials end with the delegation. The last moment."
            => .with("delegation_not_after", end).at(Some(end * 1000)).ok(&plain);
        "delegation-over": "Credentials end with the delegation. Just over."
            => .with("delegation_not_after", end).at(Some((end + 1) * 1000)).bad(&plain, "Stale");
    }
}

fn wills(scene: &Scene, file: &mut VectorFile) {
    let will = scene.will(NOW);
    let passing = will.change(|d| d.message.retain = false);
    let untimed = will.change(|d| d.message.sent_at = None);
    let last = NOW_MS + 600_000 + SKEW_MS;
    stories! { Case::of(scene, "§9"), [.attacks(&["A25"])] => file:
        "will-age-last": "A will: at most will_age and skew, whatever the freshness. The last moment."
            => .with("policy", policy(60, 600)).at(Some(last)).ok(&will);
        "will-age-over": "A will: at most will_age and skew, whatever the freshness. Just over."
            => .with("policy", policy(60, 600)).at(Some(last + 1)).bad(&will, "Stale");
        "will-old-live": "The same for one without RETAIN."
            => .with("policy", policy(60, 600)).at(Some(last + 1)).bad(&passing, "Stale");
        "will-old-shown": "In retained delivery a will may have any age."
            => .with("policy", policy(60, 600)).retained(true).at(Some(last + 1)).ok(&will);
        "will-old-no-clock": "Without a clock, too."
            => .with("policy", policy(60, 600)).at(None).ok(&will);
        "will-without-time": "A will has the time at which it was sealed." => .at(Some(NOW_MS)).bad(&untimed, "Stale");
        "will-without-time-no-clock": "A will has the time at which it was sealed." => .at(None).bad(&untimed, "Stale");
        "will-no-time-shown": "A will has the time at which it was sealed, however it comes."
            => .retained(true).at(Some(NOW_MS)).bad(&untimed, "Stale");
        "will-age-zero": "will_age 0 accepts no will."
            => .with("policy", policy(0, 0)).at(Some(NOW_MS)).bad(&will, "Stale");
        "will-age-zero-no-clock": "will_age 0 accepts no will."
            => .with("policy", policy(0, 0)).at(None).bad(&will, "Stale");
        "will-age-0-shown": "will_age 0 accepts no will, however it comes."
            => .with("policy", policy(0, 0)).retained(true).at(Some(NOW_MS)).bad(&will, "Stale");
        "will-future": "A will from the future." => .at(Some(NOW_MS - SKEW_MS - 1)).bad(&will, "Stale");
    }
}

fn expiry(scene: &Scene, file: &mut VectorFile) {
    let expiring = |draft: &Draft, seconds: u32| {
        let properties = vec![Property::MessageExpiry(seconds)];
        draft.change(|d| d.message.properties = properties)
    };
    let plain = scene.sent();
    let minute = expiring(&plain, 60);
    let (value, will) = (expiring(&scene.value(), 60), expiring(&scene.will(NOW), 60));
    let last = NOW_MS + 60_000;
    stories! { Case::of(scene, "§9") => file:
        "expiry-last": "A message expiry interval of 60 s, counted from sent_at, without skew. The last moment."
            => .at(Some(last)).ok(&minute);
        "expiry-over": "A message expiry interval of 60 s, counted from sent_at, without skew. Just over."
            => .at(Some(last + 1)).bad(&minute, "Stale");
        "expiry-0-last": "A message expiry interval of 0. The last moment."
            => .at(Some(NOW_MS)).ok(&expiring(&plain, 0));
        "expiry-0-over": "A message expiry interval of 0. Just over."
            => .at(Some(NOW_MS + 1)).bad(&expiring(&plain, 0), "Stale");
        "expiry-value-over": "The same for a retained value that comes live. Just over."
            => .at(Some(last + 1)).bad(&value, "Stale");
        "expiry-retained-last": "It holds for retained delivery, too. The last moment."
            => .retained(true).at(Some(last)).ok(&value);
        "expiry-retained-over": "It holds for retained delivery, too. Just over."
            => .retained(true).at(Some(last + 1)).bad(&value, "Stale");
        "expiry-will-last": "And for wills. The last moment." => .at(Some(last)).ok(&will);
        "expiry-will-over": "And for wills. Just over." => .at(Some(last + 1)).bad(&will, "Stale");
        "expiry-will-shown-over": "And for wills that the broker kept. Just over."
            => .retained(true).at(Some(last + 1)).bad(&will, "Stale");
        "expiry-max": "The longest interval does not overflow." => .ok(&expiring(&plain, u32::MAX));
    }
}

fn keys(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let older = Draft::new(scene.group.epoch(2), &sensor(), "a");
    let end = NOW + VALIDITY + 3600 + 300;
    let (last, over) = (Some(end * 1000), Some((end + 1) * 1000));
    stories! { Case::of(scene, "§9") => file:
        "keys-last": "not_after, grace and skew of the newest announcement. The last moment." => .at(last).ok(&plain);
        "keys-over": "not_after, grace and skew of the newest announcement. Just over." => .at(over).bad(&plain, "Stale");
        "keys-retained-last": "Keys that ran out open no retained values. The last moment."
            => .retained(true).at(last).ok(&scene.value());
        "keys-retained-over": "Keys that ran out open no retained values. Just over."
            => .retained(true).at(over).bad(&scene.value(), "Stale");
        "order-kept-ran-out": "Kept keys that ran out, and it is forged."
            => .at(over).raw(&plain.topic, &flipped(&scene.value().envelope(), 60, 1), "Stale");
        "keys-older-epoch-last": "For an epoch of the window the newest announcement counts. The last moment."
            => .at(last).ok(&older);
        "keys-older-epoch-over": "For an epoch of the window the newest announcement counts. Just over."
            => .at(over).bad(&older, "Stale");
    }
}

/// Two faults: the one that comes first in the order of §9 is the reason.
fn order(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let late = Some(NOW_MS + 3_600_000);
    let elsewhere = plain.change(|d| d.topic = "office/temp".to_owned());
    let forged = flipped(&plain.envelope(), 60, 1);
    stories! { Case::of(scene, "§9"), [.attacks(&["B26"])] => file:
        "order-freshness-before-replay": "Seen before, and no longer fresh."
            => .with("policy", policy(60, WEEK)).ok(&plain).at(late).bad(&plain, "Stale");
        "order-sender-before-freshness": "Made under a newer credential, and not fresh."
            => .with("policy", policy(60, WEEK)).at(late).bad(&scene.sent_by(&serial(2)), "UnknownSender");
        "order-grant-before-freshness": "Not allowed, and not fresh."
            => .with("policy", policy(60, WEEK)).at(late).bad(&elsewhere, "NotAllowed");
        "order-revoked-before-grant": "Removed, and not allowed."
            => .with("refused", refused(&[(7, u32::MAX)])).bad(&elsewhere, "Revoked");
        "order-keys-before-aead": "The keys ran out, and it is forged."
            => .at(Some((NOW + 2 * WEEK) * 1000)).raw(&plain.topic, &forged, "Stale");
        "order-replay-before-signature": "An insider forges a counter that was seen."
            => .ok(&plain).bad(&plain.change(|d| d.name = "insider-8"), "Replay");
    }
}
