//! The bytes of every record. Whoever changes one raises `VERSION`, adds a step to `migrate.rs` and
//! the stores of the version before to `test-vectors/stores`.

use alloc::string::ToString;
use alloc::vec;

use sealmq_core::crypto::Digest;
use sealmq_core::{GroupId, MemberNumber};

use super::kept::Kept;
use super::older::OlderRecord;
use super::records::{
    self, CredentialRecord, DeviceRecord, DomainRecord, IdentityRecord, LeftOutRecord,
    PackageRecord, SecretBytes, VERSION,
};
use crate::store::{Change, Changes};

/// What `put` stores of a record, in hex.
fn stored<T: serde::Serialize>(record: &T) -> alloc::string::String {
    let mut changes = Changes::new();
    records::put(&mut changes, "record", record).unwrap();
    match changes.iter().next() {
        Some(Change::Put { value, .. }) => hex::encode(&**value),
        _ => panic!("nothing was put"),
    }
}

fn secret(byte: u8) -> SecretBytes {
    SecretBytes::of(&[byte; 32])
}

#[test]
fn the_records_of_this_version_are_encoded_as_ever() {
    assert_eq!(VERSION, 4);
    let identity = IdentityRecord {
        seed: secret(1),
        request: Kept::new(vec![0x11, 9]),
    };
    assert_eq!(stored(&identity), format!("04{}00021109", "01".repeat(32)));
    let device = DeviceRecord {
        secret: secret(2),
        session: 300,
        package: 5,
        connection: 6,
    };
    assert_eq!(stored(&device), format!("04{}ac020506", "02".repeat(32)));
    let domain = DomainRecord {
        root_key: [3; 32],
        prefix: "k".to_string(),
        delegation: Kept::old(vec![0x11, 1]),
        past: vec![Kept::new(vec![0x12, 1])],
    };
    let expected = format!("04{}016b010211010100021201", "03".repeat(32));
    assert_eq!(stored(&domain), expected);
    let credential = CredentialRecord {
        delegation: Kept::new(vec![0x11, 1]),
        credential: Kept::old(vec![0x11, 2]),
    };
    assert_eq!(stored(&credential), "04000211010102 1102".replace(' ', ""));
    let package = PackageRecord {
        number: 7,
        hash: Digest([4; 32]),
        seed: secret(5),
        set: 2,
        issued_at: 1,
        not_after: 200,
        object: vec![0x11, 3],
        epochs: vec![(GroupId([6; 16]), 9)],
    };
    let expected = format!(
        "0407{}{}0201c80102110301{}09",
        "04".repeat(32),
        "05".repeat(32),
        "06".repeat(16)
    );
    assert_eq!(stored(&package), expected);
    let left_out = LeftOutRecord {
        serial: 1,
        epoch: 2,
        list: Digest([7; 32]),
        removed: Some(true),
        set: 3,
    };
    assert_eq!(
        stored(&left_out),
        format!("040102{}010103", "07".repeat(32))
    );
    // The hash of a request that was refused.
    assert_eq!(stored(&Digest([8; 32])), format!("04{}", "08".repeat(32)));
    let older = OlderRecord {
        epoch: 13,
        kept: Digest([9; 32]),
        secret: secret(10),
        psk: secret(11),
        serial: 12,
    };
    let expected = format!(
        "04010d{}{}{}0c",
        "09".repeat(32),
        "0a".repeat(32),
        "0b".repeat(32)
    );
    assert_eq!(stored(&vec![older]), expected);
}

#[test]
fn the_records_of_this_version_have_the_same_keys_as_ever() {
    let group = GroupId([0xab; 16]);
    let name = "ab".repeat(16);
    let keys = [
        (records::package_key(7), "member/package/0000000007".into()),
        (
            records::group_state_key(&group),
            format!("group/{name}/state"),
        ),
        (
            records::group_refused_key(&group),
            format!("group/{name}/refused"),
        ),
        (
            records::group_welcome_key(&group),
            format!("group/{name}/welcome"),
        ),
        (
            records::left_out_key(&group),
            format!("group/{name}/left-out"),
        ),
        (
            records::group_kept_key(&group),
            format!("group/{name}/kept"),
        ),
        (
            records::announcement_key(&group, 5),
            format!("group/{name}/announcement/5"),
        ),
        (records::peer_key(MemberNumber(3)), "peer/3".into()),
        (
            records::peer_before_key(MemberNumber(3)),
            "peer-before/3".into(),
        ),
    ];
    for (key, expected) in keys {
        assert_eq!(key, expected);
    }
}
