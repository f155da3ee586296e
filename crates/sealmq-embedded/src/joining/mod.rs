//! From nothing to a member: the device makes its keys and a request, and somebody with the authority's
//! consent answers with a credential (spec/keys.md §4, §11).

mod over_mqtt;

use rand_core::TryCryptoRng;
use sealmq_core::crypto::{DeviceSecret, Digest, IdentityKey, Secret, VerifyingKey};
use sealmq_core::object::{List, Role, encode};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, VerifiedCredential};
use sealmq_keys::objects::{EnrolmentRequest, Fingerprint, NO_TOKEN, VerifiedDelegation, Voucher};

use crate::draw::secret;
use crate::packages::{MAX_PACKAGE, Package, Packages};
use crate::records::{self, IdentityRecord, NumbersRecord, RecordId, RequestRecord};
use crate::{Clock, Device, StartError};

pub use over_mqtt::{Answer, Way};

/// One-time keys in a request: one is used up for each group.
const PACKAGES: u32 = 4;

/// A device that is no member yet.
pub struct Joining {
    identity: IdentityKey,
    secret: DeviceSecret,
    packages: Packages,
    package_number: u32,
    request: Digest,
    /// What the request over MQTT says.
    asked: Option<RequestRecord>,
}

/// What an answer brought: on a way that the owner trusts, or verified under a root that came so.
#[derive(Debug, Clone, Copy)]
pub struct Joined<'a> {
    /// The root's key, which is pinned.
    pub root_key: &'a [u8; 32],
    /// Prefix of the reserved topics.
    pub prefix: &'a str,
    /// The delegation object.
    pub delegation: &'a [u8],
    /// The credential object.
    pub credential: &'a [u8],
}

impl Joining {
    /// Makes the device's keys.
    ///
    /// # Errors
    /// [`StartError::Random`].
    pub fn begin(rng: &mut impl TryCryptoRng) -> Result<Self, StartError> {
        Ok(Self {
            identity: IdentityKey::from_seed(&secret(rng)?),
            secret: DeviceSecret::new(secret(rng)?),
            packages: Packages::none(),
            package_number: 0,
            request: Digest::ZERO,
            asked: None,
        })
    }

    /// Goes on after a start, with what was stored, in a place of the caller's; what was there is
    /// dropped.
    ///
    /// # Errors
    /// [`StartError::Record`]; the place is empty then.
    pub fn load(
        place: &mut Option<Self>,
        identity: &[u8],
        numbers: &[u8],
        packages: &[u8],
        request: &[u8],
    ) -> Result<(), StartError> {
        let asked = match request {
            [] => None,
            request => Some(records::get(request)?),
        };
        Self::put(
            place,
            records::get(identity)?,
            &records::get(numbers)?,
            asked,
        );
        let restored = place
            .as_mut()
            .map(|joining| joining.packages.restore(packages));
        restored.unwrap_or(Ok(())).inspect_err(|_| *place = None)
    }

    /// On its own: all of it is on the stack here once.
    #[inline(never)]
    fn put(
        place: &mut Option<Self>,
        identity: IdentityRecord,
        numbers: &NumbersRecord,
        asked: Option<RequestRecord>,
    ) {
        *place = Some(Self {
            identity: IdentityKey::from_seed(&Secret::new(identity.seed)),
            secret: DeviceSecret::new(Secret::new(numbers.secret)),
            packages: Packages::none(),
            package_number: numbers.package,
            request: identity.request,
            asked,
        });
    }

    /// The device's fingerprint, for an operator.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.identity.verifying_key())
    }

    /// Writes a new enrolment request of suite 1 into `out`; returns its length. Store all of
    /// [`Joining::records`] before it goes out.
    ///
    /// # Errors
    /// The random number generator failed, the name is not allowed, or `out` is too short: 1.5 KiB
    /// are enough.
    pub fn request(
        &mut self,
        domain: DomainId,
        name: &str,
        at: Clock,
        rng: &mut impl TryCryptoRng,
        out: &mut [u8],
    ) -> Result<usize, StartError> {
        self.make_packages(domain, at, rng)?;
        let asked = RequestRecord {
            domain,
            token: NO_TOKEN,
            issued_at: at.now.map_or(0, |now| now / 1000),
        };
        self.asked = Some(asked);
        self.write(&asked, name, out)
    }

    fn make_packages(
        &mut self,
        domain: DomainId,
        at: Clock,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), StartError> {
        let now = at.now.map(|now| now / 1000);
        for _ in 0..PACKAGES {
            let number = self
                .package_number
                .checked_add(1)
                .ok_or(StartError::Random)?;
            let owner = (domain, &self.identity);
            let package = Package::make((number, 0), owner, &mut self.secret, (now, 0), rng);
            self.package_number = number;
            self.packages.put(package.map_err(|_| StartError::Random)?);
        }
        Ok(())
    }

    /// The request: the same bytes, as often as it is asked for the same.
    fn write(
        &mut self,
        asked: &RequestRecord,
        name: &str,
        out: &mut [u8],
    ) -> Result<usize, StartError> {
        let mut list = [0; PACKAGES as usize * (MAX_PACKAGE + 2)];
        let mut used = 0_usize;
        let newest = self.package_number.saturating_sub(PACKAGES);
        for package in self.packages.iter().filter(|p| p.number > newest) {
            let mut object = [0; MAX_PACKAGE];
            let (object, _) = package.sign(asked.domain, &self.identity, &mut object)?;
            let free = list.get_mut(used..).ok_or(StartError::TooLong)?;
            used = used.saturating_add(encode(&object, free)?.len());
        }
        let request = EnrolmentRequest {
            domain: asked.domain,
            token: asked.token,
            name,
            key: *self.identity.verifying_key().as_bytes(),
            issued_at: asked.issued_at,
            packages: List::from_encoded(list.get(..used).unwrap_or_default())?,
        };
        let (object, hash) = request.sign(Suite::One, &self.identity, out)?;
        self.request = hash;
        Ok(object.len())
    }

    /// What has to be stored before the request goes out.
    #[must_use]
    pub const fn records() -> [RecordId; 4] {
        [
            RecordId::Identity,
            RecordId::Numbers,
            RecordId::Packages,
            RecordId::Request,
        ]
    }

    /// Writes one of these records; returns its length. It is secret: wipe `out`.
    ///
    /// # Errors
    /// `out` is too short, or it is another record.
    pub fn record(&self, id: RecordId, out: &mut [u8]) -> Result<usize, StartError> {
        match id {
            RecordId::Identity => records::put(
                &IdentityRecord {
                    seed: *self.identity.seed().expose(),
                    request: self.request,
                },
                out,
            ),
            RecordId::Numbers => records::put(
                &NumbersRecord {
                    secret: *self.secret.expose(),
                    session: 0,
                    connection: 0,
                    package: self.package_number,
                },
                out,
            ),
            RecordId::Packages => records::put(&self.packages, out),
            RecordId::Request => match &self.asked {
                Some(asked) => records::put(asked, out),
                None => Ok(0),
            },
            _ => Err(StartError::Record),
        }
    }

    /// Takes the answer to the request: the new member is in `place`, and all of its records are
    /// due. Then drop this: its keys are the member's.
    ///
    /// # Errors
    /// It does not verify, or answers another device or request: wait for another answer.
    pub fn accept<
        'p,
        const G: usize,
        const S: usize,
        const T: usize,
        const K: usize,
        const O: usize,
    >(
        &mut self,
        place: &'p mut Option<Device<G, S, T, K, O>>,
        answer: Joined<'_>,
        at: Clock,
    ) -> Result<&'p mut Device<G, S, T, K, O>, StartError> {
        let root = VerifyingKey::from_bytes(answer.root_key);
        let root = root.map_err(|_| sealmq_core::object::ObjectError::Field("root_key"))?;
        let voucher = self.check(&root, &answer, at)?;
        let numbers = NumbersRecord {
            secret: *self.secret.expose(),
            session: 0,
            connection: 0,
            package: self.package_number,
        };
        let device = Device::start(
            place,
            IdentityKey::from_seed(&self.identity.seed()),
            (self.request, &numbers),
            (&root, answer.prefix, answer.delegation),
            (voucher, answer.credential),
        )?;
        device.swap_packages(&mut self.packages);
        device.all_due();
        Ok(device)
    }

    /// What stands behind the credential of an answer.
    #[inline(never)]
    fn check(
        &self,
        root: &VerifyingKey,
        answer: &Joined<'_>,
        at: Clock,
    ) -> Result<Voucher, StartError> {
        let mut place = None;
        let delegation = VerifiedDelegation::verify_into(&mut place, answer.delegation, root)?;
        delegation.check_pinned(Some(Suite::One), 0)?;
        let now = at.now.map(|now| now / 1000);
        if now.is_some_and(|now| !delegation.is_valid_at(now, crate::device::DEFAULT_SKEW)) {
            return Err(sealmq_core::object::ObjectError::Expired.into());
        }
        let credential = VerifiedCredential::verify(answer.credential, &*delegation)?;
        let fields = credential.fields();
        let own = credential.key() == &self.identity.verifying_key();
        if !own || fields.request != self.request {
            return Err(StartError::OtherDevice);
        }
        let voucher = delegation.voucher(fields.signer, Role::Issue);
        voucher.ok_or(StartError::OtherDevice)
    }
}
