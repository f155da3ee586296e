//! Joining over MQTT (spec/keys.md §12): requests and answers.

use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::object::ObjectError;

use super::answers::{ANSWER_PREFIX, ANSWER_SECONDS, AnswerRecord};
use super::applicant::{Applicant, is_old};
use super::draft::Table;
use super::members::Admission;
use super::pending::{PENDING_PREFIX, PENDING_SECONDS, PendingRecord};
use super::record::{self, SecretBytes};
use super::refused::Refused;
use super::tokens::{TOKEN_PREFIX, TokenRecord};
use super::{Authority, AuthorityError, LoadError, Plan};
use sealmq_keys::Store;
use sealmq_keys::objects::Fingerprint;
use sealmq_keys::objects::JoinRefusalReason;
use sealmq_keys::objects::OpenedJoinRequest;
use sealmq_keys::objects::TOKEN_ID_LEN;

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
    /// The seed of a key that requests are sealed to. One may have crossed a new delegation on its
    /// way.
    pub(super) fn kem_seed(&self, serial: u32, key: u8) -> Option<&SecretBytes> {
        let seeds = match self.domain.previous_kem.as_ref() {
            _ if serial == self.delegation.serial() => &self.domain.keys.kem,
            Some(previous) if serial == previous.serial => &previous.seeds,
            _ => return None,
        };
        seeds.get(usize::from(key))
    }

    /// Decides about a request that was opened.
    pub(super) fn take_join(
        &mut self,
        device: Fingerprint,
        sealed: &OpenedJoinRequest,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, Refused> {
        let verified = sealed.enrolment()?;
        // Nobody gets an answer onto another device's topic.
        if Fingerprint::of(verified.key()) != device {
            return Err(ObjectError::Field("key").into());
        }
        let applicant = Applicant {
            device,
            sealed,
            verified,
        };
        self.decide(&applicant, now, rng)
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
            self.refuse_stranger(applicant, JoinRefusalReason::Token, &mut plan)?;
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
