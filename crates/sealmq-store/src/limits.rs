use sealmq_keys::{Change, Changes};

use crate::StoreError;

/// Longest key of a record, in bytes.
pub const MAX_KEY_LEN: usize = 1024;
/// Longest value of a record, in bytes (64 MiB).
pub const MAX_VALUE_LEN: usize = 64 << 20;

/// Refuses what does not fit before anything is written.
pub(crate) fn check(changes: &Changes) -> Result<(), StoreError> {
    for change in changes {
        let key = change.key();
        if key.len() > MAX_KEY_LEN {
            return Err(StoreError::KeyTooLong { len: key.len() });
        }
        if let Change::Put { key, value } = change
            && value.len() > MAX_VALUE_LEN
        {
            return Err(StoreError::ValueTooLong {
                record: key.clone(),
                len: value.len(),
            });
        }
    }
    Ok(())
}
