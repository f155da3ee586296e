//! Leases for members without a clock (spec/keys.md §8): their nonces, and the answers.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use sealmq_core::object::Role;
use sealmq_core::{GroupId, MemberNumber};

use super::limits::Bucket;
use super::refused::Refused;
use super::{Authority, AuthorityError, Plan};
use sealmq_keys::Publication;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::{
    LEASE_NONCE_LEN, MAX_NONCE_ANSWER_LEN, NonceAnswerFields, NonceFields, UnverifiedNonce,
};

/// Seconds between two nonce answers for one member and group (spec/keys.md §8).
const INTERVAL: u64 = 5;
/// Seconds for which the number of an answered nonce is remembered: a device whose store was put
/// back asks with lower numbers.
const REMEMBERED: u64 = 60;
/// Signatures of nonces that are verified at once, and each second. A stranger can have one
/// verified with each message; more would cost the authority its core.
const VERIFIED_AT_ONCE: u32 = 4000;
const VERIFIED_EACH_SECOND: u32 = 2000;

type Asker = (GroupId, MemberNumber);

/// What is known of the nonces of members; in memory only.
pub(super) struct Nonces {
    verifications: Bucket,
    /// Of members whose signature was verified, and of nobody else.
    asked: BTreeMap<Asker, Asked>,
    /// Those of which a nonce waits.
    waiting: BTreeMap<Asker, [u8; LEASE_NONCE_LEN]>,
}

#[derive(Clone, Copy)]
struct Asked {
    /// The highest number that was seen.
    number: u64,
    /// When the last answer was given, Unix seconds.
    at: u64,
}

impl Default for Nonces {
    fn default() -> Self {
        Self {
            verifications: Bucket::new(VERIFIED_AT_ONCE, VERIFIED_EACH_SECOND),
            asked: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }
}

impl Nonces {
    /// Whether somebody plays back a nonce that was seen, or one before it.
    pub(super) fn is_known(&self, asker: &Asker, number: u64, now: u64) -> bool {
        let asked = self.asked.get(asker);
        asked.is_some_and(|asked| number <= asked.number && asked.at.abs_diff(now) < REMEMBERED)
    }

    /// When the next answer of those that wait is due.
    pub(super) fn due_at(&self) -> Option<u64> {
        let waiting = self
            .waiting
            .keys()
            .filter_map(|asker| self.asked.get(asker));
        waiting.map(|asked| asked.at.saturating_add(INTERVAL)).min()
    }
}

impl Authority {
    /// A nonce of a member without a clock: the answer is not retained, and nothing of it is
    /// kept. A stranger's costs one signature that does not verify; a member's own wait for each
    /// other, the newest in front, so that none that is played back takes another one's place.
    pub(super) fn take_nonce(
        &mut self,
        group: GroupId,
        member: MemberNumber,
        payload: &[u8],
        now: u64,
    ) -> Result<Plan, Refused> {
        let mut plan = Plan::default();
        let nonce = UnverifiedNonce::decode(payload, &self.domain.domain, member, &group)?;
        let (record, key) = self.writer(member)?;
        let granted = record.grant(&group).and(self.groups.get(&group));
        let granted = granted.ok_or(Refused::Content("not a member of this group"))?;
        let asker = (group, member);
        let known = self.intake.nonces.is_known(&asker, nonce.number(), now);
        if granted.policy.lease == 0 || known {
            return Ok(plan);
        }
        if !self.intake.nonces.verifications.take(now) {
            return Err(Refused::Content("too many nonces at once"));
        }
        let NonceFields { number, nonce, .. } = nonce.verify(&key)?;
        let asked = &mut self.intake.nonces.asked;
        let last = asked.get(&asker).map(|asked| asked.at);
        let last = last.filter(|last| last.abs_diff(now) < INTERVAL);
        asked.retain(|_, asked| asked.at.abs_diff(now) < REMEMBERED);
        let at = last.unwrap_or(now);
        asked.insert(asker, Asked { number, at });
        if last.is_some() {
            self.intake.nonces.waiting.insert(asker, nonce);
            return Ok(plan);
        }
        self.intake.nonces.waiting.remove(&asker);
        plan.publications.extend(self.lease_for(asker, nonce, now)?);
        Ok(plan)
    }

    /// Answers the nonces whose time has come.
    pub(super) fn answer_nonces(
        &mut self,
        now: u64,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let nonces = &self.intake.nonces;
        let due = nonces.waiting.iter().filter(|(asker, _)| {
            let asked = nonces.asked.get(asker);
            asked.is_none_or(|asked| asked.at.abs_diff(now) >= INTERVAL)
        });
        let due: Vec<(Asker, [u8; LEASE_NONCE_LEN])> = due.map(|(a, n)| (*a, *n)).collect();
        for (asker, nonce) in due {
            self.intake.nonces.waiting.remove(&asker);
            if let Some(asked) = self.intake.nonces.asked.get_mut(&asker) {
                asked.at = now;
            }
            plan.publications.extend(self.lease_for(asker, nonce, now)?);
        }
        Ok(())
    }

    fn lease_for(
        &self,
        (group, member): Asker,
        nonce: [u8; LEASE_NONCE_LEN],
        now: u64,
    ) -> Result<Option<Publication>, AuthorityError> {
        let active = self.members.get(&member).filter(|m| m.is_active());
        let granted = active
            .and_then(|m| m.grant(&group))
            .and(self.groups.get(&group));
        let valid = |granted: &&super::record::GroupRecord| {
            now <= granted.not_after && self.delegation.is_valid_at(now, 0)
        };
        let Some(granted) = granted.filter(valid) else {
            return Ok(None);
        };
        let (signer, key) = self.signer(Role::Heartbeat)?;
        let fields = NonceAnswerFields {
            domain: self.domain.domain,
            serial: self.delegation.serial(),
            signer,
            group,
            member,
            nonce,
            epoch: granted.epoch,
            announcement: granted.announcement,
            lease: granted.policy.lease,
        };
        let mut buffer = vec![0; MAX_NONCE_ANSWER_LEN];
        let (object, _) = fields.sign(key, &mut buffer)?;
        Ok(Some(Publication {
            topic: ReservedTopic::NonceAnswer(member, group).name(&self.domain.prefix),
            payload: object.to_vec(),
            retain: false,
        }))
    }
}
