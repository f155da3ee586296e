//! Kept keys objects (kind 13): a body under this domain's authority, and what it leads to once the
//! keys that it names are genuine.

use sealmq_core::crypto::{Digest, sha256};
use sealmq_core::object::{Kind, Signer as Extended};
use sealmq_keys::{KeptKeys, KeptKeysFields, KeptSet, MAX_KEPT, MAX_KEPT_KEYS_LEN, ReaderSecret};

use super::signed::{Fields, Signer, framed};
use super::world::sha256_secret;

/// Keys that follow from their name.
fn set(epoch: u64, kept: Digest) -> KeptSet {
    let reader = ReaderSecret::new(sha256_secret(&[b"kept keys", &kept.0]));
    KeptSet {
        epoch,
        kept,
        secret: reader.kept(),
        psk: reader.psk().kept(),
    }
}

/// Kept keys (kind 13): what is accepted names each epoch once, newest first; sealed for its names,
/// it leads from each of them to all behind it, and from no other key anywhere.
pub fn kept_keys(data: &[u8]) -> bool {
    type Body<'a> = Fields<'a, (KeptKeysFields, &'a [u8])>;
    let (signer, serial) = (Signer::get(), Signer::SERIAL);
    let accepts = |bytes: &[u8]| Some(*KeptKeys::verify(bytes, &signer.delegation).ok()?.hash());
    let own = |((fields, _), _): &mut Body<'_>| {
        (fields.domain, fields.serial, fields.signer) = (signer.domain, serial, 0);
    };
    let Some(made) = framed(data, (Kind::KeptKeys, &signer.key), own, accepts) else {
        return false;
    };
    let Ok(list) = KeptKeys::verify(&made.object, &signer.delegation) else {
        return false;
    };
    let ((fields, entries), extensions) = made.fields;
    assert!(made.object.len() <= MAX_KEPT_KEYS_LEN);
    assert_eq!(*list.fields(), fields);
    let names: Vec<Digest> = list.names().collect();
    assert!(names.len() <= 1 + MAX_KEPT && fields.epoch > 0);
    assert!(
        (1..names.len()).all(|n| !names[..n].contains(&names[n])),
        "twice"
    );
    // What is sealed in it is sealed under nothing that anybody has.
    let unknown = set(fields.epoch, names[0]);
    assert_eq!(list.before(&names[0], &unknown.secret).count(), 0);

    let numbers = epochs(fields.epoch, entries);
    assert!(numbers.is_sorted_by(|newer, older| newer > older) && !numbers.contains(&0));
    let sets: Vec<KeptSet> = numbers
        .into_iter()
        .zip(&names)
        .map(|(n, k)| set(n, *k))
        .collect();
    let mut out = vec![0; MAX_KEPT_KEYS_LEN + 64];
    let by = Extended::extended(&signer.key, extensions).unwrap();
    let (again, _) = fields.sign(&sets, by, &mut out).unwrap();
    assert_eq!(again.len(), made.object.len());
    let list = KeptKeys::verify(again, &signer.delegation).unwrap();
    assert!(list.names().eq(names.iter().copied()));
    for (n, set) in sets.iter().enumerate() {
        let behind: Vec<KeptSet> = list.before(&set.kept, &set.secret).collect();
        assert_eq!(behind, sets[n + 1..], "behind entry {n}");
        let other = self::set(set.epoch, sha256(&[b"another", &set.kept.0]));
        assert_eq!(list.before(&set.kept, &other.secret).count(), 0);
        assert_eq!(list.before(&other.kept, &set.secret).count(), 0);
    }
    true
}

/// The number of the newest epoch and of each entry.
fn epochs(newest: u64, mut entries: &[u8]) -> Vec<u64> {
    let mut all = vec![newest];
    while !entries.is_empty() {
        let decoded = sealmq_core::object::decode_prefix::<(u64, Digest)>(entries);
        let ((epoch, _), rest) = decoded.unwrap();
        all.push(epoch);
        entries = &rest[80..];
    }
    all
}
