//! Topic names and filters by the rules of MQTT 5 §4.7 (spec/constants.md §4). Everything is
//! compared as bytes, without normalisation.

use core::fmt;

use crate::crypto::{Digest, sha256};

/// Longest topic name or filter in bytes.
pub const MAX_TOPIC_LEN: usize = 65535;

/// The level of a publish filter that stands for the member's own name (spec/keys.md §4).
const OWN_NAME: &[u8] = b"%c";

/// A text is no valid topic name or filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// Empty, or longer than 65535 bytes.
    Length,
    /// It contains U+0000.
    Null,
    /// A topic name contains `+` or `#`.
    Wildcard,
    /// A filter's `+` does not fill its level, or its `#` is not a last level of its own.
    WildcardPosition,
    /// The bytes are not UTF-8.
    Utf8,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a topic has 1 to 65535 bytes",
            Self::Null => "a topic cannot contain U+0000",
            Self::Wildcard => "a topic name cannot contain `+` or `#`: publish to a concrete topic",
            Self::WildcardPosition => {
                "in a filter `+` must fill a whole level, and `#` must be the whole last level"
            }
            Self::Utf8 => "a topic must be UTF-8",
        })
    }
}

impl core::error::Error for TopicError {}

fn check_text(text: &str) -> Result<(), TopicError> {
    if text.is_empty() || text.len() > MAX_TOPIC_LEN {
        return Err(TopicError::Length);
    }
    if text.as_bytes().contains(&0) {
        return Err(TopicError::Null);
    }
    Ok(())
}

/// A concrete topic name, as an application publishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic<'a>(&'a str);

impl<'a> Topic<'a> {
    /// Checks a topic name.
    ///
    /// # Errors
    /// Empty, above 65535 bytes, with U+0000 or with a wildcard character.
    pub fn new(name: &'a str) -> Result<Self, TopicError> {
        // Without a way out in the middle, so that several bytes are looked at together.
        let odd = |byte| matches!(byte, 0 | b'+' | b'#');
        let any_odd = name.bytes().fold(false, |any, byte| any | odd(byte));
        if any_odd || name.is_empty() || name.len() > MAX_TOPIC_LEN {
            check_text(name)?;
            return Err(TopicError::Wildcard);
        }
        Ok(Self(name))
    }

    /// Checks a topic name that arrived as bytes.
    ///
    /// # Errors
    /// Not UTF-8, or as [`Topic::new`].
    pub fn from_bytes(name: &'a [u8]) -> Result<Self, TopicError> {
        Self::new(core::str::from_utf8(name).map_err(|_| TopicError::Utf8)?)
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// SHA-256 of the name's bytes: how the topic enters an envelope (spec/envelope.md §7).
    #[must_use]
    pub fn hash(self) -> Digest {
        sha256(&[self.0.as_bytes()])
    }
}

impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A topic filter: `+` takes one level, a last `#` the parent and everything below it.
///
/// ```
/// use sealmq_core::topic::{Filter, Topic};
/// let filter = Filter::new("plant/+/temp")?;
/// assert!(filter.matches(Topic::new("plant/a/temp")?));
/// assert!(!filter.matches(Topic::new("plant/a/b/temp")?));
/// assert!(filter.overlaps(Filter::new("plant/a/#")?));
/// # Ok::<(), sealmq_core::topic::TopicError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Filter<'a>(&'a str);

impl<'a> Filter<'a> {
    /// Checks a filter.
    ///
    /// # Errors
    /// Empty, above 65535 bytes, with U+0000, or with a wildcard that is not a level of its own.
    pub fn new(filter: &'a str) -> Result<Self, TopicError> {
        check_text(filter)?;
        let mut levels = filter.split('/');
        while let Some(level) = levels.next() {
            let alone = level.len() == 1;
            let last = levels.clone().next().is_none();
            if (level.contains('+') && !alone) || (level.contains('#') && !(alone && last)) {
                return Err(TopicError::WildcardPosition);
            }
        }
        Ok(Self(filter))
    }

    /// A filter that [`Filter::new`] accepted when it was stored: checking costs more than
    /// matching. Of a text that it would refuse it is not defined which topics match.
    #[must_use]
    pub const fn of_checked(filter: &'a str) -> Self {
        Self(filter)
    }

    /// The filter.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether the filter matches a topic.
    #[must_use]
    pub fn matches(self, topic: Topic<'_>) -> bool {
        self.matches_by(topic, |level, name| level == name)
    }

    /// Whether some topic matches both filters. (For two filters of more than 65535 bytes
    /// together the only such topics may be too long for MQTT; the answer is then still `true`.)
    #[must_use]
    pub fn overlaps(self, other: Filter<'_>) -> bool {
        if matches!((self.0, other.0), ("+", "/#") | ("/#", "+")) {
            return false; // they meet in the empty topic only, and that is none
        }
        let (mut a, mut b) = (self.0.split('/'), other.0.split('/'));
        let mut first = true;
        loop {
            let (x, y) = (a.next(), b.next());
            if let (Some(x), Some(y)) = (x, y) {
                let wild = |level| matches!(level, "+" | "#");
                let system = |level: &str| level.starts_with('$');
                if first && ((wild(x) && system(y)) || (wild(y) && system(x))) {
                    return false;
                }
                if x == "#" || y == "#" {
                    return true;
                }
                if !wild(x) && !wild(y) && x != y {
                    return false;
                }
            } else {
                // One has ended: only a `#`, which includes its parent, can still agree.
                return matches!((x, y), (None, None) | (None, Some("#")) | (Some("#"), None));
            }
            first = false;
        }
    }

    fn matches_by(self, topic: Topic<'_>, literal: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        let (filter, name) = (self.0.as_bytes(), topic.0.as_bytes());
        // Most filters fail here: they differ in what has to be the same in any case.
        let open = |byte| matches!(byte, b'+' | b'#' | b'%');
        let mut pairs = filter.iter().zip(name);
        let alike = pairs.position(|(own, other)| open(*own) || own != other);
        if alike.is_some_and(|place| filter.get(place).is_some_and(|own| !open(*own))) {
            return false;
        }
        // On with the first level that may differ.
        let alike = alike.unwrap_or_else(|| filter.len().min(name.len()));
        let slash = filter.iter().take(alike).rposition(|byte| *byte == b'/');
        let start = slash.map_or(0, |slash| slash.saturating_add(1));
        let mut levels = levels(filter.get(start..).unwrap_or_default());
        let mut names = self::levels(name.get(start..).unwrap_or_default());
        let mut first = slash.is_none();
        loop {
            match (levels.next(), names.next()) {
                (Some(b"#" | b"+"), Some(name)) if first && name.starts_with(b"$") => return false,
                (Some(b"#"), _) | (None, None) => return true,
                (Some(b"+"), Some(_)) => {}
                (Some(level), Some(name)) if literal(level, name) => {}
                _ => return false,
            }
            first = false;
        }
    }
}

/// The levels of a topic or filter, as bytes: to look for a byte is cheaper than for a character.
pub fn levels(text: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    text.split(|byte| *byte == b'/')
}

impl fmt::Display for Filter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Whether a grant's publish filter matches a topic, a level `%c` standing for `member_name`
/// (spec/keys.md §4). The name is compared, never put into a filter, so that no name can act as
/// a wildcard (threat model B16).
#[must_use]
pub fn matches_grant(filter: Filter<'_>, member_name: &str, topic: Topic<'_>) -> bool {
    filter.matches_by(topic, |level, name| {
        if level == OWN_NAME {
            name == member_name.as_bytes()
        } else {
            level == name
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules of MQTT 5 §4.7, written as a recursion over lists.
    fn naive(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            ([], []) | (["#"], _) => true,
            (["+", filter @ ..], [_, topic @ ..]) => naive(filter, topic),
            ([level, filter @ ..], [name, topic @ ..]) => level == name && naive(filter, topic),
            _ => false,
        }
    }

    fn naive_matches(filter: &str, topic: &str) -> bool {
        let filter: Vec<_> = filter.split('/').collect();
        let topic: Vec<_> = topic.split('/').collect();
        let hidden = topic[0].starts_with('$') && matches!(filter[0], "+" | "#");
        !hidden && naive(&filter, &topic)
    }

    /// Every join of up to `depth` of these levels.
    fn all(levels: &[&str], depth: usize) -> Vec<String> {
        let mut texts: Vec<String> = levels.iter().map(ToString::to_string).collect();
        let mut row = texts.clone();
        for _ in 1..depth {
            row = row
                .iter()
                .flat_map(|t| levels.iter().map(move |l| format!("{t}/{l}")))
                .collect();
            texts.extend(row.clone());
        }
        texts
    }

    fn filters() -> Vec<String> {
        let mut filters = all(&["", "a", "$b", "+", "#"], 3);
        filters.retain(|f| Filter::new(f).is_ok());
        filters
    }

    fn topics(depth: usize) -> Vec<String> {
        let mut topics = all(&["", "a", "c", "$b"], depth);
        topics.retain(|t| Topic::new(t).is_ok());
        topics
    }

    #[test]
    fn matches_as_the_naive_matcher() {
        let (filters, topics) = (filters(), topics(4));
        assert!(filters.len() > 80 && topics.len() > 300);
        for filter in &filters {
            for topic in &topics {
                let result = Filter::new(filter)
                    .unwrap()
                    .matches(Topic::new(topic).unwrap());
                assert_eq!(result, naive_matches(filter, topic), "{filter} {topic}");
            }
        }
    }

    #[test]
    fn overlaps_as_brute_force() {
        let (filters, topics) = (filters(), topics(4));
        for a in &filters {
            for b in &filters {
                let common = topics
                    .iter()
                    .any(|t| naive_matches(a, t) && naive_matches(b, t));
                let (fa, fb) = (Filter::new(a).unwrap(), Filter::new(b).unwrap());
                assert_eq!(fa.overlaps(fb), common, "{a} {b}");
            }
        }
    }

    #[test]
    fn rules_of_the_standard() {
        let matches = |f, t| Filter::new(f).unwrap().matches(Topic::new(t).unwrap());
        assert!(matches("a/#", "a"));
        assert!(matches("sport/+", "sport/"));
        assert!(!matches("sport/+", "sport"));
        assert!(matches("/+", "/finance"));
        assert!(!matches("+", "/finance"));
        assert!(!matches("#", "$SYS/x"));
        assert!(!matches("+/x", "$SYS/x"));
        assert!(matches("$SYS/#", "$SYS/x"));
        assert!(matches("a/+", "a/$b"));
        assert!(!matches("caf\u{e9}", "cafe\u{301}"));
    }

    #[test]
    fn bad_texts() {
        let long = "x".repeat(MAX_TOPIC_LEN + 1);
        for (text, error) in [
            ("", TopicError::Length),
            (&long, TopicError::Length),
            ("a\0", TopicError::Null),
            ("a/+", TopicError::Wildcard),
            ("a#", TopicError::Wildcard),
        ] {
            assert_eq!(Topic::new(text), Err(error));
        }
        for text in ["a+", "+a/b", "#/a", "a/#/b", "a#", "##", "++", "a/#b"] {
            assert_eq!(
                Filter::new(text),
                Err(TopicError::WildcardPosition),
                "{text}"
            );
        }
        assert_eq!(Topic::from_bytes(&[0xff]), Err(TopicError::Utf8));
        assert!(Topic::new(&long[1..]).is_ok());
    }

    #[test]
    fn own_name_is_compared_as_a_level() {
        let allows = |f, n, t| matches_grant(Filter::new(f).unwrap(), n, Topic::new(t).unwrap());
        assert!(allows("plant/%c/#", "dev7", "plant/dev7/temp"));
        assert!(!allows("plant/%c/#", "dev7", "plant/dev8/temp"));
        assert!(!allows("plant/%c/#", "dev7", "plant/%c/temp"));
        assert!(!allows("plant/x%c/#", "dev7", "plant/xdev7/temp"));
        assert!(allows("plant/%c/#", "%d", "plant/%d/temp"));
        // Names like these cannot be enrolled; here they must not widen anything either.
        for name in ["+", "#", "a/b", "%c"] {
            assert!(!allows("plant/%c/t", name, "plant/a/t"));
            assert!(!allows("plant/%c/t", name, "plant/a/b/t"));
        }
    }

    #[test]
    fn hash_of_the_bytes() {
        let hash = Topic::new("plant/a/temp").unwrap().hash();
        assert_eq!(hash, crate::crypto::sha256(&[b"plant/a/temp"]));
    }
}
