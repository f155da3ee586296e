//! The way of a log's entries: from the records into segments, and back to whoever reads them.

use std::ops::Range;

use sealmq_keys::{Changes, log_key};
use zeroize::Zeroizing;

use super::backend::{Backend, Segment};
use super::log::{BadEntry, Log, MAX_SEGMENT_LEN, RECORD, SEGMENT_LEN};
use crate::{StoreError, StoreRole};

pub(crate) type Value = Zeroizing<Vec<u8>>;

/// Those of a segment's entries that have these numbers.
pub(crate) fn read<B: Backend>(
    backend: &B,
    log: &Log,
    role: StoreRole,
    segment: &Segment,
    numbers: &Range<u64>,
) -> Result<Vec<Value>, StoreError> {
    let bad = |number, is_missing| StoreError::LogEntry {
        path: backend.place_of(segment),
        number,
        is_missing,
    };
    let Some(sealed) = backend.read_segment(segment)? else {
        return Err(bad(Log::entries_of(segment).start, true));
    };
    let opened = log.open(role, segment, &sealed, numbers);
    opened.map_err(|BadEntry(number)| bad(number, false))
}

/// Writes the oldest of many entries among the records to segments. Returns the log as it is
/// afterwards, and the changes that make it so: until these are committed nothing has changed, and
/// what was written is written again.
pub(crate) fn fill<B: Backend>(
    backend: &B,
    log: &Log,
    role: StoreRole,
    is_there: impl Fn(&str) -> bool,
    record: impl Fn(&str) -> Result<Value, StoreError>,
) -> Result<(Log, Changes), StoreError> {
    let known = log;
    let mut log = log.copy();
    let mut changes = Changes::new();
    // Numbers have no gaps, so the last entry of two segments shows that all of them are there.
    let last_of_two = |log: &Log| {
        let two = SEGMENT_LEN.saturating_mul(2);
        log.moved().saturating_add(two).saturating_sub(1)
    };
    while is_there(&log_key(last_of_two(&log))) {
        let next = log.grown()?;
        let segment = next.segment_of(log.moved());
        let mut entries = Vec::new();
        for number in Log::entries_of(&segment) {
            let key = log_key(number);
            entries.push(record(&key)?);
            changes.delete(key);
        }
        let sealed = next.seal(role, &segment, &entries)?;
        // Entries that long are nobody's: no reason to fail, they stay where they are.
        if sealed.len() > MAX_SEGMENT_LEN {
            return Ok((known.copy(), Changes::new()));
        }
        backend.write_segment(&segment, &sealed)?;
        log = next;
    }
    if let Some(id) = log.id().filter(|_| !changes.is_empty()) {
        backend.sync_segments(id)?;
        changes.put(RECORD, core::mem::take(&mut *log.encode()));
    }
    Ok((log, changes))
}
