//! Kind `armour`: what goes between the authority and the root, and the log (spec/keys.md §11, §13).

use sealmq_authority::{
    DelegationRequest, encode_audit_log, encode_delegation, encode_delegation_request,
};
use sealmq_core::crypto::{KemId, RecipientKeyPair};
use sealmq_keys::{DelegatedKemKey, DelegatedKey, KEM_X25519, KEM_XWING, encode_request};

use super::armour::case;
use super::audit::{Log, delegated_in, removed};
use crate::vectors::prelude::*;

const DELEGATION: &str = "SEALMQ DELEGATION";
const REQUEST: &str = "SEALMQ DELEGATION REQUEST";
const LOG: &str = "SEALMQ AUDIT LOG";
const PIECE: &str = "SEALMQ AUDIT LOG PIECE";

/// Any content under any label.
fn pem(label: &str, content: &[u8]) -> String {
    let pem = encode_request(content).unwrap();
    pem.replace("SEALMQ REQUEST", label)
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
        let lists = [blob(&self.keys), blob(&kem_keys)].concat();
        [&domain().0[..], &[self.suite], &lists].concat()
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
    Log::of(&[delegated_in(1, digest("delegation 1")), removed(7)])
}

fn good(file: &mut VectorFile) {
    let answer = object! { bytes: Json::hex(delegation(1)) };
    let asked = |id: &str, comment: &str, wanted: Wanted| {
        let real = DelegationRequest {
            domain: domain(),
            suite: wanted.suite,
            keys: delegated(1),
            kem_keys: wanted.kem_keys.clone(),
        };
        let fields = wanted.fields(&delegated(1));
        let result = object! { bytes: Json::hex(wanted.content()), fields: fields };
        let text = encode_delegation_request(&real).unwrap();
        case(id, comment, REQUEST, &text).result(result)
    };
    let text = encode_delegation(&delegation(1)).unwrap();
    file.push(case("delegation", "The root's answer.", DELEGATION, &text).result(answer));
    let with = |change: fn(&mut Wanted)| altered(&Wanted::of(1), change);
    table! { asked => file:
        "delegation-request-suite-1": "Two keys, and none for join requests.",
            with(|w| w.kem_keys.clear()) => valid;
        "delegation-request-suite-2": "Of suite 2.", Wanted::of(2) => valid;
        "delegation-request-4-kem-keys": "The most keys for join requests.",
            with(|w| w.kem_keys = vec![w.kem_keys[0].clone(); 4]) => valid;
    }
    let logged = |id: &str, comment: &str, log: Log| {
        let text = encode_audit_log(log.entries.iter().map(Vec::as_slice)).unwrap();
        let list: Vec<u8> = log.entries.iter().flat_map(|entry| blob(entry)).collect();
        let fields = object! { entries: Json::Array(log.entries.iter().map(Json::hex).collect()) };
        let result = object! { bytes: Json::hex(blob(&list)), fields: fields };
        let case = case(id, comment, LOG, &text).result(result);
        case.spec(&["keys.md §13"])
    };
    table! { logged => file:
        "audit-log-empty": "A log without entries.", Log::default() => valid;
        "audit-log-two":   "Two entries.",           log()          => valid;
    }
    let piece = |id: &str, comment: &str, (entries, size): (core::ops::Range<usize>, usize)| {
        let log = log();
        let list = log.entries[entries.clone()].iter().map(Json::hex).collect();
        let head = match size {
            0 => Digest::ZERO,
            _ => sealmq_authority::AuditLog::head_after(&log.entries[size - 1]),
        };
        let fields = object! {
            log_size: size as u64, log_head: head, first: entries.start as u64, entries: Json::Array(list),
        };
        let content = log.piece(entries, size);
        let case = case(id, comment, PIECE, &pem(PIECE, &content));
        case.result(object! { bytes: Json::hex(content), fields: fields })
            .spec(&["keys.md §13"])
    };
    table! { piece => file:
        "audit-log-piece-empty": "The one piece of a log without entries.", (0..0, 0) => valid;
        "audit-log-piece-one": "A log in one piece.", (0..2, 2) => valid;
        "audit-log-piece-second": "The second piece of a log.", (1..2, 2) => valid;
    }
}

fn bad(file: &mut VectorFile) {
    let right = Wanted::of(1).content();
    let request = pem(REQUEST, &right);
    let answer = encode_delegation(&delegation(1)).unwrap();
    let with = |change: fn(&mut Wanted)| pem(REQUEST, &altered(&Wanted::of(1), change).content());
    table! { case => file:
        "delegation-request-for-delegation": "The question, not the answer.",
            DELEGATION, &request => "encoding";
        "delegation-for-request": "The answer, not the question.", REQUEST, &answer => "encoding";
        "delegation-cut": "Cut off in the middle.", DELEGATION, &answer[..answer.len() / 2] => "encoding";
        "delegation-request-trailing": "A byte behind the last field.",
            REQUEST, &pem(REQUEST, &trailing(&right)) => "encoding";
        "delegation-request-truncated": "The last byte is missing.",
            REQUEST, &pem(REQUEST, &right[..right.len() - 1]) => "encoding";
        "delegation-request-suite-0": "There is no suite 0.", REQUEST, &with(|w| w.suite = 0) => "encoding";
        "delegation-request-suite-3": "There is no suite 3.", REQUEST, &with(|w| w.suite = 3) => "encoding";
        "delegation-request-no-keys": "No key.", REQUEST, &with(|w| w.keys.clear()) => "encoding";
        "delegation-request-9-keys": "Nine keys.",
            REQUEST, &with(|w| w.keys = w.keys[..33].repeat(9)) => "encoding";
        "delegation-request-role": "A role that there is not.",
            REQUEST, &with(|w| w.keys[32] = 8) => "encoding";
        "delegation-request-5-kem-keys": "Five KEM keys.",
            REQUEST, &with(|w| w.kem_keys = vec![w.kem_keys[0].clone(); 5]) => "encoding";
    }

    let list: Vec<u8> = log().entries.iter().flat_map(|entry| blob(entry)).collect();
    let logged = |id: &str, comment: &str, text: String| {
        case(id, comment, LOG, &text).spec(&["keys.md §13"])
    };
    table! { logged => file:
        "audit-log-content": "Something else under the label.",
            pem(LOG, &key_package("sensor-7", 1)) => "encoding";
        "audit-log-label": "A log under another label.", pem(REQUEST, &blob(&list)) => "encoding";
        "audit-log-trailing": "A byte behind the list.", pem(LOG, &trailing(&blob(&list))) => "encoding";
        "audit-log-cut-entry": "The last entry is cut off.",
            pem(LOG, &blob(&list[..list.len() - 1])) => "encoding";
        "audit-log-empty-entry": "An entry of no bytes.", pem(LOG, &blob(&blob(&[]))) => "encoding";
        "audit-log-2049": "An entry of 2049 bytes.", pem(LOG, &blob(&blob(&vec![0; 2049]))) => "encoding";
    }
    let whole = log().piece(0..2, 2);
    let pieced = |id: &str, comment: &str, content: &[u8]| {
        case(id, comment, PIECE, &pem(PIECE, content)).spec(&["keys.md §13"])
    };
    let headed = |size: u8, first: u8, list: &[u8]| {
        [&[size][..], &log().head.0, &[first], &blob(list)].concat()
    };
    table! { pieced => file:
        "audit-log-piece-log": "A whole log under the label of a piece.", &blob(&list) => "encoding";
        "audit-log-piece-trailing": "A byte behind the list.", &trailing(&whole) => "encoding";
        "audit-log-piece-cut": "The last byte is missing.", &whole[..whole.len() - 1] => "encoding";
        "audit-log-piece-no-entries": "No entries of a log that has some.", &headed(2, 0, &[]) => "encoding";
        "audit-log-piece-beyond": "More entries than the log has.", &headed(2, 1, &list) => "encoding";
        "audit-log-piece-empty-entry": "An entry of no bytes.", &headed(1, 0, &blob(&[])) => "encoding";
        "audit-log-piece-2049": "An entry of 2049 bytes.", &headed(1, 0, &blob(&vec![0; 2049])) => "encoding";
        "audit-log-piece-empty-head": "A head without entries.", &headed(0, 0, &[]) => "encoding";
    }
}
