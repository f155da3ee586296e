/// Reads `90`, `90s`, `15m`, `12h`, `7d` as seconds.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.char_indices().last() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3600),
        Some((at, 'd')) => (text.get(..at), 86_400),
        _ => (Some(text), 1),
    };
    digits
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u64>().ok())
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| "a time is a number with s, m, h or d: 90s, 15m, 12h, 7d".to_owned())
}

/// Like [`seconds`], for fields of 32 bits.
pub(crate) fn seconds_u32(text: &str) -> Result<u32, String> {
    u32::try_from(seconds(text)?).map_err(|_| "the time is too long".to_owned())
}

/// A group's `--lease`.
pub(crate) fn lease(text: &str) -> Result<u32, String> {
    match seconds_u32(text)? {
        1..10 => Err("a lease is 0 (none), or at least 10s".to_owned()),
        lease => Ok(lease),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, expected) in [
            ("0", 0),
            ("90", 90),
            ("90s", 90),
            ("15m", 900),
            ("12h", 43_200),
            ("7d", 604_800),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "d",
            "-1d",
            "+1d",
            "1w",
            "1.5h",
            "1 d",
            "é",
            "18446744073709551615d",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        assert!(seconds_u32("49711d").is_err());
        assert_eq!((lease("0"), lease("10s")), (Ok(0), Ok(10)));
        assert!(lease("9s").unwrap_err().contains("at least 10s"));
    }
}
