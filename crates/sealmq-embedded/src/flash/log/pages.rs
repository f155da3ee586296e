//! Addresses, and what reads and writes there.

use embedded_storage::nor_flash::NorFlash;
use zeroize::Zeroizing;

use super::entry::{CHUNK, EntryHeader, HEADER, PageHeader};
use super::{Log, Result};
use crate::flash::FlashError;

impl<F: NorFlash, const SLOTS: usize> Log<F, SLOTS> {
    pub(super) const PAGE: u32 = F::ERASE_SIZE as u32;
    pub(super) const WORD: u32 = if F::WRITE_SIZE > F::READ_SIZE {
        F::WRITE_SIZE as u32
    } else {
        F::READ_SIZE as u32
    };
    /// Length of a header in flash.
    pub(super) const HEADER_LEN: u32 = Self::padded(HEADER as u32);
    /// What a page holds beside its header.
    pub(super) const CAPACITY: u32 = Self::PAGE.saturating_sub(Self::HEADER_LEN);

    const fn padded(len: u32) -> u32 {
        len.div_ceil(Self::WORD).saturating_mul(Self::WORD)
    }

    /// Length in flash of an entry with a value of `len` bytes.
    pub(super) const fn entry_len(len: u16) -> u32 {
        Self::HEADER_LEN.saturating_add(Self::padded(len as u32))
    }

    pub(super) const fn address(&self, page: u32, at: u32) -> u32 {
        page.saturating_mul(Self::PAGE).saturating_add(at)
    }

    pub(super) const fn page_of(address: u32) -> u32 {
        match address.checked_div(Self::PAGE) {
            Some(page) => page,
            None => 0,
        }
    }

    /// The page `steps` behind this one in the ring.
    pub(super) const fn page_after(&self, page: u32, steps: u32) -> u32 {
        match page.saturating_add(steps).checked_rem(self.pages) {
            Some(page) => page,
            None => 0,
        }
    }

    /// Where the byte `offset` of an entry stands that begins at `address`.
    pub(super) fn locate(&self, address: u32, offset: u32) -> (u32, u32) {
        let page = Self::page_of(address);
        let at = address.checked_rem(Self::PAGE).unwrap_or(0);
        let here = Self::PAGE.saturating_sub(at);
        if offset < here {
            return (page, at.saturating_add(offset));
        }
        let behind = offset.saturating_sub(here);
        let pages = behind.checked_div(Self::CAPACITY).unwrap_or(0);
        let rest = behind.checked_rem(Self::CAPACITY).unwrap_or(0);
        let page = self.page_after(page, pages.saturating_add(1));
        (page, Self::HEADER_LEN.saturating_add(rest))
    }

    /// Reads whole words.
    pub(super) fn read_page(&mut self, page: u32, at: u32, out: &mut [u8]) -> Result<(), F> {
        let address = self.start.saturating_add(self.address(page, at));
        self.flash.read(address, out).map_err(FlashError::Driver)
    }

    /// Reads the bytes of an entry from `offset` on, whatever the words.
    fn read_entry(&mut self, address: u32, offset: u32, out: &mut [u8]) -> Result<(), F> {
        let mut chunk = Zeroizing::new([0; CHUNK]);
        let mut done = 0;
        while done < out.len() {
            let from = offset.saturating_add(done as u32);
            let skipped = from.checked_rem(Self::WORD).unwrap_or(0);
            let (page, at) = self.locate(address, from.saturating_sub(skipped));
            let left = Self::PAGE.saturating_sub(at).min(CHUNK as u32);
            let words = chunk.get_mut(..left as usize).unwrap_or_default();
            let wanted =
                Self::padded((out.len().saturating_sub(done) as u32).saturating_add(skipped));
            let words = words
                .get_mut(..wanted.min(left) as usize)
                .unwrap_or_default();
            self.read_page(page, at, words)?;
            let new = words.get(skipped as usize..).unwrap_or_default();
            let rest = out.get_mut(done..).unwrap_or_default();
            let len = new.len().min(rest.len());
            if len == 0 {
                return Err(FlashError::Damaged);
            }
            let rest = rest.get_mut(..len).unwrap_or_default();
            rest.copy_from_slice(new.get(..len).unwrap_or_default());
            done = done.saturating_add(len);
        }
        Ok(())
    }

    /// Bytes of the value of the entry at `address`.
    pub(super) fn read_value(
        &mut self,
        address: u32,
        offset: usize,
        out: &mut [u8],
    ) -> Result<(), F> {
        let offset = Self::HEADER_LEN.saturating_add(offset as u32);
        self.read_entry(address, offset, out)
    }

    /// The header of the entry at `address`, if there is one.
    pub(super) fn header_at(&mut self, address: u32) -> Result<Option<EntryHeader>, F> {
        let mut header = [0; HEADER];
        self.read_entry(address, 0, &mut header)?;
        Ok(EntryHeader::decode(&header))
    }

    pub(super) fn page_header(&mut self, page: u32) -> Result<Option<PageHeader>, F> {
        let mut header = [0; CHUNK];
        let header = header.get_mut(..Self::HEADER_LEN as usize);
        let header = header.unwrap_or_default();
        self.read_page(page, 0, header)?;
        Ok(PageHeader::decode(header))
    }

    /// Where the next entry begins: here, if its header fits.
    pub(super) fn place_for_entry(&mut self) -> Result<(u32, u32), F> {
        if Self::PAGE.saturating_sub(self.head.1) < Self::HEADER_LEN {
            self.begin_page(0)?;
        }
        Ok(self.head)
    }

    /// Writes a piece of an entry, of which `behind` bytes are left with it.
    pub(super) fn write(&mut self, mut piece: &[u8], mut behind: u32) -> Result<(), F> {
        while !piece.is_empty() {
            if self.head.1 >= Self::PAGE {
                self.begin_page(behind)?;
            }
            let here = Self::PAGE.saturating_sub(self.head.1) as usize;
            let (part, rest) = piece.split_at(piece.len().min(here));
            let address = self
                .start
                .saturating_add(self.address(self.head.0, self.head.1));
            self.flash
                .write(address, part)
                .map_err(FlashError::Driver)?;
            self.head.1 = self.head.1.saturating_add(part.len() as u32);
            behind = behind.saturating_sub(part.len() as u32);
            piece = rest;
        }
        Ok(())
    }

    /// Goes on in the next page, of which the first `behind` bytes belong to the entry before.
    fn begin_page(&mut self, behind: u32) -> Result<(), F> {
        if self.used >= self.pages {
            return Err(FlashError::Full);
        }
        let page = self.page_after(self.head.0, 1);
        let from = self.erase_page(page)?;
        let sequence = self.sequence.saturating_add(1);
        let header = PageHeader {
            sequence,
            step: u16::try_from(sequence.saturating_sub(self.before)).unwrap_or(u16::MAX),
            first: Self::HEADER_LEN.saturating_add(behind).min(Self::PAGE),
        };
        let mut words = [0xff; CHUNK];
        let words = words.get_mut(..Self::HEADER_LEN as usize);
        let words = words.unwrap_or_default();
        words
            .get_mut(..HEADER)
            .unwrap_or_default()
            .copy_from_slice(&header.encode());
        self.flash.write(from, words).map_err(FlashError::Driver)?;
        self.sequence = sequence;
        self.before = sequence;
        self.head = (page, Self::HEADER_LEN);
        self.used = self.used.saturating_add(1);
        Ok(())
    }

    /// Returns the page's first address.
    pub(super) fn erase_page(&mut self, page: u32) -> Result<u32, F> {
        let from = self.start.saturating_add(self.address(page, 0));
        let to = from.saturating_add(Self::PAGE);
        self.flash.erase(from, to).map_err(FlashError::Driver)?;
        Ok(from)
    }
}
