//! The bytes of the main records. Whoever changes one raises `VERSION`, adds a step to `migrate.rs`
//! and the stores of the version before to `test-vectors/stores`.

use alloc::string::{String, ToString};
use alloc::vec;

use sealmq_core::crypto::{Digest, Secret};
use sealmq_core::object::Access;
use sealmq_core::{DomainId, GroupId, MemberNumber};
use sealmq_keys::{Policy, Roles};

use super::Schedule;
use super::record::{
    DomainRecord, GenerationRecord, GrantRecord, GroupRecord, HeadRecord, Healing, Issued,
    KeptRecord, KeyRecord, KeysRecord, MemberRecord, PackageRecord, Place, PreviousKem,
    RefusedChunkRecord, Retained, SecretBytes, VERSION, encode,
};
use super::suspended::SuspendedRecord;

fn stored<T: serde::Serialize>(record: &T) -> String {
    let bytes = encode(record).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn secret(byte: u8) -> SecretBytes {
    SecretBytes::of(&Secret::new([byte; 32]))
}

fn x(byte: &str, count: usize) -> String {
    byte.repeat(count)
}

#[test]
fn domain_and_head_are_encoded_as_ever() {
    assert_eq!(VERSION, 6);
    let keys = KeysRecord {
        signing: vec![KeyRecord {
            seed: secret(1),
            roles: Roles::ALL,
        }],
        kem: vec![secret(2)],
    };
    let domain = DomainRecord {
        domain: DomainId([3; 16]),
        root_key: [4; 32],
        prefix: "p".to_string(),
        suite: 1,
        keys,
        next_keys: None,
        previous_kem: Some(PreviousKem {
            serial: 5,
            seeds: vec![secret(6)],
        }),
        delegation: vec![0x11, 1],
        next_member: 7,
        is_old: false,
    };
    let expected = [
        "06".into(),
        x("03", 16),
        x("04", 32),
        "01700101".into(),
        x("01", 32),
        "0701".into(),
        x("02", 32),
        "00010501".into(),
        x("06", 32),
        "0211010700".into(),
    ];
    assert_eq!(stored(&domain), expected.concat());
    let head = HeadRecord {
        revision: 1,
        log_size: 2,
        log_head: Digest([3; 32]),
    };
    assert_eq!(stored(&head), format!("060102{}", x("03", 32)));
    assert_eq!(stored(&SuspendedRecord::default()), "06000000000000000000");
}

#[test]
fn groups_are_encoded_as_ever() {
    let group = GroupRecord {
        id: GroupId([1; 16]),
        name: "g".to_string(),
        filters: vec!["a".to_string()],
        policy: Policy {
            window: 1,
            lease: 2,
            grace: 3,
            freshness: 4,
            skew: 5,
            padding: 6,
            bucket: 7,
            session_messages: 8,
            session_bytes: 9,
            session_seconds: 10,
            will_age: 11,
            kept: 12,
        },
        schedule: Schedule {
            validity: 1,
            rotate_every: 2,
            rotate_after_messages: 3,
            heal_every: 4,
            coalesce: 5,
            cover_limit: 6,
            healing_limit: 7,
            generation_every: 8,
            migration: 9,
            move_every: 10,
        },
        epoch: 12,
        announcement: Digest([2; 32]),
        healing_epoch: 13,
        healing: Digest([3; 32]),
        issued_at: 14,
        not_after: 15,
        heartbeat_at: 16,
        healed_at: 17,
        messages: 18,
        joins_since: Some(19),
        moved_at: 20,
        generations: vec![GenerationRecord {
            number: 1,
            depth: 2,
            first_epoch: 3,
            started_at: 4,
            deadline: 5,
            any_package: true,
            tree_secret: secret(4),
            healings: vec![Healing {
                epoch: 6,
                reader_secret: secret(5),
            }],
            removed: vec![7],
        }],
        refused: Digest([6; 32]),
        retained: vec![Retained {
            epoch: 8,
            chunks: 9,
        }],
        kept: vec![KeptRecord {
            epoch: 12,
            kept: Digest([7; 32]),
            secret: secret(8),
            psk: secret(9),
            serial: 10,
        }],
        kept_under: Some(11),
        heals_next: true,
        refused_chunks: vec![RefusedChunkRecord {
            first: 12,
            hash: Digest([13; 32]),
        }],
    };
    let expected = [
        "06".into(),
        x("01", 16),
        "0167010161".into(),
        "0102030405060708090a0b0c".into(),
        "0102030405060708090a".into(),
        "0c".into(),
        x("02", 32),
        "0d".into(),
        x("03", 32),
        "0e0f101112011314".into(),
        "01010203040501".into(),
        x("04", 32),
        "0106".into(),
        x("05", 32),
        "0107".into(),
        x("06", 32),
        "010809".into(),
        "010c".into(),
        x("07", 32),
        x("08", 32),
        x("09", 32),
        "0a010b01".into(),
        "010c".into(),
        x("0d", 32),
    ];
    assert_eq!(stored(&group), expected.concat());
}

#[test]
fn members_are_encoded_as_ever() {
    let place = Place {
        generation: 1,
        leaf: 2,
        issued: Issued {
            package_number: 3,
            epoch: 4,
            hash: Digest([1; 32]),
            confirmed: true,
        },
        known: 5,
        at: 6,
        again: 7,
    };
    let member = MemberRecord {
        number: MemberNumber(1),
        name: "m".to_string(),
        key: [2; 32],
        request: Digest([3; 32]),
        credential_serial: 4,
        issued_at: 5,
        not_after: 6,
        latest_expiry: 7,
        validity: 8,
        grants: vec![GrantRecord {
            group: GroupId([4; 16]),
            access: Access::BOTH,
            publish_filter: "f".to_string(),
            places: vec![place],
            since: 8,
            fresh_for: 9,
            fresh_above: 10,
        }],
        packages: vec![PackageRecord {
            number: 11,
            hash: Digest([5; 32]),
            init_key: vec![6, 6].into_boxed_slice(),
            issued_at: 12,
            not_after: 13,
        }],
        last_package: 14,
        removed_at: None,
    };
    let expected = [
        "0601016d".into(),
        x("02", 32),
        x("03", 32),
        "040506070801".into(),
        x("04", 16),
        "0301660101020304".into(),
        x("01", 32),
        "0105060708090a".into(),
        "010b".into(),
        x("05", 32),
        "0206060c0d0e00".into(),
    ];
    assert_eq!(stored(&member), expected.concat());
}
