//! Random numbers, and a host's store.

use std::collections::BTreeMap;
use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sealmq_core::crypto::sha256;
use sealmq_keys::{Change, Changes, Conflict, Store};
use zeroize::Zeroizing;

/// SHA-256 in counter mode; or the same at every call.
pub struct TestRng(pub u64, pub bool);

impl TryRng for TestRng {
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
            self.0 += u64::from(!self.1);
            chunk.copy_from_slice(&sha256(&[&self.0.to_be_bytes()]).0[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for TestRng {}

#[derive(Default, Clone)]
pub struct MemoryStore(BTreeMap<String, Vec<u8>>);

impl Store for MemoryStore {
    type Error = Conflict;

    fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Conflict> {
        Ok(self.0.get(key).cloned().map(Zeroizing::new))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>, Conflict> {
        let all = self.0.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(all
            .map(|(k, v)| (k.clone(), Zeroizing::new(v.clone())))
            .collect())
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), Conflict> {
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
