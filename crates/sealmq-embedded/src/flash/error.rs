use core::fmt;

use crate::StartError;

/// The flash store cannot do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlashError<E> {
    /// From the driver.
    Driver(E),
    /// The pages do not fit: see [`super::Log::open`].
    Layout,
    /// No room is left, although everything old was dropped: give the store more pages.
    Full,
    /// More senders or topics than the store has places for: raise `SLOTS`.
    Slots,
    /// An earlier write failed. Open the store again, and load the device from it.
    Failed,
    /// What is stored cannot be read: another key, another version, or damaged flash.
    Damaged,
    /// A value is longer than the buffer.
    TooLong,
    /// From the records.
    Start(StartError),
}

impl<E: fmt::Debug> fmt::Display for FlashError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(error) => write!(f, "the flash driver failed: {error:?}"),
            Self::Layout => f.write_str("the flash region does not fit: whole pages, at least 7"),
            Self::Full => f.write_str("the flash store is full: give it more pages"),
            Self::Slots => f.write_str("the flash store has too few places: raise SLOTS"),
            Self::Failed => f.write_str("an earlier write failed: open the flash store again"),
            Self::Damaged => {
                f.write_str("what is in flash cannot be read: another device key, or damage")
            }
            Self::TooLong => f.write_str("a stored value is longer than the buffer"),
            Self::Start(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for FlashError<E> {}

impl<E> From<StartError> for FlashError<E> {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}
