use std::path::Path;

use getrandom::SysRng;
use sealmq_authority::{
    Authority, AuthorityError, DelegationRequest, LoadError, PreparedAuthority, decode_delegation,
    encode_delegation_request,
};
use sealmq_keys::objects::{MAX_FILE_LEN, fingerprint};
use sealmq_store::FileStore;

use super::events::describe;
use super::folder::{commit, open, vault};
use crate::args::{InstallDelegation, RequestDelegation};
use crate::failure::Failure;
use crate::output::{note_all, say, say_all};
use crate::root::names;
use crate::{clock, files};

/// An authority, or one that waits for its first delegation.
enum Loaded {
    Prepared(Box<PreparedAuthority>),
    Authority(Box<Authority>),
}

fn load(store: &FileStore) -> Result<Loaded, Failure> {
    match Authority::load(store) {
        Ok(authority) => Ok(Loaded::Authority(Box::new(authority))),
        Err(LoadError::Authority(AuthorityError::NoDelegation)) => {
            Ok(Loaded::Prepared(Box::new(PreparedAuthority::load(store)?)))
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn request(args: &RequestDelegation) -> Result<(), Failure> {
    files::check_new(&args.output)?;
    let mut store = open(&vault(&args.authority)?)?;
    let request = match load(&store)? {
        Loaded::Prepared(_) if args.new_keys => {
            return Err(Failure::usage(
                "the authority waits for its first delegation, and its keys are new: leave out --new-keys",
            ));
        }
        Loaded::Prepared(prepared) => prepared.request()?,
        Loaded::Authority(mut authority) => {
            let (request, plan) = authority.request_delegation(
                args.new_keys,
                args.split_roles,
                clock::seconds(),
                &mut SysRng,
            )?;
            commit(&mut store, &plan)?;
            request
        }
    };
    store.close()?;
    files::write_new(&args.output, &encode_delegation_request(&request)?)?;
    let domain = format!("domain             {}", request.domain);
    say_request(&args.output, vec![domain], &request)
}

/// What the operator compares with what the root shows.
pub(super) fn say_request(
    file: &Path,
    mut lines: Vec<String>,
    request: &DelegationRequest,
) -> Result<(), Failure> {
    for key in &request.keys {
        let roles = names(key.roles);
        lines.push(format!(
            "key                {}  {roles}",
            fingerprint(&key.key)
        ));
    }
    if files::is_dash(file) {
        note_all(lines);
        return Ok(());
    }
    say_all(lines)?;
    say(format_args!(
        "request file       {}, for `sealmq root delegate` (it holds no secret)",
        file.display()
    ))
}

pub(crate) fn install(args: &InstallDelegation) -> Result<(), Failure> {
    clock::check()?;
    let object = decode_delegation(&files::read_text(&args.delegation, MAX_FILE_LEN)?)?;
    let mut store = open(&vault(&args.authority)?)?;
    let now = clock::seconds();
    let (authority, plan) = match load(&store)? {
        Loaded::Prepared(_) if args.recovery => {
            return Err(Failure::usage(
                "this is the authority's first delegation, there is nothing to recover from: leave out --recovery",
            ));
        }
        Loaded::Prepared(prepared) => prepared.install(&object, now).map_err(refused)?,
        Loaded::Authority(mut authority) => {
            let plan = authority.install_delegation(&object, args.recovery, now, &mut SysRng);
            let plan = plan.map_err(refused)?;
            (*authority, plan)
        }
    };
    commit(&mut store, &plan)?;
    store.close()?;
    plan.events
        .iter()
        .try_for_each(|event| say(describe(event)))?;
    say_delegation(&authority)
}

/// An object that is refused here is the delegation.
pub(super) fn refused(error: AuthorityError) -> Failure {
    match error {
        AuthorityError::Object(error) => {
            Failure::refused(format_args!("the delegation was refused: {error}"))
        }
        other => other.into(),
    }
}

/// Which delegation the authority acts under now.
pub(super) fn say_delegation(authority: &Authority) -> Result<(), Failure> {
    let info = authority.delegation_info();
    say(format_args!(
        "delegation         serial {}, valid until {}",
        info.serial,
        clock::iso_seconds(info.not_after)
    ))?;
    if info.since == info.serial {
        say(
            "continues          nothing: retained values and wills of before open when they are published again",
        )?;
    } else {
        say(format_args!(
            "continues          the delegations from serial {} on: their retained values and wills stay readable",
            info.since
        ))?;
    }
    for key in &info.keys {
        say(format_args!(
            "key                {}  {}",
            fingerprint(&key.key),
            names(key.roles)
        ))?;
    }
    Ok(())
}
