//! Copies of the audit log, as they are read: piece by piece, however long they are.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use sealmq_authority::{AuditCopy, AuditLog, AuditPiece, MAX_AUDIT_FILE_LEN, decode_audit_log};
use sealmq_keys::objects::ArmourError;

use crate::failure::Failure;
use crate::files;

/// What copies were before they came in pieces.
const WHOLE: &str = "-----BEGIN SEALMQ AUDIT LOG-----";
const END: &str = "-----END SEALMQ AUDIT LOG";

/// The name of a piece that is a file of its own.
pub(super) fn piece_name(first: u64) -> String {
    format!("audit-{first:020}.log")
}

/// Reads a copy: a file, standard input, or a folder of pieces. `visit` gets each entry, and the
/// log up to it.
pub(super) fn read(
    path: &Path,
    mut visit: impl FnMut(AuditLog, &[u8]) -> Result<(), Failure>,
) -> Result<AuditLog, Failure> {
    let mut copy = AuditCopy::new();
    for file in files_of(path)? {
        let cannot = |error: io::Error| {
            Failure::usage(format_args!(
                "{} cannot be read: {error}; check the path",
                file.display()
            ))
        };
        let mut lines: Box<dyn BufRead> = if files::is_dash(&file) {
            Box::new(io::stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(&file).map_err(cannot)?))
        };
        while let Some(text) = next_block(&mut lines).map_err(cannot)? {
            let piece = piece(&text).map_err(|error| {
                let failure = Failure::from(error);
                let place = format!(
                    "piece {} of the copy (entry {} and more), in {}: ",
                    copy.next_piece(),
                    copy.log().size,
                    file.display()
                );
                Failure::new(failure.exit, place + &failure.message)
            })?;
            copy.add(&piece, &mut visit)?;
        }
    }
    Ok(copy.end()?)
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let cannot = |error: io::Error| {
        Failure::usage(format_args!(
            "{} cannot be read: {error}; check the path",
            path.display()
        ))
    };
    let mut pieces = Vec::new();
    for entry in fs::read_dir(path).map_err(cannot)? {
        let file = entry.map_err(cannot)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("audit-") && name.ends_with(".log") {
            pieces.push(file);
        }
    }
    if pieces.is_empty() {
        return Err(Failure::usage(format_args!(
            "{} is a folder without pieces of a log (audit-….log): check the path",
            path.display()
        )));
    }
    // By their first entries.
    pieces.sort();
    Ok(pieces)
}

/// The next armour, or what stands in its place; `None` at the end. Never more than the longest file
/// there is.
fn next_block(lines: &mut impl BufRead) -> io::Result<Option<String>> {
    let most = u64::try_from(MAX_AUDIT_FILE_LEN).unwrap_or(u64::MAX);
    let mut limited = lines.take(most.saturating_add(1));
    let mut block = Vec::new();
    loop {
        let before = block.len();
        if limited.read_until(b'\n', &mut block)? == 0 {
            break;
        }
        let line = block.get(before..).unwrap_or_default();
        if line.trim_ascii().is_empty() && before == 0 {
            block.clear();
        }
        if line_is_end(block.get(before..).unwrap_or_default()) {
            break;
        }
    }
    // What is no text is no armour either.
    let is_none = block.iter().all(u8::is_ascii_whitespace);
    Ok((!is_none).then(|| String::from_utf8_lossy(&block).into_owned()))
}

fn line_is_end(line: &[u8]) -> bool {
    line.starts_with(END.as_bytes())
}

fn piece(text: &str) -> Result<AuditPiece, ArmourError> {
    if !text.trim_start().starts_with(WHOLE) {
        return AuditPiece::decode(text);
    }
    let entries = decode_audit_log(text)?;
    // What is wrong with it is said when it is read as a piece.
    let log = AuditLog::verify(entries.iter().map(Vec::as_slice)).unwrap_or(AuditLog {
        size: u64::try_from(entries.len()).unwrap_or(u64::MAX),
        ..AuditLog::EMPTY
    });
    Ok(AuditPiece {
        log,
        first: 0,
        entries,
    })
}
