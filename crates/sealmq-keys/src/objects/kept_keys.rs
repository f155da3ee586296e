use sealmq_core::crypto::{Digest, MessageKey, NONCE_LEN, Secret, TAG_LEN};
use sealmq_core::object::{
    Authorities, FORM_SUITE_1, Kind, List, ObjectError, Role, Signer, sign_encoded,
};
use sealmq_core::{DomainId, GroupId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cursor::Cursor;
use crate::kept::{KeptPsk, KeptSecret, KeptSet};
use crate::signed::verify_signed;

/// Most kept epochs before the newest one: the policy's limit, and that of a list.
pub const MAX_KEPT: usize = 64;
/// Longest list of kept keys in bytes.
pub const MAX_KEPT_KEYS_LEN: usize = 8192;

/// `kept_secret ‖ kept_psk`.
const TEXT_LEN: usize = 2 * Secret::LEN;

/// The public fields of a list of kept keys (spec/keys.md §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptKeysFields {
    /// The domain.
    pub domain: DomainId,
    /// Serial of the delegation that the signer belongs to.
    pub serial: u32,
    /// Index of the signing key in that delegation.
    pub signer: u8,
    /// The group.
    pub group: GroupId,
    /// The newest kept epoch, whose keys the list does not hold.
    pub epoch: u64,
    /// Its K.
    pub newest: Digest,
}

/// The kept keys of one kept epoch, sealed under those of the next newer one.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Entry {
    epoch: u64,
    kept: Digest,
    secret: [u8; 32],
    psk: [u8; 32],
    tag: [u8; TAG_LEN],
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Body<'a> {
    fields: KeptKeysFields,
    #[serde(borrow)]
    entries: List<'a, Entry>,
}

impl Entry {
    /// The key serves this one text, so the nonce may be zero.
    fn seal(newer: &KeptSet, older: &KeptSet) -> Result<Self, ObjectError> {
        let mut text = Zeroizing::new([0; TEXT_LEN]);
        let mut cursor = Cursor::new(text.as_mut_slice());
        cursor.put(older.secret.secret().expose())?;
        cursor.put(older.psk.secret().expose())?;
        let key = MessageKey::new(&newer.secret.chain_key(&newer.kept, &older.kept));
        let tag = key.seal_in_place(&[0; NONCE_LEN], &[], text.as_mut_slice());
        let (secret, psk) = text.split_at(Secret::LEN);
        Ok(Self {
            epoch: older.epoch,
            kept: older.kept,
            secret: secret.try_into().map_err(|_| ObjectError::TooLarge)?,
            psk: psk.try_into().map_err(|_| ObjectError::TooLarge)?,
            tag: tag.map_err(|_| ObjectError::TooLarge)?,
        })
    }

    fn open(&self, kept: &Digest, newer: &KeptSecret) -> Option<KeptSet> {
        let mut text = Zeroizing::new([0; TEXT_LEN]);
        let (secret, psk) = text.split_at_mut_checked(Secret::LEN)?;
        secret.copy_from_slice(&self.secret);
        psk.copy_from_slice(&self.psk);
        let key = MessageKey::new(&newer.chain_key(kept, &self.kept));
        key.open_in_place(&[0; NONCE_LEN], &[], text.as_mut_slice(), &self.tag)
            .ok()?;
        let (secret, psk) = text.split_at_checked(Secret::LEN)?;
        Some(KeptSet {
            epoch: self.epoch,
            kept: self.kept,
            secret: KeptSecret::new(Secret::init_with(|out| out.copy_from_slice(secret))),
            psk: KeptPsk::new(Secret::init_with(|out| out.copy_from_slice(psk))),
        })
    }
}

impl KeptKeysFields {
    /// Signs the list. `sets` are newest first, at most 65: the keys of `newest`, which seal the
    /// first entry and are not in the list, then those of each kept epoch before.
    ///
    /// # Errors
    /// `Field("newest")` if the first set is another one or there is none, `Field("entries")` for
    /// one that stands twice or too many of them, or [`ObjectError::TooLarge`].
    pub fn sign<'o, 's>(
        &self,
        sets: &[KeptSet],
        signer: impl Into<Signer<'s>>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        let signer = signer.into();
        let newest = sets.first().map(|set| (set.epoch, set.kept));
        if newest != Some((self.epoch, self.newest)) {
            return Err(ObjectError::Field("newest"));
        }
        let entries = sets.windows(2).filter_map(|pair| match pair {
            [newer, older] => Some(Entry::seal(newer, older)),
            _ => None,
        });
        let mut encoded = [0; MAX_KEPT_KEYS_LEN];
        let mut list = Cursor::new(&mut encoded);
        for entry in entries {
            list.encode(&entry?)?;
        }
        let list = List::from_encoded(list.written())?;
        check(self, &list)?;
        let mut cursor = Cursor::new(out);
        cursor.put(&[FORM_SUITE_1, Kind::KeptKeys as u8])?;
        cursor.encode(&(self, &list))?;
        cursor.encode(signer.extensions())?;
        let body_len = cursor.written().len().saturating_sub(2);
        let signed = sign_encoded(Kind::KeptKeys, body_len, signer.key(), out)?;
        if signed.0.len() > MAX_KEPT_KEYS_LEN {
            return Err(ObjectError::TooLarge);
        }
        Ok(signed)
    }
}

fn check(fields: &KeptKeysFields, entries: &List<'_, Entry>) -> Result<(), ObjectError> {
    let mut newer = fields.epoch;
    for (index, entry) in entries.iter().enumerate() {
        let mut before = entries.iter().take(index);
        let twice = entry.kept == fields.newest || before.any(|other| other.kept == entry.kept);
        if twice || !(1..newer).contains(&entry.epoch) || index >= MAX_KEPT {
            return Err(ObjectError::Field("entries"));
        }
        newer = entry.epoch;
    }
    match fields.epoch {
        0 => Err(ObjectError::Field("epoch")),
        _ => Ok(()),
    }
}

/// A verified list of kept keys: it leads a reader from kept keys that it has to those of before,
/// and nobody forward.
#[derive(Clone, Copy)]
pub struct KeptKeys<'a> {
    body: Body<'a>,
    hash: Digest,
}

impl<'a> KeptKeys<'a> {
    /// Verifies a list under the domain's current delegation. That it is of the right group is for
    /// the caller to check.
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Expired` and `Serial`.
    pub fn verify(bytes: &'a [u8], authorities: &impl Authorities) -> Result<Self, ObjectError> {
        let form = (Kind::KeptKeys, MAX_KEPT_KEYS_LEN, Role::Groups);
        let (body, hash) = verify_signed(bytes, form, authorities, |body: &Body<'a>| {
            let fields = &body.fields;
            (fields.domain, fields.serial, fields.signer)
        })?;
        check(&body.fields, &body.entries)?;
        Ok(Self { body, hash })
    }

    /// The public fields.
    #[must_use]
    pub const fn fields(&self) -> &KeptKeysFields {
        &self.body.fields
    }

    /// The object's hash.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }

    /// K of each kept epoch that the list names, newest first, the newest one included.
    pub fn names(&self) -> impl Iterator<Item = Digest> {
        let older = self.body.entries.iter().map(|entry| entry.kept);
        core::iter::once(self.body.fields.newest).chain(older)
    }

    /// The kept keys of before `kept`, newest first, for a reader that has `secret` of it. Nothing
    /// if the list does not name it; the end where an entry does not open.
    pub fn before<'s>(
        &self,
        kept: &Digest,
        secret: &'s KeptSecret,
    ) -> impl Iterator<Item = KeptSet> + use<'a, 's> {
        let at = self.names().position(|name| name == *kept);
        let entries = at.map(|at| self.body.entries.iter().skip(at));
        let mut newer = (*kept, secret.secret().duplicate());
        entries.into_iter().flatten().map_while(move |entry| {
            let set = entry.open(&newer.0, &KeptSecret::new(newer.1.duplicate()))?;
            newer = (set.kept, set.secret.secret().duplicate());
            Some(set)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::ReaderSecret;
    use sealmq_core::crypto::{IdentityKey, VerifyingKey};
    use sealmq_core::wire::Suite;

    struct Authority(VerifyingKey);

    impl Authorities for Authority {
        fn domain(&self) -> DomainId {
            DomainId([1; 16])
        }
        fn suite(&self) -> Suite {
            Suite::One
        }
        fn serial(&self) -> u32 {
            3
        }
        fn authority_key(&self, serial: u32, signer: u8, role: Role) -> Option<&VerifyingKey> {
            (serial == 3 && signer == 0 && role == Role::Groups).then_some(&self.0)
        }
    }

    fn key() -> IdentityKey {
        IdentityKey::from_seed(&Secret::new([9; 32]))
    }

    fn authority() -> Authority {
        Authority(key().verifying_key())
    }

    fn set(number: u8) -> KeptSet {
        let reader = ReaderSecret::new(Secret::new([number; 32]));
        KeptSet {
            epoch: number.into(),
            kept: Digest([number; 32]),
            secret: reader.kept(),
            psk: reader.psk().kept(),
        }
    }

    fn fields(newest: u8) -> KeptKeysFields {
        KeptKeysFields {
            domain: DomainId([1; 16]),
            serial: 3,
            signer: 0,
            group: GroupId([2; 16]),
            epoch: newest.into(),
            newest: Digest([newest; 32]),
        }
    }

    fn signed(sets: &[KeptSet]) -> std::vec::Vec<u8> {
        let mut out = [0; MAX_KEPT_KEYS_LEN];
        let newest = sets[0].kept.0[0];
        fields(newest)
            .sign(sets, &key(), &mut out)
            .unwrap()
            .0
            .to_vec()
    }

    #[test]
    fn whoever_has_one_reads_all_before_and_none_after() {
        let sets: std::vec::Vec<KeptSet> = (1..=5).rev().map(set).collect();
        let list = signed(&sets);
        let list = KeptKeys::verify(&list, &authority()).unwrap();
        for (at, own) in sets.iter().enumerate() {
            let before: std::vec::Vec<KeptSet> = list.before(&own.kept, &own.secret).collect();
            assert_eq!(before, sets[at + 1..], "from {at}");
        }
        // Neither with another secret, nor under another name.
        assert_eq!(list.before(&sets[0].kept, &sets[1].secret).count(), 0);
        assert_eq!(list.before(&sets[1].kept, &sets[0].secret).count(), 0);
        assert_eq!(list.before(&Digest([7; 32]), &sets[0].secret).count(), 0);
    }

    #[test]
    fn an_entry_that_does_not_open_ends_the_list() {
        let sets: std::vec::Vec<KeptSet> = (1..=4).rev().map(set).collect();
        // The third is sealed under the keys of another.
        let other = KeptSet {
            kept: sets[1].kept,
            ..set(9)
        };
        let entries = [
            Entry::seal(&sets[0], &sets[1]).unwrap(),
            Entry::seal(&other, &sets[2]).unwrap(),
            Entry::seal(&sets[2], &sets[3]).unwrap(),
        ];
        let mut buffer = [0; 512];
        let list = KeptKeys {
            body: Body {
                fields: fields(4),
                entries: List::encode(&entries, &mut buffer).unwrap(),
            },
            hash: Digest::ZERO,
        };
        assert_eq!(list.before(&sets[0].kept, &sets[0].secret).count(), 1);
        assert_eq!(list.before(&sets[2].kept, &sets[2].secret).count(), 1);
    }

    #[test]
    fn lists_have_their_limits() {
        let many: std::vec::Vec<KeptSet> = (1..=67).rev().map(set).collect();
        let mut out = [0; 2 * MAX_KEPT_KEYS_LEN];
        let full = fields(67).sign(&many[..65], &key(), &mut out).unwrap().0;
        assert!(full.len() <= MAX_KEPT_KEYS_LEN, "{}", full.len());
        let list = KeptKeys::verify(full, &authority()).unwrap();
        assert_eq!(list.names().count(), 65);
        let mut sign = |newest, sets: &[KeptSet]| {
            let signed = fields(newest).sign(sets, &key(), &mut out);
            signed.map(|(bytes, _)| bytes.len())
        };
        assert_eq!(sign(67, &many[..66]), Err(ObjectError::Field("entries")));
        assert_eq!(sign(5, &many[..2]), Err(ObjectError::Field("newest")));
        assert_eq!(sign(5, &[]), Err(ObjectError::Field("newest")));
        assert_eq!(
            sign(5, &[set(5), set(4), set(5)]),
            Err(ObjectError::Field("entries"))
        );
        assert_eq!(
            sign(5, &[set(5), set(3), set(4)]),
            Err(ObjectError::Field("entries")),
            "they descend"
        );
        assert_eq!(sign(0, &[set(0)]), Err(ObjectError::Field("epoch")));
        assert!(sign(5, &[set(5)]).is_ok(), "nothing of before");
    }
}
