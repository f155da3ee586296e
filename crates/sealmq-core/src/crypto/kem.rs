use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Digest, MessageKey, NONCE_LEN, Secret, backend, expand};
use crate::ids::MemberNumber;

/// Length of an encapsulated key (RFC 9180, DHKEM(X25519)) in bytes.
pub const ENC_LEN: usize = 32;

/// Encapsulation or decapsulation failed: a low-order key, or a ciphertext that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KemError;

impl fmt::Display for KemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HPKE failed: the key is unusable, or the ciphertext is not for it")
    }
}

impl core::error::Error for KemError {}

/// An X25519 public key of the data path, 32 bytes. Low-order keys fail when they are used (RFC 9180 §7.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct KemPublicKey(pub [u8; 32]);

/// An X25519 key pair of the data path, derived from a seed and kept as the seed's derivation only.
pub struct KemKeyPair {
    private: backend::X25519Private,
    public: KemPublicKey,
}

impl KemKeyPair {
    /// DeriveKeyPair(seed) of RFC 9180 §7.1.3.
    #[must_use]
    pub fn derive(seed: &Secret) -> Self {
        let (private, public) = backend::X25519Private::derive(seed.expose());
        Self {
            private,
            public: KemPublicKey(public),
        }
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> KemPublicKey {
        self.public
    }

    pub(super) const fn private(&self) -> &backend::X25519Private {
        &self.private
    }
}

impl fmt::Debug for KemKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KemKeyPair").field(&self.public).finish()
    }
}

/// What both ends of a session compute (spec/envelope.md §6).
pub struct SessionSecrets {
    /// The expanded message key.
    pub key: MessageKey,
    base_nonce: Zeroizing<[u8; NONCE_LEN]>,
}

impl fmt::Debug for SessionSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSecrets").finish_non_exhaustive()
    }
}

impl SessionSecrets {
    /// The nonce of message `counter`: base nonce XOR counter.
    #[must_use]
    pub fn nonce(&self, counter: u64) -> [u8; NONCE_LEN] {
        let mut nonce = *self.base_nonce;
        for (byte, c) in nonce.iter_mut().skip(4).zip(counter.to_be_bytes()) {
            *byte ^= c;
        }
        nonce
    }

    fn export(export: backend::Export<'_>) -> Result<Self, backend::Refused> {
        SessionExports::export(export).map(|exports| exports.expand())
    }
}

/// The same before the key is expanded: 44 bytes, for readers that keep many.
pub(crate) struct SessionExports {
    key: Secret,
    base_nonce: Zeroizing<[u8; NONCE_LEN]>,
}

impl SessionExports {
    fn export(export: backend::Export<'_>) -> Result<Self, backend::Refused> {
        let mut result = Ok(());
        let key = Secret::init_with(|out| result = export(b"sealmq/1 message key", out));
        result?;
        let mut base_nonce = Zeroizing::new([0; NONCE_LEN]);
        export(b"sealmq/1 base nonce", &mut *base_nonce)?;
        Ok(Self { key, base_nonce })
    }

    pub(crate) fn expand(&self) -> SessionSecrets {
        SessionSecrets {
            key: MessageKey::new(&self.key),
            base_nonce: self.base_nonce.clone(),
        }
    }
}

impl fmt::Debug for SessionExports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionExports").finish_non_exhaustive()
    }
}

/// Length of a session's mac in bytes.
pub const MAC_LEN: usize = 4;

/// Length of the tag that names a session in the short form, in bytes.
pub const SESSION_TAG_LEN: usize = 8;

/// What members take the secrets of an epoch's sessions from, or of those for state. The psk
/// itself is a key of HKDF and, for HPKE, would be its input: a type of its own keeps the two
/// apart. Derive it once per epoch.
pub struct SessionPsk {
    /// A key of HKDF.
    psk: Secret,
    /// The psk of HPKE.
    hpke: Secret,
}

impl SessionPsk {
    /// From the psk of an epoch, or from `kept_psk` for state: the psk of HPKE is
    /// `Expand(psk, "sealmq/1 session psk")`.
    #[must_use]
    pub fn derive(psk: &Secret) -> Self {
        Self {
            psk: psk.duplicate(),
            hpke: expand(psk, &[b"sealmq/1 session psk"]),
        }
    }

    /// What stands behind `enc` in a header: the beginning of
    /// `Expand(psk, "sealmq/1 session mac" ‖ enc)`. Only members can make it, and a reader looks
    /// at it before it does any public key operation for a stranger (threat model F1).
    #[must_use]
    pub fn mac(&self, enc: &[u8; ENC_LEN]) -> [u8; MAC_LEN] {
        let all = expand(&self.psk, &[b"sealmq/1 session mac", enc]);
        let [a, b, c, d, ..] = *all.expose();
        [a, b, c, d]
    }

    /// What names a session of a sender in the short form: the beginning of
    /// `Expand(psk, "sealmq/1 session tag" ‖ enc ‖ BE4(sender))`. The sender is part of it, so that a
    /// member which begins a session of its own with another one's `enc` gets another tag.
    #[must_use]
    pub fn tag(&self, enc: &[u8; ENC_LEN], sender: MemberNumber) -> [u8; SESSION_TAG_LEN] {
        let sender = sender.0.to_be_bytes();
        let all = expand(&self.psk, &[b"sealmq/1 session tag", enc, &sender]);
        let (tag, _) = all.expose().split_first_chunk().unwrap_or((&[0; 8], &[]));
        *tag
    }

    /// Whether a member made this `enc`, or somebody who copied it.
    #[must_use]
    pub fn is_mac(&self, enc: &[u8; ENC_LEN], mac: &[u8; MAC_LEN]) -> bool {
        self.mac(enc).ct_eq(mac).into()
    }
}

impl fmt::Debug for SessionPsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionPsk").finish_non_exhaustive()
    }
}

const SESSION_INFO: &[u8] = b"sealmq/1 session";

fn session_info(announcement: &Digest) -> [u8; 48] {
    let mut info = [0; 48];
    let (label, hash) = info.split_at_mut(SESSION_INFO.len());
    label.copy_from_slice(SESSION_INFO);
    hash.copy_from_slice(&announcement.0);
    info
}

/// SetupPSKS and the exports of a sender session. `seed` is the hedged seed of its ephemeral key.
///
/// # Errors
/// The group key is of low order.
pub fn session_sender(
    group_key: &KemPublicKey,
    psk: &SessionPsk,
    announcement: &Digest,
    seed: &Secret,
) -> Result<([u8; ENC_LEN], SessionSecrets), KemError> {
    backend::psk_sender(
        &group_key.0,
        (psk.hpke.expose(), &announcement.0),
        &session_info(announcement),
        seed.expose(),
        SessionSecrets::export,
    )
    .map_err(|_| KemError)
}

/// SetupPSKR and the exports of a received session.
///
/// # Errors
/// `enc` is of low order.
pub fn session_receiver(
    group: &KemKeyPair,
    psk: &SessionPsk,
    announcement: &Digest,
    enc: &[u8; ENC_LEN],
) -> Result<SessionSecrets, KemError> {
    session_exports(group, psk, announcement, enc).map(|exports| exports.expand())
}

/// As [`session_receiver`].
pub(crate) fn session_exports(
    group: &KemKeyPair,
    psk: &SessionPsk,
    announcement: &Digest,
    enc: &[u8; ENC_LEN],
) -> Result<SessionExports, KemError> {
    backend::psk_receiver(
        &group.private,
        (psk.hpke.expose(), &announcement.0),
        &session_info(announcement),
        enc,
        SessionExports::export,
    )
    .map_err(|_| KemError)
}

#[cfg(test)]
mod tests {
    use super::super::{RecipientKey, open_base, seal_base};
    use super::*;

    fn group() -> KemKeyPair {
        KemKeyPair::derive(&Secret::new([5; 32]))
    }

    fn psk(byte: u8) -> SessionPsk {
        SessionPsk::derive(&Secret::new([byte; 32]))
    }

    #[test]
    fn both_ends_agree() {
        let (psk, hash) = (psk(6), Digest([7; 32]));
        let (enc, sender) =
            session_sender(&group().public(), &psk, &hash, &Secret::new([8; 32])).unwrap();
        let receiver = session_receiver(&group(), &psk, &hash, &enc).unwrap();
        let mut text = *b"hello";
        let tag = sender
            .key
            .seal_in_place(&sender.nonce(3), b"aad", &mut text)
            .unwrap();
        assert_eq!(sender.nonce(3), receiver.nonce(3));
        assert_ne!(sender.nonce(3), sender.nonce(4));
        receiver
            .key
            .open_in_place(&receiver.nonce(3), b"aad", &mut text, &tag)
            .unwrap();
        assert_eq!(&text, b"hello");
    }

    #[test]
    fn psk_and_announcement_matter() {
        let hash = Digest([7; 32]);
        let seed = Secret::new([8; 32]);
        let (enc, sender) = session_sender(&group().public(), &psk(6), &hash, &seed).unwrap();
        for (n, hash) in [(1, hash), (6, Digest([0; 32]))] {
            let other = session_receiver(&group(), &psk(n), &hash, &enc).unwrap();
            assert_ne!(other.nonce(0), sender.nonce(0));
        }
    }

    #[test]
    fn debug_output_shows_no_session_secrets() {
        let (psk, hash) = (psk(6), Digest([7; 32]));
        let (_, secrets) =
            session_sender(&group().public(), &psk, &hash, &Secret::new([8; 32])).unwrap();
        assert_eq!(format!("{secrets:?}"), "SessionSecrets { .. }");
    }

    #[test]
    fn low_order_keys_are_refused() {
        assert!(RecipientKey::from(group().public()).probe().is_ok());
        // The seven encodings of points of order 1, 2, 4 and 8 that X25519 has to face.
        let low = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        for point in low {
            let mut bytes: [u8; 32] = hex::decode(point).unwrap().try_into().unwrap();
            for high_bit in [0, 0x80] {
                bytes[31] |= high_bit;
                let (psk, hash) = (psk(6), Digest([7; 32]));
                let seed = Secret::new([8; 32]);
                assert!(session_sender(&KemPublicKey(bytes), &psk, &hash, &seed).is_err());
                assert!(session_receiver(&group(), &psk, &hash, &bytes).is_err());
                let recipient = RecipientKey::from(KemPublicKey(bytes));
                assert!(seal_base(&recipient, b"", b"", &seed, &mut []).is_err());
                assert!(open_base(&group().into(), b"", b"", &bytes, &mut [], &[0; 16]).is_err());
                assert!(recipient.probe().is_err());
            }
        }
    }
}
