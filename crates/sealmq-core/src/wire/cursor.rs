use core::fmt;

/// Longest varint of a 64-bit number in bytes.
pub const MAX_VARINT_LEN: usize = 10;

/// The input ended too early, the output is full, or a varint is not minimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated;

impl fmt::Display for Truncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes end too early, or a number is not encoded in its shortest form")
    }
}

impl core::error::Error for Truncated {}

/// Length of a number's varint in bytes, 1 to 10.
#[must_use]
pub const fn varint_len(value: u64) -> usize {
    let bits = 64_u32.saturating_sub(value.leading_zeros());
    let len = bits.div_ceil(7);
    // At most 10, so the conversion loses nothing.
    if len == 0 { 1 } else { len as usize }
}

/// Reads from the front of a slice, never past its end.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    all: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            all: bytes,
            rest: bytes,
        }
    }

    /// How many bytes were read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.all.len().saturating_sub(self.rest.len())
    }

    /// What was not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Truncated> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next byte.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        self.array().map(|[byte]| byte)
    }

    /// A minimal unsigned LEB128 number (spec/envelope.md §1).
    ///
    /// # Errors
    /// The input ends, or the encoding is longer than needed or above 2^64 − 1 (threat model E1).
    pub fn varint(&mut self) -> Result<u64, Truncated> {
        let mut value = 0_u64;
        let mut shift = 0_u32;
        loop {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only, and there is no eleventh.
            if shift > 63 || (shift == 63 && bits > 1) {
                return Err(Truncated);
            }
            value |= bits.wrapping_shl(shift);
            if byte & 0x80 == 0 {
                return if byte == 0 && shift != 0 {
                    Err(Truncated)
                } else {
                    Ok(value)
                };
            }
            shift = shift.saturating_add(7);
        }
    }

    /// A varint that counts bytes of this input.
    ///
    /// # Errors
    /// As [`Reader::varint`], or more than `usize` holds.
    pub fn length(&mut self) -> Result<usize, Truncated> {
        usize::try_from(self.varint()?).map_err(|_| Truncated)
    }
}

/// Writes to the front of a slice, never past its end.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0 }
    }

    /// How many bytes were written.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.len
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// They do not fit; nothing was written.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Truncated> {
        let end = self.len.checked_add(bytes.len()).ok_or(Truncated)?;
        self.out
            .get_mut(self.len..end)
            .ok_or(Truncated)?
            .copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Appends a minimal varint.
    ///
    /// # Errors
    /// It does not fit.
    pub fn varint(&mut self, value: u64) -> Result<(), Truncated> {
        let mut rest = value;
        loop {
            // Masked to 7 bits: the conversion loses nothing.
            let low = (rest & 0x7f) as u8;
            rest >>= 7;
            if rest == 0 {
                return self.put(&[low]);
            }
            self.put(&[low | 0x80])?;
        }
    }

    /// The bytes written so far.
    #[must_use]
    pub fn finish(self) -> &'a [u8] {
        self.out.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<u64, Truncated> {
        let mut reader = Reader::new(bytes);
        reader.varint().and_then(|v| {
            if reader.rest().is_empty() {
                Ok(v)
            } else {
                Err(Truncated)
            }
        })
    }

    #[test]
    fn varints_at_every_edge() {
        let mut values = vec![0, u64::MAX];
        for bit in 0..64 {
            values.extend([1_u64 << bit, (1_u64 << bit) - 1, (1_u64 << bit) | 1]);
        }
        for value in values {
            let mut out = [0; MAX_VARINT_LEN];
            let mut writer = Writer::new(&mut out);
            writer.varint(value).unwrap();
            let bytes = writer.finish();
            assert_eq!(bytes.len(), varint_len(value));
            assert_eq!(read(bytes), Ok(value));
            assert_eq!(read(&bytes[..bytes.len() - 1]), Err(Truncated));
            // The same number, spelled with one byte more.
            let mut longer = bytes.to_vec();
            *longer.last_mut().unwrap() |= 0x80;
            longer.push(0);
            assert_eq!(read(&longer), Err(Truncated));
        }
    }

    #[test]
    fn every_accepted_varint_is_the_shortest() {
        for bytes in (0..=0xff_ffff_u32).step_by(7).map(u32::to_le_bytes) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.varint() {
                let mut out = [0; MAX_VARINT_LEN];
                let mut writer = Writer::new(&mut out);
                writer.varint(value).unwrap();
                assert_eq!(writer.finish(), &bytes[..reader.position()]);
            }
        }
    }

    #[test]
    fn too_big_for_64_bits() {
        let mut bytes = [0xff; 10];
        bytes[9] = 1;
        assert_eq!(read(&bytes), Ok(u64::MAX));
        bytes[9] = 2;
        assert_eq!(read(&bytes), Err(Truncated));
        bytes[9] = 0x81;
        assert_eq!(read(&[&bytes[..], &[0]].concat()), Err(Truncated));
    }

    #[test]
    fn a_full_writer_refuses() {
        let mut out = [0; 2];
        let mut writer = Writer::new(&mut out);
        assert_eq!(writer.put(b"abc"), Err(Truncated));
        assert_eq!(writer.put(b"ab"), Ok(()));
        assert_eq!(writer.varint(0), Err(Truncated));
        assert_eq!(writer.finish(), b"ab");
    }
}
