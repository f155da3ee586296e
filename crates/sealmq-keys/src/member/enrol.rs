//! Enrolment, the device's side (spec/keys.md §4, §11).

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::{DeviceSecret, Digest, IdentityKey};
use sealmq_core::object::{Access, Kind, List, Signer};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, GroupId, MemberNumber, VerifiedCredential, check_name};

use super::draw::draw;
use super::kept::Kept;
use super::migrate;
use super::packages::NewPackage;
use super::records::{
    self, CredentialRecord, DeviceRecord, DomainRecord, IdentityRecord, SecretBytes,
};
use super::types::Now;
use super::{Member, MemberError, seconds};
use crate::armour::{CredentialFile, decode_credential_file, encode_request};
use crate::delegation::VerifiedDelegation;
use crate::enrolment::{EnrolmentRequest, NO_TOKEN, TOKEN_ID_LEN};
use crate::key_package::{MAX_KEY_PACKAGE_LEN, UNKNOWN_DOMAIN};
use crate::store::{Changes, Store};

/// Most key packages in one request.
pub const MAX_PACKAGES: u32 = 64;

/// Clock tolerance before a group's policy is known, in seconds (spec/constants.md §3, default).
pub(super) const DEFAULT_SKEW: u32 = 300;

/// What a device learned from its credential file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolledAs {
    /// Its number.
    pub number: MemberNumber,
    /// Its name: the authority may have chosen another one than the request had.
    pub name: String,
    /// The domain.
    pub domain: DomainId,
    /// Prefix of the reserved topics.
    pub prefix: String,
    /// The root's public key, which is pinned from now on.
    pub root_key: [u8; 32],
    /// Serial of the credential.
    pub credential_serial: u32,
    /// End of the credential, Unix seconds.
    pub not_after: u64,
    /// Group, access, and the narrower publish filter (empty for the whole group).
    pub grants: Vec<(GroupId, Access, String)>,
}

impl EnrolledAs {
    pub(super) fn of<B: AsRef<[u8]>>(
        credential: &VerifiedCredential<B>,
        prefix: String,
        root_key: [u8; 32],
    ) -> Self {
        let fields = credential.fields();
        let grants = fields.grants.iter();
        Self {
            number: fields.member,
            name: fields.name.to_string(),
            domain: fields.domain,
            prefix,
            root_key,
            credential_serial: fields.credential_serial,
            not_after: fields.not_after,
            grants: grants
                .map(|g| (g.group, g.access, g.publish_filter.to_string()))
                .collect(),
        }
    }
}

impl Member {
    /// [`Member::request_in`] for a domain that the device does not know, of suite 1.
    ///
    /// # Errors
    /// As there.
    pub fn request<S: Store>(
        store: &S,
        name: &str,
        packages: u32,
        now: Now,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(Changes, String), MemberError> {
        Self::request_in(UNKNOWN_DOMAIN, Suite::One, store, name, packages, now, rng)
    }

    /// Makes a device's keys: identity, device secret, and `packages` one-time keys (one is used
    /// up for each group that the device joins), for this domain or [`UNKNOWN_DOMAIN`], and of this
    /// suite. Returns what to commit, and the request file for the authority. Nothing in the file is
    /// secret. A request that names its domain is worth nothing in another one, and
    /// [`Member::enrol`] then takes this domain's answer only.
    ///
    /// # Errors
    /// The store holds keys already, the name or number of packages is not allowed, the suite is
    /// none of this build, or the RNG failed.
    pub fn request_in<S: Store>(
        domain: DomainId,
        suite: Suite,
        store: &S,
        name: &str,
        packages: u32,
        now: Now,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(Changes, String), MemberError> {
        check_name(name)?;
        if packages == 0 || packages > MAX_PACKAGES {
            return Err(MemberError::Packages { most: MAX_PACKAGES });
        }
        if records::get(store, records::IDENTITY)?.is_some() {
            return Err(MemberError::AlreadyRequested);
        }
        let identity = IdentityKey::from_seed(&draw(rng)?);
        let mut device = DeviceSecret::new(draw(rng)?);
        let mut changes = Changes::new();
        let new = NewRequest {
            signer: (&identity).into(),
            domain,
            token: NO_TOKEN,
            suite,
            name,
            numbers: 1..=packages,
            now,
        };
        let request = new.make(&mut device, &mut changes, rng)?;
        let file = encode_request(&request).map_err(MemberError::File)?;

        let record = IdentityRecord {
            seed: SecretBytes::of(identity.seed().expose()),
            request: Kept::new(request),
        };
        records::put(&mut changes, records::IDENTITY, &record)?;
        let secret = SecretBytes::of(device.expose());
        let record = DeviceRecord {
            secret,
            session: 0,
            package: packages,
            connection: 0,
        };
        records::put(&mut changes, records::DEVICE, &record)?;
        Ok((changes, file))
    }

    /// The request file of [`Member::request`] once more.
    ///
    /// # Errors
    /// No request was made in this store, or it cannot be read.
    pub fn request_file<S: Store>(store: &S) -> Result<String, MemberError> {
        migrate::check_version(store)?;
        let identity = load_identity(store)?;
        encode_request(identity.request.bytes()).map_err(MemberError::File)
    }

    /// Checks the credential file that answers this device's request, and says what to commit:
    /// from then on the root key in the file is pinned. A newer file of the same domain may be
    /// imported later.
    ///
    /// # Errors
    /// The file is damaged, for another device, of another domain than before, expired, or older
    /// than what is known.
    pub fn enrol<S: Store>(
        store: &S,
        credential_file: &str,
        now: Now,
    ) -> Result<(Changes, EnrolledAs), MemberError> {
        migrate::check_version(store)?;
        let identity = load_identity(store)?;
        let asked = Asked {
            key: *IdentityKey::from_seed(&identity.seed.secret())
                .verifying_key()
                .as_bytes(),
            request: request_hash(&identity)?,
        };
        let domain = records::get(store, records::DOMAIN)?;
        let domain = domain.map(|value| records::read(records::DOMAIN, &value));
        let known = records::get(store, records::CREDENTIAL)?;
        let known = known.map(|value| records::read(records::CREDENTIAL, &value));
        let file = decode_credential_file(credential_file).map_err(MemberError::File)?;
        let named = requested_domain(&identity)?;
        let root = sealmq_core::crypto::VerifyingKey::from_bytes(&file.root_key)
            .map_err(|_| MemberError::RootKey)?;
        if named != UNKNOWN_DOMAIN && named != DomainId::of_root(&root) {
            return Err(MemberError::OtherDomain);
        }
        let known = known.transpose()?;
        let renews = known
            .as_ref()
            .is_some_and(|known: &CredentialRecord| known.credential.bytes() != file.credential);
        let (mut changes, enrolled) = asked.accept(file, domain.transpose()?, known, now)?;
        if renews && let Some(device) = records::get(store, records::DEVICE)? {
            let mut device: DeviceRecord = records::read(records::DEVICE, &device)?;
            // No will was sealed under the new one (`Connection::renewed`).
            device.connection = 0;
            records::put(&mut changes, records::DEVICE, &device)?;
        }
        Ok((changes, enrolled))
    }
}

/// What an answer of the authority has to fit.
pub(super) struct Asked {
    /// The device's identity key.
    pub(super) key: [u8; 32],
    /// Hash of its request.
    pub(super) request: Digest,
}

impl Asked {
    /// Checks an answer against what is known of the domain and of an earlier credential.
    pub(super) fn accept(
        &self,
        file: CredentialFile,
        domain: Option<DomainRecord>,
        known: Option<CredentialRecord>,
        now: Now,
    ) -> Result<(Changes, EnrolledAs), MemberError> {
        let root = sealmq_core::crypto::VerifyingKey::from_bytes(&file.root_key)
            .map_err(|_| MemberError::RootKey)?;
        let mut delegation =
            VerifiedDelegation::verify(&file.delegation, &root).map_err(MemberError::Delegation)?;
        let mut delegation_object = Kept::new(file.delegation);
        if let Some(known) = domain {
            if known.root_key != file.root_key {
                return Err(MemberError::OtherDomain);
            }
            let current = known.delegation.delegation(&root);
            let current = current.map_err(|_| MemberError::Record(records::DOMAIN.to_string()))?;
            // A file that was made before the newest delegation arrived is still good if its
            // credential is; the check below decides.
            if !matches!(delegation.supersedes(&current), Ok(true)) {
                (delegation, delegation_object) = (current, known.delegation);
            }
        }
        let credential = VerifiedCredential::verify(file.credential.as_slice(), &delegation)
            .map_err(MemberError::Credential)?;
        let fields = credential.fields();
        if fields.key != self.key || fields.request != self.request {
            return Err(MemberError::OtherDevice);
        }
        if let Some(now) = seconds(now) {
            let expired = sealmq_core::object::ObjectError::Expired;
            if !delegation.is_valid_at(now, DEFAULT_SKEW) {
                return Err(MemberError::Delegation(expired));
            }
            if !credential.is_valid_at(now, DEFAULT_SKEW) {
                return Err(MemberError::Credential(expired));
            }
        }
        if let Some(known) = known {
            check_newer(&known.credential, &credential)?;
        }
        let enrolled = EnrolledAs::of(&credential, file.prefix.clone(), file.root_key);
        let mut changes = Changes::new();
        let domain = DomainRecord {
            root_key: file.root_key,
            prefix: file.prefix,
            delegation: delegation_object.clone(),
            past: Vec::new(),
        };
        records::put(&mut changes, records::DOMAIN, &domain)?;
        let credential = CredentialRecord {
            delegation: delegation_object,
            credential: Kept::new(credential.bytes().to_vec()),
        };
        records::put(&mut changes, records::CREDENTIAL, &credential)?;
        Ok((changes, enrolled))
    }
}

pub(super) fn load_identity<S: Store>(store: &S) -> Result<IdentityRecord, MemberError> {
    let value = records::get(store, records::IDENTITY)?.ok_or(MemberError::NotRequested)?;
    records::read(records::IDENTITY, &value)
}

pub(super) fn request_hash(identity: &IdentityRecord) -> Result<Digest, MemberError> {
    let request = identity.request.object(Kind::EnrolmentRequest);
    Ok(request
        .map_err(|_| MemberError::Record(records::IDENTITY.to_string()))?
        .hash())
}

/// The domain that the request names.
fn requested_domain(identity: &IdentityRecord) -> Result<DomainId, MemberError> {
    let damaged = || MemberError::Record(records::IDENTITY.to_string());
    let object = identity.request.object(Kind::EnrolmentRequest);
    let object = object.map_err(|_| damaged())?;
    let (fields, _) = object
        .decode::<EnrolmentRequest<'_>>()
        .map_err(|_| damaged())?;
    Ok(fields.domain)
}

/// What an enrolment request is made from.
pub(super) struct NewRequest<'a> {
    pub(super) signer: Signer<'a>,
    pub(super) domain: DomainId,
    pub(super) token: [u8; TOKEN_ID_LEN],
    pub(super) suite: Suite,
    pub(super) name: &'a str,
    /// Numbers of its key packages.
    pub(super) numbers: RangeInclusive<u32>,
    pub(super) now: Now,
}

impl NewRequest<'_> {
    /// Makes the request object; the keys of its packages go into `changes`, and `device` moves on
    /// and has to become durable with them.
    pub(super) fn make(
        &self,
        device: &mut DeviceSecret,
        changes: &mut Changes,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Vec<u8>, MemberError> {
        let mut objects = Vec::new();
        for number in self.numbers.clone() {
            let new = NewPackage {
                signer: self.signer,
                domain: self.domain,
                suite: self.suite,
                number,
                set: 0,
                announced: 0,
                now: self.now,
            };
            let package = new.make(device, rng)?;
            let record = package.record(number, Vec::new());
            records::put(changes, records::package_key(number), &record)?;
            objects.push(package.object);
        }
        let borrowed: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
        let room = objects
            .len()
            .saturating_add(2)
            .saturating_mul(MAX_KEY_PACKAGE_LEN + 8);
        let mut list = vec![0; room];
        let fields = EnrolmentRequest {
            domain: self.domain,
            token: self.token,
            name: self.name,
            key: *self.signer.key().verifying_key().as_bytes(),
            issued_at: seconds(self.now).unwrap_or(0),
            packages: List::encode(&borrowed, &mut list)
                .map_err(|e| MemberError::Object(e.into()))?,
        };
        let mut buffer = vec![0; room.saturating_add(512)];
        let (request, _) = fields
            .sign(self.suite, self.signer, &mut buffer)
            .map_err(MemberError::Object)?;
        Ok(request.to_vec())
    }
}

/// A member's number never changes, and its highest credential serial wins (threat model C12).
fn check_newer(known: &Kept, new: &VerifiedCredential<&[u8]>) -> Result<(), MemberError> {
    let damaged = || MemberError::Record(records::CREDENTIAL.to_string());
    let object = known.object(Kind::Credential).map_err(|_| damaged())?;
    let (fields, _) = object
        .decode::<sealmq_core::Credential<'_>>()
        .map_err(|_| damaged())?;
    if fields.member != new.fields().member {
        return Err(MemberError::OtherDevice);
    }
    let (before, after) = (fields.credential_serial, new.fields().credential_serial);
    let other = before == after && object.hash() != *new.hash();
    // One that an older delegation's key signed does not stand in the way of a new one.
    let same_delegation = fields.serial == new.fields().serial;
    if same_delegation && (after < before || other) {
        return Err(MemberError::Credential(
            sealmq_core::object::ObjectError::Serial,
        ));
    }
    Ok(())
}
