//! The authority's log of what it signs and decides (spec/keys.md §13): a hash chain, so that
//! nothing in it can be changed, left out or put in without another head.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use sealmq_core::crypto::{Digest, sha256};
use sealmq_core::object::decode;
use sealmq_core::{GroupId, MemberNumber, check_name};
use sealmq_keys::{LOG_PREFIX, log_key};
use serde::{Deserialize, Serialize};

/// Longest entry in bytes: room for the longest prefix and reserved topic.
pub const MAX_AUDIT_ENTRY_LEN: usize = 2048;

/// What the authority did. The order of the variants is the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum What<'a> {
    /// Signed an object that is published on a topic.
    Signed {
        /// The whole topic.
        topic: &'a str,
        /// The object's hash; for a chunk of a cover the SHA-256 of its bytes.
        hash: Digest,
    },
    /// Took a device in as a member.
    Enrolled {
        /// Its number.
        member: MemberNumber,
        /// Its Ed25519 identity key.
        key: [u8; 32],
        /// Its name.
        name: &'a str,
    },
    /// Removed a member from all groups.
    Removed {
        /// Its number.
        member: MemberNumber,
    },
    /// Acts under this delegation from now on.
    Delegation {
        /// Its serial.
        serial: u32,
        /// The object's hash.
        hash: Digest,
    },
    /// Began a new generation of a group.
    Generation {
        /// The group.
        group: GroupId,
        /// The generation's number.
        number: u32,
        /// Its first epoch.
        epoch: u64,
    },
    /// Acts again after its store was restored from a backup.
    Resumed {
        /// Serial of the delegation that the root gave for this.
        serial: u32,
        /// Entries of the log in the backup.
        log_size: u64,
        /// Head of the log in the backup.
        log_head: Digest,
    },
    /// A member said, as the first, that two devices use the identity of another one.
    TwoDevices {
        /// The member that it is about.
        member: MemberNumber,
        /// Who said it.
        by: MemberNumber,
    },
}

impl What<'_> {
    /// Such a log is shown to people, and its numbers and names are taken over.
    fn is_valid(&self) -> bool {
        match self {
            Self::Signed { topic, .. } => !topic.is_empty() && !topic.chars().any(char::is_control),
            Self::Enrolled { member, name, .. } => member.is_valid() && check_name(name).is_ok(),
            Self::Removed { member } => member.is_valid(),
            Self::TwoDevices { member, by } => member.is_valid() && by.is_valid(),
            Self::Delegation { .. } | Self::Generation { .. } | Self::Resumed { .. } => true,
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<'a> {
    /// Head of the log before this entry; zeros in the first.
    pub previous: Digest,
    /// Unix seconds by the authority's clock, which may have been set back.
    pub at: u64,
    /// What was done.
    #[serde(borrow)]
    pub what: What<'a>,
}

impl<'a> Entry<'a> {
    /// Decodes an entry on its own, wherever it stands in a log.
    ///
    /// # Errors
    /// [`AuditFault::Encoding`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, AuditFault> {
        if bytes.len() > MAX_AUDIT_ENTRY_LEN {
            return Err(AuditFault::Encoding);
        }
        let entry: Self = decode(bytes).map_err(|_| AuditFault::Encoding)?;
        entry
            .what
            .is_valid()
            .then_some(entry)
            .ok_or(AuditFault::Encoding)
    }
}

/// What is wrong with an entry, or with what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditFault {
    /// The bytes are no entry, or not the canonical encoding of one.
    Encoding,
    /// The entry does not follow the one before it.
    Chain,
    /// The log ends before the log that it is compared with.
    Shorter,
    /// The log is whole, but another one than the log that it is compared with.
    Other,
}

/// A log that does not verify, or does not continue another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditError {
    /// Number of the entry, from 0.
    pub index: u64,
    /// What is wrong there.
    pub why: AuditFault,
}

impl fmt::Display for AuditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoding => "is no entry of an audit log: the copy is damaged, or was altered",
            Self::Chain => "does not follow the entry before it: an entry was altered, left out or put in there or just before",
            Self::Shorter => "is missing: this copy ends before the log that it is compared with, so it is older, or was cut off",
            Self::Other => "differs from the log that this one is compared with: one of the two was rewritten, or they are of two authorities or of two lives of one that was restored",
        })
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "entry {} {}; look for another copy",
            self.index, self.why
        )
    }
}

impl core::error::Error for AuditError {}

/// An entry that was appended: has to be stored in the same commit as what it tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The record's key, `audit/<index, 20 digits>`, so that a listing is in order.
    pub key: String,
    /// The entry's encoding.
    pub bytes: Vec<u8>,
}

/// How far a log goes: its size and head say everything about its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuditLog {
    /// Number of entries.
    pub size: u64,
    /// Hash of the last entry, which names the one before it; zeros without entries.
    pub head: Digest,
}

impl fmt::Display for AuditLog {
    /// `size:head`, as [`AuditLog::from_str`] takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.size, self.head)
    }
}

impl FromStr for AuditLog {
    type Err = AuditFault;

    fn from_str(text: &str) -> Result<Self, AuditFault> {
        let (size, head) = text.split_once(':').ok_or(AuditFault::Encoding)?;
        let mut log = Self {
            size: size.parse().map_err(|_| AuditFault::Encoding)?,
            head: Digest::ZERO,
        };
        let mut digits = head.chars().map(|digit| digit.to_digit(16));
        for byte in &mut log.head.0 {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return Err(AuditFault::Encoding);
            };
            *byte = u8::try_from(high << 4 | low).map_err(|_| AuditFault::Encoding)?;
        }
        match digits.next() {
            None => Ok(log),
            Some(_) => Err(AuditFault::Encoding),
        }
    }
}

/// What another log has behind the end of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation<'a> {
    /// The other log's size and head.
    pub log: AuditLog,
    /// Its entries behind one's own, in order.
    pub new: Vec<Entry<'a>>,
}

impl AuditLog {
    /// Key prefix of the entries in the authority's store.
    pub const PREFIX: &'static str = LOG_PREFIX;

    /// A log without entries.
    pub const EMPTY: Self = Self {
        size: 0,
        head: Digest::ZERO,
    };

    /// Store key of the entry with this number.
    #[must_use]
    pub fn key(index: u64) -> String {
        log_key(index)
    }

    /// The head of a log whose last entry this is.
    #[must_use]
    pub fn head_after(entry: &[u8]) -> Digest {
        sha256(&[b"sealmq/1 audit", entry])
    }

    /// Adds an entry; `at` is in Unix seconds.
    ///
    /// # Errors
    /// [`AuditFault::Encoding`]: a topic or name that no entry may have. The log is as before.
    pub fn append(&mut self, at: u64, what: What<'_>) -> Result<Appended, AuditError> {
        let refused = AuditError {
            index: self.size,
            why: AuditFault::Encoding,
        };
        let entry = Entry {
            previous: self.head,
            at,
            what,
        };
        let bytes = postcard::to_allocvec(&entry).map_err(|_| refused)?;
        let key = Self::key(self.size);
        self.follow(&bytes)?;
        Ok(Appended { key, bytes })
    }

    /// Goes on by one entry, if it follows this log.
    ///
    /// # Errors
    /// [`AuditFault::Encoding`], [`AuditFault::Chain`]. The log is as before.
    pub fn follow<'a>(&mut self, bytes: &'a [u8]) -> Result<Entry<'a>, AuditError> {
        let index = self.size;
        let refuse = |why| AuditError { index, why };
        let entry = Entry::decode(bytes).map_err(refuse)?;
        if entry.previous != self.head {
            return Err(refuse(AuditFault::Chain));
        }
        // 2^64 entries are out of reach; an equal size under another head would still differ.
        self.size = index.saturating_add(1);
        self.head = Self::head_after(bytes);
        Ok(entry)
    }

    /// Verifies a log from its first entry. Times may go back; whether it is *the* log, the head
    /// says, which heartbeats carry.
    ///
    /// # Errors
    /// The first entry that is damaged or does not follow the one before it.
    pub fn verify<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, AuditError> {
        let mut log = Self::EMPTY;
        for entry in entries {
            log.follow(entry)?;
        }
        Ok(log)
    }

    /// Verifies another log, which has to contain this one: its first entries are all of this
    /// one's. Returns what comes behind them.
    ///
    /// # Errors
    /// Those of [`AuditLog::verify`]; [`AuditFault::Shorter`]; [`AuditFault::Other`] if the logs
    /// part somewhere up to the entry named.
    pub fn continued_by<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Continuation<'a>, AuditError> {
        self.continued_since(Self::EMPTY, entries)
    }

    /// Like [`AuditLog::continued_by`], with the other log's entries behind `since`: those before
    /// it were verified, and this log is no shorter.
    ///
    /// # Errors
    /// As [`AuditLog::continued_by`].
    pub fn continued_since<'a>(
        &self,
        since: Self,
        entries: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Continuation<'a>, AuditError> {
        if since.size > self.size || (since.size == self.size && since != *self) {
            return Err(AuditError {
                index: self.size.saturating_sub(1),
                why: AuditFault::Other,
            });
        }
        let mut log = since;
        let mut new = Vec::new();
        for bytes in entries {
            let known = log.size < self.size;
            let index = log.size;
            let entry = log.follow(bytes)?;
            if log.size == self.size && log.head != self.head {
                let why = AuditFault::Other;
                return Err(AuditError { index, why });
            }
            if !known {
                new.push(entry);
            }
        }
        if log.size < self.size {
            return Err(AuditError {
                index: log.size,
                why: AuditFault::Shorter,
            });
        }
        Ok(Continuation { log, new })
    }
}

#[cfg(test)]
mod tests;
