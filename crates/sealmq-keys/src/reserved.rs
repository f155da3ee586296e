#[cfg(feature = "alloc")]
use alloc::format;
#[cfg(feature = "alloc")]
use alloc::string::{String, ToString as _};
#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

#[cfg(feature = "alloc")]
use sealmq_core::DomainId;
use sealmq_core::{GroupId, MemberNumber};

use crate::announcement::MAX_CHUNK_LEN;
use crate::confirmation::MAX_CONFIRMATION_LEN;
use crate::heartbeat::MAX_HEARTBEAT_LEN;
use crate::nonce::MAX_NONCE_LEN;
use crate::nonce_answer::MAX_NONCE_ANSWER_LEN;
use crate::objects::fingerprint::Fingerprint;
use crate::objects::kept_keys::MAX_KEPT_KEYS_LEN;
use crate::package_set::MAX_PACKAGE_SET_LEN;
use crate::refused::MAX_REFUSED_RUN_LEN;
use crate::welcome::MAX_WELCOME_LEN;

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
#[cfg(feature = "alloc")]
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
    /// What a member says of the welcomes that it installed; written by the member.
    Confirm(MemberNumber),
    /// A member's unused key packages; written by the member.
    Packages(MemberNumber),
    /// The answer to a member's nonce for a group.
    NonceAnswer(MemberNumber, GroupId),
    /// The announcement of one epoch of a group.
    Announcement(GroupId, u64),
    /// A chunk of the cover of that announcement, by its number.
    Chunk(GroupId, u64, u32),
    /// A group's refused list.
    RefusedList(GroupId),
    /// A chunk of that list, by the lowest member number that it can name.
    RefusedChunk(GroupId, MemberNumber),
    /// A group's kept keys, for readers that came later.
    KeptKeys(GroupId),
    /// A group's heartbeat.
    Heartbeat(GroupId),
    /// The nonce of a member without a clock; written by the member.
    Nonce(GroupId, MemberNumber),
    /// The record of the session in which a member sends the short form; written by the member.
    SessionRecord(GroupId, MemberNumber),
    /// A join request; written by the device.
    Join(Fingerprint),
    /// The answer to a join request: a credential or a join refusal.
    Answer(Fingerprint),
}

impl ReservedTopic {
    /// The topic name under `prefix`.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn name(&self, prefix: &str) -> String {
        self.under(prefix).to_string()
    }

    /// The topic name under `prefix`, to be written into a buffer of the caller.
    pub const fn under<'a>(&'a self, prefix: &'a str) -> impl fmt::Display + 'a {
        Name {
            topic: self,
            prefix,
        }
    }

    /// Reads a topic name. `None` for topics outside the prefix, for those that are reserved
    /// without a use in this version, and for every spelling but the canonical one.
    #[must_use]
    pub fn parse(prefix: &str, topic: &str) -> Option<Self> {
        let rest = topic.strip_prefix(prefix)?.strip_prefix('/')?;
        let mut levels = rest.split('/');
        let mut next = || levels.next();
        let parsed = match (next()?, next()) {
            ("delegation", None) => Self::Delegation,
            ("join", Some(of)) => Self::Join(Fingerprint(hex(of)?)),
            ("answer", Some(of)) => Self::Answer(Fingerprint(hex(of)?)),
            ("m", Some(of)) => {
                let member = member(of)?;
                match (next()?, next()) {
                    ("credential", None) => Self::Credential(member),
                    ("w", Some(group)) => Self::Welcome(member, GroupId(hex(group)?)),
                    ("confirm", None) => Self::Confirm(member),
                    ("packages", None) => Self::Packages(member),
                    ("n", Some(group)) => Self::NonceAnswer(member, GroupId(hex(group)?)),
                    _ => return None,
                }
            }
            ("g", Some(of)) => {
                let group = GroupId(hex(of)?);
                match (next()?, next()) {
                    ("a", Some(epoch)) => Self::Announcement(group, number(epoch)?),
                    ("c", Some(epoch)) => {
                        let chunk = u32::try_from(number(next()?)?).ok()?;
                        Self::Chunk(group, number(epoch)?, chunk)
                    }
                    ("r", None) => Self::RefusedList(group),
                    ("r", Some(first)) => Self::RefusedChunk(group, member(first)?),
                    ("k", None) => Self::KeptKeys(group),
                    ("hb", None) => Self::Heartbeat(group),
                    ("n", Some(of)) => Self::Nonce(group, member(of)?),
                    ("s", Some(of)) => Self::SessionRecord(group, member(of)?),
                    _ => return None,
                }
            }
            _ => return None,
        };
        levels.next().is_none().then_some(parsed)
    }

    /// Whether only the authority writes there, objects that stay retained.
    #[must_use]
    pub const fn is_of_authority(&self) -> bool {
        match self {
            Self::Delegation
            | Self::Credential(_)
            | Self::Welcome(..)
            | Self::Announcement(..)
            | Self::Chunk(..)
            | Self::RefusedList(_)
            | Self::RefusedChunk(..)
            | Self::KeptKeys(_)
            | Self::Heartbeat(_)
            | Self::Answer(_) => true,
            Self::Confirm(_)
            | Self::Packages(_)
            | Self::NonceAnswer(..)
            | Self::Nonce(..)
            | Self::SessionRecord(..)
            | Self::Join(_) => false,
        }
    }

    /// Whether what the authority has signed there can prove that its store is old (spec/keys.md
    /// §13).
    #[must_use]
    pub const fn is_evidence(&self) -> bool {
        matches!(
            self,
            Self::Delegation
                | Self::Announcement(..)
                | Self::RefusedList(_)
                | Self::RefusedChunk(..)
                | Self::Heartbeat(_)
        )
    }

    /// The most bytes that the content may have; more is refused unread.
    #[must_use]
    pub const fn max_len(&self) -> usize {
        match self {
            Self::Welcome(..) => MAX_WELCOME_LEN,
            Self::Delegation | Self::Credential(_) | Self::SessionRecord(..) | Self::Answer(_) => {
                8 * 1024
            }
            Self::Confirm(_) => MAX_CONFIRMATION_LEN,
            Self::Packages(_) => MAX_PACKAGE_SET_LEN,
            Self::NonceAnswer(..) => MAX_NONCE_ANSWER_LEN,
            Self::Chunk(..) => MAX_CHUNK_LEN,
            Self::RefusedChunk(..) => MAX_REFUSED_RUN_LEN,
            Self::KeptKeys(_) => MAX_KEPT_KEYS_LEN,
            Self::Heartbeat(_) => MAX_HEARTBEAT_LEN,
            Self::Nonce(..) => MAX_NONCE_LEN,
            Self::Announcement(..) | Self::RefusedList(_) | Self::Join(_) => 64 * 1024,
        }
    }
}

struct Name<'a> {
    topic: &'a ReservedTopic,
    prefix: &'a str,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ReservedTopic as T;
        let prefix = self.prefix;
        match self.topic {
            T::Delegation => write!(f, "{prefix}/delegation"),
            T::Credential(member) => write!(f, "{prefix}/m/{member}/credential"),
            T::Welcome(member, group) => write!(f, "{prefix}/m/{member}/w/{group}"),
            T::Confirm(member) => write!(f, "{prefix}/m/{member}/confirm"),
            T::Packages(member) => write!(f, "{prefix}/m/{member}/packages"),
            T::NonceAnswer(member, group) => write!(f, "{prefix}/m/{member}/n/{group}"),
            T::Announcement(group, epoch) => write!(f, "{prefix}/g/{group}/a/{epoch}"),
            T::Chunk(group, epoch, n) => write!(f, "{prefix}/g/{group}/c/{epoch}/{n}"),
            T::RefusedList(group) => write!(f, "{prefix}/g/{group}/r"),
            T::RefusedChunk(group, first) => write!(f, "{prefix}/g/{group}/r/{first}"),
            T::KeptKeys(group) => write!(f, "{prefix}/g/{group}/k"),
            T::Heartbeat(group) => write!(f, "{prefix}/g/{group}/hb"),
            T::Nonce(group, member) => write!(f, "{prefix}/g/{group}/n/{member}"),
            T::SessionRecord(group, member) => write!(f, "{prefix}/g/{group}/s/{member}"),
            T::Join(fingerprint) => write!(f, "{prefix}/join/{fingerprint}"),
            T::Answer(fingerprint) => write!(f, "{prefix}/answer/{fingerprint}"),
        }
    }
}

/// Filter for all announcements of a group that are still retained.
#[cfg(feature = "alloc")]
#[must_use]
pub fn announcements_filter(prefix: &str, group: &GroupId) -> String {
    format!("{prefix}/g/{group}/a/+")
}

/// Filter for what else of a group stands on topics of one level: refused list, kept keys,
/// heartbeat.
#[cfg(feature = "alloc")]
pub(crate) fn group_filter(prefix: &str, group: &GroupId) -> String {
    format!("{prefix}/g/{group}/+")
}

/// Filter for the session records of all groups.
#[cfg(feature = "alloc")]
pub(crate) fn records_filter(prefix: &str) -> String {
    format!("{prefix}/g/+/s/+")
}

/// Filter for everybody's credential.
#[cfg(feature = "alloc")]
pub(crate) fn credentials_filter(prefix: &str) -> String {
    format!("{prefix}/m/+/credential")
}

/// What the authority subscribes: first what it has published itself, so that one whose store was
/// put back finds out (spec/keys.md §13), and one that takes over puts right what another one
/// publishes late; then what members and devices write.
#[cfg(feature = "alloc")]
#[must_use]
pub fn authority_filters(prefix: &str) -> Vec<String> {
    [
        "delegation",
        "g/+/a/+",
        "g/+/hb",
        "g/+/r",
        "g/+/r/+",
        "g/+/k",
        "g/+/c/+/+",
        "m/+/credential",
        "m/+/w/+",
        "answer/+",
        "join/+",
        "m/+/confirm",
        "m/+/packages",
        "g/+/n/+",
    ]
    .iter()
    .map(|filter| format!("{prefix}/{filter}"))
    .collect()
}

/// Those of [`authority_filters`] on which others retain what they like. The authority subscribes
/// them once it has read its own: until then it could only keep what comes.
#[cfg(feature = "alloc")]
#[must_use]
pub fn retained_by_others(prefix: &str) -> Vec<String> {
    ["join/+", "m/+/confirm", "m/+/packages"]
        .iter()
        .map(|filter| format!("{prefix}/{filter}"))
        .collect()
}

/// Filter for everything under one member's number: what the authority has for it, and what it
/// published itself.
#[cfg(feature = "alloc")]
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

fn member(text: &str) -> Option<MemberNumber> {
    let member = MemberNumber(u32::try_from(number(text)?).ok()?);
    member.is_valid().then_some(member)
}

/// 16 bytes as 32 lower-case hex digits.
fn hex(text: &str) -> Option<[u8; 16]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(c.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let mut bytes = [0; 16];
    if text.len() != 32 {
        return None;
    }
    for (to, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *to = (digit(high)? << 4) | digit(low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealmq_core::topic::{Filter, Topic};

    const GROUP: GroupId = GroupId([0xa7; 16]);

    #[test]
    fn names_round_trip() {
        let member = MemberNumber(7);
        let device = Fingerprint([0xa7; 16]);
        let hex = "a7".repeat(16);
        let chunk = ReservedTopic::RefusedChunk(GROUP, member);
        let record = ReservedTopic::SessionRecord(GROUP, member);
        for (topic, name, max_len) in [
            (ReservedTopic::Delegation, "delegation", 8192),
            (ReservedTopic::Credential(member), "m/7/credential", 8192),
            (ReservedTopic::Welcome(member, GROUP), "m/7/w/HEX", 4096),
            (ReservedTopic::Confirm(member), "m/7/confirm", 8192),
            (ReservedTopic::Packages(member), "m/7/packages", 16384),
            (ReservedTopic::NonceAnswer(member, GROUP), "m/7/n/HEX", 1024),
            (
                ReservedTopic::Announcement(GROUP, u64::MAX),
                "g/HEX/a/18446744073709551615",
                65536,
            ),
            (
                ReservedTopic::Chunk(GROUP, 12, u32::MAX),
                "g/HEX/c/12/4294967295",
                8216,
            ),
            (ReservedTopic::RefusedList(GROUP), "g/HEX/r", 65536),
            (chunk, "g/HEX/r/7", 8216),
            (ReservedTopic::KeptKeys(GROUP), "g/HEX/k", 8192),
            (ReservedTopic::Heartbeat(GROUP), "g/HEX/hb", 1024),
            (ReservedTopic::Nonce(GROUP, member), "g/HEX/n/7", 256),
            (record, "g/HEX/s/7", 8192),
            (ReservedTopic::Join(device), "join/HEX", 65536),
            (ReservedTopic::Answer(device), "answer/HEX", 8192),
        ] {
            let name = format!("p/q/{}", name.replace("HEX", &hex));
            assert_eq!(topic.name("p/q"), name);
            assert_eq!(ReservedTopic::parse("p/q", &name), Some(topic));
            assert_eq!(topic.max_len(), max_len, "{name}");
            assert!(is_reserved("p/q", &name));
            for more in ["/", "/x", "0/1"] {
                assert_eq!(ReservedTopic::parse("p/q", &format!("{name}{more}")), None);
            }
        }
    }

    #[test]
    fn other_spellings_are_no_reserved_topics() {
        let hex = "a7".repeat(16);
        for name in [
            "p/q",
            "p/q/",
            "p/qdelegation",
            "/p/q/delegation",
            "p/q/m",
            "p/q/m/07/credential",
            "p/q/m/+7/credential",
            "p/q/m//credential",
            "p/q/m/0/credential",
            "p/q/m/268435456/credential",
            "p/q/m/4294967303/credential",
            "p/q/m/7/Confirm",
            &format!("p/q/m/7/w/{}", hex.to_uppercase()),
            &format!("p/q/m/7/w/{hex}0"),
            &format!("p/q/g/{hex}/a/18446744073709551616"),
            &format!("p/q/g/{hex}/a/"),
            &format!("p/q/g/{hex}/a"),
            &format!("p/q/g/{hex}/c/1"),
            &format!("p/q/g/{hex}/c/1/01"),
            &format!("p/q/g/{hex}/c/1/4294967296"),
            &format!("p/q/g/{hex}/n/0"),
            &format!("p/q/g/{hex}/r/0"),
            &format!("p/q/g/{hex}/r/268435456"),
            &format!("p/q/g/{hex}/s/7/0011223344556677"),
            "p/q/join",
            "p/q/join/",
            &format!("p/q/join/{}", hex.to_uppercase()),
            &format!("p/q/answer/{}", &hex[1..]),
        ] {
            assert_eq!(ReservedTopic::parse("p/q", name), None, "{name}");
        }
        assert!(!is_reserved("p/q", "p/qx/delegation"));
        assert!(is_reserved("p/q", "p/q"));
    }

    #[test]
    fn the_authority_hears_what_members_and_devices_write() {
        let (member, device) = (MemberNumber(7), Fingerprint([0xa7; 16]));
        let filters = authority_filters("p/q");
        let hears = |topic: ReservedTopic| {
            let name = topic.name("p/q");
            let name = Topic::new(&name).unwrap();
            filters
                .iter()
                .any(|filter| Filter::new(filter).unwrap().matches(name))
        };
        for topic in [
            ReservedTopic::Join(device),
            ReservedTopic::Confirm(member),
            ReservedTopic::Packages(member),
            ReservedTopic::Nonce(GROUP, member),
            ReservedTopic::Delegation,
            ReservedTopic::Announcement(GROUP, 9),
            ReservedTopic::Heartbeat(GROUP),
            ReservedTopic::RefusedChunk(GROUP, member),
            // Its own, to find out what another one publishes late.
            ReservedTopic::Welcome(member, GROUP),
            ReservedTopic::Answer(device),
        ] {
            assert!(hears(topic), "{topic:?}");
        }
        // What its members say to nobody but it comes without an answer of its own.
        assert!(!hears(ReservedTopic::NonceAnswer(member, GROUP)));
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
