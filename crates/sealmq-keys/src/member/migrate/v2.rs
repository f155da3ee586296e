//! Version 2 → 3: objects get extensions.

use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::crypto::Digest;
use serde::Deserialize;

use super::{Bodies, Fate, of_group};
use crate::member::MemberError;
use crate::member::kept::Kept;
use crate::member::records::{
    self, CredentialRecord, DomainRecord, IdentityRecord, PACKAGE_PREFIX, PEER_PREFIX,
    PackageRecord, REFUSED_SUFFIX, SecretBytes, WELCOME_SUFFIX,
};

#[derive(Deserialize)]
struct IdentityV2 {
    seed: SecretBytes,
    request: Vec<u8>,
}

#[derive(Deserialize)]
struct DomainV2 {
    root_key: [u8; 32],
    prefix: alloc::string::String,
    delegation: Vec<u8>,
    past: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
struct CredentialV2 {
    delegation: Vec<u8>,
    credential: Vec<u8>,
}

#[derive(Deserialize)]
struct PackageV2 {
    number: u32,
    hash: Digest,
    seed: SecretBytes,
    #[expect(dead_code, reason = "not carried over")]
    set: u32,
    issued_at: u64,
    not_after: u64,
    #[expect(dead_code, reason = "not carried over")]
    object: Vec<u8>,
    epochs: Vec<(GroupId, u64)>,
}

pub(super) fn bring(store: Bodies) -> Result<Bodies, MemberError> {
    if !store.has(records::CREDENTIAL) {
        return Err(MemberError::OldRequest);
    }
    store.each(|key, body| match key {
        records::IDENTITY => Fate::recast(key, body, |old: IdentityV2| IdentityRecord {
            seed: old.seed,
            request: Kept::old(old.request),
        }),
        records::DOMAIN => Fate::recast(key, body, |old: DomainV2| DomainRecord {
            root_key: old.root_key,
            prefix: old.prefix,
            delegation: Kept::old(old.delegation),
            past: old.past.into_iter().map(Kept::old).collect(),
        }),
        records::CREDENTIAL => Fate::recast(key, body, |old: CredentialV2| CredentialRecord {
            delegation: Kept::old(old.delegation),
            credential: Kept::old(old.credential),
        }),
        package if package.starts_with(PACKAGE_PREFIX) => {
            // Its key serves as long as the authority knows it; the object is not shown again.
            Fate::recast(key, body, |old: PackageV2| PackageRecord {
                number: old.number,
                hash: old.hash,
                seed: old.seed,
                set: 0,
                issued_at: old.issued_at,
                not_after: old.not_after,
                object: Vec::new(),
                epochs: old.epochs,
            })
        }
        // Signed objects: of another member, or those that the group's state came from. The next
        // announcement names another refused list; until then no message counts anyway.
        peer if peer.starts_with(PEER_PREFIX) => Ok(Fate::Goes),
        unread if of_group(unread, &[REFUSED_SUFFIX, WELCOME_SUFFIX]) => Ok(Fate::Goes),
        _ => Ok(Fate::Stays),
    })
}
