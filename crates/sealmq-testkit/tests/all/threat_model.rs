//! The threat model answers every known attack by its number, and the tests it names exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Attacks by section: letter and how many there are.
const SECTIONS: [(char, u32); 7] = [
    ('A', 34),
    ('B', 26),
    ('C', 14),
    ('D', 20),
    ('E', 6),
    ('F', 10),
    ('G', 10),
];

/// The properties of secrecy, authenticity, removal and replay: each has claims with times.
const CLAIMED: [&str; 10] = ["P1", "P2", "P3", "P4", "P5", "P7", "P8", "P9", "P10", "P11"];

/// Answers that need no test, because the spec says that nothing is promised, or the types do.
const WITHOUT_TEST: [&str; 6] = [
    "out of scope",
    "not applicable",
    "by type",
    "by design",
    "cargo deny",
    "in CI",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The cells of each row of a table in a document of the spec.
fn cells(document: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("spec").join(document)).unwrap();
    text.lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split(" | "))
        .map(|cells| cells.map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// The cells of each row whose first cell is the number of an attack.
fn rows() -> Vec<Vec<String>> {
    cells("threat-model.md")
        .into_iter()
        .filter(|cells: &Vec<String>| {
            let (letter, digits) = cells[0].split_at_checked(1).unwrap_or_default();
            letter.chars().all(char::is_alphabetic) && digits.parse::<u32>().is_ok()
        })
        .collect()
}

/// Names of all functions in the crates' sources.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let names = source.split("fn ").skip(1);
            let word = |c: char| c.is_alphanumeric() || c == '_';
            found.extend(names.map(|rest| rest.chars().take_while(|c| word(*c)).collect()));
        }
    }
}

#[test]
fn every_attack_has_an_answer() {
    let answered: Vec<String> = rows().into_iter().map(|cells| cells[0].clone()).collect();
    let expected: Vec<String> = SECTIONS
        .iter()
        .flat_map(|(letter, count)| (1..=*count).map(move |n| format!("{letter}{n}")))
        .collect();
    // The list grows: later numbers may have their answer already.
    let known = |attack: &&String| expected.contains(attack);
    assert!(answered.iter().filter(known).eq(&expected));
    let place = |attack: &String| (attack.chars().next(), attack[1..].parse::<u32>().ok());
    assert!(answered.is_sorted_by(|a, b| place(a) < place(b)));
}

#[test]
fn every_named_test_exists() {
    let have = tests();
    for cells in rows() {
        assert_eq!(cells.len(), 4, "{}", cells[0]);
        names_tests(&cells[0], &cells[3], &have);
    }
}

/// The times themselves are computed where the program's defaults are, in its crate.
#[test]
fn every_claim_names_a_test() {
    let have = tests();
    let mut claims = cells("claims.md");
    claims.retain(|cells| cells.get(1).is_none_or(|cell| cell != "claim"));
    let mut properties = BTreeSet::new();
    for cells in &claims {
        assert_eq!(cells.len(), 6, "{cells:?}");
        names_tests(&cells[1], &cells[5], &have);
        properties.extend(cells[0].split(", ").map(str::to_owned));
    }
    for property in CLAIMED {
        assert!(properties.contains(property), "nothing about {property}");
    }
}

fn tests() -> BTreeSet<String> {
    let mut have = BTreeSet::new();
    functions(&root().join("crates"), &mut have);
    have
}

fn names_tests(row: &str, cell: &str, have: &BTreeSet<String>) {
    let named: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
    let excused = WITHOUT_TEST.iter().any(|why| cell.contains(why));
    assert!(excused || !named.is_empty(), "{row}: no test");
    for name in named.iter().filter(|_| !excused) {
        assert!(have.contains(*name), "{row}: no test `{name}`");
    }
}
