//! Values at rest: `salt 32 ‖ ciphertext ‖ tag 16`, a fresh key for each.

use sealmq_core::crypto::{MessageKey, NONCE_LEN, Secret, TAG_LEN, expand};
use zeroize::{Zeroize, Zeroizing};

use crate::{StoreError, StoreRole};

/// Version of the format that this program writes and reads; bound to every value.
pub(crate) const VERSION: u8 = 1;

pub(crate) const SALT_LEN: usize = 32;

const VALUE: &[u8] = b"sealmq/1 store value";
const MANIFEST: &[u8] = b"sealmq/1 store manifest";
const ENTRY: &[u8] = b"sealmq/1 store entry";

/// A sealed value does not verify.
pub(crate) struct BadValue;

/// A keyed hash of one record as it stands in the file.
pub(crate) type Fingerprint = [u8; 32];

/// The store key with what is bound to everything under it.
pub(crate) struct StoreKey {
    secret: Secret,
    role: StoreRole,
}

impl StoreKey {
    pub(crate) const fn new(secret: Secret, role: StoreRole) -> Self {
        Self { secret, role }
    }

    pub(crate) const fn role(&self) -> StoreRole {
        self.role
    }

    pub(crate) const fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(crate) fn seal_value(&self, record: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.seal(VALUE, record.as_bytes(), value)
    }

    pub(crate) fn open_value(
        &self,
        record: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, BadValue> {
        self.open(VALUE, record.as_bytes(), sealed)
    }

    pub(crate) fn seal_manifest(&self, manifest: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.seal(MANIFEST, &[], manifest)
    }

    pub(crate) fn open_manifest(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, BadValue> {
        self.open(MANIFEST, &[], sealed)
    }

    /// `Expand(store key, "sealmq/1 store entry" ‖ BE4(length of key) ‖ key ‖ salt ‖ tag)`: salt and
    /// tag stand for the whole value, because nobody else can make two values with the same.
    pub(crate) fn fingerprint(&self, record: &[u8], sealed: &[u8]) -> Option<Fingerprint> {
        let (salt, rest) = sealed.split_at_checked(SALT_LEN)?;
        let (_, tag) = rest.split_at_checked(rest.len().checked_sub(TAG_LEN)?)?;
        let len = u32::try_from(record.len()).ok()?.to_be_bytes();
        Some(*expand(&self.secret, &[ENTRY, &len, record, salt, tag]).expose())
    }

    fn aad(&self, label: &[u8], record: &[u8]) -> Vec<u8> {
        [label, &[VERSION], &self.role.bytes(), record].concat()
    }

    fn seal(&self, label: &[u8], record: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut salt = [0; SALT_LEN];
        random(&mut salt)?;
        let mut sealed = Zeroizing::new(Vec::with_capacity(
            value.len().saturating_add(SALT_LEN).saturating_add(TAG_LEN),
        ));
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(value);
        let key = MessageKey::new(&expand(&self.secret, &[label, &salt]));
        let tag = sealed
            .get_mut(SALT_LEN..)
            // A zero nonce: no key is used twice.
            .map(|text| key.seal_in_place(&[0; NONCE_LEN], &self.aad(label, record), text));
        match tag {
            Some(Ok(tag)) => sealed.extend_from_slice(&tag),
            // Longer than AES-GCM allows, far above MAX_VALUE_LEN.
            _ => {
                return Err(StoreError::ValueTooLong {
                    record: String::from_utf8_lossy(record).into_owned(),
                    len: value.len(),
                });
            }
        }
        // Ciphertext now: no longer worth wiping.
        Ok(core::mem::take(&mut *sealed))
    }

    fn open(
        &self,
        label: &[u8],
        record: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, BadValue> {
        let (salt, rest) = sealed.split_at_checked(SALT_LEN).ok_or(BadValue)?;
        let len = rest.len().checked_sub(TAG_LEN).ok_or(BadValue)?;
        let (text, tag) = rest.split_at_checked(len).ok_or(BadValue)?;
        let tag = tag.try_into().map_err(|_| BadValue)?;
        let mut value = Zeroizing::new(text.to_vec());
        MessageKey::new(&expand(&self.secret, &[label, salt]))
            .open_in_place(&[0; NONCE_LEN], &self.aad(label, record), &mut value, tag)
            .map_err(|_| BadValue)?;
        Ok(value)
    }
}

/// Fills `out` from the platform's generator; only zeros are how failing ones look.
pub(crate) fn random(out: &mut [u8]) -> Result<(), StoreError> {
    getrandom::fill(out).map_err(|e| StoreError::Random {
        reason: e.to_string(),
    })?;
    if out.iter().all(|b| *b == 0) {
        return Err(StoreError::Random {
            reason: "it gave only zeros".into(),
        });
    }
    Ok(())
}

pub(crate) fn random_secret() -> Result<Secret, StoreError> {
    let mut bytes = [0; Secret::LEN];
    random(&mut bytes)?;
    let secret = Secret::take(&mut bytes);
    bytes.zeroize();
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8, role: StoreRole) -> StoreKey {
        StoreKey::new(Secret::new([byte; 32]), role)
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let key = key(1, StoreRole::Member);
        let sealed = key.seal_value("a", b"value").ok().unwrap();
        assert_eq!(
            key.open_value("a", &sealed).ok().unwrap().as_slice(),
            b"value"
        );
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open_value("a", &bad).is_err(), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert!(key.open_value("a", &sealed[..len]).is_err(), "length {len}");
        }
    }

    #[test]
    fn a_value_opens_only_where_it_belongs() {
        let member = key(1, StoreRole::Member);
        let sealed = member.seal_value("a", b"value").ok().unwrap();
        assert!(member.open_value("b", &sealed).is_err());
        assert!(member.open_value("", &sealed).is_err());
        assert!(member.open_manifest(&sealed).is_err());
        assert!(
            key(1, StoreRole::Authority)
                .open_value("a", &sealed)
                .is_err()
        );
        assert!(key(2, StoreRole::Member).open_value("a", &sealed).is_err());
    }

    #[test]
    fn equal_values_look_different() {
        let key = key(1, StoreRole::Member);
        let (a, b) = (
            key.seal_value("a", b"v").ok().unwrap(),
            key.seal_value("a", b"v").ok().unwrap(),
        );
        assert_ne!(a[..SALT_LEN], b[..SALT_LEN]);
        assert_ne!(a[SALT_LEN..], b[SALT_LEN..]);
        assert_ne!(key.fingerprint(b"a", &a), key.fingerprint(b"a", &b));
    }
}
