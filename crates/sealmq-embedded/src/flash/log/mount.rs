//! Finding out what counts.

use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;

use super::entry::{CHUNK, EntryHeader, is_blank};
use super::{Log, Result, Slot, Source};
use crate::flash::FlashError;

/// Fewest pages of a region.
const MIN_PAGES: u32 = 7;
/// Smallest page in bytes.
const MIN_PAGE: u32 = 128;

/// What was read so far.
struct Scan<const SLOTS: usize> {
    /// What counts if the transaction is complete.
    draft: [Slot; SLOTS],
    transaction: Option<u32>,
    /// Where the last entry ends that counts.
    end: (u32, u32),
    /// How many pages behind the oldest one.
    end_page: u32,
}

impl<F: NorFlash, const SLOTS: usize> Log<F, SLOTS> {
    /// Finds what counts in `region`, addresses of whole pages; flash that was never used, or for
    /// something else, is empty. At least 7 pages, and 5 pages and twice the longest value more
    /// than all values take.
    ///
    /// # Errors
    /// The driver's, [`FlashError::Layout`].
    pub fn open(flash: F, region: Range<u32>) -> Result<Self, F> {
        const {
            assert!(SLOTS > 0 && SLOTS <= 250, "1 to 250 slots");
        }
        let pages = region.end.saturating_sub(region.start);
        let pages = pages.checked_div(Self::PAGE).unwrap_or(0);
        let whole = region.start.checked_rem(Self::PAGE) == Some(0)
            && region.end
                == region
                    .start
                    .saturating_add(pages.saturating_mul(Self::PAGE));
        let words = (CHUNK as u32).checked_rem(Self::WORD) == Some(0)
            && Self::PAGE.checked_rem(Self::WORD) == Some(0);
        if !whole || !words || pages < MIN_PAGES || Self::PAGE < MIN_PAGE {
            return Err(FlashError::Layout);
        }
        let mut log = Self {
            flash,
            start: region.start,
            pages,
            slots: [Slot::default(); SLOTS],
            head: (pages.saturating_sub(1), Self::PAGE),
            sequence: 0,
            before: 0,
            used: 0,
            transaction: 1,
            longest: 0,
            failed: false,
        };
        log.mount()?;
        Ok(log)
    }

    fn mount(&mut self) -> Result<(), F> {
        let Some(newest) = self.newest_page()? else {
            return Ok(());
        };
        let used = self.chain(newest)?;
        let oldest = self.page_after(newest, self.pages.saturating_sub(used).saturating_add(1));
        let mut scan = Scan {
            draft: self.slots,
            transaction: None,
            end: (oldest, Self::HEADER_LEN),
            end_page: 0,
        };
        for step in 0..used {
            self.scan_page(oldest, step, &mut scan)?;
        }
        // What stands behind the last entry that counts is written over. Of several such pages the
        // newest go first: a newer one without those before it would be all that is found.
        self.used = scan.end_page.saturating_add(1);
        for step in (self.used.saturating_add(1)..used).rev() {
            self.erase_page(self.page_after(oldest, step))?;
        }
        let (page, at) = scan.end;
        self.before = self.page_header(page)?.map_or(0, |header| header.sequence);
        let is_clean = scan.end_page.saturating_add(1) == used && self.is_blank(page, at)?;
        self.head = (page, if is_clean { at } else { Self::PAGE });
        for slot in 0..SLOTS {
            let slot = u8::try_from(slot).unwrap_or(u8::MAX);
            let place = self.place(slot)?;
            if place.whole != 0
                && let Some(header) = self.header_at(place.whole)?
            {
                self.longest = self.longest.max(Self::entry_len(header.len));
            }
        }
        Ok(())
    }

    /// The page that was begun last; its sequence is the log's.
    fn newest_page(&mut self) -> Result<Option<u32>, F> {
        let mut newest = None;
        for page in 0..self.pages {
            if let Some(header) = self.page_header(page)?
                && header.sequence > self.sequence
            {
                self.sequence = header.sequence;
                newest = Some(page);
            }
        }
        Ok(newest)
    }

    /// How many pages the log has that ends with this one.
    fn chain(&mut self, newest: u32) -> Result<u32, F> {
        let mut page = newest;
        for used in 1..self.pages {
            let before = self.page_after(page, self.pages.saturating_sub(1));
            let (Some(this), Some(previous)) = (self.page_header(page)?, self.page_header(before)?)
            else {
                return Ok(used);
            };
            if this.sequence.checked_sub(this.step.into()) != Some(previous.sequence) {
                return Ok(used);
            }
            page = before;
        }
        Ok(self.pages)
    }

    /// Reads the entries that begin on a page.
    fn scan_page(&mut self, oldest: u32, step: u32, scan: &mut Scan<SLOTS>) -> Result<(), F> {
        let page = self.page_after(oldest, step);
        let Some(header) = self.page_header(page)? else {
            return Ok(());
        };
        let mut at = header.first;
        while Self::PAGE.saturating_sub(at) >= Self::HEADER_LEN {
            let address = self.address(page, at);
            let Some(header) = self.header_at(address)? else {
                return Ok(());
            };
            let known = usize::from(header.slot) < SLOTS;
            if !known || self.sum(&header, &Source::Entry(address))? != header.crc {
                return Ok(());
            }
            let end = self.locate(
                address,
                Self::entry_len(header.len).saturating_sub(Self::WORD),
            );
            let end = (end.0, end.1.saturating_add(Self::WORD));
            self.take(scan, address, &header);
            if header.is_last {
                scan.end = end;
                let behind = end.0.saturating_add(self.pages).saturating_sub(oldest);
                scan.end_page = behind.checked_rem(self.pages).unwrap_or(0);
            }
            if end.0 != page {
                return Ok(());
            }
            at = end.1;
        }
        Ok(())
    }

    fn take(&mut self, scan: &mut Scan<SLOTS>, address: u32, header: &EntryHeader) {
        if scan.transaction != Some(header.transaction) {
            scan.draft = self.slots;
            scan.transaction = Some(header.transaction);
        }
        if let Some(slot) = scan.draft.get_mut(usize::from(header.slot)) {
            *slot = slot.with(address, header);
        }
        if header.is_last {
            self.slots = scan.draft;
        }
        self.transaction = self.transaction.max(header.transaction.saturating_add(1));
    }

    /// Whether nothing is written on a page from `at` on.
    fn is_blank(&mut self, page: u32, mut at: u32) -> Result<bool, F> {
        let mut chunk = [0; CHUNK];
        while at < Self::PAGE {
            let len = Self::PAGE.saturating_sub(at).min(CHUNK as u32);
            let part = chunk.get_mut(..len as usize).unwrap_or_default();
            self.read_page(page, at, part)?;
            if !is_blank(part) {
                return Ok(false);
            }
            at = at.saturating_add(len);
        }
        Ok(true)
    }
}
