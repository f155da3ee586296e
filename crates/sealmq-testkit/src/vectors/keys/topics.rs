//! Kinds `topic_match` and `filter_overlap`.

use crate::vectors::prelude::*;

const SPEC: &[&str] = &["constants.md §4"];
const MATCH: Series = Series::new("topic_match", "match-", SPEC);
const OVERLAP: Series = Series::new("filter_overlap", "overlap-", SPEC);

pub(crate) fn vectors(file: &mut VectorFile) {
    matching(file);
    overlapping(file);
}

fn matching(file: &mut VectorFile) {
    for (id, filter, topic, matches) in table! {
        "literal":                 "a/b",    "a/b", true;
        "literal-longer":          "a/b",    "a/b/c", false;
        "literal-shorter":         "a/b",    "a", false;
        "case":                    "a/b",    "A/b", false;
        "plus":                    "a/+/c",  "a/b/c", true;
        "plus-one-level":          "a/+",    "a/b/c", false;
        "plus-empty-level":        "a/+",    "a/", true;
        "plus-no-level":           "a/+",    "a", false;
        "plus-alone":              "+",      "a", true;
        "plus-leading-slash":      "+",      "/a", false;
        "plus-plus-leading-slash": "+/+",    "/a", true;
        "hash-parent":             "a/#",    "a", true;
        "hash-below":              "a/#",    "a/b/c", true;
        "hash-other":              "a/#",    "ab", false;
        "hash-empty-level":        "a/#",    "a/", true;
        "hash-alone":              "#",      "a/b", true;
        "hash-leading-slash":      "/#",     "/a", true;
        "hash-leading-slash-not":  "/#",     "a", false;
        "empty-levels-count":      "a//b",   "a/b", false;
        "empty-levels-match":      "a//b",   "a//b", true;
        "system-hash":             "#",      "$SYS/a", false;
        "system-plus":             "+/a",    "$SYS/a", false;
        "system-literal":          "$SYS/#", "$SYS/a", true;
        "system-inner":            "a/+",    "a/$b", true;
        "system-inner-hash":       "#",      "a/$b", true;
        "system-inner-plus":       "+/+",    "a/$b", true;
        "percent-c":               "a/%c",   "a/%c", true;
    } {
        let input = object! { filter: filter, topic: topic };
        let case = MATCH.case(id, "MQTT 5 §4.7.", input).attacks(&["B15"]);
        file.push(case.result(object! { matches: matches }));
    }
    let case = |id: &str, comment: &str, filter: &str, topic: &str, matches: bool| {
        let case = MATCH.case(id, comment, object! { filter: filter, topic: topic });
        case.result(object! { matches: matches })
    };
    table! { case => file:
        "no-normalisation": "Bytes are compared, not characters.",
            "caf\u{e9}", "cafe\u{301}", false => valid ["B15"];
        "topic-65535": "The longest topic name.", "+", &"x".repeat(65_535), true => valid;
    }
    let characters = "\u{e4}".repeat(32_768);
    let case = |id: &str, filter: &[u8], topic: &[u8]| {
        let input = object! { filter: Json::text(filter), topic: Json::text(topic) };
        MATCH.case(id, "Not a filter, or not a topic name.", input)
    };
    table! { case => file:
        "filter-empty":            b"",       b"a"                  => "field";
        "filter-plus-in-level":    b"a+",     b"a"                  => "field";
        "filter-plus-before-text": b"+a/b",   b"a"                  => "field";
        "filter-hash-in-level":    b"a#",     b"a"                  => "field";
        "filter-hash-not-last":    b"a/#/b",  b"a"                  => "field";
        "filter-two-hashes":       b"a/##",   b"a"                  => "field";
        "filter-nul":              b"a\0",    b"a"                  => "field";
        "filter-not-utf8":         b"a/\xff", b"a"                  => "field";
        "topic-empty":             b"a",      b""                   => "field";
        "topic-plus":              b"a",      b"a/+"                => "field";
        "topic-hash":              b"a",      b"a#"                 => "field";
        "topic-nul":               b"a",      b"a\0"                => "field";
        "topic-not-utf8":          b"a",      b"\xc3\x28"           => "field";
        "topic-65536":             b"a",      characters.as_bytes() => "field";
    }
}

fn overlapping(file: &mut VectorFile) {
    let case = |id: &str, a: &str, b: &str, overlap: bool| {
        let case = OVERLAP.case(
            id,
            "Whether some topic matches both.",
            object! { a: a, b: b },
        );
        case.result(object! { overlap: overlap })
    };
    table! { case => file:
        "equal":                "a/b",  "a/b", true     => valid;
        "different":            "a/b",  "a/c", false    => valid;
        "plus-literal":         "a/+",  "a/b", true     => valid;
        "plus-both-sides":      "a/+",  "+/b", true     => valid;
        "plus-depth":           "a/+",  "a/b/c", false  => valid;
        "hash-literal":         "a/#",  "a/b/c", true   => valid;
        "hash-parent":          "a/#",  "a", true       => valid;
        "hash-plus":            "a/#",  "+/+/+", true   => valid;
        "hash-hash":            "a/#",  "b/#", false    => valid;
        "hash-all":             "#",    "x/y", true     => valid;
        "hash-system":          "#",    "$SYS/a", false => valid;
        "plus-system":          "+/a",  "$SYS/a", false => valid;
        "inner-plus-system":    "a/+",  "a/$b", true    => valid;
        "empty-level":          "a//b", "a/+/b", true   => valid;
        "empty-topic-only":     "+",    "/#", false     => valid;
        "plus-plus-slash-hash": "+/+",  "/#", true      => valid;
        "prefix-not-level":     "ab/#", "a/#", false    => valid;
    }
    let input = object! { a: "a/#/b", b: "a" };
    let case = OVERLAP.case("bad-filter", "One of them is no filter.", input);
    file.push(case.reason("field"));
}
