//! One suite for every back end: vectors of others (RFC 9180, Wycheproof), Ed25519's edge cases, and
//! random inputs, of which `SEALMQ_MUTATIONS` says how many. With the feature `aws-lc` both back ends
//! are compared with each other, too.

mod edge_cases;
mod hpke;
mod mutations;
mod wycheproof;

use super::KemId;

/// A back end, as the suite sees it.
trait Backend {
    fn public(seed: &[u8; 32]) -> [u8; 32];
    fn sign(seed: &[u8; 32], message: &[u8]) -> [u8; 64];
    /// `false` also for keys that are refused.
    fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool;
    fn sha256(parts: &[&[u8]]) -> [u8; 32];
    fn expand(prk: &[u8; 32], info: &[&[u8]]) -> [u8; 32];
    fn extract(salt: &[u8; 32], ikm: &[&[u8]]) -> [u8; 32];
    fn seal(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], text: &[u8]) -> (Vec<u8>, [u8; 16]);
    fn open(
        key: &[u8; 32],
        nonce: &[u8; 12],
        aad: &[u8],
        text: &[u8],
        tag: &[u8; 16],
    ) -> Option<Vec<u8>>;
    fn x25519(private: &[u8; 32], public: &[u8; 32]) -> Option<[u8; 32]>;
    fn derive(seed: &[u8; 32]) -> [u8; 32];
    /// `enc`, and what comes of exporting 32 bytes for each label.
    fn psk_sender(
        public: &[u8; 32],
        psk: (&[u8; 32], &[u8]),
        info: &[u8],
        randomness: &[u8],
        labels: &[&[u8]],
    ) -> Option<([u8; 32], Vec<[u8; 32]>)>;
    fn psk_receiver(
        seed: &[u8; 32],
        psk: (&[u8; 32], &[u8]),
        info: &[u8],
        enc: &[u8; 32],
        labels: &[&[u8]],
    ) -> Option<Vec<[u8; 32]>>;
    /// `enc`, text and tag.
    fn base_sender(
        to: (KemId, &[u8]),
        info: &[u8],
        aad: &[u8],
        randomness: &[u8],
        text: &[u8],
    ) -> Option<(Vec<u8>, Vec<u8>, [u8; 16])>;
    fn base_receiver(
        seed: &[u8; 32],
        info: &[u8],
        aad: &[u8],
        enc: &[u8],
        text: &[u8],
        tag: &[u8; 16],
    ) -> Option<Vec<u8>>;
}

macro_rules! backend {
    ($name:ident, $module:ident) => {
        struct $name;

        impl Backend for $name {
            fn public(seed: &[u8; 32]) -> [u8; 32] {
                *super::$module::Ed25519Private::from_seed(seed)
                    .public()
                    .as_bytes()
            }

            fn sign(seed: &[u8; 32], message: &[u8]) -> [u8; 64] {
                super::$module::Ed25519Private::from_seed(seed).sign(message)
            }

            fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
                let Ok(key) = super::$module::Ed25519Public::from_bytes(key) else {
                    return false;
                };
                let verified = key.verify(message, signature).is_ok();
                #[cfg(feature = "tables")]
                {
                    let table = key.table();
                    assert_eq!(table.verify(message, signature).is_ok(), verified);
                    // In company of another one that does not fit, and of itself.
                    let mut other = *signature;
                    other[32] ^= 1;
                    let of_other = key.verify(message, &other).is_ok();
                    let company = [
                        (key.expected(message, &other), of_other),
                        (key.expected(message, signature), verified),
                        (table.expected(message, signature), verified),
                        (table.expected(message, &other), of_other),
                    ];
                    let (fit, expected): (Vec<_>, Vec<_>) = company
                        .into_iter()
                        .filter_map(|(this, fits)| {
                            this.ok().map(|this| (fits, this)).or_else(|| {
                                assert!(!fits);
                                None
                            })
                        })
                        .unzip();
                    assert_eq!(super::$module::Expected::fit_each(&expected), fit);
                }
                verified
            }

            fn sha256(parts: &[&[u8]]) -> [u8; 32] {
                let mut hash = super::$module::Sha256::default();
                parts.iter().for_each(|part| hash.update(part));
                hash.clone().finish()
            }

            fn expand(prk: &[u8; 32], info: &[&[u8]]) -> [u8; 32] {
                let mut out = [0; 32];
                super::$module::hkdf_expand(prk, info, &mut out);
                out
            }

            fn extract(salt: &[u8; 32], ikm: &[&[u8]]) -> [u8; 32] {
                let mut out = [0; 32];
                super::$module::hkdf_extract(salt, ikm, &mut out);
                out
            }

            fn seal(
                key: &[u8; 32],
                nonce: &[u8; 12],
                aad: &[u8],
                text: &[u8],
            ) -> (Vec<u8>, [u8; 16]) {
                let mut text = text.to_vec();
                let key = super::$module::Aes256Gcm::new(key);
                let tag = key.seal(nonce, aad, &mut text).unwrap();
                (text, tag)
            }

            fn open(
                key: &[u8; 32],
                nonce: &[u8; 12],
                aad: &[u8],
                text: &[u8],
                tag: &[u8; 16],
            ) -> Option<Vec<u8>> {
                let mut text = text.to_vec();
                let key = super::$module::Aes256Gcm::new(key);
                key.open(nonce, aad, &mut text, tag).ok().map(|()| text)
            }

            fn x25519(private: &[u8; 32], public: &[u8; 32]) -> Option<[u8; 32]> {
                super::$module::x25519(private, public).ok()
            }

            fn derive(seed: &[u8; 32]) -> [u8; 32] {
                super::$module::X25519Private::derive(seed).1
            }

            fn psk_sender(
                public: &[u8; 32],
                psk: (&[u8; 32], &[u8]),
                info: &[u8],
                randomness: &[u8],
                labels: &[&[u8]],
            ) -> Option<([u8; 32], Vec<[u8; 32]>)> {
                super::$module::psk_sender(public, psk, info, randomness, |export| {
                    exports(export, labels)
                })
                .ok()
            }

            fn psk_receiver(
                seed: &[u8; 32],
                psk: (&[u8; 32], &[u8]),
                info: &[u8],
                enc: &[u8; 32],
                labels: &[&[u8]],
            ) -> Option<Vec<[u8; 32]>> {
                let (private, _) = super::$module::X25519Private::derive(seed);
                super::$module::psk_receiver(&private, psk, info, enc, |export| {
                    exports(export, labels)
                })
                .ok()
            }

            fn base_sender(
                to: (KemId, &[u8]),
                info: &[u8],
                aad: &[u8],
                randomness: &[u8],
                text: &[u8],
            ) -> Option<(Vec<u8>, Vec<u8>, [u8; 16])> {
                let (mut text, mut enc) = (text.to_vec(), vec![0; to.0.enc_len()]);
                let tag =
                    super::$module::base_sender(to, info, aad, randomness, &mut text, &mut enc);
                tag.ok().map(|tag| (enc, text, tag))
            }

            fn base_receiver(
                seed: &[u8; 32],
                info: &[u8],
                aad: &[u8],
                enc: &[u8],
                text: &[u8],
                tag: &[u8; 16],
            ) -> Option<Vec<u8>> {
                let mut text = text.to_vec();
                let (private, _) = super::$module::X25519Private::derive(seed);
                private
                    .open(info, aad, enc, &mut text, tag)
                    .ok()
                    .map(|()| text)
            }
        }
    };
}

backend!(RustCrypto, rustcrypto);
#[cfg(feature = "aws-lc")]
backend!(AwsLc, awslc);

fn exports(
    export: super::rustcrypto::Export<'_>,
    labels: &[&[u8]],
) -> Result<Vec<[u8; 32]>, super::rustcrypto::Refused> {
    let one = |label: &&[u8]| {
        let mut out = [0; 32];
        export(label, &mut out).map(|()| out)
    };
    labels.iter().map(one).collect()
}

/// A test for each back end.
macro_rules! for_every_back_end {
    ($($test:ident),+ $(,)?) => {
        #[test]
        fn rustcrypto() {
            $($test::<crate::crypto::conformance::RustCrypto>();)+
        }

        #[cfg(feature = "aws-lc")]
        #[test]
        fn awslc() {
            $($test::<crate::crypto::conformance::AwsLc>();)+
        }
    };
}
use for_every_back_end;

fn unhex<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}
