//! Kind `audit_log`: the authority's log and what was done to it (spec/keys.md §13).

use sealmq_authority::{AuditLog, Entry, What};
use sealmq_core::MemberNumber;
use sealmq_core::crypto::Digest;
use sealmq_keys::default_prefix;

use crate::vectors::check::audit::what as what_json;
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{NOW, body, digest, domain, plant, public};

/// A log in the making; entries can be what no authority would append.
#[derive(Clone, Default)]
pub(crate) struct Log {
    pub(crate) entries: Vec<Vec<u8>>,
    decoded: Vec<Json>,
    pub(crate) size: u64,
    pub(crate) head: Digest,
}

impl Log {
    pub(crate) fn add(&mut self, at: u64, what: What<'_>) {
        let previous = self.head;
        let entry = Entry { previous, at, what };
        self.decoded
            .push(object! { previous: previous, at: at, what: what_json(&what) });
        self.raw(body(&entry));
    }

    fn raw(&mut self, entry: Vec<u8>) {
        self.head = AuditLog::head_after(&entry);
        self.size += 1;
        self.entries.push(entry);
    }

    /// Everything that a log can hold; times may go back.
    pub(crate) fn of(steps: &[What<'_>]) -> Self {
        let mut log = Self::default();
        for (at, step) in (0..100).rev().zip(steps) {
            log.add(NOW + at, *step);
        }
        log
    }

    /// How far it goes, as heartbeats say it.
    fn known(&self) -> Json {
        object! { log_size: self.size, log_head: self.head }
    }

    fn input(&self, known: Option<Json>) -> Json {
        let input = object! { entries: Json::Array(self.entries.iter().map(Json::hex).collect()) };
        match known {
            Some(known) => input.with("known", known),
            None => input,
        }
    }
}

const MEMBER: MemberNumber = MemberNumber(7);

pub(crate) fn vectors(file: &mut VectorFile) {
    let topic = format!("{}/m/7/credential", default_prefix(&domain()));
    let steps = [
        What::Delegation {
            serial: 1,
            hash: digest("delegation 1"),
        },
        What::Enrolled {
            member: MEMBER,
            key: public("sensor-7"),
            name: "sensor-7",
        },
        What::Signed {
            topic: &topic,
            hash: digest("credential of sensor-7"),
        },
        What::Generation {
            group: plant(),
            number: 2,
            epoch: 300,
        },
        What::Removed { member: MEMBER },
        What::Resumed {
            serial: 2,
            log_size: 3,
            log_head: digest("head in the backup"),
        },
    ];
    let whole = Log::of(&steps);
    good(&whole, &steps, file);
    altered(&whole, &steps, file);
    encodings(&whole, &topic, file);
}

const SPEC: &[&str] = &["keys.md §13"];

fn good(whole: &Log, steps: &[What<'_>], file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, log: &Log, known: Option<Json>| {
        let id = format!("audit-log-{id}");
        let vector = Vector::valid("audit_log", id, comment, SPEC, log.input(known));
        file.push(vector.attacks(&["A33"]).result(object! {
            log_size: log.size,
            log_head: log.head,
            entries: Json::Array(log.decoded.clone()),
        }));
    };
    let odd = What::Signed {
        topic: "a/+/b\u{200b}",
        hash: digest("x"),
    };
    let older = Log::of(&steps[..3]);
    table! { push:
        "empty": "A log without entries.", &Log::default(), None;
        "topic-any": "Any topic, also one with a wildcard and a character without width.",
            &Log::of(&[odd]), None;
        "all": "Every kind of entry.", whole, None;
        "same": "The log that the heartbeat tells of.", whole, Some(whole.known());
        "continued": "It went on after the heartbeat.", whole, Some(older.known());
        "from-nothing": "The heartbeat came before the first entry.", whole, Some(Log::default().known());
    }
}

fn altered(whole: &Log, steps: &[What<'_>], file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, log: &Log, known: Option<Json>, reason| {
        let id = format!("audit-log-{id}");
        let vector = Vector::invalid("audit_log", id, comment, SPEC, log.input(known), reason);
        file.push(vector.attacks(&["A33"]));
    };
    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut log = whole.clone();
        change(&mut log.entries);
        log
    };
    let known = Some(whole.known());
    let mut others = steps.to_vec();
    others[4] = What::Removed {
        member: MemberNumber(8),
    };
    table! { push:
        "altered": "A time was changed: the next entry does not follow.",
            &with(&|entries| entries[2][32] ^= 1), None => "chain";
        "reordered": "Two entries changed places.", &with(&|entries| entries.swap(2, 3)), None => "chain";
        "left-out": "The removal was left out.", &with(&|entries| drop(entries.remove(4))), None => "chain";
        "twice": "An entry twice.", &with(&|entries| entries.insert(3, entries[3].clone())), None => "chain";
        "beginning-cut": "The first entry is missing.",
            &with(&|entries| drop(entries.remove(0))), None => "chain";
        "cut": "Cut off before what the heartbeat tells of.",
            &with(&|entries| entries.truncate(4)), known.clone() => "shorter";
        "gone": "Nothing is left of it.", &Log::default(), known.clone() => "shorter";
        "last-altered": "The last entry was changed: only the heartbeat tells.",
            &with(&|entries| entries[5][40] ^= 1), known.clone() => "other";
        "rewritten": "A whole log, but another removal than the heartbeat's log has.",
            &Log::of(&others), known => "other";
    }
}

fn encodings(whole: &Log, topic: &str, file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, log: &Log| {
        let id = format!("audit-log-{id}");
        let input = log.input(None);
        let vector = Vector::invalid("audit_log", id, comment, SPEC, input, "encoding");
        file.push(vector.attacks(&["E1"]));
    };
    let last = |entry: Vec<u8>| {
        let mut log = whole.clone();
        log.raw(entry);
        log
    };
    let next = |what: What<'_>| {
        let entry = Entry {
            previous: whole.head,
            at: 5,
            what,
        };
        body(&entry)
    };
    let removed = next(What::Removed { member: MEMBER });
    table! { push:
        "empty-entry": "An entry without bytes.", &last(vec![]);
        "trailing": "A byte behind the entry.", &last([&removed[..], &[0]].concat());
        "truncated": "The last byte is missing.", &last(removed[..removed.len() - 1].to_vec());
        "overlong": "The time is spelled with two bytes.",
            &last([&removed[..32], &[0x85, 0], &removed[33..]].concat());
        "unknown": "There is no such kind of entry.", &last([&removed[..33], &[6], &removed[34..]].concat());
        "member-0": "Members begin with 1.", &last(next(What::Removed { member: MemberNumber(0) }));
        "name": "Not a name.",
            &last(next(What::Enrolled { member: MEMBER, key: public("sensor-7"), name: "a b" }));
    }
    // Entry: 32 bytes of hash, one of time, one of kind, two of length, the topic, 32 of hash.
    let longest = "x".repeat(2048 - 32 - 1 - 1 - 2 - 32);
    let at_limit = next(What::Signed {
        topic: &longest,
        hash: digest("x"),
    });
    assert_eq!(at_limit.len(), 2048);
    let mut whole_and_longest = whole.clone();
    whole_and_longest.add(
        5,
        What::Signed {
            topic: &longest,
            hash: digest("x"),
        },
    );
    let hash = digest("x");
    let above = format!("{longest}x");
    let control = format!("{topic}\u{1b}[2J");
    let (c1, delete) = (format!("{topic}\u{85}"), format!("{topic}\u{7f}"));
    let long = format!("{topic}/{}", "x".repeat(2048));
    for (id, comment, topic) in [
        ("topic-empty", "No topic.", ""),
        ("topic-control", "A control character.", &control),
        ("topic-c1", "A control character of C1.", &c1),
        ("topic-delete", "U+007F.", &delete),
        ("size", "Far above 2048 bytes.", &long),
        ("2049", "An entry of 2049 bytes.", &above),
    ] {
        push(id, comment, &last(next(What::Signed { topic, hash })));
    }
    let log = whole_and_longest;
    let vector = Vector::valid(
        "audit_log",
        "audit-log-2048",
        "An entry of 2048 bytes.",
        SPEC,
        log.input(None),
    );
    file.push(vector.result(object! {
        log_size: log.size, log_head: log.head, entries: Json::Array(log.decoded.clone()),
    }));
}
