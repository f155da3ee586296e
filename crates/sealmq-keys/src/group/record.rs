use sealmq_core::crypto::{Digest, KemPublicKey, Secret};
use sealmq_core::object::{CodecError, List, ObjectError, decode, encode};
use sealmq_core::{DomainId, GroupId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::GroupState;
use super::error::StateError;
use super::kept_state::KeptState;
use super::newest::{Newest, NewestRecord};
use super::slot::{MAX_SLOTS, Slot, SlotSecret, Slots};
use crate::announcement::MAX_WINDOW;
use crate::cursor::Cursor;
use crate::epoch::{EpochSecret, Psk, ReaderSecret};
use crate::kept::KeptKey;
use crate::tree::{MAX_PATH_LEN, PathKeys};

/// Longest encoding of a [`GroupState`] in bytes.
pub const MAX_STATE_LEN: usize = 5376;

pub(super) const VERSION: u8 = 4;
const MAX_SLOT_LEN: usize = 144;

#[derive(Serialize, Deserialize)]
pub(super) struct StateRecord<'a> {
    pub(super) version: u8,
    pub(super) domain: DomainId,
    pub(super) group: GroupId,
    pub(super) serial: u32,
    pub(super) generation: u32,
    pub(super) installed: u64,
    pub(super) package_number: u32,
    pub(super) proof: [u8; 32],
    pub(super) depth: u8,
    pub(super) leaf: u32,
    pub(super) keys: &'a [u8],
    pub(super) base: u64,
    pub(super) before: Option<Digest>,
    pub(super) healing_epoch: u64,
    pub(super) healing: Digest,
    #[serde(borrow)]
    pub(super) slots: List<'a, SlotRecord<'a>>,
    #[serde(borrow)]
    pub(super) kept: Option<KeptRecord<'a>>,
    #[serde(borrow)]
    pub(super) newest: Option<NewestRecord<'a>>,
    pub(super) renewed_until: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SlotRecord<'a> {
    pub(super) epoch: u64,
    pub(super) hash: Digest,
    pub(super) previous: Digest,
    pub(super) healed: bool,
    pub(super) reader: bool,
    pub(super) secret: &'a [u8],
    pub(super) group_key: KemPublicKey,
}

/// The newest kept keys, of the half that the path is of.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptRecord<'a> {
    pub(super) epoch: u64,
    pub(super) serial: u32,
    pub(super) key: &'a [u8],
}

impl<'a> SlotRecord<'a> {
    fn of(slot: &'a Slot) -> Self {
        let (reader, secret) = match &slot.secret {
            SlotSecret::Reader { secret, .. } => (true, secret.secret()),
            SlotSecret::Publisher { psk, .. } => (false, psk.secret()),
        };
        Self {
            epoch: slot.epoch,
            hash: slot.hash,
            previous: slot.previous,
            healed: slot.healed,
            reader,
            secret: secret.expose(),
            group_key: slot.group_key(),
        }
    }

    fn slot(&self) -> Option<Slot> {
        let bytes = self.secret.first_chunk::<{ Secret::LEN }>()?;
        if bytes.len() != self.secret.len() {
            return None;
        }
        let secret = Secret::init_with(|out| out.copy_from_slice(bytes));
        let secret = match self.reader {
            true => EpochSecret::Reader(ReaderSecret::new(secret)),
            false => EpochSecret::Publisher(Psk::new(secret)),
        };
        Some(Slot {
            epoch: self.epoch,
            hash: self.hash,
            previous: self.previous,
            healed: self.healed,
            secret: SlotSecret::new(secret, &self.group_key)?,
        })
    }
}

impl GroupState {
    /// Encodes the state into the start of `out` and returns that part. It contains secrets:
    /// store it encrypted and wipe `out`. [`MAX_STATE_LEN`] bytes are always enough.
    ///
    /// # Errors
    /// [`ObjectError::TooLarge`].
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o mut [u8], ObjectError> {
        let mut keys = Zeroizing::new([0; MAX_PATH_LEN]);
        self.path.write(keys.as_mut_slice());
        let mut slots = Zeroizing::new([0; MAX_SLOTS * MAX_SLOT_LEN]);
        let mut cursor = Cursor::new(slots.as_mut_slice());
        let mut last = None;
        let after = |slot: &&Slot, last: Option<u64>| last.is_none_or(|epoch| epoch < slot.epoch);
        while let Some(slot) = self
            .slots
            .iter()
            .filter(|slot| after(slot, last))
            .min_by_key(|slot| slot.epoch)
        {
            cursor.encode(&SlotRecord::of(slot))?;
            last = Some(slot.epoch);
        }
        let kept = self.kept.as_ref();
        let kept = kept.map(|kept| (kept.epoch, kept.serial, kept.key.to_bytes()));
        let record = StateRecord {
            version: VERSION,
            domain: self.domain,
            group: self.group,
            serial: self.serial,
            generation: self.generation,
            installed: self.installed,
            package_number: self.package_number,
            proof: self.proof,
            depth: self.path.depth(),
            leaf: self.path.leaf(),
            keys: keys
                .get(..self.path.encoded_len())
                .ok_or(ObjectError::TooLarge)?,
            base: self.base,
            before: self.before,
            healing_epoch: self.healed_before.0,
            healing: self.healed_before.1,
            slots: List::from_encoded(cursor.written())?,
            kept: kept.as_ref().map(|(epoch, serial, key)| KeptRecord {
                epoch: *epoch,
                serial: *serial,
                key: key.as_slice(),
            }),
            newest: self.newest.as_ref().map(Newest::record),
            renewed_until: self.renewed_until,
        };
        Ok(encode(&record, out)?)
    }

    /// [`GroupState::encode`] into memory of its own.
    ///
    /// # Errors
    /// None that a valid state can cause.
    #[cfg(feature = "alloc")]
    pub fn to_bytes(&self) -> Result<Zeroizing<alloc::vec::Vec<u8>>, ObjectError> {
        let mut out = Zeroizing::new(alloc::vec![0; MAX_STATE_LEN]);
        let len = self.encode(&mut out)?.len();
        out.truncate(len);
        Ok(out)
    }

    /// Decodes a stored state. Costs one X25519 multiplication for each epoch of a reader.
    ///
    /// # Errors
    /// [`StateError`]: not the canonical encoding of a state that a member can be in.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let mut place = None;
        Self::decode_into(&mut place, bytes)?;
        place.ok_or(StateError)
    }

    /// [`GroupState::decode`] into a place of the caller's: no whole state is on the stack.
    ///
    /// # Errors
    /// As there; the place is empty then.
    pub fn decode_into(place: &mut Option<Self>, bytes: &[u8]) -> Result<(), StateError> {
        *place = None;
        let record: StateRecord<'_> = decode(bytes)?;
        let read = Self::from_record(place, &record);
        if read.is_none() {
            *place = None;
        }
        read.ok_or(StateError)
    }

    /// `None`: half of a state may be in the place.
    pub(super) fn from_record(place: &mut Option<Self>, record: &StateRecord<'_>) -> Option<()> {
        let path = PathKeys::from_bytes(record.depth, record.leaf, record.keys)?;
        let half = path.half();
        Self::put_fields(place, record, path);
        let state = place.as_mut()?;
        if let Some(newest) = &record.newest {
            state.newest = Some(Newest::new(newest)?);
        }
        if let Some(kept) = &record.kept {
            let key = KeptKey::from_bytes(half, kept.key)?;
            state.kept = Some(KeptState::new(kept.epoch, kept.serial, key));
        }
        let mut oldest = None;
        let mut last = 0;
        for slot in &record.slots {
            let slot = slot.slot()?;
            let within = *oldest.get_or_insert(slot.epoch);
            if slot.epoch <= last || slot.epoch.checked_sub(within)? > u64::from(MAX_WINDOW) {
                return None;
            }
            last = slot.epoch;
            if !state.slots.insert(slot) {
                return None;
            }
        }
        let valid = record.version == VERSION
            && (1..=record.base).contains(&record.installed)
            && record.healing_epoch < record.base
            && (record.healing_epoch == 0) == (record.healing == Digest::ZERO)
            && (last == 0 || state.newest.is_some())
            && (record.renewed_until == 0 || state.newest.is_some())
            // Following moves the base along, so that a slot filled later is still near the rest.
            && last.saturating_sub(record.base) <= u64::from(MAX_WINDOW);
        valid.then_some(())
    }

    /// On its own, because all of the state is on the stack here once.
    #[inline(never)]
    fn put_fields(place: &mut Option<Self>, record: &StateRecord<'_>, path: PathKeys) {
        *place = Some(Self {
            domain: record.domain,
            group: record.group,
            serial: record.serial,
            generation: record.generation,
            installed: record.installed,
            package_number: record.package_number,
            proof: record.proof,
            path,
            base: record.base,
            before: record.before,
            healed_before: (record.healing_epoch, record.healing),
            slots: Slots::empty(),
            kept: None,
            newest: None,
            renewed_until: record.renewed_until,
            good_until_uptime: None,
        });
    }
}

impl From<CodecError> for StateError {
    fn from(_: CodecError) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announcement::Policy;

    /// Whoever changes these bytes raises `VERSION`, and says in the member's `migrate.rs` what
    /// becomes of a state of the version before.
    #[test]
    fn a_state_of_this_version_is_encoded_as_ever() {
        let slot = SlotRecord {
            epoch: 9,
            hash: Digest([1; 32]),
            previous: Digest([2; 32]),
            healed: true,
            reader: false,
            secret: &[3; 32],
            group_key: KemPublicKey([4; 32]),
        };
        let (mut slots, mut filters) = ([0; 256], [0; 16]);
        let record = StateRecord {
            version: VERSION,
            domain: DomainId([5; 16]),
            group: GroupId([6; 16]),
            serial: 1,
            generation: 2,
            installed: 3,
            package_number: 4,
            proof: [7; 32],
            depth: 1,
            leaf: 0,
            keys: &[8; 32],
            base: 5,
            before: Some(Digest([9; 32])),
            healing_epoch: 6,
            healing: Digest([10; 32]),
            slots: List::encode([&slot], &mut slots).unwrap(),
            kept: Some(KeptRecord {
                epoch: 13,
                serial: 14,
                key: &[15; 96],
            }),
            newest: Some(NewestRecord {
                serial: 7,
                signer: 8,
                issued_at: 9,
                not_after: 10,
                refused: Digest([11; 32]),
                policy: Policy {
                    window: 1,
                    lease: 2,
                    grace: 3,
                    freshness: 4,
                    skew: 5,
                    padding: 6,
                    bucket: 7,
                    session_messages: 8,
                    session_bytes: 9,
                    session_seconds: 10,
                    will_age: 11,
                    kept: 12,
                },
                name: "g",
                filters: List::encode(&["a/#"], &mut filters).unwrap(),
            }),
            renewed_until: 12,
        };
        let mut out = [0; 1024];
        let encoded = hex::encode(encode(&record, &mut out).unwrap());
        let x = |byte: &str, count: usize| byte.repeat(count);
        let expected = [
            "04".into(),
            x("05", 16),
            x("06", 16),
            "01020304".into(),
            x("07", 32),
            "010020".into(),
            x("08", 32),
            "0501".into(),
            x("09", 32),
            "06".into(),
            x("0a", 32),
            "8401".into(),
            "09".into(),
            x("01", 32),
            x("02", 32),
            "010020".into(),
            x("03", 32),
            x("04", 32),
            "010d0e60".into(),
            x("0f", 96),
            "010708090a".into(),
            x("0b", 32),
            "0102030405060708090a0b0c".into(),
            "0167".into(),
            "0403612f23".into(),
            "0c".into(),
        ];
        assert_eq!(encoded, expected.concat());
    }
}
