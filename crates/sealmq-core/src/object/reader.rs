//! Reads postcard's format, canonical encodings only, into types of fixed shape: what a value does not
//! encode to is refused while it is read, so that nothing has to be encoded again to compare.

use core::fmt;

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, SeqAccess, VariantAccess, Visitor,
};

/// Why a value does not decode: serde wants a type for it, and no caller a reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the canonical encoding")
    }
}

impl core::error::Error for Failed {}

impl serde::de::Error for Failed {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// What is still to be read.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Failed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Failed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Failed> {
        let (&byte, rest) = self.rest.split_first().ok_or(Failed)?;
        self.rest = rest;
        Ok(byte)
    }

    fn flag(&mut self) -> Result<bool, Failed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Failed),
        }
    }

    /// Seven bits in a byte, the lowest first: a number of at most so many bits, in as few bytes as
    /// it takes.
    #[inline(never)]
    fn varint(&mut self, bits: u32) -> Result<u64, Failed> {
        let mut value = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            let room = bits.checked_sub(shift).ok_or(Failed)?;
            let part = u64::from(byte & 0x7f);
            if room < 7 && part.checked_shr(room).unwrap_or(0) != 0 {
                return Err(Failed);
            }
            value |= part.checked_shl(shift).unwrap_or(0);
            shift = shift.saturating_add(7);
            match byte {
                0 if shift > 7 => return Err(Failed),
                0..0x80 => return Ok(value),
                _ => {}
            }
        }
    }

    fn number<N: TryFrom<u64>>(&mut self, bits: u32) -> Result<N, Failed> {
        N::try_from(self.varint(bits)?).map_err(|_| Failed)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Failed> {
        let len = self.number(u64::BITS)?;
        self.take(len)
    }
}

/// Signed numbers, 128 bits, floats, characters and maps stand in no object and in no record.
macro_rules! not_in_any_format {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failed> {
            Err(Failed)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Failed;

    fn is_human_readable(&self) -> bool {
        false
    }

    not_in_any_format! {
        deserialize_any deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_f32 deserialize_f64 deserialize_char deserialize_map
        deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_bool(self.flag()?)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_u8(self.byte()?)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_u16(self.number(u16::BITS)?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_u32(self.number(u32::BITS)?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_u64(self.varint(u64::BITS)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        let text = core::str::from_utf8(self.bytes()?).map_err(|_| Failed)?;
        visitor.visit_borrowed_str(text)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        match self.flag()? {
            true => visitor.visit_some(self),
            false => visitor.visit_none(),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failed> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failed> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        let left = self.number(u64::BITS)?;
        visitor.visit_seq(Elements { reader: self, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Failed> {
        let (reader, left) = (self, len);
        visitor.visit_seq(Elements { reader, left })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Failed> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failed> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failed> {
        visitor.visit_enum(self)
    }
}

struct Elements<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Failed;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failed> {
        match self.left.checked_sub(1) {
            None => Ok(None),
            Some(left) => {
                self.left = left;
                seed.deserialize(&mut *self.reader).map(Some)
            }
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut Reader<'de> {
    type Error = Failed;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Failed> {
        let index: u32 = self.number(u32::BITS)?;
        let index: U32Deserializer<Failed> = index.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Reader<'de> {
    type Error = Failed;

    fn unit_variant(self) -> Result<(), Failed> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failed> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Failed> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failed> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::super::codec::decode_prefix;
    use super::super::{List, encode};
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Choice {
        None,
        One(u16),
        Two { a: u8, b: bool },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All<'a> {
        flag: bool,
        small: (u8, u16),
        large: [u64; 2],
        array: [u8; 3],
        option: Option<u32>,
        choice: Choice,
        text: &'a str,
        bytes: &'a [u8],
        #[serde(borrow)]
        list: List<'a, u16>,
    }

    /// What postcard reads, and writes again as it was.
    fn by_postcard(bytes: &[u8]) -> Option<(All<'_>, &[u8])> {
        let (value, rest) = postcard::take_from_bytes::<All<'_>>(bytes).ok()?;
        let mut out = [0; 128];
        let again = encode(&value, &mut out).ok()?;
        bytes.starts_with(again).then_some(())?;
        (again.len() + rest.len() == bytes.len()).then_some((value, rest))
    }

    #[test]
    fn the_same_is_read_as_by_reading_and_writing_again() {
        let (mut seed, mut read, mut refused) = (1_u64, 0, 0);
        let mut next = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        for _ in 0..20_000 {
            let mut elements = [0; 8];
            let list = [next(200) as u16, next(20_000) as u16];
            let value = All {
                flag: next(2) == 1,
                small: (next(256) as u8, next(65536) as u16),
                large: [next(300), u64::MAX >> next(64)],
                array: [1, 2, 3],
                option: (next(2) == 1).then_some(u32::MAX >> next(32)),
                choice: match next(3) {
                    0 => Choice::None,
                    1 => Choice::One(next(300) as u16),
                    _ => Choice::Two { a: 7, b: true },
                },
                text: ["", "a/+", "\u{e4}"][next(3) as usize],
                bytes: &[0; 3][..next(4) as usize],
                list: List::encode(&list, &mut elements).unwrap(),
            };
            let mut out = [0; 128];
            let len = encode(&value, &mut out).unwrap().len();
            let mut bytes = out[..len + 2].to_vec();
            // Nothing, a byte changed, one put in, or some cut off.
            let at = next(bytes.len() as u64) as usize;
            match next(4) {
                0 => {}
                1 => bytes[at] ^= 1 << next(8),
                2 => bytes.insert(at, 0x80 >> (7 * next(2))),
                _ => bytes.truncate(at),
            }
            let here = decode_prefix::<All<'_>>(&bytes).ok();
            assert_eq!(here, by_postcard(&bytes), "{bytes:x?}");
            match here {
                Some(_) => read += 1,
                None => refused += 1,
            }
        }
        assert!(read > 5_000 && refused > 5_000, "{read} {refused}");
    }

    #[test]
    fn numbers_have_one_encoding_and_fit() {
        let read = |bytes: &[u8], bits| Reader { rest: bytes }.varint(bits).ok();
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(read(&[0x00], 64), Some(0));
        assert_eq!(read(&[0x80, 0x01], 16), Some(128));
        assert_eq!(read(&[0x80, 0x00], 16), None);
        assert_eq!(read(&[0xff, 0xff, 0x03], 16), Some(0xffff));
        assert_eq!(read(&[0x80, 0x80, 0x04], 16), None);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f], 32), Some(0xffff_ffff));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x1f], 32), None);
        assert_eq!(read(&[&most[..], &[0x01]].concat(), 64), Some(u64::MAX));
        assert_eq!(read(&[&most[..], &[0x02]].concat(), 64), None);
        assert_eq!(read(&[&most[..], &[0x81, 0x00]].concat(), 64), None);
        assert_eq!(read(&[0x80], 64), None);
    }
}
