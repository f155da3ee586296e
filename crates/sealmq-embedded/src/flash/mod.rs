//! What a device keeps, in NOR flash: safe against power cuts, worn evenly, wrapped if the caller
//! has a key for it. Behind the feature `flash`.
//!
//! | slots | what |
//! |---|---|
//! | 0 – 31 | the records of [`crate::RecordId`], by number |
//! | 32 – 39 | the firmware's own values |
//! | 40 | floors of what was seen |
//! | from 41 on | senders and topics that were seen, in any order |
//!
//! All that is due is one transaction. What was seen of a sender changes with each message, by a
//! few bytes: these are stored, about 40 bytes of flash for a message, so that 64 KiB take a
//! message a minute for ten years within a third of 10,000 erase cycles.
//!
//! With a device key (32 bytes from a fuse, a secure element, or whatever cannot be read from
//! outside) records are encrypted. What was seen is not: it holds no keys. Neither protects against
//! somebody who writes back an older copy of the whole flash.

mod error;
mod log;
mod seen;
mod wrap;

use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;
use sealmq_core::crypto::Secret;
use zeroize::Zeroize;

use crate::records::MAX_GROUPS;
use crate::{Device, Joining, MAX_RECORD_LEN, RecordId};
use wrap::{OVERHEAD, Wrap};

pub use error::FlashError;
pub use log::{Log, Put};

/// Enough for every record while it is stored, in bytes.
pub const SCRATCH_LEN: usize = MAX_RECORD_LEN + OVERHEAD;

const OWN: u8 = 32;
const OWN_SLOTS: u8 = 8;

type Result<T, F> = log::Result<T, F>;

/// The store of one device. `SLOTS` is 41 and one for each sender and each topic of the device.
pub struct FlashStore<F, const SLOTS: usize> {
    log: Log<F, SLOTS>,
    wrap: Option<Wrap>,
}

impl<F: NorFlash, const SLOTS: usize> FlashStore<F, SLOTS> {
    /// Opens what stands in `region`, as [`Log::open`]; `device_key` wraps the records, always the
    /// same one.
    ///
    /// # Errors
    /// The driver's, [`FlashError::Layout`].
    pub fn open(flash: F, region: Range<u32>, device_key: Option<&Secret>) -> Result<Self, F> {
        Ok(Self {
            log: Log::open(flash, region)?,
            wrap: device_key.map(Wrap::new),
        })
    }

    /// Puts the device, as it was stored last, into `place`; `None` if it is no member yet.
    /// `scratch`: [`SCRATCH_LEN`] bytes are enough, and are wiped.
    ///
    /// # Errors
    /// [`FlashError::Damaged`], [`FlashError::Start`]: what is stored is another version's, or of a
    /// device with larger places.
    pub fn load<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>(
        &mut self,
        place: &mut Option<Device<G, S, T, K, O>>,
        scratch: &mut [u8],
    ) -> Result<(), F> {
        *place = None;
        let loaded = self.load_into(place, scratch);
        scratch.zeroize();
        // Half of a device would seal.
        loaded.inspect_err(|_| *place = None)
    }

    fn load_into<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>(
        &mut self,
        place: &mut Option<Device<G, S, T, K, O>>,
        scratch: &mut [u8],
    ) -> Result<(), F> {
        let (identity, rest) = self.get(RecordId::Identity, scratch)?;
        let (numbers, rest) = self.get(RecordId::Numbers, rest)?;
        let (domain, rest) = self.get(RecordId::Domain, rest)?;
        let (credential, _) = self.get(RecordId::Credential, rest)?;
        if credential.is_empty() {
            return Ok(());
        }
        let device = Device::load(place, identity, numbers, domain, credential)?;
        for place in 0..MAX_GROUPS.min(G) {
            let place = u8::try_from(place).unwrap_or(u8::MAX);
            // Notes come before the keys, and packages last: see `Device::restore`.
            for id in [RecordId::Notes(place), RecordId::Group(place)] {
                self.restore(device, id, scratch)?;
            }
        }
        self.restore(device, RecordId::Packages, scratch)?;
        self.restore_seen(device, scratch)
    }

    fn restore<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>(
        &mut self,
        device: &mut Device<G, S, T, K, O>,
        id: RecordId,
        scratch: &mut [u8],
    ) -> Result<(), F> {
        let (value, _) = self.get(id, scratch)?;
        if !value.is_empty() {
            device.restore(id, value)?;
        }
        Ok(())
    }

    /// Stores all that is due as one transaction, then what was seen, and says so to the device.
    ///
    /// # Errors
    /// Drop the device, open the store again, and load.
    pub fn save<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>(
        &mut self,
        device: &mut Device<G, S, T, K, O>,
        scratch: &mut [u8],
    ) -> Result<(), F> {
        let saved = self.put_records(device.due(), |id, out| device.record(id, out), scratch);
        scratch.zeroize();
        saved?;
        device.committed();
        self.save_seen(device)
    }

    /// Puts a device that waits for the answer to its request into `place`; `None` if there is none.
    ///
    /// # Errors
    /// As [`FlashStore::load`].
    pub fn load_joining(
        &mut self,
        place: &mut Option<Joining>,
        scratch: &mut [u8],
    ) -> Result<(), F> {
        *place = None;
        let loaded = self.load_joining_into(place, scratch);
        scratch.zeroize();
        loaded
    }

    fn load_joining_into(
        &mut self,
        place: &mut Option<Joining>,
        scratch: &mut [u8],
    ) -> Result<(), F> {
        let (identity, rest) = self.get(RecordId::Identity, scratch)?;
        let (numbers, rest) = self.get(RecordId::Numbers, rest)?;
        let (packages, rest) = self.get(RecordId::Packages, rest)?;
        let (request, _) = self.get(RecordId::Request, rest)?;
        if !identity.is_empty() {
            Joining::load(place, identity, numbers, packages, request)?;
        }
        Ok(())
    }

    /// Stores it, before its request goes out.
    ///
    /// # Errors
    /// As [`FlashStore::save`].
    pub fn save_joining(&mut self, joining: &Joining, scratch: &mut [u8]) -> Result<(), F> {
        let ids = Joining::records().into_iter();
        let saved = self.put_records(ids, |id, out| joining.record(id, out), scratch);
        scratch.zeroize();
        saved
    }

    /// One of 8 values of the firmware's own, wrapped like records; returns its length, 0 if there
    /// is none.
    ///
    /// # Errors
    /// [`FlashError::Slots`], [`FlashError::Damaged`], [`FlashError::TooLong`]: `out` needs 28
    /// bytes more than the value.
    pub fn own(&mut self, index: u8, out: &mut [u8]) -> Result<usize, F> {
        self.get_slot(Self::own_slot(index)?, out)
    }

    /// Puts one of them; empty deletes it. `scratch` takes it and 28 bytes more.
    ///
    /// # Errors
    /// As [`FlashStore::own`].
    pub fn put_own(&mut self, index: u8, value: &[u8], scratch: &mut [u8]) -> Result<(), F> {
        let slot = Self::own_slot(index)?;
        let out = scratch.get_mut(..value.len());
        out.ok_or(FlashError::TooLong)?.copy_from_slice(value);
        let len = self.wrapped(slot, value.len(), scratch)?;
        let value = scratch.get(..len).unwrap_or_default();
        self.log.put_all(core::iter::once(Put {
            slot,
            value,
            offset: None,
        }))
    }

    fn own_slot(index: u8) -> Result<u8, F> {
        let slot = (index < OWN_SLOTS).then(|| OWN.saturating_add(index));
        slot.ok_or(FlashError::Slots)
    }

    /// The driver.
    pub const fn driver(&self) -> &F {
        self.log.driver()
    }

    /// Takes the driver back.
    pub fn into_driver(self) -> F {
        self.log.into_driver()
    }

    fn put_records(
        &mut self,
        ids: impl Iterator<Item = RecordId> + Clone,
        write: impl Fn(RecordId, &mut [u8]) -> core::result::Result<usize, crate::StartError>,
        scratch: &mut [u8],
    ) -> Result<(), F> {
        let mut lengths = [0; OWN as usize];
        let mut used = 0_usize;
        for (id, place) in ids.clone().zip(&mut lengths) {
            let len = write(id, scratch)?;
            *place = self.wrapped_len(len);
            used = used.saturating_add(1);
        }
        if used == 0 {
            return Ok(());
        }
        self.log.begin(lengths.iter().take(used).copied())?;
        for id in ids {
            used = used.saturating_sub(1);
            let len = write(id, scratch)?;
            let len = self.wrapped(id.number(), len, scratch)?;
            let put = Put {
                slot: id.number(),
                value: scratch.get(..len).unwrap_or_default(),
                offset: None,
            };
            self.log.put(put, used == 0)?;
        }
        Ok(())
    }

    fn wrapped_len(&self, len: usize) -> usize {
        match self.wrap {
            Some(_) if len > 0 => len.saturating_add(OVERHEAD),
            _ => len,
        }
    }

    fn wrapped(&self, slot: u8, len: usize, buf: &mut [u8]) -> Result<usize, F> {
        match &self.wrap {
            Some(wrap) if len > 0 => wrap.wrap(slot, len, buf).ok_or(FlashError::TooLong),
            _ => Ok(len),
        }
    }

    /// A record at the start of `buf`, and what is left of it.
    fn get<'b>(&mut self, id: RecordId, buf: &'b mut [u8]) -> Result<(&'b [u8], &'b mut [u8]), F> {
        let len = self.get_slot(id.number(), buf)?;
        let (value, rest) = buf.split_at_mut_checked(len).ok_or(FlashError::TooLong)?;
        Ok((value, rest))
    }

    fn get_slot(&mut self, slot: u8, buf: &mut [u8]) -> Result<usize, F> {
        let len = self.log.read(slot, buf)?;
        let value = buf.get_mut(..len).unwrap_or_default();
        match &self.wrap {
            Some(wrap) if len > 0 => wrap.unwrap(slot, value).ok_or(FlashError::Damaged),
            _ => Ok(len),
        }
    }
}
