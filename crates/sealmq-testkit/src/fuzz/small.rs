//! The small objects that heartbeats, clockless members and joining devices need.

use sealmq_core::crypto::{Digest, IdentityKey, sha256};
use sealmq_core::object::{Kind, List, Object, ObjectError, Signer as Extended, decode};
use sealmq_core::wire::Suite;
use sealmq_core::{DomainId, MemberNumber};
use sealmq_keys::{
    Confirmation, ConfirmationEntry, HeartbeatFields, JoinRefusalFields, JoinRefusalReason,
    KeyPackage, MAX_CONFIRMATION_ENTRIES, MAX_CONFIRMATION_LEN, MAX_HEARTBEAT_LEN,
    MAX_JOIN_REFUSAL_LEN, MAX_LEASE, MAX_NONCE_ANSWER_LEN, MAX_PACKAGE_SET_LEN, MAX_PACKAGES,
    NonceAnswerFields, PackageSet, VerifiedConfirmation, VerifiedHeartbeat, VerifiedJoinRefusal,
    VerifiedNonceAnswer,
};

use super::objects::{encoded, genuine, identity};
use super::signed::{Fields, Signer, framed, refuse_damaged};

/// Heartbeats (kind 7).
pub fn heartbeat(data: &[u8]) -> bool {
    let (signer, serial) = (Signer::get(), Signer::SERIAL);
    let verify = |bytes: &[u8]| {
        let verified = VerifiedHeartbeat::verify(bytes, &signer.delegation).ok()?;
        Some((*verified.fields(), *verified.hash()))
    };
    let own = |(fields, _): &mut Fields<'_, HeartbeatFields>| {
        (fields.domain, fields.serial, fields.signer) = (signer.domain, serial, 0);
    };
    let accepts = |bytes: &[u8]| Some(verify(bytes)?.1);
    let Some(made) = framed(data, (Kind::Heartbeat, &signer.key), own, accepts) else {
        return false;
    };
    let sign = |fields: &HeartbeatFields, by: Extended<'_>, out: &mut [u8]| {
        Some(fields.sign(by, &mut out[..MAX_HEARTBEAT_LEN]).ok()?.0.len())
    };
    if !made.signs(&signer.key, sign) {
        return false;
    }
    let fields = made.fields.0;
    assert_eq!(verify(&made.object).unwrap().0, fields);
    assert!(fields.epoch > 0 && (1..=MAX_LEASE).contains(&fields.lease));
    assert_eq!(fields.log_size == 0, fields.log_head == Digest::ZERO);
    true
}

/// Nonce answers (kind 8).
pub fn nonce_answer(data: &[u8]) -> bool {
    let (signer, serial) = (Signer::get(), Signer::SERIAL);
    let verify = |bytes: &[u8]| {
        let verified = VerifiedNonceAnswer::verify(bytes, &signer.delegation).ok()?;
        Some((*verified.fields(), sha256(&[bytes])))
    };
    let own = |(fields, _): &mut Fields<'_, NonceAnswerFields>| {
        (fields.domain, fields.serial, fields.signer) = (signer.domain, serial, 0);
    };
    let accepts = |bytes: &[u8]| Some(verify(bytes)?.1);
    let Some(made) = framed(data, (Kind::NonceAnswer, &signer.key), own, accepts) else {
        return false;
    };
    let sign = |fields: &NonceAnswerFields, by: Extended<'_>, out: &mut [u8]| {
        Some(
            fields
                .sign(by, &mut out[..MAX_NONCE_ANSWER_LEN])
                .ok()?
                .0
                .len(),
        )
    };
    if !made.signs(&signer.key, sign) {
        return false;
    }
    let fields = made.fields.0;
    assert_eq!(verify(&made.object).unwrap().0, fields);
    assert!(fields.epoch > 0 && (1..=MAX_LEASE).contains(&fields.lease));
    assert!(fields.member.is_valid());
    true
}

/// Join refusals (kind 12).
pub fn join_refusal(data: &[u8]) -> bool {
    type Body = (DomainId, u32, u8, Digest, u8);
    let (signer, serial) = (Signer::get(), Signer::SERIAL);
    let verify = |bytes: &[u8]| VerifiedJoinRefusal::verify(bytes, &signer.delegation).ok();
    let own = |((domain, of_serial, index, ..), _): &mut Fields<'_, Body>| {
        (*domain, *of_serial, *index) = (signer.domain, serial, 0);
    };
    let accepts = |bytes: &[u8]| verify(bytes).map(|_| sha256(&[bytes]));
    let Some(made) = framed(data, (Kind::JoinRefusal, &signer.key), own, accepts) else {
        return false;
    };
    let (.., request, reason) = made.fields.0;
    let at = usize::from(reason).checked_sub(1);
    let stated = at.and_then(|at| JoinRefusalReason::ALL.get(at));
    let fields = stated.map(|reason| JoinRefusalFields {
        domain: signer.domain,
        serial,
        signer: 0,
        request,
        reason: *reason,
    });
    let accepted = made.signs(&signer.key, |_, by, out| {
        Some(
            fields?
                .sign(by, &mut out[..MAX_JOIN_REFUSAL_LEN])
                .ok()?
                .0
                .len(),
        )
    });
    if accepted {
        assert!((1..=6).contains(&reason));
        assert_eq!(verify(&made.object).map(|v| *v.fields()), fields);
    }
    accepted
}

/// Confirmations (kind 11).
pub fn confirmation(data: &[u8]) -> bool {
    let (signer, identity) = (Signer::get(), identity());
    let key = identity.verifying_key();
    let verify = |bytes: &[u8], member| {
        VerifiedConfirmation::verify(bytes, &signer.domain, member, &key).map(|v| *v.hash())
    };
    let Ok((stated, _)) = decode::<Fields<'_, Confirmation<'_>>>(data) else {
        return false;
    };
    let (member, entries) = (stated.member, stated.entries.iter());
    let entries: Vec<ConfirmationEntry> = entries.collect();
    let mut list = vec![0; data.len()];
    let encoded = List::encode(&entries, &mut list).unwrap();
    let own = |(fields, _): &mut Fields<'_, Confirmation<'_>>| {
        assert_eq!(fields.entries.as_encoded(), encoded.as_encoded());
        fields.domain = signer.domain;
    };
    let accepts = |bytes: &[u8]| verify(bytes, member).ok();
    let Some(made) = framed(data, (Kind::Confirmation, &identity), own, accepts) else {
        return false;
    };
    let sign = |fields: &Confirmation<'_>, by: Extended<'_>, out: &mut [u8]| {
        Some(
            fields
                .sign(by, &mut out[..MAX_CONFIRMATION_LEN])
                .ok()?
                .0
                .len(),
        )
    };
    if !made.signs(&identity, sign) {
        return false;
    }
    assert!((1..=MAX_CONFIRMATION_ENTRIES).contains(&entries.len()));
    assert!(entries.windows(2).all(|pair| pair[0].group < pair[1].group));
    assert!(entries.iter().all(|e| e.epoch > 0 && e.package_number > 0));
    let neighbour = MemberNumber(member.0 ^ 1);
    assert!(verify(&made.object, neighbour).is_err(), "somebody else's");
    true
}

/// Sets of key packages. The packages inside are made genuine where they decode.
pub fn package_set(data: &[u8]) -> bool {
    let (signer, identity) = (Signer::get(), identity());
    let key = identity.verifying_key();
    let verify = |bytes: &[u8]| {
        let set = PackageSet::verify(bytes, Suite::One, &signer.domain, &key)?;
        let packages = set
            .packages()
            .map(|(bytes, p)| (bytes.to_vec(), p.number()));
        Ok::<Vec<_>, ObjectError>(packages.collect())
    };
    assert!(verify(data).is_err(), "not ours");
    let Ok(packages) = decode::<List<'_, &[u8]>>(data) else {
        return false;
    };
    let packages = packages.iter().map(|p| genuine(p, signer.domain));
    let packages: Vec<Vec<u8>> = packages.collect();
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
    let key = identity.verifying_key();
    Object::parse(package, Kind::KeyPackage).is_ok_and(|object| {
        let fields = object.decode::<KeyPackage<'_>>();
        fields.is_ok_and(|(_, extensions)| object.verify(&key, &extensions, &[]).is_ok())
    })
}
