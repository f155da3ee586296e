use sealmq_core::DomainId;
use sealmq_core::crypto::{Digest, RecipientKey, VerifyingKey};
use sealmq_core::object::{Kind, Object, ObjectError, Signer, kem_of, sign_object_as};
use sealmq_core::wire::Suite;
use serde::{Deserialize, Serialize};

/// HPKE KEM id of DHKEM(X25519, HKDF-SHA256).
pub const KEM_X25519: u16 = Suite::One.kem_id();
/// HPKE KEM id of X-Wing.
pub const KEM_XWING: u16 = Suite::Two.kem_id();

/// The domain of a request, and of its packages, whose device does not know its domain yet: 16 zero
/// bytes.
pub const UNKNOWN_DOMAIN: DomainId = DomainId([0; 16]);

/// Longest key package object in bytes (form, kind, fields, signature), in suite 2. 256 bytes are
/// enough in suite 1.
pub const MAX_KEY_PACKAGE_LEN: usize = 1536;

/// The fields of a key package (spec/keys.md §4): a one-time KEM key for one welcome, later.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KeyPackage<'a> {
    /// The domain; zeros in the packages of a request whose device does not know it yet.
    pub domain: DomainId,
    /// The member's Ed25519 key, which signs the package.
    pub identity: [u8; 32],
    /// From 1, one more for each package of the member.
    pub number: u32,
    /// HPKE KEM id: 0x0020 in suite 1, 0x647a in suite 2. The object's form follows it.
    pub kem: u16,
    /// The public key: 32 bytes, or 1216 in suite 2.
    pub init_key: &'a [u8],
    /// Unix seconds.
    pub issued_at: u64,
    /// Unix seconds.
    pub not_after: u64,
}

impl<'a> KeyPackage<'a> {
    /// Checks the fields and signs with the member's identity key.
    ///
    /// # Errors
    /// A field that the spec forbids, or [`ObjectError::TooLarge`].
    pub fn sign<'o, 's>(
        &self,
        identity: impl Into<Signer<'s>>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        let identity = identity.into();
        let suite = Suite::of_kem_id(self.kem).ok_or(ObjectError::Field("kem"))?;
        self.check(suite, &self.domain, &identity.key().verifying_key())?;
        sign_object_as(suite, Kind::KeyPackage, self, identity, out)
    }

    fn check(
        &self,
        suite: Suite,
        domain: &DomainId,
        identity: &VerifyingKey,
    ) -> Result<RecipientKey, ObjectError> {
        let kem = kem_of(suite)?;
        if self.domain != *domain {
            return Err(ObjectError::Domain);
        }
        if self.identity != *identity.as_bytes() {
            return Err(ObjectError::Field("identity"));
        }
        if self.number == 0 {
            return Err(ObjectError::Field("number"));
        }
        if self.kem != kem.id() {
            return Err(ObjectError::Field("kem"));
        }
        if self.not_after <= self.issued_at {
            return Err(ObjectError::Field("not_after"));
        }
        RecipientKey::from_bytes(kem, self.init_key).map_err(|_| ObjectError::Field("init_key"))
    }

    pub(crate) fn into_verified(
        self,
        suite: Suite,
        hash: Digest,
        domain: &DomainId,
        identity: &VerifyingKey,
    ) -> Result<VerifiedKeyPackage, ObjectError> {
        Ok(VerifiedKeyPackage {
            suite,
            init_key: self.check(suite, domain, identity)?,
            number: self.number,
            issued_at: self.issued_at,
            not_after: self.not_after,
            hash,
        })
    }
}

/// A key package whose signature and fields were verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedKeyPackage {
    suite: Suite,
    number: u32,
    init_key: RecipientKey,
    issued_at: u64,
    not_after: u64,
    hash: Digest,
}

impl VerifiedKeyPackage {
    /// Verifies a package of the member with this identity key, for the suite of the domain.
    /// `domain` is the one expected: zeros for a package in a request that does not name the
    /// domain. Times are not checked.
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Role`, `Expired` and `Serial`; [`ObjectError::Form`] if it is for
    /// another suite.
    pub fn verify(
        bytes: &[u8],
        suite: Suite,
        domain: &DomainId,
        identity: &VerifyingKey,
    ) -> Result<Self, ObjectError> {
        let object = Object::parse_as(bytes, suite, Kind::KeyPackage)?;
        let (body, extensions): (KeyPackage<'_>, _) = object.decode()?;
        // Somebody else's package is told as that, not as a bad signature: in sets as in requests.
        if body.identity != *identity.as_bytes() {
            return Err(ObjectError::Field("identity"));
        }
        let hash = object.verify(identity, &extensions, &[])?;
        let package = body.into_verified(suite, hash, domain, identity)?;
        package.probe()?;
        Ok(package)
    }

    /// That a welcome can be sealed to the key. After the signature: it costs more.
    pub(crate) fn probe(&self) -> Result<(), ObjectError> {
        let usable = self.init_key.probe();
        usable.map_err(|_| ObjectError::Field("init_key"))
    }

    /// The suite that the package is for.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// One that was verified before it was stored, as the authority has it.
    ///
    /// # Errors
    /// The key is none of the suite.
    pub fn stored(
        suite: Suite,
        number: u32,
        hash: Digest,
        init_key: &[u8],
    ) -> Result<Self, ObjectError> {
        let init_key = RecipientKey::from_bytes(kem_of(suite)?, init_key);
        Ok(Self {
            suite,
            number,
            init_key: init_key.map_err(|_| ObjectError::Field("init_key"))?,
            issued_at: 0,
            not_after: u64::MAX,
            hash,
        })
    }

    /// The package's number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// The one-time key.
    #[must_use]
    pub const fn init_key(&self) -> &RecipientKey {
        &self.init_key
    }

    /// The object's hash, which the welcome names.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }

    /// Unix seconds.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// Unix seconds.
    #[must_use]
    pub const fn not_after(&self) -> u64 {
        self.not_after
    }

    /// Whether `now` (Unix seconds) lies between issue (minus `skew` seconds) and expiry.
    #[must_use]
    pub fn is_valid_at(&self, now: u64, skew: u32) -> bool {
        self.issued_at <= now.saturating_add(u64::from(skew)) && now <= self.not_after
    }
}
