//! The device's side of enrolment.

use std::time::Duration;

use getrandom::SysRng;
use sealmq_core::object::suite_of;
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, check_name};
use sealmq_keys::Store as _;
use sealmq_keys::member::Member;
use sealmq_keys::objects::{
    MAX_FILE_LEN, UNKNOWN_DOMAIN, VerifiedEnrolment, decode_credential_file, decode_request,
    fingerprint,
};
use sealmq_store::{FileStore, StoreRole, Vault};

use crate::args::{DeviceArgs, MemberInstall, MemberRequest};
use crate::failure::Failure;
use crate::output::{note, note_all, say, say_all};
use crate::rootfile::RootFile;
use crate::unlock::{PATIENCE, Secret, open_vault};
use crate::{clock, files};

/// The device's store in its folder.
pub(crate) const MEMBER_STORE: &str = StoreRole::Member.file_name();

pub(crate) fn vault(args: &DeviceArgs) -> Result<Vault, Failure> {
    vault_within(args, PATIENCE)
}

/// As [`vault`], while others have the store open for at most this long.
pub(crate) fn vault_within(args: &DeviceArgs, patience: Duration) -> Result<Vault, Failure> {
    open_vault(
        &args.dir.join(MEMBER_STORE),
        StoreRole::Member,
        &args.unlock,
        patience,
    )
}

/// Opens the store, and brings one that an earlier version wrote forward.
pub(crate) fn open(vault: &Vault) -> Result<FileStore, Failure> {
    open_within(vault, PATIENCE)
}

/// As [`open`], while others have the store open for at most this long.
pub(crate) fn open_within(vault: &Vault, patience: Duration) -> Result<FileStore, Failure> {
    let mut store = vault.open_wait(patience)?;
    if let Some(changes) = Member::migration(&store)? {
        store.commit(&changes)?;
        note(format_args!(
            "{}: an earlier version wrote this store; it was brought forward, and the earlier version cannot open it any more. The device takes and gives no message until the authority has a new delegation",
            vault.path().display()
        ));
    }
    Ok(store)
}

pub(crate) fn request(args: &MemberRequest) -> Result<(), Failure> {
    files::check_new(&args.output)?;
    let path = args.device.dir.join(MEMBER_STORE);
    if path.symlink_metadata().is_ok() {
        return Err(Failure::refused(format_args!(
            "{} exists already: this folder is a device with keys; use another --dir for another device",
            path.display()
        )));
    }
    // Before somebody thinks of a passphrase in vain.
    check_name(&args.name).map_err(Failure::usage)?;
    let (domain, suite) = match &args.root {
        Some(path) => {
            let root = RootFile::read(path)?;
            (root.domain(), root.suite)
        }
        None => (UNKNOWN_DOMAIN, args.suite.unwrap_or(Suite::One)),
    };
    let secret = Secret::for_new(&args.device.unlock, &path.display().to_string())?;
    let mut store = Vault::create(&path, StoreRole::Member, &secret.unlock())?.open()?;
    let (changes, file) = Member::request_in(
        domain,
        suite,
        &store,
        &args.name,
        args.packages,
        clock::known_millis(),
        &mut SysRng,
    )?;
    store.commit(&changes)?;
    store.close()?;
    files::write_new(&args.output, &file)?;

    let key = own_key(&file, &domain)?;
    let lines = [
        format!("device keys      {}", path.display()),
        format!("key fingerprint  {}", fingerprint(&key)),
    ];
    if files::is_dash(&args.output) {
        note_all(lines);
        return Ok(());
    }
    say_all(lines)?;
    say(format_args!(
        "request file     {}, for `sealmq member add` (it holds no secret)",
        args.output.display()
    ))
}

pub(crate) fn install(args: &MemberInstall) -> Result<(), Failure> {
    let text = files::read_text(&args.credential, MAX_FILE_LEN)?;
    let file = decode_credential_file(&text)?;
    let root_key = file.root_key;
    compare("the root key", &root_key, args.root.as_deref())?;
    let mut store = open(&vault(&args.device)?)?;
    let request = decode_request(&Member::request_file(&store)?)?;
    same_suite(&request, &file.delegation)?;
    let (changes, enrolled) = Member::enrol(&store, &text, clock::known_millis())?;
    store.commit(&changes)?;
    store.close()?;
    say(format_args!("member {} {}", enrolled.number, enrolled.name))?;
    say(format_args!("domain            {}", enrolled.domain))?;
    say(format_args!("root fingerprint  {}", fingerprint(&root_key)))?;
    if args.root.is_none() {
        say("Compare the root fingerprint with the one that `sealmq init` showed.")?;
    }
    Ok(())
}

/// Refuses a request and a domain's object of different suites, before they are refused as unknown.
pub(crate) fn same_suite(request: &[u8], of_domain: &[u8]) -> Result<(), Failure> {
    // What has no suite at all is refused by what reads it, and says so better.
    match (suite_of(request), suite_of(of_domain)) {
        (Ok(asked), Ok(domain)) if asked != domain => Err(Failure::refused(format_args!(
            "the device's request is for a domain of suite {}, this domain has suite {}: make the request again in a new --dir, with --root FILE (what `sealmq root show` prints) or --suite {}",
            asked.number(),
            domain.number(),
            domain.number()
        ))),
        _ => Ok(()),
    }
}

/// Refuses a key whose fingerprint is not the one that was typed; spaces and case do not count.
pub(crate) fn compare(what: &str, key: &[u8; 32], typed: Option<&str>) -> Result<(), Failure> {
    let plain = |text: &str| -> String {
        text.chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| c.to_ascii_lowercase())
            .collect()
    };
    let shown = fingerprint(key);
    match typed {
        Some(typed) if plain(typed) != plain(&shown) => Err(Failure::refused(format_args!(
            "{what} has the fingerprint {shown}, not the one that you gave: it is not from whom you think, nothing was changed"
        ))),
        _ => Ok(()),
    }
}

fn own_key(request: &str, domain: &DomainId) -> Result<[u8; 32], Failure> {
    let object = decode_request(request)?;
    let verified = suite_of(&object)
        .and_then(|suite| VerifiedEnrolment::verify(&object, suite, domain))
        .map_err(|error| {
            Failure::refused(format_args!(
                "the request that was just made is refused: {error}"
            ))
        })?;
    Ok(*verified.key().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_compared_as_people_type_them() {
        let key = [7; 32];
        let shown = fingerprint(&key);
        assert!(compare("x", &key, None).is_ok());
        assert!(compare("x", &key, Some(&shown)).is_ok());
        assert!(compare("x", &key, Some(&shown.replace(' ', "").to_uppercase())).is_ok());
        assert!(compare("x", &key, Some("")).is_err());
        assert!(compare("x", &[8; 32], Some(&shown)).is_err());
    }
}
