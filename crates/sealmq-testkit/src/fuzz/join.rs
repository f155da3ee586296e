//! Join requests: what anybody may encrypt to the authority.

use sealmq_core::crypto::{Secret, expand, seal_base, sha256};
use sealmq_core::object::{Extensions, Kind, List, Object, decode, encode};
use sealmq_core::wire::Suite;
use sealmq_keys::{
    EnrolmentRequest, JoinRequest, MAX_JOIN_REQUEST_LEN, NO_TOKEN, VerifiedEnrolment,
};

use super::objects::{encoded, genuine, identity};
use super::signed::{Signer, frame, refuse_damaged};

/// Join requests (kind 10): a byte of choices, a token's id, and the fields of an enrolment
/// request, which is made genuine where it decodes. All of it is sealed as a device would.
pub fn join_request(data: &[u8]) -> bool {
    let signer = Signer::get();
    let open = |bytes: &[u8]| {
        let own = |serial, key| ((serial, key) == (Signer::SERIAL, 0)).then_some(&signer.join_key);
        JoinRequest::open(bytes, &signer.domain, own)
    };
    // Anybody can seal one, so fuzz bytes may be one; most are not, and none may panic.
    if let Ok(opened) = open(data) {
        let _ = opened.enrolment();
    }
    let Some((&[choice, id @ ..], fields)) = data.split_first_chunk::<9>() else {
        return false;
    };
    let request = request(fields, id, choice & 4 == 0);
    let secret = Secret::new([0xb3; 32]);
    let right = {
        let hash = sha256(&[&request[..request.len().saturating_sub(64)]]);
        *expand(&secret, &[b"sealmq/1 join mac", &hash.0]).expose()
    };
    let mac = [[0; 32], right, [1; 32], [0; 32]][usize::from(choice & 3)];
    let object = sealed(&[&mac[..], &request].concat());
    let parsed = Object::parse_as(&request, Suite::One, Kind::EnrolmentRequest).ok();
    let fields = parsed
        .and_then(|o| o.decode::<EnrolmentRequest<'_>>().ok())
        .map(|(fields, _)| fields);
    let named = fields.map(|fields| fields.token);
    let id = named.unwrap_or(NO_TOKEN);
    let has_token = id != NO_TOKEN;
    let allowed = named.is_some() && (has_token || mac == [0; 32]);
    let opened = open(&object);
    assert_eq!(
        opened.is_ok(),
        allowed && object.len() <= MAX_JOIN_REQUEST_LEN
    );
    let Ok(opened) = opened else {
        return false;
    };
    assert_eq!(opened.request(), request);
    assert_eq!(opened.token(), has_token.then_some(&id));
    assert_eq!(opened.check_mac(&secret), has_token && mac == right);
    assert!(!opened.check_mac(&Secret::new([0; 32])));
    refuse_damaged(&object, &sha256(&[&object]), |bytes| open(bytes).is_ok());

    let verified = VerifiedEnrolment::verify(&request, Suite::One, &signer.domain);
    let names_domain = verified
        .as_ref()
        .is_ok_and(|request| request.fields().domain == signer.domain);
    assert_eq!(opened.enrolment().is_ok(), names_domain);
    let token = has_token.then_some((&id, &secret));
    let again = JoinRequest::seal(&signer.delegation, token, &request, &seed());
    assert_eq!(again.is_ok(), names_domain);
    if mac == right || token.is_none() {
        assert!(again.is_err() || again == Ok(object));
    }
    names_domain
}

const fn seed() -> Secret {
    Secret::new([0xb4; 32])
}

/// A request with these fields, signed by the fuzzed device; any bytes if they are no fields.
fn request(data: &[u8], token: [u8; 8], knows_domain: bool) -> Vec<u8> {
    let Ok((fields, extensions)) = decode::<(EnrolmentRequest<'_>, Extensions<'_>)>(data) else {
        return data.to_vec();
    };
    let (signer, identity) = (Signer::get(), identity());
    let domain = if knows_domain {
        signer.domain
    } else {
        fields.domain
    };
    let packages: Vec<Vec<u8>> = fields.packages.iter().map(|p| genuine(p, domain)).collect();
    let borrowed: Vec<&[u8]> = packages.iter().map(Vec::as_slice).collect();
    let mut list = vec![0; packages.iter().map(|p| p.len() + 10).sum()];
    let packages = List::encode(&borrowed, &mut list).unwrap();
    let fields = EnrolmentRequest {
        domain,
        token,
        key: *identity.verifying_key().as_bytes(),
        packages,
        ..fields
    };
    let about = packages.as_encoded().len() + data.len();
    frame(
        Kind::EnrolmentRequest,
        &encoded(&(fields, extensions), about),
        &identity,
    )
}

/// spec/keys.md §12, written down once more.
fn sealed(plaintext: &[u8]) -> Vec<u8> {
    let signer = Signer::get();
    let serial = Signer::SERIAL.to_be_bytes();
    let info = [&b"sealmq/1 join"[..], &signer.domain.0, &serial, &[0]].concat();
    let extensions: Extensions<'_> = List::EMPTY;
    let mut out = [0; 16];
    let fields = encode(&(Signer::SERIAL, 0_u8, extensions), &mut out).unwrap();
    let aad = [&[0x11, 10], &*fields].concat();
    let mut text = plaintext.to_vec();
    let (enc, tag) = seal_base(signer.join_key.public(), &info, &aad, &seed(), &mut text).unwrap();
    text.extend_from_slice(&tag);
    let mut out = vec![0; text.len() + 64];
    let body = (
        Signer::SERIAL,
        0_u8,
        extensions,
        enc.as_bytes(),
        text.as_slice(),
    );
    let body = encode(&body, &mut out).unwrap();
    [&[0x11, 10], &*body].concat()
}
