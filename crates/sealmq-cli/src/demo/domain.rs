//! A domain with real keys in a temporary folder, made by the same calls as the commands use.

use std::path::{Path, PathBuf};

use getrandom::SysRng;
use sealmq_authority::{Authority, AuthorityError, GrantSpec, NewGroup};
use sealmq_core::MemberNumber;
use sealmq_core::object::Access;
use sealmq_keys::Store as _;
use sealmq_keys::member::Member;
use sealmq_keys::objects::decode_request;
use sealmq_store::{StoreRole, Unlock, Vault, create_key_file};

use crate::authority::{AUTHORITY_STORE, change};
use crate::clock;
use crate::device::MEMBER_STORE;
use crate::failure::Failure;
use crate::unlock::PATIENCE;

/// The group of the demo.
pub(super) const GROUP: &str = "plant";
const VALID: u64 = 86_400;

/// The authority and where everything is.
pub(super) struct Domain {
    folder: PathBuf,
    unlock: Unlock,
    pub(super) vault: Vault,
    pub(super) id: String,
    pub(super) prefix: String,
}

/// A member, enrolled and not running.
pub(super) struct Enrolled {
    pub(super) name: String,
    pub(super) number: MemberNumber,
    pub(super) vault: Vault,
}

impl Domain {
    /// A domain with one group for `filter`.
    pub(super) fn new(folder: &Path, filter: &str) -> Result<Self, Failure> {
        let key_file = folder.join("sealmq.key");
        create_key_file(&key_file)?;
        let unlock = Unlock::KeyFile(key_file);
        let now = clock::seconds();
        let mut new = Authority::create(None, VALID, now, &mut SysRng)?;
        let group = new
            .authority
            .add_group(&NewGroup::new(GROUP, [filter]), now, &mut SysRng)?;
        let path = folder.join("authority").join(AUTHORITY_STORE);
        let vault = Vault::create(&path, StoreRole::Authority, &unlock)?;
        let mut store = vault.open()?;
        store.commit(&new.plan.changes)?;
        store.commit(&group.changes)?;
        store.close()?;
        Ok(Self {
            folder: folder.to_path_buf(),
            unlock,
            vault,
            id: new.authority.domain().to_string(),
            prefix: new.authority.prefix().to_owned(),
        })
    }

    /// The authority's store for another user of it, as another process has it.
    pub(super) fn vault_again(&self) -> Result<Vault, Failure> {
        Ok(Vault::unlock_wait(
            self.vault.path(),
            StoreRole::Authority,
            &self.unlock,
            PATIENCE,
        )?)
    }

    /// Request, credential, installation.
    pub(super) fn enrol(&self, name: &str, access: Access) -> Result<Enrolled, Failure> {
        let path = self.folder.join(name).join(MEMBER_STORE);
        let vault = Vault::create(&path, StoreRole::Member, &self.unlock)?;
        let mut store = vault.open()?;
        let (changes, request) =
            Member::request(&store, name, 2, Some(clock::millis()), &mut SysRng)?;
        store.commit(&changes)?;

        let request = decode_request(&request)?;
        let grant = GrantSpec {
            group: GROUP.to_owned(),
            access,
            publish_filter: String::new(),
        };
        let (enrolled, _) = change(&self.vault, |authority, rng| {
            authority.enrol(&request, &[grant], VALID, clock::seconds(), rng)
        })?;

        let (changes, _) = Member::enrol(&store, &enrolled.credential_file, Some(clock::millis()))?;
        store.commit(&changes)?;
        store.close()?;
        Ok(Enrolled {
            name: name.to_owned(),
            number: enrolled.number,
            vault,
        })
    }

    /// As `sealmq rotate` does it.
    pub(super) fn rotate(&self) -> Result<(), Failure> {
        change(&self.vault, |authority, rng| {
            let plan = authority.rotate(GROUP, clock::seconds(), rng)?;
            Ok::<_, AuthorityError>(((), plan))
        })?;
        Ok(())
    }

    /// As `sealmq member remove` does it.
    pub(super) fn remove(&self, member: MemberNumber) -> Result<(), Failure> {
        change(&self.vault, |authority, rng| {
            let plan = authority.remove(member, clock::seconds(), rng)?;
            Ok::<_, AuthorityError>(((), plan))
        })?;
        Ok(())
    }

    /// The reserved topics in use.
    pub(super) fn topics(&self) -> Result<Vec<String>, Failure> {
        let store = self.vault.open_wait(PATIENCE)?;
        let outbox = Authority::load(&store)?.outbox(&store)?;
        Ok(outbox
            .into_iter()
            .map(|publication| publication.topic)
            .collect())
    }
}
