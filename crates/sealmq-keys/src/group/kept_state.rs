//! The newest kept keys of a group (spec/keys.md §7, "Kept keys").

use sealmq_core::crypto::{Digest, KemKeyPair, KemPublicKey, SessionPsk};

use crate::announcement::Head;
use crate::epoch::EpochSecret;
use crate::kept::{KeptAccess, KeptKey, kept_name};
use crate::welcome::WelcomeFields;

/// The newest kept keys, with what is worth computing once only.
pub(super) struct KeptState {
    /// The kept epoch.
    pub(super) epoch: u64,
    /// Serial of the delegation that vouches for them.
    pub(super) serial: u32,
    /// K'.
    pub(super) name: Digest,
    pub(super) key: KeptKey,
    /// `None` for a publish-only member.
    pub(super) pair: Option<KemKeyPair>,
    pub(super) psk: SessionPsk,
}

impl KeptState {
    pub(super) fn new(epoch: u64, serial: u32, key: KeptKey) -> Self {
        let pair = match &key.access {
            KeptAccess::Reader(secret) => Some(secret.key_pair()),
            KeptAccess::Publisher(_) => None,
        };
        Self {
            epoch,
            serial,
            name: kept_name(&key.kept),
            psk: key.psk.session(),
            pair,
            key,
        }
    }

    /// What a welcome brings: the keys of the kept epoch before its own.
    pub(super) fn of_welcome(fields: &WelcomeFields, key: KeptKey) -> Self {
        Self::new(fields.healing_epoch, fields.serial, key)
    }

    /// What an announcement with this secret begins; `None` if it begins nothing, an error if its
    /// key is another than the one derived.
    pub(super) fn of_head(
        head: &Head<'_>,
        hash: &Digest,
        secret: &EpochSecret,
    ) -> Result<Option<Self>, ()> {
        let Some(announced) = head.kept_key() else {
            return Ok(None);
        };
        let psk = secret.psk().kept();
        let access = match secret {
            EpochSecret::Reader(secret) => KeptAccess::Reader(secret.kept()),
            EpochSecret::Publisher(_) => KeptAccess::Publisher(announced),
        };
        let key = KeptKey {
            kept: *hash,
            psk,
            access,
        };
        let state = Self::new(head.epoch, head.serial, key);
        (state.public() == announced)
            .then_some(Some(state))
            .ok_or(())
    }

    pub(super) fn public(&self) -> KemPublicKey {
        match (&self.pair, &self.key.access) {
            (None, KeptAccess::Publisher(key)) => *key,
            (Some(pair), _) => pair.public(),
            // Not built like this.
            (None, KeptAccess::Reader(secret)) => secret.key_pair().public(),
        }
    }
}
