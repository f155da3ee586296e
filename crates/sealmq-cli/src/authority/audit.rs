use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use sealmq_authority::{AuditError, AuditFault, AuditLog, AuditPiece};
use sealmq_keys::Store as _;
use sealmq_store::Vault;

use super::backup::sync_folder;
use super::copy::{self, piece_name};
use super::folder::{AUTHORITY_STORE, look, open, vault};
use crate::args::{AuditExport, AuditVerify};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{note, say, say_all};

/// Entries that are read at a time. Meanwhile the store is closed, so that an authority that runs
/// is not held up by a long log.
const PAGE: u64 = 4096;

pub(crate) fn verify(args: &AuditVerify) -> Result<(), Failure> {
    let Some(path) = &args.file else {
        let vault = vault(&args.authority)?;
        let own = look(&vault)?.audit_head();
        walk(&vault, own, |_, _| Ok(()))?;
        return say_log("the authority's log is whole", own);
    };
    if !args.authority.dir.join(AUTHORITY_STORE).exists() {
        let log = copy::read(path, |_, _| Ok(()))?;
        say_log("the copy is whole", log)?;
        return say("There is no authority here to compare it with; heartbeats carry its head.");
    }
    let vault = vault(&args.authority)?;
    let own = look(&vault)?.audit_head();
    let log = copy::read(path, |log, _| same_at(own, log))?;
    walk(&vault, own, |own, _| same_at(log, own))?;
    say_log("the copy is whole, and of this authority", log)?;
    match own.size.checked_sub(log.size) {
        Some(known) => say(format_args!(
            "The authority's log has {known} more entries."
        )),
        None => Err(Failure::refused(format_args!(
            "the copy has {} entries that the authority does not: its store was put back; see `sealmq authority resume`",
            log.size.saturating_sub(own.size)
        ))),
    }
}

/// Where a log is as long as another one ended, both are the same up to there or part.
pub(super) fn same_at(end: AuditLog, log: AuditLog) -> Result<(), Failure> {
    if log.size == end.size && log != end {
        return Err(Failure::refused(parted(end.size)));
    }
    Ok(())
}

/// After so many entries.
const fn parted(size: u64) -> AuditError {
    AuditError {
        index: size.saturating_sub(1),
        why: AuditFault::Other,
    }
}

pub(crate) fn export(args: &AuditExport) -> Result<(), Failure> {
    let vault = vault(&args.authority)?;
    let log = look(&vault)?.audit_head();
    if files::is_dash(&args.output) {
        pieces(&vault, log, args.piece_entries, |_, text| {
            let mut out = io::stdout();
            let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            written.map_err(|error| Failure::output(&error))
        })?;
        note(format_args!("{} entries", log.size));
        return Ok(());
    }
    let written = |error: io::Error| {
        Failure::new(
            Exit::Refused,
            format!("{} cannot be written: {error}", args.output.display()),
        )
    };
    let parent = args.output.parent();
    let parent = parent
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    if args.split {
        files::check_new(&args.output)?;
        let draft = tempfile::tempdir_in(parent).map_err(written)?;
        pieces(&vault, log, args.piece_entries, |piece, text| {
            write_synced(&draft.path().join(piece_name(piece.first)), text).map_err(written)
        })?;
        sync_folder(draft.path()).map_err(written)?;
        // Nothing has this name, or an empty folder that somebody just made.
        fs::rename(draft.path(), &args.output).map_err(written)?;
        let _gone = draft.keep();
    } else {
        if args.output.symlink_metadata().is_ok() {
            check_older(&args.output, &vault, log)?;
        }
        // The old copy or the new one is there, whatever happens.
        let mut file = tempfile::NamedTempFile::new_in(parent).map_err(written)?;
        pieces(&vault, log, args.piece_entries, |_, text| {
            file.write_all(text.as_bytes()).map_err(written)
        })?;
        file.as_file().sync_all().map_err(written)?;
        file.persist(&args.output)
            .map_err(|error| written(error.error))?;
    }
    sync_folder(parent).map_err(written)?;
    say_log(&format!("copied to {}", args.output.display()), log)
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The authority's log as far as this, in pieces of so many entries, verified on the way: what
/// `write` got counts only when this returns.
fn pieces(
    vault: &Vault,
    log: AuditLog,
    most: u16,
    mut write: impl FnMut(&AuditPiece, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut piece = AuditPiece {
        log,
        first: 0,
        entries: Vec::new(),
    };
    if log.size == 0 {
        write(&piece, &piece.encode()?)?;
    }
    walk(vault, log, |walked, entry| {
        piece.entries.push(entry.to_vec());
        if piece.entries.len() >= usize::from(most) || walked.size == log.size {
            write(&piece, &piece.encode()?)?;
            piece.first = walked.size;
            piece.entries.clear();
        }
        Ok(())
    })
}

/// Only an older copy of the same log makes room for a newer one.
fn check_older(path: &Path, vault: &Vault, log: AuditLog) -> Result<(), Failure> {
    let refused = || {
        Failure::refused(format_args!(
            "{} exists and is no older copy of this log: nothing was replaced, choose another name with -o",
            path.display()
        ))
    };
    let older = copy::read(path, |_, _| Ok(())).map_err(|_| refused())?;
    let Some(last) = older.size.checked_sub(1) else {
        return Ok(());
    };
    let store = open(vault)?;
    let entries = store.log(last, 1)?;
    store.close()?;
    let is_older = older.size <= log.size
        && entries
            .first()
            .is_some_and(|entry| AuditLog::head_after(entry) == older.head);
    is_older.then_some(()).ok_or_else(refused)
}

/// Verifies the authority's own log, a page in memory at a time: whole, and as long as the authority
/// believed when this began. `visit` gets each entry, and the log up to it.
fn walk(
    vault: &Vault,
    end: AuditLog,
    mut visit: impl FnMut(AuditLog, &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut log = AuditLog::EMPTY;
    while log.size < end.size {
        let most = end.size.saturating_sub(log.size).min(PAGE);
        let store = open(vault)?;
        let page = store.log(log.size, usize::try_from(most).unwrap_or(usize::MAX))?;
        store.close()?;
        if page.is_empty() {
            let (index, why) = (log.size, AuditFault::Shorter);
            return Err(Failure::refused(AuditError { index, why }));
        }
        for entry in page {
            log.follow(&entry).map_err(Failure::refused)?;
            visit(log, &entry)?;
        }
    }
    if log != end {
        return Err(Failure::refused(format_args!(
            "the authority's log does not end as it should: {}",
            parted(end.size)
        )));
    }
    Ok(())
}

fn say_log(about: &str, log: AuditLog) -> Result<(), Failure> {
    say_all([
        about.to_owned(),
        format!("entries  {}", log.size),
        format!("head     {}", hex::encode(log.head.0)),
    ])
}
