//! Kind `package_life` (spec/keys.md §4).

use sealmq_keys::package_age::{GroupProgress, PackageAge, is_old};

use super::{Checked, Input};
use crate::vectors::prelude::*;

pub(crate) fn life(input: Input<'_>) -> Checked {
    let (now, groups) = (input.u64("now"), input.list("groups"));
    let (mut kept, mut due) = (vec![], false);
    let packages = input.list("packages");
    let newest = packages.iter().map(|package| package.u64("set")).max();
    let refused = input.opt_u64("refused");
    let mut newest_is_empty = true;
    for package in packages {
        let seconds = now.abs_diff(package.u64("issued_at"));
        let validity = package.u64("not_after") - package.u64("issued_at");
        let (mut ends, mut outdated) = (false, is_old(seconds, validity));
        for (group, epoch) in groups.iter().zip(package.list("epochs")) {
            let progress = progress(*group);
            let epochs = progress.epochs_since(epoch.as_u64());
            let age = PackageAge { epochs, seconds };
            ends |= progress.ends(package.number("number"), age);
            outdated |= progress.outdates(age);
        }
        let number = package.u64("number");
        if ends || refused == Some(number) {
            continue;
        }
        kept.push(number);
        if Some(package.u64("set")) == newest {
            newest_is_empty = false;
            due |= outdated;
        }
    }
    let lacks = groups.iter().any(|group| progress(*group).lacks_welcome());
    due |= refused.is_some() || (newest_is_empty && lacks);
    let numbers = |numbers: &[u64]| Json::Array(numbers.iter().map(|n| Json::from(*n)).collect());
    // With the set that answers a refusal all older keys go.
    let then = if refused.is_some() { &[] } else { &kept[..] };
    Ok(object! { kept: numbers(&kept), due: due, kept_beside_next: numbers(then) })
}

fn progress(group: Input<'_>) -> GroupProgress {
    GroupProgress {
        newest: group.u64("newest"),
        generation: group.number("generation"),
        first_epoch: group.u64("first_epoch"),
        window: group.number("window"),
        installed: group
            .opt_u64("installed")
            .map(|number| u32::try_from(number).unwrap_or(u32::MAX)),
        installed_package: group.number("installed_package"),
        removed: group.flag("removed"),
    }
}
