//! Which delegations a root continues (spec/keys.md §3, "Continuation").

use alloc::vec;
use alloc::vec::Vec;

use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::{CodecError, Extension, List, ObjectError, Role, decode, encode};
use sealmq_keys::objects::{
    CONTINUES, Continuation, Issuer, MAX_DELEGATION_LEN, MAX_ISSUERS, VerifiedDelegation,
};

/// Delegations of which no key was stolen: what a root keeps of them, to say so in the next one.
/// State that was sealed under them goes on then. Nothing in it is secret.
///
/// It begins with the first delegation, or with the first one after a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    since: u32,
    issuers: Vec<Issuer>,
}

impl Lineage {
    /// Begins with this delegation: it continues nothing.
    #[must_use]
    pub fn begin(delegation: &VerifiedDelegation) -> Self {
        let mut lineage = Self {
            since: delegation.serial(),
            issuers: Vec::new(),
        };
        lineage.append(delegation);
        lineage
    }

    /// Goes on with this delegation, which was signed with it. Where there is no room for all keys,
    /// those of the oldest delegations go: values that were sealed under them have to be published
    /// again.
    pub fn append(&mut self, delegation: &VerifiedDelegation) {
        let serial = delegation.serial();
        let keys = delegation.keys();
        let issuing = keys.filter(|(_, _, roles)| roles.has(Role::Issue));
        self.issuers.extend(issuing.map(|(signer, key, _)| Issuer {
            serial,
            signer,
            key: *key.as_bytes(),
        }));
        let surplus = self.issuers.len().saturating_sub(MAX_ISSUERS);
        self.issuers.drain(..surplus);
    }

    /// For a store.
    ///
    /// # Errors
    /// Never for one that was made here.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ObjectError> {
        let (mut list, mut buffer) = (vec![0; MAX_DELEGATION_LEN], vec![0; MAX_DELEGATION_LEN]);
        let encoded = encode(&self.continuation(&mut list)?, &mut buffer)?;
        Ok(encoded.to_vec())
    }

    /// Out of a store.
    ///
    /// # Errors
    /// The bytes are not what [`Lineage::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ObjectError> {
        let stored: Continuation<'_> = decode(bytes)?;
        let intact = |issuer: &Issuer| VerifyingKey::from_bytes(&issuer.key).is_ok();
        if !stored.issuers.iter().all(|issuer| intact(&issuer)) {
            return Err(ObjectError::Field("continues"));
        }
        Ok(Self {
            since: stored.since,
            issuers: stored.issuers.iter().collect(),
        })
    }

    fn continuation<'o>(&self, out: &'o mut [u8]) -> Result<Continuation<'o>, CodecError> {
        Ok(Continuation {
            since: self.since,
            issuers: List::encode(&self.issuers, out)?,
        })
    }

    /// The elements of a list of extensions that says it.
    pub(crate) fn extensions(&self) -> Result<Vec<u8>, ObjectError> {
        let value = self.to_bytes()?;
        let extension = Extension {
            id: CONTINUES,
            value: &value,
        };
        let mut buffer = vec![0; MAX_DELEGATION_LEN];
        let list = List::encode(&[extension], &mut buffer)?;
        Ok(list.as_encoded().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::armour::DelegationRequest;
    use crate::root::RootKey;
    use sealmq_core::crypto::{IdentityKey, Secret};
    use sealmq_keys::objects::{DelegatedKey, Roles};

    fn key(byte: u8) -> [u8; 32] {
        let key = IdentityKey::from_seed(&Secret::new([byte; 32]));
        *key.verifying_key().as_bytes()
    }

    fn signed(root: &RootKey, serial: u32, lineage: Option<&Lineage>) -> VerifiedDelegation {
        let keys = [(1, Roles::ALL), (2, Roles::NONE.with(Role::Heartbeat))];
        let request = DelegationRequest {
            domain: root.domain(),
            suite: 1,
            keys: keys
                .map(|(byte, roles)| DelegatedKey {
                    key: key(byte),
                    roles,
                })
                .to_vec(),
            kem_keys: Vec::new(),
        };
        let object = root.delegate_on(lineage, &request, serial, 10, 20, Roles::ALL);
        let public = VerifyingKey::from_bytes(&root.public()).unwrap();
        VerifiedDelegation::verify(&object.unwrap(), &public).unwrap()
    }

    #[test]
    fn a_delegation_continues_what_its_lineage_has() {
        let root = RootKey::from_seed(&Secret::new([9; 32]));
        let first = signed(&root, 3, None);
        assert!(first.continues(3) && !first.continues(2));
        let mut lineage = Lineage::begin(&first);
        let second = signed(&root, 4, Some(&lineage));
        assert!(second.continues(3) && second.continues(4) && !second.continues(2));
        lineage.append(&second);
        let stored = Lineage::from_bytes(&lineage.to_bytes().unwrap());
        assert_eq!(stored, Ok(lineage.clone()));
        // Only keys that issue.
        let issuers = [3, 4].map(|serial| Issuer {
            serial,
            signer: 0,
            key: key(1),
        });
        assert_eq!(lineage.issuers, issuers);
        assert!(signed(&root, 9, Some(&lineage)).continues(3));
        assert!(!signed(&root, 9, None).continues(4), "a recovery");
    }

    #[test]
    fn the_oldest_keys_go_when_there_is_no_room() {
        let root = RootKey::from_seed(&Secret::new([9; 32]));
        let mut lineage = Lineage::begin(&signed(&root, 1, None));
        for serial in 2..=80 {
            let next = signed(&root, serial, Some(&lineage));
            assert!(next.continues(1));
            lineage.append(&next);
        }
        assert_eq!(lineage.issuers.len(), MAX_ISSUERS);
        assert_eq!(lineage.issuers[0].serial, 17);
    }
}
