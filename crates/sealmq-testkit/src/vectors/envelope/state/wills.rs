//! Wills: how often they fire, and what they may override (spec/envelope.md §9, "Will").

use super::super::case::Case;
use super::super::open::known;
use super::super::replay::at;
use super::super::scene::{Scene, policy, renewed};
use super::will_number;
use crate::vectors::craft::Draft;
use crate::vectors::prelude::*;

const SKEW_MS: u64 = 300_000;

pub(super) fn vectors(scene: &Scene, file: &mut VectorFile) {
    live(scene, file);
    shown(scene, file);
    numbers(scene, file);
    order(scene, file);
}

/// A will that was published without RETAIN.
fn passing(will: &Draft) -> Draft {
    will.change(|d| d.message.retain = false)
}

fn on(draft: &Draft, topic: &str) -> Draft {
    draft.change(|d| d.topic = topic.to_owned())
}

fn live(scene: &Scene, file: &mut VectorFile) {
    let will_in = |number: u64| scene.will(number);
    let will = will_in(NOW);
    let twin =
        Draft::value(scene.kept_epoch(), &sensor(), "twin").change(|d| d.message.will = true);
    let case = |id: &str, comment: &str| {
        Case::new(scene, format!("will-{id}"), comment, "§9").attacks(&["A25"])
    };
    stories! { case => file:
        "replay": "The broker fires a will twice." => .ok(&will).bad(&will, "Replay");
        "passing-replay": "One without RETAIN, twice." => .ok(&passing(&will)).bad(&passing(&will), "Replay");
        "older": "A will of an earlier connection." => .ok(&will).bad(&will_in(NOW - 5), "Replay");
        "newer": "A will of a later connection." => .ok(&will).ok(&will_in(NOW + 5)).bad(&will, "Replay");
        "number-shared": "Another will with the number of an accepted one." => .ok(&will).bad(&twin, "Replay");
        "number": "The wills of a sender are ordered over all topics."
            => .ok(&passing(&will)).bad(&on(&will, "plant/b/temp"), "Replay")
            .bad(&on(&passing(&will_in(NOW - 5)), "plant/b/temp"), "Replay")
            .ok(&on(&will_in(NOW + 1), "plant/b/temp"));
        "number-of-sender": "Each sender has its own order."
            => .ok(&will_in(NOW + 9))
            .ok(&Draft::value(scene.kept_epoch(), &insider(), "will").change(|d| d.message.will = true));
        "counter-1": "A will that is not the first message of its session." => .bad(&at(&will, 1), "Rejected");
        "counter-1-passing": "Whether or not it is to be retained."
            => .bad(&passing(&at(&will, 1)), "Rejected");
        "counter-1-shown": "However it comes." => .retained(true).bad(&at(&will, 1), "Rejected");
        "floor-unchanged": "A will raises no floor."
            => .ok(&will_in(NOW + 1000)).ok(&scene.in_session(NOW + 7)).ok(&scene.in_session(NOW));
        "forged": "A forged will does not raise the number."
            => .attacks(&["A8"]).bad(&will_in(NOW + 9).change(|d| d.name = "insider-8"), "Rejected")
            .ok(&will);
        "after-messages": "A will after messages of a later session." => .ok(&scene.in_session(NOW + 7)).ok(&will);
        "next-credential": "The number belongs to a credential."
            => .attacks(&["C12"]).ok(&passing(&will))
            .ok(&passing(&will_in(1)).under(renewed().object())).bad(&passing(&will_in(NOW + 5)), "Replay");
        "silent-no-mark": "A will without RETAIN heeds no mark, and raises none."
            => .ok(&scene.value_in(NOW + 9)).ok(&passing(&will)).ok(&scene.value_in(NOW + 9).change(|d| d.counter = 1));
        "silent-raises-no-mark": "Nor with a connection above all of it."
            => .ok(&passing(&will)).ok(&scene.value_in(1));
    }
    let floor = object! { sender: 7_u8, credential_serial: 1_u8, floor: NOW + 1000 };
    stories! { case => file:
        "below-floor": "The floor is not for wills: it was sealed before the messages."
            => .with("floors", super::one(floor)).ok(&will);
    }
}

fn shown(scene: &Scene, file: &mut VectorFile) {
    let will = scene.will(NOW);
    let case = |id: &str, comment: &str| {
        Case::new(scene, format!("will-{id}"), comment, "§9").attacks(&["A25", "B2"])
    };
    stories! { case => file:
        "shown": "A will that the broker kept: at each subscription, and not live afterwards."
            => .retained(true).ok(&will).ok(&will).retained(false).bad(&will, "Replay");
        "live-then-shown": "Live, then at each subscription."
            => .ok(&will).retained(true).ok(&will).ok(&will).retained(false).bad(&will, "Replay");
        "shown-older": "A kept will older than one that was seen."
            => .ok(&scene.will(NOW + 5)).retained(true).bad(&will, "Replay");
        "silent-shown": "A will that was not to be retained."
            => .retained(true).bad(&passing(&will), "Replay").retained(false).ok(&passing(&will));
        "shown-no-number": "A retained delivery raises no number."
            => .retained(true).ok(&scene.will(NOW + 9)).retained(false).ok(&on(&will, "plant/b/temp"));
        "shown-heeds-no-number": "Nor does it heed one."
            => .ok(&passing(&scene.will(NOW + 9))).retained(true).ok(&will);
    }
}

/// What was remembered from before.
fn numbers(scene: &Scene, file: &mut VectorFile) {
    let will = passing(&scene.will(NOW));
    let case = |id: &str, comment: &str| {
        Case::new(scene, format!("will-number-{id}"), comment, "§9").attacks(&["A12", "A25"])
    };
    stories! { case => file:
        "below": "Above the highest of before." => .with("wills", will_number(1, 1, NOW - 1)).ok(&will);
        "equal": "The highest of before, again." => .with("wills", will_number(1, 1, NOW)).bad(&will, "Replay");
        "above": "Below the highest of before." => .with("wills", will_number(1, 1, NOW + 1)).bad(&will, "Replay");
        "credential-below": "The highest is of an older credential." => .with("wills", will_number(1, 0, NOW + 9)).ok(&will);
        "credential-above": "The highest is of a newer credential."
            => .with("wills", will_number(1, 2, 0)).bad(&will, "Replay");
        "delegation-below": "The highest is of an older delegation, with a higher serial."
            => .with("wills", will_number(0, 9, NOW + 9)).ok(&will);
        "delegation-above": "The highest is of a later delegation."
            => .with("wills", will_number(2, 0, 0)).bad(&will, "Replay");
    }
}

/// Two faults: the one that comes first in the order of §9 is the reason.
fn order(scene: &Scene, file: &mut VectorFile) {
    let will = scene.will(NOW);
    let late = Some(NOW_MS + 600_000 + SKEW_MS + 1);
    let second = at(&will, 1);
    stories! { Case::of(scene, "§9"), [.attacks(&["A25", "B26"])] => file:
        "order-will-age-before-replay": "An old will that was seen before."
            => .with("policy", policy(0, 600)).ok(&will).bad(&will, "Replay").at(late).bad(&will, "Stale");
        "order-will-counter": "A will with a counter above 0, by this reader itself."
            => .with("number", 7_u8).bad(&second, "Rejected");
        "order-will-counter-before-sender": "And of a sender that is not known, with another's credential inside."
            => .with("credentials", known(&[]))
            .bad(&second.change(|d| d.message.credential = Some(renewed().issued_under(2))), "Rejected");
        "order-will-counter-before-time": "And without a time."
            => .bad(&second.change(|d| d.message.sent_at = None), "Rejected");
        "order-will-silent-before-signature": "A forged will without RETAIN, shown."
            => .retained(true).bad(&passing(&will).change(|d| d.name = "insider-8"), "Replay");
    }
}
