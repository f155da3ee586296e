//! The committed vectors hold for this code. `test-vectors/verify.py` says the same of a second
//! implementation, so that the two agree on each of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;

use sealmq_testkit::vectors::{Counts, check_file, files};

/// Fewest vectors of a file, and of each kind in it: valid and invalid.
type Least<'a> = (usize, &'a [(&'a str, usize, usize)]);

const ENVELOPE: Least<'_> = (
    80,
    &[
        ("seal", 30, 20),
        ("open", 60, 120),
        ("gap", 8, 0),
        ("session_number", 5, 0),
    ],
);

const KEYS: Least<'_> = (
    80,
    &[
        ("derive", 3, 0),
        ("tree", 5, 0),
        ("hedge", 5, 1),
        ("domain", 1, 0),
        ("object", 75, 320),
        ("welcome_open", 4, 15),
        ("announcement_follow", 25, 40),
        ("cover", 10, 0),
        ("topic_match", 20, 10),
        ("filter_overlap", 10, 1),
        ("name", 4, 10),
        ("varint", 15, 10),
        ("padding", 20, 0),
        ("reserved_topic", 15, 35),
        ("armour", 10, 30),
        ("package_set", 4, 15),
        ("token", 8, 30),
        ("join_request", 3, 20),
        ("chunk", 4, 12),
        ("lease", 5, 4),
        ("audit_log", 5, 15),
    ],
);

fn committed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../test-vectors")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_vector_holds() {
    for (name, (all, kinds)) in [("envelope.json", ENVELOPE), ("keys.json", KEYS)] {
        let counts: Counts =
            check_file(&committed(name)).unwrap_or_else(|faults| panic!("{name}:\n{faults}"));
        assert!(
            counts
                .values()
                .map(|(valid, invalid)| valid + invalid)
                .sum::<usize>()
                >= all,
            "{name}: {counts:?}"
        );
        assert_eq!(counts.len(), kinds.len(), "{name}: {counts:?}");
        for (kind, valid, invalid) in kinds {
            let count = counts[*kind];
            assert!(
                count.0 >= *valid && count.1 >= *invalid,
                "{name}: {kind} {count:?}"
            );
        }
    }
}

#[test]
fn the_committed_files_are_what_the_source_makes() {
    for (name, text) in files() {
        assert!(
            text == committed(name),
            "{name}: run `cargo run -p sealmq-testkit --bin vectors -- --write test-vectors`"
        );
    }
}

/// A checker that accepts everything would accept a wrong vector, too.
#[test]
fn changed_vectors_are_noticed() {
    for (name, from, to) in [
        (
            "envelope.json",
            "\"reason\": \"Replay\"",
            "\"reason\": \"Stale\"",
        ),
        ("envelope.json", "\"missed\": 2", "\"missed\": 3"),
        ("envelope.json", "\"sender\": 7", "\"sender\": 8"),
        ("keys.json", "\"matches\": false", "\"matches\": true"),
        ("keys.json", "\"reason\": \"fork\"", "\"reason\": \"field\""),
        ("keys.json", "\"padded\": 64", "\"padded\": 65"),
    ] {
        let text = committed(name);
        let changed = text.replacen(from, to, 1);
        if text != changed {
            assert!(check_file(&changed).is_err(), "{name}: {from}");
        }
    }
}
