use getrandom::SysRng;
use sealmq_authority::{Authority, AuthorityEvent, EvidenceKind, Plan, Suspension};
use sealmq_keys::Store as _;
use sealmq_store::{FileStore, StoreRole, Vault};

use crate::args::AuthorityArgs;
use crate::clock;
use crate::failure::Failure;
use crate::output::note;
use crate::unlock::{PATIENCE, open_vault};

/// The authority's store in its folder.
pub(crate) const AUTHORITY_STORE: &str = StoreRole::Authority.file_name();

pub(super) fn vault(args: &AuthorityArgs) -> Result<Vault, Failure> {
    open_vault(
        &args.dir.join(AUTHORITY_STORE),
        StoreRole::Authority,
        &args.unlock,
        PATIENCE,
    )
}

/// Opens the store, and brings one that an earlier version wrote forward.
pub(super) fn open(vault: &Vault) -> Result<FileStore, Failure> {
    let mut store = vault.open_wait(PATIENCE)?;
    if let Some(changes) = Authority::migration(&store)? {
        store.commit(&changes)?;
        note(format_args!(
            "{}: an earlier version wrote this store; it was brought forward, and the earlier version cannot open it any more (docs/operations.md, \"Upgrades\")",
            vault.path().display()
        ));
    }
    Ok(store)
}

/// Looks at the authority.
pub(super) fn look(vault: &Vault) -> Result<Authority, Failure> {
    let store = open(vault)?;
    Ok(Authority::load(&store)?)
}

/// Lets `work` change the authority and commits what it decided. The running `sealmq authority run`
/// notices and publishes it.
pub(crate) fn change<T, E>(
    vault: &Vault,
    work: impl FnOnce(&mut Authority, &mut SysRng) -> Result<(T, Plan), E>,
) -> Result<(T, Vec<AuthorityEvent>), Failure>
where
    Failure: From<E>,
{
    clock::check()?;
    let mut store = open(vault)?;
    let mut authority = Authority::load(&store)?;
    let (value, plan) = work(&mut authority, &mut SysRng)?;
    commit(&mut store, &plan)?;
    store.close()?;
    Ok((value, plan.events))
}

pub(super) fn commit(store: &mut FileStore, plan: &Plan) -> Result<(), Failure> {
    if !plan.changes.is_empty() {
        store.commit(&plan.changes)?;
    }
    Ok(())
}

/// Why a suspended authority does not run, and what to do.
pub(crate) fn suspended(suspension: &Suspension) -> Failure {
    let found = match &suspension.evidence {
        Some(evidence) => {
            let what = match evidence.kind {
                EvidenceKind::Delegation => "a newer delegation",
                EvidenceKind::LaterEpoch => "a later epoch",
                EvidenceKind::OtherEpoch => "another announcement of the same epoch",
                EvidenceKind::LongerLog => "a heartbeat that tells of a longer audit log",
                EvidenceKind::OtherLog => "a heartbeat that tells of another audit log",
                EvidenceKind::Removal => "a removal",
                _ => "an object that this store does not know",
            };
            format!(
                "the broker has {what}, signed by this domain, on {}",
                evidence.topic
            )
        }
        None => "this store is a backup".to_owned(),
    };
    Failure::refused(format_args!(
        "{found}: either an old copy of this folder was put back, or somebody else has its keys. Nothing is published or changed any more. Let the root sign a delegation with a serial above {}, then run `sealmq authority resume` (docs/runbooks.md, \"The authority was lost\" and \"The authority's keys were stolen\")",
        suspension.serial
    ))
}
