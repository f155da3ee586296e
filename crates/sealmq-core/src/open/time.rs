//! Freshness (spec/envelope.md §9), for readers with a clock.

use super::{ReadPolicy, Sender, Staleness};

const fn millis(seconds: u64) -> u64 {
    seconds.saturating_mul(1000)
}

/// Keys are refused after not_after + grace + skew (spec/keys.md §8).
pub(crate) fn check_keys(
    now: Option<u64>,
    not_after: u64,
    policy: &ReadPolicy,
) -> Result<(), Staleness> {
    let last = not_after
        .saturating_add(policy.grace.into())
        .saturating_add(policy.skew.into());
    match now {
        Some(now) if now / 1000 > last => Err(Staleness::Keys),
        _ => Ok(()),
    }
}

/// A credential counts from issue (minus skew) to expiry.
pub(crate) fn check_credential(
    now: Option<u64>,
    sender: &Sender,
    policy: &ReadPolicy,
) -> Result<(), Staleness> {
    let Some(now) = now.map(|now| now / 1000) else {
        return Ok(());
    };
    let issued = sender.issued_at <= now.saturating_add(policy.skew.into());
    if issued && now <= sender.not_after {
        Ok(())
    } else {
        Err(Staleness::Credential)
    }
}

/// The times that a message carries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageTimes {
    pub(crate) sent_at: Option<u64>,
    pub(crate) expiry: Option<u32>,
    pub(crate) will: bool,
    pub(crate) retained_delivery: bool,
}

pub(crate) fn check_message(
    now: Option<u64>,
    times: &MessageTimes,
    policy: &ReadPolicy,
) -> Result<(), Staleness> {
    if times.will && times.sent_at.is_none() {
        return Err(Staleness::NoTime);
    }
    if times.will && policy.will_age == 0 {
        return Err(Staleness::Old);
    }
    let Some(now) = now else { return Ok(()) };
    let skew = millis(policy.skew.into());
    let older_than = |sent_at: u64, age: u64| now > sent_at.saturating_add(age);
    let Some(sent_at) = times.sent_at else {
        let needed = policy.freshness > 0 && !times.retained_delivery;
        return if needed {
            Err(Staleness::NoTime)
        } else {
            Ok(())
        };
    };
    if sent_at > now.saturating_add(skew) {
        return Err(Staleness::Future);
    }
    if times.will {
        if times.retained_delivery {
            // What the broker keeps may be as old as its sender's absence.
            return check_expiry(now, sent_at, times.expiry);
        }
        let age = millis(policy.will_age.into()).saturating_add(skew);
        if older_than(sent_at, age) {
            return Err(Staleness::Old);
        }
    } else if policy.freshness > 0
        && !times.retained_delivery
        && older_than(
            sent_at,
            millis(policy.freshness.into()).saturating_add(skew),
        )
    {
        return Err(Staleness::Old);
    }
    check_expiry(now, sent_at, times.expiry)
}

fn check_expiry(now: u64, sent_at: u64, expiry: Option<u32>) -> Result<(), Staleness> {
    let ends = expiry.map(|expiry| sent_at.saturating_add(millis(expiry.into())));
    if ends.is_some_and(|ends| now > ends) {
        return Err(Staleness::Expired);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: ReadPolicy = ReadPolicy {
        skew: 10,
        grace: 100,
        freshness: 60,
        will_age: 1000,
    };
    const NOW: u64 = 5_000_000_000;

    fn times(age: i64) -> MessageTimes {
        MessageTimes {
            sent_at: Some(NOW.checked_add_signed(-age).unwrap()),
            expiry: None,
            will: false,
            retained_delivery: false,
        }
    }

    fn check(times: MessageTimes) -> Result<(), Staleness> {
        check_message(Some(NOW), &times, &POLICY)
    }

    #[test]
    fn freshness_at_its_edges() {
        assert_eq!(check(times(0)), Ok(()));
        assert_eq!(check(times(-10_000)), Ok(()));
        assert_eq!(check(times(-10_001)), Err(Staleness::Future));
        assert_eq!(check(times(70_000)), Ok(()));
        assert_eq!(check(times(70_001)), Err(Staleness::Old));
        assert_eq!(
            check(MessageTimes {
                retained_delivery: true,
                ..times(70_001)
            }),
            Ok(())
        );
        assert_eq!(
            check(MessageTimes {
                sent_at: None,
                ..times(0)
            }),
            Err(Staleness::NoTime)
        );
        let off = ReadPolicy {
            freshness: 0,
            ..POLICY
        };
        let none = MessageTimes {
            sent_at: None,
            ..times(0)
        };
        assert_eq!(check_message(Some(NOW), &none, &off), Ok(()));
        assert_eq!(check_message(None, &times(70_001), &POLICY), Ok(()));
    }

    #[test]
    fn wills_have_their_own_age_and_need_a_time() {
        let will = |age| MessageTimes {
            will: true,
            ..times(age)
        };
        assert_eq!(check(will(1_010_000)), Ok(()));
        assert_eq!(check(will(1_010_001)), Err(Staleness::Old));
        let kept = MessageTimes {
            retained_delivery: true,
            ..will(1_010_001)
        };
        assert_eq!(check(kept), Ok(()), "kept by the broker");
        let off = ReadPolicy {
            will_age: 0,
            ..POLICY
        };
        for now in [Some(NOW), None] {
            assert_eq!(check_message(now, &will(0), &off), Err(Staleness::Old));
        }
        assert_eq!(check(will(-10_001)), Err(Staleness::Future));
        let none = MessageTimes {
            sent_at: None,
            ..will(0)
        };
        assert_eq!(check(none), Err(Staleness::NoTime));
        assert_eq!(check_message(None, &none, &POLICY), Err(Staleness::NoTime));
    }

    #[test]
    fn expiry() {
        let expiring = |age| MessageTimes {
            expiry: Some(5),
            retained_delivery: true,
            ..times(age)
        };
        assert_eq!(check(expiring(5000)), Ok(()));
        assert_eq!(check(expiring(5001)), Err(Staleness::Expired));
    }

    #[test]
    fn keys_and_extreme_values() {
        assert_eq!(check_keys(Some(1_110_999), 1000, &POLICY), Ok(()));
        assert_eq!(
            check_keys(Some(1_111_000), 1000, &POLICY),
            Err(Staleness::Keys)
        );
        assert_eq!(check_keys(Some(u64::MAX), u64::MAX, &POLICY), Ok(()));
        let max = MessageTimes {
            sent_at: Some(u64::MAX),
            expiry: Some(u32::MAX),
            ..times(0)
        };
        assert_eq!(check(max), Err(Staleness::Future));
        assert_eq!(check_message(Some(u64::MAX), &max, &POLICY), Ok(()));
    }
}
