//! Kind `open`: replay rules for live messages (spec/envelope.md §9, step 8).

use super::case::Case;
use super::scene::{Scene, renewed};
use crate::vectors::craft::Draft;
use crate::vectors::prelude::*;

pub(crate) fn vectors(scene: &Scene, file: &mut VectorFile) {
    window(scene, file);
    sessions(scene, file);
    floors(scene, file);
}

pub(super) fn at(draft: &Draft, counter: u32) -> Draft {
    draft.change(|d| d.counter = counter)
}

fn window(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let other = plain.change(|d| d.message.payload = b"22.0C".to_vec());
    stories! { Case::of(scene, "§9") => file:
        "replay": "The same envelope twice." => .attacks(&["B1", "B9"]).ok(&plain).bad(&plain, "Replay");
        "replay-much-later": "And once more, days later."
            => .attacks(&["B1"]).ok(&plain).at(Some(NOW_MS + 86_400_000)).bad(&plain, "Replay");
        "replay-counter-reused": "Another message under a counter that was seen."
            => .attacks(&["A22"]).ok(&plain).bad(&other, "Replay");
        "reordered": "Messages that overtake each other."
            => .attacks(&["B8"]).ok(&at(&plain, 5)).ok(&at(&plain, 3)).ok(&at(&plain, 4)).ok(&at(&plain, 0))
            .ok(&at(&plain, 6));
        "replay-reordered": "A late message, twice."
            => .attacks(&["B8"]).ok(&at(&plain, 5)).ok(&at(&plain, 3)).bad(&at(&plain, 3), "Replay");
        "window-127": "The oldest counter that every window holds."
            => .attacks(&["B8"]).ok(&at(&plain, 3000)).ok(&at(&plain, 2873));
        "window-127-replay": "The oldest counter that every window holds, twice."
            => .attacks(&["B8"]).ok(&at(&plain, 3000)).ok(&at(&plain, 2873)).bad(&at(&plain, 2873), "Replay");
        "below-window": "Never seen, but 1024 below the highest."
            => .attacks(&["B8"]).ok(&at(&plain, 3000)).bad(&at(&plain, 1976), "Replay");
        "below-window-seen": "Seen, and then far below the window."
            => .attacks(&["B8"]).ok(&at(&plain, 0)).ok(&at(&plain, 500_000)).ok(&at(&plain, 499_999))
            .bad(&at(&plain, 0), "Replay");
        "window-shift-64": "Jumps by whole words of a bit field forget nothing."
            => .ok(&at(&plain, 10)).ok(&at(&plain, 74)).ok(&at(&plain, 137)).bad(&at(&plain, 10), "Replay");
    }
}

fn sessions(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let (one, two) = (scene.in_session(NOW), scene.in_session(NOW + 1));
    let twin = Draft::new(scene.epoch(), &sensor(), "twin");
    stories! { Case::of(scene, "§9") => file:
        "sessions-interleaved": "Two sessions, one after the other and mixed."
            => .ok(&one).ok(&two).ok(&at(&one, 1)).ok(&at(&two, 1)).bad(&at(&one, 1), "Replay");
        "session-late": "An older session that arrives late, above the floor."
            => .ok(&scene.in_session(NOW + 50)).ok(&scene.in_session(NOW + 20));
        "session-other-number": "A known enc with another session number."
            => .attacks(&["A11"]).ok(&plain)
            .bad(&plain.change(|d| (d.counter, d.message.number) = (1, NOW + 1)), "Replay")
            .ok(&at(&plain, 1))
            .bad(&plain.change(|d| (d.counter, d.message.number) = (2, NOW - 1)), "Replay");
        "session-number-shared": "Two devices with one identity and one session number: both are read, and nothing twice."
            => .attacks(&["A11", "A22", "F25"]).ok(&plain).ok(&twin).bad(&plain, "Replay").bad(&twin, "Replay")
            .ok(&at(&plain, 1)).ok(&at(&twin, 7)).ok(&at(&twin, 1)).bad(&at(&plain, 1), "Replay");
        "session-number-shared-floor": "The number of a session that was evicted is at the floor, for every device."
            => .attacks(&["A11", "F25"]).ok(&plain).ok(&scene.in_session(NOW + 1)).ok(&scene.in_session(NOW + 2))
            .ok(&scene.in_session(NOW + 3)).ok(&scene.in_session(NOW + 4)).bad(&twin, "Replay");
    }
    let older = Draft::new(scene.group.epoch(2), &sensor(), "a");
    stories! { Case::of(scene, "§9") => file:
        "session-number-across-epochs": "Session numbers are shared by all epochs of a group."
            => .attacks(&["A11"]).ok(&plain).bad(&older, "Replay");
    }
}

fn floors(scene: &Scene, file: &mut VectorFile) {
    let plain = scene.sent();
    let session = |n: u64| scene.in_session(NOW + n);
    let five = |id: &str, comment: &str| {
        let case = Case::new(scene, id, comment, "§9").attacks(&["A11"]);
        (0..5).fold(case, |case, n| case.ok(&session(10 * n)))
    };
    stories! { five => file:
        "evicted": "Four sessions are remembered: the fifth evicts the lowest."
            => .bad(&at(&session(0), 1), "Replay");
        "evicted-others-live": "The other sessions go on."
            => .ok(&at(&session(10), 1)).ok(&at(&session(40), 1)).bad(&session(10), "Replay")
            .ok(&at(&session(10), 2));
        "evicted-between": "A session between the floor and the remembered ones."
            => .ok(&session(5)).bad(&session(3), "Replay");
    }
    let late = |id: &str, comment: &str| {
        [10, 20, 30, 40, 5]
            .iter()
            .fold(Case::new(scene, id, comment, "§9"), |case, n| {
                case.ok(&session(*n))
            })
    };
    stories! { late => file:
        "evicted-by-late": "A late session evicts the lowest of those remembered before, not itself."
            => .attacks(&["A11"]).ok(&at(&session(5), 1)).bad(&at(&session(10), 1), "Replay");
        "evicted-by-late-replay": "The late session's own counters are remembered."
            => .attacks(&["A11"]).bad(&session(5), "Replay");
    }

    let floor = |serial: u8, floor: u64| {
        Json::Array(vec![
            object! { sender: 7_u8, credential_serial: serial, floor: floor },
        ])
    };
    stories! { Case::of(scene, "§9") => file:
        "floor-at": "A session at the floor."
            => .with("floors", floor(1, NOW)).attacks(&["A12"]).bad(&plain, "Replay");
        "floor-below": "A session below the floor."
            => .with("floors", floor(1, NOW + 9)).attacks(&["A12"]).bad(&plain, "Replay");
        "floor-above": "A session just above the floor." => .with("floors", floor(1, NOW - 1)).ok(&plain);
        "floor-of-older-serial": "A floor belongs to a credential serial: a higher one starts at 0."
            => .with("floors", floor(0, NOW + 1000)).attacks(&["C12"]).ok(&plain);
    }
    let of_delegation = |serial: u8, credential_serial: u32, floor: u64| {
        Json::Array(vec![
            object! { sender: 7_u8, serial: serial, credential_serial: credential_serial, floor: floor },
        ])
    };
    let fresh = scene.sent_by(&renewed()).change(|d| {
        d.message.credential = Some(renewed().object());
        d.message.number = 1;
    });
    stories! { Case::of(scene, "§9") => file:
        "floor-of-older-delegation": "A higher delegation serial starts at 0, whatever a thief of the old key did to credential serial and session number."
            => .with("floors", of_delegation(0, u32::MAX - 1, (1 << 35) - 1)).attacks(&["A15"]).ok(&plain)
            .bad(&plain, "Replay");
        "floor-of-newer-delegation": "The replay state knows a newer delegation, with a lower credential serial."
            => .with("floors", of_delegation(2, 0, 0)).attacks(&["A15"]).bad(&plain, "Revoked");
        "floor-of-other-sender": "A floor belongs to one sender."
            => .with("floors", Json::Array(vec![object! { sender: 8_u8, credential_serial: 1_u8, floor: NOW + 1000 }]))
            .ok(&plain);
        "serial-starts-anew": "Under the next credential session numbers may begin again."
            => .attacks(&["C12"]).ok(&plain).ok(&fresh).bad(&fresh, "Replay");
    }
}
