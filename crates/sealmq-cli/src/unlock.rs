//! What unlocks a store: from the command line, the environment or the terminal.

use std::env;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sealmq_store::{StoreError, StoreRole, Unlock, UnlockMethod, Vault, create_key_file};
use zeroize::Zeroizing;

use crate::args::UnlockArgs;
use crate::failure::{Exit, Failure};
use crate::files;

const PASSPHRASE_VARIABLE: &str = "SEALMQ_PASSPHRASE";
const KEY_FILE_VARIABLE: &str = "SEALMQ_KEY_FILE";
/// Longest passphrase file in bytes.
const MAX_PASSPHRASE_FILE: usize = 64 * 1024;
/// Other commands hold a store for milliseconds; `sub` holds a device's store as long as it runs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// A passphrase or the path of a key file.
pub(crate) enum Secret {
    Passphrase(Zeroizing<String>),
    KeyFile(PathBuf),
}

impl Secret {
    /// For a store that does not exist yet: asks twice, makes a missing key file.
    pub(crate) fn for_new(args: &UnlockArgs, store: &str) -> Result<Self, Failure> {
        let secret = Self::given(args)?.map_or_else(|| ask_twice(store), Ok)?;
        if let Self::KeyFile(path) = &secret {
            match create_key_file(path) {
                Ok(()) | Err(StoreError::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(secret)
    }

    /// For a store that exists.
    pub(crate) fn for_existing(
        args: &UnlockArgs,
        path: &Path,
        role: StoreRole,
    ) -> Result<Self, Failure> {
        let store = path.display().to_string();
        if let Some(given) = Self::given(args)? {
            return Ok(given);
        }
        // A passphrase would be typed in vain.
        match Vault::method(path, role, PATIENCE)? {
            UnlockMethod::KeyFile => Err(Failure::usage(format_args!(
                "{store} was made with a key file: give --key-file, or set {KEY_FILE_VARIABLE}"
            ))),
            _ => ask(&store, "Passphrase"),
        }
    }

    pub(crate) fn unlock(&self) -> Unlock {
        match self {
            Self::Passphrase(passphrase) => Unlock::Passphrase(passphrase.clone()),
            Self::KeyFile(path) => Unlock::KeyFile(path.clone()),
        }
    }

    fn given(args: &UnlockArgs) -> Result<Option<Self>, Failure> {
        if let Some(path) = &args.passphrase_file {
            return passphrase_file(path).map(Some);
        }
        if let Some(path) = &args.key_file {
            return Ok(Some(Self::KeyFile(path.clone())));
        }
        match env::var(PASSPHRASE_VARIABLE) {
            Ok(passphrase) => return Ok(Some(Self::Passphrase(Zeroizing::new(passphrase)))),
            Err(env::VarError::NotPresent) => {}
            Err(env::VarError::NotUnicode(_)) => {
                return Err(Failure::usage(format_args!(
                    "{PASSPHRASE_VARIABLE} is not valid UTF-8"
                )));
            }
        }
        Ok(env::var_os(KEY_FILE_VARIABLE).map(|path| Self::KeyFile(path.into())))
    }
}

/// Unlocks a store that exists.
pub(crate) fn open_vault(
    path: &Path,
    role: StoreRole,
    args: &UnlockArgs,
    patience: Duration,
) -> Result<Vault, Failure> {
    check_there(path, role)?;
    let secret = Secret::for_existing(args, path, role)?;
    Ok(Vault::unlock_wait(path, role, &secret.unlock(), patience)?)
}

/// Before somebody types a passphrase in vain.
pub(crate) fn check_there(path: &Path, role: StoreRole) -> Result<(), Failure> {
    if !path.exists() {
        let what = match role {
            StoreRole::Member => {
                "no device keys here: run `sealmq join` (with a token) or `sealmq member request` first, or check --dir"
            }
            StoreRole::Root => "no root key here: run `sealmq root init` first, or check --dir",
            _ => "no authority here: run `sealmq init` first, or check --dir",
        };
        return Err(Failure::new(
            Exit::Store,
            format!("{}: {what}", path.display()),
        ));
    }
    Ok(())
}

fn passphrase_file(path: &Path) -> Result<Secret, Failure> {
    let text = Zeroizing::new(files::read_text(path, MAX_PASSPHRASE_FILE)?);
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::usage(format_args!(
            "{} has no passphrase in its first line",
            path.display()
        )));
    }
    Ok(Secret::Passphrase(Zeroizing::new(line.to_owned())))
}

fn ask(store: &str, prompt: &str) -> Result<Secret, Failure> {
    if !(io::stdin().is_terminal() || io::stderr().is_terminal()) {
        return Err(Failure::usage(format_args!(
            "{store} needs a passphrase or key file: give --passphrase-file or --key-file, \
             or set {PASSPHRASE_VARIABLE} or {KEY_FILE_VARIABLE}"
        )));
    }
    let typed = rpassword::prompt_password(format!("{prompt} for {store}: "))
        .map_err(|error| Failure::usage(format_args!("no passphrase could be read: {error}")))?;
    Ok(Secret::Passphrase(Zeroizing::new(typed)))
}

fn ask_twice(store: &str) -> Result<Secret, Failure> {
    let first = ask(store, "New passphrase")?;
    match (&first, ask(store, "The same again")?) {
        (Secret::Passphrase(first), Secret::Passphrase(second)) if *first != second => Err(
            Failure::usage("the two passphrases differ: nothing was made, try again"),
        ),
        _ => Ok(first),
    }
}
