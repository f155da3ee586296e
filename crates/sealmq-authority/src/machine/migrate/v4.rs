//! Version 4 → 5: state gets keys of its own.

use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::crypto::Digest;
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::Policy;
use serde::{Deserialize, Serialize};

use super::v5::{GroupV5, PolicyV5};
use super::{Kind, Record};
use crate::machine::record::{DOMAIN_KEY, DomainRecord, GROUP_PREFIX, GenerationRecord, Retained};
use crate::machine::{AuthorityError, Schedule};

#[derive(Serialize, Deserialize)]
pub(super) struct GroupV4 {
    pub(super) id: GroupId,
    pub(super) name: String,
    pub(super) filters: Vec<String>,
    pub(super) policy: PolicyV4,
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
}

#[derive(Serialize, Deserialize)]
pub(super) struct PolicyV4 {
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

impl PolicyV4 {
    /// With as many kept epochs as by default.
    fn later(&self) -> PolicyV5 {
        PolicyV5 {
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

impl GroupV4 {
    fn record(mut self) -> GroupV5 {
        if let [only] = self.generations.as_mut_slice() {
            // Who missed an epoch that healed cannot follow, because nobody reads its announcement
            // any more, but can be welcomed to another tree: it is due at once.
            only.started_at = 0;
        }
        GroupV5 {
            policy: self.policy.later(),
            id: self.id,
            name: self.name,
            filters: self.filters,
            schedule: self.schedule,
            epoch: self.epoch,
            announcement: self.announcement,
            healing_epoch: self.healing_epoch,
            healing: self.healing,
            issued_at: self.issued_at,
            not_after: self.not_after,
            heartbeat_at: self.heartbeat_at,
            healed_at: self.healed_at,
            messages: self.messages,
            joins_since: self.joins_since,
            moved_at: self.moved_at,
            generations: self.generations,
            refused: self.refused,
            // They are taken back.
            retained: Vec::new(),
            // The next epoch is due, and heals.
            kept: Vec::new(),
            kept_under: None,
            heals_next: false,
        }
    }
}

pub(super) fn bring(records: &mut [Record]) -> Result<(), AuthorityError> {
    let mut all = records.iter();
    let domain = all.find(|record| record.key == DOMAIN_KEY);
    let domain = domain.ok_or(AuthorityError::Record)?;
    let domain: DomainRecord =
        postcard::from_bytes(&domain.body).map_err(|_| AuthorityError::Record)?;
    for record in records {
        match &record.kind {
            Kind::Published(topic) => {
                use ReservedTopic::{Announcement, Chunk, Welcome};
                let topic = ReservedTopic::parse(&domain.prefix, topic);
                if matches!(topic, Some(Announcement(..) | Chunk(..) | Welcome(..))) {
                    record.body.clear();
                }
            }
            Kind::Own if record.key.starts_with(GROUP_PREFIX) => {
                record.recast(GroupV4::record)?;
            }
            Kind::Own => {}
        }
    }
    Ok(())
}
