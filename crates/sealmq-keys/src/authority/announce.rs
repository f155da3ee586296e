use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::GroupId;
use sealmq_core::crypto::{Digest, KemPublicKey, VerifyingKey};
use sealmq_core::object::List;

use super::record::{self, GroupRecord, Healing, MemberRecord, SecretBytes};
use super::tree::NodeKeys;
use super::{Authority, AuthorityError, AuthorityEvent, Plan, SIGNER, draw, draw_public};
use crate::announcement::{
    CoverKey, EpochKind, Generation, Head, MAX_ANNOUNCEMENT_LEN, MAX_FILTERS_LEN,
    MAX_INLINE_ENTRIES,
};
use crate::epoch::ReaderSecret;
use crate::key_package::VerifiedKeyPackage;
use crate::outputs::Publication;
use crate::refused::{MAX_REFUSED_LEN, REMOVED, Refusal, RefusedList};
use crate::reserved::ReservedTopic;
use crate::tree::cover;
use crate::welcome::{MAX_WELCOME_LEN, WelcomeFields};

impl Authority {
    /// Starts the next epoch of a group: draws its secret, wraps it for everyone who may have it,
    /// signs the announcement, and clears the retained ones that fall out of the window.
    pub(super) fn next_epoch(
        &mut self,
        id: GroupId,
        healing: bool,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        if !self.delegation.is_valid_at(now, 0) {
            return Err(AuthorityError::DelegationExpired);
        }
        let mut plan = Plan::default();
        let refused = self.publish_refused(id, now, &mut plan)?;
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        let group = self.groups.get(&id).ok_or_else(missing)?;
        let epoch = group.epoch.checked_add(1).ok_or(AuthorityError::Record)?;
        let not_after = now
            .saturating_add(group.validity)
            .min(self.delegation.not_after());

        let secret = draw(rng)?;
        let stored_secret = SecretBytes::of(&secret);
        let secret = ReaderSecret::new(secret);
        let mut filters = vec![0; MAX_FILTERS_LEN.saturating_mul(2)];
        let texts: Vec<&str> = group.filters.iter().map(|f| f.as_str()).collect();
        let mut generations = [0; 64];
        let generation = Generation {
            number: group.generation.number,
            depth: group.generation.depth,
            first_epoch: group.generation.first_epoch,
            deadline: 0,
        };
        let too_long = |_| AuthorityError::Filter(group.filters.join(" "));
        let head = Head {
            domain: self.domain.domain,
            serial: self.delegation.serial(),
            signer: SIGNER,
            epoch_kind: if healing {
                EpochKind::HEALING
            } else {
                EpochKind::ORDINARY
            },
            group: id,
            name: &group.name,
            epoch,
            salt: draw_public(rng)?,
            previous: group.announcement,
            healing_epoch: group.healing_epoch,
            healing: group.healing,
            issued_at: now,
            not_after,
            policy: group.policy,
            filters: List::encode(&texts, &mut filters).map_err(too_long)?,
            group_key: KemPublicKey([0; 32]),
            psk_check: [0; 32],
            refused,
            generations: List::encode(&[generation], &mut generations)
                .map_err(|_| AuthorityError::Record)?,
        };
        let cover = cover_keys(group, epoch, healing)?;
        let mut buffer = vec![0; MAX_ANNOUNCEMENT_LEN];
        let (object, hash) = head.sign(
            &self.domain.prefix,
            &secret,
            &[&cover],
            &self.signing_key,
            &mut buffer,
        )?;

        let topic = ReservedTopic::Announcement(id, epoch).name(&self.domain.prefix);
        plan.events.push(AuthorityEvent::Epoch {
            group: group.name.clone(),
            epoch,
            healing,
            bytes: object.len(),
        });
        plan.publish(Publication::retained(topic, object));
        self.touched = true;
        let group = self.groups.get_mut(&id).ok_or_else(missing)?;
        group.epoch = epoch;
        group.announcement = hash;
        group.issued_at = now;
        group.refused = refused;
        group.not_after = not_after;
        group.joins_waiting = false;
        group.retained.push(epoch);
        if healing {
            group.healing_epoch = epoch;
            group.healing = hash;
            group.generation.healings.push(Healing {
                epoch,
                reader_secret: stored_secret,
            });
        }
        for old in group.take_out_of_window() {
            let topic = ReservedTopic::Announcement(id, old).name(&self.domain.prefix);
            plan.publish(Publication::clear(topic));
        }
        record::put(&mut plan.changes, group.key(), group)?;
        Ok(plan)
    }

    /// Publishes the refused list when it changed; returns the hash that the announcement names.
    ///
    /// The list is made anew from the members' records each time, so that a clock that was wrong
    /// for a while has forgotten nobody for good.
    fn publish_refused(
        &self,
        id: GroupId,
        now: u64,
        plan: &mut Plan,
    ) -> Result<Digest, AuthorityError> {
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        let group = self.groups.get(&id).ok_or_else(missing)?;
        let refusals = self.refusals(group, now);
        let topic = ReservedTopic::RefusedList(id).name(&self.domain.prefix);
        if refusals.is_empty() {
            if group.refused != Digest::ZERO {
                plan.publish(Publication::clear(topic));
            }
            return Ok(Digest::ZERO);
        }
        let mut buffer = vec![0; MAX_REFUSED_LEN];
        let (object, hash) = RefusedList::sign(
            self.domain.domain,
            self.delegation.serial(),
            SIGNER,
            id,
            &refusals,
            &self.signing_key,
            &mut buffer,
        )?;
        if hash != group.refused {
            plan.publish(Publication::retained(topic, object));
        }
        Ok(hash)
    }

    /// Whom a group refuses: everyone removed, until no reader accepts the credential any more,
    /// whose clock may be behind by the policy's skew.
    pub(super) fn refusals(&self, group: &GroupRecord, now: u64) -> Vec<Refusal> {
        let skew = u64::from(group.policy.skew);
        self.members
            .values()
            .filter(|m| m.removed_at.is_some() && m.latest_expiry.saturating_add(skew) >= now)
            .filter(|m| m.grants.iter().any(|grant| grant.group == group.id))
            .map(|m| Refusal {
                member: m.number,
                lowest_serial: REMOVED,
            })
            .collect()
    }

    /// A welcome for each grant of a new member, for the next epoch of its group.
    pub(super) fn issue_welcomes(
        &self,
        member: &mut MemberRecord,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), AuthorityError> {
        for grant in &member.grants {
            let missing = || AuthorityError::NoSuchGroup(alloc::format!("{}", grant.group));
            let group = self.groups.get(&grant.group).ok_or_else(missing)?;
            if member.packages.is_empty() {
                return Err(AuthorityError::Packages {
                    needed: member.grants.len(),
                });
            }
            let object = member.packages.remove(0).object;
            let key = VerifyingKey::from_bytes(&member.key).map_err(|_| AuthorityError::Record)?;
            let package = VerifiedKeyPackage::verify(&object, &member.package_domain, &key)?;
            member.last_package = package.number();
            let epoch = group.epoch.saturating_add(1);
            let path = NodeKeys::at(&group.generation, epoch).path(grant.leaf);
            let fields = WelcomeFields {
                domain: self.domain.domain,
                serial: self.delegation.serial(),
                signer: SIGNER,
                member: member.number,
                group: grant.group,
                generation: group.generation.number,
                depth: group.generation.depth,
                leaf: grant.leaf,
                epoch,
                previous: group.announcement,
                healing_epoch: group.healing_epoch,
                healing: group.healing,
                package_number: package.number(),
                package: *package.hash(),
            };
            let mut buffer = vec![0; MAX_WELCOME_LEN];
            let path = path.ok_or(AuthorityError::Record)?;
            let (object, _) =
                fields.seal(&path, &package, &draw(rng)?, &self.signing_key, &mut buffer)?;
            let topic =
                ReservedTopic::Welcome(member.number, grant.group).name(&self.domain.prefix);
            plan.publish(Publication::retained(topic, object));
        }
        Ok(())
    }
}

impl GroupRecord {
    /// Epochs whose announcements need not stay retained: neither in the window nor healing.
    fn take_out_of_window(&mut self) -> Vec<u64> {
        let oldest = self.epoch.saturating_sub(u64::from(self.policy.window));
        let heals = |epoch: &u64| self.generation.healings.iter().any(|h| h.epoch == *epoch);
        let (kept, out) = self
            .retained
            .iter()
            .partition(|e| **e >= oldest || heals(e));
        self.retained = kept;
        out
    }
}

/// The nodes that an epoch's secret is wrapped for: both halves, without every removed leaf when
/// the epoch heals. An ordinary epoch needs no exclusion: healing made the keys of everyone
/// removed worthless (spec/keys.md §6).
fn cover_keys(
    group: &GroupRecord,
    epoch: u64,
    healing: bool,
) -> Result<Vec<CoverKey>, AuthorityError> {
    let generation = &group.generation;
    let removed = if healing {
        generation.removed.as_slice()
    } else {
        &[]
    };
    let nodes = cover(generation.depth, removed);
    check_cover(nodes.len())?;
    let keys = NodeKeys::at(generation, epoch);
    Ok(nodes
        .into_iter()
        .map(|node| CoverKey {
            node,
            key: keys.key(node),
        })
        .collect())
}

/// Whether an announcement can hold a cover of so many entries.
pub(super) fn check_cover(entries: usize) -> Result<(), AuthorityError> {
    if (1..=MAX_INLINE_ENTRIES).contains(&entries) {
        Ok(())
    } else {
        Err(AuthorityError::CoverTooLarge { entries })
    }
}
