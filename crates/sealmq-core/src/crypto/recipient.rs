//! HPKE in base mode to a recipient's key of either KEM: what key packages, welcomes and join
//! requests use (spec/keys.md §6, §10, §12). The data path has its own functions and X25519 only.

#[cfg(feature = "suite2")]
use alloc::boxed::Box;
use core::fmt;

use zeroize::Zeroize;

use super::{ENC_LEN, KemError, KemKeyPair, KemPublicKey, Secret, TAG_LEN, backend};

/// DHKEM(X25519, HKDF-SHA256) in HPKE's registry.
pub(crate) const X25519_ID: u16 = 0x0020;
/// X-Wing in HPKE's registry.
pub(crate) const XWING_ID: u16 = 0x647a;
/// Length of an X-Wing public key in bytes.
pub const XWING_KEY_LEN: usize = 1216;
/// Length of an X-Wing encapsulated key in bytes.
pub const XWING_ENC_LEN: usize = 1120;
/// Bytes of the longest encapsulated key of the KEMs that this build knows.
pub const MAX_ENC_LEN: usize = if cfg!(feature = "suite2") {
    XWING_ENC_LEN
} else {
    ENC_LEN
};

/// A KEM that this build knows, by its HPKE id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum KemId {
    /// DHKEM(X25519, HKDF-SHA256): keys of 32 bytes, enc of 32 bytes.
    X25519 = X25519_ID,
    /// X-Wing (ML-KEM-768 and X25519): keys of 1216 bytes, enc of 1120 bytes.
    #[cfg(feature = "suite2")]
    XWing = XWING_ID,
}

impl KemId {
    /// The id in HPKE's registry.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// Length of a public key in bytes.
    #[must_use]
    pub const fn public_key_len(self) -> usize {
        match self {
            Self::X25519 => 32,
            #[cfg(feature = "suite2")]
            Self::XWing => XWING_KEY_LEN,
        }
    }

    /// Length of an encapsulated key in bytes.
    #[must_use]
    pub const fn enc_len(self) -> usize {
        match self {
            Self::X25519 => ENC_LEN,
            #[cfg(feature = "suite2")]
            Self::XWing => XWING_ENC_LEN,
        }
    }
}

impl fmt::Display for KemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X25519 => "DHKEM(X25519, HKDF-SHA256)",
            #[cfg(feature = "suite2")]
            Self::XWing => "X-Wing",
        })
    }
}

/// A public key that welcomes or join requests are sealed to.
#[derive(Clone, PartialEq, Eq)]
pub struct RecipientKey(PublicBytes);

#[derive(Clone, PartialEq, Eq)]
enum PublicBytes {
    X25519([u8; 32]),
    // On the heap: a suite 1 value stays as small as it was.
    #[cfg(feature = "suite2")]
    XWing(Box<[u8; XWING_KEY_LEN]>),
}

impl RecipientKey {
    /// Takes a public key as it stands in an object.
    ///
    /// # Errors
    /// A wrong length, or ML-KEM coefficients out of range. X25519 keys of low order fail when
    /// they are used (RFC 9180 §7.1.4), or in [`RecipientKey::probe`].
    pub fn from_bytes(kem: KemId, bytes: &[u8]) -> Result<Self, KemError> {
        match kem {
            KemId::X25519 => bytes
                .try_into()
                .map(|bytes| Self(PublicBytes::X25519(bytes)))
                .map_err(|_| KemError),
            #[cfg(feature = "suite2")]
            KemId::XWing => {
                if !backend::is_xwing_key(bytes) {
                    return Err(KemError);
                }
                <[u8; XWING_KEY_LEN]>::try_from(bytes)
                    .map(|bytes| Self(PublicBytes::XWing(Box::new(bytes))))
                    .map_err(|_| KemError)
            }
        }
    }

    /// Whether anything can be sealed to the key: hpke's own check, by an encapsulation that nobody
    /// uses. For keys of strangers, so that a bad one fails where it comes in.
    ///
    /// # Errors
    /// An X25519 key of low order.
    pub fn probe(&self) -> Result<(), KemError> {
        match &self.0 {
            PublicBytes::X25519(_) => {
                seal_base(self, &[], &[], &Secret::new([1; 32]), &mut []).map(|_| ())
            }
            // ML-KEM keys were checked as they were read, and X-Wing's X25519 half may be anything.
            #[cfg(feature = "suite2")]
            PublicBytes::XWing(_) => Ok(()),
        }
    }

    /// The KEM that the key belongs to.
    #[must_use]
    pub const fn kem(&self) -> KemId {
        match &self.0 {
            PublicBytes::X25519(_) => KemId::X25519,
            #[cfg(feature = "suite2")]
            PublicBytes::XWing(_) => KemId::XWing,
        }
    }

    /// The encoded key: 32 or 1216 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            PublicBytes::X25519(bytes) => bytes,
            #[cfg(feature = "suite2")]
            PublicBytes::XWing(bytes) => bytes.as_slice(),
        }
    }
}

impl From<KemPublicKey> for RecipientKey {
    fn from(key: KemPublicKey) -> Self {
        Self(PublicBytes::X25519(key.0))
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The beginning is enough to tell keys apart.
        write!(f, "RecipientKey({:?}, ", self.kem())?;
        for byte in self.as_bytes().iter().take(8) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("..)")
    }
}

/// A key pair that welcomes or join requests are opened with. Wiped on drop.
pub struct RecipientKeyPair {
    private: Private,
    public: RecipientKey,
}

enum Private {
    X25519(KemKeyPair),
    #[cfg(feature = "suite2")]
    XWing(Box<backend::XWingPrivate>),
}

impl RecipientKeyPair {
    /// DeriveKeyPair(seed) of the KEM: RFC 9180 §7.1.3, or draft-ietf-hpke-pq.
    #[must_use]
    pub fn derive(kem: KemId, seed: &Secret) -> Self {
        match kem {
            KemId::X25519 => KemKeyPair::derive(seed).into(),
            #[cfg(feature = "suite2")]
            KemId::XWing => {
                let mut bytes = Box::new([0; XWING_KEY_LEN]);
                let private = backend::XWingPrivate::derive(seed.expose(), &mut bytes);
                Self {
                    private: Private::XWing(Box::new(private)),
                    public: RecipientKey(PublicBytes::XWing(bytes)),
                }
            }
        }
    }

    /// The KEM that the pair belongs to.
    #[must_use]
    pub const fn kem(&self) -> KemId {
        self.public.kem()
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &RecipientKey {
        &self.public
    }
}

impl From<KemKeyPair> for RecipientKeyPair {
    fn from(pair: KemKeyPair) -> Self {
        Self {
            public: pair.public().into(),
            private: Private::X25519(pair),
        }
    }
}

impl fmt::Debug for RecipientKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RecipientKeyPair")
            .field(&self.public)
            .finish()
    }
}

/// An encapsulated key: 32 or 1120 bytes.
#[derive(Clone)]
pub struct Enc {
    bytes: [u8; MAX_ENC_LEN],
    len: usize,
}

impl Enc {
    /// The bytes, as they stand in an object.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for Enc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Enc({} bytes)", self.len)
    }
}

/// Single-shot HPKE in base mode, in place: seals `text`, returns enc and tag. `seed` is 32 fresh
/// random bytes, used for nothing else.
///
/// # Errors
/// The recipient's key is of low order; `text` is then not changed.
pub fn seal_base(
    recipient: &RecipientKey,
    info: &[u8],
    aad: &[u8],
    seed: &Secret,
    text: &mut [u8],
) -> Result<(Enc, [u8; TAG_LEN]), KemError> {
    let kem = recipient.kem();
    let mut enc = Enc {
        bytes: [0; MAX_ENC_LEN],
        len: kem.enc_len(),
    };
    let room = enc.bytes.get_mut(..enc.len).ok_or(KemError)?;
    let mut seal = |randomness: &[u8]| {
        let to = (kem, recipient.as_bytes());
        backend::base_sender(to, info, aad, randomness, text, room).map_err(|_| KemError)
    };
    let tag = match kem {
        KemId::X25519 => seal(seed.expose()),
        #[cfg(feature = "suite2")]
        KemId::XWing => seal(&*xwing_randomness(seed)),
    }?;
    Ok((enc, tag))
}

/// The 64 bytes that X-Wing's Encap draws (spec/keys.md §10): 32 for ML-KEM, 32 for X25519.
#[cfg(feature = "suite2")]
fn xwing_randomness(seed: &Secret) -> zeroize::Zeroizing<[u8; 64]> {
    let mut bytes = zeroize::Zeroizing::new([0; 64]);
    let (pq, t) = bytes.split_at_mut(32);
    pq.copy_from_slice(super::expand(seed, &[b"sealmq/1 encap pq"]).expose());
    t.copy_from_slice(super::expand(seed, &[b"sealmq/1 encap t"]).expose());
    bytes
}

/// Opens what [`seal_base`] sealed, in place.
///
/// # Errors
/// It was not sealed to this key, `info` and `aad`; `text` is then wiped.
pub fn open_base(
    recipient: &RecipientKeyPair,
    info: &[u8],
    aad: &[u8],
    enc: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> Result<(), KemError> {
    match &recipient.private {
        Private::X25519(pair) => pair.private().open(info, aad, enc, text, tag),
        #[cfg(feature = "suite2")]
        Private::XWing(private) => private.open(info, aad, enc, text, tag),
    }
    .map_err(|_| {
        text.zeroize();
        KemError
    })
}
