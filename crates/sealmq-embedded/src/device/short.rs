//! The short form (spec/envelope.md §12): sessions of others, and the record of the own one.

use core::fmt::Write as _;

use sealmq_core::open::{Rejection, Request};
use sealmq_core::seal::{Publisher, SessionRecord};
use sealmq_core::topic::Topic;
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::ReservedTopic;

use super::group::Group;
use super::own_record::OwnRecord;
use super::{Device, Event, MAX_PREFIX, Transmit};
use crate::bytes::Bytes;
use crate::{Clock, Refused};

/// Room for the name of a record's topic: a prefix, a group and a member.
const NAME: usize = MAX_PREFIX + 48;

impl<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>
    Device<G, S, T, K, O>
{
    /// Takes the record of another member's session, in place. Messages of the session in the short
    /// form open from now on. Nothing has to be stored: after a start records are asked for again.
    pub(super) fn handle_record(
        &mut self,
        topic: &str,
        sender: MemberNumber,
        buf: &mut [u8],
        at: Clock,
    ) -> Result<Option<Event>, Refused> {
        if sender == self.number() {
            return Ok(None);
        }
        let request = Request {
            retained: true,
            now: at.now,
            uptime: at.uptime,
            ..Request::new(Topic::new(topic).map_err(|_| Rejection::Rejected)?)
        };
        let recorded = self.with_view(at, buf, |view, receiver, buf| {
            if receiver.knows_record(sender, view, buf) {
                return None;
            }
            Some(receiver.open_record(&request, sender, view, view, buf))
        });
        let recorded = match recorded {
            None => return Ok(None),
            Some(Ok(recorded)) => recorded,
            Some(Err(rejection)) => {
                self.want_for(&rejection, at);
                return Err(rejection.into());
            }
        };
        if let Some(credential) = recorded.credential() {
            self.peers.take(sender, credential, &self.delegation);
        }
        Ok(Some(Event::Session(sender)))
    }

    /// A message waits for the record of its session.
    pub(super) fn want_records(&mut self, at: Clock) {
        let now = at.now.or(at.uptime);
        if self.session_records.is_due(now) {
            self.session_records.asked(now);
            self.ask_records = true;
        }
    }

    /// A message of the short form was prepared: its session has a record, which is published before
    /// it if it is time.
    pub(super) fn prepare_record(&mut self, place: u8, at: Clock) {
        if let Some(group) = self.place_mut(place) {
            let record = group.own_record.get_or_insert(OwnRecord::NEW);
            record.to_send |= record.due.take(at.now.or(at.uptime));
        }
    }

    /// The record of a session, if one is due for what was prepared.
    pub(super) fn poll_record(&mut self, at: Clock, out: &mut [u8]) -> Option<Transmit> {
        let is_due = |group: &&Group| group.own_record.is_some_and(|record| record.to_send);
        let id = self.groups.iter().flatten().find(is_due)?.id;
        let place = self.place_of(&id)?;
        let topic = ReservedTopic::SessionRecord(id, self.number());
        // The session stays whatever happens: its counter must not go back.
        let mut session = self.place_mut(place)?.session.take()?;
        let mut name = Bytes::<NAME>::EMPTY;
        let named = write!(name, "{}", topic.under(self.prefix()));
        let sealed = named.ok().and_then(|()| {
            let group = self.place(place)?;
            let psk = group.state()?.current()?.psk().session();
            let record = SessionRecord {
                topic: Topic::new(name.as_str()).ok()?,
                psk: &psk,
                credential: self.own.bytes(),
                sent_at: at.now,
            };
            let publisher = Publisher::new(&self.identity, self.standing(group)).ok()?;
            session
                .seal_record_into(&publisher, &record, at.now, out)
                .ok()
        });
        let group = self.place_mut(place)?;
        group.session = Some(session);
        let len = sealed?;
        if let Some(record) = &mut group.own_record {
            record.to_send = false;
        }
        Some(Transmit {
            topic,
            len,
            retain: true,
        })
    }

    /// The broker has acknowledged what [`Device::poll_transmit`] gave for this topic. After the
    /// record of a session, its messages go in the short form, if they are sealed so.
    pub fn acknowledged(&mut self, topic: &ReservedTopic) {
        let ReservedTopic::SessionRecord(group, _) = topic else {
            return;
        };
        let Some(group) = self.place_of(group).and_then(|place| self.place_mut(place)) else {
            return;
        };
        if let (Some(record), Some(session)) = (&mut group.own_record, &mut group.session) {
            record.is_published = true;
            session.record_published();
        }
    }

    /// Whether a message that was prepared would still be of the full form, because the broker does
    /// not have the record yet: it can wait a moment.
    #[must_use]
    pub fn awaits_record(&self, group: &GroupId) -> bool {
        let group = self.place_of(group).and_then(|place| self.place(place));
        let record = group.and_then(|group| group.own_record);
        record.is_some_and(|record| !record.is_published)
    }
}
