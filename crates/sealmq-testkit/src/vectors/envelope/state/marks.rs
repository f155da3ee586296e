//! The order of a sender's state on one topic: places and marks (spec/envelope.md §8, §9).

use super::super::case::Case;
use super::super::replay::at;
use super::super::scene::{Scene, renewed};
use crate::vectors::craft::Draft;
use crate::vectors::prelude::*;

pub(super) fn vectors(scene: &Scene, file: &mut VectorFile) {
    marks(scene, file);
    places(scene, file);
    events(scene, file);
}

fn marks(scene: &Scene, file: &mut VectorFile) {
    let value = scene.value();
    let on = |draft: &Draft, topic: &str| draft.change(|d| d.topic = topic.to_owned());
    let case = |id: &str, comment: &str| {
        Case::new(scene, format!("mark-{id}"), comment, "§9").attacks(&["A43", "B2"])
    };
    stories! { case => file:
        "live-twice": "A value twice: an order that was given once is not given again."
            => .ok(&value).bad(&value, "Replay");
        "live-much-later": "And once more, days later."
            => .ok(&value).at(Some(NOW_MS + 86_400_000)).bad(&value, "Replay");
        "retained-twice": "The same value at each subscription." => .retained(true).ok(&value).ok(&value).ok(&value);
        "retained-then-live": "What was shown as retained comes live."
            => .retained(true).ok(&value).retained(false).bad(&value, "Replay").retained(true).ok(&value);
        "live-then-retained": "The value that was seen live, at a subscription."
            => .ok(&value).retained(true).ok(&value).retained(false).bad(&value, "Replay");
        "back-retained": "An older value after a newer one."
            => .retained(true).ok(&at(&value, 5)).bad(&at(&value, 4), "Replay").ok(&at(&value, 5))
            .bad(&at(&value, 0), "Replay");
        "back-live": "An older value, live, after a newer one: it is not delivered late."
            => .ok(&at(&value, 5)).bad(&at(&value, 4), "Replay").ok(&at(&value, 6));
        "back-live-then-retained": "An older value, shown after a newer one that was live."
            => .ok(&at(&value, 5)).retained(true).bad(&at(&value, 4), "Replay").ok(&at(&value, 5));
        "back-retained-then-live": "An older value, live, after a newer one that was shown."
            => .retained(true).ok(&at(&value, 5)).retained(false).bad(&at(&value, 4), "Replay")
            .bad(&at(&value, 5), "Replay").ok(&at(&value, 6));
        "retained-raises": "A newer value that is shown takes the mark."
            => .ok(&value).retained(true).ok(&at(&value, 9)).retained(false).bad(&at(&value, 9), "Replay")
            .bad(&at(&value, 8), "Replay").ok(&at(&value, 10));
        "far": "Marks have no window: a value may be far above the one before it."
            => .ok(&value).ok(&at(&value, 500_000)).bad(&at(&value, 499_999), "Replay");
        "topic": "Each topic has its own mark."
            => .ok(&at(&value, 5)).ok(&on(&at(&value, 3), "plant/b/temp")).bad(&at(&value, 3), "Replay")
            .retained(true).ok(&on(&at(&value, 4), "plant/b/temp"));
        "sender": "Each sender has its own mark."
            => .ok(&at(&value, 5)).ok(&scene.value_by(&insider())).retained(true).ok(&at(&value, 5))
            .ok(&scene.value_by(&insider()));
        "senders-in-turns": "Where two members publish on one topic, each one's newest is current."
            => .retained(true).ok(&at(&value, 5)).ok(&scene.value_by(&insider())).ok(&at(&value, 5))
            .bad(&at(&value, 4), "Replay").ok(&scene.value_by(&insider()));
        "counter-reused": "Another value under the place that was seen."
            => .ok(&value).bad(&value.change(|d| d.message.payload = b"22.0C".to_vec()), "Replay");
        "credential": "The credential's serial stands before the session number."
            => .ok(&at(&value, 5)).ok(&value.under(renewed().object()).change(|d| d.message.number = 1))
            .bad(&at(&value, 9), "Replay").retained(true).bad(&at(&value, 9), "Replay");
        "kept-keys": "Other kept keys do not begin a new order."
            => .ok(&at(&value, 5)).bad(&Draft::value(scene.group.epoch(1), &sensor(), "a"), "Replay");
    }
}

/// §8: connection, WILL, session number, counter.
fn places(scene: &Scene, file: &mut VectorFile) {
    let place = |connection: u64, number: u64, counter: u32| {
        let value = scene.value_in(number);
        value.change(|d| (d.counter, d.message.connection) = (counter, connection))
    };
    let (will, later) = (scene.will(NOW), scene.will(NOW + 9));
    let case = |id: &str, comment: &str| {
        Case::new(scene, format!("place-{id}"), comment, "§8")
            .spec("§9")
            .attacks(&["A25", "A43"])
    };
    stories! { case => file:
        "connection": "The connection stands before the session number."
            => .ok(&place(5, NOW + 9, 3)).ok(&place(6, NOW, 0)).bad(&place(5, NOW + 9, 4), "Replay")
            .retained(true).bad(&place(5, NOW + 9, 4), "Replay").ok(&place(6, NOW, 0));
        "connection-first": "A member's first connection with a number, after those without."
            => .ok(&place(0, NOW + 9, 3)).ok(&place(1, NOW, 0)).bad(&place(0, NOW + 10, 0), "Replay");
        "session": "Of one connection, the session number stands before the counter."
            => .ok(&place(5, NOW, 9)).ok(&place(5, NOW + 1, 0)).bad(&place(5, NOW, 10), "Replay");
        "session-shared": "A session for state may go on over connections."
            => .ok(&place(5, NOW, 0)).ok(&place(6, NOW, 1)).bad(&place(5, NOW, 2), "Replay");
        "will-above": "A will ranks above all that was sealed on its connection."
            => .ok(&place(NOW, NOW + 5, 0)).ok(&will).bad(&place(NOW, NOW + 5, 1), "Replay")
            .retained(true).bad(&place(NOW, NOW + 5, 1), "Replay").ok(&will);
        "will-above-shown": "The same if the broker kept it."
            => .retained(true).ok(&will).bad(&place(NOW, NOW + 5, 9), "Replay").ok(&will);
        "will-below": "A will ranks below all that was sealed on a later connection."
            => .ok(&place(NOW + 7, NOW + 8, 0)).bad(&will, "Replay").retained(true).bad(&will, "Replay");
        "will-below-older-session": "Even in a session from before it."
            => .ok(&place(NOW + 7, NOW - 8, 0)).bad(&will, "Replay");
        "will-put-back": "A will that fired, a later connection, and the will put back over it."
            => .ok(&will).ok(&place(NOW + 9, NOW + 8, 0)).bad(&will, "Replay").retained(true)
            .bad(&will, "Replay").ok(&place(NOW + 9, NOW + 8, 0)).retained(false).ok(&later);
        "will-of-later": "The will of a later connection ranks above the one of an earlier."
            => .ok(&later).retained(true).bad(&will, "Replay").ok(&later);
        "will-other-topic": "Elsewhere it has no place."
            => .ok(&place(NOW + 7, NOW + 8, 0)).ok(&will.change(|d| d.topic = "plant/b/temp".to_owned()));
        "will-after-no-connection": "A member's first will ranks above all that it published before it."
            => .ok(&place(0, NOW + 9, 7)).ok(&will).bad(&place(0, NOW + 9, 8), "Replay");
        "will-as-connection": "A retained value does not become a will by its numbers."
            => .ok(&will).bad(&place(NOW, NOW, 9), "Replay").ok(&place(NOW + 1, NOW, 0));
    }
}

/// Events and state do not meet.
fn events(scene: &Scene, file: &mut VectorFile) {
    let (plain, value) = (scene.sent(), scene.value());
    let floor = |serial: u32, credential_serial: u32, floor: u64| {
        super::one(object! {
            sender: 7_u8, serial: serial, credential_serial: credential_serial, floor: floor,
        })
    };
    let session = |n: u64| scene.in_session(NOW + n);
    let most = (1 << 35) - 1;
    stories! { Case::of(scene, "§9"), [.attacks(&["B2"])] => file:
        "event-shown": "The broker shows what was not published with retain."
            => .retained(true).bad(&plain, "Replay").retained(false).ok(&plain);
        "event-shown-after-live": "Nor if it was seen live." => .ok(&plain).retained(true).bad(&plain, "Replay");
        "state-floor": "A floor is for events."
            => .attacks(&["A12"]).with("floors", floor(1, 1, NOW + 1000)).retained(true).ok(&value)
            .retained(false).ok(&at(&value, 1)).bad(&plain, "Replay");
        "state-floor-of-higher": "Whatever credential it belongs to."
            => .with("floors", floor(1, 6, most)).ok(&value).bad(&plain, "Revoked");
        "state-floor-of-later-delegation": "Whatever delegation it belongs to."
            => .with("floors", floor(9, 0, most)).ok(&value).bad(&plain, "Revoked");
        "state-sessions": "Sessions for state push out none for events."
            => .ok(&session(0)).ok(&scene.value_in(NOW + 1)).ok(&scene.value_in(NOW + 2))
            .ok(&scene.value_in(NOW + 3)).ok(&scene.value_in(NOW + 4)).ok(&scene.value_in(NOW + 5))
            .ok(&at(&session(0), 1)).bad(&at(&session(0), 1), "Replay");
        "state-number-of-event": "A session for state with the number of one for events."
            => .ok(&plain).ok(&value).ok(&at(&plain, 1)).ok(&at(&value, 1));
        "state-moves-no-floor": "State of a high session number raises nothing for events."
            => .ok(&scene.value_in(most)).ok(&plain);
        "event-moves-no-mark": "Events raise no mark."
            => .ok(&at(&plain, 9)).ok(&value).ok(&at(&plain, 8));
        "state-renews": "A newer credential that came with state leaves events under the older one their windows."
            => .attacks(&["C12"]).ok(&plain).ok(&value.under(renewed().object()))
            .bad(&plain, "Replay").ok(&at(&plain, 1)).ok(&scene.sent_by(&renewed())).ok(&at(&plain, 2));
    }
}
