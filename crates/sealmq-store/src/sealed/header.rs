//! The header record: what the store is, and its key, wrapped.

use std::path::Path;

use sealmq_core::crypto::{MessageKey, NONCE_LEN, Secret, TAG_LEN, expand};

use super::seal::{self, SALT_LEN, StoreKey, VERSION};
use super::unlock::Cost;
use crate::role::ROLE_LEN;
use crate::{StoreError, StoreRole, Unlock, UnlockMethod};

const MAGIC: [u8; 16] = *b"sealmq/1 store\0\0";
const WRAP: &[u8] = b"sealmq/1 store wrap";

/// `magic 16 ‖ version 1 ‖ method 1 ‖ role 16 ‖ BE4(memory) ‖ BE4(passes) ‖ BE4(lanes) ‖ salt 32`,
/// all of it authenticated with `wrapped key 32 ‖ tag 16`, which follow.
pub(crate) struct Header {
    method: UnlockMethod,
    role: StoreRole,
    cost: Cost,
    salt: [u8; SALT_LEN],
    wrapped: [u8; Secret::LEN],
    tag: [u8; TAG_LEN],
}

impl Header {
    /// What unlocks the store.
    pub(crate) const fn method(&self) -> UnlockMethod {
        self.method
    }

    /// Wraps `key`.
    pub(crate) fn new(key: &StoreKey, unlock: &Unlock) -> Result<Self, StoreError> {
        if unlock.is_empty() {
            return Err(StoreError::EmptyPassphrase);
        }
        let mut salt = [0; SALT_LEN];
        seal::random(&mut salt)?;
        let mut header = Self {
            method: unlock.method(),
            role: key.role(),
            cost: match unlock.method() {
                UnlockMethod::Passphrase => Cost::NEW,
                UnlockMethod::KeyFile => Cost::NONE,
            },
            salt,
            wrapped: *key.secret().expose(),
            tag: [0; TAG_LEN],
        };
        let wrap = header.wrap_key(unlock)?;
        let bound = header.bound();
        header.tag = wrap
            .seal_in_place(&[0; NONCE_LEN], &bound, &mut header.wrapped)
            .map_err(|_| StoreError::Crypto {
                reason: "AES-GCM".into(),
            })?;
        Ok(header)
    }

    /// Reads a header; `path` is for errors only.
    pub(crate) fn parse(path: &Path, bytes: &[u8], role: StoreRole) -> Result<Self, StoreError> {
        let corrupt = |reason: &str| StoreError::corrupt(path, reason);
        let mut reader = Reader(bytes);
        let mut parse = || {
            let magic: [u8; 16] = reader.take()?;
            let [version] = reader.take()?;
            Some((magic, version))
        };
        let (magic, version) = parse().ok_or_else(|| corrupt("header cut off"))?;
        if magic != MAGIC {
            return Err(corrupt("no sealmq header"));
        }
        if version != VERSION {
            return Err(StoreError::Version {
                path: path.to_path_buf(),
                found: version,
            });
        }
        let mut parse = || {
            let [method] = reader.take()?;
            let role: [u8; ROLE_LEN] = reader.take()?;
            let mut number = || reader.take().map(u32::from_be_bytes);
            let cost = Cost {
                memory_kib: number()?,
                passes: number()?,
                lanes: number()?,
            };
            let (salt, wrapped, tag) = (reader.take()?, reader.take()?, reader.take()?);
            reader
                .0
                .is_empty()
                .then_some((method, role, cost, salt, wrapped, tag))
        };
        let (method, found, cost, salt, wrapped, tag) =
            parse().ok_or_else(|| corrupt("header of a wrong length"))?;
        let found = StoreRole::from_bytes(&found).ok_or_else(|| corrupt("unknown role"))?;
        let method = match method {
            1 => UnlockMethod::Passphrase,
            2 => UnlockMethod::KeyFile,
            _ => return Err(corrupt("unknown way to unlock")),
        };
        let acceptable = match method {
            UnlockMethod::Passphrase => cost.is_acceptable(),
            UnlockMethod::KeyFile => cost == Cost::NONE,
        };
        if !acceptable {
            return Err(corrupt("Argon2id parameters out of bounds"));
        }
        if found != role {
            return Err(StoreError::WrongRole {
                path: path.to_path_buf(),
                found,
                expected: role,
            });
        }
        Ok(Self {
            method,
            role,
            cost,
            salt,
            wrapped,
            tag,
        })
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.bound();
        bytes.extend_from_slice(&self.wrapped);
        bytes.extend_from_slice(&self.tag);
        bytes
    }

    /// Unwraps the store key; `path` is for errors only.
    pub(crate) fn unlock(&self, path: &Path, unlock: &Unlock) -> Result<StoreKey, StoreError> {
        if unlock.method() != self.method {
            return Err(StoreError::OtherMethod {
                path: path.to_path_buf(),
                needs: self.method,
            });
        }
        let wrap = self.wrap_key(unlock)?;
        let mut result = Ok(());
        let secret = Secret::init_with(|out| {
            *out = self.wrapped;
            result = wrap.open_in_place(&[0; NONCE_LEN], &self.bound(), out, &self.tag);
        });
        match result {
            Ok(()) => Ok(StoreKey::new(secret, self.role)),
            Err(_) => Err(StoreError::WrongKey {
                path: path.to_path_buf(),
                method: self.method,
            }),
        }
    }

    fn wrap_key(&self, unlock: &Unlock) -> Result<MessageKey, StoreError> {
        let secret = unlock.secret(&self.cost, &self.salt)?;
        Ok(MessageKey::new(&expand(&secret, &[WRAP, &self.salt])))
    }

    fn bound(&self) -> Vec<u8> {
        let method = match self.method {
            UnlockMethod::Passphrase => 1,
            UnlockMethod::KeyFile => 2,
        };
        [
            &MAGIC[..],
            &[VERSION, method],
            &self.role.bytes(),
            &self.cost.memory_kib.to_be_bytes(),
            &self.cost.passes.to_be_bytes(),
            &self.cost.lanes.to_be_bytes(),
            &self.salt,
        ]
        .concat()
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }
}
