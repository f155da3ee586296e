use serde::{Deserialize, Serialize};

use super::reader::{Failed, Reader};

/// Encoding or decoding failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecError {
    /// Not decodable, not canonical, or bytes left over.
    Encoding,
    /// The output buffer is too small.
    BufferTooSmall,
}

impl From<Failed> for CodecError {
    fn from(_: Failed) -> Self {
        Self::Encoding
    }
}

/// Decodes a value that stands at the start of `bytes`; returns it and the rest.
///
/// postcard takes overlong varints; here nothing is taken but what the value encodes to.
///
/// # Errors
/// [`CodecError::Encoding`].
pub fn decode_prefix<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), CodecError> {
    let mut reader = Reader { rest: bytes };
    let value = T::deserialize(&mut reader)?;
    Ok((value, reader.rest))
}

/// Decodes a value that fills `bytes` to the end, canonically.
///
/// # Errors
/// [`CodecError::Encoding`].
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CodecError> {
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
