//! The vectors of RFC 9180, and the crate `hpke`, which makes what they do not have.

use hpke::{Deserializable, OpModeS, PskBundle, Serializable};
use serde_json::Value;

use super::{Backend, KemId, for_every_back_end, unhex};
use crate::crypto::rustcrypto::seed_rng::SeedRng;

for_every_back_end!(vectors, psk, refusals);
#[cfg(feature = "suite2")]
mod xwing {
    use super::super::{Backend, KemId, for_every_back_end};

    for_every_back_end!(round_trip);

    fn round_trip<B: Backend>() {
        let mut public = [0; 1216];
        let private = crate::crypto::rustcrypto::XWingPrivate::derive(&[3; 32], &mut public);
        let to = (KemId::XWing, &public[..]);
        let (enc, mut text, tag) = B::base_sender(to, b"i", b"a", &[7; 64], b"text").unwrap();
        private.open(b"i", b"a", &enc, &mut text, &tag).unwrap();
        assert_eq!(text, b"text");
        assert_eq!(B::base_sender(to, b"i", b"a", &[7; 63], b"text"), None);
    }
}

fn text(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn vectors<B: Backend>() {
    let file = include_str!("../../../../../test-vectors/rfc9180.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let mut modes = [0; 2];
    for vector in file["vectors"].as_array().unwrap() {
        let field = |name: &str| text(&vector[name]);
        let seed: [u8; 32] = field("ikmR").try_into().unwrap();
        let public = B::derive(&seed);
        assert_eq!(public[..], field("pkRm"));
        let (info, randomness) = (field("info"), field("ikmE"));
        let enc: [u8; 32] = field("enc").try_into().unwrap();
        let message = &vector["encryption"];
        let (aad, plain) = (text(&message["aad"]), text(&message["pt"]));
        if vector["mode"] == 0 {
            let to = (KemId::X25519, &public[..]);
            let sealed = B::base_sender(to, &info, &aad, &randomness, &plain).unwrap();
            let (made, ct, tag) = &sealed;
            assert_eq!(made[..], enc);
            assert_eq!([&ct[..], tag].concat(), text(&message["ct"]));
            let opened = B::base_receiver(&seed, &info, &aad, made, ct, tag);
            assert_eq!(opened, Some(plain));
        } else {
            let (psk, id) = (field("psk").try_into().unwrap(), field("psk_id"));
            let exports = vector["exports"].as_array().unwrap();
            let contexts: Vec<_> = exports
                .iter()
                .map(|e| text(&e["exporter_context"]))
                .collect();
            let labels: Vec<&[u8]> = contexts.iter().map(Vec::as_slice).collect();
            let values: Vec<[u8; 32]> = exports
                .iter()
                .map(|export| unhex(export["exported_value"].as_str().unwrap()))
                .collect();
            let sent = B::psk_sender(&public, (&psk, &id), &info, &randomness, &labels);
            assert_eq!(sent, Some((enc, values.clone())));
            let received = B::psk_receiver(&seed, (&psk, &id), &info, &enc, &labels);
            assert_eq!(received, Some(values));
        }
        modes[usize::from(vector["mode"] != 0)] += 1;
    }
    assert!(modes[0] > 0 && modes[1] > 0);
}

/// Against the crate itself, with the lengths that sealmq uses.
fn psk<B: Backend>() {
    use hpke::{aead::AesGcm256, kdf::HkdfSha256, kem::Kem, kem::X25519HkdfSha256};
    for i in 0..8 {
        let public = B::derive(&[i; 32]);
        let key = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&public).unwrap();
        let (psk, id, info) = ([i + 1; 32], [i + 2; 32], [i + 3; 48]);
        let mode = OpModeS::Psk(PskBundle::new(&psk, &id).unwrap());
        let seed = [i + 4; 32];
        let (enc, context) =
            hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
                &mode,
                &key,
                &info,
                &mut SeedRng::new(&seed),
            )
            .unwrap();
        let label = b"sealmq/1 message key";
        let mut expected = [0; 32];
        context.export(label, &mut expected).unwrap();
        let sent = B::psk_sender(&public, (&psk, &id), &info, &seed, &[label]);
        let enc = enc.to_bytes().into();
        assert_eq!(sent, Some((enc, vec![expected])));
        let received = B::psk_receiver(&[i; 32], (&psk, &id), &info, &enc, &[label]);
        assert_eq!(received, Some(vec![expected]));
    }
}

fn refusals<B: Backend>() {
    let public = B::derive(&[1; 32]);
    let to = (KemId::X25519, &public[..]);
    let (enc, text, tag) = B::base_sender(to, b"i", b"a", &[2; 32], b"text").unwrap();
    let open = |info: &[u8], aad: &[u8], enc: &[u8], text: &[u8], tag| {
        B::base_receiver(&[1; 32], info, aad, enc, text, tag)
    };
    assert!(open(b"i", b"a", &enc, &text, &tag).is_some());
    assert!(open(b"j", b"a", &enc, &text, &tag).is_none());
    assert!(open(b"i", b"b", &enc, &text, &tag).is_none());
    assert!(open(b"i", b"a", &enc[1..], &text, &tag).is_none());
    assert!(open(b"i", b"a", &[0; 32], &text, &tag).is_none());
    assert!(open(b"i", b"a", &enc, &text[1..], &tag).is_none());
    // Neither more nor less randomness than Encap draws, and no key of another length or low order.
    for randomness in [&[2; 31][..], &[2; 33], &[]] {
        assert!(B::base_sender(to, b"i", b"a", randomness, b"text").is_none());
    }
    for public in [&public[1..], &[0; 32]] {
        assert!(B::base_sender((KemId::X25519, public), b"i", b"a", &[2; 32], b"").is_none());
    }
}
