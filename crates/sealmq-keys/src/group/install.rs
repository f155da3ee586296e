use sealmq_core::crypto::Digest;

use super::GroupState;
use super::error::{Fork, InstallError};
use super::kept_state::KeptState;
use super::slot::{MAX_SLOTS, Slot, Slots};
use crate::tree::PathKeys;
use crate::welcome::{OpenedWelcome, WelcomeFields};

/// What a newer welcome changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    /// Leaf and path keys; the epochs of the window stay.
    Moved,
    /// Everything: the state was built on what a key of an older delegation had signed, and the
    /// welcome, of a newer one, contradicts it. Follow the announcements anew and raise an alarm.
    Replaced {
        /// What the replaced state knew, and what the welcome says.
        contradiction: Fork,
    },
}

impl GroupState {
    /// The state of a member that has no other of this group yet.
    #[must_use]
    pub fn install(welcome: OpenedWelcome) -> Self {
        let (fields, kept) = (welcome.fields, welcome.kept);
        let mut state = Self::without_kept(&fields, welcome.path, welcome.proof);
        state.kept = kept.map(|key| KeptState::of_welcome(&fields, key));
        state
    }

    /// [`GroupState::install`] into a place of the caller's: a whole state is on the stack, but
    /// nothing beside it.
    pub fn install_into(place: &mut Option<Self>, welcome: OpenedWelcome) {
        let (fields, kept) = (welcome.fields, welcome.kept);
        Self::put(place, &fields, welcome.path, welcome.proof);
        if let Some(state) = place {
            state.kept = kept.map(|key| KeptState::of_welcome(&fields, key));
        }
    }

    #[inline(never)]
    fn put(place: &mut Option<Self>, fields: &WelcomeFields, path: PathKeys, proof: [u8; 32]) {
        *place = Some(Self::without_kept(fields, path, proof));
    }

    fn without_kept(fields: &WelcomeFields, path: PathKeys, proof: [u8; 32]) -> Self {
        Self {
            domain: fields.domain,
            group: fields.group,
            serial: fields.serial,
            generation: fields.generation,
            installed: fields.epoch,
            package_number: fields.package_number,
            proof,
            path,
            base: fields.epoch,
            before: before(fields),
            healed_before: (fields.healing_epoch, fields.healing),
            slots: Slots::empty(),
            kept: None,
            newest: None,
            renewed_until: 0,
            good_until_uptime: None,
        }
    }

    /// Whether a welcome's (serial, generation, epoch, package number) is above the installed
    /// one's. One that is not is ignored: check it before the package's key is touched.
    #[must_use]
    pub fn is_newer(&self, welcome: &WelcomeFields) -> bool {
        let of = (welcome.serial, welcome.generation, welcome.epoch);
        let installed = (self.serial, self.generation, self.installed);
        (of, welcome.package_number) > (installed, self.package_number)
    }

    /// Takes leaf and path keys from a newer welcome. The epochs of the window stay, so that what
    /// is under way still opens, and so that forks are still seen. (A welcome into the *other*
    /// half drops the epochs from its own on: follow their announcements again.)
    ///
    /// Of a newer delegation than all that the state was built on, it keeps the epochs only that it
    /// vouches for, and replaces the state if they contradict each other: so a domain recovers from a stolen key, wherever the thief has
    /// driven its epochs and generations (spec/keys.md §7, "Replacing").
    ///
    /// # Errors
    /// The state is unchanged then.
    pub fn reinstall(&mut self, welcome: OpenedWelcome) -> Result<Installed, InstallError> {
        let fields = welcome.fields;
        if fields.group != self.group || fields.domain != self.domain {
            return Err(InstallError::OtherGroup);
        }
        if !self.is_newer(&fields) {
            return Err(InstallError::NotNewer);
        }
        let supersedes = fields.serial > self.serial
            && self
                .newest
                .as_ref()
                .is_none_or(|newest| fields.serial > newest.serial);
        if supersedes && let Some(contradiction) = self.contradiction(&fields) {
            self.replace(welcome);
            return Ok(Installed::Replaced { contradiction });
        }
        if fields.epoch < self.base {
            return Err(InstallError::TooOld);
        }
        self.check_welcome(&fields).map_err(InstallError::Fork)?;

        if supersedes {
            self.keep_named(&fields);
        }
        let OpenedWelcome {
            path, proof, kept, ..
        } = welcome;
        if path.half() != self.path.half() {
            // Their secrets are those of the other half and do not ratchet the new path.
            self.slots.retain(|slot| slot.epoch < fields.epoch);
            self.kept = None;
        }
        self.take_kept(kept.map(|key| KeptState::of_welcome(&fields, key)));
        self.serial = fields.serial;
        self.generation = fields.generation;
        self.installed = fields.epoch;
        self.package_number = fields.package_number;
        self.proof = proof;
        self.path = path;
        self.base = fields.epoch;
        self.before = before(&fields);
        self.healed_before = (fields.healing_epoch, fields.healing);
        Ok(Installed::Moved)
    }

    fn replace(&mut self, welcome: OpenedWelcome) {
        let (fields, kept) = (welcome.fields, welcome.kept);
        self.begin_again(&fields, welcome.path, welcome.proof);
        self.kept = kept.map(|key| KeptState::of_welcome(&fields, key));
    }

    /// On its own: a whole state is on the stack.
    #[inline(never)]
    fn begin_again(&mut self, fields: &WelcomeFields, path: PathKeys, proof: [u8; 32]) {
        *self = Self::without_kept(fields, path, proof);
    }

    /// What speaks against a welcome of a newer delegation. An authority issues welcomes for its
    /// next epoch: with it, no epoch from there on was signed under an older delegation.
    fn contradiction(&self, welcome: &WelcomeFields) -> Option<Fork> {
        let current = self.slots.newest().map(|slot| (slot.epoch, slot.hash));
        let last = current.unwrap_or((
            self.base.saturating_sub(1),
            self.before.unwrap_or(Digest::ZERO),
        ));
        if welcome.epoch >= self.base
            && let Err(fork) = self.check_welcome(welcome)
        {
            return Some(fork);
        }
        // What comes after the epoch that the welcome goes on from is not of its chain.
        let mut slots = self.slots.iter();
        let goes_back = slots.any(|slot| slot.hash == welcome.previous && slot.epoch < last.0);
        (welcome.epoch <= last.0 || goes_back).then_some(Fork {
            epoch: last.0,
            known: last.1,
            other: Digest::ZERO,
        })
    }

    fn check_welcome(&self, welcome: &WelcomeFields) -> Result<(), Fork> {
        let last = welcome.epoch.saturating_sub(1);
        let known = self
            .slots
            .get(last)
            .map(|slot| slot.hash)
            .or_else(|| self.slots.get(welcome.epoch).map(|slot| slot.previous))
            .or_else(|| self.before.filter(|_| welcome.epoch == self.base));
        if let Some(known) = known.filter(|known| *known != welcome.previous) {
            return Err(Fork {
                epoch: last,
                known,
                other: welcome.previous,
            });
        }
        // Up to the current epoch every healing one is known: they are never skipped.
        let claimed = (welcome.healing_epoch, welcome.healing);
        let known = self.last_healed(welcome.epoch);
        let past = claimed.0 < self.base || claimed.0 <= self.current_epoch();
        if claimed != known && (past || claimed.0 < known.0) {
            let epoch = claimed.0.max(known.0);
            return Err(Fork {
                epoch,
                known: self.slots.get(epoch).map_or(known.1, |slot| slot.hash),
                other: claimed.1,
            });
        }
        Ok(())
    }

    /// Drops the epochs that a welcome of a newer delegation does not vouch for: a thief of the
    /// older one may have signed them (spec/keys.md §7, "Replacing").
    fn keep_named(&mut self, welcome: &WelcomeFields) {
        let mut named = [None; MAX_SLOTS];
        for (place, slot) in named.iter_mut().zip(self.slots.iter()) {
            *place = self.is_named(slot, welcome).then_some(slot.epoch);
        }
        self.slots.retain(|slot| named.contains(&Some(slot.epoch)));
    }

    /// Whether a welcome names this epoch, or one that does by `previous`, in as many steps as it
    /// takes.
    fn is_named(&self, slot: &Slot, welcome: &WelcomeFields) -> bool {
        let mut slot = Some(slot);
        while let Some(here) = slot {
            if here.hash == welcome.previous || here.hash == welcome.healing {
                return true;
            }
            let next = self.slots.get(here.epoch.saturating_add(1));
            slot = next.filter(|next| next.previous == here.hash && next.epoch > here.epoch);
        }
        false
    }
}

fn before(welcome: &WelcomeFields) -> Option<Digest> {
    (welcome.epoch > 1).then_some(welcome.previous)
}
