//! Kinds `gap` and `session_number` (spec/envelope.md §6, §8).

use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::NOW;

const MODULUS: u64 = 1 << 21;

pub(crate) fn vectors(file: &mut VectorFile) {
    let half = MODULUS / 2;
    let gaps = table! {
        "next":            "The next number: nothing is missing.",            4, 5, false, Some(0);
        "missed-2":        "Two messages are missing.",                       4, 7, false, Some(2);
        "across-sessions": "Counting goes on in the next session.",           4, 7, true, Some(2);
        "wraps":           "After 2^21 - 1 comes 0.",                         MODULUS - 1, 0, false, Some(0);
        "wraps-missed":    "One is missing around the end.",                  MODULUS - 1, 1, false, Some(1);
        "same":            "The same number again is not a gap of 2^21 - 1.", 4, 4, false, None;
        "late":            "A message that comes late is no gap.",            9, 4, false, None;
        "largest":         "2^20 - 1 missing is the most that is reported.",  0, half, false, Some(half - 1);
        "too-large":       "2^20 is read as late.",                           0, half + 1, false, None;
    };
    for (id, comment, last, sequence, later, missed) in gaps {
        gap(file, id, comment, (last, sequence, later), missed, false);
    }
    gap(
        file,
        "restart",
        "0 in a later session: the program was started again.",
        (900, 0, true),
        None,
        true,
    );
    gap(
        file,
        "lower-in-later-session",
        "A lower number in a later session is late: only 0 is a restart.",
        (900, 4, true),
        None,
        false,
    );
    gap(
        file,
        "zero-in-session",
        "0 in the same session is no restart.",
        (900, 0, false),
        None,
        false,
    );

    let numbers = table! {
        "clock": "The clock is ahead of the previous number.", 5, Some(NOW), NOW;
        "no-clock": "Without a clock: one more.", 5, None, 6;
        "first-without-clock": "The first session of a device without a clock.", 0, None, 1;
        "same-second": "Two sessions in one second.", NOW, Some(NOW), NOW + 1;
        "clock-behind": "A clock that was put back.", NOW + 1000, Some(NOW), NOW + 1001;
        "next-second": "The clock is just ahead.", NOW - 1, Some(NOW), NOW;
    };
    for (id, comment, previous, now, number) in numbers {
        let input = object! { previous: previous, now: now };
        let vector = Vector::valid(
            "session_number",
            format!("session-number-{id}"),
            comment,
            &["envelope.md §6"],
            input,
        );
        file.push(
            vector
                .attacks(&["A23"])
                .result(object! { session_number: number }),
        );
    }
}

fn gap(
    file: &mut VectorFile,
    id: &str,
    comment: &str,
    input: (u64, u64, bool),
    missed: Option<u64>,
    restart: bool,
) {
    let (last, sequence, later) = input;
    let input = object! { last: last, sequence: sequence, later_session: later };
    let result = object! { missed: missed.map_or(Json::Null, Json::from), restart: restart };
    let vector = Vector::valid(
        "gap",
        format!("gap-{id}"),
        comment,
        &["envelope.md §8"],
        input,
    );
    file.push(vector.attacks(&["A10"]).result(result));
}
