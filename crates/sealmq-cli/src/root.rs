//! The root's commands, for a machine that is never connected.

use std::env;
use std::path::PathBuf;

use getrandom::SysRng;
use sealmq_authority::{
    DelegationRequest, Lineage, RootKey, decode_delegation_request, encode_delegation,
};
use sealmq_core::crypto::{Secret as Seed, VerifyingKey};
use sealmq_core::object::{Role, suite_of_number};
use sealmq_core::wire::Suite;
use sealmq_keys::objects::{MAX_FILE_LEN, Roles, VerifiedDelegation, fingerprint};
use sealmq_keys::{Changes, Store as _};
use sealmq_store::{FileStore, StoreRole, Vault};

use crate::args::{RootArgs, RootDelegate, RootInit};
use crate::failure::{Exit, Failure};
use crate::output::{note, note_all, say, say_all};
use crate::rootfile::RootFile;
use crate::unlock::{PATIENCE, Secret, open_vault};
use crate::{clock, files};

/// The root key's store in its folder.
pub(crate) const ROOT_STORE: &str = StoreRole::Root.file_name();
const DEFAULT_FOLDER: &str = "sealmq-root";
/// Where `sealmq init` puts a root key that it makes itself.
const AUTHORITY_FOLDER: &str = "sealmq-authority";
/// What names another folder for the authority.
const AUTHORITY_VARIABLE: &str = "SEALMQ_AUTHORITY_DIR";

/// Version of these records, one byte. Stores that have none are of version 1.
const VERSION: &str = "root/version";
const RECORDS: u8 = 1;
const SEED: &str = "root/seed";
const SUITE: &str = "root/suite";
const PREFIX: &str = "root/prefix";
/// Serial of the last delegation, 4 bytes, big-endian.
const SERIAL: &str = "root/serial";
/// What the next delegation can continue; none before the first one.
const LINEAGE: &str = "root/lineage";

const DAY: u64 = 86_400;
/// From here on a delegation deserves a warning.
const LONG_DAYS: u32 = 366;

/// What a root's store holds at first; `serial` is that of the last delegation, `lineage` what the
/// next one can continue.
pub(crate) fn records(
    seed: &Seed,
    file: &RootFile,
    serial: u32,
    lineage: Option<&Lineage>,
) -> Result<Changes, Failure> {
    let mut changes = Changes::new();
    changes.put(VERSION, [RECORDS]);
    changes.put(SEED, seed.expose().as_slice());
    changes.put(SUITE, [file.suite as u8]);
    changes.put(PREFIX, file.prefix.as_bytes());
    changes.put(SERIAL, serial.to_be_bytes());
    if let Some(lineage) = lineage {
        changes.put(LINEAGE, lineage.to_bytes().map_err(Failure::refused)?);
    }
    Ok(changes)
}

pub(crate) fn init(args: &RootInit) -> Result<(), Failure> {
    files::check_new(&args.output)?;
    let path = args.dir.join(ROOT_STORE);
    if path.symlink_metadata().is_ok() {
        return Err(Failure::refused(format_args!(
            "{} exists already: this folder has a root key; use another --dir for another domain",
            path.display()
        )));
    }
    let root = RootKey::generate(&mut SysRng).map_err(Failure::refused)?;
    // A bad prefix must leave nothing behind.
    let file = RootFile::new(root.public(), args.suite, args.prefix.clone())?;
    let secret = Secret::for_new(&args.unlock, &path.display().to_string())?;
    let mut store = Vault::create(&path, StoreRole::Root, &secret.unlock())?.open()?;
    store.commit(&records(&root.seed(), &file, 0, None)?)?;
    store.close()?;
    files::write_new(&args.output, &file.text())?;
    let lines = [
        format!("domain             {}", file.domain()),
        format!("root fingerprint   {}", fingerprint(&file.key)),
        format!("root key's store   {}", path.display()),
    ];
    if files::is_dash(&args.output) {
        note_all(lines);
        return Ok(());
    }
    say_all(lines)?;
    say(format_args!(
        "public key file    {}, for `sealmq init --root` and for devices (it holds no secret)",
        args.output.display()
    ))?;
    say("Keep the store offline, with a copy: whoever has it owns the domain.")
}

pub(crate) fn show(args: &RootArgs) -> Result<(), Failure> {
    let store = open(args)?;
    let root = Root::load(&store)?;
    store.close()?;
    if root.suite.is_none() {
        note(
            "sealmq: an older version made this root: it does not know the prefix of the reserved topics, correct it if it is not the default",
        );
    }
    let file = root.file(root.suite.unwrap_or(Suite::One))?;
    note(format_args!(
        "root fingerprint   {}",
        fingerprint(&file.key)
    ));
    say_all(file.text().trim_end().lines())
}

pub(crate) fn delegate(args: &RootDelegate) -> Result<(), Failure> {
    files::check_new(&args.output)?;
    clock::check()?;
    let request = decode_delegation_request(&files::read_text(&args.request, MAX_FILE_LEN)?)?;
    let mut store = open(&args.root)?;
    let root = Root::load(&store)?;
    if root.suite.is_some_and(|suite| suite as u8 != request.suite) {
        return Err(Failure::refused(format_args!(
            "the request is for suite {}, this root's domain has another one: nothing was signed",
            request.suite
        )));
    }
    let last = root.serial;
    let serial = args.serial.or_else(|| last.checked_add(1)).unwrap_or(last);
    if serial <= last {
        return Err(Failure::refused(format_args!(
            "serial {serial} is not above {last}, the last one that this root has signed: leave out --serial"
        )));
    }
    let now = clock::seconds();
    let not_after = now.saturating_add(u64::from(args.days).saturating_mul(DAY));
    let continued = match (args.continues, &root.lineage) {
        (false, _) => None,
        (true, Some(lineage)) => Some(lineage),
        (true, None) => {
            return Err(Failure::refused(
                "this root's store does not know the delegation before, so it cannot continue it: leave out --continues (retained values then have to be published again)",
            ));
        }
    };
    let object = root
        .key
        .delegate_on(continued, &request, serial, now, not_after, args.roles)
        .map_err(Failure::refused)?;
    let lineage = root.next_lineage(&object, args.continues)?;
    let text = encode_delegation(&object)?;
    // Before the file: a serial is used once, even if the file is lost.
    let mut changes = Changes::new();
    changes.put(SERIAL, serial.to_be_bytes());
    changes.put(LINEAGE, lineage.to_bytes().map_err(Failure::refused)?);
    store.commit(&changes)?;
    store.close()?;
    files::write_new(&args.output, &text)?;
    let mut lines = describe(&request, args.roles, serial, not_after);
    let continues = match args.continues {
        true => "continues          the delegations before: no key of theirs was stolen",
        false => {
            "continues          nothing: retained values and wills of before have to be published again"
        }
    };
    lines.push(continues.to_owned());
    if files::is_dash(&args.output) {
        note_all(lines);
    } else {
        say_all(lines)?;
        say(format_args!(
            "delegation file    {}, for `sealmq authority install-delegation` (it holds no secret)",
            args.output.display()
        ))?;
        say("Compare the keys with those that the authority showed before you hand it over.")?;
    }
    if args.days > LONG_DAYS {
        note(format_args!(
            "sealmq: {} days are long: as long can a broker hide a later delegation, and stolen keys be of use",
            args.days
        ));
    }
    Ok(())
}

fn describe(
    request: &DelegationRequest,
    allowed: Roles,
    serial: u32,
    not_after: u64,
) -> Vec<String> {
    let mut lines = vec![
        format!("domain             {}", request.domain),
        format!("serial             {serial}"),
        format!("valid until        {}", clock::iso_seconds(not_after)),
    ];
    for key in &request.keys {
        let roles = key.roles.and(allowed);
        let line = if roles == Roles::NONE {
            "left out: none of its roles is allowed".to_owned()
        } else {
            names(roles)
        };
        lines.push(format!(
            "key                {}  {line}",
            fingerprint(&key.key)
        ));
    }
    lines.push(format!("join request keys  {}", request.kem_keys.len()));
    lines
}

/// The names of roles, for people.
pub(crate) fn names(roles: Roles) -> String {
    let all = [
        (Role::Issue, "issue"),
        (Role::Groups, "groups"),
        (Role::Heartbeat, "heartbeat"),
    ];
    let named = all.iter().filter(|(role, _)| roles.has(*role));
    named.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}

fn open(args: &RootArgs) -> Result<FileStore, Failure> {
    let path = args
        .dir
        .clone()
        .unwrap_or_else(default_folder)
        .join(ROOT_STORE);
    let vault = open_vault(&path, StoreRole::Root, &args.unlock, PATIENCE)?;
    Ok(vault.open_wait(PATIENCE)?)
}

fn default_folder() -> PathBuf {
    let authority = env::var_os(AUTHORITY_VARIABLE).unwrap_or_else(|| AUTHORITY_FOLDER.into());
    let found = [DEFAULT_FOLDER.into(), authority]
        .map(PathBuf::from)
        .into_iter()
        .find(|folder| folder.join(ROOT_STORE).exists());
    found.unwrap_or_else(|| DEFAULT_FOLDER.into())
}

/// What a root's store holds.
struct Root {
    key: RootKey,
    /// Not known to stores that older versions made.
    suite: Option<Suite>,
    prefix: Option<String>,
    serial: u32,
    lineage: Option<Lineage>,
}

impl Root {
    /// What the delegation after this one can continue.
    fn next_lineage(&self, delegation: &[u8], continues: bool) -> Result<Lineage, Failure> {
        let key = VerifyingKey::from_bytes(&self.key.public()).map_err(Failure::refused)?;
        let new = VerifiedDelegation::verify(delegation, &key).map_err(Failure::refused)?;
        Ok(match &self.lineage {
            Some(lineage) if continues => {
                let mut lineage = lineage.clone();
                lineage.append(&new);
                lineage
            }
            _ => Lineage::begin(&new),
        })
    }

    fn load(store: &FileStore) -> Result<Self, Failure> {
        let damaged = || {
            Failure::new(
                Exit::Store,
                "the root key's store is damaged, or from a newer version: take a copy of it",
            )
        };
        let version = store.get(VERSION)?;
        if version.is_some_and(|version| version.as_slice() != [RECORDS]) {
            return Err(Failure::new(
                Exit::Store,
                "a later version wrote the root key's store: update this program",
            ));
        }
        let mut seed = store.get(SEED)?.ok_or_else(damaged)?;
        let seed: &mut [u8; 32] = seed.as_mut_slice().try_into().map_err(|_| damaged())?;
        let suite = match store.get(SUITE)? {
            None => None,
            Some(value) => match value.as_slice() {
                [number] => Some(suite_of_number(*number).map_err(|_| damaged())?),
                _ => return Err(damaged()),
            },
        };
        let prefix = store.get(PREFIX)?;
        let prefix = prefix.map(|value| String::from_utf8(value.to_vec()));
        let serial = match store.get(SERIAL)? {
            // Older versions signed one, with the domain.
            None => 1,
            Some(value) => {
                let value: [u8; 4] = value.as_slice().try_into().map_err(|_| damaged())?;
                u32::from_be_bytes(value)
            }
        };
        let lineage = store.get(LINEAGE)?;
        let lineage = lineage.map(|value| Lineage::from_bytes(&value));
        Ok(Self {
            lineage: lineage.transpose().map_err(|_| damaged())?,
            key: RootKey::from_seed(&Seed::take(seed)),
            suite,
            prefix: prefix.transpose().map_err(|_| damaged())?,
            serial,
        })
    }

    fn file(&self, suite: Suite) -> Result<RootFile, Failure> {
        RootFile::new(self.key.public(), suite, self.prefix.clone())
    }
}
