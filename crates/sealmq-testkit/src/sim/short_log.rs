//! Operators that restore an authority with a copy of the log that is shorter than what
//! heartbeats at the broker tell of, or with entries behind its end that somebody invented
//! (spec/keys.md §13).

use std::collections::BTreeSet;

use sealmq_authority::{AuditLog, Authority, Entry, ResumeOptions, What};
use sealmq_core::MemberNumber;
use sealmq_core::crypto::{Digest, VerifyingKey};
use sealmq_keys::{Publication, ReservedTopic, VerifiedDelegation, VerifiedHeartbeat};

use super::Sabotage;
use super::world::World;

impl World {
    /// A copy of the log that ends before a removal, if there was one since the backup; and the
    /// heartbeat that proves that it went on.
    fn short_log(&mut self) -> Option<(Vec<Vec<u8>>, Publication)> {
        let log = &self.backups.log;
        let own = Authority::audit_log(&self.store).unwrap().len();
        let removal = |entry: &Vec<u8>| {
            let what = Entry::decode(entry).unwrap().what;
            matches!(what, What::Removed { .. })
        };
        let at = (own..log.len()).find(|at| removal(&log[*at]))?;
        let root = VerifyingKey::from_bytes(self.authority.root_key()).unwrap();
        let delegation = VerifiedDelegation::verify(self.authority.delegation(), &root).unwrap();
        let prefix = self.authority.prefix();
        let proves = |publication: &&Publication| {
            let topic = ReservedTopic::parse(prefix, &publication.topic);
            let beat = VerifiedHeartbeat::verify(&publication.payload, &delegation);
            matches!(topic, Some(ReservedTopic::Heartbeat(_)))
                && beat.is_ok_and(|beat| beat.fields().log_size > at as u64)
        };
        let proof = self.broker.log.iter().rev().find(proves)?.clone();
        Some((log[..at].to_vec(), proof))
    }

    /// Somebody appends what never happened: as many entries as heartbeats tell of, and numbers
    /// that leave no room.
    fn embellish(&mut self, log: &mut Vec<Vec<u8>>) {
        let mut audit = AuditLog::verify(log.iter().map(Vec::as_slice)).unwrap();
        let prefix = self.authority.prefix().to_owned();
        let topic = ReservedTopic::Credential(MemberNumber((1 << 28) - 1)).name(&prefix);
        let now = self.now / 1000;
        let honest = self.honest();
        let member = honest.first().map(|device| self.devices[*device].number());
        let entries = self.backups.log.len() + 3 - log.len();
        for at in 0..entries {
            let what = match member {
                Some(member) if at == 0 => What::Removed { member },
                _ => What::Signed {
                    topic: &topic,
                    hash: Digest([7; 32]),
                },
            };
            log.push(audit.append(now, what).unwrap().bytes);
        }
    }

    /// An operator tries with a log that lacks a removal. `true` if the authority acts now.
    pub(super) fn resume_with_short_log(&mut self, delegation: &[u8]) -> bool {
        let Some((mut log, proof)) = self.short_log() else {
            return false;
        };
        let now = self.now / 1000;
        let Publication { topic, payload, .. } = &proof;
        let plan = self.authority.observe(&self.store, topic, payload, now);
        if !self.carry_out(plan.unwrap()) || self.acts() {
            return false;
        }
        if self.settings.sabotage != Sabotage::ShortLog {
            let mut whole = self.backups.log.clone();
            self.embellish(&mut whole);
            self.seen.fault("forged log entries");
            if !self.is_refused(delegation, &whole, "forged log entries refused") {
                return true;
            }
            if self.dice.one_in(2) {
                self.embellish(&mut log);
            }
        }
        self.seen.fault("short log");
        !self.is_refused(delegation, &log, "short logs refused")
    }

    /// Whether the authority refuses this log, of which the operator says nothing.
    fn is_refused(&mut self, delegation: &[u8], log: &[Vec<u8>], total: &str) -> bool {
        let suspension = self.authority.suspension().unwrap();
        let mut options = ResumeOptions {
            log: Some(log),
            ..ResumeOptions::default()
        };
        let mut heads = suspension.heads;
        heads.push(AuditLog::verify(log.iter().map(Vec::as_slice)).unwrap());
        if self.settings.sabotage == Sabotage::ShortLog {
            options.heads = &heads;
            options.keep = &suspension.removed;
        }
        let now = self.now / 1000;
        let rng = &mut self.rng;
        let Ok(plan) = self.authority.resume(delegation, &options, now, rng) else {
            self.seen.total(total);
            return true;
        };
        self.trace
            .note("the authority takes a log that proves nothing");
        self.carry_out(plan);
        self.check_nobody_returns();
        false
    }

    /// Nobody that was removed is a member again, and nobody else is out.
    pub(super) fn check_nobody_returns(&mut self) {
        let members = self.authority.members();
        let active = members.filter(|member| member.removed_at.is_none());
        let active: BTreeSet<MemberNumber> = active.map(|member| member.number).collect();
        for (at, device) in self.devices.iter().enumerate() {
            let back = device.removed.is_some() && active.contains(&device.number());
            assert!(!back, "{at} was removed and is a member again");
        }
        for (at, device) in self.devices.iter().enumerate() {
            let out = device.removed.is_none() && !active.contains(&device.number());
            assert!(!out, "{at} was never removed and is no member");
            self.seen.total("members compared after a restore");
        }
    }
}
