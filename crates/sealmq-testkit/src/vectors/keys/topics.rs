//! Kinds `topic_match` and `filter_overlap`.

use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::{Json, object};

const SPEC: [&str; 1] = ["constants.md §4"];

pub(crate) fn vectors(file: &mut VectorFile) {
    matching(file);
    overlapping(file);
}

fn matching(file: &mut VectorFile) {
    let cases = [
        ("literal", "a/b", "a/b", true),
        ("literal-longer", "a/b", "a/b/c", false),
        ("literal-shorter", "a/b", "a", false),
        ("case", "a/b", "A/b", false),
        ("plus", "a/+/c", "a/b/c", true),
        ("plus-one-level", "a/+", "a/b/c", false),
        ("plus-empty-level", "a/+", "a/", true),
        ("plus-no-level", "a/+", "a", false),
        ("plus-alone", "+", "a", true),
        ("plus-leading-slash", "+", "/a", false),
        ("plus-plus-leading-slash", "+/+", "/a", true),
        ("hash-parent", "a/#", "a", true),
        ("hash-below", "a/#", "a/b/c", true),
        ("hash-other", "a/#", "ab", false),
        ("hash-empty-level", "a/#", "a/", true),
        ("hash-alone", "#", "a/b", true),
        ("hash-leading-slash", "/#", "/a", true),
        ("hash-leading-slash-not", "/#", "a", false),
        ("empty-levels-count", "a//b", "a/b", false),
        ("empty-levels-match", "a//b", "a//b", true),
        ("system-hash", "#", "$SYS/a", false),
        ("system-plus", "+/a", "$SYS/a", false),
        ("system-literal", "$SYS/#", "$SYS/a", true),
        ("system-inner", "a/+", "a/$b", true),
        ("system-inner-hash", "#", "a/$b", true),
        ("system-inner-plus", "+/+", "a/$b", true),
        ("percent-c", "a/%c", "a/%c", true),
    ];
    for (id, filter, topic, matches) in cases {
        let input = object! { filter: filter, topic: topic };
        let vector = Vector::valid(
            "topic_match",
            format!("match-{id}"),
            "MQTT 5 §4.7.",
            &SPEC,
            input,
        );
        file.push(
            vector
                .attacks(&["B15"])
                .result(object! { matches: matches }),
        );
    }
    let decomposed = object! { filter: "caf\u{e9}", topic: "cafe\u{301}" };
    let vector = Vector::valid(
        "topic_match",
        "match-no-normalisation",
        "Bytes are compared, not characters.",
        &SPEC,
        decomposed,
    );
    file.push(vector.attacks(&["B15"]).result(object! { matches: false }));
    let longest = object! { filter: "+", topic: "x".repeat(65_535) };
    let vector = Vector::valid(
        "topic_match",
        "match-topic-65535",
        "The longest topic name.",
        &SPEC,
        longest,
    );
    file.push(vector.result(object! { matches: true }));
    let characters = "\u{e4}".repeat(32_768);
    let bad: [(&str, &[u8], &[u8]); 14] = [
        ("filter-empty", b"", b"a"),
        ("filter-plus-in-level", b"a+", b"a"),
        ("filter-plus-before-text", b"+a/b", b"a"),
        ("filter-hash-in-level", b"a#", b"a"),
        ("filter-hash-not-last", b"a/#/b", b"a"),
        ("filter-two-hashes", b"a/##", b"a"),
        ("filter-nul", b"a\0", b"a"),
        ("filter-not-utf8", b"a/\xff", b"a"),
        ("topic-empty", b"a", b""),
        ("topic-plus", b"a", b"a/+"),
        ("topic-hash", b"a", b"a#"),
        ("topic-nul", b"a", b"a\0"),
        ("topic-not-utf8", b"a", b"\xc3\x28"),
        ("topic-65536", b"a", characters.as_bytes()),
    ];
    for (id, filter, topic) in bad {
        let input = object! { filter: Json::text(filter), topic: Json::text(topic) };
        file.push(Vector::invalid(
            "topic_match",
            format!("match-{id}"),
            "Not a filter, or not a topic name.",
            &SPEC,
            input,
            "field",
        ));
    }
}

fn overlapping(file: &mut VectorFile) {
    let cases = [
        ("equal", "a/b", "a/b", true),
        ("different", "a/b", "a/c", false),
        ("plus-literal", "a/+", "a/b", true),
        ("plus-both-sides", "a/+", "+/b", true),
        ("plus-depth", "a/+", "a/b/c", false),
        ("hash-literal", "a/#", "a/b/c", true),
        ("hash-parent", "a/#", "a", true),
        ("hash-plus", "a/#", "+/+/+", true),
        ("hash-hash", "a/#", "b/#", false),
        ("hash-all", "#", "x/y", true),
        ("hash-system", "#", "$SYS/a", false),
        ("plus-system", "+/a", "$SYS/a", false),
        ("inner-plus-system", "a/+", "a/$b", true),
        ("empty-level", "a//b", "a/+/b", true),
        ("empty-topic-only", "+", "/#", false),
        ("plus-plus-slash-hash", "+/+", "/#", true),
        ("prefix-not-level", "ab/#", "a/#", false),
    ];
    for (id, a, b, overlap) in cases {
        let vector = Vector::valid(
            "filter_overlap",
            format!("overlap-{id}"),
            "Whether some topic matches both.",
            &SPEC,
            object! { a: a, b: b },
        );
        file.push(vector.result(object! { overlap: overlap }));
    }
    let input = object! { a: "a/#/b", b: "a" };
    file.push(Vector::invalid(
        "filter_overlap",
        "overlap-bad-filter",
        "One of them is no filter.",
        &SPEC,
        input,
        "field",
    ));
}
