//! A whole audit log in one armour (spec/keys.md §13), as copies were before they came in pieces.

use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::object::{List, decode};
use sealmq_keys::objects::{ArmourError, decode_armour, encode_armour};

use crate::audit::MAX_AUDIT_ENTRY_LEN;

const LABEL: &str = "SEALMQ AUDIT LOG";

/// Longest audit log that is read, in bytes of text (64 MiB: some 300 000 entries).
pub const MAX_AUDIT_FILE_LEN: usize = 64 << 20;

/// Writes an audit log as a file: the encodings of all its entries, in order.
///
/// # Errors
/// The log is too long for a file.
pub fn encode_audit_log<'a>(
    entries: impl IntoIterator<Item = &'a [u8]>,
) -> Result<String, ArmourError> {
    let most = MAX_AUDIT_FILE_LEN;
    let mut elements = Vec::new();
    for entry in entries {
        elements = postcard::to_extend(&entry.len(), elements)
            .map_err(|_| ArmourError::TooLong { most })?;
        elements.extend_from_slice(entry);
        if elements.len() > most {
            return Err(ArmourError::TooLong { most });
        }
    }
    let list: List<'_, &[u8]> = List::from_encoded(&elements).map_err(|_| ArmourError::Content)?;
    let bytes = postcard::to_allocvec(&list).map_err(|_| ArmourError::TooLong { most })?;
    encode_armour(most, LABEL, &bytes)
}

/// Reads the entries of an audit log from a file. Nothing is verified yet: see
/// [`crate::AuditLog::verify`] and [`crate::AuditLog::continued_by`].
///
/// # Errors
/// Not such a file.
pub fn decode_audit_log(text: &str) -> Result<Vec<Vec<u8>>, ArmourError> {
    let bytes = decode_armour(MAX_AUDIT_FILE_LEN, LABEL, text)?;
    let list: List<'_, &[u8]> = decode(&bytes).map_err(|_| ArmourError::Content)?;
    // Before anything is copied: empty entries would take far more memory than text.
    if list
        .iter()
        .any(|entry| entry.is_empty() || entry.len() > MAX_AUDIT_ENTRY_LEN)
    {
        return Err(ArmourError::Content);
    }
    Ok(list.iter().map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use sealmq_keys::objects::{MAX_FILE_LEN, encode_request};

    /// Logs get longer than any other file.
    #[test]
    fn audit_logs_round_trip() {
        for count in [0, 1, 2, 20_000] {
            let entries: Vec<Vec<u8>> = (0..count).map(|i| vec![5; 1 + i % 200]).collect();
            let text = encode_audit_log(entries.iter().map(Vec::as_slice)).unwrap();
            assert!(text.starts_with("-----BEGIN SEALMQ AUDIT LOG-----\n"));
            assert_eq!(decode_audit_log(&text).as_ref(), Ok(&entries));
            assert_eq!(decode_audit_log(&text.replace('\n', "\r\n")), Ok(entries));
        }
        let wrong = encode_request(&[1; 100]).unwrap();
        assert!(matches!(
            decode_audit_log(&wrong),
            Err(ArmourError::Label { .. })
        ));
        // list of { bytes }: 3 bytes that hold one entry of 2.
        let text = encode_audit_log([&[8, 9][..]]).unwrap();
        assert_eq!(
            decode_armour(MAX_FILE_LEN, LABEL, &text).unwrap(),
            [3, 2, 8, 9]
        );
        for bad in [
            &[3, 2, 8, 9, 0][..],
            &[3, 3, 8, 9],
            &[4, 0x82, 0, 8, 9],
            &[1, 0],
            &[],
        ] {
            let text = encode_armour(MAX_FILE_LEN, LABEL, bad).unwrap();
            assert!(decode_audit_log(&text).is_err(), "{bad:?}");
        }
        let entry = [0; MAX_AUDIT_ENTRY_LEN];
        let endless = core::iter::repeat(&entry[..]);
        assert!(matches!(
            encode_audit_log(endless),
            Err(ArmourError::TooLong { .. })
        ));
    }
}
