//! Kind `object`: delegations (spec/keys.md §3), and refused lists (§7).

use sealmq_keys::{DelegatedKemKey, DelegatedKey, KEM_X25519, Roles};

use super::objects::{Plan, records, refused_list, refused_list_of, under_authority, under_root};
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

fn keys(count: u32) -> Vec<DelegatedKey> {
    (0..count)
        .map(|n| DelegatedKey {
            key: public(&format!("authority key {n}")),
            roles: Roles::ALL,
        })
        .collect()
}

fn good(file: &mut VectorFile) {
    table! { plan => file:
        "one-key": "One key with every role, no KEM key.",
            delegation_with(1, &elements(&keys(1)), &[], |_| {}) => valid;
        "8-keys": "Eight keys.", delegation_with(1, &elements(&keys(8)), &[], |_| {}) => valid;
    }
    let kem_keys: Vec<[u8; 32]> = (0..4).map(|n| bytes(&format!("kem key {n}"))).collect();
    let kem_keys: Vec<DelegatedKemKey<'_>> = kem_keys
        .iter()
        .map(|key| DelegatedKemKey {
            kem: KEM_X25519,
            key,
        })
        .collect();
    let none = [DelegatedKey {
        key: public("authority key 0"),
        roles: Roles::NONE,
    }];
    table! { plan => file:
        "4-kem-keys": "Four KEM keys.",
            delegation_with(1, &elements(&keys(1)), &elements(&kem_keys), |_| {}) => valid;
        "no-role": "A key without a role is of no use, but allowed.",
            delegation_with(1, &elements(&none), &[], |_| {}) => valid;
        "serial-0": "Serials may begin with 0.",
            delegation_with(0, &elements(&keys(1)), &[], |_| {}) => valid;
    }
}

fn fields(file: &mut VectorFile) {
    let one = elements(&keys(1));
    let mut bad = |id: &str, comment: &str, object: Vec<u8>, reason: &'static str| {
        plan(id, comment, object).invalid(file, reason)
    };
    let twice = [keys(1)[0], keys(2)[1], keys(1)[0]];
    table! { bad:
        "domain": "The domain is not the root's.",
            delegation_with(1, &one, &[], |d| d.domain = DomainId([1; 16])) => "domain";
        "root-key": "Another root key inside than the one that signed.",
            delegation_with(1, &one, &[], |d| d.root_key = public("another root")) => "field";
        "not-after": "not_after is issued_at.",
            delegation_with(1, &one, &[], |d| (d.issued_at, d.not_after) = (NOW, NOW)) => "field";
        "no-keys": "No key.", delegation_with(1, &[], &[], |_| {}) => "field";
        "9-keys": "Nine keys.", delegation_with(1, &elements(&keys(9)), &[], |_| {}) => "field";
        "key-twice": "A key twice.", delegation_with(1, &elements(&twice), &[], |_| {}) => "field";
    }
    for (id, comment, key) in weak_keys() {
        let weak = [DelegatedKey {
            key,
            roles: Roles::ALL,
        }];
        bad(
            &format!("weak-{id}"),
            comment,
            delegation_with(1, &elements(&weak), &[], |_| {}),
            "field",
        );
    }
    let mut unknown = elements(&keys(1));
    unknown[32] = 0x0a;
    table! { bad:
        "unknown-role": "An unknown role.", delegation_with(1, &unknown, &[], |_| {}) => "field";
    }
    let kem_key = bytes("kem key");
    let kem = |kem, key| elements(&[DelegatedKemKey { kem, key }]);
    let five = [DelegatedKemKey {
        kem: KEM_X25519,
        key: &kem_key,
    }; 5];
    let signer = identity("another root");
    let good = delegation(1);
    let list = elements(&keys(1));
    let cut = raw_delegation(&list[..32]);
    let head = body(&(domain(), public("root"), 1_u64 << 32, NOW, NOW + 1));
    table! { bad:
        "kem-id": "Another KEM than X25519.",
            delegation_with(1, &one, &kem(0x0021, &kem_key), |_| {}) => "field";
        "kem-key-short": "A KEM key of 31 bytes.",
            delegation_with(1, &one, &kem(KEM_X25519, &kem_key[1..]), |_| {}) => "field";
        "5-kem-keys": "Five KEM keys.", delegation_with(1, &one, &elements(&five), |_| {}) => "field";
        "other-root": "Signed by somebody else.",
            sign(Kind::Delegation, &good[2..good.len() - 64], &signer) => "signature";
        "list-truncated": "The list of keys ends inside an element.", cut => "encoding";
        "kem-number-too-large": "A KEM id of 2^16.", raw_with_kem(&[0x80, 0x80, 0x04, 0]) => "encoding";
        "serial-too-large": "A serial of 2^32.", raw_with_head(head, &list) => "encoding";
    }
}

/// A delegation whose list of keys is whatever these bytes are.
fn raw_delegation(keys: &[u8]) -> Vec<u8> {
    let head = body(&(domain(), public("root"), 1_u32, NOW, NOW + 1));
    raw_with_head(head, keys)
}

/// The same behind these bytes.
fn raw_with_head(head: Vec<u8>, keys: &[u8]) -> Vec<u8> {
    // No KEM keys, no extensions.
    let lists = [blob(keys), vec![0, 0]].concat();
    sign(Kind::Delegation, &[head, lists].concat(), &identity("root"))
}

fn raw_with_kem(kem_keys: &[u8]) -> Vec<u8> {
    let head = body(&(domain(), public("root"), 1_u32, NOW, NOW + 1));
    let lists = [blob(&elements(&keys(1))), blob(kem_keys), vec![0]].concat();
    sign(Kind::Delegation, &[head, lists].concat(), &identity("root"))
}

/// Encodings of points of small order, and of none.
pub(crate) fn weak_keys() -> Vec<(&'static str, &'static str, [u8; 32])> {
    let key = |hex: &str| hex::decode(hex).unwrap().try_into().unwrap();
    table! {
        "identity": "The neutral element.",
            key("0100000000000000000000000000000000000000000000000000000000000000");
        "order-2": "The point of order 2.",
            key("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
        "order-4": "A point of order 4.",
            key("0000000000000000000000000000000000000000000000000000000000000000");
        "order-8": "A point of order 8.",
            key("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
        "non-canonical": "y = p + 1: another encoding of the neutral element.",
            key("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
        "non-canonical-strong": "y = p + 3: another encoding of a point of large order.",
            key("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
        "no-point": "Not on the curve.",
            key("0200000000000000000000000000000000000000000000000000000000000000");
    }
    .into()
}

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
    let holding = |object: Vec<u8>, id: &str, comment: &'static str| {
        Plan::new(
            "delegation",
            id,
            comment,
            object,
            under_root().with("held", Json::hex(&held)),
        )
        .attacks(&["A32"])
    };
    let pinned = |object: Vec<u8>, id: &str, comment: &'static str| {
        let context = under_root().with("pinned", 3_u8);
        Plan::new("delegation", id, comment, object, context).attacks(&["A40"])
    };
    pinned(
        delegation(3),
        "pinned-same",
        "The serial that a token pins.",
    )
    .valid(file);
    pinned(
        delegation(4),
        "pinned-lower",
        "A higher serial than the pinned one.",
    )
    .valid(file);
    pinned(
        delegation(2),
        "pinned-higher",
        "A genuine one from before the token was made.",
    )
    .invalid(file, "serial");
    holding(held.clone(), "held-same", "The one that is held, again.").valid(file);
    holding(
        delegation(4),
        "held-lower",
        "A higher serial than the one that is held.",
    )
    .valid(file);
    holding(
        delegation(2),
        "held-higher",
        "A lower serial than the one that is held.",
    )
    .invalid(file, "serial");
    holding(
        made(NOW - 4, NOW + 999),
        "held-other",
        "Another object of the serial that is held.",
    )
    .invalid(file, "serial");
}

fn refused_lists(file: &mut VectorFile) {
    let plan = |id: &str, comment: &'static str, object: Vec<u8>| {
        Plan::new(
            "refused_list",
            id,
            comment,
            object,
            under_authority().with("group", plant().0),
        )
    };
    let list = |entries: &[(u32, u32)]| refused_list(&records(entries));
    table! { plan => file:
        "one": "One removed member.", list(&[(7, u32::MAX)]) => valid ["A17"];
        "edges": "The lowest and the highest member, the lowest serial.",
            list(&[(1, 0), ((1 << 28) - 1, u32::MAX)]) => valid;
    }
    let good = list(&[(3, u32::MAX), (9, 4)]);
    let named = under_authority()
        .with("group", plant().0)
        .with("hash", hash(&good));
    table! { Plan::of("refused_list", named) => file:
        "named": "The list that the announcement names.", good.clone() => valid;
    }
    let named = under_authority()
        .with("group", plant().0)
        .with("hash", digest("another list"));
    table! { Plan::of("refused_list", named) => file:
        "not-named": "Not the list that the announcement names.", good.clone() => "serial" ["A29"];
    }

    table! { plan => file:
        "none": "No entry: a list that refuses nobody does not exist.", refused_list(&[]) => "field";
        "7-bytes": "Not whole records.", refused_list(&records(&[(7, 1)])[..7]) => "field";
        "9-bytes": "A byte too many in the entries.",
            refused_list(&[&records(&[(7, 1)])[..], &[0]].concat()) => "field";
        "descending": "Members descend.", list(&[(9, 1), (3, 1)]) => "field";
        "twice": "A member twice.", list(&[(9, 1), (9, 2)]) => "field";
        "member-0": "No member has the number 0.", list(&[(0, 1)]) => "field";
        "member-too-large": "Member 2^28.", list(&[(1 << 28, 1)]) => "field";
        "other-group": "The list of another group.",
            refused_list_of(office(), &records(&[(7, 1)])) => "group";
    }
    let other_domain = |object: &[u8]| [&[7; 16], &object[18..object.len() - 64]].concat();
    table! { plan => file:
        "domain": "The list of another domain.",
            sign(Kind::RefusedList, &other_domain(&good), &controller(1)) => "domain";
    }
    let with = |serial: u8, signer: u8| {
        [&good[2..18], &[serial, signer], &good[20..good.len() - 64]].concat()
    };
    table! { plan => file:
        "issuer": "Signed by a key that has the role `issue` only.",
            sign(Kind::RefusedList, &with(1, 0), &issuer(1)) => "role" ["A16"];
        "no-such-key": "Names a key that the delegation does not have.",
            sign(Kind::RefusedList, &with(1, 2), &controller(1)) => "role";
        "other-serial": "Signed under another delegation, which had the same key.",
            sign(Kind::RefusedList, &with(2, 1), &controller(1)) => "role" ["A16"];
    }
}
