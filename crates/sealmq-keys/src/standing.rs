//! Whether a member may send or read now (spec/keys.md §3, §8): the one place that says so, for
//! hosts and for devices without an allocator.

use sealmq_core::crypto::{Digest, VerifyingKey};
use sealmq_core::object::Access;
use sealmq_core::open::Sender;
use sealmq_core::seal::Membership;
use sealmq_core::topic::{Filter, Topic, matches_grant};
use sealmq_core::{GroupId, MemberNumber};

use crate::group::GroupState;
use crate::objects::REMOVED;

/// The time, as far as a device knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Unix seconds; `None` without a clock.
    pub now: Option<u64>,
    /// Milliseconds that the device has been running; leases run by it where there is no clock.
    pub uptime: Option<u64>,
}

/// What a verified credential says of its holder, for one group.
#[derive(Debug, Clone, Copy)]
pub struct Holding<'a> {
    /// The member's number.
    pub member: MemberNumber,
    /// The member's name.
    pub name: &'a str,
    /// The credential's own serial.
    pub serial: u32,
    /// The identity key.
    pub key: &'a VerifyingKey,
    /// The credential's hash.
    pub hash: &'a Digest,
    /// What it grants in the group, and the narrower filter for publishing (empty: none).
    pub grant: Option<(Access, &'a str)>,
    /// Unix seconds until which it counts; `None`: not until the current delegation's comes.
    pub end: Option<u64>,
}

/// What a verified credential says of its own issue.
#[derive(Debug, Clone, Copy)]
pub struct Issued {
    /// Serial of the delegation under which it was signed.
    pub delegation: u32,
    /// Unix seconds.
    pub issued_at: u64,
    /// Unix seconds: the credential's own end.
    pub not_after: u64,
}

/// A member in one group: what its credential and the group's newest announcement say together.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The group.
    pub group: GroupId,
    /// Its keys; `None` before a welcome was installed.
    pub state: Option<&'a GroupState>,
    /// Unix seconds until which the newest announcement counts under the delegations; `None`: not
    /// until one of the current delegation was followed.
    pub keys_end: Option<u64>,
    /// A newer announcement and its refused list say that this member was removed.
    pub removed: bool,
    /// The credential.
    pub holding: Holding<'a>,
    /// A topic that the group's filters cover, if one is known: they are not asked again.
    pub covered: Option<Topic<'a>>,
}

/// Why a member may not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The newest announcement was signed by a key that a newer delegation replaced.
    AwaitsAnnouncement,
    /// The credential was signed by a key that a newer delegation replaced.
    AwaitsCredential,
    /// The credential does not grant publishing on the topic.
    NotGranted,
    /// The member was removed.
    Removed,
    /// An expiry or a Last Will needs the time of sealing.
    NeedsClock,
    /// The credential has expired.
    CredentialExpired {
        /// Unix seconds.
        not_after: u64,
    },
    /// There is no key of the newest epoch.
    NoKeys,
    /// Without a clock only a lease bounds how long a removal can be withheld, and the group has
    /// none.
    NeedsLeases,
    /// Without a clock: no answer to a nonce counts, or the uptime is not known.
    NoLease,
    /// The newest announcement, or the delegation behind it, has expired.
    KeysExpired {
        /// Unix seconds.
        not_after: u64,
    },
    /// The lease of the newest announcement ran out.
    LeaseExpired {
        /// Unix seconds.
        good_until: u64,
    },
}

impl Standing<'_> {
    /// Whether the member may send on a topic now, which the group covers.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn may_send(&self, topic: Topic<'_>, timed: bool, at: Moment) -> Result<(), Obstacle> {
        self.may_publish_on(topic)?;
        self.may_seal(timed, at)
    }

    /// The same as far as it is not a matter of time: this lets a retained message be cleared.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn may_publish_on(&self, topic: Topic<'_>) -> Result<(), Obstacle> {
        // What an older delegation's objects say is not final.
        if self.keys_end.is_none() {
            Err(Obstacle::AwaitsAnnouncement)
        } else if self.holding.end.is_none() {
            Err(Obstacle::AwaitsCredential)
        } else if !self.covers(topic) {
            Err(Obstacle::NotGranted)
        } else if self.removed {
            Err(Obstacle::Removed)
        } else {
            Ok(())
        }
    }

    /// What runs out: credential, keys and lease. `timed`: the message carries an expiry, or is a
    /// Last Will. Publishers stop when the newest announcement or its lease ends.
    fn may_seal(&self, timed: bool, at: Moment) -> Result<(), Obstacle> {
        let not_after = self.holding.end.ok_or(Obstacle::AwaitsCredential)?;
        let state = self.state.filter(|state| state.current().is_some());
        let Some(now) = at.now else {
            return match state {
                _ if timed => Err(Obstacle::NeedsClock),
                None => Err(Obstacle::NoKeys),
                Some(_) if self.lease() == 0 => Err(Obstacle::NeedsLeases),
                Some(_) if self.is_leased(at.uptime, 0) => Ok(()),
                Some(_) => Err(Obstacle::NoLease),
            };
        };
        if now > not_after {
            return Err(Obstacle::CredentialExpired { not_after });
        }
        let state = state.ok_or(Obstacle::NoKeys)?;
        // Nothing outlives the delegation that it was signed under.
        let end = self.keys_end.unwrap_or_default();
        let not_after = state.not_after().unwrap_or_default().min(end);
        if now > not_after {
            return Err(Obstacle::KeysExpired { not_after });
        }
        let good_until = state.good_until().unwrap_or_default();
        if now > good_until {
            return Err(Obstacle::LeaseExpired { good_until });
        }
        Ok(())
    }

    /// Until when (Unix seconds) messages are judged to be in time; `None`: none can be read now.
    /// With a clock that is judged message by message; without one, keys whose lease nothing
    /// proves are not used, beyond what readers grant publishers.
    #[must_use]
    pub fn reads_until(&self, at: Moment) -> Option<u64> {
        let policy = self.state?.policy().copied().unwrap_or_default();
        let late = u64::from(policy.grace).saturating_add(policy.skew.into());
        let in_use = at.now.is_some() || (policy.lease != 0 && self.is_leased(at.uptime, late));
        let good_until = self.state?.good_until()?;
        // Nothing outlives the delegation that it was signed under.
        let end = self.keys_end.filter(|_| in_use)?;
        Some(good_until.min(end))
    }

    /// Whether the member's messages are refused because its credential has ended by what a device
    /// without a clock knows of the time: the newest announcement says what it is at least, and
    /// the refused list forgets who has expired (threat model A29).
    #[must_use]
    pub fn is_over(&self, at: Moment, not_after: u64) -> bool {
        let at_least = self.state.and_then(GroupState::issued_at);
        at.now.is_none() && at_least.is_some_and(|time| not_after < time)
    }

    /// What the holding says of a sender, for a message on this topic: the answer of a directory.
    /// `lowest`: the lowest serial that the refused list accepts of it, if the list is known.
    #[must_use]
    pub fn sender(
        &self,
        topic: Topic<'_>,
        issued: &Issued,
        lowest: Option<u32>,
        at: Moment,
    ) -> Sender {
        Sender {
            member: self.holding.member,
            key: *self.holding.key,
            credential_hash: *self.holding.hash,
            delegation: issued.delegation,
            serial: self.holding.serial,
            issued_at: issued.issued_at,
            not_after: self.holding.end.unwrap_or_default(),
            may_publish: self.covers(topic),
            lowest_serial: if self.is_over(at, issued.not_after) {
                Some(REMOVED)
            } else {
                lowest
            },
        }
    }

    fn lease(&self) -> u32 {
        let policy = self.state.and_then(GroupState::policy);
        policy.map_or(0, |policy| policy.lease)
    }

    /// Whether an answer to a nonce covers the uptime, or ended at most `late` seconds ago.
    fn is_leased(&self, uptime: Option<u64>, late: u64) -> bool {
        let until = self.state.and_then(GroupState::good_until_uptime);
        let late = late.saturating_mul(1000);
        uptime
            .zip(until)
            .is_some_and(|(uptime, until)| uptime <= until.saturating_add(late))
    }

    fn may(&self, what: impl Fn(Access) -> bool) -> bool {
        self.holding.grant.is_some_and(|(access, _)| what(access))
    }
}

impl Membership for Standing<'_> {
    fn group(&self) -> GroupId {
        self.group
    }

    fn member(&self) -> MemberNumber {
        self.holding.member
    }

    fn key(&self) -> &VerifyingKey {
        self.holding.key
    }

    fn credential_hash(&self) -> Digest {
        *self.holding.hash
    }

    fn credential_serial(&self) -> u32 {
        self.holding.serial
    }

    fn may_publish(&self) -> bool {
        self.may(Access::may_publish)
    }

    fn may_subscribe(&self) -> bool {
        self.may(Access::may_subscribe)
    }

    fn covers(&self, topic: Topic<'_>) -> bool {
        let Some((_, filter)) = self.holding.grant.filter(|_| self.may_publish()) else {
            return false;
        };
        let narrowed = filter.is_empty()
            || Filter::new(filter)
                .is_ok_and(|filter| matches_grant(filter, self.holding.name, topic));
        let covered = || self.state.is_some_and(|state| state.covers_topic(topic));
        narrowed && (self.covered == Some(topic) || covered())
    }
}
