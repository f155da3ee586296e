//! HPKE (RFC 9180) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM; the names are the
//! RFC's. With X-Wing it is `rustcrypto`'s.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use zeroize::Zeroizing;

#[cfg(feature = "suite2")]
use super::rustcrypto;
use super::{Aes256Gcm, Export, Refused, hkdf_expand, hkdf_extract};
use crate::crypto::KemId;

type Key = Zeroizing<[u8; 32]>;

const KEM_SUITE: &[u8] = b"KEM\x00\x20";
const HPKE_SUITE: &[u8] = b"HPKE\x00\x20\x00\x01\x00\x02";
const MODE_BASE: u8 = 0;
const MODE_PSK: u8 = 1;
/// The salt `""`: HMAC fills keys up with zeros.
const NO_SALT: &[u8; 32] = &[0; 32];

fn labeled_extract(suite: &[u8], salt: &[u8; 32], label: &[u8], ikm: &[u8]) -> Key {
    let mut out = Zeroizing::new([0; 32]);
    hkdf_extract(salt, &[b"HPKE-v1", suite, label, ikm], &mut out);
    out
}

/// `out` has at most 32 bytes.
fn labeled_expand(
    suite: &[u8],
    prk: &[u8; 32],
    label: &[u8],
    info: &[u8],
    out: &mut [u8],
) -> Result<(), Refused> {
    let len = u16::try_from(out.len()).map_err(|_| Refused)?.to_be_bytes();
    let mut block = Zeroizing::new([0; 32]);
    hkdf_expand(prk, &[&len, b"HPKE-v1", suite, label, info], &mut block);
    out.copy_from_slice(block.get(..out.len()).ok_or(Refused)?);
    Ok(())
}

fn expand_key(suite: &[u8], prk: &[u8; 32], label: &[u8], info: &[u8]) -> Result<Key, Refused> {
    let mut key = Zeroizing::new([0; 32]);
    labeled_expand(suite, prk, label, info, &mut *key)?;
    Ok(key)
}

/// An X25519 pair. `None`: there was no memory for it.
pub(in crate::crypto) struct X25519Private(Option<Pair>);

struct Pair {
    private: PrivateKey,
    public: [u8; 32],
}

impl Pair {
    /// DeriveKeyPair (§7.1.3).
    fn derive(seed: &[u8]) -> Result<Self, Refused> {
        let prk = labeled_extract(KEM_SUITE, NO_SALT, b"dkp_prk", seed);
        let key = expand_key(KEM_SUITE, &prk, b"sk", b"")?;
        let private = PrivateKey::from_private_key(&X25519, &*key).map_err(|_| Refused)?;
        let public = private.compute_public_key().map_err(|_| Refused)?;
        let public = public.as_ref().try_into().map_err(|_| Refused)?;
        Ok(Self { private, public })
    }

    /// DH, then ExtractAndExpand (§4.1). Keys of low order are refused.
    fn shared_secret(
        &self,
        peer: &[u8; 32],
        enc: &[u8; 32],
        public: &[u8; 32],
    ) -> Result<Key, Refused> {
        let mut context = [0; 64];
        let (first, second) = context.split_at_mut(32);
        first.copy_from_slice(enc);
        second.copy_from_slice(public);
        agree(
            &self.private,
            UnparsedPublicKey::new(&X25519, peer),
            Refused,
            |dh| {
                let prk = labeled_extract(KEM_SUITE, NO_SALT, b"eae_prk", dh);
                expand_key(KEM_SUITE, &prk, b"shared_secret", &context)
            },
        )
    }
}

impl X25519Private {
    /// The pair that DeriveKeyPair makes of a seed.
    pub(in crate::crypto) fn derive(seed: &[u8; 32]) -> (Self, [u8; 32]) {
        let pair = Pair::derive(seed).ok();
        let public = pair.as_ref().map_or([0; 32], |pair| pair.public);
        (Self(pair), public)
    }

    /// Decap.
    fn decap(&self, enc: &[u8]) -> Result<Key, Refused> {
        let pair = self.0.as_ref().ok_or(Refused)?;
        let enc = enc.try_into().map_err(|_| Refused)?;
        pair.shared_secret(enc, enc, &pair.public)
    }

    /// Opens a text that [`base_sender`] has sealed, in place.
    pub(in crate::crypto) fn open(
        &self,
        info: &[u8],
        aad: &[u8],
        enc: &[u8],
        text: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), Refused> {
        let secret = self.decap(enc)?;
        let (key, nonce) = Schedule::new(MODE_BASE, &secret, info, (b"", b"")).message()?;
        key.open(&nonce, aad, text, tag)
    }
}

/// Encap, with an ephemeral key that is derived of `randomness`: of 32 bytes, as RFC 9180's
/// GenerateKeyPair draws them.
fn encap(public: &[u8], randomness: &[u8]) -> Result<([u8; 32], Key), Refused> {
    if randomness.len() != 32 {
        return Err(Refused);
    }
    let public = public.try_into().map_err(|_| Refused)?;
    let ephemeral = Pair::derive(randomness)?;
    let secret = ephemeral.shared_secret(public, &ephemeral.public, public)?;
    Ok((ephemeral.public, secret))
}

/// The exchange alone, for tests.
#[cfg(test)]
pub(in crate::crypto) fn x25519(
    private: &[u8; 32],
    public: &[u8; 32],
) -> Result<[u8; 32], Refused> {
    let private = PrivateKey::from_private_key(&X25519, private).map_err(|_| Refused)?;
    agree(
        &private,
        UnparsedPublicKey::new(&X25519, public),
        Refused,
        |shared| shared.try_into().map_err(|_| Refused),
    )
}

/// KeySchedule (§5.1).
struct Schedule {
    context: [u8; 65],
    secret: Key,
}

impl Schedule {
    fn new(mode: u8, shared: &[u8; 32], info: &[u8], (psk, psk_id): (&[u8], &[u8])) -> Self {
        let extract = |salt, label, ikm| labeled_extract(HPKE_SUITE, salt, label, ikm);
        let mut context = [mode; 65];
        let (_, hashes) = context.split_at_mut(1);
        let (first, second) = hashes.split_at_mut(32);
        first.copy_from_slice(&*extract(NO_SALT, b"psk_id_hash", psk_id));
        second.copy_from_slice(&*extract(NO_SALT, b"info_hash", info));
        Self {
            context,
            secret: extract(shared, b"secret", psk),
        }
    }

    /// Key and nonce of the first message.
    fn message(&self) -> Result<(Aes256Gcm, [u8; 12]), Refused> {
        let key = expand_key(HPKE_SUITE, &self.secret, b"key", &self.context)?;
        let mut nonce = [0; 12];
        labeled_expand(
            HPKE_SUITE,
            &self.secret,
            b"base_nonce",
            &self.context,
            &mut nonce,
        )?;
        Ok((Aes256Gcm::new(&key), nonce))
    }

    fn exporting<T>(
        &self,
        take: impl FnOnce(Export<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let secret = expand_key(HPKE_SUITE, &self.secret, b"exp", &self.context)?;
        take(&|label, out| labeled_expand(HPKE_SUITE, &secret, b"sec", label, out))
    }
}

/// Begins a session to an X25519 key in psk mode, and hands out what it exports. `randomness` is
/// what Encap draws.
pub(in crate::crypto) fn psk_sender<T>(
    public: &[u8; 32],
    (psk, psk_id): (&[u8; 32], &[u8]),
    info: &[u8],
    randomness: &[u8],
    take: impl FnOnce(Export<'_>) -> Result<T, Refused>,
) -> Result<([u8; 32], T), Refused> {
    let (enc, secret) = encap(public, randomness)?;
    let taken = Schedule::new(MODE_PSK, &secret, info, (psk, psk_id)).exporting(take)?;
    Ok((enc, taken))
}

/// The other end of [`psk_sender`].
pub(in crate::crypto) fn psk_receiver<T>(
    private: &X25519Private,
    (psk, psk_id): (&[u8; 32], &[u8]),
    info: &[u8],
    enc: &[u8; 32],
    take: impl FnOnce(Export<'_>) -> Result<T, Refused>,
) -> Result<T, Refused> {
    let secret = private.decap(enc)?;
    Schedule::new(MODE_PSK, &secret, info, (psk, psk_id)).exporting(take)
}

/// Seals one text in place in base mode. `enc` has the length of the KEM's encapsulated keys,
/// `randomness` is what its Encap draws.
pub(in crate::crypto) fn base_sender(
    (kem, public): (KemId, &[u8]),
    info: &[u8],
    aad: &[u8],
    randomness: &[u8],
    text: &mut [u8],
    enc: &mut [u8],
) -> Result<[u8; 16], Refused> {
    match kem {
        KemId::X25519 => {
            let enc: &mut [u8; 32] = enc.try_into().map_err(|_| Refused)?;
            let secret;
            (*enc, secret) = encap(public, randomness)?;
            let (key, nonce) = Schedule::new(MODE_BASE, &secret, info, (b"", b"")).message()?;
            key.seal(&nonce, aad, text)
        }
        #[cfg(feature = "suite2")]
        KemId::XWing => rustcrypto::base_sender((kem, public), info, aad, randomness, text, enc),
    }
}
