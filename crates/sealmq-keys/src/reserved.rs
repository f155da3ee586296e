use alloc::format;
use alloc::string::String;
use core::fmt;

use sealmq_core::{DomainId, GroupId, MemberNumber};

/// Longest topic prefix in bytes: leaves room for the longest reserved topic name.
pub const MAX_PREFIX_LEN: usize = 1024;

/// The prefix of reserved topics cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixError;

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the topic prefix must have 1 to 1024 bytes, without + # NUL, without $ at the start and without / at the end",
        )
    }
}

impl core::error::Error for PrefixError {}

/// Checks a prefix of reserved topics: an MQTT topic name that does not start with `$` (brokers
/// treat those specially) and does not end with `/`.
///
/// # Errors
/// [`PrefixError`].
pub fn check_prefix(prefix: &str) -> Result<(), PrefixError> {
    let bad = prefix.is_empty()
        || prefix.len() > MAX_PREFIX_LEN
        || prefix.starts_with('$')
        || prefix.ends_with('/')
        || prefix.contains(['+', '#', '\0']);
    if bad { Err(PrefixError) } else { Ok(()) }
}

/// The prefix used unless another one is configured: `_sealmq/<domain>`.
#[must_use]
pub fn default_prefix(domain: &DomainId) -> String {
    format!("_sealmq/{domain}")
}

/// Whether a topic is the prefix itself or lies under it, whether or not it has a meaning.
#[must_use]
pub fn is_reserved(prefix: &str, topic: &str) -> bool {
    topic
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A reserved topic that this version uses (spec/keys.md §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReservedTopic {
    /// The current delegation.
    Delegation,
    /// A member's credential.
    Credential(MemberNumber),
    /// A member's welcome to a group.
    Welcome(MemberNumber, GroupId),
    /// The announcement of one epoch of a group.
    Announcement(GroupId, u64),
    /// A group's refused list.
    RefusedList(GroupId),
}

impl ReservedTopic {
    /// The topic name under `prefix`.
    #[must_use]
    pub fn name(&self, prefix: &str) -> String {
        match self {
            Self::Delegation => format!("{prefix}/delegation"),
            Self::Credential(member) => format!("{prefix}/m/{member}/credential"),
            Self::Welcome(member, group) => format!("{prefix}/m/{member}/w/{group}"),
            Self::Announcement(group, epoch) => format!("{prefix}/g/{group}/a/{epoch}"),
            Self::RefusedList(group) => format!("{prefix}/g/{group}/r"),
        }
    }

    /// Reads a topic name. `None` for topics outside the prefix, for those that are reserved
    /// without a use in this version, and for every spelling but the canonical one.
    #[must_use]
    pub fn parse(prefix: &str, topic: &str) -> Option<Self> {
        let rest = topic.strip_prefix(prefix)?.strip_prefix('/')?;
        let mut levels = rest.split('/');
        let parsed = match (levels.next()?, levels.next()) {
            ("delegation", None) => Self::Delegation,
            ("m", Some(member)) => {
                let member = MemberNumber(u32::try_from(number(member)?).ok()?);
                match (levels.next()?, levels.next()) {
                    ("credential", None) => Self::Credential(member),
                    ("w", Some(group)) => Self::Welcome(member, group_id(group)?),
                    _ => return None,
                }
            }
            ("g", Some(group)) => {
                let group = group_id(group)?;
                match (levels.next()?, levels.next()) {
                    ("a", Some(epoch)) => Self::Announcement(group, number(epoch)?),
                    ("r", None) => Self::RefusedList(group),
                    _ => return None,
                }
            }
            _ => return None,
        };
        if levels.next().is_some()
            || matches!(parsed, Self::Credential(m) | Self::Welcome(m, _) if !m.is_valid())
        {
            return None;
        }
        Some(parsed)
    }

    /// The most bytes that the content may have; more is refused unread.
    #[must_use]
    pub const fn max_len(&self) -> usize {
        match self {
            Self::Delegation | Self::Welcome(..) => 4 * 1024,
            Self::Credential(_) => 8 * 1024,
            Self::Announcement(..) | Self::RefusedList(_) => 64 * 1024,
        }
    }
}

/// Filter for all announcements of a group that are still retained.
#[must_use]
pub fn announcements_filter(prefix: &str, group: &GroupId) -> String {
    format!("{prefix}/g/{group}/a/+")
}

/// Filter for everything that the authority has for one member: credential and welcomes.
#[must_use]
pub fn member_filter(prefix: &str, member: MemberNumber) -> String {
    format!("{prefix}/m/{member}/#")
}

/// A decimal number without sign and leading zeros.
fn number(text: &str) -> Option<u64> {
    let canonical =
        text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    if canonical { text.parse().ok() } else { None }
}

/// 32 lower-case hex digits.
fn group_id(text: &str) -> Option<GroupId> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(c.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let mut id = [0; 16];
    if text.len() != 32 {
        return None;
    }
    for (to, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *to = (digit(high)? << 4) | digit(low)?;
    }
    Some(GroupId(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const GROUP: GroupId = GroupId([0xa7; 16]);

    #[test]
    fn names_round_trip() {
        let member = MemberNumber(7);
        let hex = "a7".repeat(16);
        for (topic, name) in [
            (ReservedTopic::Delegation, vec!["p/q/delegation"]),
            (
                ReservedTopic::Credential(member),
                vec!["p/q/m/7/credential"],
            ),
            (
                ReservedTopic::Welcome(member, GROUP),
                vec!["p/q/m/7/w/", &hex],
            ),
            (
                ReservedTopic::Announcement(GROUP, u64::MAX),
                vec!["p/q/g/", &hex, "/a/18446744073709551615"],
            ),
            (
                ReservedTopic::RefusedList(GROUP),
                vec!["p/q/g/", &hex, "/r"],
            ),
        ] {
            assert_eq!(topic.name("p/q"), name.concat());
            assert_eq!(ReservedTopic::parse("p/q", &name.concat()), Some(topic));
            assert!(is_reserved("p/q", &name.concat()));
        }
    }

    #[test]
    fn other_spellings_are_no_reserved_topics() {
        let hex = "a7".repeat(16);
        for name in [
            "p/q",
            "p/q/",
            "p/qdelegation",
            "p/q/delegation/",
            "/p/q/delegation",
            "p/q/m/07/credential",
            "p/q/m/+7/credential",
            "p/q/m//credential",
            "p/q/m/0/credential",
            "p/q/m/268435456/credential",
            "p/q/m/4294967303/credential",
            "p/q/m/7/credential/x",
            "p/q/m/7/confirm",
            &format!("p/q/m/7/w/{}", hex.to_uppercase()),
            &format!("p/q/m/7/w/{hex}0"),
            &format!("p/q/g/{hex}/a/18446744073709551616"),
            &format!("p/q/g/{hex}/a/"),
            &format!("p/q/g/{hex}/a"),
            &format!("p/q/g/{hex}/hb"),
        ] {
            assert_eq!(ReservedTopic::parse("p/q", name), None, "{name}");
        }
        assert!(!is_reserved("p/q", "p/qx/delegation"));
        assert!(is_reserved("p/q", "p/q"));
    }

    #[test]
    fn prefixes() {
        assert_eq!(
            default_prefix(&DomainId([0x5a; 16])),
            format!("_sealmq/{}", "5a".repeat(16))
        );
        for good in ["_sealmq/x", "a", &"x".repeat(MAX_PREFIX_LEN)] {
            assert_eq!(check_prefix(good), Ok(()));
        }
        for bad in [
            "",
            "$SYS/x",
            "a/+",
            "#",
            "a\0",
            "a/",
            &"x".repeat(MAX_PREFIX_LEN + 1),
        ] {
            assert_eq!(check_prefix(bad), Err(PrefixError));
        }
    }
}
