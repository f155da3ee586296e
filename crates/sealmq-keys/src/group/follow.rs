use sealmq_core::crypto::Digest;
use sealmq_core::object::{Authorities, ObjectError};

use super::GroupState;
use super::error::{FollowError, Fork};
use super::kept_state::KeptState;
use super::newest::{Newest, NewestRecord};
use super::slot::{Slot, SlotSecret};
use crate::announcement::{Announcement, ChunkEntry, Cover, UnverifiedAnnouncement};
use crate::epoch::{EpochSecret, Psk, ReaderSecret};
use crate::tree::{Half, NodeKey};

/// Most epochs that a member catches up at once: bounds what a stolen signing key can cost it.
pub const MAX_CATCH_UP: u64 = 65536;

/// Tolerated difference of clocks in seconds before a policy is known.
pub(super) const FIRST_SKEW: u32 = 300;

/// What following an announcement needs from outside.
#[derive(Debug)]
pub struct FollowContext<'a, A> {
    /// The domain's current delegation.
    pub authorities: &'a A,
    /// Prefix of the reserved topics.
    pub prefix: &'a str,
    /// Unix seconds; `None` without a clock.
    pub now: Option<u64>,
    /// The hash from [`FollowError::NeedsHealing`] when this is the announcement that it asked
    /// for, else `None`. The announcement must then have this hash; in return it may be signed
    /// under an older delegation.
    pub referenced: Option<Digest>,
    /// The chunk that [`FollowError::NeedsChunk`] asked for; `None` if nothing asked.
    pub chunk: Option<Chunk<'a>>,
}

/// A chunk of a cover, or what was kept of it.
#[derive(Debug, Clone, Copy)]
pub enum Chunk<'a> {
    /// What stands on its topic.
    Bytes(&'a [u8]),
    /// What was read of it before the announcement is there (again): small devices hold one of
    /// the two at a time.
    Entry(&'a ChunkEntry),
}

/// What an announcement changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// Nothing: it was followed before.
    AlreadyKnown,
    /// A skipped epoch of the window can be read now.
    Filled {
        /// The epoch.
        epoch: u64,
    },
    /// A new current epoch: sessions start again, filters, policy and refused list may differ.
    Current {
        /// The epoch.
        epoch: u64,
        /// Whether it heals.
        healed: bool,
    },
}

impl GroupState {
    /// Follows an announcement: the steps of spec/keys.md §7. Store the state before it is used,
    /// unless the result is [`Followed::AlreadyKnown`].
    ///
    /// Costs at most 65536 × depth hash steps, and these only after the announcement verified.
    ///
    /// # Errors
    /// The state is unchanged then.
    pub fn follow<A: Authorities>(
        &mut self,
        bytes: &[u8],
        context: &FollowContext<'_, A>,
    ) -> Result<Followed, FollowError> {
        self.follow_kept(bytes, context, false)
    }

    /// [`GroupState::follow`]; `verified`: an announcement that got beyond the signature before,
    /// under the same delegation. Whoever waits for one epoch tries all that came after it again
    /// and again.
    pub(crate) fn follow_kept<A: Authorities>(
        &mut self,
        bytes: &[u8],
        context: &FollowContext<'_, A>,
        verified: bool,
    ) -> Result<Followed, FollowError> {
        let announcement = self.authenticate(bytes, context, verified)?;
        let head = announcement.head();
        let skew = self.policy().map_or(FIRST_SKEW, |policy| policy.skew);
        let from_the_future = |now: u64| head.issued_at > now.saturating_add(u64::from(skew));
        // One that a verified announcement refers to is part of the past, whatever the
        // authority's clock said then.
        if context.referenced.is_none() && context.now.is_some_and(from_the_future) {
            return Err(ObjectError::Expired.into());
        }
        if self.check_fork(&announcement)? {
            return Ok(Followed::AlreadyKnown);
        }
        let epoch = head.epoch;
        if epoch < self.base {
            return Err(FollowError::TooOld);
        }
        if epoch > self.base.saturating_add(MAX_CATCH_UP) {
            return Err(FollowError::TooFar);
        }
        self.check_healing(&announcement).map_err(|error| {
            let needs = matches!(error, FollowError::NeedsHealing { .. });
            // The end of a generation takes its healing announcements along: no use waiting.
            if needs && announcement.cover(self.generation).is_none() {
                FollowError::NotCovered
            } else {
                error
            }
        })?;
        self.take(&announcement, context.chunk)
    }

    /// Steps 6 to 8, on their own: what is kept of an announcement is large, and not on the stack
    /// while its signature is verified.
    #[inline(never)]
    fn take(
        &mut self,
        announcement: &Announcement<'_>,
        chunk: Option<Chunk<'_>>,
    ) -> Result<Followed, FollowError> {
        let head = announcement.head();
        let epoch = head.epoch;
        let (slot, kept) = self.unwrap(announcement, chunk)?;

        if epoch < self.current_epoch() {
            self.take_kept(kept);
            self.slots.insert(slot);
            return Ok(Followed::Filled { epoch });
        }
        if self
            .newest
            .as_ref()
            .is_some_and(|newest| head.serial < newest.serial)
        {
            return Err(ObjectError::Serial.into());
        }
        let newest = Newest::new(&NewestRecord::of(head)).ok_or(ObjectError::Field("filters"))?;
        let healed = slot.healed;
        self.take_kept(kept);
        self.advance(slot, newest);
        Ok(Followed::Current { epoch, healed })
    }

    /// Step 1. An announcement that a verified one refers to by its hash needs no key of the
    /// current delegation: by `referenced`, by the slot of the next epoch, or because it is known
    /// already. One that names a key of the current delegation has to be signed by it all the same.
    fn authenticate<'a, A: Authorities>(
        &self,
        bytes: &'a [u8],
        context: &FollowContext<'_, A>,
        verified: bool,
    ) -> Result<Announcement<'a>, FollowError> {
        let unverified = UnverifiedAnnouncement::decode(bytes)?;
        if *unverified.group() != self.group {
            return Err(FollowError::OtherGroup);
        }
        if context.authorities.domain() != self.domain {
            return Err(ObjectError::Domain.into());
        }
        let (epoch, hash) = (unverified.epoch(), *unverified.hash());
        if context
            .referenced
            .is_some_and(|asked_for| asked_for != hash)
        {
            return Err(ObjectError::Serial.into());
        }
        let next = epoch.checked_add(1).and_then(|next| self.slots.get(next));
        let vouched = context.referenced.is_some()
            || next.is_some_and(|slot| slot.previous == hash)
            || self.slots.get(epoch).is_some_and(|slot| slot.hash == hash);
        Ok(
            if verified || (vouched && unverified.is_of_older(context.authorities)) {
                unverified.verify_referenced(&self.domain, &hash, context.prefix)?
            } else {
                unverified.verify(context.authorities, context.prefix)?
            },
        )
    }

    /// Step 3. `true` if the announcement is known.
    fn check_fork(&self, announcement: &Announcement<'_>) -> Result<bool, FollowError> {
        let (head, hash) = (announcement.head(), *announcement.hash());
        let epoch = head.epoch;
        let last = epoch.saturating_sub(1);
        let next = epoch.checked_add(1).and_then(|next| self.slots.get(next));

        let here = self.slots.get(epoch).map(|slot| slot.hash);
        if here == Some(hash) {
            return Ok(true);
        }
        let before = self
            .slots
            .get(last)
            .map(|slot| slot.hash)
            .or_else(|| self.before.filter(|_| epoch == self.base));
        let claims = [
            (epoch, here, hash),
            (epoch, next.map(|slot| slot.previous), hash),
            (last, before, head.previous),
        ];
        for (epoch, known, other) in claims {
            if let Some(known) = known.filter(|known| *known != other) {
                return Err(FollowError::Fork(Fork {
                    epoch,
                    known,
                    other,
                }));
            }
        }
        Ok(false)
    }

    /// Step 5, for an epoch from `base` on that has no slot.
    fn check_healing(&self, announcement: &Announcement<'_>) -> Result<(), FollowError> {
        let head = announcement.head();
        let claimed = (head.healing_epoch, head.healing);
        let known = self.last_healed(head.epoch);
        // What was skipped up to the current epoch is ordinary: a healing epoch would have been
        // asked for.
        let late = head.epoch_kind.is_healing() && head.epoch < self.current_epoch();
        if claimed == known && !late {
            return Ok(());
        }
        let slot = self.slots.get(claimed.0);
        if claimed.0 >= self.base && claimed.0 > known.0 && slot.is_none() {
            return Err(FollowError::NeedsHealing {
                epoch: claimed.0,
                hash: claimed.1,
            });
        }
        Err(FollowError::Fork(match slot {
            _ if claimed == known => Fork {
                epoch: head.epoch,
                known: Digest::ZERO,
                other: *announcement.hash(),
            },
            Some(slot) if slot.hash != claimed.1 => Fork {
                epoch: slot.epoch,
                known: slot.hash,
                other: claimed.1,
            },
            _ => Fork {
                epoch: known.0.max(claimed.0),
                known: known.1,
                other: claimed.1,
            },
        }))
    }

    /// Steps 6 and 7.
    fn unwrap(
        &self,
        announcement: &Announcement<'_>,
        chunk: Option<Chunk<'_>>,
    ) -> Result<(Slot, Option<KeptState>), FollowError> {
        let head = announcement.head();
        let (generation, cover) = announcement
            .cover(self.generation)
            .ok_or(FollowError::NotCovered)?;
        if generation.depth != self.path.depth() {
            return Err(ObjectError::Field("generations").into());
        }
        let leaf = self.path.leaf();
        let read;
        let entry = match cover {
            Cover::Inline(entries) => entries.for_leaf(generation.depth, leaf),
            Cover::Chunked(chunks) => {
                let wanted = chunks.for_leaf(leaf).ok_or(FollowError::NotCovered)?;
                read = match chunk {
                    Some(Chunk::Bytes(bytes)) => {
                        wanted.read(leaf, bytes).map_err(FollowError::of_chunk)?
                    }
                    Some(Chunk::Entry(entry)) if entry.is_of(&wanted, leaf) => *entry,
                    _ => {
                        return Err(FollowError::NeedsChunk {
                            epoch: head.epoch,
                            chunk: wanted,
                        });
                    }
                };
                read.entry()
            }
        };
        let entry = entry.ok_or(FollowError::NotCovered)?;
        let key = self
            .key_at(entry.node, head.epoch)
            .ok_or(FollowError::NotCovered)?;
        let secret = key
            .unwrap(entry.node, announcement.head_hash(), entry.wrapped)
            .map_err(|_| FollowError::WrongSecret)?;
        let secret = match self.path.half() {
            Half::Readers => EpochSecret::Reader(ReaderSecret::new(secret)),
            Half::Publishers => EpochSecret::Publisher(Psk::new(secret)),
        };
        if !secret.psk().matches(&head.psk_check) {
            return Err(FollowError::WrongSecret);
        }
        let hash = *announcement.hash();
        let kept =
            KeptState::of_head(head, &hash, &secret).map_err(|()| FollowError::WrongSecret)?;
        let slot = Slot {
            epoch: head.epoch,
            hash,
            previous: head.previous,
            healed: head.epoch_kind.is_healing(),
            secret: SlotSecret::new(secret, &head.group_key).ok_or(FollowError::WrongSecret)?,
        };
        Ok((slot, kept))
    }

    /// `N[node, epoch]` for a node on the path.
    fn key_at(&self, node: u32, epoch: u64) -> Option<NodeKey> {
        let mut key = self.path.get(node)?.duplicate();
        for passed in self.base..epoch {
            key = match self.healed(passed) {
                Some(slot) => key.heal(&slot.heal()),
                None => key.ratchet(),
            };
        }
        Some(key)
    }

    fn healed(&self, epoch: u64) -> Option<&Slot> {
        self.slots.get(epoch).filter(|slot| slot.healed)
    }

    /// Step 8. Cannot fail: everything was checked.
    fn advance(&mut self, slot: Slot, newest: Newest) {
        let oldest = slot.epoch.saturating_sub(u64::from(newest.policy.window));
        let base = self.base.max(oldest);
        if base > self.base {
            self.healed_before = self.last_healed(base);
            self.before = self.slots.get(base.saturating_sub(1)).map(|last| last.hash);
            for passed in self.base..base {
                let heal = self.slots.get(passed).filter(|s| s.healed).map(Slot::heal);
                self.path.advance(heal.as_ref());
            }
            self.base = base;
        }
        self.slots.retain(|kept| kept.epoch >= oldest);
        self.slots.insert(slot);
        // A stolen key's policy set the length of the lease that its answer gave.
        if self.serial().is_some_and(|serial| serial != newest.serial) {
            self.good_until_uptime = None;
        }
        self.newest = Some(newest);
        // A heartbeat names one announcement and renews no other.
        self.renewed_until = 0;
    }
}
