//! Keys for state in a member's group state (spec/keys.md §7, "Kept keys"): those of the newest
//! kept epoch. A reader keeps older ones beside it.

use sealmq_core::crypto::{Digest, KemKeyPair, KemPublicKey, SessionPsk};

use super::GroupState;
use super::kept_state::KeptState;
use crate::kept::KeptKey;

/// The keys that state is sealed under, and opened with.
#[derive(Debug)]
pub struct KeptView<'s> {
    /// The kept epoch.
    pub epoch: u64,
    /// K': stands in envelopes of state where H stands in those of events.
    pub name: Digest,
    /// What publishers seal to.
    pub kept_key: KemPublicKey,
    /// The key pair; `None` for a publish-only member.
    pub key_pair: Option<&'s KemKeyPair>,
    /// The psk of sessions for state.
    pub psk: &'s SessionPsk,
}

impl GroupState {
    /// The newest kept keys: `None` before an announcement or a welcome brought some.
    #[must_use]
    pub fn kept(&self) -> Option<KeptView<'_>> {
        let state = self.kept.as_ref()?;
        Some(KeptView {
            epoch: state.epoch,
            name: state.name,
            kept_key: state.public(),
            key_pair: state.pair.as_ref(),
            psk: &state.psk,
        })
    }

    /// The newest kept keys themselves, with their epoch and the serial that vouches for them: to
    /// keep them when newer ones take their place.
    #[must_use]
    pub fn kept_key(&self) -> Option<(u64, u32, &KeptKey)> {
        let state = self.kept.as_ref()?;
        Some((state.epoch, state.serial, &state.key))
    }

    /// Deletes the kept keys if the current delegation does not continue their serial: after
    /// another one was taken, and after an announcement was followed that one of the current
    /// serial refers to. `true` if it did.
    pub fn end_kept(&mut self, continues: impl Fn(u32) -> bool) -> bool {
        let ends = self
            .kept
            .as_ref()
            .is_some_and(|kept| !continues(kept.serial));
        if ends {
            self.kept = None;
        }
        ends
    }

    /// A list of kept keys under this serial names `kept` as the newest ones: it vouches for them,
    /// too. `true` if that says something new.
    pub fn vouch_kept(&mut self, kept: &Digest, serial: u32) -> bool {
        let own = self.kept.as_mut().filter(|own| own.key.kept == *kept);
        let Some(own) = own.filter(|own| own.serial < serial) else {
            return false;
        };
        own.serial = serial;
        true
    }

    /// Takes kept keys that are newer than the own ones.
    pub(super) fn take_kept(&mut self, new: Option<KeptState>) {
        let Some(new) = new else { return };
        match &mut self.kept {
            Some(own) if own.epoch > new.epoch => {}
            Some(own) if own.key.kept == new.key.kept => own.serial = own.serial.max(new.serial),
            own => *own = Some(new),
        }
    }
}
