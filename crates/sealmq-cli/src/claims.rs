//! The times of spec/claims.md are what this program's defaults give.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::Path;

use clap::Parser as _;
use sealmq_keys::member::MemberOptions;

use crate::args::{Cli, Command, GroupCommand, MemberCommand, TokenCommand};
use crate::authority::groups::new_group;

fn parsed(line: &str) -> Command {
    Cli::try_parse_from(line.split(' ')).unwrap().command
}

/// Everything that a formula may name, in seconds but for counts.
fn defaults() -> BTreeMap<&'static str, u64> {
    let Command::Group(GroupCommand::Add(group)) = parsed("sealmq group add g --topic t") else {
        panic!("another command")
    };
    let Command::Init(init) = parsed("sealmq init") else {
        panic!("another command")
    };
    let Command::Member(MemberCommand::Add(member)) = parsed("sealmq member add r --publish g")
    else {
        panic!("another command")
    };
    let token = "sealmq token create --group g --role publish";
    let Command::Token(TokenCommand::Create(token)) = parsed(token) else {
        panic!("another command")
    };
    let new = new_group(&group);
    let (policy, schedule) = (new.policy, new.schedule);
    BTreeMap::from([
        ("window", policy.window.into()),
        ("lease", policy.lease.into()),
        ("grace", policy.grace.into()),
        ("skew", policy.skew.into()),
        ("will_age", policy.will_age.into()),
        ("validity", schedule.validity),
        ("rotate_every", schedule.rotate_every),
        ("coalesce", schedule.coalesce),
        ("generation_every", schedule.generation_every),
        ("migration", schedule.migration),
        ("delegation_days", u64::from(init.delegation_days) * 86_400),
        ("days", u64::from(member.membership.days) * 86_400),
        ("ttl", token.ttl),
        (
            "persist_every",
            MemberOptions::default().replay_persist_every.into(),
        ),
    ])
}

/// A formula: sums of products of names, numbers and sums in parentheses.
struct Formula<'a> {
    words: Vec<&'a str>,
    at: usize,
    values: &'a BTreeMap<&'static str, u64>,
}

impl<'a> Formula<'a> {
    fn value(text: &'a str, values: &'a BTreeMap<&'static str, u64>) -> u64 {
        let spaced = text.split_inclusive(['(', ')', ' ']);
        let words = spaced.flat_map(|part| match part.strip_suffix(['(', ')']) {
            Some(word) => vec![word, &part[word.len()..]],
            None => vec![part.trim()],
        });
        let words = words.filter(|word| !word.is_empty()).collect();
        let mut formula = Self {
            words,
            at: 0,
            values,
        };
        let value = formula.sum();
        assert_eq!(formula.at, formula.words.len(), "{text}");
        value
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }

    fn sum(&mut self) -> u64 {
        let mut value = self.product();
        while self.takes("+") {
            value += self.product();
        }
        value
    }

    fn product(&mut self) -> u64 {
        let mut value = self.factor();
        while self.takes("·") {
            value *= self.factor();
        }
        value
    }

    fn factor(&mut self) -> u64 {
        if self.takes("(") {
            let value = self.sum();
            assert!(self.takes(")"), "{:?}", self.words);
            return value;
        }
        let word = self.words[self.at];
        self.at += 1;
        let known = self.values.get(word).copied();
        known.unwrap_or_else(|| word.parse().unwrap_or_else(|_| panic!("no default {word}")))
    }
}

/// `7 d 1 h 5 min`, `64 messages`, or `at once`.
fn stated(text: &str) -> u64 {
    if text == "at once" {
        return 0;
    }
    let words: Vec<&str> = text.split(' ').collect();
    let parts = words.chunks(2).map(|part| {
        let unit = match part[1] {
            "s" | "messages" => 1,
            "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            other => panic!("unit {other} in {text}"),
        };
        part[0].parse::<u64>().unwrap() * unit
    });
    parts.sum()
}

#[test]
fn every_time_is_what_the_defaults_give() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/claims.md");
    let text = std::fs::read_to_string(path).unwrap();
    let values = defaults();
    let mut used = String::new();
    let mut rows = 0;
    for row in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        if cells.get(3) == Some(&"time") {
            continue;
        }
        assert_eq!(cells.len(), 6, "{row}");
        let (formula, default) = (cells[3], cells[4]);
        if formula == "–" {
            assert_eq!(default, "no bound", "{row}");
            continue;
        }
        let formula = formula.trim_matches('`');
        assert_eq!(Formula::value(formula, &values), stated(default), "{row}");
        used.push_str(formula);
        rows += 1;
    }
    assert!(rows > 30, "{rows} rows");
    for name in values.keys() {
        assert!(used.contains(name), "no claim depends on {name}");
    }
}

#[test]
fn formulas() {
    let values = BTreeMap::from([("a", 2), ("b_c", 3)]);
    for (text, value) in [
        ("0", 0),
        ("a", 2),
        ("a + b_c + 1", 6),
        ("(a + 1) · b_c + a", 11),
        ("2 · a · (1 + b_c)", 16),
    ] {
        assert_eq!(Formula::value(text, &values), value, "{text}");
    }
    assert_eq!(stated("7 d 1 h 5 min"), 608_700);
}
