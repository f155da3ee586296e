//! A copy of the audit log, put together from its pieces (spec/keys.md §13): which one is missing,
//! damaged, or of another log.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use sealmq_core::crypto::Digest;

use crate::armour::AuditPiece;
use crate::audit::{AuditError, AuditFault, AuditLog};

/// A copy of the log as far as it was read, piece by piece. It keeps no entries.
#[derive(Debug, Default)]
pub struct AuditCopy {
    log: AuditLog,
    /// Pieces so far.
    pieces: u64,
    /// What pieces say of the log further on: size, head, and which pieces say so.
    ahead: BTreeMap<u64, Vec<(Digest, u64)>>,
}

/// What is wrong with a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyFault {
    /// These entries are not there: a piece is missing, or stands elsewhere.
    Missing {
        /// The first of them.
        first: u64,
        /// The last one; `None` if a piece came twice or too early.
        last: Option<u64>,
    },
    /// An entry is damaged, or does not follow the one before it.
    Entry(AuditError),
    /// It is of a log that has another head at this size.
    OtherLog {
        /// Entries.
        size: u64,
    },
}

/// A copy that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyError {
    /// Which piece, counted from 1 in the order in which they were read.
    pub piece: u64,
    /// What is wrong with it.
    pub why: CopyFault,
}

impl AuditCopy {
    /// A copy of which nothing was read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How far it goes up to here.
    #[must_use]
    pub const fn log(&self) -> AuditLog {
        self.log
    }

    /// The number of the next piece, counted from 1.
    #[must_use]
    pub const fn next_piece(&self) -> u64 {
        self.pieces.saturating_add(1)
    }

    /// Goes on by a piece; `visit` gets each entry, and the log up to it. Whether pieces are of one
    /// log, the chain says, and what each says of the whole: a newer copy may so take over pieces
    /// of an older one.
    ///
    /// # Errors
    /// What is wrong, or what `visit` returns. Nothing more can be read.
    pub fn add<E: From<CopyError>>(
        &mut self,
        piece: &AuditPiece,
        mut visit: impl FnMut(AuditLog, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.pieces = self.next_piece();
        let number = self.pieces;
        let refuse = |piece, why| Err(CopyError { piece, why }.into());
        let next = self.log.size;
        if piece.first != next {
            let last = piece.first.checked_sub(1).filter(|last| *last >= next);
            return refuse(number, CopyFault::Missing { first: next, last });
        }
        let said = self.ahead.entry(piece.log.size).or_default();
        // One of each: pieces of one export all say the same.
        if !said.iter().any(|(head, _)| *head == piece.log.head) {
            said.push((piece.log.head, number));
        }
        for entry in &piece.entries {
            let followed = self.log.follow(entry);
            if let Err(error) = followed {
                let is_seam = next != 0 && error.index == next && error.why == AuditFault::Chain;
                return refuse(
                    number,
                    if is_seam {
                        CopyFault::OtherLog { size: next }
                    } else {
                        CopyFault::Entry(error)
                    },
                );
            }
            let said = self.ahead.remove(&self.log.size).unwrap_or_default();
            if let Some((_, piece)) = said.iter().find(|(head, _)| *head != self.log.head) {
                let size = self.log.size;
                return refuse(*piece, CopyFault::OtherLog { size });
            }
            visit(self.log, entry)?;
        }
        Ok(())
    }

    /// The log that the pieces are, all of it.
    ///
    /// # Errors
    /// The last pieces are missing.
    pub fn end(mut self) -> Result<AuditLog, CopyError> {
        // What a piece says of a log without entries is what it is.
        self.ahead.remove(&0);
        match self.ahead.last_key_value() {
            None if self.pieces != 0 => Ok(self.log),
            longest => Err(CopyError {
                piece: self.next_piece(),
                why: CopyFault::Missing {
                    first: self.log.size,
                    last: longest.map(|(size, _)| size.saturating_sub(1)),
                },
            }),
        }
    }
}

impl fmt::Display for CopyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing {
                first,
                last: Some(last),
            } => write!(
                f,
                "does not follow: entries {first} to {last} are missing, with the piece that has them"
            ),
            Self::Missing { first, last: None } => write!(
                f,
                "does not follow: entry {first} comes next, and another one is there"
            ),
            Self::Entry(AuditError { index, why }) => write!(f, "is damaged: entry {index} {why}"),
            Self::OtherLog { size } => write!(
                f,
                "is of another log than the pieces before it: the two part after {size} entries at the latest"
            ),
        }
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "piece {} of the copy {}", self.piece, self.why)
    }
}

impl core::error::Error for CopyError {}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use crate::audit::What;
    use alloc::string::String;
    use sealmq_core::MemberNumber;

    const ENTRIES: u64 = 100_000;
    const PIECE: usize = 100;

    /// The pieces of a log, as the text of each.
    fn pieces(entries: u64, first_time: u64) -> (AuditLog, Vec<String>) {
        let mut log = AuditLog::EMPTY;
        let member = MemberNumber(7);
        let entries: Vec<Vec<u8>> = (0..entries)
            .map(|at| {
                log.append(first_time + at, What::Removed { member })
                    .unwrap()
            })
            .map(|appended| appended.bytes)
            .collect();
        let pieces = (0..).zip(entries.chunks(PIECE)).map(|(n, entries)| {
            let first = n * PIECE as u64;
            let entries = entries.to_vec();
            AuditPiece {
                log,
                first,
                entries,
            }
            .encode()
            .unwrap()
        });
        (log, pieces.collect())
    }

    /// The log, and how many entries were seen.
    fn read<'p>(
        pieces: impl IntoIterator<Item = &'p String>,
    ) -> Result<(AuditLog, u64), CopyError> {
        let (mut copy, mut seen) = (AuditCopy::new(), 0);
        for piece in pieces {
            let piece = AuditPiece::decode(piece).unwrap();
            copy.add(&piece, |log, _| {
                seen += 1;
                assert_eq!(log.size, seen);
                Ok::<_, CopyError>(())
            })?;
        }
        Ok((copy.end()?, seen))
    }

    #[test]
    fn a_hundred_thousand_entries_go_in_pieces_and_what_is_wrong_is_said() {
        let (log, all) = pieces(ENTRIES, 0);
        assert_eq!(all.len(), 1000);
        assert_eq!(read(&all), Ok((log, ENTRIES)));
        let missing = |piece, first, last| {
            let why = CopyFault::Missing { first, last };
            Err(CopyError { piece, why })
        };
        for out in [0, 1, 500, 998] {
            let others = all.iter().enumerate().filter(|(n, _)| *n != out);
            let first = out as u64 * 100;
            let found = read(others.map(|(_, piece)| piece));
            assert_eq!(found, missing(out as u64 + 1, first, Some(first + 99)));
        }
        let end = ENTRIES - 1;
        assert_eq!(read(&all[..999]), missing(1000, 99_900, Some(end)));
        assert_eq!(read(&all[..1]), missing(2, 100, Some(end)));
        assert_eq!(read([]), missing(1, 0, None));
        assert_eq!(read([&all[0], &all[0]]), missing(2, 100, None));
        // An older copy ends where the log did; newer pieces go on from there.
        let (_, older) = pieces(250, 0);
        assert_eq!(read(&older).unwrap().1, 250);
        let mixed = older[..2].iter().chain(&all[2..]);
        assert_eq!(read(mixed), Ok((log, ENTRIES)));
        // Pieces of another log.
        let (_, other) = pieces(ENTRIES, 1);
        for at in [1, 500, 999] {
            let mixed = all[..at]
                .iter()
                .chain(&other[at..=at])
                .chain(&all[at + 1..]);
            let why = CopyFault::OtherLog {
                size: at as u64 * 100,
            };
            let piece = at as u64 + 1;
            assert_eq!(read(mixed), Err(CopyError { piece, why }));
        }
        let end = CopyFault::OtherLog { size: ENTRIES };
        let mut said = AuditPiece::decode(&all[3]).unwrap();
        said.log.head = Digest::ZERO;
        let said = said.encode().unwrap();
        let mixed = all[..3].iter().chain([&said]).chain(&all[4..]);
        assert_eq!(read(mixed), Err(CopyError { piece: 4, why: end }));
        // An entry that was altered.
        let mut bad = AuditPiece::decode(&all[3]).unwrap();
        bad.entries[50][33] ^= 1;
        let bad = bad.encode().unwrap();
        let mixed = all[..3].iter().chain([&bad]);
        let error = AuditError {
            index: 351,
            why: AuditFault::Chain,
        };
        let why = CopyFault::Entry(error);
        assert_eq!(read(mixed), Err(CopyError { piece: 4, why }));
    }

    #[test]
    fn a_log_without_entries_has_one_piece() {
        let piece = AuditPiece {
            log: AuditLog::EMPTY,
            first: 0,
            entries: Vec::new(),
        };
        assert_eq!(read([&piece.encode().unwrap()]), Ok((AuditLog::EMPTY, 0)));
    }
}
