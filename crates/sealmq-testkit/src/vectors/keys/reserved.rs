//! Kind `reserved_topic`: the topics of spec/keys.md §9, to write and to read.

use sealmq_keys::{Fingerprint, MAX_PREFIX_LEN, ReservedTopic, default_prefix};

use crate::vectors::prelude::*;

const TOPIC: Series = Series::new("reserved_topic", "topic-", &["keys.md §9"]);
const MEMBER: MemberNumber = MemberNumber(7);
const LAST_MEMBER: MemberNumber = MemberNumber((1 << 28) - 1);

/// A topic as the vectors say it.
pub(crate) fn described(topic: &ReservedTopic) -> Json {
    let what = |what: &str| object! { what: what };
    let of_member = |kind: &str, member: &MemberNumber| what(kind).with("member", member.0);
    let of_group = |kind: &str, group: &GroupId| what(kind).with("group", group.0);
    match topic {
        ReservedTopic::Delegation => what("delegation"),
        ReservedTopic::Credential(member) => of_member("credential", member),
        ReservedTopic::Welcome(member, group) => {
            of_member("welcome", member).with("group", group.0)
        }
        ReservedTopic::Confirm(member) => of_member("confirmation", member),
        ReservedTopic::Packages(member) => of_member("packages", member),
        ReservedTopic::NonceAnswer(member, group) => {
            of_member("nonce_answer", member).with("group", group.0)
        }
        ReservedTopic::Announcement(group, epoch) => {
            of_group("announcement", group).with("epoch", *epoch)
        }
        ReservedTopic::Chunk(group, epoch, chunk) => of_group("chunk", group)
            .with("epoch", *epoch)
            .with("chunk", *chunk),
        ReservedTopic::RefusedList(group) => of_group("refused_list", group),
        ReservedTopic::RefusedChunk(group, first) => {
            of_group("refused_chunk", group).with("member", first.0)
        }
        ReservedTopic::KeptKeys(group) => of_group("kept_keys", group),
        ReservedTopic::Heartbeat(group) => of_group("heartbeat", group),
        ReservedTopic::Nonce(group, member) => of_group("nonce", group).with("member", member.0),
        ReservedTopic::SessionRecord(group, member) => {
            of_group("session_record", group).with("member", member.0)
        }
        ReservedTopic::Join(of) => what("join").with("fingerprint", of.0),
        ReservedTopic::Answer(of) => what("answer").with("fingerprint", of.0),
    }
}

/// The table's "at most", in bytes.
const fn at_most(topic: &ReservedTopic) -> u32 {
    match topic {
        ReservedTopic::Announcement(..)
        | ReservedTopic::RefusedList(_)
        | ReservedTopic::Join(_) => 65_536,
        ReservedTopic::Packages(_) => 16_384,
        ReservedTopic::Chunk(..) | ReservedTopic::RefusedChunk(..) => 8216,
        ReservedTopic::Delegation
        | ReservedTopic::KeptKeys(_)
        | ReservedTopic::Credential(_)
        | ReservedTopic::Confirm(_)
        | ReservedTopic::SessionRecord(..)
        | ReservedTopic::Answer(_) => 8192,
        ReservedTopic::Welcome(..) => 4096,
        ReservedTopic::NonceAnswer(..) | ReservedTopic::Heartbeat(_) => 1024,
        ReservedTopic::Nonce(..) => 256,
    }
}

pub(crate) fn vectors(file: &mut VectorFile) {
    good(file);
    bad(file);
}

fn good(file: &mut VectorFile) {
    let of = Fingerprint::of_bytes(&public("sensor-7"));
    let (group, hex) = (plant(), plant());
    let prefix = default_prefix(&domain());
    let longest = "x".repeat(MAX_PREFIX_LEN);
    let case = |id: &str, comment: &str, topic: ReservedTopic, own: Option<&str>, name: &str| {
        let mut input = described(&topic).with("domain", domain().0);
        if let Some(own) = own {
            input = input.with("prefix", Json::text(own));
        }
        let name = format!("{}/{name}", own.unwrap_or(&prefix));
        let result = object! { topic: name, at_most: at_most(&topic) };
        TOPIC.case(id, comment, input).result(result)
    };
    let of_default = |id: &str, topic: ReservedTopic, name: String| {
        case(id, "A topic under the domain's prefix.", topic, None, &name)
    };
    table! { of_default => file:
        "delegation": ReservedTopic::Delegation, "delegation".to_owned() => valid;
        "credential": ReservedTopic::Credential(MEMBER), "m/7/credential".to_owned() => valid;
        "welcome": ReservedTopic::Welcome(LAST_MEMBER, group), format!("m/268435455/w/{hex}") => valid;
        "confirmation": ReservedTopic::Confirm(MEMBER), "m/7/confirm".to_owned() => valid;
        "packages": ReservedTopic::Packages(LAST_MEMBER), "m/268435455/packages".to_owned() => valid;
        "nonce-answer": ReservedTopic::NonceAnswer(MEMBER, group), format!("m/7/n/{hex}") => valid;
        "announcement": ReservedTopic::Announcement(group, 12), format!("g/{hex}/a/12") => valid;
        "announcement-large": ReservedTopic::Announcement(group, u64::MAX),
            format!("g/{hex}/a/18446744073709551615") => valid;
        "chunk": ReservedTopic::Chunk(group, 12, 0), format!("g/{hex}/c/12/0") => valid;
        "chunk-large": ReservedTopic::Chunk(group, u64::MAX, u32::MAX),
            format!("g/{hex}/c/18446744073709551615/4294967295") => valid;
        "refused-list": ReservedTopic::RefusedList(group), format!("g/{hex}/r") => valid;
        "refused-chunk": ReservedTopic::RefusedChunk(group, MEMBER), format!("g/{hex}/r/7") => valid;
        "refused-chunk-last": ReservedTopic::RefusedChunk(group, LAST_MEMBER),
            format!("g/{hex}/r/268435455") => valid;
        "kept-keys": ReservedTopic::KeptKeys(group), format!("g/{hex}/k") => valid;
        "heartbeat": ReservedTopic::Heartbeat(group), format!("g/{hex}/hb") => valid;
        "nonce": ReservedTopic::Nonce(group, MEMBER), format!("g/{hex}/n/7") => valid;
        "session-record": ReservedTopic::SessionRecord(group, MEMBER), format!("g/{hex}/s/7") => valid;
        "join": ReservedTopic::Join(of), format!("join/{of}") => valid;
        "answer": ReservedTopic::Answer(of), format!("answer/{of}") => valid;
    }
    let umlauts = "\u{e4}".repeat(512);
    let own = |id: &str, comment: &str, own: &str| {
        case(
            id,
            comment,
            ReservedTopic::Delegation,
            Some(own),
            "delegation",
        )
    };
    table! { own => file:
        "prefix":               "A prefix of its own.",             "site/x/keys" => valid;
        "prefix-1024-bytes":    "512 characters of two bytes.",     &umlauts      => valid;
        "prefix-leading-slash": "A prefix may begin with a slash.", "/site"       => valid;
        "prefix-1024":          "The longest prefix.",              &longest      => valid;
    }
}

fn bad(file: &mut VectorFile) {
    let hex = plant();
    let of = Fingerprint::of_bytes(&public("sensor-7"));
    let prefix = default_prefix(&domain());
    let case = |id: &str, comment: &str, topic: String| {
        let input = object! { topic: Json::text(topic), domain: domain().0 };
        TOPIC.case(id, comment, input).attacks(&["B4"])
    };
    let below = |id: &str, comment: &str, name: &str| case(id, comment, format!("{prefix}/{name}"));
    let upper = hex.to_string().to_uppercase();
    table! { below => file:
        "delegation-below": "A level below.", "delegation/x" => "field";
        "delegation-case": "Another letter.", "Delegation" => "field";
        "credential-below": "A level below.", "m/7/credential/" => "field";
        "credential-member-0": "No member has the number 0.", "m/0/credential" => "field";
        "credential-zero": "A leading zero.", "m/07/credential" => "field";
        "credential-sign": "A sign.", "m/+7/credential" => "field";
        "credential-no-member": "No number.", "m//credential" => "field";
        "credential-member-large": "Above 2^28 - 1.", "m/268435456/credential" => "field";
        "welcome-no-group": "No group.", "m/7/w" => "field";
        "welcome-upper-case": "Hex in upper case.", &format!("m/7/w/{upper}") => "field";
        "welcome-33-digits": "A digit too many.", &format!("m/7/w/{hex}0") => "field";
        "confirmation-below": "A level below.", "m/7/confirm/x" => "field";
        "confirmation-member": "Not a number.", "m/x/confirm" => "field";
        "packages-below": "A level below.", "m/7/packages/1" => "field";
        "nonce-answer-31-digits": "A digit too few.", &format!("m/7/n/{}", &hex.to_string()[1..]) => "field";
        "announcement-no-epoch": "No epoch.", &format!("g/{hex}/a") => "field";
        "announcement-zero": "A leading zero.", &format!("g/{hex}/a/012") => "field";
        "announcement-epoch-large": "2^64.", &format!("g/{hex}/a/18446744073709551616") => "field";
        "announcement-below": "A level below.", &format!("g/{hex}/a/12/x") => "field";
        "chunk-no-number": "No number.", &format!("g/{hex}/c/12") => "field";
        "chunk-zero": "A leading zero.", &format!("g/{hex}/c/12/00") => "field";
        "chunk-large-number": "2^32.", &format!("g/{hex}/c/12/4294967296") => "field";
        "refused-list-below": "A level below, empty.", &format!("g/{hex}/r/") => "field";
        "refused-chunk-0": "No member has the number 0.", &format!("g/{hex}/r/0") => "field";
        "refused-chunk-zero": "A leading zero.", &format!("g/{hex}/r/07") => "field";
        "refused-chunk-large": "Above 2^28 - 1.", &format!("g/{hex}/r/268435456") => "field";
        "refused-chunk-below": "A level below.", &format!("g/{hex}/r/7/1") => "field";
        "refused-list-group": "Not a group.", "g/plant/r" => "field";
        "kept-keys-longer": "A level below.", &format!("g/{hex}/k/1") => "field";
        "kept-keys-group": "Not a group.", "g/plant/k" => "field";
        "kept-keys-letter": "A longer last level.", &format!("g/{hex}/kk") => "field";
        "heartbeat-below": "A level below.", &format!("g/{hex}/hb/1") => "field";
        "nonce-member-0": "No member has the number 0.", &format!("g/{hex}/n/0") => "field";
        "nonce-no-member": "No member.", &format!("g/{hex}/n") => "field";
        "join-short": "A digit too few.", &format!("join/{}", &of.to_string()[1..]) => "field";
        "announcement-digits": "Digits of another script.", &format!("g/{hex}/a/1\u{662}") => "field";
        "join-64-digits": "The whole hash.", &format!("join/{of}{of}") => "field";
        "join-below": "A level below.", &format!("join/{of}/x") => "field";
        "join-none": "No fingerprint.", "join" => "field";
        "answer-upper-case": "Hex in upper case.",
            &format!("answer/{}", of.to_string().to_uppercase()) => "field";
        "answer-empty": "An empty fingerprint.", "answer/" => "field";
        "session-record-member-0": "No member has the number 0.", &format!("g/{hex}/s/0") => "field";
        "session-record-below": "A level below.", &format!("g/{hex}/s/7/001122334455") => "field";
        "unknown": "Nothing in this version.", "z" => "field";
    }
    let mut other = prefix.clone();
    let last = if prefix.ends_with('0') { '1' } else { '0' };
    other.replace_range(other.len() - 1.., &last.to_string());
    table! { case => file:
        "outside": "Another prefix.", format!("{prefix}x/delegation") => "field";
        "outside-no-slash": "Another prefix, whose rest looks like one.",
            format!("{prefix}xdelegation") => "field";
        "outside-same-length": "The prefix of another domain.", format!("{other}/delegation") => "field";
        "prefix-alone": "The prefix itself.", prefix.clone() => "field";
    }
    let own = |id: &str, comment: &str, own: String| {
        let input = object! { topic: Json::text(format!("{own}/delegation")), domain: domain().0 };
        TOPIC
            .case(id, comment, input.with("prefix", Json::text(own)))
            .attacks(&["B4"])
    };
    table! { own => file:
        "prefix-1025":       "A prefix of 1025 bytes.",          "x".repeat(MAX_PREFIX_LEN + 1) => "field";
        "prefix-system":     "A prefix for system topics.",      "$SYS/x".to_owned()            => "field";
        "prefix-slash":      "A prefix that ends with a slash.", "site/".to_owned()             => "field";
        "prefix-filter":     "A filter for a prefix.",           "site/+".to_owned()            => "field";
        "prefix-empty":      "An empty prefix.",                 String::new()                  => "field";
        "prefix-1026-bytes": "513 characters of two bytes.",     "\u{e4}".repeat(513)           => "field";
    }
}
