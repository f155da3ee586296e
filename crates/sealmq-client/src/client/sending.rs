//! From the application to the driver: checked at once, sealed when the turn has come.

use rand_core::TryCryptoRng;
use sealmq_keys::Changes;
use sealmq_keys::member::SealError;

use super::Client;
use super::parked::Parked;
use crate::draft::Draft;
use crate::error::ClientError;
use crate::outbox::{Accepted, Content};
use crate::output::{Output, PublishId, Resume};
use crate::published::GivenUp;
use crate::settle::Settling;
use crate::time::Time;
use crate::wire::{Qos, Wire};

/// How long an accepted message waits, at least, for keys or a lease that ran out after all.
const ACCEPTED_WAITS: u64 = 60_000;

/// What key management may bring.
const fn may_pass(error: &SealError) -> bool {
    matches!(
        error,
        SealError::NoKeysYet { .. }
            | SealError::AwaitsAnnouncement { .. }
            | SealError::AwaitsCredential { .. }
            | SealError::NoLease { uptime: true, .. }
            | SealError::KeysExpired { .. }
            | SealError::LeaseExpired { .. }
    )
}

/// A message that was sealed, and what has to be durable before it goes out.
pub(super) struct Packet {
    pub(super) changes: Changes,
    pub(super) wire: Wire,
    /// Names it among the values that are kept.
    pub(super) value: Option<u64>,
}

impl Packet {
    const fn new(changes: Changes, wire: Wire) -> Self {
        Self {
            changes,
            wire,
            value: None,
        }
    }
}

impl Client {
    /// Takes a message. [`Output::Accepted`] or [`Output::Refused`] answers, at once, or when its
    /// keys have arrived, if the options say so. It is sealed when its turn comes, which after a
    /// connect is when the announcements that were missed have arrived.
    ///
    /// A message expiry counts from here on: what is left of it is sealed, and a message that waited
    /// longer is given up.
    pub fn publish(&mut self, mut draft: Draft, time: Time) -> PublishId {
        self.set_time(time);
        draft.begin(self.clock);
        let id = self.ledger.accept();
        if self.closing.is_some() {
            self.refuse(id, draft, ClientError::Closed);
            return id;
        }
        if self.topic_map.to_here(&draft.topic).is_none() {
            self.refuse(id, draft, ClientError::NotMapped);
            return id;
        }
        if draft.alias {
            self.aliases.want(&draft.topic);
        }
        if self.seal_at_once(&mut draft, id, time) {
            return id;
        }
        match self.check(&draft, time) {
            Err(error) if self.wait_for_keys > 0 && may_pass(&error) => {
                self.parked.push_back(Parked {
                    draft,
                    id,
                    until: time.after(self.wait_for_keys),
                    order: None,
                });
            }
            Err(error) => self.refuse(id, draft, error.into()),
            Ok(()) => {
                if self.parked.iter().any(|p| p.draft.topic == draft.topic) {
                    self.retry_parked(time); // what came first goes first
                }
                self.accept(draft, id, None);
            }
        }
        id
    }

    /// Seals a message whose turn it is now, if nothing else has to be done for it: so it need not be
    /// checked before, and need not wait as a draft. Whether it was.
    fn seal_at_once(&mut self, draft: &mut Draft, id: PublishId, time: Time) -> bool {
        let needs_more = draft.retain || self.short.is_on || self.stores(draft);
        if needs_more || !self.is_turn_of(draft, time) {
            return false;
        }
        let message = self.outgoing(draft);
        let buffer = &mut self.envelopes.buffer;
        let sealed = self.member.seal_ready_into(&message, time.clock, buffer);
        if sealed != Ok(true) {
            return false;
        }
        let wire = draft.sealed(self.envelopes.take());
        self.push(Output::Accepted(id));
        self.outbox.push(Accepted {
            content: Content::Wire(wire),
            id: Some(id),
            expires: draft.expires,
            until: None,
            value: None,
            is_stored: false,
            is_again: false,
        });
        true
    }

    /// Whether a new message would go out next, and now.
    fn is_turn_of(&self, draft: &Draft, time: Time) -> bool {
        let Draft { topic, qos, .. } = draft;
        let size = draft.smallest_size();
        self.may_send()
            && self.settling.is_none()
            && self.parked.is_empty()
            && self.pace.until(time.uptime).is_none()
            && self.outbox.hands_at_once(*qos)
            && self.check_limits(topic, size, *qos, draft.retain).is_ok()
    }

    /// Whether the last [`publish`](Self::publish), which gave this identity, was accepted at once:
    /// then whoever called it need not wait for [`Output::Accepted`], which follows all the same.
    #[must_use]
    pub fn has_accepted(&self, id: PublishId) -> bool {
        matches!(self.queue.back(), Some(Output::Accepted(last)) if *last == id)
    }

    /// The caller gave up before the message was accepted, and sends it again perhaps.
    pub fn abandon(&mut self, id: PublishId) {
        let before = self.parked.len();
        self.parked
            .retain(|parked| parked.id != id || parked.order.is_some());
        if self.parked.len() < before {
            self.done(id);
            self.push(Output::Done(id, Err(GivenUp::Withdrawn)));
        }
    }

    /// Whether a message can be sealed with what is known now.
    ///
    /// # Errors
    /// What [`Output::Refused`] would say.
    pub fn check(&self, draft: &Draft, time: Time) -> Result<(), SealError> {
        let checked = match draft.clears() {
            true => self.member.check_topic(&draft.topic),
            false => self.member.check(&self.outgoing(draft), time.clock),
        };
        match checked {
            // Only where certainly no group covers the topic.
            Err(SealError::NoGroup) if self.is_plaintext(&draft.topic) => Ok(()),
            checked => checked,
        }
    }

    fn accept(&mut self, draft: Draft, id: PublishId, until: Option<u64>) {
        let size = draft.smallest_size();
        if let Err(error) = self.check_limits(&draft.topic, size, draft.qos, draft.retain) {
            self.refuse(id, draft, error);
            return;
        }
        self.take(draft, id, until);
    }

    /// New keys may have arrived, or somebody has waited long enough.
    pub(super) fn retry_parked(&mut self, time: Time) {
        for parked in core::mem::take(&mut self.parked) {
            match self.check(&parked.draft, time) {
                Ok(()) => match parked.order {
                    Some(order) => self.outbox.take_up(order),
                    None => self.accept(parked.draft, parked.id, Some(parked.until)),
                },
                Err(error) if may_pass(&error) && parked.until > time.uptime => {
                    self.parked.push_back(parked);
                }
                Err(error) => {
                    if let Some(order) = parked.order {
                        self.outbox.drop_aside(order);
                    }
                    self.refuse(parked.id, parked.draft, error.into());
                }
            }
        }
    }

    fn refuse(&mut self, id: PublishId, draft: Draft, error: ClientError) {
        self.done(id);
        let Draft { topic, .. } = draft;
        self.push(Output::Refused { id, topic, error });
    }

    pub(super) fn done(&mut self, id: PublishId) {
        for flush in self.ledger.done(id) {
            self.push(Output::Flushed(flush));
        }
    }

    /// Queues what may go out now, one packet of it; whether there was anything.
    pub(super) fn next_packet(&mut self, time: Time, rng: &mut impl TryCryptoRng) -> bool {
        let settled = |settling: &Settling| settling.is_over(time);
        if self.settling.as_ref().is_some_and(settled) {
            self.settling = None;
        }
        if !self.may_send() {
            return false;
        }
        self.outbox.recall();
        if self.keeps_suspects_back(time) || self.pace.until(time.uptime).is_some() {
            return false;
        }
        if let Some(resume) = self.outbox.next_resume(time.uptime) {
            self.resume(resume);
            return true;
        }
        if self.settling.is_some() {
            return false;
        }
        if let Some(connection) = &self.connection {
            self.outbox.lower_next(connection.limits.maximum_qos);
        }
        let Some((content, expires)) = self.outbox.next() else {
            return false;
        };
        let has_expired = expires.zip(self.clock).is_some_and(|(at, now)| at <= now);
        match content {
            _ if has_expired => {
                let expired = self.outbox.drop_next();
                self.give_up(expired, GivenUp::Expired);
            }
            Content::Wire(wire) => {
                let wire = wire.clone();
                match self.check_limits(&wire.topic, wire.packet_size(), wire.qos, wire.retain) {
                    Ok(()) => {
                        self.outbox.hand();
                        self.pace.sent(time.uptime);
                        self.push(Output::Publish(wire));
                    }
                    Err(error) => {
                        let dropped = self.outbox.drop_next();
                        // Of key management it was said when the connection began.
                        let own = dropped.as_ref().is_some_and(|own| own.id.is_none());
                        if !(own && error == ClientError::RetainNotSupported) {
                            self.give_up(dropped, GivenUp::NotPublished(error));
                        }
                    }
                }
            }
            Content::Value(topic) => {
                let topic = topic.clone();
                self.next_value(&topic, time, rng);
            }
            Content::Draft(_) => self.next_draft(expires, time, rng),
        }
        true
    }

    fn next_draft(&mut self, expires: Option<u64>, time: Time, rng: &mut impl TryCryptoRng) {
        let Some((order, mut draft)) = self.outbox.lend_draft() else {
            return;
        };
        draft.shorten(expires, self.clock);
        if self.waits_for_record(&draft, time, rng) {
            self.outbox.give_back(order, draft);
            return;
        }
        match self.seal(&mut draft, time, rng) {
            Ok(packet) => self.sealed(packet),
            Err(error) => {
                self.outbox.give_back(order, draft.clone());
                self.cannot_seal(draft, error, time);
            }
        }
    }

    /// The next message of the outbox was sealed.
    pub(super) fn sealed(&mut self, packet: Packet) {
        let mut changes = packet.changes;
        self.outbox.sealed(packet.wire, packet.value, &mut changes);
        self.commit(changes);
    }

    pub(super) const fn may_send(&self) -> bool {
        self.connection.is_some() && self.renewing.is_none() && self.closing.is_none()
    }

    fn resume(&mut self, resume: Resume) {
        if let Resume::Publish(packet, wire) = &resume
            && let Err(error) =
                self.check_limits(&wire.topic, wire.packet_size(), wire.qos, wire.retain)
        {
            let dropped = self.outbox.settled(*packet);
            self.give_up(dropped, GivenUp::NotPublished(error));
            return;
        }
        self.isolation.publish_written(self.uptime);
        if matches!(resume, Resume::Publish(..)) {
            self.pace.sent(self.uptime);
        }
        self.push(Output::Resume(resume));
    }

    /// Seals a message when its turn has come: what has to be durable first, and the packet, to which
    /// the topic is moved.
    pub(super) fn seal(
        &mut self,
        draft: &mut Draft,
        time: Time,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Packet, SealError> {
        if draft.clears() && !draft.will {
            // Nothing to seal, and nothing to hide (spec/envelope.md §7).
            self.check(draft, time)?;
            let mut changes = Changes::new();
            self.values.forget(&draft.topic, &mut changes);
            return Ok(Packet::new(changes, draft.in_clear()));
        }
        let message = self.outgoing(draft);
        let buffer = &mut self.envelopes.buffer;
        match self.member.seal_into(&message, time.clock, rng, buffer) {
            Ok(mut changes) => {
                let value = self.note_value(draft, time, &mut changes);
                Ok(Packet {
                    value,
                    ..Packet::new(changes, draft.sealed(self.envelopes.take()))
                })
            }
            Err(SealError::NoGroup) if !draft.will && self.is_plaintext(&draft.topic) => {
                Ok(Packet::new(Changes::new(), draft.in_clear()))
            }
            Err(error) => Err(error),
        }
    }

    /// The keys were there when the message was accepted: they expired since, or a recovery from a
    /// stolen authority key replaced them, and the new ones are on their way; or a device without a
    /// clock has not heard the authority's answer on this connection yet. It was promised, so it
    /// waits, whatever the options say of messages that were not.
    fn cannot_seal(&mut self, draft: Draft, error: SealError, time: Time) {
        let patience = self.wait_for_keys.max(ACCEPTED_WAITS);
        let Some((order, id, until)) = self.outbox.set_aside(time.after(patience)) else {
            self.outbox.drop_next(); // key management's own
            return;
        };
        if may_pass(&error) && until > time.uptime {
            self.parked.push_back(Parked {
                draft,
                id,
                until,
                order: Some(order),
            });
        } else {
            self.outbox.drop_aside(order);
            self.refuse(id, draft, error.into());
        }
    }

    fn check_limits(
        &self,
        topic: &str,
        size: usize,
        qos: Qos,
        retain: bool,
    ) -> Result<(), ClientError> {
        let size = size.saturating_add(self.topic_map.growth(topic));
        match &self.connection {
            Some(connection) => connection.limits.check(size, qos, retain),
            None => Ok(()),
        }
    }
}
