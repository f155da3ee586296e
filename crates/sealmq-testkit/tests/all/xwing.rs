//! The KEM of suite 2 gives what the vectors of draft-connolly-cfrg-xwing-kem say (spec/keys.md
//! §10). `test-vectors/verify.py --self-test` checks the same file with another implementation.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use hpke::kem::{Kem, XWing};
use hpke::{Deserializable, Serializable};
use sealmq_testkit::stand_ins::Once;
use serde_json::Value;

fn vectors() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test-vectors/xwing.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

#[test]
fn x_wing_is_the_drafts() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 3);
    for vector in &vectors {
        let of = |name: &str| hex::decode(vector[name].as_str().unwrap()).unwrap();
        let private = <XWing as Kem>::PrivateKey::from_bytes(&of("sk")).unwrap();
        let public = XWing::sk_to_pk(&private);
        assert_eq!(public.to_bytes().as_slice(), of("pk"));
        let read = <XWing as Kem>::PublicKey::from_bytes(&of("pk")).unwrap();
        let (shared, enc) = XWing::encap_with_rng(&read, None, &mut Once(of("eseed"))).unwrap();
        assert_eq!(enc.to_bytes().as_slice(), of("ct"));
        assert_eq!(shared.0.as_slice(), of("ss"));
        let shared = XWing::decap(&private, None, &enc).unwrap();
        assert_eq!(shared.0.as_slice(), of("ss"));

        let mut altered = of("ct");
        altered[0] ^= 1;
        let enc = <XWing as Kem>::EncappedKey::from_bytes(&altered).unwrap();
        let shared = XWing::decap(&private, None, &enc).unwrap();
        assert_ne!(shared.0.as_slice(), of("ss"));
    }
}
