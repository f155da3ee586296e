//! Dropping the oldest pages.

use embedded_storage::nor_flash::NorFlash;

use super::entry::EntryHeader;
use super::{Log, Result, Slot, Source};
use crate::flash::FlashError;

/// Pages that stay free: two for the oldest one's entries with their changes, two for what a power
/// cut leaves unused at the end of a page, before and after that.
const SPARE: u32 = 4;

impl<F: NorFlash, const SLOTS: usize> Log<F, SLOTS> {
    /// Makes room for `len` bytes.
    pub(super) fn make_room(&mut self, len: u32) -> Result<(), F> {
        let reserve = Self::PAGE
            .saturating_mul(SPARE)
            .saturating_add(self.longest.saturating_mul(2));
        let wanted = len.saturating_add(reserve);
        for _ in 0..=self.pages {
            if self.room() >= wanted {
                return Ok(());
            }
            self.drop_oldest()?;
        }
        Err(FlashError::Full)
    }

    fn room(&self) -> u32 {
        let free = self.pages.saturating_sub(self.used);
        let here = Self::PAGE.saturating_sub(self.head.1);
        free.saturating_mul(Self::CAPACITY).saturating_add(here)
    }

    /// Appends again what counts of the oldest page, as one transaction.
    fn drop_oldest(&mut self) -> Result<(), F> {
        if self.used <= 1 {
            return Err(FlashError::Full);
        }
        let free = self.pages.saturating_sub(self.used);
        let oldest = self.page_after(self.head.0, free.saturating_add(1));
        let counts = |slot: &Slot| slot.whole != 0 && Self::page_of(slot.whole) == oldest;
        let entries = |slot: &Slot| 1_usize.saturating_add(usize::from(slot.change != 0));
        let mut left: usize = self
            .slots
            .iter()
            .filter(|slot| counts(slot))
            .map(entries)
            .sum();
        for slot in 0..SLOTS {
            let Ok(slot) = u8::try_from(slot) else { break };
            let place = self.place(slot)?;
            if !counts(&place) {
                continue;
            }
            // Both stay as they are: changes that come are based on the whole.
            for from in [place.whole, place.change] {
                if from == 0 {
                    continue;
                }
                left = left.saturating_sub(1);
                let header = self.header_at(from)?.ok_or(FlashError::Damaged)?;
                let header = EntryHeader {
                    transaction: self.transaction,
                    is_last: left == 0,
                    crc: 0,
                    ..header
                };
                let at = self.append(header, &Source::Entry(from))?;
                let place = self.place(slot)?.with(at, &header);
                self.set_place(slot, place);
            }
            if left == 0 {
                self.transaction = self.transaction.wrapping_add(1);
            }
        }
        self.used = self.used.saturating_sub(1);
        Ok(())
    }
}
