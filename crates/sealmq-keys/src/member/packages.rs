//! Key packages that a member publishes, and its confirmation (spec/keys.md §4): with both the
//! authority renews welcomes without anybody's help.

use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::{DeviceSecret, Digest, Purpose, RecipientKeyPair, Secret};
use sealmq_core::object::{List, ObjectError, Signer, kem_of};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, GroupId};

use super::draw::entropy;
use super::event::MemberEvent;
use super::records::{self, DeviceRecord, PackageRecord, SecretBytes};
use super::types::{Action, Now};
use super::{Member, MemberError, seconds};
use crate::confirmation::{
    Confirmation, ConfirmationEntry, MAX_CONFIRMATION_ENTRIES, MAX_CONFIRMATION_LEN,
};
use crate::key_package::{KeyPackage, MAX_KEY_PACKAGE_LEN};
use crate::outputs::Publication;
use crate::package_age::{KEPT_SETS, MIN_SET, times};
use crate::package_set::{MAX_PACKAGE_SET_LEN, MAX_PACKAGES, PackageSet};
use crate::reserved::ReservedTopic;
use crate::store::Changes;

/// Most packages of a set in suite 2, where each has about 1.4 KiB.
const MAX_SET_SUITE_2: usize = 11;

/// An unused key package.
pub(super) struct Package {
    pub(super) hash: Digest,
    pub(super) seed: Secret,
    /// Number of the set that it was published in; 0: in the request.
    pub(super) set: u32,
    pub(super) issued_at: u64,
    pub(super) not_after: u64,
    /// The object, for publishing it again; empty for those of the request.
    pub(super) object: Vec<u8>,
    /// See [`PackageRecord::epochs`].
    pub(super) epochs: Vec<(GroupId, u64)>,
}

impl Package {
    pub(super) fn of_record(record: PackageRecord) -> (u32, Self) {
        let package = Self {
            hash: record.hash,
            seed: record.seed.secret(),
            set: record.set,
            issued_at: record.issued_at,
            not_after: record.not_after,
            object: record.object,
            epochs: record.epochs,
        };
        (record.number, package)
    }

    pub(super) fn record(&self, number: u32, object: Vec<u8>) -> PackageRecord {
        PackageRecord {
            number,
            hash: self.hash,
            seed: SecretBytes::of(self.seed.expose()),
            set: self.set,
            issued_at: self.issued_at,
            not_after: self.not_after,
            object,
            epochs: self.epochs.clone(),
        }
    }
}

/// What a new package is made for.
pub(super) struct NewPackage<'a> {
    pub(super) signer: Signer<'a>,
    pub(super) domain: DomainId,
    pub(super) suite: Suite,
    pub(super) number: u32,
    pub(super) set: u32,
    /// When the newest announcement that the member knows was issued, Unix seconds.
    pub(super) announced: u64,
    pub(super) now: Now,
}

impl NewPackage<'_> {
    /// Makes a package from a hedged seed; `device` moves on and has to become durable with it.
    pub(super) fn make(
        &self,
        device: &mut DeviceSecret,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Package, MemberError> {
        let hedged = device.hedge(&entropy(rng)?, Purpose::KeyPackage, self.number.into());
        *device = hedged.next;
        let kem = kem_of(self.suite).map_err(MemberError::Object)?;
        let pair = RecipientKeyPair::derive(kem, &hedged.seed);
        let (issued_at, not_after) = times(seconds(self.now), self.announced);
        let package = KeyPackage {
            domain: self.domain,
            identity: *self.signer.key().verifying_key().as_bytes(),
            number: self.number,
            kem: kem.id(),
            init_key: pair.public().as_bytes(),
            issued_at,
            not_after,
        };
        let mut buffer = [0; MAX_KEY_PACKAGE_LEN];
        let (object, hash) = package
            .sign(self.signer, &mut buffer)
            .map_err(MemberError::Object)?;
        Ok(Package {
            hash,
            seed: hedged.seed,
            set: self.set,
            issued_at,
            not_after,
            object: object.to_vec(),
            epochs: Vec::new(),
        })
    }
}

impl Member {
    /// Does what needs randomness: makes and publishes key packages when new ones are due, and
    /// nonces on a device without a clock. Call it about once a second, after [`Member::tick`],
    /// and carry out the actions in the same way.
    pub fn maintain(&mut self, now: Now, rng: &mut impl TryCryptoRng) -> Vec<Action> {
        self.stirred = false;
        let now = self.clock(now);
        let mut actions = Vec::new();
        let mut result = self.note_epochs(&mut actions);
        self.end_stale_packages(now, &mut actions);
        if result.is_ok() && (self.replenish || self.needs_packages(now)) {
            result = self.publish_new_packages(now, rng, &mut actions);
        }
        let result = result.and_then(|()| self.ask_for_leases(now, rng, &mut actions));
        let failed = result.is_err();
        if failed && !self.random_failed {
            actions.push(Action::Event(MemberEvent::RandomFailed));
        }
        self.random_failed = failed;
        actions
    }

    /// Publishes the confirmation and the newest key packages: call it once per connection, after
    /// [`Member::reserved_subscriptions`] were subscribed. Both are retained, so that this matters
    /// only to a broker that lost them.
    pub fn connected(&mut self) -> Vec<Action> {
        self.connection.begun();
        self.records_on_connection();
        let objects = [self.confirmation(), self.newest_set()];
        let objects = objects.into_iter().flatten();
        objects.map(Action::Publish).collect()
    }

    /// What to commit for the device's secret and counters, and for sessions that began: their
    /// records hold older values and must not come after these.
    pub(super) fn put_device(&mut self) -> Result<Changes, MemberError> {
        let mut changes = core::mem::take(&mut self.unsaved);
        let record = DeviceRecord {
            secret: SecretBytes::of(self.device.expose()),
            session: self.session_number,
            package: self.package_number,
            connection: self.connection.number(),
        };
        records::put(&mut changes, records::DEVICE, &record)?;
        Ok(changes)
    }

    /// Whether a set is due that was due before the member was loaded: one that was never
    /// published, or whose packages were used.
    pub(super) fn set_was_due(&self) -> bool {
        let newest = self.newest_set_number();
        let first = self
            .packages
            .iter()
            .find(|(_, package)| package.set == newest && newest > 0);
        let used = |first: u32| {
            let states = self.groups.values().filter_map(|g| g.state.as_ref());
            let mut numbers = states.map(|state| state.confirmation().package_number);
            numbers.any(|number| number > first)
        };
        let installed = self.groups.values().any(|group| group.state.is_some());
        installed
            && first.is_none_or(|(first, _)| {
                let in_set = self.packages.values().filter(|p| p.set == newest).count();
                in_set < MIN_SET || used(*first)
            })
    }

    pub(super) fn newest_set_number(&self) -> u32 {
        let sets = self.packages.values().map(|package| package.set);
        sets.max().unwrap_or(0)
    }

    fn set_size(&self) -> usize {
        let most = match self.delegation.suite() {
            Suite::One => MAX_PACKAGES,
            _ => MAX_SET_SUITE_2,
        };
        self.group_ids().len().clamp(MIN_SET, most)
    }

    /// Makes a set of new packages. Their keys become durable, in one commit with the end of
    /// those that are no longer needed, before they are published.
    fn publish_new_packages(
        &mut self,
        now: Now,
        rng: &mut impl TryCryptoRng,
        actions: &mut Vec<Action>,
    ) -> Result<(), MemberError> {
        let set = self.newest_set_number().saturating_add(1);
        let mut device = DeviceSecret::new(Secret::new(*self.device.expose()));
        let mut number = self.package_number;
        let (epochs, announced) = (self.known_epochs(), self.announced_at());
        let mut made = Vec::new();
        for _ in 0..self.set_size() {
            number = number.checked_add(1).ok_or(MemberError::Random)?;
            let new = NewPackage {
                signer: self.signer().map_err(MemberError::Object)?,
                domain: self.domain(),
                suite: self.delegation.suite(),
                number,
                set,
                announced,
                now,
            };
            let mut package = new.make(&mut device, rng)?;
            package.epochs.clone_from(&epochs);
            made.push((number, package));
        }
        self.device = device;
        self.package_number = number;
        let mut changes = self.put_device()?;
        for (number, package) in made {
            let record = package.record(number, package.object.clone());
            records::put(&mut changes, records::package_key(number), &record)?;
            self.packages.insert(number, package);
        }
        let expired = |p: &Package| seconds(now).is_some_and(|now| now > p.not_after);
        let kept_sets = if self.end_older { 0 } else { KEPT_SETS };
        self.packages.retain(|number, package| {
            let kept = package.set.saturating_add(kept_sets) >= set && !expired(package);
            if !kept {
                changes.delete(records::package_key(*number));
            }
            kept
        });
        (self.replenish, self.end_older) = (false, false);
        actions.push(Action::Commit(changes));
        actions.extend(self.newest_set().map(Action::Publish));
        Ok(())
    }

    /// The newest set without what was used since; `None` if there is none.
    fn newest_set(&self) -> Option<Publication> {
        let newest = self.newest_set_number();
        if newest == 0 {
            return None;
        }
        let set = self.packages.values().filter(|p| p.set == newest);
        let objects: Vec<&[u8]> = set.map(|package| package.object.as_slice()).collect();
        let mut list = vec![0; MAX_PACKAGE_SET_LEN];
        let list = List::encode(&objects, &mut list).ok()?;
        let mut out = vec![0; MAX_PACKAGE_SET_LEN];
        let identity = self.identity.verifying_key();
        let set = PackageSet::encode(&list, &self.domain(), &identity, &mut out).ok()?;
        let topic = ReservedTopic::Packages(self.own.member).name(&self.prefix);
        Some(Publication::retained(topic, set))
    }

    /// What the member shows of the welcomes that it installed; `None` if there are none.
    pub(super) fn confirmation(&self) -> Option<Publication> {
        let states = self.groups.values().filter_map(|g| g.state.as_ref());
        // Groups that are granted no more give way, should there ever be too many.
        let granted = |group| self.own.grant(group).is_some();
        let (mut entries, others): (Vec<_>, Vec<_>) =
            states.partition(|state| granted(state.group()));
        let room = MAX_CONFIRMATION_ENTRIES.saturating_sub(entries.len());
        entries.extend(others.into_iter().take(room));
        entries.truncate(MAX_CONFIRMATION_ENTRIES);
        entries.sort_by_key(|state| *state.group());
        let entries: Vec<ConfirmationEntry> = entries
            .into_iter()
            .map(|state| state.confirmation())
            .collect();
        self.sign_confirmation(&entries).ok()
    }

    /// What the member signs with.
    pub(super) fn signer(&self) -> Result<Signer<'_>, ObjectError> {
        Signer::with_encoded(&self.identity, &self.options.extensions)
    }

    fn sign_confirmation(&self, entries: &[ConfirmationEntry]) -> Result<Publication, ObjectError> {
        let mut list = vec![0; MAX_CONFIRMATION_LEN];
        let confirmation = Confirmation {
            domain: self.domain(),
            member: self.own.member,
            entries: List::encode(entries, &mut list)?,
        };
        let mut out = vec![0; MAX_CONFIRMATION_LEN];
        let extensions = self.confirmation_extensions()?;
        let signer = Signer::with_encoded(&self.identity, &extensions)?;
        let (object, _) = confirmation.sign(signer, &mut out)?;
        let topic = ReservedTopic::Confirm(self.own.member).name(&self.prefix);
        Ok(Publication::retained(topic, object))
    }
}
