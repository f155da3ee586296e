//! The committed vectors hold for this code. `test-vectors/verify.py` says the same of a second
//! implementation, so that the two agree on each of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;

use sealmq_core::crypto::SignatureContext;
use sealmq_testkit::vectors::{Counts, check_file, files};
use serde_json::Value;

/// Fewest vectors of a file, and of each kind in it: valid and invalid.
type Least<'a> = (usize, &'a [(&'a str, usize, usize)]);

const ENVELOPE: Least<'_> = (
    700,
    &[
        ("seal", 60, 38),
        ("open", 190, 380),
        ("gap", 8, 0),
        ("session_number", 5, 0),
        ("connections", 10, 0),
        ("two_devices", 30, 0),
    ],
);

const KEYS: Least<'_> = (
    1650,
    &[
        ("derive", 3, 0),
        ("tree", 5, 0),
        ("hedge", 7, 1),
        ("domain", 1, 0),
        ("fingerprint", 2, 0),
        ("object", 150, 604),
        ("welcome_open", 16, 65),
        ("announcement_follow", 95, 85),
        ("kept_chain", 20, 4),
        ("cover", 10, 0),
        ("topic_match", 20, 10),
        ("filter_overlap", 10, 1),
        ("name", 4, 10),
        ("varint", 15, 10),
        ("padding", 20, 0),
        ("reserved_topic", 17, 40),
        ("armour", 13, 41),
        ("package_set", 5, 20),
        ("package_life", 30, 0),
        ("token", 11, 42),
        ("join_request", 9, 45),
        ("chunk", 4, 14),
        ("refused_chunk", 9, 11),
        ("lease", 32, 18),
        ("audit_log", 9, 33),
        ("backup", 26, 13),
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

/// Everything that the code signs has vectors, good and with one fault: a new kind of object cannot
/// come without. What else has to be there, verify.py checks, word by word of the schema.
#[test]
fn everything_that_is_signed_occurs() {
    let files = ["envelope.json", "keys.json"].map(|name| {
        let file: Value = serde_json::from_str(&committed(name)).unwrap();
        file["vectors"].as_array().unwrap().clone()
    });
    let vectors = files.concat();
    let known = |vector: &Value| match vector["kind"].as_str().unwrap() {
        "object" => vector["input"]["expected"].as_str().unwrap().to_owned(),
        "seal" | "open" => "message".to_owned(),
        _ => String::new(),
    };
    for context in SignatureContext::ALL {
        let label = std::str::from_utf8(context.label()).unwrap();
        let name = label.strip_prefix("sealmq/1 ").unwrap().replace(' ', "_");
        for valid in [true, false] {
            let mut of_kind = vectors
                .iter()
                .filter(|v| known(v) == name && v["valid"] == valid);
            assert!(of_kind.next().is_some(), "{name}, valid: {valid}");
        }
    }
}

/// One fault has one reason, whatever it is found in. By the ends of the ids, and how many there are
/// at the least; `armour` and `audit_log` have one reason for bad content.
const FAULTS: &[(&str, &str, usize)] = &[
    ("-65-bytes", "form", 12),
    ("-form-0x21", "form", 12),
    ("-kind-byte", "kind", 12),
    ("-trailing", "encoding", 15),
    ("-overlong", "encoding", 14),
    ("-no-body", "encoding", 12),
    ("-of-other-kind", "signature", 12),
    ("-signature-bit", "signature", 12),
    ("-signature-zero", "signature", 12),
    ("-no-such-key", "role", 7),
    ("-other-serial", "role", 7),
    ("-from-the-future", "expired", 6),
    ("-descending", "field", 6),
    ("-epoch-0", "field", 7),
    ("-weak-identity", "field", 3),
    ("-weak-order-8", "field", 3),
    ("-weak-non-canonical", "field", 3),
    ("-low-order-zero", "field", 6),
    ("-not-after", "field", 4),
    ("-name-empty", "field", 3),
    ("-number-0", "field", 4),
    ("-foreign-package", "field", 1),
    ("-set-foreign", "field", 1),
    ("-package-domain", "domain", 2),
    ("-package-kind", "kind", 2),
    ("-package-empty", "form", 2),
];

#[test]
fn one_fault_has_one_reason() {
    let files = ["envelope.json", "keys.json"].map(|name| {
        let file: Value = serde_json::from_str(&committed(name)).unwrap();
        file["vectors"].as_array().unwrap().clone()
    });
    let text = |v: &Value, name: &str| v[name].as_str().unwrap_or_default().to_owned();
    let invalid = files.iter().flatten().filter(|v| v["valid"] == false);
    let of_objects: Vec<&Value> = invalid
        .filter(|v| !["open", "seal", "armour", "audit_log"].contains(&&*text(v, "kind")))
        .collect();
    for (end, reason, least) in FAULTS {
        let mut ids = of_objects.iter().filter(|v| text(v, "id").ends_with(end));
        let other = ids.clone().find(|v| text(v, "reason") != *reason);
        assert!(other.is_none(), "{end}: {:?}", other.map(|v| text(v, "id")));
        assert!(ids.by_ref().count() >= *least, "{end}: too few");
    }
    // What is described in the same words has the same reason.
    let mut known = std::collections::BTreeMap::new();
    for vector in of_objects {
        // These depend on what stands there, not on one rule.
        if ["A cleared topic.", "2^32."].contains(&&*text(vector, "comment")) {
            continue;
        }
        let reason = text(vector, "reason");
        let before = known
            .entry(text(vector, "comment"))
            .or_insert(reason.clone());
        assert_eq!(*before, reason, "{}", text(vector, "id"));
    }
}

/// A checker that accepts everything would accept a wrong vector, too.
#[test]
fn changed_vectors_are_noticed() {
    let files = ["envelope.json", "keys.json"]
        .map(|name| serde_json::from_str::<Value>(&committed(name)).unwrap());
    for (from, to) in [
        (r#""reason":"Replay""#, r#""reason":"Stale""#),
        (r#""missed":2"#, r#""missed":3"#),
        (r#""sender":7"#, r#""sender":8"#),
        (r#""matches":false"#, r#""matches":true"#),
        (r#""reason":"fork""#, r#""reason":"field""#),
        (r#""padded":10"#, r#""padded":11"#),
        (r#""ask_chunk":2"#, r#""ask_chunk":1"#),
        (r#""opened":[]"#, r#""opened":[{}]"#),
        (r#""moved":"#, r#""replaced":"#),
        (r#""replaced":"#, r#""moved":"#),
        (r#""seal":false"#, r#""seal":true"#),
        (r#""read":true"#, r#""read":false"#),
        (r#""uses_left":0"#, r#""uses_left":1"#),
        (r#""next_member":1033"#, r#""next_member":1032"#),
        (r#""evidence":[true"#, r#""evidence":[false"#),
    ] {
        let with = |file: &Value| {
            let vectors = file["vectors"].as_array().unwrap().iter();
            let text = vectors.map(Value::to_string).find(|v| v.contains(from))?;
            Some((file["fixtures"].to_string(), text))
        };
        let (fixtures, vector) = files
            .iter()
            .find_map(with)
            .unwrap_or_else(|| panic!("{from}"));
        let file = |vector: &str| format!(r#"{{"fixtures":{fixtures},"vectors":[{vector}]}}"#);
        assert!(check_file(&file(&vector)).is_ok(), "{from}");
        assert!(
            check_file(&file(&vector.replacen(from, to, 1))).is_err(),
            "{from}"
        );
    }
}
