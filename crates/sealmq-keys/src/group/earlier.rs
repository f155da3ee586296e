//! States that earlier versions stored.

use sealmq_core::crypto::Digest;
use sealmq_core::object::{List, decode};
use sealmq_core::{DomainId, GroupId};
use serde::{Deserialize, Serialize};

use super::GroupState;
use super::error::StateError;
use super::newest::NewestRecord;
use super::record::{SlotRecord, StateRecord, VERSION};
use crate::objects::announcement::Policy;

/// Events and state had the same keys.
const V3: u8 = 3;

/// A state of version 3.
#[derive(Serialize, Deserialize)]
pub(super) struct StateV3<'a> {
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
    pub(super) newest: Option<NewestV3<'a>>,
    pub(super) renewed_until: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct NewestV3<'a> {
    pub(super) serial: u32,
    pub(super) signer: u8,
    pub(super) issued_at: u64,
    pub(super) not_after: u64,
    pub(super) refused: Digest,
    pub(super) policy: PolicyV3,
    pub(super) name: &'a str,
    #[serde(borrow)]
    pub(super) filters: List<'a, &'a str>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PolicyV3 {
    window: u8,
    lease: u32,
    grace: u32,
    freshness: u32,
    skew: u32,
    padding: u8,
    bucket: u32,
    session_messages: u32,
    session_bytes: u64,
    session_seconds: u32,
    will_age: u32,
}

impl PolicyV3 {
    /// With as many kept epochs as by default.
    fn policy(&self) -> Policy {
        Policy {
            window: self.window,
            lease: self.lease,
            grace: self.grace,
            freshness: self.freshness,
            skew: self.skew,
            padding: self.padding,
            bucket: self.bucket,
            session_messages: self.session_messages,
            session_bytes: self.session_bytes,
            session_seconds: self.session_seconds,
            will_age: self.will_age,
            kept: Policy::default().kept,
        }
    }
}

impl<'a> NewestV3<'a> {
    fn record(&self) -> NewestRecord<'a> {
        NewestRecord {
            serial: self.serial,
            signer: self.signer,
            issued_at: self.issued_at,
            not_after: self.not_after,
            refused: self.refused,
            policy: self.policy.policy(),
            name: self.name,
            filters: self.filters,
        }
    }
}

impl<'a> StateV3<'a> {
    fn record(&self) -> StateRecord<'a> {
        StateRecord {
            version: VERSION,
            domain: self.domain,
            group: self.group,
            serial: self.serial,
            generation: self.generation,
            installed: self.installed,
            package_number: self.package_number,
            proof: self.proof,
            depth: self.depth,
            leaf: self.leaf,
            keys: self.keys,
            base: self.base,
            before: self.before,
            healing_epoch: self.healing_epoch,
            healing: self.healing,
            slots: self.slots,
            kept: None,
            newest: self.newest.as_ref().map(NewestV3::record),
            renewed_until: self.renewed_until,
        }
    }
}

impl GroupState {
    /// Decodes a state that the version before stored, which knew no kept keys: without any, so
    /// that nothing is sealed as state before an epoch or a welcome brings some.
    ///
    /// # Errors
    /// [`StateError`]: not the canonical encoding of a state that a member could be in.
    pub fn decode_earlier(bytes: &[u8]) -> Result<Self, StateError> {
        let earlier: StateV3<'_> = decode(bytes)?;
        let known = earlier.version == V3;
        let record = known.then(|| earlier.record()).ok_or(StateError)?;
        let mut place = None;
        Self::from_record(&mut place, &record).ok_or(StateError)?;
        place.ok_or(StateError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealmq_core::crypto::KemPublicKey;
    use sealmq_core::object::encode;

    fn earlier<'a>(slots: &'a mut [u8], filters: &'a mut [u8]) -> StateV3<'a> {
        let slot = SlotRecord {
            epoch: 9,
            hash: Digest([1; 32]),
            previous: Digest([2; 32]),
            healed: true,
            reader: false,
            secret: &[3; 32],
            group_key: KemPublicKey([4; 32]),
        };
        StateV3 {
            version: V3,
            domain: DomainId([5; 16]),
            group: GroupId([6; 16]),
            serial: 1,
            generation: 2,
            installed: 3,
            package_number: 4,
            proof: [7; 32],
            depth: 2,
            leaf: 6,
            keys: &[8; 64],
            base: 9,
            before: Some(Digest([9; 32])),
            healing_epoch: 6,
            healing: Digest([10; 32]),
            slots: List::encode([&slot], slots).unwrap(),
            newest: Some(NewestV3 {
                serial: 7,
                signer: 8,
                issued_at: 9,
                not_after: 10,
                refused: Digest([11; 32]),
                policy: PolicyV3 {
                    window: 1,
                    lease: 20,
                    grace: 3,
                    freshness: 4,
                    skew: 5,
                    padding: 0,
                    bucket: 0,
                    session_messages: 800,
                    session_bytes: 1 << 20,
                    session_seconds: 100,
                    will_age: 11,
                },
                name: "g",
                filters: List::encode(&["a/#"], filters).unwrap(),
            }),
            renewed_until: 12,
        }
    }

    #[test]
    fn a_state_without_kept_keys_becomes_one_that_waits_for_some() {
        let (mut slots, mut filters) = ([0; 256], [0; 16]);
        let old = earlier(&mut slots, &mut filters);
        let mut out = [0; 2048];
        let encoded = encode(&old, &mut out).unwrap();
        // As version 3 wrote it, by its own test.
        let text = hex::encode(&*encoded);
        assert!(text.starts_with(&["03", &"05".repeat(16), &"06".repeat(16)].concat()));
        let policy = "0114030405 0000 a006 808040 64 0b".replace(' ', "");
        assert!(text.ends_with(&(policy + "01670403612f230c")), "{text}");

        let state = GroupState::decode_earlier(encoded).unwrap();
        assert!(state.kept().is_none());
        assert_eq!(state.policy().unwrap().kept, Policy::default().kept);
        let mut expected = [0; 2048];
        let expected = encode(&old.record(), &mut expected).unwrap();
        let again = state.to_bytes().unwrap();
        assert_eq!(again.as_slice(), &*expected);
        assert!(GroupState::decode(&again).is_ok());
        // Neither version reads the other's.
        assert!(GroupState::decode(encoded).is_err());
        assert!(GroupState::decode_earlier(&again).is_err());
    }
}
