use core::fmt;

use sealmq_core::crypto::{
    Digest, KemError, RecipientKeyPair, Secret, TAG_LEN, open_base, seal_base,
};
use sealmq_core::object::{
    Authorities, Extensions, Kind, List, Object, ObjectError, Role, Signer, check_extensions,
    decode, decode_prefix, kem_of, sign_encoded,
};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, GroupId, MemberNumber};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::chain::check_chain;
use crate::cursor::Cursor;
use crate::kept::KeptKey;
use crate::key_package::VerifiedKeyPackage;
use crate::tree::{Half, MAX_PATH_LEN, PathKeys, is_depth, is_leaf};

/// Longest welcome in bytes. One of suite 2 in a tree of depth 24 has at most 2152 without
/// extensions.
pub const MAX_WELCOME_LEN: usize = 4096;

const INFO_LABEL: &[u8] = b"sealmq/1 welcome";
const INFO_LEN: usize = 101;
/// Most bytes of the extensions inside the ciphertext, encoded.
const MAX_INNER_LEN: usize = 1024;
/// Length before the kept keys, and they.
const MAX_KEPT_LEN: usize = 1 + KeptKey::LEN;
const MAX_TEXT_LEN: usize = MAX_PATH_LEN + MAX_KEPT_LEN + MAX_INNER_LEN;

/// The public fields of a welcome (spec/keys.md §6): who gets which leaf of which tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WelcomeFields {
    /// The domain.
    pub domain: DomainId,
    /// Serial of the delegation that the signer belongs to.
    pub serial: u32,
    /// Index of the signing key in that delegation.
    pub signer: u8,
    /// The recipient.
    pub member: MemberNumber,
    /// The group.
    pub group: GroupId,
    /// Number of the generation that the tree belongs to.
    pub generation: u32,
    /// Depth of the tree.
    pub depth: u8,
    /// The leaf's node number.
    pub leaf: u32,
    /// The epoch of the path keys: the first one that the member can read.
    pub epoch: u64,
    /// Hash of the announcement of epoch − 1; zeros at 1.
    pub previous: Digest,
    /// The last healing epoch before `epoch`; 0 if none.
    pub healing_epoch: u64,
    /// Hash of its announcement; zeros if none.
    pub healing: Digest,
    /// Number of the key package that it is sealed to.
    pub package_number: u32,
    /// Hash of that key package.
    pub package: Digest,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Body<'a> {
    fields: WelcomeFields,
    /// Before `enc`, so that they are bound to the ciphertext.
    #[serde(borrow)]
    extensions: Extensions<'a>,
    enc: &'a [u8],
    sealed: &'a [u8],
}

/// What a welcome keeps secret.
#[derive(Debug, Clone, Copy)]
pub struct WelcomeSecrets<'a> {
    /// The node keys from the leaf to the root of its half.
    pub path: &'a PathKeys,
    /// The kept keys of the kept epoch before the welcome's own, of the path's half; `None` if
    /// there are none.
    pub kept: Option<&'a KeptKey>,
    /// Extensions of the plaintext, at most 1024 bytes encoded.
    pub extensions: Extensions<'a>,
}

impl<'a> From<&'a PathKeys> for WelcomeSecrets<'a> {
    fn from(path: &'a PathKeys) -> Self {
        Self {
            path,
            kept: None,
            extensions: List::EMPTY,
        }
    }
}

/// A welcome does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WelcomeError {
    /// Sealed to another key, or to other fields.
    Sealed(KemError),
    /// It opened, but what is inside is not what this version reads.
    Content(ObjectError),
}

impl fmt::Display for WelcomeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sealed(error) => write!(f, "the welcome does not open: {error}"),
            Self::Content(error) => write!(f, "the welcome's content: {error}"),
        }
    }
}

impl core::error::Error for WelcomeError {}

impl From<KemError> for WelcomeError {
    fn from(error: KemError) -> Self {
        Self::Sealed(error)
    }
}

impl WelcomeFields {
    fn check(&self) -> Result<(), ObjectError> {
        if !self.member.is_valid() {
            return Err(ObjectError::Field("member"));
        }
        if !is_depth(self.depth) {
            return Err(ObjectError::Field("depth"));
        }
        if !is_leaf(self.depth, self.leaf) {
            return Err(ObjectError::Field("leaf"));
        }
        check_chain(
            self.epoch,
            &self.previous,
            self.healing_epoch,
            &self.healing,
        )?;
        if self.package_number == 0 {
            return Err(ObjectError::Field("package_number"));
        }
        Ok(())
    }

    fn info(&self) -> Result<[u8; INFO_LEN], ObjectError> {
        let mut info = [0; INFO_LEN];
        let mut cursor = Cursor::new(&mut info);
        cursor.put(INFO_LABEL)?;
        cursor.put(&self.domain.0)?;
        cursor.put(&self.group.0)?;
        cursor.put(&self.member.0.to_be_bytes())?;
        cursor.put(&self.generation.to_be_bytes())?;
        cursor.put(&[self.depth])?;
        cursor.put(&self.leaf.to_be_bytes())?;
        cursor.put(&self.epoch.to_be_bytes())?;
        cursor.put(&self.package.0)?;
        Ok(info)
    }

    /// Seals path keys to a key package and signs: the welcome, of the package's suite. `seed` is
    /// 32 fresh random bytes, used for nothing else.
    ///
    /// The ciphertext is bound to form, kind and all fields before `enc`: a thief of a `groups`
    /// key cannot sign a genuine one under other fields.
    ///
    /// # Errors
    /// A field that the spec forbids or that does not fit to the path (`depth`, `leaf`) or
    /// `package` (`package_number`, `package`), an `init_key` of low order, or
    /// [`ObjectError::TooLarge`].
    pub fn seal<'o, 's>(
        &self,
        secrets: impl Into<WelcomeSecrets<'s>>,
        package: &VerifiedKeyPackage,
        seed: &Secret,
        signer: impl Into<Signer<'s>>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        let (secrets, signer) = (secrets.into(), signer.into());
        let WelcomeSecrets {
            path,
            kept,
            extensions,
        } = secrets;
        self.check()?;
        if self.depth != path.depth() {
            return Err(ObjectError::Field("depth"));
        }
        if self.leaf != path.leaf() {
            return Err(ObjectError::Field("leaf"));
        }
        if self.package_number != package.number() {
            return Err(ObjectError::Field("package_number"));
        }
        if self.package != *package.hash() {
            return Err(ObjectError::Field("package"));
        }
        let mut buffer = Zeroizing::new([0; MAX_TEXT_LEN + TAG_LEN]);
        let mut text = Cursor::new(&mut buffer[..]);
        path.write(text.take(path.encoded_len())?);
        if kept.is_some_and(|kept| kept.half() != path.half()) {
            return Err(ObjectError::Field("kept"));
        }
        let kept = kept.map(KeptKey::to_bytes);
        text.encode(&kept.as_ref().map_or(&[][..], |kept| kept.as_slice()))?;
        text.encode(&extensions)?;
        let len = text.written().len();
        let (text, rest) = buffer
            .split_at_mut_checked(len)
            .ok_or(ObjectError::TooLarge)?;

        let mut object = Cursor::new(out);
        object.put(&[package.suite().form(), Kind::Welcome as u8])?;
        object.encode(&(self, signer.extensions()))?;
        let (enc, tag) = seal_base(
            package.init_key(),
            &self.info()?,
            object.written(),
            seed,
            text,
        )
        .map_err(|_| ObjectError::Field("init_key"))?;
        rest.first_chunk_mut()
            .map(|at| *at = tag)
            .ok_or(ObjectError::TooLarge)?;
        let sealed = buffer
            .get(..len.saturating_add(TAG_LEN))
            .ok_or(ObjectError::TooLarge)?;
        object.encode(&(enc.as_bytes(), sealed))?;
        let body_len = object.written().len().saturating_sub(2);
        sign_encoded(Kind::Welcome, body_len, signer.key(), out)
    }
}

/// A welcome whose signature and fields were verified; its keys are still sealed.
#[derive(Clone, Copy)]
pub struct VerifiedWelcome<'a> {
    suite: Suite,
    body: Body<'a>,
    /// Form, kind and the fields before `enc`, as received.
    aad: &'a [u8],
    hash: Digest,
}

impl<'a> VerifiedWelcome<'a> {
    /// Verifies a welcome under the domain's current delegation. That `member` is the own number
    /// and that the package is unused is for the caller to check.
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Expired` and `Serial`.
    pub fn verify(bytes: &'a [u8], authorities: &impl Authorities) -> Result<Self, ObjectError> {
        if bytes.len() > MAX_WELCOME_LEN {
            return Err(ObjectError::TooLarge);
        }
        let suite = authorities.suite();
        let object = Object::parse_as(bytes, suite, Kind::Welcome)?;
        let body: Body<'a> = decode(object.body())?;
        if body.fields.domain != authorities.domain() {
            return Err(ObjectError::Domain);
        }
        let signer = authorities
            .authority_key(body.fields.serial, body.fields.signer, Role::Groups)
            .ok_or(ObjectError::Role)?;
        let hash = object.verify(signer, &body.extensions, &[])?;
        body.fields.check()?;
        if body.enc.len() != kem_of(suite)?.enc_len() {
            return Err(ObjectError::Field("enc"));
        }
        let path_len = usize::from(body.fields.depth).saturating_mul(32);
        let inner_len = body
            .sealed
            .len()
            .checked_sub(path_len.saturating_add(TAG_LEN));
        // Kept keys or none, then the extensions.
        if !inner_len.is_some_and(|len| (2..=MAX_KEPT_LEN + MAX_INNER_LEN).contains(&len)) {
            return Err(ObjectError::Field("sealed"));
        }
        let (_, rest) = decode_prefix::<(WelcomeFields, Extensions<'_>)>(object.body())?;
        let signed = object.signed_bytes();
        let aad = signed
            .len()
            .checked_sub(rest.len())
            .and_then(|len| signed.get(..len))
            .ok_or(ObjectError::Encoding)?;
        Ok(Self {
            suite,
            body,
            aad,
            hash,
        })
    }

    /// The domain's suite, and so the KEM of the package.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The public fields.
    #[must_use]
    pub const fn fields(&self) -> &WelcomeFields {
        &self.body.fields
    }

    /// The object's hash.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }

    /// Opens the path keys with the private key of the package.
    ///
    /// # Errors
    /// [`WelcomeError`].
    pub fn open(&self, init_key: &RecipientKeyPair) -> Result<OpenedWelcome, WelcomeError> {
        let fields = self.body.fields;
        let (sealed, tag) = self.body.sealed.split_last_chunk().ok_or(KemError)?;
        let mut buffer = Zeroizing::new([0; MAX_TEXT_LEN]);
        let text = buffer.get_mut(..sealed.len()).ok_or(KemError)?;
        text.copy_from_slice(sealed);
        let info = fields.info().map_err(|_| KemError)?;
        open_base(init_key, &info, self.aad, self.body.enc, text, tag)?;
        self.opened(text)
    }

    /// On its own: not on the stack while the ciphertext is opened.
    #[inline(never)]
    fn opened(&self, text: &[u8]) -> Result<OpenedWelcome, WelcomeError> {
        let fields = self.body.fields;
        let path_len = usize::from(fields.depth).saturating_mul(32);
        let (path, inner) = text.split_at_checked(path_len).ok_or(KemError)?;
        let path = PathKeys::from_bytes(fields.depth, fields.leaf, path).ok_or(KemError)?;
        let kept = read_inner(&fields, path.half(), inner).map_err(WelcomeError::Content)?;
        let leaf = path.get(fields.leaf).ok_or(KemError)?;
        Ok(OpenedWelcome {
            fields,
            proof: leaf.confirm(&self.hash),
            path,
            kept,
        })
    }
}

/// What stands behind the node keys: kept keys of that half or none, of the last healing epoch, and
/// extensions.
fn read_inner(
    fields: &WelcomeFields,
    half: Half,
    inner: &[u8],
) -> Result<Option<KeptKey>, ObjectError> {
    let (kept, rest) = decode_prefix::<&[u8]>(inner)?;
    if rest.len() > MAX_INNER_LEN {
        return Err(ObjectError::Field("extensions"));
    }
    let extensions: Extensions<'_> = decode(rest)?;
    let kept = match kept {
        [] => None,
        kept => {
            let kept = KeptKey::from_bytes(half, kept);
            let kept = kept.filter(|kept| fields.healing_epoch > 0 && kept.kept == fields.healing);
            Some(kept.ok_or(ObjectError::Field("kept"))?)
        }
    };
    check_extensions(&extensions, &[])?;
    Ok(kept)
}

/// Whether stored bytes still decode as a welcome.
#[cfg(feature = "alloc")]
pub(crate) fn is_welcome(bytes: &[u8]) -> bool {
    let object = Object::parse_any(bytes, Kind::Welcome);
    object.is_ok_and(|object| decode::<Body<'_>>(object.body()).is_ok())
}

/// A welcome with its path keys, ready to be installed.
#[derive(Debug)]
pub struct OpenedWelcome {
    pub(crate) fields: WelcomeFields,
    pub(crate) path: PathKeys,
    pub(crate) kept: Option<KeptKey>,
    pub(crate) proof: [u8; 32],
}

impl OpenedWelcome {
    /// The public fields.
    #[must_use]
    pub const fn fields(&self) -> &WelcomeFields {
        &self.fields
    }

    /// K of the kept keys that it brings.
    #[must_use]
    pub fn kept(&self) -> Option<Digest> {
        self.kept.as_ref().map(|key| key.kept)
    }

    /// What proves to the authority that the welcome was opened (spec/keys.md §4): a field of the
    /// member's confirmation.
    #[must_use]
    pub const fn proof(&self) -> &[u8; 32] {
        &self.proof
    }
}
