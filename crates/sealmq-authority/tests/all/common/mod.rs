//! What the integration tests share: a store in memory, a deterministic RNG, a device's request.

pub mod desk;
pub mod device;

use std::collections::BTreeMap;
use std::fmt;

use rand_core::{TryCryptoRng, TryRng};
use sealmq_core::DomainId;
use sealmq_core::crypto::{IdentityKey, KemKeyPair, Secret, sha256};
use sealmq_core::object::List;
use sealmq_core::wire::Suite;

use sealmq_keys::objects::{EnrolmentRequest, KEM_X25519, KeyPackage};
use sealmq_keys::{Change, Changes, Conflict, Store};
use zeroize::Zeroizing;

/// A store that loses everything with the process.
#[derive(Default, Clone)]
pub struct MemoryStore(pub BTreeMap<String, Vec<u8>>);

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

/// SHA-256 in counter mode over a seed; can be told to fail.
pub struct TestRng {
    seed: u64,
    counter: u64,
    /// Calls that still succeed.
    left: u64,
    is_stuck: bool,
}

impl TestRng {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            counter: 0,
            left: u64::MAX,
            is_stuck: false,
        }
    }

    /// One that gives the same bytes at every call.
    pub fn stuck() -> Self {
        Self {
            is_stuck: true,
            ..Self::new(7)
        }
    }

    /// From now on every call fails.
    pub fn break_down(&mut self) {
        self.left = 0;
    }

    /// After so many more calls every call fails.
    pub fn break_down_after(&mut self, calls: u64) {
        self.left = calls;
    }
}

/// The RNG was told to fail.
#[derive(Debug)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

impl TryRng for TestRng {
    type Error = Broken;

    fn try_next_u32(&mut self) -> Result<u32, Broken> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Broken> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Broken> {
        self.left = self.left.checked_sub(1).ok_or(Broken)?;
        for chunk in out.chunks_mut(32) {
            self.counter += u64::from(!self.is_stuck);
            let block = sha256(&[&self.seed.to_be_bytes(), &self.counter.to_be_bytes()]);
            chunk.copy_from_slice(&block.0[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for TestRng {}

/// An enrolment request object as a device would make it, without the member machine.
pub fn request(seed: u8, name: &str, packages: u32, now: u64) -> Vec<u8> {
    let identity = IdentityKey::from_seed(&Secret::new([seed; 32]));
    let unknown = DomainId([0; 16]);
    let objects: Vec<Vec<u8>> = (1..=packages)
        .map(|number| {
            let mut init_seed = [seed; 32];
            init_seed[0] = number as u8;
            let package = KeyPackage {
                domain: unknown,
                identity: *identity.verifying_key().as_bytes(),
                number,
                kem: KEM_X25519,
                init_key: &KemKeyPair::derive(&Secret::new(init_seed)).public().0,
                issued_at: now,
                not_after: now + 86_400,
            };
            package.sign(&identity, &mut [0; 512]).unwrap().0.to_vec()
        })
        .collect();
    let packages: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
    let mut list = vec![0; 8192];
    let request = EnrolmentRequest {
        domain: unknown,
        token: [0; 8],
        name,
        key: *identity.verifying_key().as_bytes(),
        issued_at: now,
        packages: List::encode(&packages, &mut list).unwrap(),
    };
    request
        .sign(Suite::One, &identity, &mut vec![0; 8192])
        .unwrap()
        .0
        .to_vec()
}
