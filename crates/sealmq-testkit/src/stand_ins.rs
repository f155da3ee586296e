//! Stand-ins for what a program brings along: a store, random numbers, a member's rights.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "for this repository's own tests"
)]

use alloc::collections::BTreeMap;
use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sealmq_core::crypto::{Digest, VerifyingKey, sha256};
use sealmq_core::seal::Membership;
use sealmq_core::topic::Topic;
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::{Change, Changes, Conflict, Store};
use zeroize::Zeroizing;

/// A store that can be copied and looked into.
#[derive(Debug, Default, Clone)]
pub struct MemoryStore(pub BTreeMap<String, Vec<u8>>);

impl Store for MemoryStore {
    type Error = Conflict;

    fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Conflict> {
        Ok(self.0.get(key).cloned().map(Zeroizing::new))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>, Conflict> {
        let from = self.0.range(prefix.to_owned()..);
        let all = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(all
            .map(|(key, value)| (key.clone(), Zeroizing::new(value.clone())))
            .collect())
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), Conflict> {
        if let Some(conflict) = changes.conflict(|key| self.get(key))? {
            return Err(conflict);
        }
        for change in changes {
            match change {
                Change::Put { key, value } => drop(self.0.insert(key.clone(), value.to_vec())),
                Change::Delete { key } => drop(self.0.remove(key)),
                Change::Expect { .. } => {}
            }
        }
        Ok(())
    }

    fn is_conflict(_: &Conflict) -> bool {
        true
    }
}

/// SHA-256 in counter mode: the same numbers at every run.
#[derive(Debug)]
pub struct CountingRng(pub u64);

impl TryRng for CountingRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.try_next_u64()? as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(32) {
            self.0 += 1;
            chunk.copy_from_slice(&sha256(&[&self.0.to_be_bytes()]).0[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for CountingRng {}

/// Gives out these bytes, once: what an encapsulation draws.
#[derive(Debug)]
pub struct Once(pub Vec<u8>);

impl TryRng for Once {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("an encapsulation draws bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("an encapsulation draws bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&core::mem::take(&mut self.0));
        Ok(())
    }
}

impl TryCryptoRng for Once {}

/// Says of itself that it may do everything.
#[derive(Debug, Clone, Copy)]
pub struct AnyMember {
    /// Its group.
    pub group: GroupId,
    /// Its number.
    pub member: MemberNumber,
    /// Its key.
    pub key: VerifyingKey,
    /// Hash of its credential.
    pub credential_hash: Digest,
    /// Of its credential.
    pub serial: u32,
}

impl Membership for AnyMember {
    fn group(&self) -> GroupId {
        self.group
    }
    fn member(&self) -> MemberNumber {
        self.member
    }
    fn key(&self) -> &VerifyingKey {
        &self.key
    }
    fn credential_hash(&self) -> Digest {
        self.credential_hash
    }
    fn credential_serial(&self) -> u32 {
        self.serial
    }
    fn may_publish(&self) -> bool {
        true
    }
    fn may_subscribe(&self) -> bool {
        true
    }
    fn covers(&self, _: Topic<'_>) -> bool {
        true
    }
}
