use core::fmt;
use core::marker::PhantomData;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::codec::{CodecError, decode_prefix, encode};

/// A list that needs no allocator: a byte string that holds the encoded elements (spec/keys.md §1).
///
/// Decoding checks every element, so iterating cannot fail.
pub struct List<'a, T> {
    bytes: &'a [u8],
    element: PhantomData<fn() -> T>,
}

impl<'a, T> List<'a, T>
where
    T: Deserialize<'a> + Serialize,
{
    /// The empty list.
    pub const EMPTY: Self = Self {
        bytes: &[],
        element: PhantomData,
    };

    /// Takes encoded elements.
    ///
    /// # Errors
    /// They are not the canonical encodings of elements, one after the other.
    pub fn from_encoded(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = decode_prefix::<T>(rest)?.1;
        }
        Ok(Self {
            bytes,
            element: PhantomData,
        })
    }

    /// Encodes elements into `out`.
    ///
    /// # Errors
    /// `out` is too small.
    pub fn encode<'i>(
        elements: impl IntoIterator<Item = &'i T>,
        out: &'a mut [u8],
    ) -> Result<Self, CodecError>
    where
        T: 'i,
    {
        let mut used = 0_usize;
        for element in elements {
            let free = out.get_mut(used..).unwrap_or_default();
            let written = encode(element, free)?.len();
            used = used.saturating_add(written);
        }
        Ok(Self {
            bytes: out.get(..used).unwrap_or_default(),
            element: PhantomData,
        })
    }

    /// The elements, in order.
    #[must_use]
    pub const fn iter(&self) -> ListIter<'a, T> {
        ListIter {
            rest: self.bytes,
            element: PhantomData,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The encoded elements.
    #[must_use]
    pub const fn as_encoded(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a, T: Deserialize<'a> + Serialize> IntoIterator for &List<'a, T> {
    type Item = T;
    type IntoIter = ListIter<'a, T>;

    fn into_iter(self) -> ListIter<'a, T> {
        self.iter()
    }
}

/// Iterator over a [`List`].
pub struct ListIter<'a, T> {
    rest: &'a [u8],
    element: PhantomData<fn() -> T>,
}

impl<'a, T: Deserialize<'a>> Iterator for ListIter<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.rest.is_empty() {
            return None;
        }
        let (element, rest) = decode_prefix(self.rest).ok()?;
        self.rest = rest;
        Some(element)
    }
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

impl<T> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<'a, T: Deserialize<'a> + Serialize + fmt::Debug> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T> Serialize for List<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.bytes)
    }
}

struct ListVisitor<'a, T>(PhantomData<fn() -> List<'a, T>>);

impl<'de: 'a, 'a, T: Deserialize<'a> + Serialize> Visitor<'de> for ListVisitor<'a, T> {
    type Value = List<'a, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string of encoded elements")
    }

    fn visit_borrowed_bytes<E: serde::de::Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        List::from_encoded(bytes).map_err(|_| E::custom("element"))
    }
}

impl<'de: 'a, 'a, T: Deserialize<'a> + Serialize> Deserialize<'de> for List<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_bytes(ListVisitor(PhantomData))
            .map_err(|_| D::Error::custom("list"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::decode;
    use super::*;

    #[test]
    fn round_trip_and_refusal() {
        let mut buffer = [0; 32];
        let list = List::<u32>::encode(&[1, 300, 7], &mut buffer).unwrap();
        let mut out = [0; 32];
        let bytes = encode(&list, &mut out).unwrap();
        assert_eq!(bytes, [4, 1, 0xac, 2, 7]);
        let back: List<'_, u32> = decode(bytes).unwrap();
        assert!(back.iter().eq([1, 300, 7]));
        // An overlong element inside the byte string.
        assert!(decode::<List<'_, u32>>(&[2, 0x81, 0x00]).is_err());
        // An element that is cut off.
        assert!(decode::<List<'_, u32>>(&[1, 0x81]).is_err());
    }

    #[test]
    fn borrowed_elements() {
        let mut buffer = [0; 32];
        let list = List::<&str>::encode(&["a/+", "b"], &mut buffer).unwrap();
        let mut out = [0; 32];
        let bytes = encode(&list, &mut out).unwrap();
        let back: List<'_, &str> = decode(bytes).unwrap();
        assert!(back.iter().eq(["a/+", "b"]));
    }
}
