//! What a member says of others whose identity two devices use: to the application, and in its
//! confirmation to the authority (spec/envelope.md §11, spec/keys.md §4).

use alloc::collections::BTreeMap;
use alloc::string::ToString as _;
use alloc::vec;
use alloc::vec::Vec;

use sealmq_core::MemberNumber;
use sealmq_core::object::{Extension, List, ObjectError, decode, encode};
use sealmq_core::open::Sighting;

use super::event::{MemberEvent, SentMessage};
use super::records;
use super::types::{Action, Now};
use super::{Member, MemberError, Name, seconds};
use crate::confirmation::MAX_CONFIRMATION_LEN;
use crate::objects::{DEVICE_REPORTS, DeviceReport, DeviceReports, MAX_DEVICE_REPORTS};
use crate::store::{Changes, Store};

/// Milliseconds between two confirmations because of reports.
const REPORT_EVERY: u64 = 600_000;
/// Bytes of the longest list of reports.
const MAX_REPORTS_LEN: usize = 1024;

/// What the confirmation says of others, durably.
#[derive(Default)]
pub(super) struct Reports {
    all: Vec<DeviceReport>,
    /// No confirmation that was published has all of it.
    is_due: bool,
    /// When one was published for it.
    sent: Option<Now>,
}

impl Reports {
    pub(super) fn load<S: Store>(store: &S, own: MemberNumber) -> Result<Self, MemberError> {
        let key = records::REPORTS;
        let Some(value) = records::get(store, key)? else {
            return Ok(Self::default());
        };
        let damaged = |_| MemberError::Record(key.into());
        let found: DeviceReports<'_> =
            decode(records::body(key, &value)?).map_err(|_| damaged(ObjectError::Encoding))?;
        found.check(own).map_err(damaged)?;
        Ok(Self {
            all: found.reports.iter().collect(),
            ..Self::default()
        })
    }

    /// Adds one, unless as much was said of the member under this credential; the oldest gives way.
    fn add(&mut self, report: DeviceReport) -> bool {
        let says_it = |known: &DeviceReport| {
            known.member == report.member
                && known.credential() >= report.credential()
                && known.sign <= report.sign
        };
        if self.all.iter().any(says_it) {
            return false;
        }
        self.all.retain(|known| known.member != report.member);
        if self.all.len() >= MAX_DEVICE_REPORTS {
            // What no confirmation has had yet stays: this one is seen again.
            let oldest = self
                .all
                .iter()
                .enumerate()
                .min_by_key(|(_, known)| known.at);
            let Some((oldest, _)) = oldest.filter(|_| !self.is_due) else {
                return false;
            };
            self.all.remove(oldest);
        }
        self.all.push(report);
        self.all.sort_by_key(|report| report.member);
        self.is_due = true;
        true
    }

    /// The value of the extension; `None` if there is nothing to say.
    fn value(&self) -> Result<Option<Vec<u8>>, ObjectError> {
        if self.all.is_empty() {
            return Ok(None);
        }
        let mut list = [0; MAX_REPORTS_LEN];
        let reports = List::encode(&self.all, &mut list)?;
        let mut value = vec![0; MAX_REPORTS_LEN];
        let len = encode(&DeviceReports { reports }, &mut value)?.len();
        value.truncate(len);
        Ok(Some(value))
    }
}

impl Member {
    /// Takes note of a message that verified, whether or not it was accepted.
    pub(super) fn notice(&mut self, sighting: &Sighting, now: Now, actions: &mut Vec<Action>) {
        if sighting.member == self.number() {
            return;
        }
        let recorded = self.recorded(sighting);
        let Some(sign) = self.clones.see(sighting, recorded, now.or(self.uptime)) else {
            return;
        };
        let (one, other) = (sign.first.session, sign.second.session);
        let is_new = self.reports.add(DeviceReport {
            member: sighting.member,
            serial: sighting.credential.delegation,
            credential_serial: sighting.credential.credential,
            sign: sign.what,
            group: sighting.group,
            first: one.min(other),
            second: one.max(other),
            at: seconds(now).unwrap_or(0),
        });
        if is_new && let Ok(Some(value)) = self.reports.value() {
            let mut changes = Changes::new();
            records::put_bytes(&mut changes, records::REPORTS, &value);
            actions.push(Action::Commit(changes));
        }
        actions.push(Action::Event(MemberEvent::TwoDevices {
            member: sighting.member,
            name: self.name_of(sighting.member).to_string(),
            group: sighting.group,
            sign: sign.what,
            first: sign.first,
            second: sign.second,
        }));
        self.publish_reports(now, actions);
    }

    /// The name of a member, as its credential says it; empty if that is not known.
    pub(super) fn name_of(&self, member: MemberNumber) -> Name {
        let credential = match self.own.member == member {
            true => Some(&self.own),
            false => self.peers.get(member, &self.delegation),
        };
        credential
            .map(|holder| holder.name.clone())
            .unwrap_or_default()
    }

    /// Another session of an event's number that replay protection remembers: that is durable.
    fn recorded(&self, sighting: &Sighting) -> Option<SentMessage> {
        let sender = self
            .reader
            .receiver
            .sender(&sighting.group, sighting.member)?;
        let session = sighting.session;
        let other = sender.other_session(sighting.credential, session, &sighting.enc);
        let (enc, counter) = other.filter(|_| !sighting.is_state)?;
        Some(SentMessage {
            session,
            enc,
            counter,
            sent_at: None,
        })
    }

    /// Publishes the confirmation with what was not said yet, from time to time.
    pub(super) fn publish_reports(&mut self, now: Now, actions: &mut Vec<Action>) {
        let at = now.or(self.uptime);
        let waits = |sent: Now| {
            sent.zip(at)
                .is_some_and(|(sent, at)| at.abs_diff(sent) < REPORT_EVERY)
        };
        if !self.reports.is_due || self.reports.sent.is_some_and(waits) {
            return;
        }
        if let Some(confirmation) = self.confirmation() {
            self.reports.is_due = false;
            self.reports.sent = Some(at);
            actions.push(Action::Publish(confirmation));
        }
    }

    /// The extensions of a confirmation, encoded: what it says of others, and those of trials.
    pub(super) fn confirmation_extensions(&self) -> Result<Vec<u8>, ObjectError> {
        let reports = self.reports.value()?;
        let trial = List::<Extension<'_>>::from_encoded(&self.options.extensions)?;
        let mut all: BTreeMap<u16, &[u8]> = trial.iter().map(|e| (e.id, e.value)).collect();
        if let Some(value) = &reports {
            all.insert(DEVICE_REPORTS, value);
        }
        let all = all.into_iter().map(|(id, value)| Extension { id, value });
        let all: Vec<Extension<'_>> = all.collect();
        let mut buffer = vec![0; MAX_CONFIRMATION_LEN];
        Ok(List::encode(&all, &mut buffer)?.as_encoded().to_vec())
    }
}
