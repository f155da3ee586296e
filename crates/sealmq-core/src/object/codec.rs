use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

/// Encoding or decoding failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecError {
    /// Not decodable, not canonical, or bytes left over.
    Encoding,
    /// The output buffer is too small.
    BufferTooSmall,
}

/// A sink that compares instead of storing: the canonical check needs no buffer.
struct Compare<'a> {
    expected: &'a [u8],
}

impl Flavor for Compare<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.expected = self
            .expected
            .strip_prefix(bytes)
            .ok_or(postcard::Error::DeserializeBadEncoding)?;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        if self.expected.is_empty() {
            Ok(())
        } else {
            Err(postcard::Error::DeserializeBadEncoding)
        }
    }
}

/// Decodes a value that stands at the start of `bytes`; returns it and the rest.
///
/// postcard takes overlong varints, so the value must encode to the very bytes it came from.
///
/// # Errors
/// [`CodecError::Encoding`].
pub fn decode_prefix<'a, T>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), CodecError>
where
    T: Deserialize<'a> + Serialize,
{
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|_| CodecError::Encoding)?;
    let expected = bytes
        .len()
        .checked_sub(rest.len())
        .and_then(|used| bytes.get(..used))
        .ok_or(CodecError::Encoding)?;
    postcard::serialize_with_flavor::<T, _, ()>(&value, Compare { expected })
        .map_err(|_| CodecError::Encoding)?;
    Ok((value, rest))
}

/// Decodes a value that fills `bytes` to the end, canonically.
///
/// # Errors
/// [`CodecError::Encoding`].
pub fn decode<'a, T>(bytes: &'a [u8]) -> Result<T, CodecError>
where
    T: Deserialize<'a> + Serialize,
{
    match decode_prefix(bytes)? {
        (value, []) => Ok(value),
        _ => Err(CodecError::Encoding),
    }
}

/// Encodes a value into the start of `out` and returns that part.
///
/// # Errors
/// [`CodecError::BufferTooSmall`].
pub fn encode<'o, T: Serialize + ?Sized>(
    value: &T,
    out: &'o mut [u8],
) -> Result<&'o mut [u8], CodecError> {
    postcard::to_slice(value, out).map_err(|_| CodecError::BufferTooSmall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlong_and_trailing_are_refused() {
        assert_eq!(decode::<u32>(&[5]), Ok(5));
        assert_eq!(decode::<u32>(&[0x85, 0x00]), Err(CodecError::Encoding));
        assert_eq!(decode::<u32>(&[5, 0]), Err(CodecError::Encoding));
        assert_eq!(
            decode::<&str>(&[0x81, 0x00, b'a']),
            Err(CodecError::Encoding)
        );
        assert_eq!(decode_prefix::<u32>(&[5, 9]), Ok((5, &[9][..])));
    }
}
