//! Kind `object`: delegations (spec/keys.md §3), and refused lists (§7).

use sealmq_keys::{DelegatedKemKey, DelegatedKey, Delegation, KEM_X25519, Roles};

use super::objects::{
    Plan, records, refused_chunks, refused_list, refused_list_of, refused_list_with,
    under_authority, under_root,
};
use crate::vectors::prelude::*;

pub(crate) fn vectors(file: &mut VectorFile) {
    good(file);
    fields(file);
    times_and_serials(file);
    refused_lists(file);
}

fn plan<'a>(id: &str, comment: &'a str, object: Vec<u8>) -> Plan<'a> {
    Plan::new("delegation", id, comment, object, under_root())
}

fn key(key: [u8; 32], roles: Roles) -> DelegatedKey {
    DelegatedKey { key, roles }
}

fn keys(count: u32) -> Vec<DelegatedKey> {
    let made = |n: u32| key(public(&format!("authority key {n}")), Roles::ALL);
    (0..count).map(made).collect()
}

/// With these keys.
fn of<'a>(id: &str, comment: &'a str, keys: &[DelegatedKey]) -> Plan<'a> {
    let made = delegation_with(1, &elements(keys), &[], |_| {});
    plan(id, comment, made)
}

/// With these keys for join requests.
fn receiving<'a>(id: &str, comment: &'a str, kem_keys: &[(u16, &[u8])]) -> Plan<'a> {
    let kem_keys = kem_keys
        .iter()
        .map(|&(kem, key)| DelegatedKemKey { kem, key });
    let (keys, kem_keys) = (elements(&keys(1)), elements(&kem_keys.collect::<Vec<_>>()));
    plan(id, comment, delegation_with(1, &keys, &kem_keys, |_| {}))
}

fn good(file: &mut VectorFile) {
    let kem_keys = [0, 1, 2, 3].map(|n| bytes(&format!("kem key {n}")));
    let none = key(public("authority key 0"), Roles::NONE);
    table! { of => file:
        "one-key": "One key with every role, no KEM key.", &keys(1) => valid;
        "8-keys":  "Eight keys.",                          &keys(8) => valid;
    }
    table! { receiving => file:
        "4-kem-keys": "Four KEM keys.", &kem_keys.each_ref().map(|key| (KEM_X25519, &key[..])) => valid;
    }
    table! { of => file:
        "no-role": "A key without a role is of no use, but allowed.", &[none] => valid;
    }
    table! { plan => file:
        "serial-0": "Serials may begin with 0.",
            delegation_with(0, &elements(&keys(1)), &[], |_| {}) => valid;
    }
}

fn fields(file: &mut VectorFile) {
    let with = |id: &str, comment, change: fn(&mut Delegation<'_>)| {
        let made = delegation_with(1, &elements(&keys(1)), &[], change);
        plan(id, comment, made)
    };
    table! { with => file:
        "domain": "The domain is not the root's.", |d| d.domain = DomainId([1; 16]) => "domain";
        "root-key": "Another root key inside than the one that signed.",
            |d| d.root_key = public("another root") => "field";
        "not-after": "not_after is issued_at.", |d| (d.issued_at, d.not_after) = (NOW, NOW) => "field";
    }
    table! { of => file:
        "no-keys":   "No key.",      &[]                                   => "field";
        "9-keys":    "Nine keys.",   &keys(9)                              => "field";
        "key-twice": "A key twice.", &[keys(1)[0], keys(2)[1], keys(1)[0]] => "field";
    }
    for (id, comment, weak) in weak_keys() {
        of(&format!("weak-{id}"), comment, &[key(weak, Roles::ALL)]).invalid(file, "field");
    }
    let list = elements(&keys(1));
    let unknown = altered(&list, |list| list[32] = 0x0a);
    table! { plan => file:
        "unknown-role": "An unknown role.", delegation_with(1, &unknown, &[], |_| {}) => "field";
    }
    let kem_key = bytes("kem key");
    table! { receiving => file:
        "kem-id":        "Another KEM than X25519.", &[(0x0021, &kem_key)]            => "field";
        "kem-key-short": "A KEM key of 31 bytes.",   &[(KEM_X25519, &kem_key[1..])]   => "field";
        "5-kem-keys":    "Five KEM keys.",           &[(KEM_X25519, &kem_key[..]); 5] => "field";
    }
    let good = delegation(1);
    table! { plan => file:
        "other-root": "Signed by somebody else.",
            sign(Kind::Delegation, &good[2..good.len() - 64], &identity("another root")) => "signature";
        "list-truncated": "The list of keys ends inside an element.", raw(1, &list[..32], &[]) => "encoding";
        "kem-number-too-large": "A KEM id of 2^16.", raw(1, &list, &[0x80, 0x80, 0x04, 0]) => "encoding";
        "serial-too-large": "A serial of 2^32.", raw(1 << 32, &list, &[]) => "encoding";
    }
}

/// A delegation whose lists are whatever these bytes are.
fn raw(serial: u64, keys: &[u8], kem_keys: &[u8]) -> Vec<u8> {
    let head = body(&(domain(), public("root"), serial, NOW, NOW + 1));
    // And no extensions.
    let body = [head, blob(keys), blob(kem_keys), vec![0]].concat();
    sign(Kind::Delegation, &body, &identity("root"))
}

/// Encodings of points of small order, and of none.
pub(crate) fn weak_keys() -> [(&'static str, &'static str, [u8; 32]); 7] {
    table! {
        "identity":             "The neutral element.",                                   WEAK[0];
        "order-2":              "The point of order 2.",                                  WEAK[1];
        "order-4":              "A point of order 4.",                                    WEAK[2];
        "order-8":              "A point of order 8.",                                    WEAK[3];
        "non-canonical":        "y = p + 1: another encoding of the neutral element.",    WEAK[4];
        "non-canonical-strong": "y = p + 3: another encoding of a point of large order.", WEAK[5];
        "no-point":             "Not on the curve.",                                      WEAK[6];
    }
    .map(|(id, comment, key)| (id, comment, hex::decode(key).unwrap().try_into().unwrap()))
}

const WEAK: [&str; 7] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0200000000000000000000000000000000000000000000000000000000000000",
];

fn times_and_serials(file: &mut VectorFile) {
    let made = |issued_at: u64, not_after: u64| {
        delegation_with(3, &elements(&delegated(3)), &[], |d| {
            (d.issued_at, d.not_after) = (issued_at, not_after)
        })
    };
    table! { plan => file:
        "issued-at-skew": "Issued ahead by skew.", made(NOW + 300, NOW + 999) => valid;
        "from-the-future": "Issued ahead by skew and a second.",
            made(NOW + 301, NOW + 999) => "expired" ["A32"];
        "last-second": "The last second.", made(1, NOW) => valid;
        "expired": "One second after not_after.", made(1, NOW - 1) => "expired" ["A2"];
    }

    let held = made(NOW - 5, NOW + 999);
    let with = |name, value: Json| Plan::of("delegation", under_root().with(name, value));
    table! { with("pinned", 3_u8.into()), [.attacks(&["A40"])] => file:
        "pinned-same": "The serial that a token pins.", delegation(3) => valid;
        "pinned-lower": "A higher serial than the pinned one.", delegation(4) => valid;
        "pinned-higher": "A genuine one from before the token was made.", delegation(2) => "serial";
    }
    table! { with("held", Json::hex(&held)), [.attacks(&["A32"])] => file:
        "held-same": "The one that is held, again.", held => valid;
        "held-lower": "A higher serial than the one that is held.", delegation(4) => valid;
        "held-higher": "A lower serial than the one that is held.", delegation(2) => "serial";
        "held-other": "Another object of the serial that is held.", made(NOW - 4, NOW + 999) => "serial";
    }
}

fn refused_lists(file: &mut VectorFile) {
    let context = || under_authority().with("group", plant().0);
    let named = |hash: Digest| Plan::of("refused_list", context().with("hash", hash));
    let list = |entries: &[(u32, u32)]| refused_list(&records(entries));
    let chunked = |chunks: &[(u64, &str)]| {
        let chunks: Vec<(u64, &[u8])> = chunks.iter().map(|(n, of)| (*n, of.as_bytes())).collect();
        refused_list_with(plant(), &[], &refused_chunks(&chunks))
    };
    let spelled = [
        &[0x81, 0][..],
        &refused_chunks(&[(1, b"a"), (9, b"b")])[1..],
    ]
    .concat();
    let overlong = refused_list_with(plant(), &[], &spelled);
    let good = list(&[(3, u32::MAX), (9, 4)]);
    table! { Plan::of("refused_list", context()) => file:
        "one": "One removed member.", list(&[(7, u32::MAX)]) => valid ["A17"];
        "1027": "As many records as one list has in it.",
            list(&(1..=1027).map(|n| (n, 1)).collect::<Vec<_>>()) => valid;
        "2-chunks": "The fewest chunks.", chunked(&[(1, "a"), (2, "b")]) => valid;
        "last-chunk": "A chunk may begin with the highest member, the first one need not with 1.",
            chunked(&[(7, "a"), ((1 << 28) - 1, "b")]) => valid;
        "edges": "The lowest and the highest member, the lowest serial.",
            list(&[(1, 0), ((1 << 28) - 1, u32::MAX)]) => valid;
    }
    table! { named(hash(&good)) => file:
        "named": "The list that the announcement names.", good.clone() => valid;
    }
    table! { named(digest("another list")) => file:
        "not-named": "Not the list that the announcement names.", good.clone() => "serial" ["A29"];
    }
    let one = records(&[(7, 1)]);
    let fields = &good[2..good.len() - 64];
    let of_domain = [&[7; 16], &fields[16..]].concat();
    let by = |serial: u8, signer: u8| [&fields[..16], &[serial, signer], &fields[18..]].concat();
    let signed = |body: &[u8], signer| sign(Kind::RefusedList, body, &signer);
    table! { Plan::of("refused_list", context()) => file:
        "none": "No entry: a list that refuses nobody does not exist.", refused_list(&[]) => "field";
        "7-bytes": "Not whole records.", refused_list(&one[..7]) => "field";
        "9-bytes": "A byte too many in the entries.", refused_list(&trailing(&one)) => "field";
        "descending": "Members descend.", list(&[(9, 1), (3, 1)]) => "field";
        "twice": "A member twice.", list(&[(9, 1), (9, 2)]) => "field";
        "member-0": "No member has the number 0.", list(&[(0, 1)]) => "field";
        "1028": "A record too many.",
            list(&(1..=1028).map(|n| (n, 1)).collect::<Vec<_>>()) => "field" ["F4"];
        "one-chunk": "One chunk: it would have its records in it.", chunked(&[(1, "a")]) => "field";
        "chunks-descend": "Chunks descend.", chunked(&[(9, "a"), (5, "b")]) => "field";
        "chunk-twice": "Two chunks begin with one member.", chunked(&[(9, "a"), (9, "b")]) => "field";
        "chunk-0": "No member has the number 0.", chunked(&[(0, "a"), (9, "b")]) => "field";
        "chunk-too-large": "No member has the number 2^28.", chunked(&[(9, "a"), (1 << 28, "b")]) => "field";
        "entries-and-chunks": "Records, and chunks besides.",
            refused_list_with(plant(), &one, &refused_chunks(&[(1, b"a"), (9, b"b")])) => "field";
        "chunk-overlong": "A number of two bytes.", overlong => "encoding" ["E1"];
        "member-too-large": "Member 2^28.", list(&[(1 << 28, 1)]) => "field";
        "other-group": "The list of another group.", refused_list_of(office(), &one) => "group";
        "domain": "The list of another domain.", signed(&of_domain, controller(1)) => "domain";
        "issuer": "Signed by a key that has the role `issue` only.", signed(&by(1, 0), issuer(1)) => "role" ["A16"];
        "no-such-key": "Names a key that the delegation does not have.", signed(&by(1, 2), controller(1)) => "role";
        "other-serial": "Signed under another delegation, which had the same key.",
            signed(&by(2, 1), controller(1)) => "role" ["A16"];
    }
}
