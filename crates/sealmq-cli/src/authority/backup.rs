use std::fs;
use std::path::Path;

use getrandom::SysRng;
use sealmq_authority::{
    AuditError, AuditFault, Authority, AuthorityEvent, ResumeOptions, decode_delegation,
};
use sealmq_core::MemberNumber;
use sealmq_keys::Store as _;
use sealmq_keys::objects::MAX_FILE_LEN;
use sealmq_store::{FileStore, StoreRole, Vault};

use super::audit::same_at;
use super::copy;
use super::delegation::{refused, say_delegation};
use super::events::describe;
use super::folder::{AUTHORITY_STORE, commit, open, vault};
use crate::args::{BackupArgs, ResumeArgs};
use crate::failure::{Exit, Failure};
use crate::output::say;
use crate::unlock::{PATIENCE, Secret, check_there};
use crate::{clock, files};

pub(crate) fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let source = args.authority.dir.join(AUTHORITY_STORE);
    check_there(&source, StoreRole::Authority)?;
    let secret = Secret::for_existing(&args.authority.unlock, &source, StoreRole::Authority)?;
    let vault = Vault::unlock_wait(&source, StoreRole::Authority, &secret.unlock(), PATIENCE)?;
    let target = args.folder.join(AUTHORITY_STORE);
    let store = open(&vault)?;
    let authority = Authority::load(&store)?;
    let older = match target.symlink_metadata() {
        Ok(_) => Some(check_older(&target, &source, &secret, &authority)?),
        Err(_) => None,
    };
    let draft = args.folder.join(format!("{AUTHORITY_STORE}.new"));
    // Left by a backup that was interrupted.
    remove_draft(&draft, &secret);
    let copied = copy_store(&store, &draft, &secret).and_then(|()| {
        fs::rename(&draft, &target)
            .and_then(|()| sync_folder(&args.folder))
            .map_err(|error| {
                Failure::new(
                    Exit::Store,
                    format!("{} cannot be written: {error}", target.display()),
                )
            })
    });
    if let Err(failure) = copied {
        remove_draft(&draft, &secret);
        return Err(failure);
    }
    store.close()?;
    if let Some(older) = older {
        older.discard_log()?;
    }
    let log = authority.audit_head();
    say(format_args!(
        "backup             {}, under the same passphrase or key file",
        target.display()
    ))?;
    say(format_args!("audit log          {} entries", log.size))?;
    say(
        "It is as secret as the authority's folder. Put back, it acts after `sealmq authority resume`.",
    )
}

/// Removes a copy that nobody needs, and its log.
fn remove_draft(draft: &Path, secret: &Secret) {
    if draft.symlink_metadata().is_ok() {
        let _log = Vault::unlock(draft, StoreRole::Authority, &secret.unlock())
            .and_then(|vault| vault.open())
            .and_then(|draft| draft.discard_log());
        let _none = fs::remove_file(draft);
    }
}

/// Without it a crash may undo the renaming. Not all systems can do this with a folder.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        fs::File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

/// Marked first, so that no part of a copy is ever taken for an authority in use.
fn copy_store(store: &FileStore, path: &Path, secret: &Secret) -> Result<(), Failure> {
    let mut copy = Vault::create(path, StoreRole::Authority, &secret.unlock())?.open()?;
    copy.commit(&Authority::mark_restored(store, clock::seconds())?)?;
    store.copy_into(&mut copy)?;
    Ok(copy.close()?)
}

/// Only a backup of the same domain makes room for a newer one. Stays open, so that what belongs
/// to it can be removed when it is replaced.
fn check_older(
    target: &Path,
    source: &Path,
    secret: &Secret,
    authority: &Authority,
) -> Result<FileStore, Failure> {
    let keep = |why: &str| {
        Failure::refused(format_args!(
            "{} {why}: nothing was replaced, choose another folder",
            target.display()
        ))
    };
    if fs::canonicalize(target).ok() == fs::canonicalize(source).ok() {
        return Err(keep("is the authority itself"));
    }
    let old = Vault::unlock(target, StoreRole::Authority, &secret.unlock())
        .and_then(|vault| vault.open())
        .map_err(|_| keep("exists and cannot be opened as a backup of this authority"))?;
    let old_one = Authority::load(&old)
        .ok()
        .filter(|old| old.domain() == authority.domain() && old.suspension().is_some())
        .ok_or_else(|| keep("is no backup of this authority"))?;
    if old_one.audit_head().size > authority.audit_head().size {
        return Err(keep("is newer than the authority"));
    }
    Ok(old)
}

pub(crate) fn resume(args: &ResumeArgs) -> Result<(), Failure> {
    clock::check()?;
    let object = decode_delegation(&files::read_text(&args.delegation, MAX_FILE_LEN)?)?;
    let mut store = open(&vault(&args.authority)?)?;
    let mut authority = Authority::load(&store)?;
    let own = authority.audit_head();
    // What the copy has up to the end of the store's own log is verified as it is read.
    let mut new = Vec::new();
    let log = match &args.audit_log {
        Some(path) => Some(copy::read(path, |log, entry| {
            if log.size > own.size {
                new.push(entry.to_vec());
            }
            same_at(own, log)
        })?),
        None => None,
    };
    if let Some(log) = log.filter(|log| log.size < own.size) {
        return Err(Failure::refused(AuditError {
            index: log.size,
            why: AuditFault::Shorter,
        }));
    }
    let keep: Vec<MemberNumber> = args.keep_member.iter().copied().map(MemberNumber).collect();
    let options = ResumeOptions {
        log: log.is_some().then_some(new.as_slice()),
        since: own,
        heads: &args.log_head,
        keep: &keep,
    };
    let plan = authority
        .resume(&object, &options, clock::seconds(), &mut SysRng)
        .map_err(refused)?;
    commit(&mut store, &plan)?;
    store.close()?;
    for event in &plan.events {
        match event {
            AuthorityEvent::Resumed {
                enrolled,
                removed,
                missing,
                ..
            } => {
                say_members(
                    &authority,
                    enrolled,
                    "enrolled after the backup, has to join again",
                )?;
                say_members(
                    &authority,
                    removed,
                    "removed after the backup, removed again",
                )?;
                if *missing != 0 {
                    say(format_args!(
                        "{missing} entries of the audit log are lost: removals among them are forgotten, repeat them before `sealmq authority run`."
                    ))?;
                }
            }
            other => say(describe(other))?,
        }
    }
    say_delegation(&authority)?;
    if args.no_audit_log {
        say("Removals since the backup are forgotten: repeat them before `sealmq authority run`.")?;
    }
    Ok(())
}

fn say_members(authority: &Authority, numbers: &[MemberNumber], what: &str) -> Result<(), Failure> {
    for number in numbers {
        let member = authority.members().find(|member| member.number == *number);
        let name = member.map(|member| member.name).unwrap_or_default();
        say(format_args!("member {number} {name}: {what}"))?;
    }
    Ok(())
}
