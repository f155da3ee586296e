//! Kind `audit_log`: the authority's log and what was done to it (spec/keys.md §13).

use sealmq_authority::{AuditLog, Entry, What};
use sealmq_keys::default_prefix;

use crate::vectors::check::audit::what as what_json;
use crate::vectors::prelude::*;

const AUDIT_LOG: Series =
    Series::new("audit_log", "audit-log-", &["keys.md §13"]).attacks(&["A33"]);

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

    /// The content of a piece with these of its entries, from a copy that was made when it had so
    /// many.
    pub(crate) fn piece(&self, entries: core::ops::Range<usize>, size: usize) -> Vec<u8> {
        let head = match size.checked_sub(1) {
            Some(last) => AuditLog::head_after(&self.entries[last]),
            None => Digest::ZERO,
        };
        let first = varint(entries.start as u64);
        let list: Vec<u8> = self.entries[entries].iter().flat_map(|e| blob(e)).collect();
        [varint(size as u64), head.0.to_vec(), first, blob(&list)].concat()
    }

    /// A vector about it, and about how far a heartbeat says that it goes.
    fn case(&self, id: &str, comment: &str, known: Option<&Log>) -> Vector {
        let entries = Json::Array(self.entries.iter().map(Json::hex).collect());
        let mut input = object! { entries: entries };
        if let Some(known) = known {
            let known = object! { log_size: known.size, log_head: known.head };
            input = input.with("known", known);
        }
        AUDIT_LOG.case(id, comment, input)
    }

    fn good(&self, id: &str, comment: &str, known: Option<&Log>) -> Vector {
        let entries = Json::Array(self.decoded.clone());
        let result = object! { log_size: self.size, log_head: self.head, entries: entries };
        self.case(id, comment, known).result(result)
    }
}

const MEMBER: MemberNumber = MemberNumber(7);

pub(crate) const fn removed(member: u32) -> What<'static> {
    let member = MemberNumber(member);
    What::Removed { member }
}

pub(crate) const fn two_devices(member: u32, by: u32) -> What<'static> {
    let (member, by) = (MemberNumber(member), MemberNumber(by));
    What::TwoDevices { member, by }
}

pub(crate) const fn signed(topic: &str, hash: Digest) -> What<'_> {
    What::Signed { topic, hash }
}

/// With the key of that name.
pub(crate) fn enrolled(member: MemberNumber, name: &'static str) -> What<'static> {
    let key = public(name);
    What::Enrolled { member, key, name }
}

pub(crate) const fn generation(group: GroupId, number: u32, epoch: u64) -> What<'static> {
    What::Generation {
        group,
        number,
        epoch,
    }
}

pub(crate) const fn delegated_in(serial: u32, hash: Digest) -> What<'static> {
    What::Delegation { serial, hash }
}

pub(crate) const fn resumed(serial: u32, log_size: u64, log_head: Digest) -> What<'static> {
    What::Resumed {
        serial,
        log_size,
        log_head,
    }
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let topic = format!("{}/m/7/credential", default_prefix(&domain()));
    let steps = [
        delegated_in(1, digest("delegation 1")),
        enrolled(MEMBER, "sensor-7"),
        signed(&topic, digest("credential of sensor-7")),
        generation(plant(), 2, 300),
        removed(7),
        resumed(2, 3, digest("head in the backup")),
        two_devices(7, 9),
    ];
    let whole = Log::of(&steps);
    good(&whole, &steps, file);
    altered_logs(&whole, &steps, file);
    // Six: three pieces of two.
    pieces(&Log::of(&steps[..6]), &steps[..6], file);
    encodings(&whole, &topic, file);
}

fn good(whole: &Log, steps: &[What<'_>], file: &mut VectorFile) {
    let (none, older) = (Log::default(), Log::of(&steps[..3]));
    let odd = signed("a/+/b\u{200b}", digest("x"));
    let case = |id: &str, comment: &str, log: &Log, known| log.good(id, comment, known);
    table! { case => file:
        "empty": "A log without entries.", &none, None => valid;
        "topic-any": "Any topic, also one with a wildcard and a character without width.",
            &Log::of(&[odd]), None => valid;
        "all": "Every kind of entry.", whole, None => valid;
        "same": "The log that the heartbeat tells of.", whole, Some(whole) => valid;
        "continued": "It went on after the heartbeat.", whole, Some(&older) => valid;
        "from-nothing": "The heartbeat came before the first entry.", whole, Some(&none) => valid;
    }
}

fn altered_logs(whole: &Log, steps: &[What<'_>], file: &mut VectorFile) {
    let with = |change: fn(&mut Vec<Vec<u8>>)| altered(whole, |log| change(&mut log.entries));
    let others = altered(&steps.to_vec(), |steps| steps[4] = removed(8));
    let case = |id: &str, comment: &str, known, log: Log| log.case(id, comment, known);
    table! { case => file:
        "altered": "A time was changed: the next entry does not follow.",
            None, with(|log| log[2][32] ^= 1) => "chain";
        "reordered": "Two entries changed places.", None, with(|log| log.swap(2, 3)) => "chain";
        "left-out": "The removal was left out.", None, with(|log| drop(log.remove(4))) => "chain";
        "twice": "An entry twice.", None, with(|log| log.insert(3, log[3].clone())) => "chain";
        "beginning-cut": "The first entry is missing.", None, with(|log| drop(log.remove(0))) => "chain";
        "cut": "Cut off before what the heartbeat tells of.",
            Some(whole), with(|log| log.truncate(4)) => "shorter";
        "gone": "Nothing is left of it.", Some(whole), Log::default() => "shorter";
        "last-altered": "The last entry was changed: only the heartbeat tells.",
            Some(whole), with(|log| log[6][32] ^= 1) => "other";
        "rewritten": "A whole log, but another removal than the heartbeat's log has.",
            Some(whole), Log::of(&others) => "other";
    }
}

fn encodings(whole: &Log, topic: &str, file: &mut VectorFile) {
    let last = |id: &str, comment: &str, entry: &[u8]| {
        let log = altered(whole, |log| log.raw(entry.to_vec()));
        log.case(id, comment, None).attacks(&["E1"])
    };
    let (previous, at) = (whole.head, 5);
    let next = |what: What<'_>| body(&Entry { previous, at, what });
    let (key, hash) = (public("sensor-7"), digest("x"));
    let right = next(removed(7));
    table! { last => file:
        "empty-entry": "An entry without bytes.", &[] => "encoding";
        "trailing": "A byte behind the entry.", &trailing(&right) => "encoding";
        "truncated": "The last byte is missing.", &right[..right.len() - 1] => "encoding";
        "overlong": "The time is spelled with two bytes.",
            &[&right[..32], &[0x85, 0], &right[33..]].concat() => "encoding";
        "unknown": "There is no such kind of entry.",
            &[&right[..33], &[7], &right[34..]].concat() => "encoding";
        "member-0": "Members begin with 1.", &next(removed(0)) => "encoding";
        "reported-0": "Of no member.", &next(two_devices(0, 9)) => "encoding";
        "reporter-0": "By no member.", &next(two_devices(7, 0)) => "encoding";
        "name": "Not a name.", &next(What::Enrolled { member: MEMBER, key, name: "a b" }) => "encoding";
    }
    // Entry: 32 bytes of hash, one of time, one of kind, two of length, the topic, 32 of hash.
    let longest = "x".repeat(2048 - 32 - 1 - 1 - 2 - 32);
    let at_limit = signed(&longest, hash);
    assert_eq!(next(at_limit).len(), 2048);
    let of_topic =
        |id: &str, comment: &str, topic: &str| last(id, comment, &next(signed(topic, hash)));
    table! { of_topic => file:
        "topic-empty":   "No topic.",                  ""                                       => "encoding";
        "topic-control": "A control character.",       &format!("{topic}\u{1b}[2J")             => "encoding";
        "topic-c1":      "A control character of C1.", &format!("{topic}\u{85}")                => "encoding";
        "topic-delete":  "U+007F.",                    &format!("{topic}\u{7f}")                => "encoding";
        "size":          "Far above 2048 bytes.",      &format!("{topic}/{}", "x".repeat(2048)) => "encoding";
        "2049":          "An entry of 2049 bytes.",    &format!("{longest}x")                   => "encoding";
    }
    let whole_and_longest = altered(whole, |log| log.add(5, at_limit));
    let case = whole_and_longest.good("2048", "An entry of 2048 bytes.", None);
    file.push(case.attacks(&[]));
}

/// Copies in pieces: what is missing, and what is of another log.
fn pieces(whole: &Log, steps: &[What<'_>], file: &mut VectorFile) {
    let case = |id: &str, comment: &str, pieces: &[Vec<u8>]| {
        let pieces = Json::Array(pieces.iter().map(Json::hex).collect());
        AUDIT_LOG.case(&format!("pieces-{id}"), comment, object! { pieces: pieces })
    };
    let good = |id: &str, comment: &str, pieces: &[Vec<u8>]| {
        let entries = Json::Array(whole.decoded.clone());
        let result = object! { log_size: whole.size, log_head: whole.head, entries: entries };
        case(id, comment, pieces).result(result)
    };
    let all = [
        whole.piece(0..2, 6),
        whole.piece(2..4, 6),
        whole.piece(4..6, 6),
    ];
    let with = |change: fn(&mut Vec<Vec<u8>>)| altered(&all.to_vec(), change);
    table! { good => file:
        "three": "Three pieces.", &all => valid;
        "one": "One piece.", &[whole.piece(0..6, 6)] => valid;
        "older": "The first piece is of an older copy of the log.",
            &[whole.piece(0..2, 3), whole.piece(2..6, 6)] => valid;
        "older-end": "The last piece but one was the last one of an older copy.",
            &[whole.piece(0..3, 6), whole.piece(3..5, 5), whole.piece(5..6, 6)] => valid;
    }
    let others = altered(&steps.to_vec(), |steps| steps[1] = removed(8));
    let other = Log::of(&others);
    let last = Log::of(&altered(&steps.to_vec(), |steps| steps[5] = removed(8)));
    table! { case => file:
        "none": "No piece at all.", &[] => "missing";
        "without-first": "The first piece is missing.", &with(|all| drop(all.remove(0))) => "missing";
        "without-second": "A piece is missing.", &with(|all| drop(all.remove(1))) => "missing";
        "without-last": "The last piece is missing.", &with(|all| drop(all.pop())) => "missing";
        "last-of-older": "The last piece is one of an older copy: newer ones say how far the log goes.",
            &[whole.piece(0..2, 6), whole.piece(2..4, 4)] => "missing";
        "swapped": "Two pieces changed places.", &with(|all| all.swap(1, 2)) => "missing";
        "twice": "A piece twice.", &with(|all| all.insert(1, all[0].clone())) => "missing";
        "of-another": "The second piece goes on with another log, whose older copy ended here.",
            &[whole.piece(0..2, 2), other.piece(2..6, 6)] => "other";
        "of-another-size": "The same entries, but the first piece says that the log has another head.",
            &[last.piece(0..2, 6), all[1].clone(), all[2].clone()] => "other";
        "of-another-older": "The older copy was of a log with another end.",
            &[last.piece(0..5, 6), whole.piece(5..6, 6)] => "other";
        "altered": "An entry in the second piece was changed.",
            &[all[0].clone(), altered(whole, |log| log.entries[2][32] ^= 1).piece(2..4, 6), all[2].clone()] => "chain";
        "no-entry": "An entry of no bytes.", &[[&[1][..], &[7; 32], &[0], &blob(&blob(&[]))].concat()] => "encoding";
    }
}
