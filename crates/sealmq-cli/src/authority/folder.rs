use getrandom::SysRng;
use sealmq_keys::Store as _;
use sealmq_keys::authority::{Authority, AuthorityEvent, Plan};
use sealmq_store::{FileStore, StoreRole, Vault};

use crate::args::AuthorityArgs;
use crate::failure::Failure;
use crate::unlock::{PATIENCE, open_vault};

/// The authority's store in its folder.
pub(crate) const AUTHORITY_STORE: &str = "authority.store";

pub(super) fn vault(args: &AuthorityArgs) -> Result<Vault, Failure> {
    open_vault(
        &args.dir.join(AUTHORITY_STORE),
        StoreRole::Authority,
        &args.unlock,
    )
}

/// Looks at the authority.
pub(super) fn look(vault: &Vault) -> Result<Authority, Failure> {
    let store = vault.open_wait(PATIENCE)?;
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
    let mut store = vault.open_wait(PATIENCE)?;
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

/// One line for people.
pub(super) fn describe(event: &AuthorityEvent) -> String {
    match event {
        AuthorityEvent::Epoch {
            group,
            epoch,
            reason,
            bytes,
            chunks,
        } => {
            let kind = if reason.heals() {
                "healing epoch"
            } else {
                "epoch"
            };
            let chunks = match chunks {
                0 => String::new(),
                n => format!(" and {n} chunks"),
            };
            format!("group {group}: {kind} {epoch}, announcement of {bytes} bytes{chunks}")
        }
        AuthorityEvent::Enrolled { member, name } => format!("member {member} {name}: enrolled"),
        AuthorityEvent::Renewed {
            member,
            name,
            serial,
        } => format!(
            "member {member} {name}: credential {serial} issued, the device gets it from the broker"
        ),
        AuthorityEvent::Removed { member, name } => format!("member {member} {name}: removed"),
        other => format!("{other:?}"),
    }
}
