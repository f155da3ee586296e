//! The authority's delegation: taking one, renewing it, and recovering by it.

use alloc::vec::Vec;

use sealmq_core::crypto::{RecipientKeyPair, VerifyingKey};
use sealmq_core::object::{Role, kem_of, suite_of_number};
use sealmq_core::wire::Suite;

use super::log::Decision;
use super::record::{DomainRecord, KeyRecord, KeysRecord, PreviousKem, SecretBytes};
use super::{AuthorityError, Plan};
use crate::delegation::VerifiedDelegation;
use crate::outputs::Publication;
use crate::reserved::ReservedTopic;

impl DomainRecord {
    pub(super) fn suite(&self) -> Result<Suite, AuthorityError> {
        Ok(suite_of_number(self.suite)?)
    }

    /// Takes a delegation for the current or the next keys. Nothing is changed on errors.
    pub(super) fn take(
        &mut self,
        object: &[u8],
        now: u64,
        plan: &mut Plan,
    ) -> Result<VerifiedDelegation, AuthorityError> {
        let root = VerifyingKey::from_bytes(&self.root_key).map_err(|_| AuthorityError::Record)?;
        let delegation = VerifiedDelegation::verify(object, &root)?;
        let refuse = |why| Err(AuthorityError::Delegation(why));
        if delegation.suite() != self.suite()? {
            return refuse("it is for another suite than the domain's: a domain never changes it");
        }
        let current = match self.delegation.as_slice() {
            [] => None,
            current => Some(VerifiedDelegation::verify(current, &root)?),
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
