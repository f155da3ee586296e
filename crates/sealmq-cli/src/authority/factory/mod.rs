//! `sealmq factory`: devices that are members before their first start.
//!
//! For each name there is first a draft with its keys, then the member, then the image; whatever is
//! interrupted goes on from there. So a name is enrolled once, and with keys that are kept.

mod folder;
mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use getrandom::SysRng;
use sealmq_authority::{Authority, GrantSpec, MemberInfo};
use sealmq_core::check_name;
use sealmq_core::crypto::sha256;
use sealmq_core::object::suite_of;
use sealmq_core::wire::Suite;
use sealmq_embedded::{Clock, Joining};
use sealmq_keys::objects::{Fingerprint, decode_credential_file};
use sealmq_store::Vault;

use super::folder::{commit, look, open, vault};
use super::members::membership;
use crate::args::FactoryArgs;
use crate::failure::Failure;
use crate::output::{say, say_all};
use crate::{clock, files};
use folder::Folder;
use image::{Image, Layout};

/// Longest list of names, in bytes.
const MAX_NAMES: usize = 4 << 20;
/// Devices that are enrolled while the authority's store is held: `authority run` waits meanwhile.
const BATCH: usize = 32;
/// A device's request has less.
const REQUEST: usize = 1536;

/// How far a name has come.
enum Stage {
    New,
    /// Enrolled, and its image is not made.
    Enrolled(Box<dyn Image>),
    Made,
}

/// The domain, and its members by name.
struct Members {
    authority: Authority,
    by_name: BTreeMap<String, MemberInfo>,
}

impl Members {
    fn look(vault: &Vault) -> Result<Self, Failure> {
        let authority = look(vault)?;
        let members = authority.members();
        let active = members.filter(|member| member.removed_at.is_none());
        let by_name = active.map(|member| (member.name.clone(), member)).collect();
        Ok(Self { authority, by_name })
    }
}

pub(crate) fn factory(args: &FactoryArgs) -> Result<(), Failure> {
    let text = files::read_text(&args.names, MAX_NAMES)?;
    let names = names(&text)?;
    let (grants, valid) = membership(&args.membership)?;
    let layout = Layout {
        size: args.flash_size,
        page: args.erase_size,
        word: args.word_size,
    };
    layout.blank()?;
    let vault = vault(&args.authority)?;
    let members = Members::look(&vault)?;
    if suite_of(members.authority.delegation()).ok() != Some(Suite::One) {
        return Err(Failure::refused(
            "this domain has suite 2, and images are for devices of suite 1: make a domain of suite 1 for them",
        ));
    }
    let folder = Folder::open(&args.output, layout)?;
    // Before anything is made: a list with a mistake changes nothing.
    for name in &names {
        stage(&folder, &members, name)?;
    }
    let done = names
        .chunks(BATCH)
        .map(|batch| make(&folder, &vault, batch, (&grants, valid), &args.values))
        .try_fold(0_usize, |sum, made| {
            made.map(|made| sum.saturating_add(made))
        });
    // What was made before something failed stands in it, too.
    let listed = write_list(&folder, &Members::look(&vault)?, &names)?;
    let made = done?;
    say(format_args!(
        "{made} made now, {listed} in {}",
        folder.list().display()
    ))?;
    say("Each image is one device, with its secret keys: flash it once, then delete it.")
}

/// A name per line.
fn names(text: &str) -> Result<Vec<&str>, Failure> {
    let lines = text.lines().map(str::trim);
    let names: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let mut seen = BTreeSet::new();
    for name in &names {
        check_name(name).map_err(|error| Failure::usage(format_args!("{name}: {error}")))?;
        // Some file systems do not tell upper from lower case.
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(Failure::usage(format_args!(
                "{name} stands twice in the list of names; upper and lower case are one here"
            )));
        }
    }
    if names.is_empty() {
        return Err(Failure::usage("the list has no names: one per line"));
    }
    Ok(names)
}

fn stage(folder: &Folder, members: &Members, name: &str) -> Result<Stage, Failure> {
    let member = members.by_name.get(name);
    let path = folder.image(name);
    if let Some(mut image) = folder.read(&path)? {
        let wanted = member.map(|member| (members.authority.domain(), member.number));
        if wanted.is_none() || image.member()? != wanted {
            return Err(Failure::refused(format_args!(
                "{} is there, and is not of a member {name} of this domain: move it away",
                path.display()
            )));
        }
        return Ok(Stage::Made);
    }
    let Some(member) = member else {
        return Ok(Stage::New);
    };
    if let Some(mut draft) = folder.read(&folder.draft(name))?
        && let Some(joining) = draft.joining()?
        && joining.fingerprint() == Fingerprint::of_bytes(&member.key)
    {
        return Ok(Stage::Enrolled(draft));
    }
    Err(Failure::refused(format_args!(
        "{name} is member {} already, and its keys are not in this folder: take it off the list, or remove the member",
        member.number.0
    )))
}

/// Makes what is missing of these; returns how many images that were. When one fails, those before
/// it are finished.
fn make(
    folder: &Folder,
    vault: &Vault,
    names: &[&str],
    (grants, valid): (&[GrantSpec], u64),
    values: &[(u8, String)],
) -> Result<usize, Failure> {
    let members = Members::look(vault)?;
    let mut drafts = Vec::new();
    for name in names {
        match stage(folder, &members, name)? {
            Stage::Made => folder.remove(&folder.draft(name))?,
            Stage::Enrolled(draft) => drafts.push((*name, draft, None)),
            Stage::New => {
                let (draft, request) = make_draft(folder, &members.authority, name)?;
                drafts.push((*name, draft, Some(request)));
            }
        }
    }
    clock::check()?;
    let mut store = open(vault)?;
    let mut authority = Authority::load(&store)?;
    let (mut files, mut outcome) = (Vec::new(), Ok(()));
    for (name, draft, request) in drafts {
        let enrolled = request.map_or(Ok(()), |request| {
            let now = clock::seconds();
            let (_, plan) = authority.enrol(&request, grants, valid, now, &mut SysRng)?;
            commit(&mut store, &plan)
        });
        let file = enrolled.and_then(|()| {
            let number = authority.find_member(name)?;
            Ok(authority.credential_file(&store, number)?)
        });
        match file {
            Ok(file) => files.push((name, draft, file)),
            Err(failure) => {
                outcome = Err(failure);
                break;
            }
        }
    }
    store.close()?;
    for (name, draft, file) in &mut files {
        draft.finish(&decode_credential_file(file)?, values)?;
        folder.write(&folder.image(name), draft.bytes())?;
        folder.remove(&folder.draft(name))?;
    }
    outcome.map(|()| files.len())
}

/// New keys, kept before anybody enrols them; and the request.
fn make_draft(
    folder: &Folder,
    authority: &Authority,
    name: &str,
) -> Result<(Box<dyn Image>, Vec<u8>), Failure> {
    let refused = |error| Failure::refused(format_args!("{name}: {error}"));
    let at = Clock {
        now: clock::known_millis(),
        uptime: None,
    };
    let mut request = vec![0; REQUEST];
    let mut joining = Joining::begin(&mut SysRng).map_err(refused)?;
    let len = joining
        .request(authority.domain(), name, at, &mut SysRng, &mut request)
        .map_err(refused)?;
    request.truncate(len);
    let mut image = folder.blank()?;
    image.put_joining(&joining)?;
    folder.write(&folder.draft(name), image.bytes())?;
    Ok((image, request))
}

/// What is there of these names, for whoever flashes it: no secrets.
fn write_list(folder: &Folder, members: &Members, names: &[&str]) -> Result<usize, Failure> {
    let mut list = "name,member,fingerprint,valid_until,image,sha256\n".to_owned();
    let mut lines = Vec::new();
    for name in names {
        let (Some(image), Some(member)) = (
            folder.read(&folder.image(name))?,
            members.by_name.get(*name),
        ) else {
            continue;
        };
        let _written = writeln!(
            list,
            "{name},{},{},{},{name}.flash,{}",
            member.number.0,
            Fingerprint::of_bytes(&member.key),
            clock::iso_seconds(member.not_after),
            hex::encode(sha256(&[image.bytes()]).0)
        );
        lines.push(format!(
            "member {:<5} {}",
            member.number.0,
            folder.image(name).display()
        ));
    }
    folder.write(&folder.list(), list.as_bytes())?;
    say_all(&lines)?;
    Ok(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_names() {
        assert_eq!(names("# line 4\n a \n\nb.1\r\n").unwrap(), ["a", "b.1"]);
        for bad in ["", "#a\n", "a/b", "..\n../x", "a\nb\na", "a\nA", "a b", "ä"] {
            assert!(names(bad).is_err(), "{bad}");
        }
    }
}
