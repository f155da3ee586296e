use core::fmt;

use sealmq_core::DomainId;
use sealmq_core::crypto::Digest;
use sealmq_core::object::{Authorities, Kind, ObjectError, Role, Signer, sign_object};
use serde::{Deserialize, Serialize};

use crate::signed::verify_signed;

/// Longest join refusal in bytes.
pub const MAX_JOIN_REFUSAL_LEN: usize = 1024;

/// Why a device was not taken in (spec/keys.md §12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum JoinRefusalReason {
    /// An operator has to decide; the only reason that is not final.
    Waiting = 1,
    /// The token is unknown, expired or used up, or the mac is wrong: not told apart.
    Token = 2,
    /// The name is not one that the token admits, or it is taken.
    Name = 3,
    /// The key was enrolled before.
    Key = 4,
    /// An operator refused.
    Operator = 5,
    /// The request cannot be used.
    Request = 6,
}

impl JoinRefusalReason {
    /// Every reason of version 1.
    pub const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Token,
        Self::Name,
        Self::Key,
        Self::Operator,
        Self::Request,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == number)
    }

    /// Whether the same request will never be accepted.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Waiting)
    }
}

impl fmt::Display for JoinRefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "the request waits for an operator: compare the fingerprint and approve it at the authority",
            Self::Token => "the token is not valid: it may be expired, used up or mistyped; get a new one",
            Self::Name => "the name is taken, or the token does not admit it: choose another name",
            Self::Key => "this device's key was enrolled before: make a new identity",
            Self::Operator => "an operator refused the request",
            Self::Request => "the authority cannot use the request: update this program, and join again",
        })
    }
}

/// The fields of a join refusal (spec/keys.md §12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinRefusalFields {
    /// The domain.
    pub domain: DomainId,
    /// Serial of the delegation that the signer belongs to.
    pub serial: u32,
    /// Index of the signing key in that delegation.
    pub signer: u8,
    /// Hash of the enrolment request that it answers.
    pub request: Digest,
    /// Why.
    pub reason: JoinRefusalReason,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Body {
    domain: DomainId,
    serial: u32,
    signer: u8,
    request: Digest,
    reason: u8,
}

impl JoinRefusalFields {
    /// Signs the refusal.
    ///
    /// # Errors
    /// [`ObjectError::TooLarge`].
    pub fn sign<'o, 's>(
        &self,
        signer: impl Into<Signer<'s>>,
        out: &'o mut [u8],
    ) -> Result<(&'o [u8], Digest), ObjectError> {
        let body = Body {
            domain: self.domain,
            serial: self.serial,
            signer: self.signer,
            request: self.request,
            reason: self.reason as u8,
        };
        sign_object(Kind::JoinRefusal, &body, signer, out)
    }
}

/// A join refusal whose signature and fields were verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedJoinRefusal {
    fields: JoinRefusalFields,
}

impl VerifiedJoinRefusal {
    /// Verifies a refusal under the domain's current delegation. That it answers the own request
    /// is for the caller to check.
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Expired` and `Serial`.
    pub fn verify(bytes: &[u8], authorities: &impl Authorities) -> Result<Self, ObjectError> {
        let form = (Kind::JoinRefusal, MAX_JOIN_REFUSAL_LEN, Role::Issue);
        let (body, _) = verify_signed(bytes, form, authorities, |body: &Body| {
            (body.domain, body.serial, body.signer)
        })?;
        let reason =
            JoinRefusalReason::from_number(body.reason).ok_or(ObjectError::Field("reason"))?;
        Ok(Self {
            fields: JoinRefusalFields {
                domain: body.domain,
                serial: body.serial,
                signer: body.signer,
                request: body.request,
                reason,
            },
        })
    }

    /// The fields.
    #[must_use]
    pub const fn fields(&self) -> &JoinRefusalFields {
        &self.fields
    }
}
