//! HPKE (RFC 9180) with HKDF-SHA256 and AES-256-GCM, over both KEMs.

use hpke::aead::{AeadTag, AesGcm256};
use hpke::kdf::HkdfSha256;
#[cfg(feature = "suite2")]
use hpke::kem::XWing;
use hpke::kem::{Kem, X25519HkdfSha256};
use hpke::{Deserializable, OpModeR, OpModeS, PskBundle, Serializable};

use super::Refused;
use super::seed_rng::SeedRng;
use crate::crypto::KemId;

/// Fills the output with what HPKE's Export gives for the label.
pub(in crate::crypto) type Export<'a> = &'a dyn Fn(&[u8], &mut [u8]) -> Result<(), Refused>;

/// A private key of one of the KEMs.
pub(in crate::crypto) struct Private<K: Kem>(K::PrivateKey);

pub(in crate::crypto) type X25519Private = Private<X25519HkdfSha256>;

#[cfg(feature = "suite2")]
pub(in crate::crypto) type XWingPrivate = Private<XWing>;

impl X25519Private {
    /// The pair that DeriveKeyPair makes of a seed.
    pub(in crate::crypto) fn derive(seed: &[u8; 32]) -> (Self, [u8; 32]) {
        let (private, public) = X25519HkdfSha256::derive_keypair(seed);
        (Self(private), public.to_bytes().into())
    }
}

#[cfg(feature = "suite2")]
impl XWingPrivate {
    /// The pair that DeriveKeyPair makes of a seed; the public half goes into `public`.
    pub(in crate::crypto) fn derive(seed: &[u8; 32], public: &mut [u8; 1216]) -> Self {
        let (private, key) = XWing::derive_keypair(seed);
        key.write_exact(public);
        Self(private)
    }
}

impl<K: Kem> Private<K> {
    /// Opens a text that [`base_sender`] has sealed, in place.
    pub(in crate::crypto) fn open(
        &self,
        info: &[u8],
        aad: &[u8],
        enc: &[u8],
        text: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), Refused> {
        let enc = K::EncappedKey::from_bytes(enc).map_err(|_| Refused)?;
        let tag = AeadTag::<AesGcm256>::from_bytes(tag).map_err(|_| Refused)?;
        let mut context =
            hpke::setup_receiver::<AesGcm256, HkdfSha256, K>(&OpModeR::Base, &self.0, &enc, info)
                .map_err(|_| Refused)?;
        context
            .open_inout_detached(text.into(), aad, &tag)
            .map_err(|_| Refused)
    }
}

/// The exchange alone, for tests.
#[cfg(test)]
pub(in crate::crypto) fn x25519(
    private: &[u8; 32],
    public: &[u8; 32],
) -> Result<[u8; 32], Refused> {
    let private = x25519_dalek::StaticSecret::from(*private);
    let shared = private.diffie_hellman(&(*public).into());
    let contributes = shared.was_contributory();
    contributes.then(|| shared.to_bytes()).ok_or(Refused)
}

/// Whether these are a public key of X-Wing: its length, and ML-KEM coefficients in range.
#[cfg(feature = "suite2")]
pub(in crate::crypto) fn is_xwing_key(bytes: &[u8]) -> bool {
    <XWing as Kem>::PublicKey::from_bytes(bytes).is_ok()
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
    let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(public).map_err(|_| Refused)?;
    let bundle = PskBundle::new(psk, psk_id).map_err(|_| Refused)?;
    let mut rng = SeedRng::new(randomness);
    let (enc, context) = hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Psk(bundle),
        &public,
        info,
        &mut rng,
    )
    .map_err(|_| Refused)?;
    if !rng.is_spent() {
        return Err(Refused);
    }
    let taken = take(&|label, out| context.export(label, out).map_err(|_| Refused))?;
    Ok((enc.to_bytes().into(), taken))
}

/// The other end of [`psk_sender`].
pub(in crate::crypto) fn psk_receiver<T>(
    private: &X25519Private,
    (psk, psk_id): (&[u8; 32], &[u8]),
    info: &[u8],
    enc: &[u8; 32],
    take: impl FnOnce(Export<'_>) -> Result<T, Refused>,
) -> Result<T, Refused> {
    let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(enc).map_err(|_| Refused)?;
    let bundle = PskBundle::new(psk, psk_id).map_err(|_| Refused)?;
    let context = hpke::setup_receiver::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Psk(bundle),
        &private.0,
        &enc,
        info,
    )
    .map_err(|_| Refused)?;
    take(&|label, out| context.export(label, out).map_err(|_| Refused))
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
        KemId::X25519 => seal::<X25519HkdfSha256>(public, info, aad, randomness, text, enc),
        #[cfg(feature = "suite2")]
        KemId::XWing => seal::<XWing>(public, info, aad, randomness, text, enc),
    }
}

fn seal<K: Kem>(
    public: &[u8],
    info: &[u8],
    aad: &[u8],
    randomness: &[u8],
    text: &mut [u8],
    enc: &mut [u8],
) -> Result<[u8; 16], Refused> {
    let public = K::PublicKey::from_bytes(public).map_err(|_| Refused)?;
    let mut rng = SeedRng::new(randomness);
    // Base mode only: hpke panics on X-Wing in the authenticated modes.
    let (key, mut context) = hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, K>(
        &OpModeS::Base,
        &public,
        info,
        &mut rng,
    )
    .map_err(|_| Refused)?;
    if !rng.is_spent() || enc.len() != K::EncappedKey::size() {
        return Err(Refused);
    }
    key.write_exact(enc);
    let tag = context
        .seal_inout_detached(text.into(), aad)
        .map_err(|_| Refused)?;
    Ok(tag.to_bytes().into())
}
