//! What the authority sees of its own publications at the broker: a store that was put back, a
//! key that somebody else uses, and a broker that lost something (spec/keys.md §13).

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::judge::Judged;
use super::record::{self, OUTBOX_PREFIX};
use super::repairs::Need;
use super::suspended::{Evidence, EvidenceKind, SUSPENDED_KEY, Seen, SuspendedRecord};
use super::{Authority, AuthorityError, AuthorityEvent, LoadError, Plan};
use sealmq_keys::Publication;
use sealmq_keys::ReservedTopic;
use sealmq_keys::{Changes, Store};

impl Authority {
    /// Takes what the broker has on the authority's own topics (those of
    /// [`authority_filters`](sealmq_keys::authority_filters) that it writes itself); others are
    /// ignored. `store` is the one it was loaded from.
    ///
    /// Something signed by its own keys that the store does not know means that the store was put
    /// back, or that a key was stolen: the authority then does nothing more
    /// ([`AuthorityError::Suspended`]) until [`Authority::resume`]. Something older or missing is
    /// published again. What nobody of this domain signed is ignored, and so is, with
    /// [`AuthorityEvent::NumberIgnored`], what names a number far above all of its own.
    ///
    /// A suspended authority goes on noting what it is shown, and so does one that was marked as a
    /// backup: the more it has seen, the less [`Authority::resume`] can be deceived.
    ///
    /// # Errors
    /// The store cannot be read; or [`LoadError::Stale`]: load the authority, and observe the same
    /// again.
    pub fn observe<S: Store>(
        &mut self,
        store: &S,
        topic: &str,
        payload: &[u8],
        now: u64,
    ) -> Result<Plan, LoadError<S::Error>> {
        let Some(reserved) = ReservedTopic::parse(&self.domain.prefix, topic) else {
            return Ok(Plan::default());
        };
        if !reserved.is_of_authority() {
            return Ok(Plan::default());
        }
        let expected = kept(store, topic).map_err(LoadError::Store)?;
        // A suspended authority notes its own, too: heartbeats say how far the log was proven.
        if expected == payload && self.suspended.is_none() {
            self.repairs.stands(Need::of(&reserved), topic);
            self.repairs.keep();
            return Ok(Plan::default());
        }
        // Memory that is behind the store would take the store's own doing for somebody else's.
        if !self.is_current(store)? {
            return Err(LoadError::Stale);
        }
        let judged = match reserved {
            _ if payload.len() > reserved.max_len() => None,
            ReservedTopic::Announcement(group, epoch) => {
                self.judge_announcement(group, epoch, payload, &expected)
            }
            ReservedTopic::Heartbeat(group) => self.judge_heartbeat(store, group, payload)?,
            ReservedTopic::RefusedList(group) => self.judge_refused(group, payload),
            ReservedTopic::RefusedChunk(group, first) => {
                self.judge_refused_chunk(group, first, payload)
            }
            ReservedTopic::Delegation => self.judge_delegation(payload),
            _ => None,
        };
        let ours = match &judged {
            Some(Judged::Against(_, ours, _)) => {
                kept(store, &self.topic(*ours)).map_err(LoadError::Store)?
            }
            _ => Vec::new(),
        };
        let plan = self.attempt(|this| {
            let plan = match judged {
                Some(Judged::Against(kind, _, seen)) => {
                    let evidence = Evidence {
                        kind,
                        topic: topic.to_owned(),
                        ours,
                        theirs: payload.to_vec(),
                    };
                    this.suspend(evidence, seen, now)?
                }
                Some(Judged::Seen(seen)) if this.suspended.is_some() => this.note(seen)?,
                Some(Judged::TooHigh(what)) => {
                    this.ignore((Need::of(&reserved), topic), what, &expected, now)
                }
                _ => this.repair((Need::of(&reserved), topic), &expected, now),
            };
            this.settle(plan, now)
        });
        plan.map_err(LoadError::Authority)
    }

    /// Marks a copy of a store as a backup: an authority that is loaded from it does nothing
    /// until [`Authority::resume`]. Commit the changes to the copy, not to the store in use.
    ///
    /// # Errors
    /// The copy cannot be read, or is damaged.
    pub fn mark_restored<S: Store>(copy: &S, now: u64) -> Result<Changes, LoadError<S::Error>> {
        let mut changes = Changes::new();
        let known = copy.get(SUSPENDED_KEY).map_err(LoadError::Store)?;
        if known.is_none() {
            let record = SuspendedRecord {
                since: now,
                ..SuspendedRecord::default()
            };
            record::put(&mut changes, SUSPENDED_KEY.into(), &record)
                .map_err(LoadError::Authority)?;
        }
        Ok(changes)
    }

    /// Notes what was seen; the first finding ends everything but observing.
    fn suspend(
        &mut self,
        evidence: Evidence,
        seen: Seen,
        now: u64,
    ) -> Result<Plan, AuthorityError> {
        if self.suspended.is_some() {
            return self.note(seen);
        }
        let mut plan = Plan::default();
        if let (EvidenceKind::OtherEpoch, Some((group, seen))) = (evidence.kind, seen.group) {
            plan.events.push(AuthorityEvent::Fork {
                group,
                epoch: seen.epoch,
                ours: evidence.ours.clone(),
                theirs: evidence.theirs.clone(),
            });
        }
        plan.events.push(AuthorityEvent::StoreIsOld {
            evidence: evidence.clone(),
        });
        let mut record = SuspendedRecord {
            since: now,
            evidence: Some(evidence),
            ..SuspendedRecord::default()
        };
        record.note(seen);
        self.keep_suspended(record, &mut plan)?;
        Ok(plan)
    }

    fn note(&mut self, seen: Seen) -> Result<Plan, AuthorityError> {
        let mut plan = Plan::default();
        let mut record = self.suspended.clone().unwrap_or_default();
        if record.note(seen) {
            self.keep_suspended(record, &mut plan)?;
        }
        Ok(plan)
    }

    fn keep_suspended(
        &mut self,
        record: SuspendedRecord,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        record::put(&mut plan.changes, SUSPENDED_KEY.into(), &record)?;
        self.suspended.set(Some(record));
        Ok(())
    }

    /// A number that nothing of this authority's doing explains: somebody has a key of it, but must
    /// not stop it by that, nor use up its numbers.
    fn ignore(
        &mut self,
        (need, topic): (Need, &str),
        what: &'static str,
        expected: &[u8],
        now: u64,
    ) -> Plan {
        let is_new = self.repairs.is_new(topic, now);
        let mut plan = self.repair((need, topic), expected, now);
        if is_new {
            if expected.is_empty() {
                self.repairs.take(need, topic, now, &mut plan.events);
            }
            plan.events.push(AuthorityEvent::NumberIgnored {
                place: topic.to_owned(),
                what,
            });
        }
        plan
    }

    /// Has a topic published again that does not hold what it should; later, if that was done a
    /// moment ago, again and again.
    fn repair(&mut self, (need, topic): (Need, &str), expected: &[u8], now: u64) -> Plan {
        let mut plan = Plan::default();
        if expected.is_empty() || self.suspended.is_some() {
            return plan;
        }
        if self.repairs.take(need, topic, now, &mut plan.events) {
            plan.publications
                .push(Publication::retained(topic, expected));
            plan.events.push(AuthorityEvent::RolledBack {
                topic: topic.to_owned(),
            });
        }
        plan
    }

    /// Publishes again what was seen wrong too soon after the last time.
    pub(super) fn repair_owed(&mut self, now: u64, plan: &mut Plan) {
        for (need, topic) in self.repairs.owed() {
            if self.repairs.take(need, &topic, now, &mut plan.events) {
                plan.republish.push(topic.clone());
                plan.events.push(AuthorityEvent::RolledBack { topic });
            }
        }
    }

    /// When [`Authority::repair_owed`] has something to do.
    pub(super) fn owed_at(&self) -> Option<u64> {
        self.repairs.owed_at()
    }

    /// Whether more topics are to be put right than are known: all of them have to be looked at.
    pub(crate) const fn lost_count(&self) -> bool {
        self.repairs.lost_count()
    }

    /// All of them are looked at.
    pub(crate) const fn forget_lost(&mut self) {
        self.repairs.forget_lost();
    }

    fn topic(&self, topic: ReservedTopic) -> String {
        topic.name(&self.domain.prefix)
    }
}

/// What should stand in a topic: empty if nothing.
fn kept<S: Store>(store: &S, topic: &str) -> Result<Vec<u8>, S::Error> {
    let value = store.get(&alloc::format!("{OUTBOX_PREFIX}{topic}"))?;
    Ok(value.map(|value| value.to_vec()).unwrap_or_default())
}
