//! What a device that joins has of its own: identity, secret, counters and the request that stands.

use alloc::string::ToString;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::DomainId;
use sealmq_core::crypto::{DeviceSecret, Digest, IdentityKey};
use sealmq_core::object::{Kind, Object};

use crate::enrolment::EnrolmentRequest;
use crate::key_package::UNKNOWN_DOMAIN;
use crate::member::MemberError;
use crate::member::draw::draw;
use crate::member::enrol::{load_identity, request_hash};
use crate::member::kept::Kept;
use crate::member::records::{self, DeviceRecord, IdentityRecord, SecretBytes};
use crate::store::{Changes, Store};

/// The device's own records, before or after they were committed.
pub(super) struct Keys {
    pub(super) identity: IdentityKey,
    pub(super) device: DeviceSecret,
    pub(super) session: u64,
    pub(super) package: u32,
    /// The enrolment request, if there is one.
    pub(super) request: Option<Vec<u8>>,
    /// It must not be used again: it was refused, or asks for something else.
    pub(super) replace: bool,
}

impl Keys {
    pub(super) fn new(rng: &mut impl TryCryptoRng) -> Result<Self, MemberError> {
        Ok(Self {
            identity: IdentityKey::from_seed(&draw(rng)?),
            device: DeviceSecret::new(draw(rng)?),
            session: 0,
            package: 0,
            request: None,
            replace: false,
        })
    }

    pub(super) fn load<S: Store>(store: &S, domain: &DomainId) -> Result<Self, MemberError> {
        let record = load_identity(store)?;
        let damaged = |key: &str| MemberError::Record(key.to_string());
        let device = records::get(store, records::DEVICE)?;
        let device = device.ok_or_else(|| damaged(records::DEVICE))?;
        let device: DeviceRecord = records::read(records::DEVICE, &device)?;
        let asked = fields(record.request.bytes())?.domain;
        if asked == UNKNOWN_DOMAIN {
            // Its file may be on the way to the authority.
            return Err(MemberError::AlreadyRequested);
        }
        if asked != *domain {
            return Err(MemberError::OtherDomain);
        }
        let refused = records::get(store, records::REFUSED_REQUEST)?;
        let refused: Option<Digest> = refused
            .map(|value| records::read(records::REFUSED_REQUEST, &value))
            .transpose()?;
        let replace = refused == Some(request_hash(&record)?);
        Ok(Self {
            identity: IdentityKey::from_seed(&record.seed.secret()),
            device: DeviceSecret::new(device.secret.secret()),
            session: device.session,
            package: device.package,
            request: Some(record.request.bytes().to_vec()),
            replace,
        })
    }

    pub(super) fn put(&self, request: &[u8], changes: &mut Changes) -> Result<(), MemberError> {
        let record = IdentityRecord {
            seed: SecretBytes::of(self.identity.seed().expose()),
            request: Kept::new(request.to_vec()),
        };
        records::put(changes, records::IDENTITY, &record)?;
        let record = DeviceRecord {
            secret: SecretBytes::of(self.device.expose()),
            session: self.session,
            package: self.package,
            connection: 0,
        };
        records::put(changes, records::DEVICE, &record)
    }
}

pub(super) fn fields(request: &[u8]) -> Result<EnrolmentRequest<'_>, MemberError> {
    let damaged = || MemberError::Record(records::IDENTITY.to_string());
    let object = Object::parse_any(request, Kind::EnrolmentRequest).map_err(|_| damaged())?;
    let (fields, _) = object.decode().map_err(|_| damaged())?;
    Ok(fields)
}
