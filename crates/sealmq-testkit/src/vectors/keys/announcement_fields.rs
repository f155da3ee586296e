//! Kind `object`: policy, filters and the other fields of announcements (spec/keys.md §5,
//! constants.md §3).

use sealmq_keys::{Policy, default_prefix};

use super::announcement::{changed, group, plan};
use super::credential::TOO_LONG_NAME;
use super::objects::Plan;
use crate::vectors::prelude::*;

pub(crate) fn vectors(file: &mut VectorFile) {
    let group = group();
    policies(&group, file);
    filters(&group, file);
    for (id, name) in [("empty", ""), ("space", "a b"), ("too-long", TOO_LONG_NAME)] {
        plan(
            &format!("name-{id}"),
            "Not a name.",
            changed(&group, |d| d.name = name),
        )
        .attacks(&["B16"])
        .invalid(file, "field");
    }
    table! { plan => file:
        "not-after": "not_after is issued_at.",
            changed(&group, |d| (d.issued_at, d.not_after) = (NOW, NOW)) => "field";
        "refused-named": "A refused list is named.",
            changed(&group, |d| d.refused = digest("a list")) => valid;
    }
}

type Change = fn(&mut Policy);

fn policies(group: &crate::vectors::group::Group, file: &mut VectorFile) {
    let lowest: Change = |p| {
        *p = Policy {
            window: 0,
            grace: 0,
            skew: 0,
            session_messages: 1,
            session_bytes: 1024,
            session_seconds: 60,
            will_age: 0,
            ..*p
        };
    };
    let highest: Change = |p| {
        *p = Policy {
            window: 16,
            lease: 0,
            grace: 1 << 31,
            freshness: 1 << 31,
            skew: 86_400,
            padding: 2,
            bucket: 65_536,
            session_messages: (1 << 21) - 1,
            session_bytes: 1 << 36,
            session_seconds: 604_800,
            will_age: 1 << 31,
        };
    };
    let good: [(&str, &str, Change); 4] = table! {
        "lowest":    "Every number at its lower limit.", lowest;
        "highest":   "Every number at its upper limit.", highest;
        "padme":     "Padmé.",                           |p| p.padding = 1;
        "bucket-16": "The smallest bucket.",             |p| (p.padding, p.bucket) = (2, 16);
    };
    for (id, comment, change) in good {
        plan(
            &format!("policy-{id}"),
            comment,
            changed(group, |d| change(&mut d.policy)),
        )
        .spec("constants.md §3")
        .valid(file);
    }
    let bad: [(&str, &str, Change); 19] = table! {
        "window-17":              "A window of 17 epochs.",           |p| p.window = 17;
        "grace":                  "grace above 2^31.",                |p| p.grace = (1 << 31) + 1;
        "freshness":              "freshness above 2^31.",            |p| p.freshness = (1 << 31) + 1;
        "skew":                   "skew above a day.",                |p| p.skew = 86_401;
        "padding-3":              "An unknown kind of padding.",      |p| p.padding = 3;
        "bucket-0":               "Buckets of no size.",              |p| p.padding = 2;
        "bucket-15":              "Buckets of 15 bytes.",             |p| (p.padding, p.bucket) = (2, 15);
        "bucket-too-large":       "Buckets of 65537 bytes.",          |p| (p.padding, p.bucket) = (2, 65_537);
        "bucket-without-padding": "A bucket without bucket padding.", |p| p.bucket = 16;
        "bucket-with-padme":      "A bucket with Padmé.",             |p| (p.padding, p.bucket) = (1, 16);
        "messages-0":             "Sessions without messages.",       |p| p.session_messages = 0;
        "messages-too-many":      "2^21 messages.",                   |p| p.session_messages = 1 << 21;
        "bytes-too-few":          "1023 bytes.",                      |p| p.session_bytes = 1023;
        "bytes-too-many":         "2^36 + 1 bytes.",                  |p| p.session_bytes = (1 << 36) + 1;
        "seconds-too-few":        "59 seconds.",                      |p| p.session_seconds = 59;
        "seconds-too-many":       "A week and a second.",             |p| p.session_seconds = 604_801;
        "lease-too-short":        "A lease of 9 seconds.",            |p| p.lease = 9;
        "lease-too-long":         "A lease above 2^31.",              |p| p.lease = (1 << 31) + 1;
        "will-age":               "will_age above 2^31.",             |p| p.will_age = (1 << 31) + 1;
    };
    for (id, comment, change) in bad {
        plan(
            &format!("policy-{id}"),
            comment,
            changed(group, |d| change(&mut d.policy)),
        )
        .spec("constants.md §3")
        .invalid(file, "field");
    }
    for (id, lease) in [("lease-10", 10), ("lease-max", 1 << 31)] {
        plan(
            &format!("policy-{id}"),
            "A lease, in seconds.",
            changed(group, |d| d.policy.lease = lease),
        )
        .spec("keys.md §8")
        .valid(file);
    }
}

fn filters(group: &crate::vectors::group::Group, file: &mut VectorFile) {
    let with = |filters: &[&str]| {
        changed(group, |d| {
            d.filters = filters.iter().map(|f| (*f).to_owned()).collect()
        })
    };
    let prefix = default_prefix(&domain());
    let near = [
        format!("{prefix}x/#"),
        "_sealmq".to_owned(),
        "_sealmq/x".to_owned(),
        "+".to_owned(),
        "+/x/delegation".to_owned(),
        "/#".to_owned(),
    ];
    table! { plan => file:
        "filters-32": "32 filters.", with(&(0..32).map(|_| "a").collect::<Vec<_>>()) => valid;
        "filters-1024": "1024 bytes of filters, as encoded.", with(&[&"x".repeat(1022)]) => valid;
        "filters-near-reserved": "Filters that come close to the reserved topics.",
            with(&near.each_ref().map(String::as_str)) => valid;
    }
    let mut bad = |id: &str, comment: &str, filters: &[&str]| {
        plan(&format!("filters-{id}"), comment, with(filters)).invalid(file, "field");
    };
    table! { bad:
        "none": "No filter.",                         &[];
        "33":   "33 filters.",                        &["a"; 33];
        "1025": "1025 bytes of filters, as encoded.", &[&"x".repeat(1023)];
    }
    for (id, filter) in [
        ("empty", ""),
        ("hash-not-last", "a/#/b"),
        ("plus-in-level", "a+"),
        ("nul", "a\0"),
    ] {
        bad(id, "Not a filter.", &["plant/#", filter]);
    }
    table! { bad:
        "system": "A filter for system topics.",         &["$SYS/#"];
        "share":  "A shared subscription is no filter.", &["$share/g/a"];
    }
    let reserved = [
        ("all", "#".to_owned()),
        ("two-levels", "+/#".to_owned()),
        ("sealmq", "_sealmq/#".to_owned()),
        ("prefix", format!("{prefix}/#")),
        ("literal", format!("{prefix}/delegation")),
        ("prefix-itself", prefix.clone()),
        ("prefix-plus", "_sealmq/+".to_owned()),
        ("deeper", format!("{prefix}/m/+/packages")),
        ("wildcards", "+/+/delegation".to_owned()),
        ("three-levels", "+/+/+".to_owned()),
    ];
    for (id, filter) in &reserved {
        bad(
            &format!("reserved-{id}"),
            "It matches the reserved prefix, or topics below it.",
            &["plant/#", filter],
        );
    }
    let context = || {
        object! { authority: authority_json(&authority(1)), prefix: "plant/keys" }
    };
    table! { Plan::of("announcement", context()) => file:
        "filters-own-prefix": "A prefix of its own that the filter matches.", with(&["plant/#"]) => "field";
    }
    table! { Plan::of("announcement", context().with("prefix", Json::text("site/x/keys"))) => file:
        "filters-default-prefix-free": "With another prefix the default one is an ordinary topic.",
            with(&["+/+/delegation"]) => valid;
    }
}
