//! Stores of earlier versions, record by record. `crates/sealmq-authority` has whole ones.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::convert::Infallible;

use sealmq_core::GroupId;
use sealmq_core::crypto::Digest;
use zeroize::Zeroizing;

use super::super::MemberError;
use super::super::kept::Kept;
use super::super::records::{
    self, DeviceRecord, DomainRecord, IdentityRecord, LeftOutRecord, PackageRecord, SecretBytes,
};
use crate::member::Member;
use crate::store::{Change, Changes, Store, StoredRecord};

#[derive(Default)]
struct Records(BTreeMap<String, Vec<u8>>);

impl Store for Records {
    type Error = Infallible;

    fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Infallible> {
        Ok(self.0.get(key).cloned().map(Zeroizing::new))
    }

    fn list(&self, prefix: &str) -> Result<Vec<StoredRecord>, Infallible> {
        let all = self.0.iter().filter(|(key, _)| key.starts_with(prefix));
        let all = all.map(|(key, value)| (key.clone(), Zeroizing::new(value.clone())));
        Ok(all.collect())
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), Infallible> {
        for change in changes {
            match change {
                Change::Put { key, value } => drop(self.0.insert(key.clone(), value.to_vec())),
                Change::Delete { key } => drop(self.0.remove(key)),
                Change::Expect { .. } => {}
            }
        }
        Ok(())
    }

    fn is_conflict(error: &Infallible) -> bool {
        match *error {}
    }
}

impl Records {
    fn put(&mut self, version: u8, key: &str, body: impl serde::Serialize) {
        let body = postcard::to_allocvec(&body).unwrap();
        self.put_bytes(version, key, &body);
    }

    fn put_bytes(&mut self, version: u8, key: &str, body: &[u8]) {
        let value = [&[version], body].concat();
        self.0.insert(key.to_string(), value);
    }

    fn read<T: serde::de::DeserializeOwned>(&self, key: &str) -> T {
        records::read(key, &self.0[key]).unwrap()
    }

    fn bring(mut self) -> Self {
        let changes = Member::migration(&self).unwrap().unwrap();
        self.commit(&changes).unwrap();
        assert!(Member::migration(&self).unwrap().is_none());
        self
    }
}

const GROUP: GroupId = GroupId([6; 16]);
/// The names of replay records: kind, group, member, topic.
const OLD_SENDER: &str =
    "replay/05060606060606060606060606060606060000000700000000000000000000000000000000";
const SENDER: &str =
    "replay/09060606060606060606060606060606060000000700000000000000000000000000000000";
const OLD_TOPIC: &str =
    "replay/07060606060606060606060606060606060000000708080808080808080808080808080808";

/// What both versions have in the same form.
fn common(version: u8) -> Records {
    let mut store = Records::default();
    store.put(version, records::DEVICE, ([1_u8; 32], 300_u64, 5_u32));
    store.put(version, records::REFUSED_REQUEST, Digest([8; 32]));
    let left_out = LeftOutRecord {
        serial: 1,
        epoch: 2,
        list: Digest([7; 32]),
        removed: Some(true),
        set: 3,
    };
    store.put(version, &records::left_out_key(&GROUP), left_out);
    store.put_bytes(version, &records::group_welcome_key(&GROUP), b"welcome");
    store.put_bytes(
        version,
        &records::announcement_key(&GROUP, 9),
        b"announcement",
    );
    store.put_bytes(version, &records::group_refused_key(&GROUP), b"list");
    store.put_bytes(
        version,
        &records::peer_key(sealmq_core::MemberNumber(7)),
        b"peer",
    );
    let mut sender = vec![5];
    sender.extend([6; 16]);
    sender.extend([0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2]);
    sender.extend(5_u64.to_be_bytes());
    sender.extend(6_u64.to_be_bytes());
    sender.extend([0; 12 + 4 * (8 + 32 + 4 + 8 * 16)]);
    store.put_bytes(version, OLD_SENDER, &sender);
    let mut topic = vec![7];
    topic.extend([6; 16]);
    topic.extend([0, 0, 0, 7]);
    topic.extend([8; 16]);
    topic.extend([0; 8 + 12 + 32]);
    store.put_bytes(version, OLD_TOPIC, &topic);
    store
}

fn check_common(store: &Records, version: u8) {
    let device: DeviceRecord = store.read(records::DEVICE);
    assert_eq!((device.session, device.package), (300, 5));
    assert_eq!(device.connection, 0, "it has never sealed a will");
    let left_out: LeftOutRecord = store.read(&records::left_out_key(&GROUP));
    assert_eq!((left_out.epoch, left_out.removed), (2, Some(true)));
    assert_eq!(
        store.read::<Digest>(records::REFUSED_REQUEST),
        Digest([8; 32])
    );
    for gone in [
        &records::group_welcome_key(&GROUP),
        &records::announcement_key(&GROUP, 9),
        OLD_SENDER,
        OLD_TOPIC,
    ] {
        assert!(!store.0.contains_key(gone), "{gone}");
    }
    // Credentials and refused lists have had their form since version 3.
    let peer = records::peer_key(sealmq_core::MemberNumber(7));
    for key in [&records::group_refused_key(&GROUP), &peer] {
        assert_eq!(store.0.contains_key(key), version == 3, "{key}");
    }
    assert!(store.0[SENDER].starts_with(&[records::VERSION, 9, 6]));
    assert!(store.0.values().all(|value| value[0] == records::VERSION));
}

#[test]
fn version_3() {
    let mut store = common(3);
    let package = PackageRecord {
        number: 7,
        hash: Digest([4; 32]),
        seed: SecretBytes::of(&[5; 32]),
        set: 2,
        issued_at: 1,
        not_after: 200,
        object: vec![0x11, 3],
        epochs: vec![(GROUP, 9)],
    };
    store.put(3, &records::package_key(7), &package);
    let identity = IdentityRecord {
        seed: SecretBytes::of(&[1; 32]),
        request: Kept::new(vec![1]),
    };
    store.put(3, records::IDENTITY, &identity);
    let mut damaged = Records(store.0.clone());
    let store = store.bring();
    check_common(&store, 3);
    let package: PackageRecord = store.read(&records::package_key(7));
    assert_eq!((package.set, package.object), (2, vec![0x11, 3]));

    // Nothing is guessed.
    damaged.put_bytes(3, &records::group_state_key(&GROUP), &[3; 40]);
    let error = Member::migration(&damaged).err().unwrap();
    assert!(matches!(error, MemberError::Record(key) if key == records::group_state_key(&GROUP)));
}

#[test]
fn version_2_in_one_go() {
    let mut store = common(2);
    store.put(2, records::IDENTITY, ([1_u8; 32], vec![1_u8]));
    assert!(matches!(
        Member::migration(&store),
        Err(MemberError::OldRequest)
    ));
    store.put(2, records::CREDENTIAL, (vec![2_u8], vec![3_u8]));
    let past = vec![vec![5_u8]];
    store.put(2, records::DOMAIN, ([4_u8; 32], "prefix", vec![4_u8], past));
    let package = (7_u32, Digest([4; 32]), [5_u8; 32], 2_u32, 1_u64, 200_u64);
    let package = (package, vec![0x11_u8, 3], vec![(GROUP, 9_u64)]);
    store.put(2, &records::package_key(7), package);
    let store = store.bring();
    check_common(&store, 2);
    let domain: DomainRecord = store.read(records::DOMAIN);
    assert_eq!((domain.prefix.as_str(), domain.past.len()), ("prefix", 1));
    let package: PackageRecord = store.read(&records::package_key(7));
    assert_eq!((package.set, package.object.len()), (0, 0));
    assert_eq!((package.not_after, package.epochs), (200, vec![(GROUP, 9)]));
}
