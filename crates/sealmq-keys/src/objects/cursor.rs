use sealmq_core::object::{ObjectError, encode};
use serde::Serialize;

/// Writes parts, one after the other, into a caller's buffer.
pub(crate) struct Cursor<'o> {
    out: &'o mut [u8],
    used: usize,
}

impl<'o> Cursor<'o> {
    pub(crate) const fn new(out: &'o mut [u8]) -> Self {
        Self { out, used: 0 }
    }

    /// The next `len` bytes, to be filled in.
    pub(crate) fn take(&mut self, len: usize) -> Result<&mut [u8], ObjectError> {
        let end = self.used.checked_add(len).ok_or(ObjectError::TooLarge)?;
        let part = self
            .out
            .get_mut(self.used..end)
            .ok_or(ObjectError::TooLarge)?;
        self.used = end;
        Ok(part)
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        self.take(bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    /// Appends a value in its canonical encoding.
    pub(crate) fn encode<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ObjectError> {
        let free = self.out.get_mut(self.used..).unwrap_or_default();
        let written = encode(value, free)?.len();
        self.used = self.used.saturating_add(written);
        Ok(())
    }

    pub(crate) fn written(&self) -> &[u8] {
        self.out.get(..self.used).unwrap_or_default()
    }
}
