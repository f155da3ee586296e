//! The office's work at the open store: nothing leaves it before it was committed.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_keys::{Changes, Fingerprint, Publication, ReservedTopic, Store};

use super::event::{OfficeError, Stopped};
use super::waiting::{Input, Inputs, LeftOut, MOST_WRONG};
use crate::machine::{Authority, AuthorityEvent, OUTBOX_PREFIX, Plan};

/// A clock that was set back makes things due earlier than was said.
const ACT_EVERY: u64 = 120;
/// How often a piece of work is repeated at once because somebody else acted in between.
const ATTEMPTS: usize = 3;
/// Refusals of join requests that are told of in words.
const MOST_TOLD: usize = 8;
/// Join requests that clear their topics, until they are cleared.
const MOST_CLEARS: usize = 1024;
/// Inputs that are handled together at the latest.
const MOST_INPUTS: usize = 256;

/// The authority in memory, where it limits what strangers can make it do, and what waits for it.
#[derive(Default)]
pub(super) struct Desk {
    authority: Option<Authority>,
    /// It is not as the store any more, but limits still.
    outdated: Option<Authority>,
    /// Of what it signs.
    pub(super) extensions: Vec<u8>,
    /// The highest revision of the store that was seen.
    revision: u64,
    next_due: Option<u64>,
    acted_at: u64,
    /// Messages counted by group, in the epoch named: not all of them may be stored yet.
    counted: BTreeMap<String, (u64, u64)>,
    /// Objects on its own topics that may tell something.
    own: Inputs,
    /// Its own topics that do not hold what they should.
    wrong: BTreeSet<String>,
    /// Some were left out.
    lost_count: bool,
    others: Inputs,
    /// Something of others that is retained was left out.
    missed: bool,
    /// Join requests that the authority has taken in since it acted.
    joins: usize,
    /// What that led to.
    heard: Heard,
    /// The most bytes that ever waited in all of them.
    pub(super) most_bytes: usize,
    /// Topics that the broker has cleared.
    cleared: BTreeSet<String>,
    /// Answers to those who want to join wait to be sent.
    holds_strangers: bool,
    /// What the office knows of the outbox holds, but for what changes from now on. A large outbox
    /// takes a second to be read.
    knows_outbox: bool,
}

/// What came of join requests when they came in.
#[derive(Default)]
struct Heard {
    clears: Vec<Publication>,
    events: Vec<AuthorityEvent>,
    more_refused: usize,
}

/// What should stand at the broker: retained objects, and empty ones for what has to be cleared,
/// in the order of publishing.
pub(super) enum Wanted {
    /// All of it.
    All(Vec<Publication>),
    /// What has changed, and topics of which there is nothing to say any more.
    Changed(Vec<Publication>, Vec<String>),
}

impl Default for Wanted {
    fn default() -> Self {
        Self::Changed(Vec::new(), Vec::new())
    }
}

/// What came of a look at the store.
#[derive(Default)]
pub(super) struct Looked {
    pub(super) wanted: Wanted,
    /// Topics of which something changed in the outbox.
    touched: BTreeSet<String>,
    /// To be published once, whatever the broker has: answers, repairs, cleared requests.
    pub(super) once: Vec<Publication>,
    /// What was done because it was due, or asked for.
    pub(super) events: Vec<AuthorityEvent>,
    /// So many more were refused.
    pub(super) more_refused: usize,
    /// The prefix of the reserved topics.
    pub(super) prefix: String,
    /// Topics whose messages are to be counted.
    pub(super) counts: BTreeSet<String>,
    /// Nobody got in between: the rest is as the store has it now.
    pub(super) is_whole: bool,
    /// The store is older than it was.
    pub(super) is_put_back: bool,
}

impl Desk {
    /// Something that members wrote. If much waits, only what is news and genuine.
    pub(super) fn push(&mut self, topic: &str, of: &ReservedTopic, payload: &[u8], now: u64) {
        if payload.is_empty() {
            return;
        }
        let authority = self.authority.as_ref().or(self.outdated.as_ref());
        let is_news = || authority.is_some_and(|authority| authority.is_news(of, payload, now));
        let input = Input::new(0, topic, payload);
        let left_out = self.others.push(input, is_news);
        let is_retained = !matches!(of, ReservedTopic::Nonce(..));
        self.missed |= left_out == Some(LeftOut::Genuine) && is_retained;
        self.count_bytes();
    }

    /// A join request: the authority bounds what it keeps of them.
    pub(super) fn push_join(&mut self, device: Fingerprint, payload: &[u8], now: u64) {
        let authority = self.authority.as_mut().or(self.outdated.as_mut());
        let Some(authority) = authority.filter(|_| !payload.is_empty()) else {
            return;
        };
        let plan = authority.queue_join(device, payload, now);
        self.joins = self.joins.saturating_add(1);
        for clear in plan.publications {
            if self.heard.clears.len() < MOST_CLEARS {
                self.heard.clears.push(clear);
            }
        }
        for event in plan.events {
            if self.heard.events.len() < MOST_TOLD {
                self.heard.events.push(event);
            } else {
                self.heard.more_refused = self.heard.more_refused.saturating_add(1);
            }
        }
        self.count_bytes();
    }

    /// Something on a topic that only the authority writes; whether it is kept.
    pub(super) fn push_own(
        &mut self,
        of: &ReservedTopic,
        topic: &str,
        payload: &[u8],
        is_own: bool,
    ) -> bool {
        // What a later delegation signed can be told after that one was seen, and what a chunk
        // says after its list.
        let turn = match of {
            ReservedTopic::Delegation => 0,
            ReservedTopic::RefusedChunk(..) => 2,
            _ => 1,
        };
        let authority = self.authority.as_mut().or(self.outdated.as_mut());
        let tells = || authority.is_some_and(|authority| authority.tells(of, payload, is_own));
        let left_out = self.own.push(Input::new(turn, topic, payload), tells);
        self.count_bytes();
        left_out.is_none()
    }

    /// A topic of its own that does not hold what it should.
    pub(super) fn push_wrong(&mut self, topic: &str) {
        if self.wrong.len() < MOST_WRONG {
            self.wrong.insert(topic.into());
        } else {
            self.lost_count |= !self.wrong.contains(topic);
        }
    }

    /// Whether some topics of its own were left out that are to be put right.
    pub(super) fn lost_count(&self) -> bool {
        let repairs = self.authority.as_ref().is_some_and(Authority::lost_count);
        self.lost_count || repairs
    }

    /// Everything is read back.
    pub(super) fn forget_lost(&mut self) {
        self.lost_count = false;
        if let Some(authority) = &mut self.authority {
            authority.forget_lost();
        }
    }

    /// Whether join requests that anybody can have made have to wait. Returns whether they had to.
    pub(super) const fn hold_strangers(&mut self, hold: bool) -> bool {
        core::mem::replace(&mut self.holds_strangers, hold)
    }

    /// Whether something that others retain was left out.
    pub(super) const fn take_missed(&mut self) -> bool {
        core::mem::replace(&mut self.missed, false)
    }

    pub(super) fn cleared(&mut self, topic: String) {
        self.cleared.insert(topic);
    }

    /// What was heard on a connection that is over comes again with the next one.
    pub(super) fn forget_inputs(&mut self) {
        self.own = Inputs::default();
        self.others = Inputs::default();
        self.wrong.clear();
        self.missed = false;
        self.heard = Heard::default();
    }

    /// The next look has to tell of everything that should stand at the broker.
    pub(super) const fn list_all(&mut self) {
        self.knows_outbox = false;
    }

    /// Whether the authority looks at what arrives there.
    pub(super) fn reads(&self, topic: &ReservedTopic) -> bool {
        let authority = self.authority.as_ref();
        authority.is_none_or(|authority| authority.reads(topic))
    }

    fn count_bytes(&mut self) {
        let bytes = self.own.bytes().saturating_add(self.others.bytes());
        let joins = self.authority.as_ref().map_or(0, Authority::bytes_waiting);
        self.most_bytes = self.most_bytes.max(bytes.saturating_add(joins));
    }

    pub(super) fn inputs(&self) -> usize {
        let all = [
            self.own.len(),
            self.wrong.len(),
            self.others.len(),
            self.joins,
        ];
        all.into_iter().fold(0, usize::saturating_add)
    }

    /// Whether what waits has to be handled now, if that can be done.
    pub(super) fn is_full(&self) -> bool {
        self.inputs() >= MOST_INPUTS || self.others.is_full()
    }

    /// The same of what can be handled before everything was read.
    pub(super) fn is_overfull(&self) -> bool {
        self.own.is_full()
    }

    /// Whether there is something to do besides looking.
    pub(super) fn has_work(&self, now: u64) -> bool {
        let is_due = self.next_due.is_some_and(|due| due <= now);
        is_due
            || now.abs_diff(self.acted_at) >= ACT_EVERY
            || self.inputs() > 0
            || !self.cleared.is_empty()
    }

    /// A message was sent in some group. Stored when the group changes the next time.
    pub(super) fn count(&mut self, topic: &str) {
        let Some(authority) = &mut self.authority else {
            return;
        };
        let Some(name) = authority.group_of_topic(topic).map(String::from) else {
            return;
        };
        let epoch = epoch_of(authority, &name);
        let counted = self.counted.entry(name.clone()).or_insert((epoch, 0));
        if counted.0 != epoch {
            *counted = (epoch, 0);
        }
        counted.1 = counted.1.saturating_add(1);
        if authority.count(&name, 1).is_ok() {
            self.next_due = authority.next_due();
        }
    }

    /// Takes the inputs, does what is due, and tells what should stand at the broker. Unless it
    /// may act, it only looks. What was done is told of even if the rest fails.
    pub(super) fn work<S: Store>(
        &mut self,
        store: &mut S,
        may_act: bool,
        now: u64,
        rng: &mut impl TryCryptoRng,
        looked: &mut Looked,
    ) -> Result<(), OfficeError<S::Error>> {
        for _ in 0..ATTEMPTS {
            match self.pass(store, may_act, now, rng, looked) {
                Ok(()) => {
                    looked.is_whole = true;
                    break;
                }
                Err(Stopped::Conflict) => {}
                Err(Stopped::PutBack) => {
                    looked.is_put_back = true;
                    break;
                }
                Err(Stopped::Failed(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn pass<S: Store>(
        &mut self,
        store: &mut S,
        may_act: bool,
        now: u64,
        rng: &mut impl TryCryptoRng,
        looked: &mut Looked,
    ) -> Result<(), Stopped<S::Error>> {
        let mut authority = self.newest(store)?;
        let passed = self.act(&mut authority, store, may_act, now, rng, looked);
        // Unless all went well, memory may be ahead of the store.
        match passed {
            Ok(()) => self.authority = Some(authority),
            Err(_) => self.outdated = Some(authority),
        }
        passed
    }

    fn act<S: Store>(
        &mut self,
        authority: &mut Authority,
        store: &mut S,
        may_act: bool,
        now: u64,
        rng: &mut impl TryCryptoRng,
        looked: &mut Looked,
    ) -> Result<(), Stopped<S::Error>> {
        if may_act || self.is_overfull() {
            self.observe(authority, store, now, looked)?;
        }
        if may_act {
            // A suspended one reads the broker first: it notes what that proves.
            if let Some(suspension) = authority.suspension() {
                return Err(Stopped::Failed(OfficeError::Suspended(Box::new(
                    suspension,
                ))));
            }
            let heard = core::mem::take(&mut self.heard);
            looked.once.extend(heard.clears);
            looked.events.extend(heard.events);
            looked.more_refused = looked.more_refused.saturating_add(heard.more_refused);
            self.joins = 0;
            authority.hold_strangers(self.holds_strangers);
            while let Some(Input { topic, payload, .. }) = self.others.first() {
                let plan = authority.handle(topic, payload, now, rng)?;
                done(store, plan, looked)?;
                self.others.pop();
            }
            let plan = authority.tick(now, rng)?;
            done(store, plan, looked)?;
            self.acted_at = now;
            self.forget_cleared(store, looked)?;
        }
        let wanted = self.wanted(authority, store, &looked.touched);
        looked.wanted = wanted.map_err(|e| Stopped::Failed(OfficeError::Store(e)))?;
        looked.prefix = authority.prefix().into();
        let by_use = authority
            .groups()
            .filter(|group| group.schedule.rotate_after_messages != 0);
        looked.counts = by_use.flat_map(|group| group.filters).collect();
        self.next_due = authority.next_due();
        self.revision = authority.revision();
        Ok(())
    }

    /// What should stand at the broker, as far as the office does not know it.
    fn wanted<S: Store>(
        &mut self,
        authority: &Authority,
        store: &S,
        touched: &BTreeSet<String>,
    ) -> Result<Wanted, S::Error> {
        let publishes = authority.suspension().is_none() && authority.check_delegation().is_ok();
        if !self.knows_outbox || !publishes {
            let all = authority.outbox(store)?;
            self.knows_outbox = publishes;
            return Ok(Wanted::All(all));
        }
        let changed = authority.outbox_of(store, touched)?;
        let mut gone = touched.clone();
        for entry in &changed {
            gone.remove(&entry.topic);
        }
        Ok(Wanted::Changed(changed, gone.into_iter().collect()))
    }

    /// What the authority's own objects at the broker tell.
    fn observe<S: Store>(
        &mut self,
        authority: &mut Authority,
        store: &mut S,
        now: u64,
        looked: &mut Looked,
    ) -> Result<(), Stopped<S::Error>> {
        self.own.sort();
        while let Some(Input { topic, payload, .. }) = self.own.first() {
            let plan = authority.observe(&*store, topic, payload, now)?;
            done(store, plan, looked)?;
            self.own.pop();
        }
        while let Some(topic) = self.wrong.first() {
            let plan = authority.observe(&*store, topic, &[], now)?;
            done(store, plan, looked)?;
            self.wrong.pop_first();
        }
        Ok(())
    }

    /// The authority as the store has it.
    fn newest<S: Store>(&mut self, store: &S) -> Result<Authority, Stopped<S::Error>> {
        if let Some(authority) = self.authority.take() {
            if authority.is_current(store)? {
                return Ok(authority);
            }
            self.outdated = Some(authority);
        }
        // Whoever changed the store may have changed anything there.
        self.knows_outbox = false;
        let mut authority = Authority::load(store)?;
        if let Some(outdated) = self.outdated.take() {
            authority.take_over(outdated);
        }
        authority.set_extensions(&self.extensions)?;
        let before = core::mem::replace(&mut self.revision, authority.revision());
        if authority.revision() < before {
            return Err(Stopped::PutBack);
        }
        // Some may count twice: better early than late.
        for (name, (epoch, messages)) in &self.counted {
            if epoch_of(&authority, name) == *epoch {
                authority.count(name, *messages)?;
            }
        }
        Ok(authority)
    }

    /// Forgets topics that the broker has cleared, unless something was put there since.
    fn forget_cleared<S: Store>(
        &mut self,
        store: &mut S,
        looked: &mut Looked,
    ) -> Result<(), Stopped<S::Error>> {
        // Together, unless something was put on one of them since: strangers cause many.
        let mut all = Changes::new();
        for topic in &self.cleared {
            all.append(Authority::cleared(topic));
        }
        if self.cleared.len() > 1 && store.commit(&all).is_ok() {
            looked.touched.append(&mut self.cleared);
        }
        while let Some(topic) = self.cleared.first() {
            match store.commit(&Authority::cleared(topic)) {
                Err(error) if !S::is_conflict(&error) => {
                    return Err(Stopped::Failed(OfficeError::Store(error)));
                }
                _ => looked.touched.extend(self.cleared.pop_first()),
            };
        }
        Ok(())
    }
}

fn epoch_of(authority: &Authority, name: &str) -> u64 {
    let mut groups = authority.groups();
    groups
        .find(|group| group.name == name)
        .map_or(0, |group| group.epoch)
}

/// Commits, and keeps what is not in the outbox or has to be sent again.
fn done<S: Store>(store: &mut S, plan: Plan, looked: &mut Looked) -> Result<(), Stopped<S::Error>> {
    let failed = |error| {
        if S::is_conflict(&error) {
            Stopped::Conflict
        } else {
            Stopped::Failed(OfficeError::Store(error))
        }
    };
    if !plan.changes.is_empty() {
        store.commit(&plan.changes).map_err(failed)?;
    }
    let keys = plan.changes.iter().map(|change| change.key());
    let topics = keys.filter_map(|key| key.strip_prefix(OUTBOX_PREFIX));
    looked.touched.extend(topics.map(String::from));
    let again = plan.republications(&*store).map_err(failed)?;
    let changed = !plan.changes.is_empty();
    // What was changed stands in the outbox now, and goes out in its order.
    let stands = |entry: &Publication| changed && entry.retain && !entry.payload.is_empty();
    let passing = plan.publications.into_iter();
    looked.once.extend(passing.filter(|entry| !stands(entry)));
    looked.once.extend(again);
    looked.events.extend(plan.events);
    Ok(())
}
