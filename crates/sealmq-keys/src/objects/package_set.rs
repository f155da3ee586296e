use sealmq_core::DomainId;
use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::{Kind, List, Object, ObjectError, decode, encode, suite_of};
use sealmq_core::wire::Suite;
use serde::{Deserialize, Serialize};

use crate::key_package::{KeyPackage, UNKNOWN_DOMAIN, VerifiedKeyPackage};

/// Longest set of key packages in bytes.
pub const MAX_PACKAGE_SET_LEN: usize = 16384;
/// Most key packages in one set.
pub const MAX_PACKAGES: usize = 64;

/// The unused key packages that a member publishes (spec/keys.md §4), all verified.
///
/// The set is not signed as a whole: a broker can withhold it or bring an older one, which only
/// delays, because used packages and lower numbers are refused.
#[derive(Debug, Clone, Copy)]
pub struct PackageSet<'a> {
    packages: List<'a, &'a [u8]>,
    suite: Suite,
    domain: DomainId,
    identity: VerifyingKey,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    packages: List<'a, &'a [u8]>,
}

impl<'a> PackageSet<'a> {
    /// Writes a set of the member's own packages: `packages` are the objects, ascending by number.
    /// Their signatures are taken as given.
    ///
    /// # Errors
    /// A package with a field that the spec forbids, or of another suite than the first;
    /// `Field("packages")` if there are none, more than [`MAX_PACKAGES`], or numbers that do not
    /// rise; [`ObjectError::TooLarge`].
    pub fn encode<'o>(
        packages: &List<'_, &[u8]>,
        domain: &DomainId,
        identity: &VerifyingKey,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], ObjectError> {
        let first = packages.iter().next();
        let suite = suite_of(first.ok_or(ObjectError::Field("packages"))?)?;
        check(packages, |bytes| unsigned(bytes, suite, domain, identity))?;
        let body = encode(
            &Body {
                packages: *packages,
            },
            out,
        )?;
        if body.len() > MAX_PACKAGE_SET_LEN {
            return Err(ObjectError::TooLarge);
        }
        Ok(body)
    }

    /// Verifies every package of a set under the identity key of its member, for the suite of the
    /// domain. Times are not checked.
    ///
    /// # Errors
    /// Any [`ObjectError`] but `Role`, `Expired` and `Serial`.
    pub fn verify(
        bytes: &'a [u8],
        suite: Suite,
        domain: &DomainId,
        identity: &VerifyingKey,
    ) -> Result<Self, ObjectError> {
        Self::verify_above(0, bytes, suite, domain, identity)
    }

    /// As [`PackageSet::verify`], but of the packages up to a number that are known no signature is
    /// verified, unless it is the last of the set: whoever plays back what the member published
    /// makes no work, and nobody else can make a set that passes.
    ///
    /// # Errors
    /// As [`PackageSet::verify`].
    pub fn verify_above(
        known: u32,
        bytes: &'a [u8],
        suite: Suite,
        domain: &DomainId,
        identity: &VerifyingKey,
    ) -> Result<Self, ObjectError> {
        if bytes.len() > MAX_PACKAGE_SET_LEN {
            return Err(ObjectError::TooLarge);
        }
        let Body { packages } = decode(bytes)?;
        // Cheap checks of all before the first signature.
        check(&packages, |bytes| unsigned(bytes, suite, domain, identity))?;
        let numbers = packages
            .iter()
            .map(|bytes| unsigned(bytes, suite, domain, identity));
        let newest = numbers
            .last()
            .transpose()?
            .map_or(0, |newest| newest.number());
        for package in &packages {
            let number = unsigned(package, suite, domain, identity)?.number();
            if number <= known && number != newest {
                continue;
            }
            let object = Object::parse_as(package, suite, Kind::KeyPackage)?;
            let (_, extensions) = object.decode::<KeyPackage<'_>>()?;
            object.verify(identity, &extensions, &[])?;
            unsigned(package, suite, domain, identity)?.probe()?;
        }
        Ok(Self {
            packages,
            suite,
            domain: *domain,
            identity: *identity,
        })
    }

    /// The packages by rising number, each with its bytes.
    pub fn packages(&self) -> impl Iterator<Item = (&'a [u8], VerifiedKeyPackage)> {
        let (suite, domain, identity) = (self.suite, self.domain, self.identity);
        // Their signatures were verified with the set.
        self.packages.iter().filter_map(move |bytes| {
            Some((bytes, unsigned(bytes, suite, &domain, &identity).ok()?))
        })
    }
}

/// The fields of a package whose signature was verified before, or is verified later.
fn unsigned(
    bytes: &[u8],
    suite: Suite,
    domain: &DomainId,
    identity: &VerifyingKey,
) -> Result<VerifiedKeyPackage, ObjectError> {
    let object = Object::parse_as(bytes, suite, Kind::KeyPackage)?;
    let (package, _) = object.decode::<KeyPackage<'_>>()?;
    // Those of an enrolment request in a file may be from before the device knew its domain.
    let expected = match package.domain {
        UNKNOWN_DOMAIN => UNKNOWN_DOMAIN,
        _ => *domain,
    };
    package.into_verified(suite, object.hash(), &expected, identity)
}

/// The rules for the set as a whole: how many, rising numbers.
fn check(
    packages: &List<'_, &[u8]>,
    read: impl Fn(&[u8]) -> Result<VerifiedKeyPackage, ObjectError>,
) -> Result<(), ObjectError> {
    let error = ObjectError::Field("packages");
    let mut last = 0;
    for (index, bytes) in packages.iter().enumerate() {
        let number = read(bytes)?.number();
        if index >= MAX_PACKAGES || number <= last {
            return Err(error);
        }
        last = number;
    }
    if last == 0 { Err(error) } else { Ok(()) }
}
