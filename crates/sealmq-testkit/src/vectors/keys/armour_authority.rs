//! Kind `armour`: what goes between the authority and the root, and the log (spec/keys.md §11, §13).

use sealmq_authority::{
    DelegationRequest, What, encode_audit_log, encode_delegation, encode_delegation_request,
};
use sealmq_core::crypto::{KemId, RecipientKeyPair};
use sealmq_keys::{DelegatedKemKey, DelegatedKey, KEM_X25519, KEM_XWING, encode_request};

use super::audit::Log;
use crate::vectors::craft::blob;
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{
    body, delegated, delegation, digest, domain, elements, key_package, secret,
};

const DELEGATION: &str = "SEALMQ DELEGATION";
const REQUEST: &str = "SEALMQ DELEGATION REQUEST";
const LOG: &str = "SEALMQ AUDIT LOG";

/// Any content under any label.
fn pem(label: &str, content: &[u8]) -> String {
    encode_request(content)
        .unwrap()
        .replace("SEALMQ REQUEST", label)
}

fn spec(label: &str) -> &'static [&'static str] {
    if label == LOG {
        &["keys.md §13"]
    } else {
        &["keys.md §11"]
    }
}

/// What asks for a delegation, before it is encoded: right or wrong.
#[derive(Clone)]
struct Wanted {
    suite: u8,
    keys: Vec<u8>,
    kem_keys: Vec<(u16, Vec<u8>)>,
}

impl Wanted {
    fn of(suite: u8) -> Self {
        let (kem, id) = match suite {
            2 => (KemId::XWing, KEM_XWING),
            _ => (KemId::X25519, KEM_X25519),
        };
        let pair = RecipientKeyPair::derive(kem, &secret("kem key of the authority"));
        let kem_keys = vec![(id, pair.public().as_bytes().to_vec())];
        Self {
            suite,
            keys: elements(&delegated(1)),
            kem_keys,
        }
    }

    fn content(&self) -> Vec<u8> {
        let entry = |(kem, key): &(u16, Vec<u8>)| body(&DelegatedKemKey { kem: *kem, key });
        let kem_keys: Vec<u8> = self.kem_keys.iter().flat_map(entry).collect();
        [
            &domain().0[..],
            &[self.suite],
            &blob(&self.keys),
            &blob(&kem_keys),
        ]
        .concat()
    }

    fn fields(&self, keys: &[DelegatedKey]) -> Json {
        let keys = keys
            .iter()
            .map(|k| object! { key: k.key, roles: body(&k.roles)[0] });
        let kem_keys = self.kem_keys.iter();
        let kem_keys = kem_keys.map(|(kem, key)| object! { kem: *kem, key: Json::hex(key) });
        object! {
            domain: domain().0, suite: self.suite, keys: Json::Array(keys.collect()),
            kem_keys: Json::Array(kem_keys.collect()),
        }
    }
}

pub(crate) fn vectors(file: &mut VectorFile) {
    good(file);
    bad(file);
}

/// Two entries: enough for a list.
fn log() -> Log {
    let hash = digest("delegation 1");
    let member = sealmq_core::MemberNumber(7);
    Log::of(&[
        What::Delegation { serial: 1, hash },
        What::Removed { member },
    ])
}

fn good(file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, text: String, label: &str, result: Json| {
        let input = object! { text: text, label: label };
        let id = format!("armour-{id}");
        file.push(Vector::valid("armour", id, comment, spec(label), input).result(result));
    };
    let text = encode_delegation(&delegation(1)).unwrap();
    let result = object! { bytes: Json::hex(delegation(1)) };
    push("delegation", "The root's answer.", text, DELEGATION, result);
    for suite in [1, 2] {
        let mut wanted = Wanted::of(suite);
        let keys = delegated(1);
        if suite == 1 {
            wanted.kem_keys.clear();
        }
        let real = DelegationRequest {
            domain: domain(),
            suite,
            keys: keys.clone(),
            kem_keys: wanted.kem_keys.clone(),
        };
        let text = encode_delegation_request(&real).unwrap();
        let result = object! { bytes: Json::hex(wanted.content()), fields: wanted.fields(&keys) };
        let comment = if suite == 1 {
            "Two keys, and none for join requests."
        } else {
            "Of suite 2."
        };
        push(
            &format!("delegation-request-suite-{suite}"),
            comment,
            text,
            REQUEST,
            result,
        );
    }
    let mut wanted = Wanted::of(1);
    let (kem, key) = wanted.kem_keys[0].clone();
    wanted.kem_keys = (0..4).map(|_| (kem, key.clone())).collect();
    let real = DelegationRequest {
        domain: domain(),
        suite: 1,
        keys: delegated(1),
        kem_keys: wanted.kem_keys.clone(),
    };
    let text = encode_delegation_request(&real).unwrap();
    let fields = wanted.fields(&delegated(1));
    let result = object! { bytes: Json::hex(wanted.content()), fields: fields };
    table! { push:
        "delegation-request-4-kem-keys": "The most keys for join requests.", text, REQUEST, result;
    }
    for (id, comment, log) in [
        ("empty", "A log without entries.", Log::default()),
        ("two", "Two entries.", log()),
    ] {
        let text = encode_audit_log(log.entries.iter().map(Vec::as_slice)).unwrap();
        let list: Vec<u8> = log.entries.iter().flat_map(|entry| blob(entry)).collect();
        let entries = log.entries.iter().map(Json::hex).collect();
        let result = object! {
            bytes: Json::hex(blob(&list)), fields: object! { entries: Json::Array(entries) },
        };
        push(&format!("audit-log-{id}"), comment, text, LOG, result);
    }
}

fn bad(file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, text: String, label: &str| {
        let input = object! { text: text, label: label };
        let id = format!("armour-{id}");
        file.push(Vector::invalid(
            "armour",
            id,
            comment,
            spec(label),
            input,
            "encoding",
        ));
    };
    let right = Wanted::of(1).content();
    let request = pem(REQUEST, &right);
    let delegated_text = encode_delegation(&delegation(1)).unwrap();
    let longer = [&right[..], &[0]].concat();
    let shorter = &right[..right.len() - 1];
    table! { push:
        "delegation-request-for-delegation": "The question, not the answer.", request.clone(), DELEGATION;
        "delegation-for-request": "The answer, not the question.", delegated_text.clone(), REQUEST;
        "delegation-cut": "Cut off in the middle.",
            delegated_text[..delegated_text.len() / 2].to_owned(), DELEGATION;
        "delegation-request-trailing": "A byte behind the last field.", pem(REQUEST, &longer), REQUEST;
        "delegation-request-truncated": "The last byte is missing.", pem(REQUEST, shorter), REQUEST;
    }
    let with = |change: &dyn Fn(&mut Wanted)| {
        let mut wanted = Wanted::of(1);
        change(&mut wanted);
        pem(REQUEST, &wanted.content())
    };
    for (id, comment, text) in table! {
        "suite-0":    "There is no suite 0.",      with(&|w| w.suite = 0);
        "suite-3":    "There is no suite 3.",      with(&|w| w.suite = 3);
        "no-keys":    "No key.",                   with(&|w| w.keys.clear());
        "9-keys":     "Nine keys.",                with(&|w| w.keys = w.keys[..33].repeat(9));
        "role":       "A role that there is not.", with(&|w| w.keys[32] = 8);
        "5-kem-keys": "Five KEM keys.",            with(&|w| w.kem_keys = vec![w.kem_keys[0].clone(); 5]);
    } {
        push(&format!("delegation-request-{id}"), comment, text, REQUEST);
    }

    let log = log();
    let list: Vec<u8> = log.entries.iter().flat_map(|entry| blob(entry)).collect();
    let package = pem(LOG, &key_package("sensor-7", 1));
    let trailing = [blob(&list), vec![0]].concat();
    let cut = blob(&list[..list.len() - 1]);
    let large = blob(&vec![0; 2049]);
    table! { push:
        "audit-log-content":     "Something else under the label.", package, LOG;
        "audit-log-label":       "A log under another label.",      pem(REQUEST, &blob(&list)), LOG;
        "audit-log-trailing":    "A byte behind the list.",         pem(LOG, &trailing), LOG;
        "audit-log-cut-entry":   "The last entry is cut off.",      pem(LOG, &cut), LOG;
        "audit-log-empty-entry": "An entry of no bytes.",           pem(LOG, &blob(&blob(&[]))), LOG;
        "audit-log-2049":        "An entry of 2049 bytes.",         pem(LOG, &blob(&large)), LOG;
    }
}
