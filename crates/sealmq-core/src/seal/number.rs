use crate::wire::MAX_SESSION_NUMBER;

/// The number of a member's next session (spec/envelope.md §6): above `previous`, the highest that
/// the member ever used in any group, and at least the Unix time in seconds. `now` is the clock in
/// Unix milliseconds, if there is one. The number must be durable before the session is used.
///
/// `None` when the numbers are used up (2^35 − 1): the member needs a new credential.
#[must_use]
pub const fn next_session_number(previous: u64, now: Option<u64>) -> Option<u64> {
    let next = previous.saturating_add(1);
    let number = match now {
        Some(now) if now / 1000 > next => now / 1000,
        _ => next,
    };
    if number > MAX_SESSION_NUMBER {
        None
    } else {
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_previous_one_and_the_clock() {
        assert_eq!(next_session_number(0, None), Some(1));
        assert_eq!(next_session_number(5, Some(9_999)), Some(9));
        assert_eq!(next_session_number(8, Some(9_000)), Some(9));
        assert_eq!(next_session_number(9, Some(9_000)), Some(10));
        assert_eq!(
            next_session_number(MAX_SESSION_NUMBER - 1, None),
            Some(MAX_SESSION_NUMBER)
        );
        assert_eq!(next_session_number(MAX_SESSION_NUMBER, None), None);
        assert_eq!(next_session_number(u64::MAX, Some(u64::MAX)), None);
    }
}
