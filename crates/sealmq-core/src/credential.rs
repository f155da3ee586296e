use serde::{Deserialize, Serialize};

use crate::crypto::{Digest, VerifyingKey};
use crate::ids::{DomainId, GroupId, MemberNumber};
use crate::name::check_name;
use crate::object::{
    Access, Authorities, Kind, List, Object, ObjectError, Role, check_extensions, decode_prefix,
};

/// Longest credential object in bytes.
pub const MAX_CREDENTIAL_LEN: usize = 8192;

/// Most grants in one credential.
pub const MAX_GRANTS: usize = 64;

/// The fields of a credential (spec/keys.md §4).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Credential<'a> {
    /// The domain.
    pub domain: DomainId,
    /// Serial of the delegation that the signer belongs to.
    pub serial: u32,
    /// Index of the signing key in that delegation.
    pub signer: u8,
    /// The member's number.
    pub member: MemberNumber,
    /// Rises with each credential of this member.
    pub credential_serial: u32,
    /// The member's name, from the closed alphabet.
    pub name: &'a str,
    /// The member's Ed25519 key.
    pub key: [u8; 32],
    /// Hash of the enrolment request that this answers.
    pub request: Digest,
    /// Unix seconds.
    pub issued_at: u64,
    /// Unix seconds.
    pub not_after: u64,
    /// What the member may do, ascending by group.
    #[serde(borrow)]
    pub grants: List<'a, Grant<'a>>,
}

/// How credentials of one member are ordered: first by delegation, so that whoever stole an
/// issuing key and drove the credential serial up is without effect under the next delegation
/// (spec/keys.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CredentialOrder {
    /// Serial of the delegation that the signer belongs to.
    pub delegation: u32,
    /// The credential's own serial.
    pub credential: u32,
}

/// What a member may do in one group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Grant<'a> {
    /// The group.
    pub group: GroupId,
    /// Publish, subscribe, or both.
    pub access: Access,
    /// Narrows publishing; empty for the whole group. A level `%c` is the member's name.
    pub publish_filter: &'a str,
}

impl<'a> Credential<'a> {
    /// The order of this credential among those of its member.
    #[must_use]
    pub const fn order(&self) -> CredentialOrder {
        CredentialOrder {
            delegation: self.serial,
            credential: self.credential_serial,
        }
    }

    /// The grant for a group.
    #[must_use]
    pub fn grant(&self, group: &GroupId) -> Option<Grant<'a>> {
        self.grants.iter().find(|grant| grant.group == *group)
    }

    /// The fields of an object that decodes and breaks no rule. Nobody has vouched for them yet.
    pub(crate) fn claimed(object: &Object<'a>) -> Result<Self, ObjectError> {
        let (fields, extensions) = object.decode::<Self>()?;
        check_extensions(&extensions, &[])?;
        fields.check().map(|_| fields)
    }

    fn check(&self) -> Result<VerifyingKey, ObjectError> {
        if !self.member.is_valid() {
            return Err(ObjectError::Field("member"));
        }
        if self.credential_serial == u32::MAX {
            return Err(ObjectError::Field("credential_serial"));
        }
        check_name(self.name).map_err(|_| ObjectError::Field("name"))?;
        let key = VerifyingKey::from_bytes(&self.key).map_err(|_| ObjectError::Field("key"))?;
        if self.not_after <= self.issued_at {
            return Err(ObjectError::Field("not_after"));
        }
        let mut previous = None;
        for (index, grant) in self.grants.iter().enumerate() {
            let filter_ok = grant.publish_filter.is_empty()
                || (grant.access.may_publish()
                    && crate::topic::Filter::new(grant.publish_filter).is_ok());
            let ordered = previous.is_none_or(|p| p < grant.group);
            if index >= MAX_GRANTS || !grant.access.is_valid() || !filter_ok || !ordered {
                return Err(ObjectError::Field("grants"));
            }
            previous = Some(grant.group);
        }
        Ok(key)
    }
}

/// A credential object whose signature, issuer and fields were verified.
///
/// `B` holds the object's bytes: `&[u8]`, an array, or `Vec<u8>`. It can only be made by
/// [`VerifiedCredential::verify`].
#[derive(Debug, Clone)]
pub struct VerifiedCredential<B> {
    bytes: B,
    hash: Digest,
    key: VerifyingKey,
}

impl<B: AsRef<[u8]>> VerifiedCredential<B> {
    /// Verifies a credential under the domain's current delegation. Times are not checked here,
    /// because they have to be checked again at each use.
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Expired`.
    pub fn verify(bytes: B, authorities: &impl Authorities) -> Result<Self, ObjectError> {
        let object = Object::parse(bytes.as_ref(), Kind::Credential)?;
        let (hash, key) = Self::check(&object, authorities)?;
        Ok(Self { bytes, hash, key })
    }

    /// [`VerifiedCredential::verify`] of one that a store from before extensions holds
    /// ([`Object::before_extensions`]).
    ///
    /// # Errors
    /// As there.
    pub fn verify_kept(bytes: B, authorities: &impl Authorities) -> Result<Self, ObjectError> {
        let object = Object::parse(bytes.as_ref(), Kind::Credential)?;
        let (hash, key) = Self::check(&object.before_extensions(), authorities)?;
        Ok(Self { bytes, hash, key })
    }

    /// The same with the object's bytes elsewhere; `None` if they are other bytes.
    #[must_use]
    pub fn with_copy<C: AsRef<[u8]>>(&self, copy: C) -> Option<VerifiedCredential<C>> {
        (copy.as_ref() == self.bytes.as_ref()).then_some(VerifiedCredential {
            bytes: copy,
            hash: self.hash,
            key: self.key,
        })
    }

    fn check(
        object: &Object<'_>,
        authorities: &impl Authorities,
    ) -> Result<(Digest, VerifyingKey), ObjectError> {
        let (body, extensions) = object.decode::<Credential<'_>>()?;
        if body.domain != authorities.domain() {
            return Err(ObjectError::Domain);
        }
        let issuer = authorities
            .authority_key(body.serial, body.signer, Role::Issue)
            .ok_or(ObjectError::Role)?;
        let hash = object.verify(issuer, &extensions, &[])?;
        Ok((hash, body.check()?))
    }

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> Credential<'_> {
        // `verify` has decoded the same bytes canonically; the fallback is never taken. The
        // extensions after the fields are left alone.
        let body =
            Object::parse(self.bytes.as_ref(), Kind::Credential).map_or(&[][..], |o| o.body());
        let fields = decode_prefix(body).map(|(fields, _)| fields);
        fields.unwrap_or(Credential {
            domain: DomainId([0; 16]),
            serial: 0,
            signer: 0,
            member: MemberNumber(0),
            credential_serial: 0,
            name: "",
            key: [0; 32],
            request: Digest::ZERO,
            issued_at: 0,
            not_after: 0,
            grants: List::EMPTY,
        })
    }

    /// The object's hash, which every message signature covers.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }

    /// The member's key, decompressed.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The object as received.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// Whether `now` (Unix seconds) lies between issue (minus `skew` seconds) and expiry.
    #[must_use]
    pub fn is_valid_at(&self, now: u64, skew: u32) -> bool {
        let fields = self.fields();
        fields.issued_at <= now.saturating_add(u64::from(skew)) && now <= fields.not_after
    }
}
