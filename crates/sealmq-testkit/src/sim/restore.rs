//! What operators do beside removing and rotating: delegations renewed, stores put back.

use sealmq_authority::{AuditLog, Authority, AuthorityEvent, Entry, ResumeOptions, What};
use sealmq_keys::{ReservedTopic, Roles, Store as _};

use super::world::{OFFICE, World};
use crate::fuzz::world::{MemoryStore, YEAR};

/// Copies of the authority's store.
#[derive(Default)]
pub(super) struct Backups {
    pub(super) copy: Option<MemoryStore>,
    /// The audit log as it was kept elsewhere when the store was put back.
    pub(super) log: Vec<Vec<u8>>,
    /// Whether the authority has said that its delegation ends.
    pub(super) delegation_ends: bool,
    /// The step in which an operator resumes.
    pub(super) resume: u64,
}

impl World {
    /// The root signs a delegation with the next serial for the keys in use.
    pub(super) fn renew_delegation(&mut self) {
        let ends = self.backups.delegation_ends;
        if !self.acts() || (self.settings.thief && (!ends || self.thief.recovered)) {
            return;
        }
        if self.settings.thief && self.settings.hostile && self.calm_since.is_none() {
            // Until some time after it has ended.
            let end = self.authority.delegation_info().not_after * 1000;
            let steps = end.saturating_sub(self.now) / 2000 + 40;
            self.withhold_successor(self.broker.step + steps);
        }
        let now = self.now / 1000;
        let request = self
            .authority
            .request_delegation(false, false, now, &mut self.rng);
        let (request, plan) = request.unwrap();
        if !self.carry_out(plan) {
            return;
        }
        self.trace.note("the root renews the delegation");
        let serial = self.authority.delegation_info().serial + 1;
        // Not everybody says so, and that costs the state of before.
        let lineage = (!self.dice.one_in(4)).then_some(&self.lineage);
        let total = match lineage {
            Some(_) => "delegations continued",
            None => "delegations not continued",
        };
        let object = self
            .root
            .delegate_on(lineage, &request, serial, now, now + YEAR, Roles::ALL)
            .unwrap();
        let plan = self
            .authority
            .install_delegation(&object, false, now, &mut self.rng);
        if self.carry_out(plan.unwrap()) {
            self.show_successor();
            self.backups.delegation_ends = false;
            self.seen.total("delegations renewed");
            self.seen.total(total);
        }
    }

    /// Copies the authority's store, and that of a device.
    pub(super) fn back_up(&mut self, device: usize) {
        if self.settings.restores {
            if self.acts() {
                self.backups.copy = Some(self.store.clone());
            }
            let this = &mut self.devices[device];
            if this.is_sensor() {
                // Nothing of it tells of a flash that somebody wrote back (spec/keys.md §13).
                return;
            }
            this.backup = Some((this.store.clone(), this.live.clone(), this.kept.clone()));
        }
    }

    /// Puts the authority's store back. Operators mark the copy as a backup, or the authority
    /// finds out by what the broker has, if that shows it everything.
    pub(super) fn restore(&mut self, step: u64) {
        if !self.settings.restores || !self.acts() {
            return;
        }
        let Some(copy) = self.backups.copy.take() else {
            return;
        };
        self.trace.note("the authority's store is put back");
        self.seen.fault("the authority's store is put back");
        self.backups.log = Authority::audit_log(&self.store).unwrap();
        self.backups.resume = step + 1 + self.dice.below(15);
        let shown = !self.dice.one_in(4) && self.is_proven_old(&copy);
        self.replace_store(Some(copy));
        if self.dice.one_in(2) {
            self.mark_restored();
        } else if shown {
            self.seen.total("backups that the broker shows");
            self.let_office_look();
        } else {
            self.seen.total("backups that the broker does not show");
            self.mark_restored();
        }
        self.closed = 0;
    }

    /// Whether something that the broker has proves that a store was put back.
    fn is_proven_old(&self, copy: &MemoryStore) -> bool {
        let mut store = copy.clone();
        let mut twin = Authority::load(&store).unwrap();
        let prefix = self.authority.prefix();
        for (topic, payload) in &self.broker.retained {
            let parsed = ReservedTopic::parse(prefix, topic);
            if !parsed.is_some_and(|topic| topic.is_evidence()) {
                continue;
            }
            let plan = twin.observe(&store, topic, payload, self.now / 1000);
            store.commit(&plan.unwrap().changes).unwrap();
        }
        twin.suspension().is_some()
    }

    /// The office finds out by itself, as the process that it was, or as a new one.
    fn let_office_look(&mut self) {
        if self.dice.one_in(2) {
            self.start_office();
        }
        self.broker.clients[OFFICE].favoured = true;
        for _ in 0..20 {
            if self.acts() {
                if !self.broker.clients[OFFICE].online {
                    self.connect_office();
                }
                self.pass_seconds(1);
            }
        }
        self.broker.clients[OFFICE].favoured = false;
        assert!(!self.acts(), "an office acts on a store that was put back");
    }

    fn mark_restored(&mut self) {
        let changes = Authority::mark_restored(&self.store, self.now / 1000).unwrap();
        self.store.commit(&changes).unwrap();
        self.start_office();
    }

    /// With a new delegation and the log, a suspended authority acts again; what was enrolled
    /// since has to join again.
    pub(super) fn resume(&mut self, step: u64) {
        if step < self.backups.resume {
            return;
        }
        let now = self.now / 1000;
        let request = self
            .authority
            .request_delegation(false, false, now, &mut self.rng);
        let (request, plan) = request.unwrap();
        if !self.carry_out(plan) {
            return;
        }
        let seen = self.authority.suspension().unwrap().serial;
        let serial = seen.max(self.serial_in_log()) + 1;
        let object = self
            .root
            .delegate(&request, serial, now, now + YEAR, Roles::ALL)
            .unwrap();
        if self.resume_with_short_log(&object) {
            return;
        }
        let log = std::mem::take(&mut self.backups.log);
        // The operator kept the copy well: it counts to its end, whatever heartbeats tell.
        let end = AuditLog::verify(log.iter().map(Vec::as_slice)).unwrap();
        let options = ResumeOptions {
            log: Some(&log),
            heads: &[end],
            keep: &[],
            ..ResumeOptions::default()
        };
        let plan = self
            .authority
            .resume(&object, &options, now, &mut self.rng)
            .unwrap();
        self.backups.log = log;
        let unknown = plan.events.iter().find_map(|event| match event {
            AuthorityEvent::Resumed { enrolled, .. } => Some(enrolled.clone()),
            _ => None,
        });
        self.trace.note("the authority resumes");
        if self.carry_out(plan) {
            // Heartbeats are counted from here: without an authority nobody converges.
            self.calm_since = self.calm_since.map(|_| self.now);
            let unknown = unknown.unwrap();
            for device in &mut self.devices {
                if device.removed.is_none() && unknown.contains(&device.number()) {
                    device.removed = Some(now);
                    self.seen.total("enrolled after the backup");
                }
            }
            self.check_nobody_returns();
        }
    }

    fn serial_in_log(&self) -> u32 {
        let serials =
            self.backups
                .log
                .iter()
                .filter_map(|entry| match Entry::decode(entry).unwrap().what {
                    What::Delegation { serial, .. } | What::Resumed { serial, .. } => Some(serial),
                    _ => None,
                });
        serials.max().unwrap_or(0)
    }

    /// Puts a device's store back. From then on it is a device that lost its state: nothing of
    /// what it sends counts twice, and its operator has to enrol it anew.
    pub(super) fn restore_device(&mut self, device: usize) {
        let this = &mut self.devices[device];
        let Some((store, live, kept)) = this.backup.take() else {
            return;
        };
        this.store = store;
        this.live = live;
        this.kept = kept;
        this.put_back = true;
        this.numbers = super::device::Numbers::default();
        self.trace.note(&format!("{device} is put back"));
        self.seen.fault("a device's store is put back");
        self.load(device);
    }

    /// Devices that were put back are replaced.
    pub(super) fn replace_devices(&mut self) {
        let put_back = |d: &usize| self.devices[*d].put_back;
        let devices: Vec<usize> = (0..self.devices.len()).filter(put_back).collect();
        self.remove(&devices);
    }
}
