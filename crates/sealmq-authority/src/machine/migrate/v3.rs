//! Version 3 → 4: objects get extensions.

use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::DomainId;
use sealmq_keys::Changes;
use serde::Deserialize;

use super::v4::GroupV4;
use super::{Kind, Record};
use crate::machine::AuthorityError;
use crate::machine::answers::ANSWER_PREFIX;
use crate::machine::pending::PENDING_PREFIX;
use crate::machine::record::{DOMAIN_KEY, DomainRecord, GROUP_PREFIX, KeysRecord, PreviousKem};

#[derive(Deserialize)]
struct DomainV3 {
    domain: DomainId,
    root_key: [u8; 32],
    prefix: String,
    suite: u8,
    keys: KeysRecord,
    next_keys: Option<KeysRecord>,
    previous_kem: Option<PreviousKem>,
    delegation: Vec<u8>,
    next_member: u32,
}

pub(super) fn bring(
    records: &mut Vec<Record>,
    changes: &mut Changes,
) -> Result<(), AuthorityError> {
    records.retain(|Record { key, .. }| {
        let asked = key.starts_with(PENDING_PREFIX) || key.starts_with(ANSWER_PREFIX);
        if asked {
            changes.delete(key.as_str());
        }
        !asked
    });
    for record in records {
        match &record.kind {
            Kind::Published(_) => record.body.clear(),
            Kind::Own if record.key == DOMAIN_KEY => {
                record.recast(|old: DomainV3| DomainRecord {
                    is_old: !old.delegation.is_empty(),
                    domain: old.domain,
                    root_key: old.root_key,
                    prefix: old.prefix,
                    suite: old.suite,
                    keys: old.keys,
                    next_keys: old.next_keys,
                    previous_kem: old.previous_kem,
                    delegation: old.delegation,
                    next_member: old.next_member,
                })?;
            }
            Kind::Own if record.key.starts_with(GROUP_PREFIX) => {
                record.recast(|old: GroupV4| GroupV4 {
                    retained: Vec::new(),
                    ..old
                })?;
            }
            Kind::Own => {}
        }
    }
    Ok(())
}
