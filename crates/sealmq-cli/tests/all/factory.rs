//! `sealmq factory`: images of flash for devices, in bulk; interrupted, wrong, and used by a device.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::common::domain::Domain;
use crate::common::{Running, run};

const GRANTS: [&str; 4] = ["--publish", "plant:plant/%c/#", "--subscribe", "plant"];

fn factory(domain: &Domain, names: &str, more: &[&str]) -> Command {
    fs::write(domain.path().join("names"), names).unwrap();
    let args = ["factory", "names", "-o", "images"];
    domain.command(&[&args[..], &GRANTS, more].concat())
}

/// Names and numbers of the members.
fn members(domain: &Domain) -> BTreeSet<String> {
    let list = domain.ok(&["member", "list"]).stdout;
    let lines = list.lines().filter(|line| line.contains(": valid until"));
    lines
        .map(|line| line.split(':').next().unwrap().to_owned())
        .collect()
}

fn files(domain: &Domain) -> BTreeSet<String> {
    let there = fs::read_dir(domain.path().join("images"));
    there
        .map(|files| {
            files
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect()
        })
        .unwrap_or_default()
}

fn list(domain: &Domain) -> Vec<Vec<String>> {
    let text = fs::read_to_string(domain.path().join("images/devices.csv")).unwrap();
    let lines = text.lines().map(|line| line.split(',').map(str::to_owned));
    lines.map(Iterator::collect).collect()
}

fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().unwrap().permissions().mode() & 0o077 == 0
}

#[test]
fn a_list_of_names_becomes_images_once() {
    let domain = Domain::new();
    let names = "# line 4\nsensor-1\n\nsensor-2\n";
    let said = run(factory(&domain, names, &[])).expect(0).stdout;
    assert!(said.contains("2 made now"), "{said}");
    let there = [
        "devices.csv",
        "factory.lock",
        "sensor-1.flash",
        "sensor-2.flash",
    ];
    assert_eq!(files(&domain), there.map(str::to_owned).into());
    let images = domain.path().join("images");
    assert!(is_private(&images));
    let image = |name: &str| {
        let path = images.join(format!("{name}.flash"));
        assert!(is_private(&path), "{name}");
        fs::read(path).unwrap()
    };
    let (one, two) = (image("sensor-1"), image("sensor-2"));
    assert_eq!((one.len(), two.len()), (65_536, 65_536));
    assert_ne!(one, two);
    let rows = list(&domain);
    assert_eq!(
        rows[0].join(","),
        "name,member,fingerprint,valid_until,image,sha256"
    );
    assert_eq!((rows.len(), rows[1][0].as_str()), (3, "sensor-1"));
    assert_ne!(rows[1][2], rows[2][2], "each has keys of its own");
    // Again, and with one name more.
    let enrolled = members(&domain);
    assert_eq!(enrolled.len(), 2);
    let said = run(factory(&domain, names, &[])).expect(0).stdout;
    assert!(said.contains("0 made now, 2 in"), "{said}");
    let more = "sensor-2\nsensor-3\nsensor-1";
    run(factory(&domain, more, &["--value", "0=broker:1883"])).expect(0);
    assert_eq!((image("sensor-1"), image("sensor-2")), (one, two));
    assert_eq!(members(&domain).len(), 3);
    assert_eq!(list(&domain).len(), 4);
    // Words and pages of other chips.
    for (page, word) in [("1024", "1"), ("2048", "8"), ("8192", "16")] {
        let name = format!("board-{page}");
        let chip = ["--erase-size", page, "--word-size", word];
        let args = ["factory", "-", "-o", &name];
        let command = domain.command(&[&args[..], &GRANTS, &chip].concat());
        crate::common::run_with(command, name.as_bytes()).expect(0);
        assert!(
            domain
                .path()
                .join(&name)
                .join(format!("{name}.flash"))
                .exists()
        );
    }
}

#[test]
fn a_mistake_changes_nothing() {
    let domain = Domain::new();
    domain.enrol("old", &["--subscribe", "plant"]);
    let before = members(&domain);
    for (names, code, about) in [
        ("", 2, "no names"),
        ("a\n../b", 2, "../b"),
        ("a\nb\nA\n", 2, "twice"),
        ("a\nold\n", 1, "old is member"),
    ] {
        run(factory(&domain, names, &[])).complains(code, &[about]);
    }
    for (more, about) in [
        (&["--erase-size", "4000"][..], "--erase-size"),
        (&["--flash-size", "20480"], "at least 7"),
        (&["--flash-size", "65537"], "multiple"),
        (&["--value", "8=x"], "N from 0 to 7"),
    ] {
        let ended = run(factory(&domain, "a", more)).expect(2);
        assert!(ended.stderr.contains(about), "{ended:?}");
    }
    assert_eq!(members(&domain), before);
    assert!(!files(&domain).iter().any(|name| name.ends_with(".flash")));
    // An image of a member that was removed belongs to nobody.
    run(factory(&domain, "a", &[])).expect(0);
    domain.ok(&["member", "remove", "a"]);
    run(factory(&domain, "a", &[])).complains(1, &["a.flash is there", "move it away"]);
    // A group that does not exist: nobody is enrolled, and no image is there.
    let args = ["factory", "-", "-o", "other", "--publish", "nowhere"];
    crate::common::run_with(domain.command(&args), b"b").complains(1, &["nowhere"]);
    assert_eq!(members(&domain), before);
    assert!(!domain.path().join("other/b.flash").exists());
}

/// Killed at any moment, and run again until it is done: each name is one member, whose keys are in
/// its image.
#[test]
fn after_a_kill_it_goes_on() {
    let domain = Domain::new();
    let names: Vec<String> = (0..24).map(|n| format!("s{n}")).collect();
    let names = names.join("\n");
    let (mut kills, mut after) = (0, Duration::from_millis(10));
    loop {
        let running = Running::start(factory(&domain, &names, &[]));
        sleep(after);
        // However slow the machine is, it ends.
        after = after.mul_f32(1.4);
        let ended = running.kill();
        if ended.code().is_some() {
            ended.expect(0);
            break;
        }
        kills += 1;
    }
    assert!(kills > 3, "{kills}");
    assert_eq!(members(&domain).len(), 24);
    let rows = list(&domain);
    assert_eq!(rows.len(), 25);
    let keys: BTreeSet<&String> = rows[1..].iter().map(|row| &row[2]).collect();
    assert_eq!(keys.len(), 24);
    let left: Vec<String> = files(&domain)
        .into_iter()
        .filter(|name| !name.ends_with(".flash"))
        .collect();
    assert_eq!(left, ["devices.csv", "factory.lock"]);
}
