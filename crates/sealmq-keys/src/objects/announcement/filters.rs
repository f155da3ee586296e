use sealmq_core::object::{List, ObjectError};
use sealmq_core::topic::Filter;

/// Most filters of a group.
pub const MAX_FILTERS: usize = 32;
/// Longest encoding of a group's filters in bytes (each with its length in front).
pub const MAX_FILTERS_LEN: usize = 1024;

/// Checks a group's filters (spec/keys.md §5) against the prefix of the reserved topics.
pub(super) fn check_filters(filters: &List<'_, &str>, prefix: &str) -> Result<(), ObjectError> {
    let count = filters.iter().count();
    let allowed =
        |f: &str| !f.starts_with('$') && Filter::new(f).is_ok() && !reaches_reserved(f, prefix);
    if (1..=MAX_FILTERS).contains(&count)
        && filters.as_encoded().len() <= MAX_FILTERS_LEN
        && filters.iter().all(allowed)
    {
        Ok(())
    } else {
        Err(ObjectError::Field("filters"))
    }
}

/// Whether a filter matches a reserved topic, the prefix itself included: whether it overlaps
/// `prefix/#`.
#[must_use]
pub fn reaches_reserved(filter: &str, prefix: &str) -> bool {
    let mut levels = filter.split('/');
    for name in prefix.split('/') {
        match levels.next() {
            Some("#") => return true,
            Some("+") => {}
            Some(level) if level == name => {}
            _ => return false,
        }
    }
    // The prefix itself, or something below: whatever follows, some topic fits to it.
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filters: &[&str]) -> bool {
        let mut buffer = [0; 65536];
        let list = List::encode(filters, &mut buffer).unwrap();
        check_filters(&list, "_sealmq/00ff").is_ok()
    }

    #[test]
    fn reserved_topics_are_out_of_reach() {
        let reserved = [
            "#",
            "+/#",
            "_sealmq/#",
            "_sealmq/00ff/#",
            "_sealmq/00ff",
            "_sealmq/+",
            "+/+",
            "+/00ff/#",
            "_sealmq/+/delegation",
            "+/+/g",
            "_sealmq/00ff/+",
            "+/+/+",
            "_sealmq/00ff/m/7/credential",
        ];
        for filter in reserved {
            assert!(!check(&[filter]), "{filter}");
            assert!(!check(&["a", filter]), "{filter}");
        }
        for filter in [
            "+",
            "a/#",
            "+/a/#",
            "_sealmq",
            "_sealmq/00fe/#",
            "_sealmq/00fe",
            "/+",
            "/#",
            "/+/00ff/#",
        ] {
            assert!(check(&[filter]), "{filter}");
        }
    }

    /// One rule, whoever asks: the authority, members, and who publishes.
    #[test]
    fn what_is_reserved_overlaps_the_prefix_and_everything_below() {
        let below = Filter::new("_sealmq/00ff/#").unwrap();
        let levels = ["_sealmq", "00ff", "x", "+", "#", ""];
        let two = levels
            .iter()
            .flat_map(|a| levels.map(|b| format!("{a}/{b}")));
        let two: Vec<String> = two.collect();
        let three = two.iter().flat_map(|a| levels.map(|b| format!("{a}/{b}")));
        let all = three.chain(two.clone()).chain(levels.map(str::to_owned));
        for text in all.filter(|text| Filter::new(text).is_ok()) {
            let filter = Filter::new(&text).unwrap();
            let reaches = reaches_reserved(&text, "_sealmq/00ff");
            assert_eq!(reaches, filter.overlaps(below), "{text}");
            if !text.contains(['+', '#']) {
                assert_eq!(reaches, crate::reserved::is_reserved("_sealmq/00ff", &text));
            }
        }
    }

    #[test]
    fn count_size_and_syntax() {
        assert!(!check(&[]));
        assert!(check(&["a"; 32]));
        assert!(!check(&["a"; 33]));
        assert!(check(&[&"x".repeat(1022)])); // and two bytes of length
        assert!(!check(&[&"x".repeat(1023)]));
        for bad in ["", "$SYS/x", "$share/g/a", "a/#/b", "a+", "a\0"] {
            assert!(!check(&[bad]), "{bad:?}");
        }
    }
}
