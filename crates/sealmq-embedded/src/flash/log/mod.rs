//! A log in a ring of pages. The newest value of each slot counts; what is old is dropped with the
//! oldest page, after whatever still counts there was appended again.
//!
//! An entry may go over pages. Entries of one transaction count together, with the last one, or not
//! at all. Pages are used in turn, so that all wear alike, and erased just before they are written:
//! whatever an interrupted erase or write leaves behind is either older than what counts, or has a
//! sum that does not fit.

mod entry;
mod mount;
mod pages;
mod room;

use embedded_storage::nor_flash::{ErrorType, NorFlash};
use zeroize::Zeroizing;

use super::FlashError;
use entry::{CHUNK, EntryHeader, HEADER};

/// Where the values of a slot stand: 0 for nowhere, which is a page's header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Slot {
    whole: u32,
    change: u32,
}

impl Slot {
    /// What counts after an entry.
    const fn with(self, address: u32, header: &EntryHeader) -> Self {
        match (header.is_change, header.len) {
            (true, _) => Self {
                change: address,
                ..self
            },
            // Deleted. The entry goes after all values before it have gone, because pages are
            // dropped in order.
            (false, 0) => Self {
                whole: 0,
                change: 0,
            },
            (false, _) => Self {
                whole: address,
                change: 0,
            },
        }
    }
}

/// Values in numbered slots, in a region of NOR flash. See the module.
pub struct Log<F, const SLOTS: usize> {
    flash: F,
    /// First address of the region.
    start: u32,
    /// Pages of the region.
    pages: u32,
    slots: [Slot; SLOTS],
    /// The page that is written, and where in it; its end if no more goes in.
    head: (u32, u32),
    /// The head's.
    sequence: u32,
    /// The newest page that what counts ends in: the head's predecessor in the log.
    before: u32,
    /// Pages from the oldest to the head.
    used: u32,
    /// Number of the next transaction.
    transaction: u32,
    /// Longest entry that counts, with its header.
    longest: u32,
    failed: bool,
}

/// What goes into one slot.
#[derive(Debug, Clone, Copy)]
pub struct Put<'a> {
    /// Which slot.
    pub slot: u8,
    /// All of its value; empty to delete it. With `offset`, the bytes from there on that differ
    /// from the value that was put last without one.
    pub value: &'a [u8],
    /// Where a change begins.
    pub offset: Option<u16>,
}

/// Where the bytes of an entry come from.
enum Source<'a> {
    Bytes(&'a [u8]),
    /// An entry at this address.
    Entry(u32),
}

pub(super) type Result<T, F> = core::result::Result<T, FlashError<<F as ErrorType>::Error>>;

impl<F: NorFlash, const SLOTS: usize> Log<F, SLOTS> {
    /// The value of a slot, into the start of `out`; returns its length, 0 if there is none.
    ///
    /// # Errors
    /// The driver's, [`FlashError::TooLong`], [`FlashError::Damaged`] if the sum does not fit any
    /// more.
    pub fn read(&mut self, slot: u8, out: &mut [u8]) -> Result<usize, F> {
        let place = self.place(slot)?;
        if place.whole == 0 {
            return Ok(0);
        }
        let len = self.read_checked(place.whole, 0, out)?;
        if place.change != 0 {
            let header = self.header_at(place.change)?.ok_or(FlashError::Damaged)?;
            let value = out.get_mut(..len).unwrap_or_default();
            self.read_checked(place.change, header.offset.into(), value)?;
        }
        Ok(len)
    }

    /// The value that was put last without an offset: what changes are based on.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn read_whole(&mut self, slot: u8, out: &mut [u8]) -> Result<usize, F> {
        let Slot { whole, .. } = self.place(slot)?;
        if whole == 0 {
            return Ok(0);
        }
        self.read_checked(whole, 0, out)
    }

    /// The value of one entry, into `out` from `at` on.
    fn read_checked(&mut self, address: u32, at: usize, out: &mut [u8]) -> Result<usize, F> {
        let header = self.header_at(address)?.ok_or(FlashError::Damaged)?;
        let len = usize::from(header.len);
        let out = out.get_mut(at..).and_then(|rest| rest.get_mut(..len));
        let out = out.ok_or(FlashError::TooLong)?;
        self.read_value(address, 0, out)?;
        let mut crc = header.crc();
        crc.add(out);
        match crc.sum() == header.crc {
            true => Ok(len),
            false => Err(FlashError::Damaged),
        }
    }

    /// Puts values as one transaction: after a power cut all of them are there, or none.
    ///
    /// # Errors
    /// The driver's, [`FlashError::Full`], [`FlashError::Slots`] for a slot that does not exist,
    /// [`FlashError::TooLong`] for a value of more than 65,535 bytes.
    pub fn put_all<'a>(&mut self, puts: impl Iterator<Item = Put<'a>> + Clone) -> Result<(), F> {
        let lengths = puts.clone().map(|put| put.value.len());
        self.begin(lengths)?;
        let mut puts = puts.peekable();
        while let Some(put) = puts.next() {
            self.put(put, puts.peek().is_none())?;
        }
        Ok(())
    }

    /// Makes room for a transaction with values of these lengths; [`Log::put`] them next.
    ///
    /// # Errors
    /// As [`Log::put_all`].
    pub fn begin(&mut self, lengths: impl Iterator<Item = usize>) -> Result<(), F> {
        if self.failed {
            return Err(FlashError::Failed);
        }
        self.failed = true;
        let mut all = 0_u32;
        for len in lengths {
            let len = u16::try_from(len).map_err(|_| FlashError::TooLong)?;
            let entry = Self::entry_len(len);
            self.longest = self.longest.max(entry);
            // An entry's header does not go over pages.
            all = all.saturating_add(entry).saturating_add(Self::HEADER_LEN);
        }
        self.make_room(all)?;
        self.failed = false;
        Ok(())
    }

    /// Puts one value of the transaction that was begun; `is_last` ends it.
    ///
    /// # Errors
    /// As [`Log::put_all`].
    pub fn put(&mut self, put: Put<'_>, is_last: bool) -> Result<(), F> {
        if self.failed {
            return Err(FlashError::Failed);
        }
        let place = self.place(put.slot)?;
        self.failed = true;
        let len = u16::try_from(put.value.len()).map_err(|_| FlashError::TooLong)?;
        let header = EntryHeader {
            crc: 0,
            transaction: self.transaction,
            len,
            offset: put.offset.unwrap_or(0),
            slot: put.slot,
            is_change: put.offset.is_some(),
            is_last,
        };
        let at = self.append(header, &Source::Bytes(put.value))?;
        self.set_place(put.slot, place.with(at, &header));
        if is_last {
            self.transaction = self.transaction.wrapping_add(1);
        }
        self.failed = false;
        Ok(())
    }

    /// The first bytes of a slot's value, without its change; `false` if it has none.
    pub(super) fn read_start(&mut self, slot: u8, out: &mut [u8]) -> Result<bool, F> {
        let place = self.place(slot)?;
        if place.whole != 0 {
            self.read_value(place.whole, 0, out)?;
        }
        Ok(place.whole != 0)
    }

    pub(super) fn is_empty(&self, slot: u8) -> bool {
        self.place(slot).is_ok_and(|place| place.whole == 0)
    }

    /// The driver.
    pub const fn driver(&self) -> &F {
        &self.flash
    }

    /// Takes the driver back.
    pub fn into_driver(self) -> F {
        self.flash
    }

    fn place(&self, slot: u8) -> Result<Slot, F> {
        let place = self.slots.get(usize::from(slot));
        place.copied().ok_or(FlashError::Slots)
    }

    fn set_place(&mut self, slot: u8, place: Slot) {
        if let Some(there) = self.slots.get_mut(usize::from(slot)) {
            *there = place;
        }
    }

    /// Appends an entry whose place was made; returns where it begins.
    fn append(&mut self, mut header: EntryHeader, source: &Source<'_>) -> Result<u32, F> {
        header.crc = self.sum(&header, source)?;
        let mut chunk = Zeroizing::new([0; CHUNK]);
        let len = usize::from(header.len);
        let total = Self::entry_len(header.len);
        let (page, at) = self.place_for_entry()?;
        let address = self.address(page, at);
        let mut written = 0_u32;
        while written < total {
            let rest = total.saturating_sub(written) as usize;
            let part = chunk.get_mut(..rest.min(CHUNK)).unwrap_or_default();
            part.fill(0xff);
            let mut body = part;
            if written == 0 {
                let (first, rest) = body.split_at_mut(Self::HEADER_LEN as usize);
                first
                    .get_mut(..HEADER)
                    .unwrap_or_default()
                    .copy_from_slice(&header.encode());
                body = rest;
            }
            let offset = written.saturating_sub(Self::HEADER_LEN) as usize;
            let used = len.saturating_sub(offset).min(body.len());
            self.copy(source, offset, body.get_mut(..used).unwrap_or_default())?;
            let part = rest.min(CHUNK);
            let behind = total.saturating_sub(written);
            self.write(chunk.get(..part).unwrap_or_default(), behind)?;
            written = written.saturating_add(part as u32);
        }
        Ok(address)
    }

    /// The sum over an entry: over its header, but for the sum there, and its value.
    fn sum(&mut self, header: &EntryHeader, source: &Source<'_>) -> Result<u32, F> {
        let mut crc = header.crc();
        let mut chunk = Zeroizing::new([0; CHUNK]);
        let len = usize::from(header.len);
        let mut offset = 0;
        while offset < len {
            let part = len.saturating_sub(offset).min(CHUNK);
            let part = chunk.get_mut(..part).unwrap_or_default();
            self.copy(source, offset, part)?;
            crc.add(part);
            offset = offset.saturating_add(CHUNK);
        }
        Ok(crc.sum())
    }

    /// Bytes of a value, from `offset` on.
    fn copy(&mut self, source: &Source<'_>, offset: usize, out: &mut [u8]) -> Result<(), F> {
        match source {
            Source::Bytes(bytes) => {
                let bytes = bytes.get(offset..).and_then(|rest| rest.get(..out.len()));
                out.copy_from_slice(bytes.ok_or(FlashError::Damaged)?);
                Ok(())
            }
            Source::Entry(address) => self.read_value(*address, offset, out),
        }
    }
}
