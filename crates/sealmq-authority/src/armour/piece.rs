//! A piece of the audit log's copy (spec/keys.md §13).

use alloc::string::String;
use alloc::vec::Vec;

use sealmq_core::crypto::Digest;
use sealmq_core::object::{List, decode};
use sealmq_keys::objects::{ArmourError, decode_armour, encode_armour};
use serde::{Deserialize, Serialize};

use crate::audit::{AuditLog, MAX_AUDIT_ENTRY_LEN};

const LABEL: &str = "SEALMQ AUDIT LOG PIECE";

/// Most entries of a piece that is written; any number is read.
pub const MAX_PIECE_ENTRIES: usize = 4096;

/// Longest piece that is read, in bytes of text (16 MiB).
pub const MAX_AUDIT_PIECE_LEN: usize = 16 << 20;

/// Some of a log's entries, and which log that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPiece {
    /// The whole log when the piece was made.
    pub log: AuditLog,
    /// The number of the first entry.
    pub first: u64,
    /// Encoded entries, one or more; none only of a log without entries.
    pub entries: Vec<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    log_size: u64,
    log_head: Digest,
    first: u64,
    #[serde(borrow)]
    entries: List<'a, &'a [u8]>,
}

impl AuditPiece {
    /// The number after that of the last entry.
    #[must_use]
    pub fn end(&self) -> u64 {
        let count = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        self.first.saturating_add(count)
    }

    fn is_valid(&self) -> bool {
        let is_none = self.entries.is_empty();
        let entries_fit = |entry: &Vec<u8>| (1..=MAX_AUDIT_ENTRY_LEN).contains(&entry.len());
        self.entries.iter().all(entries_fit)
            && self.end() <= self.log.size
            && (self.log.size == 0) == is_none
            && (!is_none || self.log == AuditLog::EMPTY)
    }

    /// Writes the piece as text. A copy of a log is its pieces, in order, in one file or in many.
    ///
    /// # Errors
    /// The piece is too long, or no piece of any log.
    pub fn encode(&self) -> Result<String, ArmourError> {
        if !self.is_valid() {
            return Err(ArmourError::Content);
        }
        let most = MAX_AUDIT_PIECE_LEN;
        let mut elements = Vec::new();
        for entry in &self.entries {
            elements = postcard::to_extend(&entry.len(), elements)
                .map_err(|_| ArmourError::TooLong { most })?;
            elements.extend_from_slice(entry);
        }
        let body = Body {
            log_size: self.log.size,
            log_head: self.log.head,
            first: self.first,
            entries: List::from_encoded(&elements).map_err(|_| ArmourError::Content)?,
        };
        let bytes = postcard::to_allocvec(&body).map_err(|_| ArmourError::TooLong { most })?;
        encode_armour(most, LABEL, &bytes)
    }

    /// Reads a piece from text. Nothing is verified yet: [`AuditCopy`](crate::AuditCopy).
    ///
    /// # Errors
    /// Not a piece.
    pub fn decode(text: &str) -> Result<Self, ArmourError> {
        let bytes = decode_armour(MAX_AUDIT_PIECE_LEN, LABEL, text)?;
        let body: Body<'_> = decode(&bytes).map_err(|_| ArmourError::Content)?;
        // Before anything is copied: empty entries would take far more memory than text.
        if body.entries.iter().any(<[u8]>::is_empty) {
            return Err(ArmourError::Content);
        }
        let piece = Self {
            log: AuditLog {
                size: body.log_size,
                head: body.log_head,
            },
            first: body.first,
            entries: body.entries.iter().map(<[u8]>::to_vec).collect(),
        };
        piece
            .is_valid()
            .then_some(piece)
            .ok_or(ArmourError::Content)
    }
}
