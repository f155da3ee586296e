//! The small objects that heartbeats, clockless members and joining devices need.

use sealmq_core::crypto::{Digest, IdentityKey, sha256};
use sealmq_core::object::{Extensions, Kind, List, Signer as Extended, check_extensions, decode};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, MemberNumber};
use sealmq_keys::{
    Confirmation, ConfirmationEntry, HeartbeatFields, JoinRefusalFields, JoinRefusalReason,
    KeyPackage, MAX_CONFIRMATION_ENTRIES, MAX_CONFIRMATION_LEN, MAX_HEARTBEAT_LEN,
    MAX_JOIN_REFUSAL_LEN, MAX_LEASE, MAX_NONCE_ANSWER_LEN, MAX_PACKAGE_SET_LEN, MAX_PACKAGES,
    NonceAnswerFields, PackageSet, VerifiedConfirmation, VerifiedHeartbeat, VerifiedJoinRefusal,
    VerifiedNonceAnswer,
};
use serde::{Deserialize, Serialize};

use super::objects::{encoded, genuine, identity};
use super::signed::{Signer, frame, refuse_damaged};

/// Heartbeats (kind 7).
pub fn heartbeat(data: &[u8]) -> bool {
    let signer = Signer::get();
    let verify = |bytes: &[u8]| {
        let verified = VerifiedHeartbeat::verify(bytes, &signer.delegation).ok()?;
        Some((*verified.fields(), *verified.hash()))
    };
    let own = |fields| HeartbeatFields {
        domain: signer.domain,
        serial: Signer::SERIAL,
        signer: 0,
        ..fields
    };
    let sign = |fields: &HeartbeatFields, signer: Extended<'_>| {
        let mut out = [0; MAX_HEARTBEAT_LEN];
        Some(fields.sign(signer, &mut out).ok()?.0.to_vec())
    };
    let Some(fields) = signed_again(data, Kind::Heartbeat, own, sign, verify) else {
        return false;
    };
    assert!(fields.epoch > 0 && (1..=MAX_LEASE).contains(&fields.lease));
    assert_eq!(fields.log_size == 0, fields.log_head == Digest::ZERO);
    true
}

/// Nonce answers (kind 8).
pub fn nonce_answer(data: &[u8]) -> bool {
    let signer = Signer::get();
    let verify = |bytes: &[u8]| {
        let verified = VerifiedNonceAnswer::verify(bytes, &signer.delegation).ok()?;
        Some((*verified.fields(), sha256(&[bytes])))
    };
    let own = |fields| NonceAnswerFields {
        domain: signer.domain,
        serial: Signer::SERIAL,
        signer: 0,
        ..fields
    };
    let sign = |fields: &NonceAnswerFields, signer: Extended<'_>| {
        let mut out = [0; MAX_NONCE_ANSWER_LEN];
        Some(fields.sign(signer, &mut out).ok()?.0.to_vec())
    };
    let Some(fields) = signed_again(data, Kind::NonceAnswer, own, sign, verify) else {
        return false;
    };
    assert!(fields.epoch > 0 && (1..=MAX_LEASE).contains(&fields.lease));
    assert!(fields.member.is_valid());
    true
}

/// Decodes fields, makes them ours and signs them: what may be signed is accepted, gives the same
/// fields, and is refused once it is damaged; what may not be signed is not accepted.
fn signed_again<'a, T>(
    data: &'a [u8],
    kind: Kind,
    own: impl Fn(T) -> T,
    sign: impl Fn(&T, Extended<'_>) -> Option<Vec<u8>>,
    verify: impl Fn(&[u8]) -> Option<(T, Digest)>,
) -> Option<T>
where
    T: Deserialize<'a> + Serialize + PartialEq + core::fmt::Debug,
{
    assert_eq!(verify(data), None, "not ours");
    let (fields, extensions) = decode::<(T, Extensions<'a>)>(data).ok()?;
    let fields = own(fields);
    let body = encoded(&(&fields, extensions), data.len());
    let object = frame(kind, &body, &Signer::get().key);
    let extended = Extended::extended(&Signer::get().key, extensions).ok()?;
    let signed = sign(&fields, extended);
    let Some((verified, hash)) = verify(&object) else {
        let critical = check_extensions(&extensions, &[]).is_err();
        assert!(signed.is_none() || critical, "signed, but not accepted");
        return None;
    };
    assert_eq!(signed.as_ref(), Some(&object));
    assert_eq!(verified, fields);
    refuse_damaged(&object, &hash, |bytes| verify(bytes).is_some());
    Some(fields)
}

/// Join refusals (kind 12).
pub fn join_refusal(data: &[u8]) -> bool {
    let signer = Signer::get();
    let verify = |bytes: &[u8]| VerifiedJoinRefusal::verify(bytes, &signer.delegation);
    assert!(verify(data).is_err(), "not ours");
    type Body<'a> = ((DomainId, u32, u8, Digest, u8), Extensions<'a>);
    let Ok(((.., request, reason), extensions)) = decode::<Body<'_>>(data) else {
        return false;
    };
    let body = (signer.domain, Signer::SERIAL, 0_u8, request, reason);
    let body = encoded(&(body, extensions), data.len());
    let object = frame(Kind::JoinRefusal, &body, &signer.key);
    let Ok(verified) = verify(&object) else {
        assert!(!(1..=6).contains(&reason) || check_extensions(&extensions, &[]).is_err());
        return false;
    };
    let meant = JoinRefusalReason::ALL[usize::from(reason) - 1];
    let fields = JoinRefusalFields {
        domain: signer.domain,
        serial: Signer::SERIAL,
        signer: 0,
        request,
        reason: meant,
    };
    assert_eq!(*verified.fields(), fields);
    let mut out = [0; MAX_JOIN_REFUSAL_LEN];
    let again = Extended::extended(&signer.key, extensions).unwrap();
    assert_eq!(fields.sign(again, &mut out).unwrap().0, object);
    refuse_damaged(&object, &sha256(&[&object]), |bytes| verify(bytes).is_ok());
    true
}

/// Confirmations (kind 11).
pub fn confirmation(data: &[u8]) -> bool {
    let (signer, identity) = (Signer::get(), identity());
    let key = identity.verifying_key();
    let Ok((fields, extensions)) = decode::<(Confirmation<'_>, Extensions<'_>)>(data) else {
        return false;
    };
    let verify = |bytes: &[u8], member| {
        VerifiedConfirmation::verify(bytes, &signer.domain, member, &key).map(|v| *v.hash())
    };
    assert!(verify(data, fields.member).is_err(), "not ours");
    let entries: Vec<ConfirmationEntry> = fields.entries.iter().collect();
    let mut list = vec![0; data.len()];
    let fields = Confirmation {
        domain: signer.domain,
        entries: List::encode(&entries, &mut list).unwrap(),
        ..fields
    };
    let object = frame(
        Kind::Confirmation,
        &encoded(&(fields, extensions), data.len()),
        &identity,
    );
    let mut out = [0; MAX_CONFIRMATION_LEN];
    let signed = Extended::extended(&identity, extensions)
        .and_then(|again| fields.sign(again, &mut out))
        .map(|(bytes, _)| bytes);
    let Ok(hash) = verify(&object, fields.member) else {
        let critical = check_extensions(&extensions, &[]).is_err();
        assert!(signed.is_err() || critical, "signed, but not accepted");
        return false;
    };
    assert_eq!(signed, Ok(object.as_slice()));
    assert!((1..=MAX_CONFIRMATION_ENTRIES).contains(&entries.len()));
    assert!(entries.windows(2).all(|pair| pair[0].group < pair[1].group));
    assert!(entries.iter().all(|e| e.epoch > 0 && e.package_number > 0));
    let neighbour = MemberNumber(fields.member.0 ^ 1);
    assert!(verify(&object, neighbour).is_err(), "somebody else's");
    refuse_damaged(&object, &hash, |bytes| verify(bytes, fields.member).is_ok());
    true
}

/// Sets of key packages. The packages inside are made genuine where they decode.
pub fn package_set(data: &[u8]) -> bool {
    let (signer, identity) = (Signer::get(), identity());
    let key = identity.verifying_key();
    let verify = |bytes: &[u8]| {
        PackageSet::verify(bytes, Suite::One, &signer.domain, &key).map(|set| {
            let packages = set.packages();
            packages
                .map(|(bytes, p)| (bytes.to_vec(), p.number()))
                .collect::<Vec<_>>()
        })
    };
    assert!(verify(data).is_err(), "not ours");
    let Ok(packages) = decode::<List<'_, &[u8]>>(data) else {
        return false;
    };
    let packages: Vec<Vec<u8>> = packages
        .iter()
        .map(|package| genuine(package, signer.domain))
        .collect();
    let borrowed: Vec<&[u8]> = packages.iter().map(Vec::as_slice).collect();
    let mut list = vec![0; packages.iter().map(|p| p.len() + 10).sum()];
    let list = List::encode(&borrowed, &mut list).unwrap();
    let set = encoded(&list, list.as_encoded().len());
    let mut out = vec![0; MAX_PACKAGE_SET_LEN + 16];
    let written = PackageSet::encode(&list, &signer.domain, &key, &mut out);
    let Ok(verified) = verify(&set) else {
        // Writing takes the signatures as given; one that did not decode has none.
        assert!(written.is_err() || borrowed.iter().any(|p| !is_signed(p, &identity)));
        return false;
    };
    assert_eq!(written.unwrap(), set);
    assert!(set.len() <= MAX_PACKAGE_SET_LEN && (1..=MAX_PACKAGES).contains(&verified.len()));
    assert!(verified.iter().map(|(bytes, _)| bytes).eq(&packages));
    assert!(verified.windows(2).all(|pair| pair[0].1 < pair[1].1));
    refuse_damaged(&set, &sha256(&[&set]), |bytes| verify(bytes).is_ok());
    true
}

fn is_signed(package: &[u8], identity: &IdentityKey) -> bool {
    sealmq_core::object::Object::parse(package, Kind::KeyPackage).is_ok_and(|object| {
        let Ok((_, extensions)) = object.decode::<KeyPackage<'_>>() else {
            return false;
        };
        object
            .verify(&identity.verifying_key(), &extensions, &[])
            .is_ok()
    })
}
