//! Chunks of refused lists: like those of covers, so that nobody needs to hold a long list.

use sealmq_core::MemberNumber;
use sealmq_core::crypto::{Digest, sha256};
use sealmq_core::object::{List, ObjectError};
use serde::{Deserialize, Serialize};

use super::run::{self, MAX_REFUSED_RUN_LEN, RefusedRun};

const ERROR: ObjectError = ObjectError::Field("chunks");
/// Above every member number.
const END: MemberNumber = MemberNumber(1 << 28);

/// A chunk as a list names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EncodedChunk {
    first: u32,
    hash: Digest,
}

impl EncodedChunk {
    /// Bytes of its encoding.
    pub(super) const fn len(self) -> usize {
        let number: usize = match self.first {
            0..0x80 => 1,
            0x80..0x4000 => 2,
            0x4000..0x20_0000 => 3,
            0x20_0000..0x1000_0000 => 4,
            _ => 5,
        };
        number.saturating_add(32)
    }
}

/// One chunk that a refused list names: the records of all members from `first` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedChunk {
    /// The lowest member number that it can have a record of; part of its topic.
    pub first: MemberNumber,
    /// The next chunk's first, or above every number.
    pub end: MemberNumber,
    /// SHA-256 of its bytes.
    pub hash: Digest,
}

/// What a list says of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lowest {
    /// The lowest credential serial that is accepted; 0 if it does not name the member.
    Serial(u32),
    /// A chunk tells.
    InChunk(RefusedChunk),
}

impl RefusedChunk {
    /// Whether a record of this member would be there.
    #[must_use]
    pub fn holds(&self, member: MemberNumber) -> bool {
        (self.first..self.end).contains(&member)
    }

    /// The records of the chunk that this refers to.
    ///
    /// # Errors
    /// [`ObjectError::Serial`] if `bytes` are not that chunk: another one, or altered.
    /// `Field("entries")` if they are, and break the rules for records.
    pub fn run<'c>(&self, bytes: &'c [u8]) -> Result<RefusedRun<'c>, ObjectError> {
        if bytes.len() > MAX_REFUSED_RUN_LEN || sha256(&[bytes]) != self.hash {
            return Err(ObjectError::Serial);
        }
        let run = RefusedRun::check(bytes)?;
        let ends = run.iter().next().zip(run.iter().next_back());
        match ends {
            Some((first, last)) if self.holds(first.member) && self.holds(last.member) => Ok(run),
            _ => Err(run::ERROR),
        }
    }

    pub(super) const fn encoded(&self) -> EncodedChunk {
        EncodedChunk {
            first: self.first.0,
            hash: self.hash,
        }
    }
}

/// Two or more, ascending.
pub(super) fn check(chunks: &List<'_, EncodedChunk>) -> Result<(), ObjectError> {
    let mut last = 0;
    for chunk in chunks.iter() {
        if chunk.first <= last || !MemberNumber(chunk.first).is_valid() {
            return Err(ERROR);
        }
        last = chunk.first;
    }
    match chunks.iter().nth(1) {
        Some(_) => Ok(()),
        None => Err(ERROR),
    }
}

/// With the bounds of each.
pub(super) fn refs(chunks: List<'_, EncodedChunk>) -> impl Iterator<Item = RefusedChunk> + '_ {
    let ends = chunks.iter().skip(1).map(|next| MemberNumber(next.first));
    let ends = ends.chain([END]);
    chunks.iter().zip(ends).map(|(chunk, end)| RefusedChunk {
        first: MemberNumber(chunk.first),
        end,
        hash: chunk.hash,
    })
}
