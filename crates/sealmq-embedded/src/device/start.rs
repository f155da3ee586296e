//! Starting from what was stored. A device, and each record while it is decoded, is large on the stack:
//! a function of its own for each, so that only one is there at a time, and none while signatures
//! are verified.

use core::array::from_fn;

use sealmq_core::crypto::{DeviceSecret, Digest, IdentityKey, Secret, VerifyingKey};
use sealmq_core::object::{Authorities, ObjectError, Role};
use sealmq_core::open::{DecapsulationLimit, DeviceReceiver};
use sealmq_core::seal::Connection;
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, VerifiedCredential};
use sealmq_keys::check_prefix;
use sealmq_keys::objects::{VerifiedDelegation, Voucher};
use sealmq_keys::session_records::Wanted;

use super::Device;
use super::group::Group;
use super::peers::Peers;
use crate::bytes::Bytes;
use crate::error::StartError;
use crate::packages::Packages;
use crate::records::{
    self, CredentialRecord, DomainRecord, IdentityRecord, MAX_GROUPS, NotesRecord, NumbersRecord,
    RecordId,
};

/// The delegation under which the own credential was signed, as far as it is still needed.
struct Issuer {
    domain: DomainId,
    voucher: Voucher,
    key: VerifyingKey,
}

impl Authorities for Issuer {
    fn domain(&self) -> DomainId {
        self.domain
    }

    fn suite(&self) -> Suite {
        Suite::One
    }

    fn serial(&self) -> u32 {
        self.voucher.serial
    }

    fn authority_key(&self, serial: u32, _: u8, role: Role) -> Option<&VerifyingKey> {
        (serial == self.voucher.serial && role == self.voucher.role).then_some(&self.key)
    }
}

impl<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>
    Device<G, S, T, K, O>
{
    /// Starts with what every enrolled device has, in a place of the caller's, such as a static;
    /// what was there is dropped. Give it all other records with [`Device::restore`], and what it
    /// has seen with [`Device::restore_seen`], before anything else. One machine at a time: two
    /// would use the same session numbers.
    ///
    /// # Errors
    /// A record is damaged, of another version, or too long.
    pub fn load<'p>(
        place: &'p mut Option<Self>,
        identity: &[u8],
        numbers: &[u8],
        domain: &[u8],
        credential: &[u8],
    ) -> Result<&'p mut Self, StartError> {
        let identity: IdentityRecord = records::get(identity)?;
        let numbers: NumbersRecord = records::get(numbers)?;
        let domain: DomainRecord<'_> = records::get(domain)?;
        let credential: CredentialRecord<'_> = records::get(credential)?;
        let root = VerifyingKey::from_bytes(&domain.root_key).map_err(|_| StartError::Record)?;
        let voucher = credential.voucher.voucher(Role::Issue);
        Self::start(
            place,
            IdentityKey::from_seed(&Secret::new(identity.seed)),
            (identity.request, &numbers),
            (&root, domain.prefix, domain.delegation),
            (voucher, credential.credential),
        )
    }

    /// Without packages.
    pub(crate) fn start<'p>(
        place: &'p mut Option<Self>,
        identity: IdentityKey,
        numbers: (Digest, &NumbersRecord),
        (root, prefix, delegation): (&VerifyingKey, &str, &[u8]),
        (voucher, credential): (Voucher, &[u8]),
    ) -> Result<&'p mut Self, StartError> {
        const {
            assert!(G > 0 && G <= MAX_GROUPS, "1 to 12 groups");
        }
        check_prefix(prefix).map_err(|_| StartError::Object(ObjectError::Field("prefix")))?;
        let issuer = Issuer {
            domain: DomainId::of_root(root),
            key: VerifyingKey::from_bytes(&voucher.key).map_err(|_| StartError::Record)?,
            voucher,
        };
        *place = None;
        // By reference: what is moved stands twice on the stack of some devices.
        let own = &VerifiedCredential::verify(credential, &issuer);
        let own = own.as_ref().map_err(|error| *error)?;
        if own.key() != &identity.verifying_key() {
            return Err(StartError::OtherDevice);
        }
        let mut verified = None;
        VerifiedDelegation::verify_into(&mut verified, delegation, root)?;
        let device = Self::new(
            place,
            (identity, numbers),
            (prefix, delegation),
            (&mut verified, own, voucher),
        );
        let device = device.ok_or(StartError::TooLong)?;
        device.open_places();
        Ok(device)
    }

    /// On its own, because much of the device is on the stack here once: not while it is verified.
    /// What is empty is not: it is made inline, element by element.
    #[inline(never)]
    fn new<'p>(
        place: &'p mut Option<Self>,
        (identity, (request, numbers)): (IdentityKey, (Digest, &NumbersRecord)),
        (prefix, delegation_object): (&str, &[u8]),
        (delegation, own, own_voucher): (
            &mut Option<VerifiedDelegation>,
            &VerifiedCredential<&[u8]>,
            Voucher,
        ),
    ) -> Option<&'p mut Self> {
        let own = own.with_copy(Bytes::new(own.bytes())?)?;
        let prefix = Bytes::new(prefix.as_bytes())?;
        let delegation_object = Bytes::new(delegation_object)?;
        let delegation = delegation.take()?;
        // Assigned, not inserted: a call would have it on the stack.
        *place = Some(Self {
            identity,
            request,
            secret: DeviceSecret::new(Secret::new(numbers.secret)),
            session_number: numbers.session,
            connection: Connection::of(numbers.connection),
            package_number: numbers.package,
            root: *delegation.root(),
            prefix,
            delegation,
            delegation_object,
            own,
            own_voucher,
            packages: Packages::none(),
            groups: from_fn(|_| None),
            peers: Peers::new(),
            receiver: DeviceReceiver::on_device(DecapsulationLimit::default()),
            due: 0,
            confirm: false,
            own_asked: false,
            session_records: Wanted::NONE,
            ask_records: false,
        });
        place.as_mut()
    }

    /// Takes back one record of a kind that [`Device::load`] did not.
    ///
    /// # Errors
    /// As there.
    pub fn restore(&mut self, id: RecordId, value: &[u8]) -> Result<(), StartError> {
        match id {
            RecordId::Packages => self.packages.restore(value),
            RecordId::Notes(place) => self.restore_notes(place, value),
            RecordId::Group(place) => self.restore_keys(place, value),
            _ => Err(StartError::Record),
        }
    }

    #[inline(never)]
    fn restore_notes(&mut self, place: u8, value: &[u8]) -> Result<(), StartError> {
        let notes: NotesRecord = records::get(value)?;
        for other in &mut self.groups {
            // Not `take_if`: that moves it over the stack.
            if other.as_ref().is_some_and(|other| other.id == notes.group) {
                *other = None;
            }
        }
        let group = self.groups.get_mut(usize::from(place));
        let place = group.ok_or(StartError::Record)?;
        *place = Some(Group::new(notes.group));
        if let Some(group) = place {
            group.restore_notes(&notes);
        }
        // Those that are granted and have no place yet, behind those that have.
        self.open_places();
        Ok(())
    }

    #[inline(never)]
    fn restore_keys(&mut self, place: u8, value: &[u8]) -> Result<(), StartError> {
        let group = self.groups.get_mut(usize::from(place));
        let group = group.and_then(Option::as_mut).ok_or(StartError::Record)?;
        let state = group.restore_state(records::body(value)?);
        let state = state.ok_or(StartError::Record)?;
        // The store may have both, the state and the package that its welcome used up.
        self.packages.used(state.confirmation().package_number);
        Ok(())
    }
}
