//! What a delegation says of those before it (spec/keys.md §3, "Continuation").

use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::{Extensions, List, ObjectError};
use serde::{Deserialize, Serialize};

/// Id of the extension.
pub const CONTINUES: u16 = 1;
/// Most keys of earlier delegations.
pub const MAX_ISSUERS: usize = 64;

/// A key of an earlier delegation that had the role `issue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// Serial of that delegation.
    pub serial: u32,
    /// Index of the key in it.
    pub signer: u8,
    /// Ed25519.
    pub key: [u8; 32],
}

/// Says that no key of the delegations from `since` on was stolen: the value of the extension
/// [`CONTINUES`]. State that was sealed under them goes on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Continuation<'a> {
    /// The lowest serial that is continued.
    pub since: u32,
    /// Keys that signed credentials under the continued ones, ascending by serial and signer.
    #[serde(borrow)]
    pub issuers: List<'a, Issuer>,
}

impl<'a> Continuation<'a> {
    /// The one among the extensions of the delegation with this serial, if it has one.
    ///
    /// # Errors
    /// [`ObjectError::Field`] for one that the spec forbids.
    pub(crate) fn of(
        extensions: &Extensions<'a>,
        serial: u32,
    ) -> Result<Option<Self>, ObjectError> {
        let Some(found) = extensions.read::<Self>(CONTINUES)? else {
            return Ok(None);
        };
        found.check(serial)?;
        Ok(Some(found))
    }

    /// Checks it for a delegation with this serial.
    ///
    /// # Errors
    /// [`ObjectError::Field`].
    pub fn check(&self, serial: u32) -> Result<(), ObjectError> {
        let error = ObjectError::Field("continues");
        if self.since >= serial {
            return Err(error);
        }
        let mut last = None;
        for (index, issuer) in self.issuers.iter().enumerate() {
            let place = (issuer.serial, issuer.signer);
            let fits = (self.since..serial).contains(&issuer.serial)
                && last.is_none_or(|last| last < place)
                && VerifyingKey::from_bytes(&issuer.key).is_ok();
            if index >= MAX_ISSUERS || !fits {
                return Err(error);
            }
            last = Some(place);
        }
        Ok(())
    }

    /// The key that signed credentials as `signer` of the delegation with this serial.
    #[must_use]
    pub fn issuer(&self, serial: u32, signer: u8) -> Option<VerifyingKey> {
        let found = self.issuers.iter();
        let mut found = found.filter(|issuer| (issuer.serial, issuer.signer) == (serial, signer));
        VerifyingKey::from_bytes(&found.next()?.key).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealmq_core::crypto::{IdentityKey, Secret};

    fn issuer(serial: u32, signer: u8) -> Issuer {
        let key = IdentityKey::from_seed(&Secret::new([signer; 32]));
        Issuer {
            serial,
            signer,
            key: *key.verifying_key().as_bytes(),
        }
    }

    fn check(since: u32, issuers: &[Issuer]) -> Result<(), ObjectError> {
        let mut buffer = [0; 4096];
        let issuers = List::encode(issuers, &mut buffer).unwrap();
        Continuation { since, issuers }.check(5)
    }

    #[test]
    fn issuers_ascend_within_what_is_continued() {
        let error = Err(ObjectError::Field("continues"));
        assert_eq!(check(4, &[]), Ok(()));
        assert_eq!(check(5, &[]), error, "itself");
        assert_eq!(
            check(2, &[issuer(2, 0), issuer(2, 1), issuer(4, 0)]),
            Ok(())
        );
        assert_eq!(check(3, &[issuer(2, 0)]), error, "before");
        assert_eq!(check(2, &[issuer(5, 0)]), error, "of its own");
        assert_eq!(check(2, &[issuer(2, 1), issuer(2, 0)]), error, "order");
        assert_eq!(check(2, &[issuer(2, 1), issuer(2, 1)]), error, "twice");
        let weak = Issuer {
            key: [0; 32],
            ..issuer(2, 1)
        };
        assert_eq!(check(2, &[weak]), error, "a weak key");
        let many: std::vec::Vec<Issuer> = (0..65).map(|signer| issuer(2, signer)).collect();
        assert_eq!(check(2, &many[..64]), Ok(()));
        assert_eq!(check(2, &many), error, "too many");
    }

    #[test]
    fn a_key_is_found_by_serial_and_signer() {
        let mut buffer = [0; 256];
        let issuers = List::encode(&[issuer(2, 1), issuer(3, 1)], &mut buffer).unwrap();
        let found = Continuation { since: 1, issuers };
        let key = |serial, signer| found.issuer(serial, signer).map(|key| *key.as_bytes());
        assert_eq!(key(3, 1), Some(issuer(3, 1).key));
        assert_eq!(key(3, 0), None);
        assert_eq!(key(1, 1), None);
    }
}
