//! The domain in which all vectors play: root, authority, members, their credentials and packages.

use sealmq_core::crypto::{Digest, IdentityKey, KemKeyPair, Secret, VerifyingKey, sha256};
use sealmq_core::object::{
    Access, Authorities, Extensions, Kind, List, Object, Role, encode, sign_encoded,
};
use sealmq_core::wire::Suite;
use sealmq_core::{Credential, DomainId, Grant, GroupId, MemberNumber};
use sealmq_keys::{
    DelegatedKemKey, DelegatedKey, Delegation, Issuer, KEM_X25519, KeyPackage, Roles, WelcomeFields,
};
use serde::Serialize;

use super::json::{Json, object};

/// The present of all vectors: 12 November 2025, in Unix seconds.
pub(crate) const NOW: u64 = 1_762_949_760;
pub(crate) const NOW_MS: u64 = NOW * 1000;
/// Seconds of a week.
pub(crate) const WEEK: u64 = 604_800;

/// 32 bytes that follow from a label. They stand for random ones.
pub(crate) fn bytes(label: &str) -> [u8; 32] {
    sha256(&[b"sealmq vectors ", label.as_bytes()]).0
}

/// A copy, changed.
pub(crate) fn altered<T: Clone>(value: &T, change: impl FnOnce(&mut T)) -> T {
    let mut copy = value.clone();
    change(&mut copy);
    copy
}

/// A copy in which bits of one byte are others.
pub(crate) fn flipped(bytes: &[u8], at: usize, bits: u8) -> Vec<u8> {
    altered(&bytes.to_vec(), |bytes| bytes[at] ^= bits)
}

/// A byte too many.
pub(crate) fn trailing(bytes: &[u8]) -> Vec<u8> {
    [bytes, &[0]].concat()
}

pub(crate) fn secret(label: &str) -> Secret {
    Secret::new(bytes(label))
}

pub(crate) fn digest(label: &str) -> Digest {
    Digest(bytes(label))
}

pub(crate) fn group_id(label: &str) -> GroupId {
    GroupId(*bytes(label).first_chunk().unwrap())
}

/// The Ed25519 key of a person or device.
pub(crate) fn identity(name: &str) -> IdentityKey {
    IdentityKey::from_seed(&secret(&format!("identity of {name}")))
}

pub(crate) fn public(name: &str) -> [u8; 32] {
    *identity(name).verifying_key().as_bytes()
}

pub(crate) fn root_key() -> [u8; 32] {
    public("root")
}

pub(crate) fn domain() -> DomainId {
    DomainId::of_root(&identity("root").verifying_key())
}

/// The group that most vectors are about.
pub(crate) fn plant() -> GroupId {
    group_id("group plant")
}

/// Another group of the domain.
pub(crate) fn office() -> GroupId {
    group_id("group office")
}

// --- objects ---

/// Encodes a body, with fields that may break rules.
pub(crate) fn body(fields: &impl Serialize) -> Vec<u8> {
    let mut out = vec![0; 1 << 17];
    encode(fields, &mut out).unwrap().to_vec()
}

/// Nothing behind the fields of an object.
pub(crate) const NO_EXTENSIONS: Extensions<'static> = List::EMPTY;

/// The body of an object without extensions.
pub(crate) fn fields_body(fields: &impl Serialize) -> Vec<u8> {
    body(&(fields, NO_EXTENSIONS))
}

/// Encodes the elements of a list.
pub(crate) fn elements<T: Serialize>(items: &[T]) -> Vec<u8> {
    items.iter().flat_map(body).collect()
}

/// Signs whatever stands in the body.
pub(crate) fn sign(kind: Kind, body: &[u8], signer: &IdentityKey) -> Vec<u8> {
    sign_as(Suite::One, kind, body, signer)
}

/// The same under the form of a suite.
pub(crate) fn sign_as(suite: Suite, kind: Kind, body: &[u8], signer: &IdentityKey) -> Vec<u8> {
    let mut out = vec![suite.form(), kind as u8];
    out.extend_from_slice(body);
    out.extend_from_slice(&[0; 64]);
    let signed = sign_encoded(kind, body.len(), signer, &mut out);
    signed.unwrap().0.to_vec()
}

/// The hash of an object: its name.
pub(crate) fn hash(object: &[u8]) -> Digest {
    sha256(&[object.split_last_chunk::<64>().unwrap().0])
}

/// The fields of an object.
pub(crate) fn fields_of<'a, T>(object: &'a [u8], kind: Kind) -> T
where
    T: serde::Deserialize<'a> + Serialize,
{
    let object = Object::parse_any(object, kind).unwrap();
    object.decode::<T>().unwrap().0
}

/// The body of an object.
pub(crate) fn body_of(object: &[u8], kind: Kind) -> &[u8] {
    Object::parse_any(object, kind).unwrap().body()
}

// --- authority ---

/// What a verifier takes from the delegation that it holds, as it stands in the vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) domain: DomainId,
    /// Not in the vectors' authority, but beside it.
    pub(crate) suite: Suite,
    pub(crate) serial: u32,
    pub(crate) keys: Vec<(VerifyingKey, Roles)>,
    pub(crate) continues: Option<Continued>,
}

/// Which delegations before it the one that is held continues (spec/keys.md §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Continued {
    pub(crate) since: u32,
    pub(crate) issuers: Vec<Issuer>,
}

impl Authority {
    /// Whether state of the delegation with this serial goes on.
    pub(crate) fn goes_on(&self, serial: u32) -> bool {
        let since = self.continues.as_ref().map(|said| said.since);
        (since.unwrap_or(self.serial)..=self.serial).contains(&serial)
    }
}

impl Authorities for Authority {
    fn domain(&self) -> DomainId {
        self.domain
    }

    fn suite(&self) -> Suite {
        self.suite
    }

    fn serial(&self) -> u32 {
        self.serial
    }

    fn authority_key(&self, serial: u32, signer: u8, role: Role) -> Option<&VerifyingKey> {
        let (key, roles) = self.keys.get(usize::from(signer))?;
        (serial == self.serial && roles.has(role)).then_some(key)
    }
}

impl Authority {
    /// What verifies a credential by this signer of the delegation with this serial, if that is the
    /// one that is held, or is continued by it (spec/envelope.md §9, "The sender of state").
    pub(crate) fn counting(&self, serial: u32, signer: u8) -> Option<Self> {
        if serial == self.serial {
            return Some(self.clone());
        }
        let mut issuers = self.continues.as_ref()?.issuers.iter();
        let named = issuers.find(|named| (named.serial, named.signer) == (serial, signer))?;
        let key = VerifyingKey::from_bytes(&named.key).ok()?;
        Some(Self {
            serial,
            keys: vec![(key, ISSUE); usize::from(signer) + 1],
            continues: None,
            ..self.clone()
        })
    }
}

/// Index of the key that issues credentials, and of the one that runs groups.
pub(crate) const ISSUER: u8 = 0;
pub(crate) const CONTROLLER: u8 = 1;
/// Index of the key that signs heartbeats, in [`live_authority`].
pub(crate) const HEART: u8 = 2;

const ISSUE: Roles = Roles::NONE.with(Role::Issue);
const GROUPS: Roles = Roles::NONE.with(Role::Groups);

/// The delegation of this serial; every serial has keys of its own.
pub(crate) fn authority(serial: u32) -> Authority {
    let (issuer, controller) = (issuer(serial), controller(serial));
    let keys = vec![
        (issuer.verifying_key(), ISSUE),
        (controller.verifying_key(), GROUPS),
    ];
    let (domain, suite) = (domain(), Suite::One);
    Authority {
        domain,
        suite,
        serial,
        keys,
        continues: None,
    }
}

/// The delegation of this serial, which continues those from `since` on, with the issuers of all
/// of them.
pub(crate) fn continuing(serial: u32, since: u32) -> Authority {
    let issuers = (since..serial).map(issuer_entry).collect();
    altered(&authority(serial), |authority| {
        authority.continues = Some(Continued { since, issuers });
    })
}

/// What a continuation says of the issuer of the delegation with this serial.
pub(crate) fn issuer_entry(serial: u32) -> Issuer {
    let key = *issuer(serial).verifying_key().as_bytes();
    let signer = ISSUER;
    Issuer {
        serial,
        signer,
        key,
    }
}

/// The delegation of serial 1 with a third key, for heartbeats and nonce answers.
pub(crate) fn live_authority() -> Authority {
    let mut authority = authority(1);
    let heart = (heart().verifying_key(), Roles::NONE.with(Role::Heartbeat));
    authority.keys.push(heart);
    authority
}

pub(crate) fn heart() -> IdentityKey {
    identity("heart 1")
}

pub(crate) fn issuer(serial: u32) -> IdentityKey {
    identity(&format!("issuer {serial}"))
}

pub(crate) fn controller(serial: u32) -> IdentityKey {
    identity(&format!("controller {serial}"))
}

pub(crate) fn authority_json(authority: &Authority) -> Json {
    let key = |(key, roles): &(VerifyingKey, Roles)| {
        object! { key: *key.as_bytes(), roles: body(roles)[0] }
    };
    let keys = authority.keys.iter().map(key).collect();
    let json =
        object! { domain: authority.domain.0, serial: authority.serial, keys: Json::Array(keys) };
    match &authority.continues {
        Some(continued) => json.with("continues", continued_json(continued)),
        None => json,
    }
}

pub(crate) fn continued_json(continued: &Continued) -> Json {
    let issuer = |issuer: &Issuer| {
        object! { serial: issuer.serial, signer: issuer.signer, key: issuer.key }
    };
    let issuers = continued.issuers.iter().map(issuer).collect();
    object! { since: continued.since, issuers: Json::Array(issuers) }
}

/// Keys of a delegation, as [`Delegation`] takes them.
pub(crate) fn delegated(serial: u32) -> Vec<DelegatedKey> {
    let keys = authority(serial).keys.into_iter();
    let keys = keys.map(|(key, roles)| (*key.as_bytes(), roles));
    keys.map(|(key, roles)| DelegatedKey { key, roles })
        .collect()
}

/// A delegation's body, changed by `change`; the lists are given encoded.
pub(crate) fn delegation_with(
    serial: u32,
    keys: &[u8],
    kem_keys: &[u8],
    change: impl FnOnce(&mut Delegation<'_>),
) -> Vec<u8> {
    let mut fields = Delegation {
        domain: domain(),
        root_key: root_key(),
        serial,
        issued_at: NOW - 86_400,
        not_after: NOW + 90 * 86_400,
        keys: List::from_encoded(keys).unwrap(),
        kem_keys: List::from_encoded(kem_keys).unwrap(),
    };
    change(&mut fields);
    sign(Kind::Delegation, &fields_body(&fields), &identity("root"))
}

pub(crate) fn delegation(serial: u32) -> Vec<u8> {
    let pair = KemKeyPair::derive(&secret("kem key of the authority"));
    let (kem, key) = (KEM_X25519, &pair.public().0[..]);
    let kem_keys = elements(&[DelegatedKemKey { kem, key }]);
    let keys = elements(&delegated(serial));
    let made = delegation_with(serial, &keys, &kem_keys, |_| {});
    let mut real: Delegation<'_> = fields_of(&made, Kind::Delegation);
    real.keys = List::from_encoded(&keys).unwrap();
    real.kem_keys = List::from_encoded(&kem_keys).unwrap();
    let mut out = [0; 4096];
    assert_eq!(
        made,
        real.sign(Suite::One, &identity("root"), &mut out)
            .unwrap()
            .0
    );
    made
}

// --- members ---

/// A credential of the plain sort: one grant for the group `plant`.
#[derive(Debug, Clone)]
pub(crate) struct CredentialPlan {
    pub(crate) member: u32,
    pub(crate) serial: u32,
    pub(crate) name: &'static str,
    pub(crate) group: GroupId,
    pub(crate) access: Access,
    pub(crate) publish_filter: &'static str,
    pub(crate) not_after: u64,
    pub(crate) issued_at: u64,
}

/// Member 7 is the sender of most messages.
pub(crate) fn sensor() -> CredentialPlan {
    CredentialPlan {
        member: 7,
        serial: 1,
        name: "sensor-7",
        group: plant(),
        access: Access::BOTH,
        publish_filter: "",
        not_after: NOW + 365 * 86_400,
        issued_at: NOW - 3600,
    }
}

/// Member 8 can read everything that member 7 writes: the insider of the forgeries.
pub(crate) fn insider() -> CredentialPlan {
    altered(&sensor(), |plan| {
        (plan.member, plan.name) = (8, "insider-8")
    })
}

impl CredentialPlan {
    /// The credential object.
    pub(crate) fn object(&self) -> Vec<u8> {
        self.issued_under(1)
    }

    /// The object as the issuer of the delegation with this serial signs it.
    pub(crate) fn issued_under(&self, delegation: u32) -> Vec<u8> {
        self.issued_by(&issuer(delegation), delegation)
    }

    /// The same by somebody.
    pub(crate) fn issued_by(&self, signer: &IdentityKey, delegation: u32) -> Vec<u8> {
        let grant = Grant {
            group: self.group,
            access: self.access,
            publish_filter: self.publish_filter,
        };
        self.signed_by(signer, &elements(&[grant]), |c| c.serial = delegation)
    }

    /// The object with these grants and a change.
    pub(crate) fn with(&self, grants: &[u8], change: impl FnOnce(&mut Credential<'_>)) -> Vec<u8> {
        self.signed_by(&issuer(1), grants, change)
    }

    pub(crate) fn signed_by(
        &self,
        signer: &IdentityKey,
        grants: &[u8],
        change: impl FnOnce(&mut Credential<'_>),
    ) -> Vec<u8> {
        let mut fields = Credential {
            domain: domain(),
            serial: 1,
            signer: ISSUER,
            member: MemberNumber(self.member),
            credential_serial: self.serial,
            name: self.name,
            key: public(self.name),
            request: digest(&format!("request of {}", self.name)),
            issued_at: self.issued_at,
            not_after: self.not_after,
            grants: List::from_encoded(grants).unwrap(),
        };
        change(&mut fields);
        sign(Kind::Credential, &fields_body(&fields), signer)
    }
}

/// X25519 public keys of low order: zero, and one of order 8.
pub(crate) const LOW_ORDER: [&[u8; 32]; 2] = [
    &[0; 32],
    &[
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
];

/// The hedged seed of a member's key package.
pub(crate) fn package_seed(name: &str, number: u32) -> Secret {
    secret(&format!("seed of package {number} of {name}"))
}

/// A key package, changed by `change`.
pub(crate) fn key_package_with(
    name: &str,
    number: u32,
    change: impl FnOnce(&mut KeyPackage<'_>),
) -> Vec<u8> {
    let init_key = KemKeyPair::derive(&package_seed(name, number)).public().0;
    let mut fields = KeyPackage {
        domain: domain(),
        identity: public(name),
        number,
        kem: KEM_X25519,
        init_key: &init_key,
        issued_at: NOW - 60,
        not_after: NOW + 30 * 86_400,
    };
    change(&mut fields);
    sign(Kind::KeyPackage, &fields_body(&fields), &identity(name))
}

pub(crate) fn key_package(name: &str, number: u32) -> Vec<u8> {
    key_package_with(name, number, |_| {})
}

/// The body of a welcome, as it is encoded.
#[derive(Debug, Clone, Copy, Serialize, serde::Deserialize)]
pub(crate) struct WelcomeBody<'a> {
    pub(crate) fields: WelcomeFields,
    #[serde(borrow)]
    pub(crate) extensions: Extensions<'a>,
    pub(crate) enc: &'a [u8],
    pub(crate) sealed: &'a [u8],
}
