//! Kind `package_life`: until when a member keeps a package's private key, and when it makes new
//! packages (spec/keys.md §4).

use crate::vectors::prelude::*;

const DAY: u64 = 86_400;
const LIFE: Series =
    Series::new("package_life", "package-life-", &["keys.md §4"]).attacks(&["A3", "A31"]);

/// What the member knows of a group.
#[derive(Clone, Copy)]
struct Group {
    window: u8,
    newest: u64,
    /// The newest generation and its first epoch.
    generation: (u32, u64),
    installed: Option<u32>,
    /// The package that its welcome was sealed to; 0 without one.
    installed_package: u32,
    removed: bool,
}

/// A package of a set.
#[derive(Clone)]
struct Package {
    number: u32,
    set: u32,
    /// Seconds ago, and for how long it is good from then on.
    age: (u64, u64),
    /// The newest epoch that was known then, by group.
    epochs: Vec<u64>,
}

/// In its generation, with a welcome.
fn settled(newest: u64) -> Group {
    Group {
        window: 2,
        newest,
        generation: (1, 1),
        installed: Some(1),
        installed_package: 0,
        removed: false,
    }
}

/// Generation 2 began at epoch 10, and its welcome has not come.
fn lacking(newest: u64) -> Group {
    altered(&settled(newest), |group| group.generation = (2, 10))
}

fn package(number: u32, set: u32, seconds: u64, epoch: u64) -> Package {
    Package {
        number,
        set,
        age: (seconds, 365 * DAY),
        epochs: vec![epoch],
    }
}

/// The numbers whose keys are kept, and whether a new set is due.
fn life(
    (id, comment): (&str, &str),
    groups: &[Group],
    packages: &[Package],
    refused: Option<u32>,
    (kept, due): (&[u32], bool),
) -> Vector {
    let groups = groups.iter().map(|group| {
        object! {
            window: group.window, newest: group.newest,
            generation: group.generation.0, first_epoch: group.generation.1,
            installed: group.installed, installed_package: group.installed_package, removed: group.removed,
        }
    });
    let packages = packages.iter().map(|package| {
        let issued_at = NOW - package.age.0;
        object! {
            number: package.number, set: package.set,
            issued_at: issued_at, not_after: issued_at + package.age.1, epochs: package.epochs.clone(),
        }
    });
    let input = object! {
        now: NOW,
        groups: Json::Array(groups.collect()),
        packages: Json::Array(packages.collect()),
        refused: refused,
    };
    // With the set that answers a refusal all older keys go.
    let then = if refused.is_some() { &[] } else { kept };
    let result = object! { kept: kept.to_vec(), due: due, kept_beside_next: then.to_vec() };
    LIFE.case(id, comment, input).result(result)
}

/// Of one group.
fn of(
    id: &str,
    comment: &str,
    group: Group,
    packages: &[Package],
    kept: &[u32],
    due: bool,
) -> Vector {
    life((id, comment), &[group], packages, None, (kept, due))
}

pub(crate) fn vectors(file: &mut VectorFile) {
    window(file);
    passed(file);
    generation(file);
    age(file);
    refusal(file);
    groups(file);
}

/// The keys end when the group is beyond the window.
fn window(file: &mut VectorFile) {
    let one = |seconds| [package(1, 1, seconds, 10)];
    let old = |days: u64| [package(1, 1, days * DAY, 10), package(2, 2, DAY, 40)];
    let none = |newest| altered(&lacking(newest), |group| group.window = 0);
    let within = [package(1, 1, 14 * DAY, 10), package(2, 2, DAY, 12)];
    let without = altered(&settled(14), |group| group.installed = None);
    let removed = altered(&lacking(14), |group| group.removed = true);
    table! { of => file:
        "window-edge": "As many epochs old as the window, without a welcome.",
            lacking(12), &one(7200), &[1], true => valid;
        "window-passed": "One more.", lacking(13), &one(3600), &[], true => valid;
        "window-passed-young": "One more, within a minute.", lacking(13), &one(59), &[1], false => valid;
        "window-passed-minute": "One more, a minute old.", lacking(13), &one(60), &[], true => valid;
        "window-thief": "Made when a higher epoch was known, under a delegation that was replaced.",
            lacking(13), &[package(1, 1, 60, 14)], &[], true => valid;
        "window-thief-young": "Made when a higher epoch was known, under a delegation that was replaced.",
            lacking(13), &[package(1, 1, 59, u64::MAX - 1)], &[1], true => valid;
        "window-0-edge": "A window of 0: made in this epoch.", none(10), &one(59), &[1], false => valid;
        "window-0-passed": "A window of 0: one epoch old.", none(11), &one(60), &[], true => valid;
        "settled": "With a welcome to the newest generation they stay longer.",
            settled(40), &old(13), &[1, 2], false => valid;
        "settled-14-days": "With a welcome to the newest generation: 14 days old.",
            settled(40), &old(14), &[2], false => valid;
        "settled-14-days-edge": "14 days old, within the window.",
            settled(12), &within, &[1, 2], false => valid;
        "no-welcome": "Without any welcome, whatever the generation.",
            without, &one(3600), &[], true => valid;
        "removed": "Removed: no welcome is missing.", removed, &one(3600), &[1], false => valid;
    }
}

/// Below the installed welcome's package none serves.
fn passed(file: &mut VectorFile) {
    let packages = [package(3, 1, 3600, 10), package(5, 1, 3600, 10)];
    let installed = |newest| altered(&settled(newest), |group| group.installed_package = 4);
    table! { of => file:
        "passed": "The installed welcome was sealed to a later package than one of them.",
            installed(13), &packages, &[5], false => valid;
        "passed-edge": "The same, within the window.",
            installed(12), &packages, &[3, 5], false => valid;
    }
}

/// A generation without a welcome wants packages that were made since it began.
fn generation(file: &mut VectorFile) {
    let fresh = |id: &str, comment: &str, newest: u64, epoch: u64, seconds: u64, due: bool| {
        let one = [package(1, 1, seconds, epoch)];
        of(id, comment, lacking(newest), &one, &[1], due)
    };
    table! { fresh => file:
        "made-before": "Made before the generation's first epoch was known.", 10, 9, 5, true => valid;
        "made-at-first": "Made when that epoch was known.", 10, 10, 5, false => valid;
        "made-before-later": "Made before; the newest epoch is a later one.", 11, 9, 5, true => valid;
        "half-window": "Half of the window old, rounded down.", 11, 10, 3600, false => valid;
        "half-window-passed": "Older than half of the window.", 12, 10, 3600, true => valid;
        "half-window-young": "Older than half of the window, within a minute.", 12, 10, 59, false => valid;
        "half-window-minute": "Older than half of the window, a minute old.", 12, 10, 60, true => valid;
    }
    let odd = |newest| altered(&lacking(newest), |group| group.window = 3);
    let moved = altered(&lacking(13), |group| group.installed = Some(2));
    let two = [package(1, 1, 3600, 9), package(2, 2, 30, 11)];
    let hour = [package(1, 1, 3600, 10)];
    table! { of => file:
        "half-of-3": "Window 3: one epoch old.", odd(11), &hour, &[1], false => valid;
        "half-of-3-passed": "Window 3: two epochs old.", odd(12), &hour, &[1], true => valid;
        "newest-set": "Only the newest set counts.", lacking(11), &two, &[1, 2], false => valid;
        "moved": "Its welcome is installed: nothing is missing.", moved, &two[..1], &[1], false => valid;
        "none-left": "No package, and no welcome.", lacking(10), &[], &[], true => valid;
        "none-wanted": "No package, and nothing is missing.", settled(10), &[], &[], false => valid;
    }
}

/// By age alone.
fn age(file: &mut VectorFile) {
    let aged = |id: &str, comment: &str, seconds: u64, validity: u64, due: bool| {
        let one = altered(&package(1, 1, 0, 10), |package| {
            package.age = (seconds, validity)
        });
        of(id, comment, settled(10), &[one], &[1], due)
    };
    table! { aged => file:
        "week-edge": "A second short of 7 days.",               7 * DAY - 1, 365 * DAY, false => valid;
        "week":      "7 days old.",                             7 * DAY, 365 * DAY, true      => valid;
        "half-edge": "A second short of half of its validity.", DAY - 1, 2 * DAY, false       => valid;
        "half":      "Half of its validity.",                   DAY, 2 * DAY, true            => valid;
    }
}

/// A welcome that was too old: its package ends at once, all older ones with the next set.
fn refusal(file: &mut VectorFile) {
    let (one, two) = (package(1, 1, 3600, 10), package(2, 1, 3600, 10));
    let packages = [one, two, package(3, 2, 30, 11)];
    let refused = |id: &str, comment: &str, group: Group, number: u32, kept: &[u32]| {
        let verdict = (kept, true);
        life((id, comment), &[group], &packages, Some(number), verdict)
    };
    table! { refused => file:
        "refused": "The welcome to package 2 was too old.", lacking(11), 2, &[1, 3] => valid;
        "refused-settled": "The same with a welcome to the newest generation.",
            settled(11), 3, &[1, 2] => valid;
    }
}

/// Each group has its own epochs.
fn groups(file: &mut VectorFile) {
    let two =
        |id: &str, comment: &str, groups: [Group; 2], epochs: [u64; 2], kept: &[u32], due: bool| {
            let one = altered(&package(1, 1, 3600, 0), |one| one.epochs = epochs.to_vec());
            life((id, comment), &groups, &[one], None, (kept, due))
        };
    table! { two => file:
        "two-groups": "One of two groups has gone beyond its window.",
            [settled(100), lacking(13)], [100, 10], &[], true => valid;
        "two-groups-edge": "None of two groups has.",
            [lacking(12), settled(100)], [10, 96], &[1], true => valid;
    }
}
