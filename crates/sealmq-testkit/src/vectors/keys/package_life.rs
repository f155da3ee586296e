//! Kind `package_life`: until when a member keeps a package's private key, and when it makes new
//! packages (spec/keys.md §4).

use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::NOW;

const DAY: u64 = 86_400;

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

struct Case<'a> {
    id: &'a str,
    comment: &'a str,
    groups: Vec<Group>,
    packages: Vec<Package>,
    refused: Option<u32>,
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
    Group {
        generation: (2, 10),
        ..settled(newest)
    }
}

fn package(number: u32, set: u32, seconds: u64, epoch: u64) -> Package {
    Package {
        number,
        set,
        age: (seconds, 365 * DAY),
        epochs: vec![epoch],
    }
}

fn case<'a>(id: &'a str, comment: &'a str, group: Group, packages: &[Package]) -> Case<'a> {
    Case {
        id,
        comment,
        groups: vec![group],
        packages: packages.to_vec(),
        refused: None,
    }
}

impl Case<'_> {
    /// The numbers whose keys are kept, and whether a new set is due.
    fn gives(self, kept: &[u32], due: bool, file: &mut VectorFile) {
        let number = |number: Option<u32>| number.map_or(Json::Null, Json::from);
        let numbers =
            |numbers: &[u32]| Json::Array(numbers.iter().map(|n| Json::from(*n)).collect());
        let groups = self.groups.iter().map(|group| {
            object! {
                window: group.window, newest: group.newest,
                generation: group.generation.0, first_epoch: group.generation.1,
                installed: number(group.installed), installed_package: group.installed_package, removed: group.removed,
            }
        });
        let packages = self.packages.iter().map(|package| {
            let issued_at = NOW - package.age.0;
            object! {
                number: package.number, set: package.set,
                issued_at: issued_at, not_after: issued_at + package.age.1,
                epochs: Json::Array(package.epochs.iter().map(|e| Json::from(*e)).collect()),
            }
        });
        let input = object! {
            now: NOW,
            groups: Json::Array(groups.collect()),
            packages: Json::Array(packages.collect()),
            refused: number(self.refused),
        };
        let then = if self.refused.is_some() { &[] } else { kept };
        let result = object! { kept: numbers(kept), due: due, kept_beside_next: numbers(then) };
        let id = format!("package-life-{}", self.id);
        let vector = Vector::valid("package_life", id, self.comment, &["keys.md §4"], input);
        file.push(vector.attacks(&["A3", "A31"]).result(result));
    }
}

pub(crate) fn vectors(file: &mut VectorFile) {
    window(file);
    passed(file);
    generation(file);
    age(file);
    refusal(file);
    groups(file);
}

/// The keys end when the group is beyond the window and one epoch.
fn window(file: &mut VectorFile) {
    let at = |newest, seconds| (lacking(newest), [package(1, 1, seconds, 10)]);
    let (group, packages) = at(13, 3600);
    case(
        "window-edge",
        "Window + 1 epochs old, without a welcome.",
        group,
        &packages,
    )
    .gives(&[1], true, file);
    let (group, packages) = at(14, 3600);
    case("window-passed", "One more.", group, &packages).gives(&[], true, file);
    let (group, packages) = at(14, 59);
    case(
        "window-passed-young",
        "One more, within a minute.",
        group,
        &packages,
    )
    .gives(&[1], false, file);
    let (group, packages) = at(14, 60);
    case(
        "window-passed-minute",
        "One more, a minute old.",
        group,
        &packages,
    )
    .gives(&[], true, file);
    let comment = "Made when a higher epoch was known, under a delegation that was replaced.";
    let stolen = [package(1, 1, 60, 14)];
    case("window-thief", comment, lacking(13), &stolen).gives(&[], true, file);
    let stolen = [package(1, 1, 59, u64::MAX - 1)];
    case("window-thief-young", comment, lacking(13), &stolen).gives(&[1], true, file);
    let none = Group {
        window: 0,
        ..lacking(11)
    };
    case(
        "window-0-edge",
        "A window of 0: one epoch old.",
        none,
        &[package(1, 1, 59, 10)],
    )
    .gives(&[1], false, file);
    let none = Group {
        window: 0,
        ..lacking(12)
    };
    case(
        "window-0-passed",
        "A window of 0: two epochs old.",
        none,
        &[package(1, 1, 60, 10)],
    )
    .gives(&[], true, file);
    let old = |days: u64| [package(1, 1, days * DAY, 10), package(2, 2, DAY, 40)];
    case(
        "settled",
        "With a welcome to the newest generation they stay longer.",
        settled(40),
        &old(13),
    )
    .gives(&[1, 2], false, file);
    case(
        "settled-14-days",
        "With a welcome to the newest generation: 14 days old.",
        settled(40),
        &old(14),
    )
    .gives(&[2], false, file);
    case(
        "settled-14-days-edge",
        "14 days old, within window + 1 epochs.",
        settled(13),
        &[package(1, 1, 14 * DAY, 10), package(2, 2, DAY, 12)],
    )
    .gives(&[1, 2], false, file);
    let without = Group {
        installed: None,
        ..settled(14)
    };
    case(
        "no-welcome",
        "Without any welcome, whatever the generation.",
        without,
        &[package(1, 1, 3600, 10)],
    )
    .gives(&[], true, file);
    let removed = Group {
        removed: true,
        ..lacking(14)
    };
    case(
        "removed",
        "Removed: no welcome is missing.",
        removed,
        &[package(1, 1, 3600, 10)],
    )
    .gives(&[1], false, file);
}

/// Below the installed welcome's package none serves.
fn passed(file: &mut VectorFile) {
    let packages = [package(3, 1, 3600, 10), package(5, 1, 3600, 10)];
    let installed = |newest| Group {
        installed_package: 4,
        ..settled(newest)
    };
    case(
        "passed",
        "The installed welcome was sealed to a later package than one of them.",
        installed(14),
        &packages,
    )
    .gives(&[5], false, file);
    case(
        "passed-edge",
        "The same, within window + 1 epochs.",
        installed(13),
        &packages,
    )
    .gives(&[3, 5], false, file);
}

/// A generation without a welcome wants packages that were made since it began.
fn generation(file: &mut VectorFile) {
    let fresh = |id, comment, newest, epoch, seconds, due, file: &mut VectorFile| {
        case(
            id,
            comment,
            lacking(newest),
            &[package(1, 1, seconds, epoch)],
        )
        .gives(&[1], due, file);
    };
    table! { fresh:
        "made-before": "Made before the generation's first epoch was known.", 10, 9, 5, true, file;
        "made-at-first": "Made when that epoch was known.", 10, 10, 5, false, file;
        "made-before-later": "Made before; the newest epoch is a later one.", 11, 9, 5, true, file;
        "half-window": "Half of the window old, rounded down.", 11, 10, 3600, false, file;
        "half-window-passed": "Older than half of the window.", 12, 10, 3600, true, file;
        "half-window-young": "Older than half of the window, within a minute.", 12, 10, 59, false, file;
        "half-window-minute": "Older than half of the window, a minute old.", 12, 10, 60, true, file;
    }
    let odd = |newest| Group {
        window: 3,
        ..lacking(newest)
    };
    case(
        "half-of-3",
        "Window 3: one epoch old.",
        odd(11),
        &[package(1, 1, 3600, 10)],
    )
    .gives(&[1], false, file);
    case(
        "half-of-3-passed",
        "Window 3: two epochs old.",
        odd(12),
        &[package(1, 1, 3600, 10)],
    )
    .gives(&[1], true, file);
    case(
        "newest-set",
        "Only the newest set counts.",
        lacking(11),
        &[package(1, 1, 3600, 9), package(2, 2, 30, 11)],
    )
    .gives(&[1, 2], false, file);
    let comment = "Its welcome is installed: nothing is missing.";
    let moved = Group {
        installed: Some(2),
        ..lacking(13)
    };
    case("moved", comment, moved, &[package(1, 1, 3600, 9)]).gives(&[1], false, file);
    case("none-left", "No package, and no welcome.", lacking(10), &[]).gives(&[], true, file);
    case(
        "none-wanted",
        "No package, and nothing is missing.",
        settled(10),
        &[],
    )
    .gives(&[], false, file);
}

/// By age alone.
fn age(file: &mut VectorFile) {
    let one = |seconds, validity| Package {
        age: (seconds, validity),
        ..package(1, 1, 0, 10)
    };
    let year = 365 * DAY;
    case(
        "week-edge",
        "A second short of 7 days.",
        settled(10),
        &[one(7 * DAY - 1, year)],
    )
    .gives(&[1], false, file);
    case("week", "7 days old.", settled(10), &[one(7 * DAY, year)]).gives(&[1], true, file);
    case(
        "half-edge",
        "A second short of half of its validity.",
        settled(10),
        &[one(DAY - 1, 2 * DAY)],
    )
    .gives(&[1], false, file);
    case(
        "half",
        "Half of its validity.",
        settled(10),
        &[one(DAY, 2 * DAY)],
    )
    .gives(&[1], true, file);
}

/// A welcome that was too old: its package ends at once, all older ones with the next set.
fn refusal(file: &mut VectorFile) {
    let packages = [
        package(1, 1, 3600, 10),
        package(2, 1, 3600, 10),
        package(3, 2, 30, 11),
    ];
    let mut refused = case(
        "refused",
        "The welcome to package 2 was too old.",
        lacking(11),
        &packages,
    );
    refused.refused = Some(2);
    refused.gives(&[1, 3], true, file);
    let mut refused = case(
        "refused-settled",
        "The same with a welcome to the newest generation.",
        settled(11),
        &packages,
    );
    refused.refused = Some(3);
    refused.gives(&[1, 2], true, file);
}

/// Each group has its own epochs.
fn groups(file: &mut VectorFile) {
    let two = |epochs: [u64; 2]| Package {
        epochs: epochs.to_vec(),
        ..package(1, 1, 3600, 0)
    };
    let mut ends = case(
        "two-groups",
        "One of two groups has gone beyond its window.",
        settled(100),
        &[two([100, 10])],
    );
    ends.groups.push(lacking(14));
    ends.gives(&[], true, file);
    let mut stays = case(
        "two-groups-edge",
        "None of two groups has.",
        lacking(13),
        &[two([10, 96])],
    );
    stays.groups.push(settled(100));
    stays.gives(&[1], true, file);
}
