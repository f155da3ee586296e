use core::fmt;
use std::path::{Path, PathBuf};

/// What a store is for. It is bound to every value, so that one kind never passes for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreRole {
    /// The offline root key of a domain.
    Root,
    /// An authority: members, groups, trees.
    Authority,
    /// A member: identity, key packages, group states.
    Member,
}

pub(crate) const ROLE_LEN: usize = 16;

impl StoreRole {
    const ALL: [Self; 3] = [Self::Root, Self::Authority, Self::Member];

    /// The name that stands in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Authority => "authority",
            Self::Member => "member",
        }
    }

    /// The name of the store's file in a folder.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Root => "root.store",
            Self::Authority => "authority.store",
            Self::Member => "member.store",
        }
    }

    /// The store that `path` names: a file, or in a folder the file of this role.
    pub(crate) fn find(self, path: &Path) -> PathBuf {
        if path.is_dir() {
            path.join(self.file_name())
        } else {
            path.to_path_buf()
        }
    }

    /// The name, zero-padded.
    pub(crate) fn bytes(self) -> [u8; ROLE_LEN] {
        let mut bytes = [0; ROLE_LEN];
        for (to, from) in bytes.iter_mut().zip(self.name().bytes()) {
            *to = from;
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; ROLE_LEN]) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.bytes() == *bytes)
    }
}

impl fmt::Display for StoreRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
