//! The system's clock, and times for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sealmq_keys::{RELEASED_AT, real_clock};

use crate::failure::Failure;

/// Time since 1970; zero on a machine whose clock was never set.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Unix seconds.
pub(crate) fn seconds() -> u64 {
    since_epoch().as_secs()
}

/// Unix milliseconds, if the machine's clock was ever set: below the time of this release it is
/// none, and a device behaves as one without.
pub(crate) fn known_millis() -> Option<u64> {
    real_clock(Some(millis()), RELEASED_AT, 0)
}

/// That the machine's clock can be right, before an authority or a root signs anything: what it
/// signed in 1970 would have expired long ago.
pub(crate) fn check() -> Result<(), Failure> {
    check_at(seconds())
}

fn check_at(seconds: u64) -> Result<(), Failure> {
    match real_clock(Some(seconds.saturating_mul(1000)), RELEASED_AT, 0) {
        Some(_) => Ok(()),
        None => Err(Failure::refused(format_args!(
            "this machine's clock says {}, which is before this program was made: nothing was signed. Set the clock (NTP), then run the command again",
            iso_seconds(seconds)
        ))),
    }
}

/// Unix milliseconds.
pub(crate) fn millis() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// ISO 8601 in UTC, from Unix seconds.
pub(crate) fn iso_seconds(seconds: u64) -> String {
    let (date, time) = split(seconds);
    format!("{date}T{time}Z")
}

/// ISO 8601 in UTC with milliseconds, from Unix milliseconds.
pub(crate) fn iso_millis(millis: u64) -> String {
    let (date, time) = split(millis / 1000);
    format!("{date}T{time}.{:03}Z", millis % 1000)
}

const DAY: u64 = 86_400;
/// Days of 400 years of the Gregorian calendar.
const CYCLE: u64 = 146_097;

#[allow(
    clippy::arithmetic_side_effects,
    reason = "every value stays far below 2^64: days are at most 2^64 / 86400"
)]
fn split(seconds: u64) -> (String, String) {
    // Years that begin in March put the leap day at the end (the day count starts at 0000-03-01).
    let days = seconds / DAY + 719_468;
    let (cycle, day) = (days / CYCLE, days % CYCLE);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = cycle * 400 + year + carry;
    let second = seconds % DAY;
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!(
            "{:02}:{:02}:{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_in_1970_signs_nothing() {
        for seconds in [0, 86_400, RELEASED_AT - 1] {
            let message = check_at(seconds).unwrap_err().message;
            assert!(message.contains("Set the clock"), "{message}");
        }
        assert!(check_at(RELEASED_AT).is_ok());
    }

    #[test]
    fn known_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(iso_seconds(seconds), expected);
        }
        assert_eq!(iso_millis(1_500), "1970-01-01T00:00:01.500Z");
        assert!(!iso_seconds(u64::MAX).is_empty());
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970_u32, 1_u32, 1_u32);
        for days in 0..60_000_u64 {
            assert_eq!(
                split(days * DAY).0,
                format!("{year:04}-{month:02}-{day:02}")
            );
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (month, day) = if day == length {
                (month + 1, 1)
            } else {
                (month, day + 1)
            };
            (year, month) = if month == 13 {
                (year + 1, 1)
            } else {
                (year, month)
            };
        }
    }
}
