use std::collections::{BTreeMap, BTreeSet};

use getrandom::SysRng;
use sealmq_authority::{Authority, AuthorityError, AuthorityEvent, LoadError, Plan};
use sealmq_keys::{Publication, ReservedTopic, Store as _};
use sealmq_store::{FileStore, Stamp, StoreError, Vault};

use super::folder::{commit, suspended};
use crate::clock;
use crate::failure::Failure;
use crate::unlock::PATIENCE;

/// A clock that was set back makes things due earlier than was said.
const ACT_EVERY: u64 = 120;

/// The authority's store as something to publish from. It is open for moments only, so that other
/// commands work beside it. The authority stays in memory while nobody else changes the store: it
/// limits there what strangers can make it do.
pub(crate) struct Source {
    vault: Vault,
    seen: Option<Stamp>,
    authority: Option<Authority>,
    next_due: Option<u64>,
    acted_at: u64,
    /// Messages counted by group, in the epoch named: not all of them may be stored yet.
    counted: BTreeMap<String, (u64, u64)>,
}

/// What arrived on a reserved topic.
pub(crate) struct Input {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

/// What should stand at the broker now.
#[derive(Default)]
pub(crate) struct Desired {
    /// Retained objects, and empty ones for what has to be cleared, in the order of publishing.
    pub(crate) publications: Vec<Publication>,
    /// To be published once, whatever the broker has: answers, repairs, cleared requests.
    pub(crate) once: Vec<Publication>,
    /// What was done because it was due, or asked for.
    pub(crate) events: Vec<AuthorityEvent>,
    /// The prefix of the reserved topics.
    pub(crate) prefix: String,
    /// Topics whose messages are to be counted.
    pub(crate) counts: BTreeSet<String>,
}

impl Source {
    pub(crate) const fn new(vault: Vault) -> Self {
        Self {
            vault,
            seen: None,
            authority: None,
            next_due: None,
            acted_at: 0,
            counted: BTreeMap::new(),
        }
    }

    /// Takes the inputs, does what is due, and returns everything that should stand at the broker.
    /// `None` while nothing changed since the last call. Unless it may act, it only looks.
    pub(crate) fn poll(
        &mut self,
        may_act: bool,
        inputs: &mut Vec<Input>,
    ) -> Result<Option<Desired>, Failure> {
        let now = clock::seconds();
        let is_due =
            self.next_due.is_some_and(|due| due <= now) || now.abs_diff(self.acted_at) >= ACT_EVERY;
        let has_work = may_act && (is_due || !inputs.is_empty());
        if let (Some(seen), false) = (&self.seen, has_work) {
            match self.vault.changed_since(seen) {
                // Another command is at work: what it commits is seen next time.
                Ok(false) | Err(StoreError::Busy { .. }) => return Ok(None),
                Ok(true) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut store = match self.vault.open_wait(PATIENCE) {
            Err(StoreError::Busy { .. }) if self.seen.is_some() => return Ok(None),
            opened => opened?,
        };
        let mut authority = self.newest(&store)?;
        let mut desired = Desired::default();
        if may_act {
            let taken = core::mem::take(inputs);
            take(&mut authority, &mut store, &taken, now, &mut desired)?;
            let plan = authority.tick(now, &mut SysRng)?;
            done(&mut store, plan, &mut desired)?;
            self.acted_at = now;
        }
        // A suspended one reads the broker first: it notes what that proves, and has an empty outbox.
        if let Some(suspension) = authority.suspension().filter(|_| may_act) {
            return Err(suspended(&suspension));
        }
        desired.publications = authority.outbox(&store)?;
        desired.prefix = authority.prefix().to_owned();
        for group in authority.groups() {
            if group.schedule.rotate_after_messages != 0 {
                desired.counts.extend(group.filters);
            }
        }
        self.keep(authority, &store);
        store.close()?;
        Ok(Some(desired))
    }

    /// A message was sent in some group. Stored when the group changes the next time.
    pub(crate) fn count(&mut self, topic: &str) {
        let Some(authority) = &mut self.authority else {
            return;
        };
        let Some(name) = authority.group_of_topic(topic).map(str::to_owned) else {
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

    /// Forgets topics that the broker has cleared, unless something was put there since.
    pub(crate) fn cleared(&mut self, topics: &[String]) -> Result<(), Failure> {
        let mut store = match self.vault.open_wait(PATIENCE) {
            // They are cleared again at the next connection, which does no harm.
            Err(StoreError::Busy { .. }) => return Ok(()),
            opened => opened?,
        };
        let authority = self.newest(&store)?;
        // Otherwise changes of other commands are still to be noticed.
        let is_newest = self.seen == Some(store.stamp());
        let outbox = authority.outbox(&store)?;
        for topic in topics {
            if outbox
                .iter()
                .any(|entry| entry.topic == *topic && entry.payload.is_empty())
            {
                store.commit(&Authority::cleared(topic))?;
            }
        }
        if is_newest {
            self.keep(authority, &store);
        }
        Ok(store.close()?)
    }

    /// The authority as the store has it.
    fn newest(&mut self, store: &FileStore) -> Result<Authority, Failure> {
        if let Some(authority) = self.authority.take()
            && self.seen == Some(store.stamp())
        {
            return Ok(authority);
        }
        let mut authority = Authority::load(store)?;
        // Some may count twice: better early than late.
        for (name, (epoch, messages)) in &self.counted {
            if epoch_of(&authority, name) == *epoch {
                authority.count(name, *messages)?;
            }
        }
        Ok(authority)
    }

    fn keep(&mut self, authority: Authority, store: &FileStore) {
        self.next_due = authority.next_due();
        self.seen = Some(store.stamp());
        self.authority = Some(authority);
    }
}

fn epoch_of(authority: &Authority, name: &str) -> u64 {
    let mut groups = authority.groups();
    groups
        .find(|group| group.name == name)
        .map_or(0, |group| group.epoch)
}

/// First what the authority's own objects at the broker tell, then what others want of it.
fn take(
    authority: &mut Authority,
    store: &mut FileStore,
    inputs: &[Input],
    now: u64,
    desired: &mut Desired,
) -> Result<(), Failure> {
    let prefix = authority.prefix().to_owned();
    let (mut own, others): (Vec<&Input>, Vec<&Input>) = inputs
        .iter()
        .partition(|input| is_own(&prefix, &input.topic));
    // What a later delegation signed can be told after it was seen.
    own.sort_by_key(|input| !input.topic.ends_with("/delegation"));
    for Input { topic, payload } in own {
        let plan = match authority.observe(&*store, topic, payload, now) {
            Err(LoadError::Authority(AuthorityError::Reload)) => {
                *authority = Authority::load(&*store)?;
                authority.observe(&*store, topic, payload, now)?
            }
            plan => plan?,
        };
        done(store, plan, desired)?;
    }
    if let Some(suspension) = authority.suspension() {
        return Err(suspended(&suspension));
    }
    for Input { topic, payload } in others {
        let plan = authority.handle(topic, payload, now, &mut SysRng)?;
        done(store, plan, desired)?;
    }
    Ok(())
}

/// Commits, and keeps what is not in the outbox or has to be sent again.
fn done(store: &mut FileStore, plan: Plan, desired: &mut Desired) -> Result<(), Failure> {
    commit(store, &plan)?;
    let again = plan.republications(&*store)?;
    if plan.changes.is_empty() {
        desired.once.extend(plan.publications);
    } else {
        // The others stand in the outbox now, and go out in its order.
        let passing =
            |publication: &Publication| !publication.retain || publication.payload.is_empty();
        let passing = plan.publications.into_iter().filter(passing);
        desired.once.extend(passing);
    }
    desired.once.extend(again);
    desired.events.extend(plan.events);
    Ok(())
}

/// Whether only the authority itself writes there.
pub(super) fn is_own(prefix: &str, topic: &str) -> bool {
    matches!(
        ReservedTopic::parse(prefix, topic),
        Some(
            ReservedTopic::Delegation
                | ReservedTopic::Announcement(..)
                | ReservedTopic::Heartbeat(_)
                | ReservedTopic::RefusedList(_)
        )
    )
}
