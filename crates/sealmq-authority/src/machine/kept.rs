//! Keys for state (spec/keys.md §7, "Kept keys"): which epochs begin some, and who gets them.

use alloc::vec;
use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::crypto::Digest;
use sealmq_core::object::Role;

use super::record::{GroupRecord, KeptRecord, SecretBytes};
use super::{Authority, AuthorityError, EpochReason, Plan};
use sealmq_keys::tree::Half;
use sealmq_keys::{
    KeptAccess, KeptKey, KeptKeysFields, KeptPsk, KeptSecret, KeptSet, MAX_KEPT_KEYS_LEN,
    Publication, ReaderSecret, ReservedTopic, VerifiedDelegation,
};

impl KeptRecord {
    fn set(&self) -> KeptSet {
        KeptSet {
            epoch: self.epoch,
            kept: self.kept,
            secret: KeptSecret::new(self.secret.secret()),
            psk: KeptPsk::new(self.psk.secret()),
        }
    }

    /// What a welcome brings to a member of this half.
    pub(super) fn key(&self, half: Half) -> KeptKey {
        let KeptSet {
            kept, secret, psk, ..
        } = self.set();
        let access = match half {
            Half::Readers => KeptAccess::Reader(secret),
            Half::Publishers => KeptAccess::Publisher(secret.key_pair().public()),
        };
        KeptKey { kept, psk, access }
    }
}

impl GroupRecord {
    /// Forgets the kept keys that the delegation does not continue: a thief may have them.
    pub(super) fn end_kept(&mut self, delegation: &VerifiedDelegation) {
        let mut kept = self.kept.iter();
        if let Some(ended) = kept.position(|kept| !delegation.continues(kept.serial)) {
            self.kept.truncate(ended);
        }
    }

    /// Whether the next epoch heals. One does without a removal where kept keys have to change:
    /// an older tree was covered until then, or what there was has ended.
    pub(super) fn heals(&self, reason: EpochReason) -> bool {
        reason.heals() || self.heals_next || self.lacks_kept()
    }

    /// Whether nobody can seal state before an epoch begins kept keys.
    pub(super) fn lacks_kept(&self) -> bool {
        self.kept.is_empty()
    }

    /// The epoch with this announcement begins kept keys.
    pub(super) fn begin_kept(&mut self, announcement: Digest, secret: &ReaderSecret, serial: u32) {
        let new = KeptRecord {
            epoch: self.epoch,
            kept: announcement,
            secret: SecretBytes::of(secret.kept().secret()),
            psk: SecretBytes::of(secret.psk().kept().secret()),
            serial,
        };
        self.kept.insert(0, new);
        self.kept
            .truncate(usize::from(self.policy.kept).saturating_add(1));
    }

    /// Whether the newest kept keys go on under this delegation.
    pub(super) fn kept_counts(&self, delegation: &VerifiedDelegation) -> bool {
        let mut newest = self.kept.iter().take(1);
        newest.all(|kept| delegation.continues(kept.serial))
    }
}

impl Authority {
    /// The list by which readers go back, when there is something new in it.
    pub(super) fn publish_kept(
        &mut self,
        id: GroupId,
        begun: bool,
        plan: &mut Plan,
    ) -> Result<(), AuthorityError> {
        let missing = || AuthorityError::NoSuchGroup(alloc::format!("{id}"));
        let (signer, key) = self.signer(Role::Groups)?;
        let serial = self.delegation.serial();
        let group = self.groups.get(&id).ok_or_else(missing)?;
        if !begun && group.kept_under == Some(serial) {
            return Ok(());
        }
        let sets: Vec<KeptSet> = group.kept.iter().map(KeptRecord::set).collect();
        let Some(newest) = sets.first() else {
            return Ok(());
        };
        let fields = KeptKeysFields {
            domain: self.domain.domain,
            serial,
            signer,
            group: id,
            epoch: newest.epoch,
            newest: newest.kept,
        };
        let mut buffer = vec![0; MAX_KEPT_KEYS_LEN];
        let (object, _) = fields.sign(&sets, key, &mut buffer)?;
        let topic = ReservedTopic::KeptKeys(id).name(&self.domain.prefix);
        plan.publish(Publication::retained(topic, object));
        let group = self.groups.get_mut(&id).ok_or_else(missing)?;
        group.kept_under = Some(serial);
        Ok(())
    }
}
