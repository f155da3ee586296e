//! A device that goes on with joining: it asks once more, or has joined already.

use alloc::string::ToString as _;

use sealmq_core::VerifiedCredential;

use super::keys::{Keys, fields};
use super::{EnrolledAs, Joiner};
use crate::enrolment::NO_TOKEN;
use crate::member::migrate;
use crate::member::records::{self, CredentialRecord, DomainRecord};
use crate::member::{Member, MemberError};
use crate::outputs::Publication;
use crate::store::Store;
use crate::token::Token;

impl Joiner {
    /// As what the device was enrolled, if it had joined before: the program may have ended when
    /// that was durable, before it could tell. There is nothing to ask any more.
    #[must_use]
    pub const fn enrolled(&self) -> Option<&EnrolledAs> {
        self.enrolled.as_ref()
    }

    /// The request once more, byte for byte, unless none was made yet or it was answered. Brokers
    /// and authorities lose messages when many devices ask at once.
    #[must_use]
    pub fn again(&self) -> Option<Publication> {
        let sealed = self.sealed.as_ref().filter(|_| !self.ended)?;
        Some(Publication::retained(self.join_topic(), sealed.as_slice()))
    }
}

impl Member {
    /// As what the store's member was enrolled, if it holds one; without loading all of it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn enrolled<S: Store>(store: &S) -> Result<Option<EnrolledAs>, MemberError> {
        enrolled(store)
    }
}

/// As what the store's member was enrolled, if it holds one.
pub(super) fn enrolled<S: Store>(store: &S) -> Result<Option<EnrolledAs>, MemberError> {
    let Some(known) = records::get(store, records::CREDENTIAL)? else {
        return Ok(None);
    };
    migrate::check_version(store)?;
    let damaged = |key: &str| MemberError::Record(key.to_string());
    let known: CredentialRecord = records::read(records::CREDENTIAL, &known)?;
    let domain = records::get(store, records::DOMAIN)?;
    let domain = domain.ok_or_else(|| damaged(records::DOMAIN))?;
    let domain: DomainRecord = records::read(records::DOMAIN, &domain)?;
    let root = sealmq_core::crypto::VerifyingKey::from_bytes(&domain.root_key);
    let root = root.map_err(|_| damaged(records::DOMAIN))?;
    let delegation = known.delegation.delegation(&root);
    let delegation = delegation.map_err(|_| damaged(records::CREDENTIAL))?;
    let credential = VerifiedCredential::verify(known.credential.bytes(), &delegation);
    let credential = credential.map_err(|_| damaged(records::CREDENTIAL))?;
    let prefix = domain.prefix;
    Ok(Some(EnrolledAs::of(&credential, prefix, domain.root_key)))
}

/// That the store's member joined by the request that these options make.
pub(super) fn check_same(
    keys: &Keys,
    name: &str,
    token: Option<&Token>,
) -> Result<(), MemberError> {
    let token = token.map_or(NO_TOKEN, |token| token.id);
    let request = keys.request.as_ref().map(|request| fields(request));
    match request.transpose()? {
        Some(known) if known.name == name && known.token == token => Ok(()),
        _ => Err(MemberError::AlreadyEnrolled),
    }
}
