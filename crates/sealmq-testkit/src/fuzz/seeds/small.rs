//! Seeds of the small objects, of chunks, tokens and the audit log.

use sealmq_authority::{AuditLog, What};
use sealmq_core::crypto::{Digest, IdentityKey, Secret};
use sealmq_core::object::{List, encode};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, GroupId, MemberNumber};
use sealmq_keys::{
    Confirmation, ConfirmationEntry, HeartbeatFields, NamePattern, NonceAnswerFields, Token,
};
use serde::Serialize;

use super::{Add, NO_EXTENSIONS, extended};
use crate::fuzz::world::{NOW, World};
use crate::table::table;

const DOMAIN: DomainId = DomainId([0; 16]);

fn encoded(value: &impl Serialize) -> Vec<u8> {
    let mut out = [0; 4096];
    encode(value, &mut out).unwrap().to_vec()
}

/// The body of an object without extensions.
fn fields(value: &impl Serialize) -> Vec<u8> {
    encoded(&(value, NO_EXTENSIONS))
}

pub(super) fn small(add: Add<'_>) {
    leases(add);
    confirmations(add);
    packages(add);
    for reason in [1_u8, 6, 7] {
        let body = (DOMAIN, 1_u32, 0_u8, Digest([9; 32]), reason);
        add("join_refusal", &format!("reason-{reason}"), fields(&body));
    }
    chunks(add);
    tokens(add);
    audit(add);
}

fn leases(add: Add<'_>) {
    let heartbeat = HeartbeatFields {
        domain: DOMAIN,
        serial: 1,
        signer: 0,
        group: GroupId([1; 16]),
        epoch: 300,
        announcement: Digest([2; 32]),
        issued_at: NOW,
        lease: 21_600,
        log_size: 1000,
        log_head: Digest([3; 32]),
    };
    let (mut empty_log, mut endless) = (heartbeat, heartbeat);
    (empty_log.log_size, empty_log.log_head) = (0, Digest::ZERO);
    (endless.issued_at, endless.lease) = (u64::MAX, u32::MAX);
    extended(&heartbeat, add, "heartbeat");
    let answer = NonceAnswerFields {
        domain: DOMAIN,
        serial: 1,
        signer: 0,
        group: GroupId([1; 16]),
        member: MemberNumber(7),
        nonce: [5; 16],
        epoch: 300,
        announcement: Digest([2; 32]),
        lease: 21_600,
    };
    let mut nobody = answer;
    nobody.member = MemberNumber(0);
    table! { add:
        "heartbeat":    "real",      fields(&heartbeat);
        "heartbeat":    "empty-log", fields(&empty_log);
        "heartbeat":    "endless",   fields(&endless);
        "nonce_answer": "real",      fields(&answer);
        "nonce_answer": "nobody",    fields(&nobody);
    }
}

fn confirmations(add: Add<'_>) {
    let entry = |group| ConfirmationEntry {
        group: GroupId([group; 16]),
        generation: 2,
        epoch: 300,
        package_number: 4,
        proof: [6; 32],
    };
    let entries = [entry(1), entry(2), entry(2)];
    let mut of = |name: &str, entries: &[ConfirmationEntry]| {
        let (mut list, member) = ([0; 512], MemberNumber(7));
        let (domain, entries) = (DOMAIN, List::encode(entries, &mut list).unwrap());
        let made = Confirmation {
            domain,
            member,
            entries,
        };
        add("confirmation", name, fields(&made));
    };
    of("one", &entries[..1]);
    of("two", &entries[..2]);
    of("twice", &entries[1..]);
}

fn packages(add: Add<'_>) {
    let world = World::get();
    let own: Vec<Vec<u8>> = world.devices.iter().map(|d| d.package()).collect();
    let own: Vec<&[u8]> = own.iter().map(Vec::as_slice).collect();
    // Packages of different members have the same number; the target makes them one member's.
    for (name, packages) in [("one", &own[..1]), ("same-number", &own[..2])] {
        let mut list = [0; 1024];
        let list = List::encode(packages, &mut list).unwrap();
        add("package_set", name, encoded(&list));
    }
}

fn chunks(add: Add<'_>) {
    let entries = |nodes: &[u32]| -> Vec<u8> {
        let entry = |node: &u32| [&node.to_be_bytes()[..], &[8; 48]].concat();
        nodes.iter().flat_map(entry).collect()
    };
    // Depth 4, leaves 16 … 31, a chunk of the leaves 20 … 27.
    let chunk = |nodes| [&[2, 0, 0, 0, 4, 0, 0, 0, 12], entries(nodes).as_slice()].concat();
    table! { add:
        "chunk": "whole",       chunk(&[5, 6]);
        "chunk": "leaves",      chunk(&[20, 21, 26]);
        "chunk": "starts-late", chunk(&[6]);
        "chunk": "overlap",     chunk(&[5, 11]);
        "chunk": "beyond",      chunk(&[5, 6, 7]);
    }
}

fn tokens(add: Add<'_>) {
    let token = Token {
        suite: Suite::One,
        root_key: IdentityKey::from_seed(&Secret::new([1; 32])).verifying_key(),
        id: [2; 8],
        secret: Secret::new([3; 32]),
        serial: 1,
        expires: NOW,
        name: NamePattern::Prefix("pump-".to_owned()),
        prefix: "_sealmq/x".to_owned(),
        broker: "mqtts://broker.example:8883".to_owned(),
    };
    let text = token.to_uri().unwrap();
    table! { add:
        "token": "text",            text.as_bytes().to_vec();
        "token": "text-with-space", format!(" {}\n", *text).into_bytes();
    }
    let root_key = *token.root_key.as_bytes();
    let head = (1_u8, 1_u8, root_key, [2_u8; 8], [3_u8; 32]);
    for (name, pattern, broker) in table! {
        "any":    "",       "";
        "exact":  "pump-7", "mqtt://[::1]:1883";
        "prefix": "pump-*", "mqtts://broker.example:8883";
        "star":   "*",      "";
    } {
        let token = (head, NOW, pattern, "_sealmq/x", broker);
        add("token", name, encoded(&token));
    }
}

fn audit(add: Add<'_>) {
    let mut log = AuditLog::EMPTY;
    for (name, what) in table! {
        "delegation": What::Delegation { serial: 1, hash: Digest([1; 32]) };
        "enrolled":   What::Enrolled { member: MemberNumber(7), key: [7; 32], name: "pump-7" };
        "signed":     What::Signed { topic: "_sealmq/x/delegation", hash: Digest([2; 32]) };
        "generation": What::Generation { group: GroupId([3; 16]), number: 2, epoch: 300 };
        "removed": What::Removed { member: MemberNumber(7) };
        "resumed":    What::Resumed { serial: 2, log_size: 5, log_head: Digest([4; 32]) };
    } {
        add("audit_entry", name, log.append(NOW, what).unwrap().bytes);
    }
}
