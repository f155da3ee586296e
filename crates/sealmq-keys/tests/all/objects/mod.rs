//! Every field rule of delegations, key packages, requests and refused lists (spec/keys.md §3–7), one
//! fault at a time.

mod delegations;
mod packages_and_requests;
mod refused_lists;

use crate::sim::faults::{fields_of, only_itself, overlong, raw};
use crate::sim::{NOW, PREFIX, Sim, VALIDITY, authorities, domain, secret, signer};
use sealmq_core::crypto::IdentityKey;
use sealmq_core::object::{Authorities, Kind, List, ObjectError, Role, sign_encoded};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, GroupId, MemberNumber};
use sealmq_keys::*;

/// Every object offered to every verifier (C4): only its own takes it.
#[test]
fn no_kind_passes_for_another() {
    let mut sim = Sim::new(4);
    sim.rotate();
    let package = crate::sim::package(1);
    let fields = sim.welcome_fields(17, &package);
    let mut out = [0; MAX_WELCOME_LEN];
    let path = sim.path(17, fields.epoch);
    let welcome = fields
        .seal(&path, &package, &secret(&[1]), &signer(1), &mut out)
        .unwrap()
        .0;
    let refusal = Refusal {
        member: MemberNumber(1),
        lowest_serial: 1,
    };
    let mut out = [0; 256];
    let list = RefusedList::sign(
        domain(),
        1,
        0,
        Sim::group(),
        &[refusal],
        &signer(1),
        &mut out,
    )
    .unwrap()
    .0;
    let request = EnrolmentRequest {
        domain: domain(),
        token: [0; 8],
        name: "pump",
        key: *crate::sim::identity().verifying_key().as_bytes(),
        issued_at: NOW,
        packages: List::EMPTY,
    };
    let mut out = [0; 256];
    let request = request
        .sign(Suite::One, &crate::sim::identity(), &mut out)
        .unwrap()
        .0;
    let delegation = crate::sim::delegation(1);
    let package = crate::sim::package_bytes(1);
    let objects = [
        &delegation,
        package.as_slice(),
        welcome,
        sim.bytes(1),
        list,
        request,
    ];

    let authorities = authorities(1);
    let identity = crate::sim::identity().verifying_key();
    type Verifier<'a> = Box<dyn Fn(&[u8]) -> Option<ObjectError> + 'a>;
    let verifiers: [Verifier<'_>; 6] = [
        Box::new(|b| VerifiedDelegation::verify(b, &crate::sim::root().verifying_key()).err()),
        Box::new(|b| VerifiedKeyPackage::verify(b, Suite::One, &domain(), &identity).err()),
        Box::new(|b| VerifiedWelcome::verify(b, &authorities).err()),
        Box::new(|b| Announcement::verify(b, &authorities, PREFIX).err()),
        Box::new(|b| RefusedList::verify(b, &authorities).err()),
        Box::new(|b| VerifiedEnrolment::verify(b, Suite::One, &domain()).err()),
    ];
    for (i, object) in objects.iter().enumerate() {
        for (j, verify) in verifiers.iter().enumerate() {
            let expected = (i != j).then_some(ObjectError::Kind);
            assert_eq!(verify(object), expected, "object {i}, verifier {j}");
        }
    }
}
