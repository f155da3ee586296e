//! Retained values in the store, one record for each topic.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use bytes::Bytes;
use sealmq_core::crypto::{Digest, sha256};
use sealmq_keys::member::{MemberError, Properties};
use sealmq_keys::{Changes, Store};
use serde::{Deserialize, Serialize};

use crate::draft::Draft;
use crate::error::OpenError;
use crate::wire::Qos;

const PREFIX: &str = "values/";
/// The first byte of each record.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    topic: String,
    payload: Vec<u8>,
    qos: Qos,
    properties: Properties,
    /// Names the kept keys that it was sealed under.
    pub(super) kept: Option<[u8; 32]>,
    order: u64,
}

/// A topic may be longer than a key of a store.
fn key(topic: &str) -> String {
    let mut key = PREFIX.to_owned();
    for byte in sha256(&[topic.as_bytes()]).0 {
        // Writing into a string does not fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}

pub(super) fn put(draft: &Draft, kept: Option<Digest>, order: u64, changes: &mut Changes) {
    let record = Record {
        topic: draft.topic.clone(),
        payload: draft.payload.to_vec(),
        qos: draft.qos,
        properties: draft.properties.clone(),
        kept: kept.map(|kept| kept.0),
        order,
    };
    // Encoding into memory does not fail either.
    if let Ok(bytes) = postcard::to_extend(&record, Vec::from([VERSION])) {
        changes.put(key(&draft.topic), bytes);
    }
}

pub(super) fn delete(topic: &str, changes: &mut Changes) {
    changes.delete(key(topic));
}

/// Deletes all records, whatever is in them.
pub(super) fn delete_all<S: Store>(store: &S, changes: &mut Changes) -> Result<(), OpenError> {
    let stored = store.list(PREFIX);
    let stored = stored.map_err(|error| MemberError::Store(Box::new(error)))?;
    for (key, _) in stored {
        changes.delete(key);
    }
    Ok(())
}

/// All records with their order, the oldest first.
pub(super) fn load<S: Store>(store: &S) -> Result<Vec<(u64, Record)>, OpenError> {
    let stored = store.list(PREFIX);
    let stored = stored.map_err(|error| MemberError::Store(Box::new(error)))?;
    let mut records = Vec::with_capacity(stored.len());
    for (key, value) in stored {
        let body = value.strip_prefix(&[VERSION]);
        let record = body.and_then(|body| postcard::from_bytes::<Record>(body).ok());
        let record = record.ok_or(MemberError::Record(key))?;
        records.push((record.order, record));
    }
    records.sort_unstable_by_key(|(order, _)| *order);
    Ok(records)
}

impl Record {
    pub(super) fn draft(&self) -> Result<Draft, OpenError> {
        let payload = Bytes::from(self.payload.clone());
        let draft = Draft::new(self.topic.clone(), payload);
        let mut draft = draft.map_err(|_| MemberError::Record(key(&self.topic)))?;
        draft.qos = self.qos;
        draft.retain = true;
        draft.properties = self.properties.clone();
        Ok(draft)
    }
}
