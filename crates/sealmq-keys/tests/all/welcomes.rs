//! Welcomes (spec/keys.md §6): field rules, and what the seal binds.

use crate::sim::faults::{chain_rules, only_itself, raw, raw_around};
use crate::sim::{NOW, Sim, authorities, domain, secret, signer};
use sealmq_core::crypto::{Digest, Secret};
use sealmq_core::object::{Kind, ObjectError};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, GroupId, MemberNumber};
use sealmq_keys::tree::{NodeKey, PathKeys};
use sealmq_keys::*;

const LEAF: u32 = 17;

fn three_epochs() -> Sim {
    let mut sim = Sim::new(4);
    sim.rotate();
    sim.heal_now();
    sim.rotate();
    sim
}

fn good() -> (WelcomeFields, Vec<u8>) {
    let sim = three_epochs();
    let package = crate::sim::package(1);
    let fields = sim.welcome_fields(LEAF, &package);
    let path = sim.path(LEAF, fields.epoch);
    let mut out = [0; MAX_WELCOME_LEN];
    let bytes = fields
        .seal(&path, &package, &secret(&[1]), &signer(1), &mut out)
        .unwrap()
        .0
        .to_vec();
    (fields, bytes)
}

fn verify(bytes: &[u8]) -> Result<(), ObjectError> {
    VerifiedWelcome::verify(bytes, &authorities(1)).map(|_| ())
}

#[test]
fn fields() {
    let (good_fields, bytes) = good();
    only_itself(&bytes, verify);
    let check = |change: &dyn Fn(&mut WelcomeFields)| {
        let mut fields = good_fields;
        change(&mut fields);
        // The path, kept keys (none), extensions (none) and the tag.
        let sealed = vec![0; usize::from(fields.depth) * 32 + 2 + 16];
        verify(&raw_around(
            Kind::Welcome,
            &fields,
            &(&[1_u8; 32][..], &sealed[..]),
            &signer(1),
        ))
    };
    assert_eq!(check(&|_| ()), Ok(()));
    assert_eq!(
        check(&|w| w.domain = DomainId([1; 16])),
        Err(ObjectError::Domain)
    );
    assert_eq!(check(&|w| w.serial = 2), Err(ObjectError::Role));
    assert_eq!(check(&|w| w.signer = 1), Err(ObjectError::Role)); // may issue only
    assert_eq!(check(&|w| w.signer = 2), Err(ObjectError::Role));
    let field = |name| Err(ObjectError::Field(name));
    assert_eq!(check(&|w| w.member = MemberNumber(0)), field("member"));
    assert_eq!(
        check(&|w| w.member = MemberNumber(1 << 28)),
        field("member")
    );
    assert_eq!(check(&|w| w.depth = 1), field("depth"));
    assert_eq!(check(&|w| w.depth = 25), field("depth"));
    assert_eq!(check(&|w| w.leaf = 15), field("leaf"));
    assert_eq!(check(&|w| w.leaf = 32), field("leaf"));
    assert_eq!(check(&|w| w.package_number = 0), field("package_number"));
    chain_rules(&|epoch, previous, healing_epoch, healing| {
        check(&|w| {
            (w.epoch, w.previous) = (epoch, previous);
            (w.healing_epoch, w.healing) = (healing_epoch, healing);
        })
    });
    let with = |enc: &[u8], sealed: &[u8]| {
        verify(&raw_around(
            Kind::Welcome,
            &good_fields,
            &(enc, sealed),
            &signer(1),
        ))
    };
    // A path of depth 4, the tag, and neither kept keys nor extensions; then as much as there may
    // be of both.
    assert_eq!(with(&[1; 31], &[0; 146]), field("enc"));
    assert_eq!(with(&[1; 32], &[0; 145]), field("sealed"));
    assert_eq!(with(&[1; 32], &[0; 146]), Ok(()));
    assert_eq!(with(&[1; 32], &[0; 144 + 97 + 1024]), Ok(()));
    assert_eq!(with(&[1; 32], &[0; 145 + 97 + 1024]), field("sealed"));
    assert_eq!(with(&[1; 32], &[0; 4096]), Err(ObjectError::TooLarge));
}

#[test]
fn only_the_package_opens_it() {
    let (_, bytes) = good();
    let welcome = VerifiedWelcome::verify(&bytes, &authorities(1)).unwrap();
    assert!(welcome.open(&crate::sim::init_key(1)).is_ok());
    assert!(welcome.open(&crate::sim::init_key(2)).is_err());
}

/// A genuine ciphertext under other fields, signed again by a key of the authority: it is bound to
/// all of them (C6, A16), and to the object's form and kind.
#[test]
fn no_field_before_enc_can_be_exchanged() {
    let (fields, bytes) = good();
    let sealed_at = bytes.len() - 64 - 146;
    let enc_at = sealed_at - 2 - 32;
    let (enc, sealed) = (
        &bytes[enc_at..enc_at + 32],
        &bytes[sealed_at..sealed_at + 146],
    );
    let open = |change: &dyn Fn(&mut WelcomeFields)| {
        let mut fields = fields;
        change(&mut fields);
        let bytes = raw_around(
            Kind::Welcome,
            &fields,
            &(enc, sealed),
            &signer(fields.serial),
        );
        let welcome = VerifiedWelcome::verify(&bytes, &authorities(fields.serial)).unwrap();
        welcome.open(&crate::sim::init_key(1)).is_ok()
    };
    assert!(open(&|_| ()));
    assert!(!open(&|w| w.group = GroupId([1; 16])));
    assert!(!open(&|w| w.member = MemberNumber(8)));
    assert!(!open(&|w| w.generation = 2));
    assert!(!open(&|w| w.leaf = 18));
    assert!(!open(&|w| w.epoch = 5));
    assert!(!open(&|w| w.package = Digest([1; 32])));
    assert!(!open(&|w| w.package_number = 2));
    assert!(!open(&|w| w.serial = 2));
    assert!(!open(&|w| w.previous = Digest([1; 32])));
    assert_eq!((fields.epoch, fields.healing_epoch), (4, 2));
    assert!(!open(&|w| w.healing = Digest([1; 32])));
    assert!(!open(&|w| w.healing_epoch = 1));
    assert!(!open(&|w| (w.healing_epoch, w.healing) = (0, Digest::ZERO)));
    assert!(!open(&|w| (w.healing_epoch, w.healing) = (3, w.previous)));
}

#[test]
fn sealing_checks_its_input() {
    let sim = three_epochs();
    let package = crate::sim::package(1);
    let fields = sim.welcome_fields(LEAF, &package);
    let path = sim.path(LEAF, fields.epoch);
    let seal = |fields: &WelcomeFields, path: &PathKeys, package: &VerifiedKeyPackage| {
        let mut out = [0; MAX_WELCOME_LEN];
        fields
            .seal(path, package, &secret(&[1]), &signer(1), &mut out)
            .map(|_| ())
    };
    assert_eq!(seal(&fields, &path, &package), Ok(()));
    let field = |name| Err(ObjectError::Field(name));
    assert_eq!(seal(&fields, &sim.path(18, 4), &package), field("leaf"));
    let deeper = PathKeys::from_fn(5, 32, |_| NodeKey::new(Secret::new([1; 32]))).unwrap();
    assert_eq!(seal(&fields, &deeper, &package), field("depth"));
    assert_eq!(
        seal(&fields, &path, &crate::sim::package(2)),
        field("package_number")
    );
    let other = WelcomeFields {
        package: Digest([1; 32]),
        ..fields
    };
    assert_eq!(seal(&other, &path, &package), field("package"));
    let nobody = WelcomeFields {
        member: MemberNumber(0),
        ..fields
    };
    assert_eq!(seal(&nobody, &path, &package), field("member"));
    let mut short = [0; 100];
    let result = fields.seal(&path, &package, &secret(&[1]), &signer(1), &mut short);
    assert_eq!(result, Err(ObjectError::TooLarge));
}

#[test]
fn a_low_order_init_key_gets_no_welcome() {
    let body = KeyPackage {
        domain: domain(),
        identity: *crate::sim::identity().verifying_key().as_bytes(),
        number: 1,
        kem: KEM_X25519,
        init_key: &[0; 32],
        issued_at: NOW,
        not_after: NOW + 1,
    };
    let bytes = raw(Kind::KeyPackage, &body, &crate::sim::identity());
    let identity = crate::sim::identity().verifying_key();
    let result = VerifiedKeyPackage::verify(&bytes, Suite::One, &domain(), &identity);
    assert_eq!(result, Err(ObjectError::Field("init_key")));
}

/// What a member's confirmation proves (spec/keys.md §4): it opened this very welcome.
#[test]
fn only_the_recipient_can_confirm_a_welcome() {
    let (fields, bytes) = good();
    let verified = VerifiedWelcome::verify(&bytes, &authorities(1)).unwrap();
    let opened = verified.open(&crate::sim::init_key(1)).unwrap();
    let proof = *opened.proof();
    // The authority computes the same from the tree.
    let leaf = three_epochs().node_key(LEAF, fields.epoch);
    assert_eq!(proof, leaf.confirm(verified.hash()));
    for (key, welcome) in [
        (leaf.ratchet(), *verified.hash()),
        (
            three_epochs().node_key(LEAF + 1, fields.epoch),
            *verified.hash(),
        ),
        (leaf, Digest([1; 32])),
    ] {
        assert_ne!(proof, key.confirm(&welcome));
    }
    let confirmed = ConfirmationEntry::of_welcome(&opened);
    assert_eq!(confirmed.proof, proof);
    assert_eq!(confirmed.package_number, fields.package_number);
    assert!(confirmed.proves(
        &three_epochs().node_key(LEAF, fields.epoch),
        verified.hash()
    ));
    let state = GroupState::install(opened);
    assert_eq!(state.confirmation(), confirmed);
    let stored = state.to_bytes().unwrap();
    let stored = GroupState::decode(&stored).unwrap();
    assert_eq!(stored.confirmation(), confirmed);
}
