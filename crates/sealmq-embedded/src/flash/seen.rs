//! What a receiver has seen, by small changes.

use embedded_storage::nor_flash::NorFlash;
use sealmq_core::replay::{Durable, RECORD_KEY_LEN, Record};

use super::log::Put;
use super::{FlashError, FlashStore, OWN, OWN_SLOTS, Result};
use crate::Device;

/// Slot of the floors; senders and topics come behind.
const FLOORS: u8 = OWN + OWN_SLOTS;
/// Longest record with its key.
const MAX_SEEN: usize = RECORD_KEY_LEN + Record::<2>::MAX_LEN;
/// Longest change: then the whole is written again.
const MAX_CHANGE: usize = 96;

type Key = [u8; RECORD_KEY_LEN];

impl<F: NorFlash, const SLOTS: usize> FlashStore<F, SLOTS> {
    /// Stores what the device has seen since the last call: before a payload is used, if nothing may
    /// be replayed after a power cut.
    ///
    /// # Errors
    /// As [`FlashStore::save`].
    pub fn save_seen<
        const G: usize,
        const S: usize,
        const T: usize,
        const K: usize,
        const O: usize,
    >(
        &mut self,
        device: &mut Device<G, S, T, K, O>,
    ) -> Result<(), F> {
        while let Some(change) = device.next_seen() {
            self.put_seen(&change)?;
        }
        Ok(())
    }

    /// Stores one change of what was seen, in the order of [`Device::next_seen`].
    ///
    /// # Errors
    /// As [`FlashStore::save`].
    pub fn put_seen(&mut self, change: &Durable<2>) -> Result<(), F> {
        match change {
            Durable::Delete(key) => match self.find(key)? {
                Some(slot) => self.put_one(slot, &[], None),
                None => Ok(()),
            },
            Durable::Put(record) => self.put_record(record),
        }
    }

    fn put_record(&mut self, record: &Record<2>) -> Result<(), F> {
        let key = record.key();
        let mut new = [0; MAX_SEEN];
        let (head, body) = new
            .split_first_chunk_mut::<RECORD_KEY_LEN>()
            .ok_or(FlashError::TooLong)?;
        *head = key;
        let len = record.encode(body).map_err(|_| FlashError::TooLong)?;
        let new = new.get(..RECORD_KEY_LEN.saturating_add(len));
        let new = new.unwrap_or_default();
        let slot = match (record, self.find(&key)?) {
            (Record::Floors(_), _) => FLOORS,
            (_, Some(slot)) => slot,
            (_, None) => return self.put_one(self.free().ok_or(FlashError::Slots)?, new, None),
        };
        let mut old = [0; MAX_SEEN];
        let len = self.log.read_whole(slot, &mut old)?;
        let old = old.get(..len).unwrap_or_default();
        match difference(old, new) {
            Some((offset, part)) => self.put_one(slot, part, Some(offset)),
            None => self.put_one(slot, new, None),
        }
    }

    /// All that was seen, into a device.
    pub(super) fn restore_seen<
        const G: usize,
        const S: usize,
        const T: usize,
        const K: usize,
        const O: usize,
    >(
        &mut self,
        device: &mut Device<G, S, T, K, O>,
        scratch: &mut [u8],
    ) -> Result<(), F> {
        if S == 0 {
            return Ok(());
        }
        for slot in FLOORS..Self::end() {
            let len = self.log.read(slot, scratch)?;
            let value = scratch.get(..len).unwrap_or_default();
            let Some((_, record)) = value.split_first_chunk::<RECORD_KEY_LEN>() else {
                continue;
            };
            let record = Record::decode(record).map_err(|_| FlashError::Damaged)?;
            device.restore_seen(record);
        }
        Ok(())
    }

    fn put_one(&mut self, slot: u8, value: &[u8], offset: Option<u16>) -> Result<(), F> {
        self.log.put_all(core::iter::once(Put {
            slot,
            value,
            offset,
        }))
    }

    fn end() -> u8 {
        u8::try_from(SLOTS).unwrap_or(u8::MAX)
    }

    fn find(&mut self, key: &Key) -> Result<Option<u8>, F> {
        for slot in FLOORS..Self::end() {
            let mut there = [0; RECORD_KEY_LEN];
            if self.log.read_start(slot, &mut there)? && there == *key {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    fn free(&self) -> Option<u8> {
        (FLOORS.saturating_add(1)..Self::end()).find(|slot| self.log.is_empty(*slot))
    }
}

/// Where two values differ, if a change says it in less than the whole.
fn difference<'n>(old: &[u8], new: &'n [u8]) -> Option<(u16, &'n [u8])> {
    if old.len() != new.len() {
        return None;
    }
    let differs = |(old, new): (&u8, &u8)| old != new;
    let first = old.iter().zip(new).position(differs).unwrap_or(0);
    let last = old.iter().zip(new).rposition(differs).unwrap_or(0);
    let part = new.get(first..=last)?;
    let offset = u16::try_from(first).ok()?;
    (part.len() <= MAX_CHANGE).then_some((offset, part))
}
