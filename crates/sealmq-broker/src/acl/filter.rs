//! What a topic filter matches, covers and overlaps with.

const SHARED: &str = "$share/";

/// Without the group's name if it is a shared subscription.
fn plain(filter: &str) -> &str {
    let shared = filter.strip_prefix(SHARED);
    shared
        .and_then(|rest| rest.split_once('/'))
        .map_or(filter, |(_, filter)| filter)
}

/// Topics that begin with `$` are not matched by a wildcard in the first level.
fn hidden(rule: &str, other: &str) -> bool {
    other.starts_with('$') && rule.starts_with(['+', '#'])
}

pub(super) fn matches(filter: &str, topic: &str) -> bool {
    covers_levels(filter, topic)
}

/// Whether `rule` matches every topic that `wanted` matches.
pub(super) fn covers(rule: &str, wanted: &str) -> bool {
    covers_levels(rule, plain(wanted))
}

fn covers_levels(rule: &str, wanted: &str) -> bool {
    if hidden(rule, wanted) {
        return false;
    }
    let mut levels = wanted.split('/');
    for rule in rule.split('/') {
        if rule == "#" {
            return true;
        }
        match levels.next() {
            Some("#") | None => return false,
            Some(level) if rule == "+" || rule == level => {}
            Some(_) => return false,
        }
    }
    levels.next().is_none()
}

/// Whether some topic is matched by both.
pub(super) fn overlap(rule: &str, wanted: &str) -> bool {
    let wanted = plain(wanted);
    if hidden(rule, wanted) || hidden(wanted, rule) {
        return false;
    }
    let (mut ours, mut theirs) = (rule.split('/'), wanted.split('/'));
    loop {
        match (ours.next(), theirs.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(a), Some(b)) if a == b || a == "+" || b == "+" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_mqtt_says() {
        for (filter, topic, expected) in [
            ("a/b", "a/b", true),
            ("a/+", "a/b", true),
            ("a/+", "a/", true),
            ("a/+", "a/b/c", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("+", "/a", false),
            ("+/+", "/a", true),
            ("#", "a/b", true),
            ("#", "$SYS/a", false),
            ("+/a", "$SYS/a", false),
            ("$SYS/#", "$SYS/a", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }

    /// Against the definition, over all filters and topics of a small alphabet.
    #[test]
    fn covering_and_overlapping_are_what_they_say() {
        let words = ["a", "b", "+", "#", "$s"];
        let mut all: Vec<String> = words.map(str::to_owned).to_vec();
        for first in words.iter().filter(|word| **word != "#") {
            for second in words {
                all.push(format!("{first}/{second}"));
                if second != "#" {
                    all.extend(words.map(|third| format!("{first}/{second}/{third}")));
                }
            }
        }
        let topics: Vec<&String> = all
            .iter()
            .filter(|text| !text.contains(['+', '#']))
            .collect();
        // Three levels do not tell `a/b/+` from `a/b/#`; a fourth, and a word of no filter, do.
        let deeper: Vec<String> = topics
            .iter()
            .flat_map(|topic| ["x", "x/y", "x/y/z"].map(|more| format!("{topic}/{more}")))
            .chain(
                [
                    "x", "x/x", "x/x/x", "x/x/x/x", "x/a", "x/b/a", "x/a/x", "x/b",
                ]
                .map(str::to_owned),
            )
            .collect();
        let every: Vec<&str> = topics
            .iter()
            .map(|topic| topic.as_str())
            .chain(deeper.iter().map(String::as_str))
            .collect();
        for one in &all {
            for other in &all {
                let both = |topic: &&&str| matches(other, topic);
                let of_other: Vec<&&str> = every.iter().filter(both).collect();
                let all_of_it = of_other.iter().all(|topic| matches(one, topic));
                // It may say no where the topics of this test do not show why, never yes.
                assert!(!covers(one, other) || all_of_it, "{one} covers {other}");
                let some_of_it = of_other.iter().any(|topic| matches(one, topic));
                assert!(overlap(one, other) || !some_of_it, "{one} overlaps {other}");
            }
        }
        assert!(covers("a/+/#", "a/b/c") && covers("+/#", "a/#") && !covers("a/+", "a/#"));
        assert!(!overlap("a/b", "a/c/#") && overlap("a/b", "+/#"));
    }
}
