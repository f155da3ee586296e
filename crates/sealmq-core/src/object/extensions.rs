//! Room for later versions in every object (spec/keys.md §1, "Extensions").

use serde::{Deserialize, Serialize};

use super::{List, ObjectError, decode};
use crate::crypto::IdentityKey;

/// Bit of an id that says: whoever does not know the extension refuses the object.
pub const CRITICAL: u16 = 0x8000;

/// One extension of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension<'a> {
    /// What it is; with [`CRITICAL`], not to be ignored.
    pub id: u16,
    /// Its value, whose form the id decides.
    pub value: &'a [u8],
}

/// The extensions at the end of an object's fields: ascending by id, each once.
pub type Extensions<'a> = List<'a, Extension<'a>>;

impl<'a> List<'a, Extension<'a>> {
    /// The value of the extension with this id.
    #[must_use]
    pub fn value(&self, id: u16) -> Option<&'a [u8]> {
        let mut all = self.iter();
        all.find(|extension| extension.id == id)
            .map(|extension| extension.value)
    }

    /// The value of the extension with this id, in its canonical encoding; `None` if there is no
    /// such extension.
    ///
    /// # Errors
    /// [`ObjectError::Encoding`] if the value is of another form than the id says.
    pub fn read<T>(&self, id: u16) -> Result<Option<T>, ObjectError>
    where
        T: Deserialize<'a> + Serialize,
    {
        let value = self.value(id).map(decode);
        value.transpose().map_err(|_| ObjectError::Encoding)
    }
}

/// The rule for extensions, with the ids that the caller understands.
///
/// # Errors
/// [`ObjectError::Field`] if they do not ascend, [`ObjectError::Unsupported`] for a critical one
/// that is not `known`.
pub fn check_extensions(extensions: &Extensions<'_>, known: &[u16]) -> Result<(), ObjectError> {
    let mut last = None;
    for Extension { id, .. } in extensions.iter() {
        if last.is_some_and(|last| last >= id) {
            return Err(ObjectError::Field("extensions"));
        }
        last = Some(id);
    }
    // The order first: what is out of order is wrong in every version.
    let critical = |e: &Extension<'_>| e.id & CRITICAL != 0 && !known.contains(&e.id);
    if extensions.iter().any(|extension| critical(&extension)) {
        return Err(ObjectError::Unsupported("a critical extension"));
    }
    Ok(())
}

/// What an object is signed with: a key, and the extensions that the object gets.
///
/// Wherever a `Signer` is taken, `&IdentityKey` does: no extensions. This version defines none; a
/// later one, or a test of what today's verifiers will make of it, adds them here.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    key: &'a IdentityKey,
    extensions: Extensions<'a>,
}

impl<'a> Signer<'a> {
    /// A key with extensions.
    ///
    /// # Errors
    /// [`ObjectError::Field`] if they do not ascend.
    pub fn extended(key: &'a IdentityKey, extensions: Extensions<'a>) -> Result<Self, ObjectError> {
        match check_extensions(&extensions, &[]) {
            Ok(()) | Err(ObjectError::Unsupported(_)) => Ok(Self { key, extensions }),
            Err(error) => Err(error),
        }
    }

    /// A key with extensions that were encoded before: the elements of the list.
    ///
    /// # Errors
    /// [`ObjectError::Encoding`], or [`ObjectError::Field`] if they do not ascend.
    pub fn with_encoded(key: &'a IdentityKey, elements: &'a [u8]) -> Result<Self, ObjectError> {
        Self::extended(key, List::from_encoded(elements)?)
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &'a IdentityKey {
        self.key
    }

    /// The extensions of what it signs.
    #[must_use]
    pub const fn extensions(&self) -> &Extensions<'a> {
        &self.extensions
    }
}

impl<'a> From<&'a IdentityKey> for Signer<'a> {
    fn from(key: &'a IdentityKey) -> Self {
        Self {
            key,
            extensions: List::EMPTY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ids: &[u16], known: &[u16]) -> Result<(), ObjectError> {
        let mut buffer = [0; 64];
        let extensions: [Extension<'_>; 3] = core::array::from_fn(|i| Extension {
            id: ids.get(i).copied().unwrap_or(0),
            value: b"v",
        });
        let list = List::encode(extensions.iter().take(ids.len()), &mut buffer).unwrap();
        check_extensions(&list, known)
    }

    #[test]
    fn values_are_read_by_id_and_in_their_own_form() {
        let mut buffer = [0; 64];
        let all = [(1, &b"\x85\x02"[..]), (7, b""), (9, b"\x85\x00")];
        let all = all.map(|(id, value)| Extension { id, value });
        let list = List::encode(&all, &mut buffer).unwrap();
        assert_eq!(list.value(7), Some(&b""[..]));
        assert_eq!(list.value(8), None);
        assert_eq!(list.read::<u32>(1), Ok(Some(261)));
        assert_eq!(list.read::<u32>(8), Ok(None));
        let form = Err(ObjectError::Encoding);
        assert_eq!(list.read::<u32>(7), form, "too short");
        assert_eq!(
            list.read::<u8>(1),
            form.map(|_: Option<u32>| None),
            "too long"
        );
        assert_eq!(list.read::<u32>(9), Err(ObjectError::Encoding), "overlong");
    }

    #[test]
    fn they_ascend_and_critical_ones_are_known() {
        assert_eq!(check(&[], &[]), Ok(()));
        assert_eq!(check(&[0], &[]), Ok(()));
        assert_eq!(check(&[1, 2, 0x7fff], &[]), Ok(()));
        let order = Err(ObjectError::Field("extensions"));
        assert_eq!(check(&[2, 1], &[]), order);
        assert_eq!(check(&[2, 2], &[]), order);
        assert_eq!(check(&[0x8001, 1], &[]), order);
        let critical = Err(ObjectError::Unsupported("a critical extension"));
        assert_eq!(check(&[0x8000], &[]), critical);
        assert_eq!(check(&[1, 0xffff], &[0x8000, 1]), critical);
        assert_eq!(check(&[1, 0x8001], &[0x8001]), Ok(()));
    }
}
