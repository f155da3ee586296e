//! What strangers and hostile members make.

use rand_core::TryRng as _;
use sealmq_core::crypto::IdentityKey;
use sealmq_core::object::{Authorities as _, List};
use sealmq_core::seal::{Outgoing, Publisher, SenderSession, SessionLimits, SessionStart};
use sealmq_core::topic::Topic;
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, MemberNumber};
use sealmq_keys::{
    EnrolmentRequest, Fingerprint, GroupState, JoinRequest, KEM_X25519, KeyPackage,
    LEASE_NONCE_LEN, MAX_NONCE_LEN, NO_TOKEN, NonceFields, PackageSet, ReservedTopic,
};

use super::members::Resident;
use super::town::{START, Town, YEAR, init_key, secret};
use sealmq_testkit::stand_ins::{AnyMember, CountingRng};

pub(super) fn fill(rng: &mut CountingRng, out: &mut [u8]) {
    let Ok(()) = rng.try_fill_bytes(out);
}

fn package(identity: &IdentityKey, domain: DomainId, number: u32) -> Vec<u8> {
    let package = KeyPackage {
        domain,
        identity: *identity.verifying_key().as_bytes(),
        number,
        kem: KEM_X25519,
        init_key: &init_key(),
        issued_at: START,
        not_after: START + YEAR,
    };
    package.sign(identity, &mut [0; 512]).unwrap().0.to_vec()
}

/// A join request in which everything is right, of a key that nobody knows; with a token that was
/// made up, or with none.
pub(super) fn join_request(town: &Town, number: u64, with_token: bool) -> (String, Vec<u8>) {
    let identity = IdentityKey::from_seed(&secret(b"stranger", number));
    let domain = town.delegation.domain();
    let package = package(&identity, domain, 1);
    let token = secret(b"made up", number);
    let mut id = NO_TOKEN;
    if with_token {
        id.copy_from_slice(&token.expose()[..NO_TOKEN.len()]);
    }
    let (mut list, mut out) = ([0; 512], [0; 1024]);
    let fields = EnrolmentRequest {
        domain,
        token: id,
        name: &format!("stranger-{number}"),
        key: *identity.verifying_key().as_bytes(),
        issued_at: START,
        packages: List::encode(&[package.as_slice()], &mut list).unwrap(),
    };
    let request = fields.sign(Suite::One, &identity, &mut out).unwrap().0;
    let token = with_token.then_some((&id, &token));
    let seed = secret(b"encapsulation", number);
    let sealed = JoinRequest::seal(&town.delegation, token, request, &seed).unwrap();
    let device = Fingerprint::of(&identity.verifying_key());
    (ReservedTopic::Join(device).name(&town.prefix), sealed)
}

/// A set of one new key package.
pub(super) fn package_set(town: &Town, member: usize, number: u32) -> (String, Vec<u8>) {
    let outlaw = &town.outlaws[member];
    let domain = town.delegation.domain();
    let package = package(&outlaw.identity, domain, number);
    let (mut list, mut out) = ([0; 512], [0; 1024]);
    let list = List::encode(&[package.as_slice()], &mut list).unwrap();
    let key = outlaw.identity.verifying_key();
    let set = PackageSet::encode(&list, &domain, &key, &mut out).unwrap();
    let topic = ReservedTopic::Packages(outlaw.number);
    (topic.name(&town.prefix), set.to_vec())
}

/// A nonce of a hostile member, as it may publish it.
pub(super) fn nonce(town: &Town, member: usize, number: u64) -> (String, Vec<u8>) {
    let outlaw = &town.outlaws[member];
    let mut nonce = [0; LEASE_NONCE_LEN];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    let fields = NonceFields {
        domain: town.delegation.domain(),
        member: outlaw.number,
        number,
        group: town.group,
        nonce,
    };
    let mut out = [0; MAX_NONCE_LEN];
    let signed = fields.sign(&outlaw.identity, &mut out).unwrap().0.to_vec();
    let topic = ReservedTopic::Nonce(town.group, outlaw.number);
    (topic.name(&town.prefix), signed)
}

/// What a member with the group's keys can seal under a number that is not its own. `reader` is
/// whose keys it uses.
pub(super) fn envelope(
    town: &Town,
    reader: &Resident,
    number: u64,
    now: u64,
) -> Option<(String, Vec<u8>)> {
    let outlaw = &town.outlaws[0];
    let store = &reader.store.0;
    let mut records = store.range("group/".to_owned()..);
    let state = records.find(|(key, _)| key.ends_with("/state"))?.1;
    let state = GroupState::decode(&state[1..]).ok()?;
    let epoch = state.current()?;
    let member = AnyMember {
        group: *state.group(),
        member: MemberNumber(1_000_000 + number as u32 % 1_000_000),
        key: outlaw.identity.verifying_key(),
        credential_hash: sealmq_core::crypto::sha256(&[&number.to_be_bytes()]),
        serial: 1,
    };
    let mut session = SenderSession::start(&SessionStart {
        group: *state.group(),
        announcement: epoch.hash,
        suite: Suite::One,
        group_key: &epoch.group_key,
        psk: &epoch.psk().session(),
        not_after: u64::MAX,
        limits: SessionLimits::default(),
        number: number + 1,
        seed: &secret(b"forged session", number),
        now: Some(now),
    })
    .ok()?;
    let topic = format!("plant/forged-{}", number % 16);
    let mut message = Outgoing::new(Topic::new(&topic).ok()?);
    message.sent_at = Some(now);
    let mut out = vec![0; 512];
    let publisher = Publisher::new(&outlaw.identity, member).ok()?;
    let len = session
        .seal_into(&publisher, &message, Some(now), b"forged", &mut out)
        .ok()?;
    out.truncate(len);
    Some((topic, out))
}
