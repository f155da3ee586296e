//! What devices that join are told (spec/keys.md §12).

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use sealmq_core::MemberNumber;
use sealmq_core::crypto::Digest;
use sealmq_core::object::Role;
use serde::{Deserialize, Serialize};

use super::applicant::Applicant;
use super::record;
use super::{Authority, AuthorityError, AuthorityEvent, Plan};
use sealmq_keys::Publication;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::Fingerprint;
use sealmq_keys::objects::{JoinRefusalFields, JoinRefusalReason, MAX_JOIN_REFUSAL_LEN};

pub(super) const ANSWER_PREFIX: &str = "authority/answer/";

/// Most refusals that are remembered; the oldest makes room.
const MAX_REFUSALS: usize = 256;
/// Seconds that an answer stands unless the member confirms a welcome before.
pub(super) const ANSWER_SECONDS: u64 = 30 * 86_400;

/// What a device was told: the same request gets the same answer, and is not counted again.
#[derive(Serialize, Deserialize)]
pub(super) struct AnswerRecord {
    pub(super) device: [u8; 16],
    /// The enrolment request, which names the token.
    pub(super) request: Digest,
    /// Number of the refusal's reason; 0 if the device was enrolled.
    reason: u8,
    /// Of the delegation under which the answer was signed.
    serial: u32,
    pub(super) at: u64,
}

impl Authority {
    /// Answers what was answered before, without counting it again.
    pub(super) fn answer_again(
        &mut self,
        applicant: &Applicant<'_>,
        now: u64,
        plan: &mut Plan,
    ) -> Result<bool, AuthorityError> {
        let (device, hash) = (applicant.device, *applicant.verified.hash());
        let serial = self.delegation.serial();
        let known = self.joining.answers.get(&device);
        let known = known.filter(|answer| answer.serial == serial);
        let member = self.index.by_key(applicant.verified.key().as_bytes());
        let member = member.and_then(|number| self.members.get(&number));
        if let Some(member) = member.filter(|m| m.is_active() && m.request == hash) {
            if member.has_confirmed() {
                // It has all that it asks for: somebody repeats an old request.
                return Ok(true);
            }
            let (number, current) = (member.number, known.is_some_and(|k| k.reason == 0));
            if !current {
                self.answer_enrolled((device, hash), number, now, plan)?;
            }
            if let Some(member) = self.members.get(&number) {
                plan.republish.extend(self.waiting_for(member, device));
            }
            return Ok(true);
        }
        let same = known.is_some_and(|k| k.reason != 0 && k.request == hash);
        if same {
            let topic = ReservedTopic::Answer(device).name(&self.domain.prefix);
            plan.republish.push(topic);
        }
        Ok(same)
    }

    pub(super) fn answer_enrolled(
        &mut self,
        (device, request): (Fingerprint, Digest),
        member: MemberNumber,
        now: u64,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let credential = self.credential(self.active(member)?)?;
        let answer = AnswerRecord {
            device: device.0,
            request,
            reason: 0,
            serial: self.delegation.serial(),
            at: now,
        };
        self.answer(device, answer, credential, plan)
    }

    pub(super) fn answer_refusal(
        &mut self,
        applicant: &Applicant<'_>,
        reason: JoinRefusalReason,
        now: u64,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let answer = (applicant.device, *applicant.verified.hash());
        let name = applicant.verified.fields().name.into();
        self.refuse_join(answer, name, reason, now, plan)
    }

    pub(super) fn refuse_join(
        &mut self,
        (device, request): (Fingerprint, Digest),
        name: String,
        reason: JoinRefusalReason,
        now: u64,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let object = self.join_refusal(request, reason)?;
        let answer = AnswerRecord {
            device: device.0,
            request,
            reason: reason as u8,
            serial: self.delegation.serial(),
            at: now,
        };
        self.drop_oldest_refusal(device, plan);
        plan.events.push(AuthorityEvent::JoinRefused {
            device,
            name,
            reason,
        });
        self.answer(device, answer, object, plan)
    }

    /// Refuses a device that has proved no right to join. Whoever makes up such requests must leave
    /// nothing behind: the answer is not retained, not remembered and not logged, and the same
    /// request gets it again.
    pub(super) fn refuse_stranger(
        &self,
        applicant: &Applicant<'_>,
        reason: JoinRefusalReason,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let device = applicant.device;
        plan.events.push(AuthorityEvent::JoinRefused {
            device,
            name: applicant.verified.fields().name.into(),
            reason,
        });
        plan.publications.push(Publication {
            topic: ReservedTopic::Answer(device).name(&self.domain.prefix),
            payload: self.join_refusal(*applicant.verified.hash(), reason)?,
            retain: false,
        });
        Ok(())
    }

    fn join_refusal(
        &self,
        request: Digest,
        reason: JoinRefusalReason,
    ) -> Result<Vec<u8>, AuthorityError> {
        let (signer, key) = self.signer(Role::Issue)?;
        let fields = JoinRefusalFields {
            domain: self.domain.domain,
            serial: self.delegation.serial(),
            signer,
            request,
            reason,
        };
        let mut buffer = vec![0; MAX_JOIN_REFUSAL_LEN];
        Ok(fields.sign(key, &mut buffer)?.0.to_vec())
    }

    /// Publishes an answer and remembers it. Only one that is not final leaves the request
    /// waiting.
    fn answer(
        &mut self,
        device: Fingerprint,
        answer: AnswerRecord,
        object: Vec<u8>,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        // A refusal of another request of the device is none of the one that waits.
        let waits = self.joining.pending.get(&device);
        let same = waits.is_some_and(|waits| waits.hash == answer.request);
        let key_in_use = [0, JoinRefusalReason::Key as u8].contains(&answer.reason);
        if key_in_use || (same && answer.reason != JoinRefusalReason::Waiting as u8) {
            self.forget_pending(device, plan);
        }
        let topic = ReservedTopic::Answer(device).name(&self.domain.prefix);
        plan.publish(Publication::retained(topic, object));
        record::put(&mut plan.changes, answer_key(device), &answer)?;
        self.joining.answers.insert(device, answer);
        Ok(())
    }

    /// Clears a device's answer topic, if something stands there.
    pub(super) fn forget_answer(&mut self, device: Fingerprint, plan: &mut Plan) {
        if self.joining.answers.delete(&device) {
            plan.changes.delete(answer_key(device));
            let topic = ReservedTopic::Answer(device).name(&self.domain.prefix);
            plan.publish(Publication::clear(topic));
        }
    }

    /// Makes room for one more refusal: whoever floods the authority with requests pushes out
    /// refusals only.
    fn drop_oldest_refusal(&mut self, next: Fingerprint, plan: &mut Plan) {
        let final_refusals = self.joining.answers.iter().filter(|(device, answer)| {
            let waits = answer.reason == JoinRefusalReason::Waiting as u8;
            answer.reason != 0 && !waits && **device != next
        });
        let mut oldest = None;
        let mut count = 0_usize;
        for (device, answer) in final_refusals {
            count = count.saturating_add(1);
            if oldest.is_none_or(|(at, _)| answer.at < at) {
                oldest = Some((answer.at, *device));
            }
        }
        if let Some((_, device)) = oldest.filter(|_| count >= MAX_REFUSALS) {
            self.forget_answer(device, plan);
        }
    }
}

fn answer_key(device: Fingerprint) -> String {
    format!("{ANSWER_PREFIX}{device}")
}
