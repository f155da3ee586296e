//! The diffs in the texts, against rumqttc's examples as cargo has them and the ported ones.

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of rumqttc's examples, in the source that cargo built.
fn originals() -> PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let sources = std::fs::read_dir(home.unwrap().join("registry/src")).unwrap();
    let crates = sources.map(|source| source.unwrap().path().join("rumqttc-0.25.1/examples"));
    let found = crates.filter(|folder| folder.is_dir()).last();
    found.expect("rumqttc 0.25.1 in cargo's registry")
}

/// What it was made from, and what it became.
fn pair(name: &str) -> [Vec<String>; 2] {
    let ported = here().join("examples/ported");
    let original = match name {
        "shared" => ported.join("plain/shared.rs"),
        name => originals().join(format!("{name}.rs")),
    };
    let ported = ported.join(format!("{name}.rs"));
    [original, ported].map(|path| {
        let text = read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        text.lines().map(str::to_owned).collect()
    })
}

/// One side of a hunk: what stands there, and what `other` side has alone left out.
fn side(hunk: &[&str], other: char) -> Vec<String> {
    let lines = hunk.iter().filter(|line| !line.starts_with(other));
    lines
        .map(|line| line.get(1..).unwrap_or_default().to_owned())
        .collect()
}

/// Between hunks, before the first and after the last one, both texts are the same.
fn check(name: &str, diff: &str) {
    let [before, after] = pair(name);
    let (mut old, mut new) = (&before[..], &after[..]);
    let lines: Vec<&str> = diff.lines().collect();
    for hunk in lines
        .split(|line| line.starts_with("@@"))
        .filter(|hunk| !hunk.is_empty())
    {
        let (from, to) = (side(hunk, '+'), side(hunk, '-'));
        while !(old.starts_with(&from) && new.starts_with(&to)) {
            let same = !old.is_empty() && old.first() == new.first();
            assert!(same, "{name}: {hunk:#?}\nis not at\n{old:#?}\n{new:#?}");
            (old, new) = (&old[1..], &new[1..]);
        }
        (old, new) = (&old[from.len()..], &new[to.len()..]);
    }
    assert_eq!(old, new, "{name}");
}

/// The diffs of a text, each under a heading or a link that ends with the example's name.
fn checked(text: &Path) -> BTreeSet<String> {
    let text = read_to_string(text).unwrap();
    let mut found = BTreeSet::new();
    let mut parts = text.split("```diff\n");
    let mut before = parts.next().unwrap();
    for part in parts {
        let (diff, rest) = part.split_once("```").unwrap();
        let name = before.rsplit_once(".rs").unwrap().0;
        let name = name.rsplit(['/', '`', ' ', '[']).next().unwrap();
        check(name, diff);
        found.insert(name.to_owned());
        before = rest;
    }
    found
}

#[test]
fn the_texts_say_what_was_changed() {
    let all: BTreeSet<String> = std::fs::read_dir(here().join("examples/ported"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned()))
        .filter(|name| !["main", "device"].contains(&name.as_str()))
        .collect();
    assert_eq!(checked(&here().join("examples/ported/README.md")), all);
    let guide = checked(&here().join("../../docs/rumqttc.md"));
    assert!(
        guide.contains("asyncpubsub") && guide.contains("shared"),
        "{guide:?}"
    );
}
