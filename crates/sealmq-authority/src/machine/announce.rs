use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::GroupId;
use sealmq_core::crypto::KemPublicKey;
use sealmq_core::object::{List, Role, Signer};

use super::current::Before;
use super::record::{self, GroupRecord, Healing, Retained, SecretBytes};
use super::{Authority, AuthorityError, AuthorityEvent, EpochReason, Plan, draw, draw_public};
use sealmq_keys::Publication;
use sealmq_keys::ReaderSecret;
use sealmq_keys::ReservedTopic;
use sealmq_keys::tree::cover;
use sealmq_keys::{
    ChunkSink, CoverKey, EpochKind, Generation, Head, INLINE_LIMIT, MAX_ANNOUNCEMENT_LEN,
    MAX_FILTERS_LEN,
};

impl Authority {
    /// Starts the next epoch of a group: draws its secret, wraps it for everyone who may have it,
    /// signs the announcement, and clears the retained ones that fall out of the window.
    pub(super) fn next_epoch(
        &mut self,
        id: GroupId,
        reason: EpochReason,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Plan, AuthorityError> {
        if !self.delegation.is_valid_at(now, 0) {
            return Err(AuthorityError::DelegationExpired);
        }
        let mut plan = Plan::default();
        let refused = self.publish_refused(id, now, &mut plan)?;
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        let group = self.groups.get_mut(&id).ok_or_else(missing)?;
        group.end_kept(&self.delegation);
        let group = self.groups.get(&id).ok_or_else(missing)?;
        let healing = group.heals(reason);
        let epoch = group.epoch.checked_add(1);
        let epoch = epoch.ok_or(AuthorityError::NumbersUsedUp)?;
        let not_after = now
            .saturating_add(group.schedule.validity)
            .min(self.delegation.not_after());

        let secret = draw(rng)?;
        let stored_secret = SecretBytes::of(&secret);
        let secret = ReaderSecret::new(secret);
        let mut filters = vec![0; MAX_FILTERS_LEN.saturating_mul(2)];
        let texts: Vec<&str> = group.filters.iter().map(|f| f.as_str()).collect();
        let mut buffer = [0; 64];
        let generations: Vec<Generation> = group.generations.iter().map(announced).collect();
        let generations =
            List::encode(&generations, &mut buffer).map_err(|_| AuthorityError::Record)?;
        let covers: Vec<Vec<CoverKey>> = group
            .generations
            .iter()
            .map(|generation| {
                let nodes = cover_nodes(generation, healing);
                self.cache.cover_keys(&id, generation, epoch, &nodes)
            })
            .collect();
        if covers.iter().any(Vec::is_empty) {
            return Err(AuthorityError::NobodyLeft(group.name.clone()));
        }
        let (signer, key) = self.signer(Role::Groups)?;
        let extensions = self.extensions.of_group(&id)?;
        let key = Signer::with_encoded(key.key(), &extensions)?;
        let too_long = |_| AuthorityError::Filter(group.filters.join(" "));
        let head = Head {
            domain: self.domain.domain,
            serial: self.delegation.serial(),
            signer,
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
            kept_key: &[],
            refused: refused.hash,
            generations,
        };
        let covers: Vec<&[CoverKey]> = covers.iter().map(Vec::as_slice).collect();
        let prefix = &self.domain.prefix;
        let mut buffer = vec![0; MAX_ANNOUNCEMENT_LEN];
        let mut chunks = Vec::new();
        let mut sink = ChunkSink {
            inline_limit: INLINE_LIMIT,
            put: &mut |number, bytes| {
                let topic = ReservedTopic::Chunk(id, epoch, number).name(prefix);
                chunks.push(Publication::retained(topic, bytes));
            },
        };
        let (object, hash) =
            head.sign_with_chunks(prefix, &secret, &covers, key, &mut sink, &mut buffer)?;

        let topic = ReservedTopic::Announcement(id, epoch).name(&self.domain.prefix);
        let retained = Retained {
            epoch,
            chunks: u32::try_from(chunks.len()).map_err(|_| AuthorityError::Record)?,
        };
        plan.events.push(AuthorityEvent::Epoch {
            group: group.name.clone(),
            epoch,
            reason,
            bytes: object.len(),
            chunks: retained.chunks,
        });
        for chunk in chunks {
            plan.publish(chunk);
        }
        plan.publish(Publication::retained(topic, object));
        let group = self.groups.get_mut(&id).ok_or_else(missing)?;
        let before = Before {
            announcement: hash,
            previous: group.announcement,
            healing_epoch: group.healing_epoch,
            healing: group.healing,
        };
        self.before.insert(id, before);
        group.epoch = epoch;
        group.announcement = hash;
        group.issued_at = now;
        (group.refused, group.refused_chunks) = (refused.hash, refused.chunks);
        group.not_after = not_after;
        group.joins_since = None;
        group.messages = 0;
        group.retained.push(retained);
        if healing {
            group.healing_epoch = epoch;
            group.healing = hash;
            group.healed_at = now;
            group.heals_next = false;
            for generation in &mut group.generations {
                generation.healings.push(Healing {
                    epoch,
                    reader_secret: stored_secret.clone(),
                });
            }
        }
        if healing {
            group.begin_kept(hash, &secret, self.delegation.serial());
        }
        clear_out_of_window(group, &self.domain.prefix, &mut plan);
        self.publish_kept(id, healing, &mut plan)?;
        let group = self.groups.get(&id).ok_or_else(missing)?;
        record::put(&mut plan.changes, group.key(), group)?;
        Ok(plan)
    }
}

impl GroupRecord {
    /// Announcements that need not stay retained: neither in the window nor healing.
    fn take_out_of_window(&mut self) -> Vec<Retained> {
        let oldest = self.epoch.saturating_sub(u64::from(self.policy.window));
        let heals = |epoch: u64| {
            let mut healings = self.generations.iter().flat_map(|g| &g.healings);
            healings.any(|healing| healing.epoch == epoch)
        };
        let (kept, out) = self
            .retained
            .iter()
            .partition(|old| old.epoch >= oldest || heals(old.epoch));
        self.retained = kept;
        out
    }
}

fn announced(generation: &record::GenerationRecord) -> Generation {
    Generation {
        number: generation.number,
        depth: generation.depth,
        first_epoch: generation.first_epoch,
        deadline: generation.deadline,
    }
}

/// Clears the announcements, with their chunks, that need not stay retained.
pub(super) fn clear_out_of_window(group: &mut GroupRecord, prefix: &str, plan: &mut Plan) {
    for old in group.take_out_of_window() {
        for topic in topics_of(group.id, old) {
            plan.publish(Publication::clear(topic.name(prefix)));
        }
    }
}

/// An announcement's own topic and those of its chunks.
pub(super) fn topics_of(id: GroupId, of: Retained) -> impl Iterator<Item = ReservedTopic> {
    let chunks = (0..of.chunks).map(move |n| ReservedTopic::Chunk(id, of.epoch, n));
    chunks.chain([ReservedTopic::Announcement(id, of.epoch)])
}

/// The nodes that an epoch's secret is wrapped for: both halves, without every removed leaf when
/// the epoch heals. An ordinary epoch needs no exclusion: healing made the keys of everyone
/// removed worthless (spec/keys.md §6).
fn cover_nodes(generation: &record::GenerationRecord, healing: bool) -> Vec<u32> {
    let removed = if healing {
        generation.removed.as_slice()
    } else {
        &[]
    };
    cover(generation.depth, removed)
}
