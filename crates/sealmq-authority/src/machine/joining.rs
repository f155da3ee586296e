//! Joining over MQTT (spec/keys.md §12): requests and answers.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::MemberNumber;
use sealmq_core::crypto::{Digest, RecipientKeyPair};
use sealmq_core::object::{ObjectError, Role, kem_of};
use serde::{Deserialize, Serialize};

use super::applicant::{Applicant, is_old};
use super::draft::Table;
use super::intake::Refused;
use super::members::Admission;
use super::pending::{PENDING_PREFIX, PENDING_SECONDS, PendingRecord};
use super::record;
use super::tokens::{TOKEN_PREFIX, TokenRecord};
use super::{Authority, AuthorityError, AuthorityEvent, LoadError, Plan};
use sealmq_keys::Publication;
use sealmq_keys::ReservedTopic;
use sealmq_keys::Store;
use sealmq_keys::objects::Fingerprint;
use sealmq_keys::objects::TOKEN_ID_LEN;
use sealmq_keys::objects::{JoinRefusalFields, JoinRefusalReason, MAX_JOIN_REFUSAL_LEN};
use sealmq_keys::objects::{JoinRequest, OpenedJoinRequest};

pub(super) const ANSWER_PREFIX: &str = "authority/answer/";

/// Most refusals that are remembered; the oldest makes room.
const MAX_REFUSALS: usize = 256;
/// Seconds that an answer stands unless the member confirms a welcome before.
const ANSWER_SECONDS: u64 = 30 * 86_400;

/// What a device was told: the same request gets the same answer, and is not counted again.
#[derive(Serialize, Deserialize)]
pub(super) struct AnswerRecord {
    pub(super) device: [u8; 16],
    /// The enrolment request, which names the token.
    request: Digest,
    /// Number of the refusal's reason; 0 if the device was enrolled.
    reason: u8,
    /// Of the delegation under which the answer was signed.
    serial: u32,
    at: u64,
}

/// Everything about devices that join, in memory.
#[derive(Default)]
pub(super) struct Joining {
    pub(super) tokens: Table<[u8; TOKEN_ID_LEN], TokenRecord>,
    pub(super) pending: Table<Fingerprint, PendingRecord>,
    pub(super) answers: Table<Fingerprint, AnswerRecord>,
}

impl Joining {
    pub(super) fn keep(&mut self) {
        self.tokens.keep();
        self.pending.keep();
        self.answers.keep();
    }

    pub(super) fn undo(&mut self) {
        self.tokens.undo();
        self.pending.undo();
        self.answers.undo();
    }

    pub(super) fn load<S: Store>(store: &S) -> Result<Self, LoadError<S::Error>> {
        let tokens: Vec<TokenRecord> = record::read_all(store, TOKEN_PREFIX)?;
        let pending: Vec<PendingRecord> = record::read_all(store, PENDING_PREFIX)?;
        let answers: Vec<AnswerRecord> = record::read_all(store, ANSWER_PREFIX)?;
        let pending = pending.into_iter();
        let answers = answers.into_iter();
        Ok(Self {
            tokens: tokens.into_iter().map(|t| (t.id, t)).collect(),
            pending: pending.map(|p| (Fingerprint(p.device), p)).collect(),
            answers: answers.map(|a| (Fingerprint(a.device), a)).collect(),
        })
    }
}

impl Authority {
    pub(super) fn take_join(
        &mut self,
        device: Fingerprint,
        payload: &[u8],
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, Refused> {
        let sealed = self.open_join(payload, now)?;
        let verified = sealed.enrolment()?;
        // Nobody gets an answer onto another device's topic.
        if Fingerprint::of(verified.key()) != device {
            return Err(ObjectError::Field("key").into());
        }
        let applicant = Applicant {
            device,
            sealed: &sealed,
            verified,
        };
        let mut plan = self.decide(&applicant, now, rng)?;
        // Not even an entry of the outbox is needed: a request that comes again is cleared again.
        let topic = ReservedTopic::Join(device).name(&self.domain.prefix);
        plan.publications.push(Publication::clear(topic));
        Ok(plan)
    }

    /// Opens a request that was sealed to one of our keys; how many is bounded.
    fn open_join(&mut self, payload: &[u8], now: u64) -> Result<OpenedJoinRequest, Refused> {
        let kem = kem_of(self.delegation.suite())?;
        let current = self.delegation.serial();
        let seeds = &self.domain.keys.kem;
        // A request may have crossed a new delegation on its way.
        let previous = self.domain.previous_kem.as_ref();
        let bucket = &mut self.intake.join_opens;
        let mut busy = false;
        let mut foreign = false;
        let mut pair = None;
        let opened = JoinRequest::open(payload, &self.domain.domain, |serial, key| {
            let seeds = match previous {
                _ if serial == current => Some(seeds),
                Some(previous) if serial == previous.serial => Some(&previous.seeds),
                _ => None,
            };
            foreign = seeds.is_none();
            let seed = seeds?.get(usize::from(key))?;
            busy = !bucket.take(now);
            let derive = || RecipientKeyPair::derive(kem, &seed.secret());
            (!busy).then(|| &*pair.insert(derive()))
        });
        match opened {
            Err(_) if busy => Err(Refused::Content(
                "too many join requests at once: the device tries again",
            )),
            Err(_) if foreign => Err(Refused::Content(
                "sealed under another delegation: the device joins again when it has the current one",
            )),
            opened => Ok(opened?),
        }
    }

    /// The checks, in the order of spec/keys.md §12.
    fn decide(
        &mut self,
        applicant: &Applicant<'_>,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, Refused> {
        let mut plan = Plan::default();
        if self.answer_again(applicant, now, &mut plan)? {
            return Ok(plan);
        }
        // Packages are numbered upwards: whoever saw an older request must not undo a newer one.
        let waits = self.joining.pending.get(&applicant.device);
        if waits.is_some_and(|waits| applicant.last_package() < waits.last_package) {
            return Err(Refused::Content("a newer request of this device waits"));
        }
        let Some(id) = applicant.verified.token() else {
            self.wait_for_operator(applicant, now, &mut plan)?;
            return Ok(plan);
        };
        let fields = applicant.verified.fields();
        let hash = applicant.verified.hash();
        // Only what the device signed decides about a refusal. The mac is not signed: whoever saw
        // the request can seal it again with a wrong one.
        let Some(token) = self.usable_token(id, now) else {
            self.answer_refusal(applicant, JoinRefusalReason::Token, now, &mut plan)?;
            return Ok(plan);
        };
        if !token.proves(applicant.sealed) {
            return Err(Refused::Content(
                "made without the secret of its token: perhaps by somebody else than the device",
            ));
        }
        if !token.admits(fields.name) {
            self.answer_refusal(applicant, JoinRefusalReason::Name, now, &mut plan)?;
            return Ok(plan);
        }
        let admission = Admission {
            name: fields.name.into(),
            grants: token.grants.clone(),
            validity: token.member_validity,
        };
        match self.admit(&applicant.verified, admission, now, rng) {
            Ok((enrolled, admitted)) => {
                plan.append(admitted);
                self.use_token(id, &mut plan)?;
                let answer = (applicant.device, *hash);
                self.answer_enrolled(answer, enrolled.number, now, &mut plan)?;
            }
            Err(error) => {
                let reason = reason_of(&error).ok_or(error)?;
                self.answer_refusal(applicant, reason, now, &mut plan)?;
            }
        }
        Ok(plan)
    }

    /// Answers what was answered before, without counting it again.
    fn answer_again(
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
        let serial = self.delegation.serial();
        let (signer, key) = self.signer(Role::Issue)?;
        let fields = JoinRefusalFields {
            domain: self.domain.domain,
            serial,
            signer,
            request,
            reason,
        };
        let mut buffer = vec![0; MAX_JOIN_REFUSAL_LEN];
        let object = fields.sign(key, &mut buffer)?.0.to_vec();
        let answer = AnswerRecord {
            device: device.0,
            request,
            reason: reason as u8,
            serial,
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

    /// Forgets tokens, requests and answers whose time has passed.
    pub(super) fn expire_joining(&mut self, now: u64, plan: &mut Plan) {
        self.expire_tokens(now, plan);
        let pending = self.joining.pending.iter();
        let old = pending.filter(|(_, p)| is_old(p.at, PENDING_SECONDS, now));
        let old: Vec<Fingerprint> = old.map(|(device, _)| *device).collect();
        for device in old {
            self.forget_pending(device, plan);
            self.forget_answer(device, plan);
        }
        let answers = self.joining.answers.iter();
        let old = answers.filter(|(_, a)| is_old(a.at, ANSWER_SECONDS, now));
        let old: Vec<Fingerprint> = old.map(|(device, _)| *device).collect();
        for device in old {
            self.forget_answer(device, plan);
        }
    }
}

/// What a device is told when it cannot be enrolled; `None` if the fault is the authority's, and
/// the device should try again.
const fn reason_of(error: &AuthorityError) -> Option<JoinRefusalReason> {
    match error {
        AuthorityError::MemberExists(_) | AuthorityError::NumericName | AuthorityError::Name(_) => {
            Some(JoinRefusalReason::Name)
        }
        AuthorityError::KeyEnrolled(_) => Some(JoinRefusalReason::Key),
        AuthorityError::Packages { .. } | AuthorityError::Request(_) | AuthorityError::Kem(_) => {
            Some(JoinRefusalReason::Request)
        }
        _ => None,
    }
}

fn answer_key(device: Fingerprint) -> String {
    format!("{ANSWER_PREFIX}{device}")
}
