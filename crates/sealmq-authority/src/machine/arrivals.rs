//! Join requests as they come in, and the order in which they are taken (spec/keys.md §12).
//! Anybody can make them up, so that work is spent in steps: form and serial at once, opening when
//! it is their turn, and then those that prove a token, or that are known, apart from the rest.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::{RecipientKeyPair, sha256};
use sealmq_core::object::{ObjectError, kem_of};

use super::fair::Fair;
use super::limits::Bucket;
use super::pace::Paces;
use super::refused::Refused;
use super::{Authority, AuthorityError, Plan};
use sealmq_keys::Publication;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::{Fingerprint, JoinRequest, OpenedJoinRequest, TOKEN_ID_LEN};

/// Most requests that wait to be opened, because too many came at once, and most bytes.
const MOST_RAW: (usize, usize) = (1024, 128 << 10);
/// Of those that prove a token.
const MOST_PROVEN: (usize, usize) = (16_384, 32 << 20);
/// Of the rest: anybody can make them.
const MOST_OTHERS: (usize, usize) = (512, 256 << 10);
/// What one that waits costs besides its bytes.
const OVERHEAD: usize = 256;
/// Requests opened at once, and in a second.
const OPENED: (u32, u32) = (10_000, 1000);
/// Opened by one call.
const OPENED_AT_ONCE: usize = 512;
/// Decided by one call, so that answers go out between.
const TAKEN_AT_ONCE: usize = 64;
/// Seconds for which the same bytes again are not even opened.
const SAME_AGAIN: u64 = 2;
/// Seconds between two times that one is answered once more.
const ANSWERED_AGAIN: u64 = 5;
/// Most of them that are remembered.
const MOST_HEARD: usize = 4096;
/// A request costs one more for each of them, in bytes: it may bring 64 keys, each signed.
const COSTS_MORE: usize = 4096;

/// What waits, in memory only: a request stands at the broker until it is answered, and its device
/// repeats it.
pub(super) struct Arrivals {
    raw: Fair<Fingerprint, Vec<u8>>,
    /// By token: whoever has one takes turns with the others.
    proven: Fair<[u8; TOKEN_ID_LEN], Opened>,
    others: Fair<Fingerprint, Opened>,
    /// Of those that were answered before: their answer goes out again.
    answered: Fair<Fingerprint, Opened>,
    again: Paces<Fingerprint>,
    /// It is their turn, and not that of those that prove a token.
    answers_next: bool,
    /// The rest has to wait: their answers cannot be sent.
    holds_strangers: bool,
    opens: Bucket,
    admissions: Bucket,
    strangers: Bucket,
    /// Hashes of what came lately.
    heard: BTreeMap<[u8; 16], u64>,
    /// What the last call took: if its plan was not committed, it is taken again.
    taken: Vec<Opened>,
    worked_at: u64,
    /// Nothing more can be done in that second.
    is_spent: bool,
}

/// An opened request. Who made it is not known yet.
struct Opened {
    device: Fingerprint,
    request: OpenedJoinRequest,
    origin: Origin,
}

/// What an opened request waits with.
#[derive(Clone, Copy)]
enum Origin {
    /// Those that prove this token.
    Holder([u8; TOKEN_ID_LEN]),
    /// Those that were answered before.
    Answered,
    Anybody,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self {
            raw: Fair::new(MOST_RAW.0, MOST_RAW.1),
            proven: Fair::new(MOST_PROVEN.0, MOST_PROVEN.1),
            others: Fair::new(MOST_OTHERS.0, MOST_OTHERS.1),
            answered: Fair::new(MOST_OTHERS.0, MOST_OTHERS.1),
            again: Paces::new(1, ANSWERED_AGAIN),
            answers_next: false,
            holds_strangers: false,
            opens: Bucket::new(OPENED.0, OPENED.1),
            admissions: Bucket::new(200, 200),
            strangers: Bucket::new(300, 150),
            heard: BTreeMap::new(),
            taken: Vec::new(),
            worked_at: 0,
            is_spent: false,
        }
    }
}

impl Arrivals {
    /// When something can be done; a time that has passed if it can be done now.
    pub(super) const fn due(&self) -> Option<u64> {
        let others = self.others.is_empty() || self.holds_strangers;
        if self.raw.is_empty() && self.proven.is_empty() && self.answered.is_empty() && others {
            return None;
        }
        Some(self.worked_at.saturating_add(self.is_spent as u64))
    }

    /// Whether devices wait that can join.
    pub(super) const fn admits(&self) -> bool {
        !self.proven.is_empty()
    }

    /// Whether the same came lately on this topic, from whomever.
    fn has_heard(&mut self, device: Fingerprint, payload: &[u8], now: u64) -> bool {
        let hash = sha256(&[&device.0, payload]).0;
        let hash = hash.first_chunk().copied().unwrap_or_default();
        if self.heard.get(&hash).is_some_and(|at| is_lately(*at, now)) {
            return true;
        }
        if self.heard.len() >= MOST_HEARD {
            self.heard.retain(|_, at| is_lately(*at, now));
        }
        if self.heard.len() < MOST_HEARD {
            self.heard.insert(hash, now);
        }
        false
    }

    fn sort_in(&mut self, opened: Opened) -> bool {
        let (device, len) = (opened.device, opened.request.request().len());
        let size = len.saturating_add(OVERHEAD);
        match opened.origin {
            Origin::Holder(token) => self.proven.push(token, opened, len),
            Origin::Answered => self.answered.push(device, opened, size),
            Origin::Anybody => self.others.push(device, opened, size),
        }
    }

    /// Of what anybody can make.
    pub(super) const fn bytes(&self) -> usize {
        let others = self.others.bytes().saturating_add(self.answered.bytes());
        self.raw.bytes().saturating_add(others)
    }

    fn next(&mut self, now: u64) -> Option<Opened> {
        let waits = !self.proven.is_empty() || !self.answered.is_empty();
        if waits && self.admissions.take(now) {
            let answered = self.proven.is_empty() || self.answers_next;
            let answered = answered.then(|| self.answered.pop()).flatten();
            self.answers_next = answered.is_none();
            if let Some((_, opened)) = answered {
                self.admissions.charge(more_for(&opened));
                return Some(opened);
            }
            return self.proven.pop().map(|(_, opened)| opened);
        }
        if self.holds_strangers || self.others.is_empty() || !self.strangers.take(now) {
            return None;
        }
        let (_, opened) = self.others.pop()?;
        self.strangers.charge(more_for(&opened));
        Some(opened)
    }

    fn put_back(&mut self, opened: Opened) {
        let (device, len) = (opened.device, opened.request.request().len());
        let size = len.saturating_add(OVERHEAD);
        match opened.origin {
            Origin::Holder(token) => self.proven.put_back(token, opened, len),
            Origin::Answered => self.answered.put_back(device, opened, size),
            Origin::Anybody => self.others.put_back(device, opened, size),
        }
    }
}

/// What a long request costs besides.
fn more_for(opened: &Opened) -> u32 {
    let more = opened.request.request().len().checked_div(COSTS_MORE);
    let more = more.and_then(|more| u32::try_from(more).ok());
    more.unwrap_or(u32::MAX)
}

const fn is_lately(at: u64, now: u64) -> bool {
    at.abs_diff(now) < SAME_AGAIN
}

impl Authority {
    /// As [`Authority::handle`] for a join request, which only waits then: for a driver that takes
    /// many inputs before it commits. [`Authority::tick`] takes what waits.
    pub fn queue_join(&mut self, device: Fingerprint, payload: &[u8], now: u64) -> Plan {
        match self.hear_join(device, payload, now) {
            Ok(()) => Plan::default(),
            Err(refused) => {
                let topic = self.join_topic(device);
                // Otherwise it came again with each connection.
                let clears = !matches!(refused, Refused::Content(_));
                let mut plan = self.tell(&topic, refused).unwrap_or_default();
                if clears {
                    plan.publications.push(Publication::clear(topic));
                }
                plan
            }
        }
    }

    /// The checks that cost nothing, and what it is, as long as the budget lasts: what proves a
    /// token may wait, of the others little.
    fn hear_join(&mut self, device: Fingerprint, payload: &[u8], now: u64) -> Result<(), Refused> {
        if payload.is_empty() {
            return Ok(());
        }
        let (suite, serial, key) = JoinRequest::peek(payload)?;
        if suite != self.delegation.suite() {
            return Err(ObjectError::Form.into());
        }
        if serial > self.delegation.serial() {
            return Err(Refused::Content(LATER));
        }
        if self.kem_seed(serial, key).is_none() {
            return Err(ObjectError::Serial.into());
        }
        let arrivals = &mut self.intake.arrivals;
        if arrivals.has_heard(device, payload, now) {
            return Ok(());
        }
        if arrivals.raw.is_empty() && arrivals.opens.take(now) {
            return self.open_and_sort(device, payload, now);
        }
        let size = payload.len().saturating_add(OVERHEAD);
        match arrivals.raw.push(device, payload.to_vec(), size) {
            true => Err(Refused::Content(BUSY)),
            false => Ok(()),
        }
    }

    fn open_and_sort(
        &mut self,
        device: Fingerprint,
        payload: &[u8],
        now: u64,
    ) -> Result<(), Refused> {
        let request = self.open_join(payload)?;
        let origin = self.origin(device, &request, now);
        // Whoever asks again can seal the same as often as it likes.
        if matches!(origin, Origin::Answered) && !self.intake.arrivals.again.take(device, now) {
            return Ok(());
        }
        let opened = Opened {
            device,
            request,
            origin,
        };
        match self.intake.arrivals.sort_in(opened) {
            true => Err(Refused::Content(BUSY)),
            false => Ok(()),
        }
    }

    /// Whether requests that anybody can have made have to wait, because too many answers do.
    pub(crate) const fn hold_strangers(&mut self, hold: bool) {
        self.intake.arrivals.holds_strangers = hold;
    }

    /// Bytes that wait of requests that anybody can have made.
    pub(crate) const fn bytes_waiting(&self) -> usize {
        self.intake.arrivals.bytes()
    }

    /// Takes join requests that wait, as many as the budgets allow, for one commit.
    ///
    /// # Errors
    /// The authority itself cannot act. What else waits still does.
    pub(super) fn work_off(
        &mut self,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        self.intake.arrivals.taken.clear();
        self.intake.arrivals.worked_at = now;
        let mut plan = Plan::default();
        let mut clears = BTreeSet::new();
        let mut count = self.open_joins(now, &mut plan, &mut clears);
        for _ in 0..TAKEN_AT_ONCE {
            let Some(opened) = self.intake.arrivals.next(now) else {
                break;
            };
            count = count.saturating_add(1);
            let device = opened.device;
            let taken = self.attempt(|this| {
                let drawn = &mut this.draws(this.delegation.serial(), now, rng);
                let taken = this.take_join(device, &opened.request, now, drawn)?;
                Ok(this.settle_drawn(taken, drawn, now)?)
            });
            // A device that cannot be admitted now may be when an operator has seen to it.
            if !matches!(taken, Err(Refused::Fault(_))) {
                clears.insert(device);
            }
            let topic = self.join_topic(device);
            match taken.or_else(|refused| self.tell(&topic, refused)) {
                Ok(taken) => {
                    plan.follow(taken);
                    self.intake.arrivals.taken.push(opened);
                }
                // It stands at the broker still, and nothing was changed by it.
                Err(error) if plan.changes.is_empty() => {
                    self.intake.arrivals.heard.clear();
                    return Err(error);
                }
                Err(_) => {
                    self.intake.arrivals.put_back(opened);
                    break;
                }
            }
        }
        self.intake.arrivals.is_spent = count == 0;
        // Not even an entry of the outbox is needed: a request that comes again is cleared again.
        let clears = clears.into_iter().map(|device| self.join_topic(device));
        plan.publications.extend(clears.map(Publication::clear));
        Ok(plan)
    }

    /// Opens what waits for it. What nobody can open is refused.
    fn open_joins(
        &mut self,
        now: u64,
        plan: &mut Plan,
        clears: &mut BTreeSet<Fingerprint>,
    ) -> usize {
        let mut count = 0_usize;
        while count < OPENED_AT_ONCE
            && !self.intake.arrivals.raw.is_empty()
            && self.intake.arrivals.opens.take(now)
        {
            let Some((device, payload)) = self.intake.arrivals.raw.pop() else {
                break;
            };
            count = count.saturating_add(1);
            if let Err(refused) = self.open_and_sort(device, &payload, now) {
                if !matches!(refused, Refused::Content(_)) {
                    clears.insert(device);
                }
                let topic = self.join_topic(device);
                plan.follow(self.tell(&topic, refused).unwrap_or_default());
            }
        }
        count
    }

    fn open_join(&self, payload: &[u8]) -> Result<OpenedJoinRequest, ObjectError> {
        let kem = kem_of(self.delegation.suite())?;
        let mut pair = None;
        JoinRequest::open(payload, &self.domain.domain, |serial, key| {
            let seed = self.kem_seed(serial, key)?;
            Some(&*pair.insert(RecipientKeyPair::derive(kem, &seed.secret())))
        })
    }

    /// What a request waits with. A token that nobody can use any more proves nothing, and nor does
    /// a request that a member has joined with: whoever has seen it can send it again.
    fn origin(&self, device: Fingerprint, request: &OpenedJoinRequest, now: u64) -> Origin {
        let answer = self.joining.answers.get(&device);
        if answer.is_some_and(|answer| answer.request == *request.hash()) {
            return Origin::Answered;
        }
        let member = self.index.by_key(request.claimed_key());
        let member = member.and_then(|number| self.members.get(&number));
        if member.is_some_and(|member| member.request == *request.hash()) {
            return Origin::Anybody;
        }
        let token = request.token().and_then(|id| self.usable_token(id, now));
        match token {
            Some(token) if token.proves(request) => Origin::Holder(token.id),
            _ => Origin::Anybody,
        }
    }

    fn join_topic(&self, device: Fingerprint) -> alloc::string::String {
        ReservedTopic::Join(device).name(&self.domain.prefix)
    }

    /// Goes on with what an authority that was loaded from the same store before has in memory
    /// only: what waits, and what bounds the work of strangers. What its last call took is taken
    /// again, because it may not have been committed.
    pub fn take_over(&mut self, earlier: Self) {
        self.intake = earlier.intake;
        self.repairs = earlier.repairs;
        self.listed = earlier.listed;
        let taken = core::mem::take(&mut self.intake.arrivals.taken);
        for opened in taken.into_iter().rev() {
            self.intake.arrivals.put_back(opened);
        }
    }
}

const BUSY: &str = "too many join requests at once: the device tries again";
const LATER: &str = "sealed under a delegation that this authority does not have";
