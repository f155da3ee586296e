//! Kind `open`: what else a reader of spec/envelope.md may read wrong, and no other vector shows
//! (test-vectors/misreadings).

use sealmq_core::Grant;
use sealmq_core::object::Access;

use super::case::Case;
use super::open::{known, refused, serial};
use super::replay::at;
use super::scene::{Scene, VALIDITY, gateway};
use crate::vectors::craft::Property;
use crate::vectors::prelude::*;

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    fields(scene, file);
    order(scene, file);
    credentials(scene, file);
    times(scene, file);
    replays(scene, file);
}

/// The plain message with a body that says more, or less.
fn fields(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let twice = vec![
        Property::CorrelationData(vec![1]),
        Property::CorrelationData(vec![2]),
    ];
    let empty = vec![Property::ContentType(""), Property::User("", "")];
    stories! { Case::of(scene, "§9") => file:
        "hint-128-itself": "128 would be a second spelling of 0."
            => .bad(&plain.change(|d| d.message.hint = 128), "Rejected");
        "hint-127": "The highest hint."
            => .with("credentials", known(&[&serial(127)])).ok(&scene.sent_by(&serial(127)));
        "inside-4096": "4096 bytes in the credential's place: it does not verify, and the known one is used."
            => .ok(&plain.change(|d| d.message.credential = Some(vec![0x11; 4096])));
        "correlation-data-twice": "Only 0x26 may repeat."
            => .bad(&plain.change(|d| d.message.properties = twice), "Rejected");
        "strings-empty": "Strings may be empty." => .ok(&plain.change(|d| d.message.properties = empty));
    }
}

/// Two faults: the one that comes first in the order of §9 is the reason.
fn order(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let late = Some((NOW + 2 * WEEK) * 1000);
    let unknown = flipped(&plain.envelope(), 3, 1);
    let expired = CredentialPlan {
        not_after: NOW - 1,
        ..sensor()
    };
    stories! { Case::of(scene, "§9") => file:
        "order-key-before-validity": "An unknown key id, and the keys ran out."
            => .at(late).raw(&plain.topic, &unknown, "UnknownKey");
        "order-own-before-sender": "Its own message, and its own credential is not there."
            => .with("number", 7_u8).with("credentials", known(&[])).bad(&plain, "Own");
        "order-list-before-hint": "The list is not there, and the sender uses the next credential."
            => .with("refused", Json::Null).bad(&scene.sent_by(&serial(2)), "UnknownList");
        "order-revoked-before-validity": "Removed, and the credential has expired."
            => .with("refused", refused(&[(7, u32::MAX)]))
            .with("credentials", known(&[&expired]))
            .bad(&scene.sent_by(&expired), "Revoked");
        "order-hint-before-revoked": "Made under a newer credential, and the known one was removed."
            => .with("refused", refused(&[(7, 2)])).bad(&scene.sent_by(&serial(2)), "UnknownSender");
        "order-validity-before-grant": "The credential has expired, and the topic is not covered."
            => .with("delegation_not_after", NOW - 1)
            .bad(&plain.change(|d| d.topic = "office/temp".to_owned()), "Stale");
    }
}

fn credentials(scene: &Scene, file: &mut VectorFile) {
    let (group, access, publish_filter) = (plant(), Access::BOTH, "plant/b/#");
    let twin = sensor().with(
        &elements(&[Grant {
            group,
            access,
            publish_filter,
        }]),
        |_| {},
    );
    let floor = object! { sender: 7_u8, serial: 2_u8, credential_serial: 0_u8, floor: 0_u8 };
    stories! { Case::of(scene, "§9") => file:
        "inside-equal": "Another credential inside, of the known one's serial: the known one counts."
            => .attacks(&["C12"]).ok(&scene.sent().change(|d| d.message.credential = Some(twin.clone())));
        "order-of-credentials": "The delegation's serial counts before the credential's."
            => .with("credentials", known(&[&serial(5)])).with("floors", Json::Array(vec![floor]))
            .attacks(&["A15"]).bad(&scene.sent_by(&serial(5)), "Revoked");
    }
    let of = |publish_filter| CredentialPlan {
        publish_filter,
        ..gateway()
    };
    let (twice, capital) = (of("plant/%c/%c"), of("plant/%C/#"));
    let on = |plan, topic: &str| scene.sent_by(plan).change(|d| d.topic = topic.to_owned());
    let case = |id, plan| {
        let comment = "Each level that is exactly `%c` stands for the name, and nothing else does.";
        Case::new(scene, id, comment, "§9").with("credentials", known(&[plan]))
    };
    stories! { case => file:
        "publish-filter-name-twice": &twice => .ok(&on(&twice, "plant/gateway-9/gateway-9"));
        "publish-filter-name-capital": &capital => .bad(&on(&capital, "plant/gateway-9/x"), "NotAllowed");
        "publish-filter-name-capital-literal": &capital => .ok(&on(&capital, "plant/%C/x"));
    }
}

fn times(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let dated = |issued_at: u64, not_after: u64| CredentialPlan {
        issued_at,
        not_after,
        ..sensor()
    };
    let (later, last, early) = (
        dated(NOW, NOW + 1000),
        dated(NOW - 10, NOW + 1),
        dated(NOW + 12, NOW + 1000),
    );
    let skew = object! { grace: 3600_u16, freshness: 0_u8, skew: 10_u8, will_age: WEEK };
    let forged = flipped(&plain.envelope(), 60, 1);
    let end = NOW + 60;
    stories! { Case::of(scene, "§9") => file:
        "no-clock-credential-later": "Without a clock, a credential may be younger than the newest announcement."
            => .with("credentials", known(&[&later])).at(None).ok(&scene.sent_by(&later));
        "credential-last-millisecond": "Bounds in seconds count whole seconds of the clock."
            => .with("credentials", known(&[&last])).at(Some((NOW + 1) * 1000 + 999)).ok(&scene.sent_by(&last));
        "credential-own-skew": "The skew is the policy's."
            => .with("credentials", known(&[&early])).with("policy", skew).bad(&scene.sent_by(&early), "Stale");
        "keys-last-millisecond": "Bounds in seconds count whole seconds of the clock."
            => .at(Some((NOW + VALIDITY + 3900) * 1000 + 999)).ok(&plain);
        "delegation-keys": "The keys end with the delegation, after grace and skew."
            => .with("delegation_not_after", end).at(Some((end + 3901) * 1000)).raw(&plain.topic, &forged, "Stale");
        "delegation-keys-last": "The keys' last second under a delegation that has ended."
            => .with("delegation_not_after", end).at(Some((end + 3900) * 1000)).raw(&plain.topic, &forged, "Rejected");
    }
}

fn replays(scene: &Scene, file: &mut VectorFile) {
    let session = |n: u64| scene.in_session(NOW + n);
    let five = |id: &str, comment: &str, numbers: [u64; 5]| {
        let case = Case::new(scene, id, comment, "§9").attacks(&["A11"]);
        numbers.iter().fold(case, |case, n| case.ok(&session(*n)))
    };
    stories! { five => file:
        "evicted-not-first": "The lowest number is evicted, not the session that came first.",
            [20, 10, 30, 40, 50] => .ok(&at(&session(20), 1)).bad(&at(&session(10), 1), "Replay");
        "evicted-below-floor": "A session in memory that is below the floor is evicted: the floor does not fall.",
            [10, 20, 30, 40, 5] => .ok(&session(50)).bad(&session(7), "Replay");
    }
}
