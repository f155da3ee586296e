//! Members of whom others say that two devices use their identity (spec/keys.md §4): claims, which
//! are shown to operators and change nothing else.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::{CredentialOrder, MemberNumber};
use sealmq_keys::objects::{DeviceReport, DevicesSign};
use serde::{Deserialize, Serialize};

use super::log::Decision;
use super::record::{self, MemberRecord};
use super::{Authority, AuthorityError, AuthorityEvent, Plan};

pub(super) const REPORTED_PREFIX: &str = "authority/reported/";
/// Members that are remembered for saying it of one.
const MAX_REPORTERS: usize = 8;
/// Members of whom one is heard at a time.
const MAX_CLAIMS: usize = 64;

/// What is said of one member.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct ReportedRecord {
    pub(super) member: MemberNumber,
    /// Of its credential, with which all of it ends.
    pub(super) serial: u32,
    pub(super) credential_serial: u32,
    /// When it was first said, Unix seconds.
    pub(super) since: u64,
    pub(super) by: Vec<ReporterRecord>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) struct ReporterRecord {
    pub(super) member: MemberNumber,
    /// It says that it has proof: a shared session number.
    pub(super) has_proof: bool,
}

/// Two devices use the identity of a member, as others say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwoDevices {
    /// When it was first said, Unix seconds.
    pub since: u64,
    /// Who says so, at most 8.
    pub reporters: Vec<MemberNumber>,
    /// How many of them have seen a shared session number, which the member itself has signed.
    pub with_proof: usize,
}

impl ReportedRecord {
    fn key(member: MemberNumber) -> String {
        format!("{REPORTED_PREFIX}{member}")
    }

    const fn credential(&self) -> CredentialOrder {
        CredentialOrder {
            delegation: self.serial,
            credential: self.credential_serial,
        }
    }

    fn says(&self, reporter: MemberNumber) -> bool {
        self.by.iter().any(|by| by.member == reporter)
    }

    /// Adds what one says; whether that was new.
    fn add(&mut self, reporter: MemberNumber, has_proof: bool) -> bool {
        let room = self.by.len() < MAX_REPORTERS;
        if let Some(known) = self.by.iter_mut().find(|by| by.member == reporter) {
            let is_new = has_proof && !known.has_proof;
            known.has_proof |= has_proof;
            return is_new;
        }
        if room {
            self.by.push(ReporterRecord {
                member: reporter,
                has_proof,
            });
        }
        room
    }
}

impl Authority {
    /// What others say of a member, as long as its credential is the one that it is about.
    pub(super) fn two_devices(&self, member: &MemberRecord) -> Option<TwoDevices> {
        let record = self.reported.get(&member.number)?;
        if !self.is_current_claim(record) {
            return None;
        }
        Some(TwoDevices {
            since: record.since,
            reporters: record.by.iter().map(|by| by.member).collect(),
            with_proof: record.by.iter().filter(|by| by.has_proof).count(),
        })
    }

    fn is_current_claim(&self, record: &ReportedRecord) -> bool {
        self.credential_in_force(record.member) == Some(record.credential())
    }

    fn credential_in_force(&self, member: MemberNumber) -> Option<CredentialOrder> {
        let member = self.members.get(&member).filter(|m| m.is_active())?;
        Some(CredentialOrder {
            delegation: self.delegation.serial(),
            credential: member.credential_serial,
        })
    }

    /// Takes what a member's confirmation says of others.
    pub(super) fn take_reports(
        &mut self,
        reporter: MemberNumber,
        reports: &[DeviceReport],
        now: u64,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        for report in reports {
            if !self.may_say(reporter, report) {
                continue;
            }
            let known = self.reported.get(&report.member);
            let known = known.filter(|known| known.credential() == report.credential());
            let is_new = known.is_none();
            let mut record = known.cloned().unwrap_or(ReportedRecord {
                member: report.member,
                serial: report.serial,
                credential_serial: report.credential_serial,
                since: now,
                by: Vec::new(),
            });
            if !record.add(reporter, report.sign == DevicesSign::SharedNumber) {
                continue;
            }
            self.forget_ended_claims(plan);
            record::put(
                &mut plan.changes,
                ReportedRecord::key(record.member),
                &record,
            )?;
            self.reported.insert(record.member, record);
            if is_new {
                let (member, by) = (report.member, reporter);
                plan.decisions.push(Decision::TwoDevices { member, by });
                let name = self.members.get(&member).map(|member| member.name.clone());
                let name = name.unwrap_or_default();
                plan.events
                    .push(AuthorityEvent::TwoDevices { member, name, by });
            }
        }
        Ok(())
    }

    /// Whether somebody is heard: of what is in force, of a sender whose messages it can read, and
    /// not of too many.
    fn may_say(&self, reporter: MemberNumber, report: &DeviceReport) -> bool {
        let grant = |member| self.members.get(&member)?.grant(&report.group);
        let reads = grant(reporter).is_some_and(|grant| grant.access.may_subscribe());
        let sends = grant(report.member).is_some_and(|grant| grant.access.may_publish());
        if !reads || !sends || self.credential_in_force(report.member) != Some(report.credential())
        {
            return false;
        }
        let known = self.reported.get(&report.member);
        let others = || {
            let claims = self.reported.values();
            claims.filter(|claim| claim.says(reporter) && self.is_current_claim(claim))
        };
        known.is_some_and(|known| known.says(reporter)) || others().count() < MAX_CLAIMS
    }

    fn forget_ended_claims(&mut self, plan: &mut Plan) {
        let ended = self.reported.values().filter(|r| !self.is_current_claim(r));
        let ended: Vec<MemberNumber> = ended.map(|record| record.member).collect();
        for member in ended {
            plan.changes.delete(ReportedRecord::key(member));
            self.reported.delete(&member);
        }
    }
}
