//! Accepted messages in the store, one record each, for the process after this one.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sealmq_keys::member::{MemberError, Properties};
use sealmq_keys::{Changes, Store};
use serde::{Deserialize, Serialize};

use super::Content;
use crate::draft::Draft;
use crate::error::OpenError;
use crate::wire::{Qos, Wire};

const PREFIX: &str = "outbox/";
/// The first byte of each record. Version 1 is a `Record` alone; since 2 it is followed by the time
/// when its expiry runs out.
const VERSION: u8 = 2;

#[derive(Serialize, Deserialize)]
struct Record {
    /// The payload is what goes out: these bytes, and no others, ever.
    is_ready: bool,
    topic: String,
    payload: Vec<u8>,
    qos: Qos,
    retain: bool,
    properties: Properties,
}

fn key(order: u64) -> String {
    format!("{PREFIX}{order:016x}")
}

/// Under the message's place in the order.
pub(crate) fn put(order: u64, content: &Content, expires: Option<u64>, changes: &mut Changes) {
    let record = match content {
        // The client's own values have records of their own.
        Content::Value(_) => return,
        Content::Draft(draft) => Record {
            is_ready: false,
            topic: draft.topic.clone(),
            payload: draft.payload.to_vec(),
            qos: draft.qos,
            retain: draft.retain,
            properties: draft.properties.clone(),
        },
        Content::Wire(wire) => Record {
            is_ready: true,
            topic: wire.topic.clone(),
            payload: wire.payload.to_vec(),
            qos: wire.qos,
            retain: wire.retain,
            properties: wire.properties.clone(),
        },
    };
    // Encoding into memory does not fail.
    if let Ok(bytes) = postcard::to_extend(&(record, expires), Vec::from([VERSION])) {
        changes.put(key(order), bytes);
    }
}

pub(crate) fn delete(order: u64, changes: &mut Changes) {
    changes.delete(key(order));
}

/// One of them: its place in the order, itself, and when its expiry runs out (Unix milliseconds).
pub(crate) type Stored = (u64, Content, Option<u64>);

/// All of them, in their order.
pub(crate) fn load<S: Store>(store: &S) -> Result<Vec<Stored>, OpenError> {
    let stored = store.list(PREFIX);
    let stored = stored.map_err(|error| MemberError::Store(Box::new(error)))?;
    let mut contents = Vec::with_capacity(stored.len());
    for (key, value) in stored {
        let found = decode(&key, &value);
        contents.push(found.ok_or(MemberError::Record(key))?);
    }
    contents.sort_unstable_by_key(|(order, ..)| *order);
    Ok(contents)
}

fn decode(key: &str, value: &[u8]) -> Option<Stored> {
    let order = u64::from_str_radix(key.strip_prefix(PREFIX)?, 16).ok()?;
    let (record, expires): (Record, Option<u64>) = match value.split_first()? {
        (1, record) => (postcard::from_bytes(record).ok()?, None),
        (&VERSION, both) => postcard::from_bytes(both).ok()?,
        _ => return None,
    };
    let payload = record.payload.into();
    if record.is_ready {
        let wire = Wire {
            topic: record.topic,
            payload,
            qos: record.qos,
            retain: record.retain,
            properties: record.properties,
            alias: None,
        };
        return Some((order, Content::Wire(wire), expires));
    }
    let mut draft = Draft::new(record.topic, payload).ok()?;
    draft.qos = record.qos;
    draft.retain = record.retain;
    draft.properties = record.properties;
    Some((order, Content::Draft(draft), expires))
}
