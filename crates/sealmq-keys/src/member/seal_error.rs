use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use sealmq_core::GroupId;
use sealmq_core::seal::SealError as SessionError;
use sealmq_core::topic::TopicError;
use sealmq_core::wire::PropertiesError;

/// A message was not sealed, and must not be sent (nothing is ever sent in clear instead).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// The topic is not a valid MQTT topic name.
    Topic(TopicError),
    /// The topic lies under the prefix that key management uses.
    Reserved,
    /// No group of this member covers the topic.
    NoGroup,
    /// Groups that this member belongs to are not known completely yet: the welcome or the
    /// announcement has not arrived. The topic may belong to one of them.
    NoKeysYet {
        /// The groups.
        groups: Vec<GroupId>,
    },
    /// The credential does not grant publishing on this topic.
    NotGranted {
        /// The group's name.
        group: String,
    },
    /// This member was removed from the group, and knows it: no reader would accept the message.
    Removed {
        /// The group's name.
        group: String,
    },
    /// The group's newest announcement has expired.
    KeysExpired {
        /// The group's name.
        group: String,
        /// Unix seconds.
        not_after: u64,
    },
    /// A newer delegation has replaced the key that signed the group's newest announcement: the
    /// group's keys do not count until the new delegation's announcement comes.
    AwaitsAnnouncement {
        /// The group's name.
        group: String,
        /// Serial of the delegation.
        serial: u32,
    },
    /// A newer delegation has replaced the key that signed this member's credential: it does not
    /// count until the new delegation's credential comes.
    AwaitsCredential {
        /// Serial of the delegation.
        serial: u32,
    },
    /// The group has no leases, and this device no clock: nothing would ever tell it that a
    /// removal is withheld.
    NeedsLeases {
        /// The group's name.
        group: String,
    },
    /// The lease of the group's newest announcement ran out, and no heartbeat renewed it.
    LeaseExpired {
        /// The group's name.
        group: String,
        /// Unix seconds.
        good_until: u64,
    },
    /// The group needs a lease, and this device has no clock: the authority's answer to a nonce
    /// is missing or ran out, or the device does not even count its uptime.
    NoLease {
        /// The group's name.
        group: String,
        /// Whether the uptime is known ([`Member::set_uptime`](super::Member::set_uptime)).
        uptime: bool,
    },
    /// This member's credential has expired.
    CredentialExpired {
        /// Unix seconds.
        not_after: u64,
    },
    /// The properties cannot be sealed.
    Properties(PropertiesError),
    /// A message expiry or a Last Will needs a clock, and there is none.
    NeedsClock,
    /// The random number generator failed.
    Random,
    /// All 2^35 session numbers were used.
    SessionNumbersUsedUp,
    /// The message cannot be sealed.
    Message(SessionError),
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(e) => e.fmt(f),
            Self::Reserved => f.write_str(
                "the topic is reserved for key management: publish on another one",
            ),
            Self::NoGroup => f.write_str(
                "no group covers the topic, so it cannot be sealed: have the authority add a filter to a group, or allow this topic in clear explicitly",
            ),
            Self::NoKeysYet { groups } => write!(
                f,
                "the keys of {} group(s) have not arrived yet: wait for them, and check that the authority is running and that the client subscribed the reserved topics",
                groups.len()
            ),
            Self::NotGranted { group } => write!(
                f,
                "this member may not publish on the topic in group `{group}`: ask the authority for a new grant"
            ),
            Self::Removed { group } => write!(
                f,
                "this member was removed from group `{group}`: to publish there again it has to join as a new member"
            ),
            Self::KeysExpired { group, not_after } => write!(
                f,
                "the keys of group `{group}` expired at {not_after} (Unix seconds): check the clock and the way to the authority"
            ),
            Self::AwaitsAnnouncement { group, serial } => write!(
                f,
                "the keys of group `{group}` were signed by a key that delegation {serial} replaces: wait for that delegation's announcement, and check that the authority is running and that the broker delivers what it publishes"
            ),
            Self::AwaitsCredential { serial } => write!(
                f,
                "this member's credential was signed by a key that delegation {serial} replaces: wait for that delegation's credential, and check that the authority is running and that the broker delivers what it publishes"
            ),
            Self::NeedsLeases { group } => write!(
                f,
                "group `{group}` has no leases, and this device has no clock: set the clock, or have the authority give the group a lease"
            ),
            Self::LeaseExpired { group, good_until } => write!(
                f,
                "the lease of group `{group}` ran out at {good_until} (Unix seconds) and no heartbeat came: the authority is not running, or the broker is unreachable or withholds what it publishes; check them, and this device's clock"
            ),
            Self::NoLease {
                group,
                uptime: true,
            } => write!(
                f,
                "group `{group}` needs a lease, and the authority has not answered this device, which has no clock: wait, and check that the authority is running and that the broker delivers what it publishes"
            ),
            Self::NoLease { group, .. } => write!(
                f,
                "group `{group}` needs a lease, and this device has neither a clock nor an uptime to count it by: set the clock, or tell the member its uptime"
            ),
            Self::CredentialExpired { not_after } => write!(
                f,
                "this member's credential expired at {not_after} (Unix seconds): ask the authority for a new one"
            ),
            Self::Properties(e) => e.fmt(f),
            Self::NeedsClock => f.write_str(
                "a Last Will and a message expiry need the time of sealing, and this device has no clock: set it, or leave them out",
            ),
            Self::Random => f.write_str(
                "the random number generator failed: nothing was sealed, check the platform's RNG",
            ),
            Self::SessionNumbersUsedUp => f.write_str(
                "this member used up its session numbers: it needs a new identity (check whether the clock was far in the future)",
            ),
            Self::Message(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for SealError {}
