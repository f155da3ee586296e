//! What is no clock (spec/keys.md §8): the one place that says so, for members, devices that join,
//! and authorities. Who drives them says since when this program exists.

/// Unix seconds at which this release was made, at the latest: no clock is right that is below.
/// A constant that each release raises; a build with SOURCE_DATE_EPOCH in its environment takes
/// that if it is later. Nothing else of a build decides it.
pub const RELEASED_AT: u64 = later(1_763_942_400, option_env!("SOURCE_DATE_EPOCH"));

/// What a clock says, in Unix milliseconds, if it can be right: not more than `tolerance` seconds
/// below a time that has passed for certain, in Unix seconds. Otherwise it is no clock.
#[must_use]
pub const fn real_clock(now: Option<u64>, passed: u64, tolerance: u32) -> Option<u64> {
    match now {
        Some(now) if (now / 1000).saturating_add(tolerance as u64) >= passed => Some(now),
        _ => None,
    }
}

const fn later(constant: u64, epoch: Option<&str>) -> u64 {
    let Some(epoch) = epoch else { return constant };
    let mut rest = epoch.as_bytes();
    let mut value = 0_u64;
    while let [digit, after @ ..] = rest {
        if !digit.is_ascii_digit() {
            return constant;
        }
        value = value
            .saturating_mul(10)
            .saturating_add((*digit & 0x0f) as u64);
        rest = after;
    }
    if value > constant { value } else { constant }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_from_before_is_none() {
        let passed = RELEASED_AT;
        assert_eq!(real_clock(Some(0), passed, 300), None);
        assert_eq!(real_clock(None, passed, 300), None);
        let latest = Some((passed - 300) * 1000);
        assert_eq!(real_clock(latest, passed, 300), latest);
        assert_eq!(real_clock(latest.map(|ms| ms - 1), passed, 300), None);
        assert_eq!(real_clock(Some(0), 0, 0), Some(0), "nothing is known");
    }

    #[test]
    fn the_build_can_only_raise_it() {
        assert_eq!(later(100, None), 100);
        assert_eq!(later(100, Some("101")), 101);
        for text in ["99", "", "x", "10x", "-5"] {
            assert_eq!(later(100, Some(text)), 100);
        }
        assert_eq!(later(100, Some("99999999999999999999999")), u64::MAX);
    }
}
