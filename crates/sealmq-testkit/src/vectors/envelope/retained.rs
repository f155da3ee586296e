//! Kind `open`: replay rules for retained values and wills (spec/envelope.md §9, step 8).

use super::case::Case;
use super::replay::at;
use super::scene::{Scene, renewed};
use crate::vectors::craft::Draft;
use crate::vectors::prelude::*;

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    retained(scene, file);
    wills(scene, file);
}

fn retained(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let value = plain.change(|d| d.message.retain = true);
    let live = |id: &str, comment: &str| {
        Case::new(scene, format!("retained-{id}"), comment, "§9").attacks(&["B2"])
    };
    stories! { live => file:
        "without-flag": "The broker keeps what was not published with retain."
            => .retained(true).bad(&plain, "Replay");
        "first": "A retained value, as a new subscriber receives it." => .retained(true).ok(&value);
        "again": "The same value at each subscription." => .retained(true).ok(&value).ok(&value).ok(&value);
        "after-live": "The value that was seen live." => .ok(&value).retained(true).ok(&value);
        "before-live": "What was shown as retained comes live."
            => .retained(true).ok(&value).retained(false).bad(&value, "Replay").retained(true).ok(&value);
    }
    shown(scene, file);
    let later = scene
        .in_session(NOW + 1)
        .change(|d| d.message.retain = true);
    let floor = Json::Array(vec![
        object! { sender: 7_u8, credential_serial: 1_u8, floor: NOW + 1000 },
    ]);
    let fresh = scene.sent_by(&renewed()).change(|d| {
        d.message.credential = Some(renewed().object());
        (d.message.retain, d.message.number) = (true, 1);
    });
    stories! { live => file:
        "rolled-back": "An older value after a newer one."
            => .retained(true).ok(&at(&value, 5)).bad(&at(&value, 4), "Replay").ok(&at(&value, 5))
            .bad(&at(&value, 0), "Replay");
        "rolled-back-after-live": "An older value after a newer one that was live."
            => .ok(&at(&value, 5)).retained(true).bad(&at(&value, 4), "Replay");
        "late-live": "A live message that comes late does not lower the mark."
            => .ok(&at(&value, 5)).ok(&at(&value, 3)).retained(true).ok(&at(&value, 5))
            .bad(&at(&value, 3), "Replay");
        "live-without-flag": "A live message without RETAIN does not raise the mark."
            => .ok(&at(&plain, 5)).retained(true).ok(&at(&value, 3));
        "other-topic": "Each topic has its own mark."
            => .retained(true).ok(&at(&value, 5))
            .ok(&at(&value, 3).change(|d| d.topic = "plant/b/temp".to_owned()));
        "other-sender": "Each sender has its own mark."
            => .retained(true).ok(&at(&value, 5))
            .ok(&scene.sent_by(&insider()).change(|d| d.message.retain = true));
        "later-session": "The session number counts before the counter."
            => .retained(true).ok(&at(&value, 5)).ok(&later).bad(&at(&value, 9), "Replay");
        "below-floor": "A retained value of a session below the floor."
            => .with("floors", floor).retained(true).ok(&value);
        "below-window": "A retained value far below the window."
            => .ok(&at(&plain, 500_000)).retained(true).ok(&value);
        "forged-mark": "A forged value does not raise the mark."
            => .attacks(&["A8"]).retained(true)
            .bad(&at(&value, 9).change(|d| d.name = "insider-8"), "Rejected").ok(&value);
        "next-serial": "The mark belongs to a credential serial."
            => .attacks(&["C12"]).retained(true).ok(&value).ok(&fresh).bad(&at(&value, 9), "Revoked");
    }
}

/// Values that were delivered as retained, and come live then: §9, "Retained delivery".
fn shown(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let value = plain.change(|d| d.message.retain = true);
    let in_session = |number: u64| scene.in_session(number).change(|d| d.message.retain = true);
    let case = |id: &str, comment: &str| {
        Case::new(scene, format!("shown-{id}"), comment, "§9").attacks(&["B2"])
    };
    stories! { case => file:
        "in-window": "Shown when its session's window was already above it."
            => .ok(&at(&plain, 9)).retained(true).ok(&at(&value, 5)).retained(false)
            .bad(&at(&value, 5), "Replay").ok(&at(&plain, 4));
        "then-passed": "Then live messages of its session pass it."
            => .retained(true).ok(&at(&value, 5)).retained(false).ok(&at(&plain, 9))
            .bad(&at(&value, 5), "Replay");
        "queue": "It moves no window: 2000 older ones may still be on their way."
            => .ok(&plain).retained(true).ok(&at(&value, 2000)).retained(false).ok(&at(&plain, 1))
            .ok(&at(&value, 3));
        "queue-first": "The same, the session being unknown."
            => .retained(true).ok(&at(&value, 2000)).retained(false).ok(&plain).ok(&at(&value, 3))
            .bad(&at(&value, 2000), "Replay");
        "replaced-live": "A newer value, live, takes the mark; the shown one stays refused."
            => .retained(true).ok(&at(&value, 5)).retained(false).ok(&at(&value, 7))
            .bad(&at(&value, 5), "Replay").ok(&at(&value, 6));
        "replaced-retained": "A newer value, retained as well, takes the mark."
            => .retained(true).ok(&at(&value, 5)).ok(&at(&value, 7)).retained(false)
            .bad(&at(&value, 5), "Replay").bad(&at(&value, 7), "Replay").ok(&at(&value, 6));
        "replaced-later-session": "A newer value of a later session takes the mark."
            => .retained(true).ok(&at(&value, 5)).ok(&in_session(NOW + 1)).retained(false)
            .bad(&at(&value, 5), "Replay").bad(&in_session(NOW + 1), "Replay").ok(&at(&value, 4));
        "replaced-window": "The value whose mark was taken is entered as an accepted one: what is 1024 below is refused."
            => .retained(true).ok(&at(&value, 3000)).ok(&at(&value, 3001)).retained(false)
            .bad(&at(&plain, 1976), "Replay").ok(&at(&plain, 2873));
        "other-topic": "Another message of its number on another topic is judged by the window only."
            => .retained(true).ok(&at(&value, 5)).retained(false)
            .ok(&at(&value, 6).change(|d| d.topic = "plant/b/temp".to_owned())).bad(&at(&value, 5), "Replay");
        "late": "A value older than the shown one is delivered live."
            => .retained(true).ok(&at(&value, 5)).retained(false).ok(&at(&value, 4))
            .bad(&at(&value, 4), "Replay");
        "forged": "A forged one, shown, refuses nothing."
            => .attacks(&["A8"]).retained(true)
            .bad(&at(&value, 5).change(|d| d.name = "insider-8"), "Rejected").retained(false)
            .ok(&at(&value, 5));
    }
}

fn wills(scene: &Scene, file: &mut VectorFile) {
    let will_in = |number: u64| {
        let will = Draft::new(scene.epoch(), &sensor(), &format!("will {number}"));
        will.change(|d| (d.message.will, d.message.number) = (true, number))
    };
    let will = will_in(NOW);
    let plain = scene.in_session(NOW + 7);
    let case = |id: &str, comment: &str| {
        Case::new(scene, format!("will-{id}"), comment, "§9").attacks(&["A25"])
    };
    let twin = Draft::new(scene.epoch(), &sensor(), "twin").change(|d| d.message.will = true);
    stories! { case => file:
        "once": "A will is accepted." => .ok(&will);
        "replay": "The broker fires a will twice." => .ok(&will).bad(&will, "Replay");
        "older": "A will of an earlier connection." => .ok(&will).bad(&will_in(NOW - 5), "Replay");
        "newer": "A will of a later connection." => .ok(&will).ok(&will_in(NOW + 5)).bad(&will, "Replay");
        "number-shared": "Another will with the number of an accepted one."
            => .ok(&will).bad(&twin, "Replay");
        "counter-1": "A will that is not the first message of its session."
            => .bad(&at(&will, 1), "Rejected");
        "floor-unchanged": "A will raises no floor."
            => .ok(&will_in(NOW + 1000)).ok(&plain).ok(&scene.in_session(NOW));
    }
    let floor = Json::Array(vec![
        object! { sender: 7_u8, credential_serial: 1_u8, floor: NOW + 1000 },
    ]);
    stories! { case => file:
        "below-floor": "The floor is not for wills: it was sealed before the messages."
            => .with("floors", floor).ok(&will);
        "after-messages": "A will after messages of a later session." => .ok(&plain).ok(&will);
        "forged": "A forged will does not raise the will number."
            => .attacks(&["A8"]).bad(&will_in(NOW + 9).change(|d| d.name = "insider-8"), "Rejected")
            .ok(&will);
    }

    let keep = |d: &mut Draft| d.message.retain = true;
    let value = will.change(keep);
    let fresh = will_in(1).change(|d| {
        d.message.credential = Some(renewed().object());
        (d.message.hint, d.credential_serial) = (2, 2);
        d.credential_hash = hash(&renewed().object());
    });
    stories! { case => file:
        "retained": "A retained will: live, then at each subscription."
            => .ok(&value).retained(true).ok(&value).ok(&value).retained(false).bad(&value, "Replay");
        "retained-first": "A retained will that was not seen live." => .retained(true).ok(&value).ok(&value);
        "retained-then-live": "What was delivered retained is not accepted live again."
            => .retained(true).ok(&value).retained(false).bad(&value, "Replay");
        "retained-older": "A retained will older than one that was seen."
            => .ok(&will_in(NOW + 5)).retained(true).bad(&value, "Replay");
        "retained-without-flag": "A will that was not to be retained."
            => .attacks(&["B2"]).retained(true).bad(&will, "Replay");
        "mark-unchanged": "A retained will does not touch the mark of retained values."
            => .retained(true).ok(&will_in(NOW + 1000).change(keep)).ok(&plain.change(keep));
        "mark-does-not-count": "A retained value does not touch the will number."
            => .retained(true).ok(&scene.in_session(NOW + 1000).change(keep)).ok(&value);
        "next-serial": "The will number belongs to a credential serial."
            => .attacks(&["C12"]).ok(&will).ok(&fresh);
    }
}
