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
/// The first byte of each record.
const VERSION: u8 = 1;

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
pub(crate) fn put(order: u64, content: &Content, changes: &mut Changes) {
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
    if let Ok(bytes) = postcard::to_extend(&record, Vec::from([VERSION])) {
        changes.put(key(order), bytes);
    }
}

pub(crate) fn delete(order: u64, changes: &mut Changes) {
    changes.delete(key(order));
}

/// All of them, in their order.
pub(crate) fn load<S: Store>(store: &S) -> Result<Vec<(u64, Content)>, OpenError> {
    let stored = store.list(PREFIX);
    let stored = stored.map_err(|error| MemberError::Store(Box::new(error)))?;
    let mut contents = Vec::with_capacity(stored.len());
    for (key, value) in stored {
        let found = decode(&key, &value);
        contents.push(found.ok_or(MemberError::Record(key))?);
    }
    contents.sort_unstable_by_key(|(order, _)| *order);
    Ok(contents)
}

fn decode(key: &str, value: &[u8]) -> Option<(u64, Content)> {
    let order = u64::from_str_radix(key.strip_prefix(PREFIX)?, 16).ok()?;
    let record: Record = postcard::from_bytes(value.strip_prefix(&[VERSION])?).ok()?;
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
        return Some((order, Content::Wire(wire)));
    }
    let mut draft = Draft::new(record.topic, payload).ok()?;
    draft.qos = record.qos;
    draft.retain = record.retain;
    draft.properties = record.properties;
    Some((order, Content::Draft(draft)))
}
