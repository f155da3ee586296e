//! Kinds `gap` and `session_number` (spec/envelope.md §6, §8).

use crate::vectors::prelude::*;

const MODULUS: u64 = 1 << 21;

const GAP: Series = Series::new("gap", "gap-", &["envelope.md §8"]).attacks(&["A10"]);
const NUMBER: Series =
    Series::new("session_number", "session-number-", &["envelope.md §6"]).attacks(&["A23"]);

pub(crate) fn vectors(file: &mut VectorFile) {
    let half = MODULUS / 2;
    let gap = |id: &str,
               comment: &str,
               last: u64,
               sequence: u64,
               later: bool,
               missed: Option<u64>,
               restart: bool| {
        let input = object! { last: last, sequence: sequence, later_session: later };
        GAP.case(id, comment, input)
            .result(object! { missed: missed, restart: restart })
    };
    table! { gap => file:
        "next": "The next number: nothing is missing.", 4, 5, false, Some(0), false => valid;
        "missed-2": "Two messages are missing.", 4, 7, false, Some(2), false => valid;
        "across-sessions": "Counting goes on in the next session.", 4, 7, true, Some(2), false => valid;
        "wraps": "After 2^21 - 1 comes 0.", MODULUS - 1, 0, false, Some(0), false => valid;
        "wraps-missed": "One is missing around the end.", MODULUS - 1, 1, false, Some(1), false => valid;
        "same": "The same number again is not a gap of 2^21 - 1.", 4, 4, false, None, false => valid;
        "late": "A message that comes late is no gap.", 9, 4, false, None, false => valid;
        "largest": "2^20 - 1 missing is the most that is reported.",
            0, half, false, Some(half - 1), false => valid;
        "too-large": "2^20 is read as late.", 0, half + 1, false, None, false => valid;
        "restart": "0 in a later session: the program was started again.", 900, 0, true, None, true => valid;
        "lower-in-later-session": "A lower number in a later session is late: only 0 is a restart.",
            900, 4, true, None, false => valid;
        "zero-in-session": "0 in the same session is no restart.", 900, 0, false, None, false => valid;
    }
    let number = |id: &str, comment: &str, previous: u64, now: Option<u64>, number: u64| {
        let input = object! { previous: previous, now: now };
        NUMBER
            .case(id, comment, input)
            .result(object! { session_number: number })
    };
    table! { number => file:
        "clock": "The clock is ahead of the previous number.", 5, Some(NOW), NOW => valid;
        "no-clock": "Without a clock: one more.", 5, None, 6 => valid;
        "first-without-clock": "The first session of a device without a clock.", 0, None, 1 => valid;
        "same-second": "Two sessions in one second.", NOW, Some(NOW), NOW + 1 => valid;
        "clock-behind": "A clock that was put back.", NOW + 1000, Some(NOW), NOW + 1001 => valid;
        "next-second": "The clock is just ahead.", NOW - 1, Some(NOW), NOW => valid;
    }
}
