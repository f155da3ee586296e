//! Step 6, its first part: the credentials that a message is judged by.

use super::{Directory, Sender, SenderQuery};
use crate::credential::{Credential, CredentialOrder};
use crate::ids::MemberNumber;
use crate::object::{Kind, Object};
use crate::wire::hint_of;

/// The credentials of a sender, as far as a message is concerned.
pub(super) struct Found {
    /// The highest one.
    pub(super) known: Sender,
    /// It came inside the message.
    pub(super) used: bool,
    /// The one that verifies the message: `known`, or an older one.
    pub(super) sender: Sender,
}

/// State that no credential stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The credential inside is none that could be right, or another member's, or another one with
    /// a known one's numbers.
    Rejected,
    /// It would be the highest one, and does not verify: not yet, maybe.
    Unknown,
    /// It is below the highest one, and does not count any more.
    Revoked,
}

impl Found {
    const fn known(known: &Sender) -> Self {
        Self {
            known: *known,
            used: false,
            sender: *known,
        }
    }

    const fn inside(known: &Sender) -> Self {
        Self {
            known: *known,
            used: true,
            sender: *known,
        }
    }

    /// An event: under the known credential, or a newer one that came inside.
    pub(super) fn of_event(
        query: &SenderQuery<'_>,
        directory: &impl Directory,
        inside: Option<&[u8]>,
    ) -> Option<Self> {
        let known = &known_of(query, directory);
        let known = known.as_ref();
        if let Some(inside) = inside
            && let Some(newer) = &newer(query, directory, known, inside)
        {
            return Some(Self::inside(newer));
        }
        known.map(Self::known)
    }

    /// State: under the credential inside (spec/envelope.md §9, "The sender of state").
    pub(super) fn of_state(
        query: &SenderQuery<'_>,
        directory: &impl Directory,
        inside: &[u8],
    ) -> Result<Self, Unfit> {
        let object = Object::parse(inside, Kind::Credential).map_err(|_| Unfit::Rejected)?;
        // By reference: what is moved stands twice on the stack of some devices.
        let known = &known_of(query, directory);
        let known = known.as_ref();
        if let Some(known) = known.filter(|known| object.hash() == known.credential_hash) {
            return Ok(Self::known(known));
        }
        let claimed = claimed(&object, query.member)?;
        let Some(known) = known.filter(|known| claimed <= known.order()) else {
            return newer(query, directory, known, inside)
                .map(|newer| Self::inside(&newer))
                .ok_or(Unfit::Unknown);
        };
        if claimed == known.order() {
            return Err(Unfit::Rejected);
        }
        match &older(query, directory, known, inside) {
            Some(sender) if sender.order() == claimed => Ok(Self {
                known: *known,
                used: false,
                sender: *sender,
            }),
            _ => Err(Unfit::Revoked),
        }
    }

    /// An event that says by its hint that it was made under an older credential than the known
    /// one: the one inside, or the one that was known before.
    pub(super) fn older_of_event(
        &self,
        query: &SenderQuery<'_>,
        directory: &impl Directory,
        inside: Option<&[u8]>,
        hint: u8,
    ) -> Option<Sender> {
        let before = || {
            let before = directory.sender_before(query)?;
            counts(&before, query, &self.known).then_some(before)
        };
        let is_meant = |sender: &Sender| hint_of(sender.serial) == hint;
        let inside = inside.and_then(|inside| older(query, directory, &self.known, inside));
        let inside = inside.filter(is_meant);
        inside.or_else(|| before().filter(is_meant))
    }
}

/// What the credential inside says of its order. On its own: its fields are not on the stack while its
/// signature is verified.
#[inline(never)]
fn claimed(object: &Object<'_>, member: MemberNumber) -> Result<CredentialOrder, Unfit> {
    let claimed = Credential::claimed(object).map_err(|_| Unfit::Rejected)?;
    let is_of = claimed.member == member;
    is_of.then(|| claimed.order()).ok_or(Unfit::Rejected)
}

/// A credential inside that is below the known one and counts: of the same key, because a number
/// is bound to its key for life.
fn older(
    query: &SenderQuery<'_>,
    directory: &impl Directory,
    known: &Sender,
    inside: &[u8],
) -> Option<Sender> {
    let older = directory.admit_older(query, inside)?;
    counts(&older, query, known).then_some(older)
}

fn counts(older: &Sender, query: &SenderQuery<'_>, known: &Sender) -> bool {
    older.member == query.member && older.key == known.key && older.order() < known.order()
}

fn known_of(query: &SenderQuery<'_>, directory: &impl Directory) -> Option<Sender> {
    let known = directory.sender(query);
    known.filter(|known| known.member == query.member)
}

/// The credential inside, if it verifies and is above the known one.
fn newer(
    query: &SenderQuery<'_>,
    directory: &impl Directory,
    known: Option<&Sender>,
    inside: &[u8],
) -> Option<Sender> {
    let newer = directory.admit(query, inside, known.map(Sender::order))?;
    // A number is bound to its key for life.
    let is_above = |known: &Sender| newer.key == known.key && newer.order() > known.order();
    (newer.member == query.member && known.is_none_or(is_above)).then_some(newer)
}
