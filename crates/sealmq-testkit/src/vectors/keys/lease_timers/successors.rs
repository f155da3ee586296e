//! What an announcement is worth under the next delegation.

use sealmq_core::object::Role;
use sealmq_keys::Roles;

use super::super::lease::issued;
use super::{Case, HOUR, LATE};
use crate::vectors::file::VectorFile;
use crate::vectors::group::Group;
use crate::vectors::world::{Authority, NOW, WEEK, authority, live_authority};

/// What an announcement is worth after a newer delegation was taken (spec/keys.md §3).
pub(super) fn successors(group: &Group, file: &mut VectorFile) {
    let own = issued(1) + HOUR;
    let far = NOW + 10 * WEEK;
    let next = |keys: Vec<_>| Authority {
        serial: 2,
        keys,
        ..live_authority()
    };
    let first = live_authority().keys;
    let case = || {
        let mut case = Case::new(group);
        case.delegation = Some(own - 100);
        case
    };
    case()
        .after(&next(first.clone()), far, own - 100, true, true)
        .after(&next(first.clone()), far, own - 99, false, true)
        .after(&next(first.clone()), far, own - 100 + LATE, false, true)
        .after(&next(first.clone()), far, own - 99 + LATE, false, false)
        .after(&next(first.clone()), own - 200, own - 200, true, true)
        .after(&next(first.clone()), own - 200, own - 199, false, true)
        .done(
            "successor-routine",
            "The same keys: the end of either delegation.",
            file,
        );
    case().after(&authority(2), far, NOW, false, false).done(
        "successor-recovery",
        "New keys: nothing counts before their announcement.",
        file,
    );
    let mut moved = first.clone();
    moved.rotate_left(1);
    case().after(&next(moved), far, NOW, true, true).done(
        "successor-moved",
        "The same key at another index.",
        file,
    );
    let demoted = first
        .into_iter()
        .map(|(key, _)| (key, Roles::NONE.with(Role::Heartbeat)))
        .collect();
    case().after(&next(demoted), far, NOW, false, false).done(
        "successor-demoted",
        "The same key, without the role.",
        file,
    );
}
