use std::path::Path;

use getrandom::SysRng;
use sealmq_authority::{Authority, DomainOptions, Plan, encode_delegation_request};
use sealmq_core::wire::Suite;
use sealmq_keys::Store as _;
use sealmq_keys::objects::fingerprint;
use sealmq_store::{StoreError, StoreRole, Vault};

use super::delegation::say_request;
use super::folder::{AUTHORITY_STORE, commit};
use crate::args::{InitArgs, UnlockArgs};
use crate::failure::Failure;
use crate::output::say;
use crate::root::{self, ROOT_STORE};
use crate::rootfile::RootFile;
use crate::unlock::Secret;
use crate::{clock, files};

const DAY: u64 = 86_400;

pub(crate) fn init(args: &InitArgs) -> Result<(), Failure> {
    let folder = &args.authority.dir;
    let (authority_path, root_path) = (folder.join(AUTHORITY_STORE), folder.join(ROOT_STORE));
    check_absent(&authority_path)?;
    clock::check()?;
    if let (Some(root), Some(request)) = (&args.root, &args.request) {
        return prepare(args, root, request, &authority_path);
    }
    check_absent(&root_path)?;
    // Made first: a bad prefix must leave nothing behind.
    let validity = u64::from(args.delegation_days).saturating_mul(DAY);
    let options = DomainOptions {
        prefix: args.prefix.clone(),
        suite: args.suite.unwrap_or(Suite::One),
        delegation_seconds: validity,
        split_roles: args.split_roles,
    };
    let domain = Authority::create_with(&options, clock::seconds(), &mut SysRng)?;
    let root_file = RootFile::new(
        *domain.authority.root_key(),
        options.suite,
        Some(domain.authority.prefix().to_owned()),
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
    // Its delegation has the serial 1.
    root.commit(&root::records(
        &domain.root_seed,
        &root_file,
        1,
        Some(&domain.lineage),
    )?)?;
    root.close()?;
    let written = write(&authority_path, &secret, &domain.plan);
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

/// A domain whose root stays offline.
fn prepare(args: &InitArgs, root: &Path, request: &Path, path: &Path) -> Result<(), Failure> {
    files::check_new(request)?;
    let root = RootFile::read(root)?;
    let other_suite = args.suite.is_some_and(|suite| suite != root.suite);
    let other_prefix = args.prefix.as_ref().is_some_and(|own| *own != root.prefix);
    if other_suite || other_prefix {
        return Err(Failure::usage(
            "the root's file names another suite or prefix, and devices take both from there: leave out --suite and --prefix, or make another root with them",
        ));
    }
    let options = DomainOptions {
        prefix: Some(root.prefix.clone()),
        suite: root.suite,
        split_roles: args.split_roles,
        ..DomainOptions::default()
    };
    let (prepared, plan) = Authority::prepare(&root.key, &options, &mut SysRng)?;
    let asked = prepared.request()?;
    let text = encode_delegation_request(&asked)?;
    let secret = Secret::for_new(&args.authority.unlock, &path.display().to_string())?;
    write(path, &secret, &plan)?;
    files::write_new(request, &text)?;
    let lines = vec![
        format!("domain             {}", prepared.domain()),
        format!("root fingerprint   {}", fingerprint(&root.key)),
        format!("reserved topics    {}/#", root.prefix),
        format!("authority's store  {}", path.display()),
    ];
    say_request(request, lines, &asked)
}

fn check_absent(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() {
        return Err(Failure::refused(format_args!(
            "{} exists already: a domain is made once; use another --dir for another one",
            path.display()
        )));
    }
    Ok(())
}

fn write(path: &Path, secret: &Secret, plan: &Plan) -> Result<(), Failure> {
    let mut store = Vault::create(path, StoreRole::Authority, &secret.unlock())?.open()?;
    commit(&mut store, plan)?;
    store.close().map_err(StoreError::into)
}
