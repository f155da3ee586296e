//! What an announcement is worth under the next delegation.

use sealmq_core::object::Role;
use sealmq_keys::Roles;

use super::super::lease::{Case, HOUR, LATE, issued};
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

/// What an announcement is worth after a newer delegation was taken (spec/keys.md §3).
pub(super) fn successors(group: &Group, file: &mut VectorFile) {
    let (end, far) = (issued(1) + HOUR - 100, NOW + 10 * WEEK);
    let next = |keys: Vec<_>| Authority {
        serial: 2,
        keys,
        ..live_authority()
    };
    let first = live_authority().keys;
    let same = next(first.clone());
    let moved = next(altered(&first, |keys| keys.rotate_left(1)));
    let demoted = first
        .into_iter()
        .map(|(key, _)| (key, Roles::NONE.with(Role::Heartbeat)));
    let demoted = next(demoted.collect());
    stories! { |id, comment| Case::of(group)(id, comment).until(end) => file:
        "successor-routine": "The same keys: the end of either delegation."
            => .after(&same, far, end, true, true).after(&same, far, end + 1, false, true)
            .after(&same, far, end + LATE, false, true).after(&same, far, end + LATE + 1, false, false)
            .after(&same, end - 100, end - 100, true, true).after(&same, end - 100, end - 99, false, true);
        "successor-recovery": "New keys: nothing counts before their announcement."
            => .after(&authority(2), far, NOW, false, false);
        "successor-moved": "The same key at another index." => .after(&moved, far, NOW, true, true);
        "successor-demoted": "The same key, without the role." => .after(&demoted, far, NOW, false, false);
    }
}
