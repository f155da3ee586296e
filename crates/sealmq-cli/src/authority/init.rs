use getrandom::SysRng;
use sealmq_keys::authority::Authority;
use sealmq_keys::{Changes, Store as _, fingerprint};
use sealmq_store::{StoreError, StoreRole, Vault};

use super::folder::{AUTHORITY_STORE, ROOT_STORE, commit};
use crate::args::{InitArgs, UnlockArgs};
use crate::clock;
use crate::failure::Failure;
use crate::output::say;
use crate::unlock::Secret;

const DAY: u64 = 86_400;

pub(crate) fn init(args: &InitArgs) -> Result<(), Failure> {
    let folder = &args.authority.dir;
    let (authority_path, root_path) = (folder.join(AUTHORITY_STORE), folder.join(ROOT_STORE));
    for path in [&authority_path, &root_path] {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::refused(format_args!(
                "{} exists already: a domain is made once; use another --dir for another one",
                path.display()
            )));
        }
    }
    // Made first: a bad prefix must leave nothing behind.
    let validity = u64::from(args.delegation_days).saturating_mul(DAY);
    let domain = Authority::create(
        args.prefix.as_deref(),
        validity,
        clock::seconds(),
        &mut SysRng,
    )?;

    let secret = Secret::for_new(
        &args.authority.unlock,
        &authority_path.display().to_string(),
    )?;
    let own_root_secret = args.root_passphrase_file.is_some() || args.root_key_file.is_some();
    let root_secret = if own_root_secret {
        let unlock = UnlockArgs {
            passphrase_file: args.root_passphrase_file.clone(),
            key_file: args.root_key_file.clone(),
        };
        &Secret::for_new(&unlock, &root_path.display().to_string())?
    } else {
        &secret
    };

    // The root first: an authority without its root could never be renewed.
    let mut root = Vault::create(&root_path, StoreRole::Root, &root_secret.unlock())?.open()?;
    let mut changes = Changes::new();
    changes.put("root/seed", domain.root_seed.expose().as_slice());
    root.commit(&changes)?;
    root.close()?;
    let created = Vault::create(&authority_path, StoreRole::Authority, &secret.unlock())
        .and_then(|vault| vault.open());
    let written = created.map_err(Failure::from).and_then(|mut store| {
        commit(&mut store, &domain.plan)?;
        store.close().map_err(StoreError::into)
    });
    if let Err(failure) = written {
        // Nothing refers to this root yet, and it would be in the way of the next try.
        let _kept = std::fs::remove_file(&root_path);
        return Err(failure);
    }

    let authority = &domain.authority;
    say(format_args!("domain             {}", authority.domain()))?;
    say(format_args!(
        "root fingerprint   {}",
        fingerprint(authority.root_key())
    ))?;
    say(format_args!("reserved topics    {}/#", authority.prefix()))?;
    say(format_args!(
        "authority's store  {}",
        authority_path.display()
    ))?;
    say(format_args!("root key's store   {}", root_path.display()))?;
    say("")?;
    say(
        "The root key is only needed to renew the authority's key. Move its store to a medium that you keep",
    )?;
    say(
        "offline, with a copy: whoever has it owns the domain, and without it the domain cannot be renewed.",
    )?;
    say("Devices compare the root fingerprint when they install their credential.")
}
