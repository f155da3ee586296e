//! The authority's delegation: taking one, renewing it, and recovering by it.

use alloc::format;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::{RecipientKeyPair, VerifyingKey};
use sealmq_core::object::{Role, kem_of, suite_of_number};
use sealmq_core::wire::Suite;
use sealmq_core::{GroupId, MemberNumber};

use super::current::Entry;
use super::log::Decision;
use super::record::{
    self, DOMAIN_KEY, DomainRecord, KeyRecord, KeysRecord, Place, PreviousKem, SecretBytes,
};
use super::{Authority, AuthorityError, AuthorityEvent, EpochReason, GenerationReason, Plan};
use crate::armour::DelegationRequest;
use sealmq_keys::Publication;
use sealmq_keys::ReservedTopic;
use sealmq_keys::{DelegatedKey, VerifiedDelegation};

const DAY: u64 = 86_400;

/// The delegation as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationInfo {
    /// Its serial.
    pub serial: u32,
    /// The lowest serial whose state it continues; its own if it continues nothing.
    pub since: u32,
    /// Unix seconds.
    pub issued_at: u64,
    /// Unix seconds.
    pub not_after: u64,
    /// The authority's keys and what each may sign.
    pub keys: Vec<DelegatedKey>,
    /// Keys that receive join requests.
    pub kem_keys: usize,
}

impl Authority {
    /// The current delegation.
    #[must_use]
    pub fn delegation_info(&self) -> DelegationInfo {
        let keys = self.delegation.keys().map(|(_, key, roles)| DelegatedKey {
            key: *key.as_bytes(),
            roles,
        });
        DelegationInfo {
            serial: self.delegation.serial(),
            since: self.delegation.since(),
            issued_at: self.delegation.issued_at(),
            not_after: self.delegation.not_after(),
            keys: keys.collect(),
            kem_keys: self.delegation.kem_keys().count(),
        }
    }

    /// What the root has to sign next. Without `new_keys` for the keys in use; otherwise for new
    /// ones, which wait in the store until [`Authority::install_delegation`]: one, or with
    /// `split_roles` one for each role. Keys that waited already are forgotten: they may have been
    /// stolen with the others.
    ///
    /// A suspended authority may do this, too ([`Authority::resume`]).
    ///
    /// # Errors
    /// The RNG failed.
    pub fn request_delegation(
        &mut self,
        new_keys: bool,
        split_roles: bool,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(DelegationRequest, Plan), AuthorityError> {
        if !new_keys {
            return Ok((self.domain.keys.request(&self.domain)?, Plan::default()));
        }
        self.attempt(|this| {
            let drawn = &mut this.draws(this.delegation.serial(), now, rng);
            let keys = KeysRecord::draw(split_roles, drawn)?;
            let request = keys.request(&this.domain)?;
            this.domain.change().next_keys = Some(keys);
            let mut plan = Plan::default();
            record::put(&mut plan.changes, DOMAIN_KEY.into(), &*this.domain)?;
            Ok((request, this.settle_drawn(plan, drawn, now)?))
        })
    }

    /// Takes the root's answer to [`Authority::request_delegation`]: publishes it, and issues
    /// anew under it every credential, every welcome that was not confirmed, and an epoch of each
    /// group (spec/keys.md §3).
    ///
    /// With `recovery`, for keys that were stolen: the delegation has to be for new keys. Each
    /// group gets a new tree, and the old ones end at once, because the thief has them; members
    /// with a usable key package get welcomes, others when they publish packages. Join tokens are
    /// revoked.
    ///
    /// After [`Authority::migration`] from a version whose objects nobody reads any more it is a
    /// new start for everybody, too, but with the same keys and tokens.
    ///
    /// # Errors
    /// The delegation is not the root's, not for these keys, not newer, or not valid now.
    pub fn install_delegation(
        &mut self,
        object: &[u8],
        recovery: bool,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        self.check_not_suspended()?;
        if recovery {
            self.check_new_keys(object)?;
        }
        let nothing_counts = self.domain.is_old;
        self.attempt(|this| {
            let mut plan = Plan::default();
            let serial = this.domain.verify(object)?.serial();
            let drawn = &mut this.draws(serial, now, rng);
            this.take_delegation(object, now, &mut plan)?;
            if recovery {
                this.revoke_all_tokens(&mut plan);
            }
            if recovery || nothing_counts {
                this.begin_anew(now, &mut plan, drawn)?;
            } else {
                this.go_on(now, &mut plan, drawn)?;
            }
            this.in_order(&mut plan);
            this.settle_drawn(plan, drawn, now)
        })
    }

    /// Every key of the delegation has to be one that waited for it.
    fn check_new_keys(&self, object: &[u8]) -> Result<(), AuthorityError> {
        let delegation = self.domain.verify(object)?;
        if delegation.continues(self.delegation.serial()) {
            return Err(AuthorityError::Delegation(
                "it continues the one whose keys were stolen: the root has to sign one that does not",
            ));
        }
        let used: Vec<[u8; 32]> = self
            .domain
            .keys
            .signing
            .iter()
            .map(KeyRecord::public)
            .collect();
        if delegation
            .keys()
            .any(|(_, key, _)| used.contains(key.as_bytes()))
        {
            return Err(AuthorityError::Delegation(
                "it lists a key that is in use, which a thief may have: request a delegation for new keys",
            ));
        }
        Ok(())
    }

    /// From here on everything is signed under another delegation.
    pub(super) fn take_delegation(
        &mut self,
        object: &[u8],
        now: u64,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let domain = self.domain.change();
        self.delegation.set(domain.take(object, now, plan)?);
        self.signing_keys.set(domain.keys.identities());
        record::put(&mut plan.changes, DOMAIN_KEY.into(), domain)
    }

    /// Routine: chains, trees and epochs go on.
    fn go_on(
        &mut self,
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), AuthorityError> {
        self.renew_all(now, plan)?;
        let groups: Vec<GroupId> = self.groups.keys().copied().collect();
        for group in &groups {
            self.welcome_again(*group, plan, rng)?;
        }
        for group in groups {
            self.epoch_under_delegation(group, now, plan, rng)?;
        }
        Ok(())
    }

    /// Recovery: whatever somebody else knows or has signed is worth nothing from here on.
    pub(super) fn begin_anew(
        &mut self,
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), AuthorityError> {
        self.renew_all(now, plan)?;
        let groups: Vec<GroupId> = self.groups.keys().copied().collect();
        for group in &groups {
            self.allow_all_packages(*group, plan)?;
            let reason = GenerationReason::Recovery;
            self.replace_generations(*group, reason, now, plan, rng)?;
            if let Some(group) = self.groups.get_mut(group) {
                group.kept.clear();
            }
            self.welcome_waiting(*group, usize::MAX, now, plan, rng)?;
        }
        for group in groups {
            self.epoch_under_delegation(group, now, plan, rng)?;
        }
        Ok(())
    }

    fn epoch_under_delegation(
        &mut self,
        group: GroupId,
        now: u64,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), AuthorityError> {
        plan.append(self.next_epoch(group, EpochReason::Delegation, now, rng)?);
        let has_lease = self.groups.get(&group).is_some_and(|g| g.policy.lease != 0);
        if has_lease && self.signer(Role::Heartbeat).is_ok() {
            self.heartbeat(group, now, plan)?;
        }
        Ok(())
    }

    /// A credential under the new delegation for every member, with the next serial.
    fn renew_all(&mut self, now: u64, plan: &mut Plan) -> Result<(), AuthorityError> {
        let active = self.members.values().filter(|member| member.is_active());
        let active: Vec<MemberNumber> = active.map(|member| member.number).collect();
        for number in active {
            self.renew_by_schedule(number, now, plan)?;
        }
        Ok(())
    }

    /// Welcomes that were not opened yet name a delegation that no longer counts: the same leaves
    /// again, to the same packages, which may serve until a welcome is confirmed.
    fn welcome_again(
        &mut self,
        group: GroupId,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), AuthorityError> {
        let missing = || AuthorityError::NoSuchGroup(format!("{group}"));
        let record = self.groups.get(&group).ok_or_else(missing)?;
        let entry = Entry::next(record, &self.delegation)?;
        let active: Vec<MemberNumber> = self.index.active(&group).collect();
        for number in active {
            let member = self.members.get(&number).ok_or(AuthorityError::Record)?;
            let open = member
                .grant(&group)
                .and_then(|grant| grant.place(record.newest_number()))
                .filter(|place| !place.issued.confirmed);
            let package = open.and_then(|place| {
                let mut packages = member.packages.iter();
                packages.find(|package| package.number == place.issued.package_number)
            });
            let (Some(open), Some(package)) = (open, package) else {
                continue;
            };
            let place = Place {
                at: open.at,
                again: open.again,
                ..self.welcome(&entry, member, record, open.leaf, package, plan, rng)?
            };
            let member = self
                .members
                .get_mut(&number)
                .ok_or(AuthorityError::Record)?;
            let places = member
                .grants
                .iter_mut()
                .filter(|grant| grant.group == group);
            for old in places.flat_map(|grant| &mut grant.places) {
                if old.generation == place.generation {
                    *old = place.clone();
                }
            }
            record::put(&mut plan.changes, member.key(), member)?;
        }
        Ok(())
    }

    /// It is the authority that was robbed, not the devices: packages from before the move to the
    /// last generation may serve. Those of earlier welcomes only if there is no other, because
    /// they may have been opened though no confirmation came.
    fn allow_all_packages(
        &mut self,
        group: GroupId,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let active: Vec<MemberNumber> = self.index.active(&group).collect();
        for number in active {
            let member = self
                .members
                .get_mut(&number)
                .ok_or(AuthorityError::Record)?;
            self.index.take_out(member);
            for grant in member
                .grants
                .iter_mut()
                .filter(|grant| grant.group == group)
            {
                let issued = grant.places.iter().map(|p| p.issued.package_number);
                let issued = issued.max().unwrap_or(0);
                let others = member.last_package > issued;
                grant.fresh_above = if others { issued } else { 0 };
            }
            self.index.add(member);
            record::put(&mut plan.changes, member.key(), member)?;
        }
        Ok(())
    }

    /// Warns once a day when less than a third of the delegation's time, and less than 14 days,
    /// are left.
    pub(super) fn warn_of_expiry(&mut self, now: u64, plan: &mut Plan) {
        let (issued, ends) = (self.delegation.issued_at(), self.delegation.not_after());
        let margin = (ends.saturating_sub(issued) / 3).min(14 * DAY);
        let warned = self.warned_at.is_some_and(|at| now.abs_diff(at) < DAY);
        if !warned && now.saturating_add(margin) >= ends {
            self.warned_at.set(Some(now));
            plan.events.push(AuthorityEvent::DelegationEnds {
                serial: self.delegation.serial(),
                not_after: ends,
            });
        }
    }
}

impl DomainRecord {
    pub(super) fn suite(&self) -> Result<Suite, AuthorityError> {
        Ok(suite_of_number(self.suite)?)
    }

    /// Verifies a delegation of this domain's root.
    pub(super) fn verify(&self, object: &[u8]) -> Result<VerifiedDelegation, AuthorityError> {
        let root = VerifyingKey::from_bytes(&self.root_key).map_err(|_| AuthorityError::Record)?;
        Ok(VerifiedDelegation::verify(object, &root)?)
    }

    /// Takes a delegation for the current or the next keys. Nothing is changed on errors.
    pub(super) fn take(
        &mut self,
        object: &[u8],
        now: u64,
        plan: &mut Plan,
    ) -> Result<VerifiedDelegation, AuthorityError> {
        let delegation = self.verify(object)?;
        let refuse = |why| Err(AuthorityError::Delegation(why));
        if delegation.suite() != self.suite()? {
            return refuse("it is for another suite than the domain's: a domain never changes it");
        }
        let current = match self.delegation.as_slice() {
            [] => None,
            current if self.is_old => {
                let root = VerifyingKey::from_bytes(&self.root_key);
                let root = root.map_err(|_| AuthorityError::Record)?;
                Some(VerifiedDelegation::verify_kept(current, &root)?)
            }
            current => Some(self.verify(current)?),
        };
        if let Some(current) = &current
            && delegation.serial() <= current.serial()
        {
            return refuse(
                "its serial is not above the current one's: let the root sign one with a higher serial",
            );
        }
        if !delegation.is_valid_at(now, 0) {
            return refuse("it is not valid now: check the clock, and its times");
        }
        for role in [Role::Issue, Role::Groups] {
            if !delegation.keys().any(|(_, _, roles)| roles.has(role)) {
                return Err(AuthorityError::NoRole(role));
            }
        }
        let keys = self.keys_for(&delegation)?;
        let before = core::mem::replace(&mut self.keys, keys);
        self.previous_kem = current.map(|current| PreviousKem {
            serial: current.serial(),
            seeds: before.kem,
        });
        self.next_keys = None;
        self.delegation = object.to_vec();
        self.is_old = false;
        let topic = ReservedTopic::Delegation.name(&self.prefix);
        plan.publish(Publication::retained(topic, object));
        plan.decisions.push(Decision::Delegation {
            serial: delegation.serial(),
            hash: *delegation.hash(),
        });
        Ok(delegation)
    }

    /// Our keys that a delegation lists, in its order; all of them have to be ours.
    fn keys_for(&self, delegation: &VerifiedDelegation) -> Result<KeysRecord, AuthorityError> {
        let other = || {
            AuthorityError::Delegation(
                "it lists keys that this authority does not have: install the answer to its newest request",
            )
        };
        let next = || self.next_keys.iter();
        let ours: Vec<&KeyRecord> = next()
            .flat_map(|keys| &keys.signing)
            .chain(&self.keys.signing)
            .collect();
        let signing = delegation.keys().map(|(_, key, roles)| {
            let found = ours.iter().find(|ours| ours.public() == *key.as_bytes());
            let seed = found.ok_or_else(other)?.seed.clone();
            Ok::<_, AuthorityError>(KeyRecord { seed, roles })
        });
        let signing = signing.collect::<Result<Vec<_>, _>>()?;
        let kem = kem_of(delegation.suite())?;
        let public = |seed: &SecretBytes| RecipientKeyPair::derive(kem, &seed.secret());
        let ours: Vec<&SecretBytes> = next()
            .flat_map(|keys| &keys.kem)
            .chain(&self.keys.kem)
            .collect();
        let kem = delegation.kem_keys().map(|(_, key)| {
            let found = ours.iter().find(|seed| public(seed).public() == key);
            found.map(|seed| (*seed).clone()).ok_or_else(other)
        });
        Ok(KeysRecord {
            signing,
            kem: kem.collect::<Result<Vec<_>, _>>()?,
        })
    }
}
