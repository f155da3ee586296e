//! Kind `object`: policy, filters and the other fields of announcements (spec/keys.md §5,
//! constants.md §3).

use sealmq_keys::{Policy, default_prefix};

use super::announcement::{changed, group, plan};
use super::credential::TOO_LONG_NAME;
use super::objects::{Plan, under_authority};
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

pub(crate) fn vectors(file: &mut VectorFile) {
    let group = group();
    policies(&group, file);
    filters(&group, file);
    let named = |id: &str, name: &'static str| {
        plan(id, "Not a name.", changed(&group, |d| d.name = name)).attacks(&["B16"])
    };
    table! { named => file:
        "name-empty":    ""            => "field";
        "name-space":    "a b"         => "field";
        "name-too-long": TOO_LONG_NAME => "field";
    }
    table! { plan => file:
        "not-after": "not_after is issued_at.",
            changed(&group, |d| (d.issued_at, d.not_after) = (NOW, NOW)) => "field";
        "refused-named": "A refused list is named.",
            changed(&group, |d| d.refused = digest("a list")) => valid;
    }
}

fn policies(group: &Group, file: &mut VectorFile) {
    let lowest = |p: &mut Policy| {
        (p.window, p.grace, p.skew, p.will_age) = (0, 0, 0, 0);
        (p.session_messages, p.session_bytes, p.session_seconds) = (1, 1024, 60);
        p.kept = 0;
    };
    let highest = |p: &mut Policy| {
        (p.window, p.lease, p.skew) = (16, 0, 86_400);
        (p.grace, p.freshness, p.will_age) = (1 << 31, 1 << 31, 1 << 31);
        (p.padding, p.bucket) = (2, 65_536);
        (p.session_messages, p.session_bytes, p.session_seconds) =
            ((1 << 21) - 1, 1 << 36, 604_800);
        p.kept = 64;
    };
    let with = |id: &str, comment: &'static str, change: fn(&mut Policy)| {
        plan(id, comment, changed(group, |d| change(&mut d.policy)))
    };
    table! { with, [.spec("constants.md §3")] => file:
        "policy-lowest": "Every number at its lower limit.", lowest => valid;
        "policy-highest": "Every number at its upper limit.", highest => valid;
        "policy-padme": "Padmé.", |p| p.padding = 1 => valid;
        "policy-bucket-16": "The smallest bucket.", |p| (p.padding, p.bucket) = (2, 16) => valid;
        "policy-window-17":              "A window of 17 epochs.",           |p| p.window = 17 => "field";
        "policy-grace":                  "grace above 2^31.",                |p| p.grace = (1 << 31) + 1 => "field";
        "policy-freshness":              "freshness above 2^31.",            |p| p.freshness = (1 << 31) + 1 => "field";
        "policy-skew":                   "skew above a day.",                |p| p.skew = 86_401 => "field";
        "policy-padding-3":              "An unknown kind of padding.",      |p| p.padding = 3 => "field";
        "policy-bucket-0":               "Buckets of no size.",              |p| p.padding = 2 => "field";
        "policy-bucket-15":              "Buckets of 15 bytes.",             |p| (p.padding, p.bucket) = (2, 15) => "field";
        "policy-bucket-too-large":       "Buckets of 65537 bytes.",          |p| (p.padding, p.bucket) = (2, 65_537) => "field";
        "policy-bucket-without-padding": "A bucket without bucket padding.", |p| p.bucket = 16 => "field";
        "policy-bucket-with-padme":      "A bucket with Padmé.",             |p| (p.padding, p.bucket) = (1, 16) => "field";
        "policy-messages-0":             "Sessions without messages.",       |p| p.session_messages = 0 => "field";
        "policy-messages-too-many":      "2^21 messages.",                   |p| p.session_messages = 1 << 21 => "field";
        "policy-bytes-too-few":          "1023 bytes.",                      |p| p.session_bytes = 1023 => "field";
        "policy-bytes-too-many":         "2^36 + 1 bytes.",                  |p| p.session_bytes = (1 << 36) + 1 => "field";
        "policy-seconds-too-few":        "59 seconds.",                      |p| p.session_seconds = 59 => "field";
        "policy-seconds-too-many":       "A week and a second.",             |p| p.session_seconds = 604_801 => "field";
        "policy-lease-too-short":        "A lease of 9 seconds.",            |p| p.lease = 9 => "field";
        "policy-lease-too-long":         "A lease above 2^31.",              |p| p.lease = (1 << 31) + 1 => "field";
        "policy-will-age":               "will_age above 2^31.",             |p| p.will_age = (1 << 31) + 1 => "field";
        "policy-kept-64":                "The most kept epochs.",            |p| p.kept = 64 => valid;
        "policy-kept-65":                "A kept epoch too many.",           |p| p.kept = 65 => "field";
        "policy-kept-255":               "The highest number of a byte.",    |p| p.kept = 255 => "field";
    }
    table! { with, [.spec("keys.md §8")] => file:
        "policy-lease-10": "A lease, in seconds.", |p| p.lease = 10 => valid;
        "policy-lease-max": "A lease, in seconds.", |p| p.lease = 1 << 31 => valid;
    }
}

fn filters(group: &Group, file: &mut VectorFile) {
    let with = |filters: &[&str]| {
        changed(group, |d| {
            d.filters = filters.iter().map(|f| (*f).to_owned()).collect()
        })
    };
    let prefix = default_prefix(&domain());
    let under = |rest: &str| format!("{prefix}{rest}");
    let near = [
        &under("x/#"),
        "_sealmq",
        "_sealmq/x",
        "+",
        "+/x/delegation",
        "/#",
    ];
    let not_filter = |id: &str, filter: &str| plan(id, "Not a filter.", with(&["plant/#", filter]));
    let reserved = |id: &str, filter: &str| {
        let comment = "It matches the reserved prefix, or topics below it.";
        plan(id, comment, with(&["plant/#", filter]))
    };
    table! { plan => file:
        "filters-32": "32 filters.", with(&["a"; 32]) => valid;
        "filters-1024": "1024 bytes of filters, as encoded.", with(&[&"x".repeat(1022)]) => valid;
        "filters-near-reserved": "Filters that come close to the reserved topics.", with(&near) => valid;
        "filters-none": "No filter.", with(&[]) => "field";
        "filters-33": "33 filters.", with(&["a"; 33]) => "field";
        "filters-1025": "1025 bytes of filters, as encoded.", with(&[&"x".repeat(1023)]) => "field";
    }
    table! { not_filter => file:
        "filters-empty":         ""      => "field";
        "filters-hash-not-last": "a/#/b" => "field";
        "filters-plus-in-level": "a+"    => "field";
        "filters-nul":           "a\0"   => "field";
    }
    table! { plan => file:
        "filters-system": "A filter for system topics.",         with(&["$SYS/#"])     => "field";
        "filters-share":  "A shared subscription is no filter.", with(&["$share/g/a"]) => "field";
    }
    table! { reserved => file:
        "filters-reserved-all":           "#"                     => "field";
        "filters-reserved-two-levels":    "+/#"                   => "field";
        "filters-reserved-sealmq":        "_sealmq/#"             => "field";
        "filters-reserved-prefix":        &under("/#")            => "field";
        "filters-reserved-literal":       &under("/delegation")   => "field";
        "filters-reserved-prefix-itself": &prefix                 => "field";
        "filters-reserved-prefix-plus":   "_sealmq/+"             => "field";
        "filters-reserved-deeper":        &under("/m/+/packages") => "field";
        "filters-reserved-wildcards":     "+/+/delegation"        => "field";
        "filters-reserved-three-levels":  "+/+/+"                 => "field";
    }
    let below = |prefix: &str| under_authority().with("prefix", Json::text(prefix));
    table! { Plan::of("announcement", below("plant/keys")) => file:
        "filters-own-prefix": "A prefix of its own that the filter matches.", with(&["plant/#"]) => "field";
    }
    table! { Plan::of("announcement", below("site/x/keys")) => file:
        "filters-default-prefix-free": "With another prefix the default one is an ordinary topic.",
            with(&["+/+/delegation"]) => valid;
    }
}
