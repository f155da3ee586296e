//! What members and devices write on reserved topics. Nobody has checked it: whatever is wrong
//! with it is counted and told, and changes nothing (spec/keys.md §9).

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use rand_core::TryCryptoRng;
use sealmq_core::MemberNumber;
use sealmq_core::crypto::VerifyingKey;

use super::arrivals::Arrivals;
use super::nonces::Nonces;
use super::pace::Paces;
use super::record::MemberRecord;
use super::refused::Refused;
use super::{Authority, AuthorityError, AuthorityEvent, Plan};
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::Fingerprint;

/// Seconds for which one sign of life of a member is enough.
const ALIVE_INTERVAL: u64 = 60;
/// Sets of packages that are taken of one member at once, and after how many seconds one more.
const SETS_AT_ONCE: u64 = 8;
const SET_INTERVAL: u64 = 60;
/// Longest part of a topic that an event shows, in characters.
const SHOWN_TOPIC_LEN: usize = 200;

/// What bounds the work that writers of reserved topics cause; in memory only.
pub(super) struct Intake {
    pub(super) arrivals: Arrivals,
    pub(super) nonces: Nonces,
    /// Sets of packages with something new in them.
    pub(super) sets: Paces<MemberNumber>,
    /// When a member last showed that it is there.
    alive: BTreeMap<MemberNumber, u64>,
    refused: u64,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            arrivals: Arrivals::default(),
            nonces: Nonces::default(),
            sets: Paces::new(SETS_AT_ONCE, SET_INTERVAL),
            alive: BTreeMap::new(),
            refused: 0,
        }
    }
}

/// Whether the authority cannot go on, whatever comes in.
const fn is_own_fault(error: &AuthorityError) -> bool {
    matches!(error, AuthorityError::Random | AuthorityError::Record)
}

impl Authority {
    /// Takes what arrived on one of the topics of [`authority_filters`](sealmq_keys::authority_filters):
    /// confirmations, key packages, nonces and join requests. What the authority writes itself is
    /// for [`Authority::observe`]. `now` is in Unix seconds.
    ///
    /// Everything may arrive twice, late, or forged. What cannot be used gives
    /// [`AuthorityEvent::Refused`] and is counted, never an error; empty content does nothing.
    /// Join requests that are too many for now wait, and are taken with one of the next calls or
    /// with [`Authority::tick`], which [`Authority::next_due`] asks for.
    ///
    /// # Errors
    /// The authority itself cannot act: its randomness, its records or its keys.
    pub fn handle(
        &mut self,
        topic: &str,
        payload: &[u8],
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        self.check_usable()?;
        if payload.is_empty() {
            return Ok(Plan::default());
        }
        let Some(reserved) = ReservedTopic::parse(&self.domain.prefix, topic) else {
            return Ok(self.refuse(topic, "no reserved topic of this version".into()));
        };
        if payload.len() > reserved.max_len() {
            return Ok(self.refuse(topic, "longer than this topic allows".into()));
        }
        if let ReservedTopic::Join(device) = reserved {
            let mut plan = self.queue_join(device, payload, now);
            plan.follow(self.work_off(now, rng)?);
            return Ok(plan);
        }
        let result = self.attempt(|this| {
            let drawn = &mut this.draws(this.delegation.serial(), now, rng);
            let plan = match reserved {
                ReservedTopic::Confirm(member) => this.take_confirmation(member, payload, now)?,
                ReservedTopic::Packages(member) => this.take_packages(member, payload, now)?,
                ReservedTopic::Nonce(group, member) => {
                    this.take_nonce(group, member, payload, now)?
                }
                // What only the authority itself writes: for `Authority::observe`.
                _ => Plan::default(),
            };
            Ok(this.settle_drawn(plan, drawn, now)?)
        });
        result.or_else(|refused| self.tell(topic, refused))
    }

    /// Tells why an input changed nothing, unless the authority cannot go on.
    pub(super) fn tell(&mut self, topic: &str, refused: Refused) -> Result<Plan, AuthorityError> {
        match refused {
            Refused::Content(why) => Ok(self.refuse(topic, why.into())),
            Refused::Object(error) => Ok(self.refuse(topic, error.to_string())),
            Refused::Fault(error) if is_own_fault(&error) => Err(error),
            // The device or member can try again when an operator has seen to it.
            Refused::Fault(error) => Ok(self.refuse(topic, error.to_string())),
        }
    }

    /// How many inputs [`Authority::handle`] has refused since the authority was loaded.
    #[must_use]
    pub const fn refused_inputs(&self) -> u64 {
        self.intake.refused
    }

    pub(super) fn refuse(&mut self, topic: &str, why: String) -> Plan {
        self.intake.refused = self.intake.refused.saturating_add(1);
        let mut plan = Plan::default();
        plan.events.push(AuthorityEvent::Refused {
            topic: topic.chars().take(SHOWN_TOPIC_LEN).collect(),
            why,
        });
        plan
    }

    /// The active member that writes on a topic, and its key.
    pub(super) fn writer(
        &self,
        member: MemberNumber,
    ) -> Result<(&MemberRecord, VerifyingKey), Refused> {
        let record = self.members.get(&member).filter(|m| m.is_active());
        let record = record.ok_or(Refused::Content("no such member, or it was removed"))?;
        let key = VerifyingKey::from_bytes(&record.key).map_err(|_| AuthorityError::Record)?;
        Ok((record, key))
    }

    /// A member showed that it is there: what waits for it is published again, in case the broker
    /// has lost it.
    pub(super) fn sign_of_life(&mut self, member: MemberNumber, now: u64, plan: &mut Plan) {
        let last = self.intake.alive.get(&member);
        if last.is_some_and(|last| last.abs_diff(now) < ALIVE_INTERVAL) {
            return;
        }
        let Some(record) = self.members.get(&member) else {
            return;
        };
        self.intake.alive.insert(member, now);
        let device = Fingerprint::of_bytes(&record.key);
        plan.republish.extend(self.waiting_for(record, device));
    }

    /// Topics of what a member may still need: its credential, and welcomes that it has not
    /// confirmed.
    pub(super) fn waiting_for(
        &self,
        record: &MemberRecord,
        device: Fingerprint,
    ) -> alloc::vec::Vec<String> {
        let open = record.grants.iter().filter(|grant| {
            let newest = grant.places.last();
            newest.is_some_and(|place| !place.issued.confirmed)
        });
        let welcomes = open.map(|grant| ReservedTopic::Welcome(record.number, grant.group));
        let answer = self.joining.answers.contains_key(&device);
        let answer = answer.then_some(ReservedTopic::Answer(device));
        core::iter::once(ReservedTopic::Credential(record.number))
            .chain(answer)
            .chain(welcomes)
            .map(|topic| topic.name(&self.domain.prefix))
            .collect()
    }
}
