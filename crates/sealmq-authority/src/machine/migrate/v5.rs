//! Version 5 → 6: long refused lists go in chunks.

use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::crypto::Digest;
use sealmq_keys::objects::Policy;
use serde::{Deserialize, Serialize};

use super::{Kind, Record};
use crate::machine::record::{GROUP_PREFIX, GenerationRecord, GroupRecord, KeptRecord, Retained};
use crate::machine::{AuthorityError, Schedule};

#[derive(Serialize, Deserialize)]
pub(super) struct GroupV5 {
    pub(super) id: GroupId,
    pub(super) name: String,
    pub(super) filters: Vec<String>,
    pub(super) policy: PolicyV5,
    pub(super) schedule: Schedule,
    pub(super) epoch: u64,
    pub(super) announcement: Digest,
    pub(super) healing_epoch: u64,
    pub(super) healing: Digest,
    pub(super) issued_at: u64,
    pub(super) not_after: u64,
    pub(super) heartbeat_at: u64,
    pub(super) healed_at: u64,
    pub(super) messages: u64,
    pub(super) joins_since: Option<u64>,
    pub(super) moved_at: u64,
    pub(super) generations: Vec<GenerationRecord>,
    pub(super) refused: Digest,
    pub(super) retained: Vec<Retained>,
    pub(super) kept: Vec<KeptRecord>,
    pub(super) kept_under: Option<u32>,
    pub(super) heals_next: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PolicyV5 {
    pub(super) window: u8,
    pub(super) lease: u32,
    pub(super) grace: u32,
    pub(super) freshness: u32,
    pub(super) skew: u32,
    pub(super) padding: u8,
    pub(super) bucket: u32,
    pub(super) session_messages: u32,
    pub(super) session_bytes: u64,
    pub(super) session_seconds: u32,
    pub(super) will_age: u32,
    pub(super) kept: u8,
}

impl PolicyV5 {
    const fn policy(&self) -> Policy {
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
            kept: self.kept,
        }
    }
}

impl GroupV5 {
    fn record(self) -> GroupRecord {
        // Nobody reads the list any more: the next epoch, which names another, is due at once.
        let is_refused = self.refused != Digest::ZERO;
        GroupRecord {
            policy: self.policy.policy(),
            id: self.id,
            name: self.name,
            filters: self.filters,
            schedule: self.schedule,
            epoch: self.epoch,
            announcement: self.announcement,
            healing_epoch: self.healing_epoch,
            healing: self.healing,
            issued_at: if is_refused { 0 } else { self.issued_at },
            not_after: self.not_after,
            heartbeat_at: self.heartbeat_at,
            healed_at: self.healed_at,
            messages: self.messages,
            joins_since: self.joins_since,
            moved_at: self.moved_at,
            generations: self.generations,
            refused: self.refused,
            retained: self.retained,
            kept: self.kept,
            kept_under: self.kept_under,
            heals_next: self.heals_next,
            refused_chunks: Vec::new(),
        }
    }
}

pub(super) fn bring(records: &mut [Record]) -> Result<(), AuthorityError> {
    for record in records {
        if matches!(record.kind, Kind::Own) && record.key.starts_with(GROUP_PREFIX) {
            record.recast(GroupV5::record)?;
        }
    }
    Ok(())
}
