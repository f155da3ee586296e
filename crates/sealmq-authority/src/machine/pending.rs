//! Requests that wait for an operator (spec/keys.md §12).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::check_name;
use sealmq_core::crypto::Digest;
use serde::{Deserialize, Serialize};

use super::applicant::{Applicant, is_old};
use super::members::{Admission, Enrolled, GrantSpec};
use super::record;
use super::refused::Refused;
use super::{Authority, AuthorityError, Plan};
use sealmq_keys::objects::Fingerprint;
use sealmq_keys::objects::JoinRefusalReason;
use sealmq_keys::objects::VerifiedEnrolment;

pub(super) const PENDING_PREFIX: &str = "authority/pending/";

/// Most requests that wait for an operator at once.
pub const MAX_PENDING: usize = 256;
/// Longest request that waits, in bytes, and most of all together: they are held in memory.
const MAX_PENDING_LEN: usize = 32 * 1024;
const MAX_PENDING_BYTES: usize = 512 * 1024;
/// Seconds that a request waits.
pub(super) const PENDING_SECONDS: u64 = 7 * 86_400;
/// In seconds.
const HOUR: u64 = 3600;

/// A request that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingInfo {
    /// The device's fingerprint, which the operator compares with what the device shows.
    pub device: Fingerprint,
    /// Its Ed25519 key.
    pub key: [u8; 32],
    /// The name that it wants.
    pub name: String,
    /// One-time keys that it brings: one is needed for each group.
    pub packages: usize,
    /// When it came in, Unix seconds.
    pub since: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PendingRecord {
    pub(super) device: [u8; 16],
    request: Vec<u8>,
    key: [u8; 32],
    name: String,
    packages: usize,
    /// Hash of the request.
    pub(super) hash: Digest,
    /// Number of its newest package.
    pub(super) last_package: u32,
    pub(super) at: u64,
}

impl Authority {
    pub(super) fn wait_for_operator(
        &mut self,
        applicant: &Applicant<'_>,
        now: u64,
        plan: &mut Plan,
    ) -> Result<(), Refused> {
        let fields = applicant.verified.fields();
        if self.index.by_key(&fields.key).is_some() {
            self.answer_refusal(applicant, JoinRefusalReason::Key, now, plan)?;
            return Ok(());
        }
        if applicant.sealed.request().len() > MAX_PENDING_LEN {
            self.refuse_stranger(applicant, JoinRefusalReason::Request, plan)?;
            return Ok(());
        }
        if !self.joining.pending.contains_key(&applicant.device) {
            self.make_room(plan);
        }
        self.make_room_for(applicant.device, applicant.sealed.request().len(), plan)?;
        let record = PendingRecord {
            device: applicant.device.0,
            request: applicant.sealed.request().to_vec(),
            key: fields.key,
            name: fields.name.into(),
            packages: fields.packages.iter().count(),
            hash: *applicant.verified.hash(),
            last_package: applicant.last_package(),
            at: now,
        };
        record::put(&mut plan.changes, pending_key(applicant.device), &record)?;
        self.joining.pending.insert(applicant.device, record);
        self.answer_refusal(applicant, JoinRefusalReason::Waiting, now, plan)?;
        Ok(())
    }

    /// Lets one more wait: the hour in which most of them came in loses its oldest. Keys cost
    /// nothing, so that requests have no source but their time: a flood pushes out what came with
    /// it, and nothing that waited before.
    fn make_room(&mut self, plan: &mut Plan) {
        if self.joining.pending.len() < MAX_PENDING {
            return;
        }
        let hour = |pending: &PendingRecord| pending.at.checked_div(HOUR).unwrap_or_default();
        let mut hours = BTreeMap::<u64, usize>::new();
        for pending in self.joining.pending.values() {
            let count = hours.entry(hour(pending)).or_default();
            *count = count.saturating_add(1);
        }
        let crowded = hours.iter().max_by_key(|(_, count)| **count);
        let crowded = crowded.map(|(hour, _)| *hour);
        let of_hour = self.joining.pending.iter();
        let of_hour = of_hour.filter(|(_, pending)| Some(hour(pending)) == crowded);
        let oldest = of_hour.min_by_key(|(_, pending)| pending.at);
        if let Some(device) = oldest.map(|(device, _)| *device) {
            self.forget_pending(device, plan);
            self.forget_answer(device, plan);
        }
    }

    /// The same by bytes: the longest goes, unless this one is as long.
    fn make_room_for(
        &mut self,
        device: Fingerprint,
        len: usize,
        plan: &mut Plan,
    ) -> Result<(), Refused> {
        loop {
            let others = self.joining.pending.iter();
            let others = others.filter(|(of, _)| **of != device);
            let sizes = others.map(|(of, pending)| (pending.request.len(), *of));
            let bytes = sizes
                .clone()
                .fold(len, |all, (size, _)| all.saturating_add(size));
            let longest = sizes.max().filter(|(size, _)| *size > len);
            if bytes <= MAX_PENDING_BYTES {
                return Ok(());
            }
            let Some((_, longest)) = longest else {
                return Err(Refused::Content("too much waits for an operator"));
            };
            self.forget_pending(longest, plan);
            self.forget_answer(longest, plan);
        }
    }

    /// The requests that wait for an operator.
    pub fn pending(&self) -> impl Iterator<Item = PendingInfo> + '_ {
        self.joining.pending.iter().map(|(device, p)| PendingInfo {
            device: *device,
            key: p.key,
            name: p.name.clone(),
            packages: p.packages,
            since: p.at,
        })
    }

    /// Enrols a device whose request waits, under the name that it asked for or another one.
    /// Compare its fingerprint with the one that the device shows before.
    ///
    /// # Errors
    /// No such request, or what [`Authority::enrol`] refuses; nothing was changed.
    pub fn approve(
        &mut self,
        device: Fingerprint,
        name: Option<&str>,
        grants: &[GrantSpec],
        valid_seconds: u64,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(Enrolled, Plan), AuthorityError> {
        self.check_usable()?;
        self.attempt(|this| {
            let pending = this.waiting(device, now)?;
            let request = pending.request.clone();
            let name = name.unwrap_or(&pending.name).to_string();
            check_name(&name)?;
            let suite = this.delegation.suite();
            let verified = VerifiedEnrolment::verify(&request, suite, &this.domain.domain)
                .map_err(AuthorityError::Request)?;
            let admission = Admission {
                name,
                grants: this.resolve_grants(grants)?,
                validity: valid_seconds,
            };
            let drawn = &mut this.draws(this.delegation.serial(), now, rng);
            let (enrolled, mut plan) = this.admit(&verified, admission, now, drawn)?;
            this.answer_enrolled((device, *verified.hash()), enrolled.number, now, &mut plan)?;
            Ok((enrolled, this.settle_drawn(plan, drawn, now)?))
        })
    }

    /// Refuses a request that waits, for good.
    ///
    /// # Errors
    /// No such request.
    pub fn reject(&mut self, device: Fingerprint, now: u64) -> Result<Plan, AuthorityError> {
        self.check_usable()?;
        self.attempt(|this| {
            let pending = this.waiting(device, now)?;
            let suite = this.delegation.suite();
            let verified = VerifiedEnrolment::verify(&pending.request, suite, &this.domain.domain);
            let hash = *verified.map_err(AuthorityError::Request)?.hash();
            let name = pending.name.clone();
            let mut plan = Plan::default();
            let answer = (device, hash);
            let reason = JoinRefusalReason::Operator;
            this.refuse_join(answer, name, reason, now, &mut plan)?;
            this.settle(plan, now)
        })
    }

    fn waiting(&self, device: Fingerprint, now: u64) -> Result<&PendingRecord, AuthorityError> {
        let pending = self.joining.pending.get(&device);
        pending
            .filter(|p| !is_old(p.at, PENDING_SECONDS, now))
            .ok_or_else(|| AuthorityError::NoSuchRequest(device.to_string()))
    }

    pub(super) fn forget_pending(&mut self, device: Fingerprint, plan: &mut Plan) {
        if self.joining.pending.delete(&device) {
            plan.changes.delete(pending_key(device));
        }
    }
}

fn pending_key(device: Fingerprint) -> String {
    format!("{PENDING_PREFIX}{device}")
}
