//! HPKE by way of the `hpke` crate itself, for the values that sealmq-core keeps to itself: the
//! vectors show them, and every use asserts that the real code arrives at the same.

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem, X25519HkdfSha256, XWing};
use hpke::{Deserializable, OpModeS, PskBundle, Serializable};
use sealmq_core::crypto::{
    Digest, KemId, KemKeyPair, KemPublicKey, Secret, SessionPsk, expand, extract,
};

use crate::stand_ins::Once;

/// What a session shares, in the open.
pub(crate) struct SessionValues {
    pub(crate) enc: [u8; 32],
    pub(crate) message_key: [u8; 32],
    pub(crate) base_nonce: [u8; 12],
    pub(crate) mac: [u8; 4],
}

/// SetupPSKS, the two exports and the mac (spec/envelope.md §6); `psk` is that of an epoch, or the
/// kept psk for state, `name` H or K'. `None` for a group key of low order.
pub(crate) fn session(
    group_key: &[u8; 32],
    psk: &Secret,
    name: &Digest,
    seed: &Secret,
) -> Option<SessionValues> {
    let real_psk = SessionPsk::derive(psk);
    let real =
        sealmq_core::crypto::session_sender(&KemPublicKey(*group_key), &real_psk, name, seed);
    let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(group_key).unwrap();
    let for_hpke = session_psk(psk);
    let mode = OpModeS::Psk(PskBundle::new(&for_hpke, &name.0).unwrap());
    let info = [&b"sealmq/1 session"[..], &name.0].concat();
    let made = hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &mode,
        &public,
        &info,
        &mut Once(seed.expose().to_vec()),
    );
    let Ok((enc, context)) = made else {
        assert!(real.is_err());
        return None;
    };
    let (mut message_key, mut base_nonce) = ([0; 32], [0; 12]);
    context
        .export(b"sealmq/1 message key", &mut message_key)
        .unwrap();
    context
        .export(b"sealmq/1 base nonce", &mut base_nonce)
        .unwrap();
    let enc = enc.to_bytes().into();
    let values = SessionValues {
        enc,
        message_key,
        base_nonce,
        mac: session_mac(psk, &enc),
    };

    let (real_enc, real) = real.unwrap();
    assert_eq!((values.enc, values.base_nonce), (real_enc, real.nonce(0)));
    assert_eq!(values.mac, real_psk.mac(&real_enc));
    let mut text = *b"the same message key";
    let tag = real
        .key
        .seal_in_place(&real.nonce(5), b"aad", &mut text)
        .unwrap();
    let own = sealmq_core::crypto::MessageKey::new(&Secret::new(message_key));
    own.open_in_place(&real.nonce(5), b"aad", &mut text, &tag)
        .unwrap();
    Some(values)
}

/// What shows that a member made `enc`.
pub(crate) fn session_mac(psk: &Secret, enc: &[u8; 32]) -> [u8; 4] {
    let mac = expand(psk, &[b"sealmq/1 session mac", enc]);
    mac.expose()[..4].try_into().unwrap()
}

/// What names a session of a sender in the short form.
pub(crate) fn session_tag(psk: &Secret, enc: &[u8; 32], sender: u32) -> [u8; 8] {
    let sender = sender.to_be_bytes();
    let tag = expand(psk, &[b"sealmq/1 session tag", enc, &sender]);
    tag.expose()[..8].try_into().unwrap()
}

/// What HPKE takes as the psk.
pub(crate) fn session_psk(psk: &Secret) -> [u8; 32] {
    *expand(psk, &[b"sealmq/1 session psk"]).expose()
}

/// Single-shot SealBase: enc, and ciphertext ‖ tag.
pub(crate) fn seal_base(
    recipient: &[u8; 32],
    info: &[u8],
    aad: &[u8],
    seed: &Secret,
    plaintext: &[u8],
) -> ([u8; 32], Vec<u8>) {
    let mut text = plaintext.to_vec();
    let (enc, tag) = sealmq_core::crypto::seal_base(
        &KemPublicKey(*recipient).into(),
        info,
        aad,
        seed,
        &mut text,
    )
    .unwrap();
    text.extend_from_slice(&tag);
    (enc.as_bytes().try_into().unwrap(), text)
}

/// The private key of DeriveKeyPair(seed) as RFC 9180 §7.1.3 has it, not clamped.
pub(crate) fn private_key(seed: &Secret) -> [u8; 32] {
    let suite = b"KEM\x00\x20";
    let ikm = [&b"HPKE-v1"[..], suite, b"dkp_prk", seed.expose()].concat();
    // An empty salt and one of zeros are the same to HMAC.
    let prk = extract(&Secret::new([0; 32]), &[&ikm]);
    let private = *expand(&prk, &[&[0, 32], b"HPKE-v1", suite, b"sk"]).expose();

    // X25519 clamps; the crate may have done so already.
    let clamped = |mut key: [u8; 32]| {
        key[0] &= 0xf8;
        key[31] = key[31] & 0x7f | 0x40;
        key
    };
    let (real, public) = X25519HkdfSha256::derive_keypair(seed.expose());
    assert_eq!(clamped(private), clamped(real.to_bytes().into()));
    assert_eq!(
        KemKeyPair::derive(seed).public().0,
        <[u8; 32]>::from(public.to_bytes())
    );
    private
}

/// The private key of DeriveKeyPair(seed) of either KEM.
pub(crate) fn private_key_of(kem: KemId, seed: &Secret) -> [u8; 32] {
    match kem {
        KemId::X25519 => private_key(seed),
        _ => XWing::derive_keypair(seed.expose()).0.to_bytes().into(),
    }
}
