//! What later versions add to the objects that the authority signs (spec/keys.md §1, §5).

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use sealmq_core::GroupId;
use sealmq_core::object::{Extensions, List, ObjectError, check_extensions};

use super::{Authority, AuthorityError};

/// Encoded lists of extensions; none, but in trials.
#[derive(Default)]
pub(super) struct Extended {
    all: Vec<u8>,
    /// Those of each group's announcements besides.
    policies: BTreeMap<GroupId, Vec<u8>>,
}

impl Extended {
    /// Those of every object.
    pub(super) fn of_all(&self) -> &[u8] {
        &self.all
    }

    /// Those of a group's announcements: ascending, and the group's own if both have an id.
    pub(super) fn of_group(&self, id: &GroupId) -> Result<Vec<u8>, AuthorityError> {
        let own = self.policies.get(id).map(Vec::as_slice);
        let lists = [self.of_all(), own.unwrap_or_default()];
        let mut merged = BTreeMap::new();
        for elements in lists {
            let list: Extensions<'_> = List::from_encoded(elements).map_err(ObjectError::from)?;
            merged.extend(list.iter().map(|extension| (extension.id, extension)));
        }
        let mut buffer = vec![0; lists.concat().len()];
        let merged = List::encode(merged.values(), &mut buffer).map_err(ObjectError::from)?;
        Ok(merged.as_encoded().to_vec())
    }
}

impl Authority {
    /// Extensions of everything that is signed from now on, as the encoded elements of the list
    /// (spec/keys.md §1). This version defines none: for trials of what members make of a later
    /// one's. Not stored.
    ///
    /// # Errors
    /// They do not decode, or do not ascend.
    pub fn set_extensions(&mut self, elements: &[u8]) -> Result<(), AuthorityError> {
        self.extensions.all = encodable(elements)?;
        Ok(())
    }

    /// What a group's announcements carry from its next epoch on, beside what
    /// [`Authority::set_extensions`] says: the way of fields that a later version adds to policies
    /// (spec/keys.md §5). Not stored: that version has records of its own for them.
    ///
    /// # Errors
    /// There is no such group; they do not decode, or do not ascend.
    pub fn set_policy_extensions(
        &mut self,
        group: &str,
        elements: &[u8],
    ) -> Result<(), AuthorityError> {
        let id = self.group_by_name(group)?;
        self.extensions.policies.insert(id, encodable(elements)?);
        Ok(())
    }
}

/// A list of extensions that can be signed, whatever they say.
fn encodable(elements: &[u8]) -> Result<Vec<u8>, AuthorityError> {
    let list: Extensions<'_> = List::from_encoded(elements).map_err(ObjectError::from)?;
    match check_extensions(&list, &[]) {
        Ok(()) | Err(ObjectError::Unsupported(_)) => Ok(elements.to_vec()),
        Err(error) => Err(error.into()),
    }
}
