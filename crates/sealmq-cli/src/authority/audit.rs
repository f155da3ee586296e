use std::io::Write as _;
use std::path::Path;

use sealmq_authority::{
    AuditLog, Authority, MAX_AUDIT_FILE_LEN, decode_audit_log, encode_audit_log,
};

use super::folder::{AUTHORITY_STORE, open, vault};
use crate::args::{AuditExport, AuditVerify, AuthorityArgs};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{note, say, say_all};

type Entries = Vec<Vec<u8>>;

pub(crate) fn verify(args: &AuditVerify) -> Result<(), Failure> {
    let Some(path) = &args.file else {
        let (_, log) = own(&args.authority)?;
        return say_log("the authority's log is whole", log);
    };
    let copy = decode_audit_log(&files::read_text(path, MAX_AUDIT_FILE_LEN)?)?;
    let log = AuditLog::verify(slices(&copy)).map_err(Failure::refused)?;
    if !args.authority.dir.join(AUTHORITY_STORE).exists() {
        say_log("the copy is whole", log)?;
        return say("There is no authority here to compare it with; heartbeats carry its head.");
    }
    let (entries, own) = own(&args.authority)?;
    if log.size <= own.size {
        let known = log.continued_by(slices(&entries));
        let known = known.map_err(Failure::refused)?.new.len();
        say_log("the copy is whole, and of this authority", log)?;
        return say(format_args!(
            "The authority's log has {known} more entries."
        ));
    }
    let known = own.continued_by(slices(&copy)).map_err(Failure::refused)?;
    say_log("the copy is whole, and of this authority", log)?;
    Err(Failure::refused(format_args!(
        "the copy has {} entries that the authority does not: its store was put back; see `sealmq authority resume`",
        known.new.len()
    )))
}

pub(crate) fn export(args: &AuditExport) -> Result<(), Failure> {
    let (entries, log) = own(&args.authority)?;
    let text = encode_audit_log(slices(&entries))?;
    if files::is_dash(&args.output) {
        files::write_new(&args.output, &text)?;
        note(format_args!("{} entries", log.size));
        return Ok(());
    }
    if args.output.symlink_metadata().is_ok() {
        check_older(&args.output, &entries)?;
    }
    replace(&args.output, &text).map_err(|error| {
        Failure::new(
            Exit::Refused,
            format!("{} cannot be written: {error}", args.output.display()),
        )
    })?;
    say_log(&format!("copied to {}", args.output.display()), log)
}

/// Only an older copy of the same log makes room for a newer one.
fn check_older(path: &Path, entries: &Entries) -> Result<(), Failure> {
    let refused = || {
        Failure::refused(format_args!(
            "{} exists and is no older copy of this log: nothing was replaced, choose another name with -o",
            path.display()
        ))
    };
    let text = files::read_text(path, MAX_AUDIT_FILE_LEN).map_err(|_| refused())?;
    let copy = decode_audit_log(&text).map_err(|_| refused())?;
    AuditLog::verify(slices(&copy))
        .and_then(|log| log.continued_by(slices(entries)))
        .map_err(|_| refused())?;
    Ok(())
}

/// The old copy or the new one is there, whatever happens.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// The authority's own log, verified: whole, and as long as the authority believes.
fn own(args: &AuthorityArgs) -> Result<(Entries, AuditLog), Failure> {
    let store = open(&vault(args)?)?;
    let expected = Authority::load(&store)?.audit_head();
    let entries = Authority::audit_log(&store)?;
    store.close()?;
    let log = AuditLog::verify(slices(&entries)).map_err(Failure::refused)?;
    if log != expected {
        return Err(Failure::refused(
            "the authority's log does not end as it should: restore a backup",
        ));
    }
    Ok((entries, log))
}

fn say_log(about: &str, log: AuditLog) -> Result<(), Failure> {
    say_all([
        about.to_owned(),
        format!("entries  {}", log.size),
        format!("head     {}", hex::encode(log.head.0)),
    ])
}

fn slices(entries: &Entries) -> impl Iterator<Item = &[u8]> {
    entries.iter().map(Vec::as_slice)
}
