//! Kinds `package_set`, `token` and `join_request` (spec/keys.md §4, §12).

use sealmq_core::crypto::{KemId, RecipientKeyPair, VerifyingKey, open_base};
use sealmq_core::object::{Extensions, ObjectError, decode};
use sealmq_keys::{Fingerprint, JoinRequest, NamePattern, PackageSet, Token, TokenError};

use super::object::reason;
use super::{Input, Outcome, refused};
use crate::vectors::prelude::*;

pub(crate) fn package_set(input: Input<'_>) -> Result<Outcome, String> {
    let bytes = input.hex("bytes");
    let suite = input.suite();
    let identity = VerifyingKey::from_bytes(&input.array("identity")).unwrap();
    let set = match PackageSet::verify(&bytes, suite, &input.domain("domain"), &identity) {
        Ok(set) => set,
        Err(error) => return Ok(refused(reason(error))),
    };
    let packages = set.packages().map(|(_, package)| {
        object! { number: package.number(), hash: *package.hash() }
    });
    Ok(Outcome::Accepted(
        object! { packages: Json::Array(packages.collect()) },
    ))
}

pub(crate) fn token(input: Input<'_>) -> Result<Outcome, String> {
    let Ok(uri) = String::from_utf8(input.text("uri")) else {
        return Ok(refused("encoding"));
    };
    let token = match Token::parse(&uri) {
        Ok(token) => token,
        Err(error) => {
            return Ok(refused(match error {
                TokenError::Scheme => "form",
                TokenError::TooLong => "size",
                TokenError::Mistyped => "encoding",
                TokenError::Version => "unsupported",
                TokenError::Content(error) => reason(error),
                _ => "?",
            }));
        }
    };
    let again = token.to_uri().map_err(|error| error.to_string())?;
    if again.as_str() != uri.trim() {
        return Err("the token does not read back".to_owned());
    }
    Ok(Outcome::Accepted(object! {
        suite: token.suite.number(),
        root_key: *token.root_key.as_bytes(),
        token: Json::hex(token.id),
        secret: *token.secret.expose(),
        serial: token.serial,
        expires: token.expires,
        name: Json::text(token.name.to_string()),
        prefix: Json::text(&token.prefix),
        broker: Json::text(&token.broker),
    }))
}

/// Bytes of the mac, and of the AEAD's tag: at most this long, there is no request.
const EMPTY_LEN: usize = 32 + 16;

/// The body of a join request, as it is encoded.
pub(crate) type JoinBody<'a> = (u32, u8, Extensions<'a>, &'a [u8], &'a [u8]);

pub(crate) fn join_request(input: Input<'_>) -> Result<Outcome, String> {
    let (bytes, domain) = (input.hex("bytes"), input.domain("domain"));
    let keys = input.list("keys");
    let key_pair = |serial: u32, key: u8| {
        let held = keys.iter().find(|held| {
            held.number::<u32>("serial") == serial && held.number::<u8>("key") == key
        })?;
        let kem = match input.u64("suite") {
            1 => KemId::X25519,
            _ => KemId::XWing,
        };
        Some(RecipientKeyPair::derive(kem, &held.secret("seed")))
    };
    let body: Option<JoinBody<'_>> = bytes.get(2..).and_then(|body| decode(body).ok());
    let pair = body.and_then(|(serial, key, ..)| key_pair(serial, key));
    let opened = match JoinRequest::open(&bytes, &domain, |_, _| pair.as_ref()) {
        Ok(opened) => opened,
        Err(error) => {
            let sealed = ObjectError::Field("sealed");
            let long = body.is_some_and(|(.., sealed)| sealed.len() > EMPTY_LEN);
            return Ok(refused(match error {
                error if error == sealed && long => "wrong_secret",
                error => reason(error),
            }));
        }
    };
    let enrolment = match opened.enrolment() {
        Ok(enrolment) => enrolment,
        Err(error) => return Ok(refused(reason(error))),
    };
    let fields = *enrolment.fields();
    if Fingerprint::of(&VerifyingKey::from_bytes(&fields.key).unwrap()).0
        != input.array::<16>("fingerprint")
    {
        return Ok(refused("recipient"));
    }
    if let Some(id) = opened.token() {
        let known = input.list("tokens");
        let token = known.iter().find(|token| token.hex("token") == id);
        let good = token
            .filter(|token| input.u64("now") <= token.u64("expires") && token.u64("uses_left") > 0);
        let Some(token) = good else {
            return Ok(refused("token"));
        };
        if !opened.check_mac(&token.secret("secret")) {
            return Ok(refused("proof"));
        }
        let pattern = String::from_utf8(token.text("name")).unwrap();
        if !NamePattern::parse(&pattern).unwrap().admits(fields.name) {
            return Ok(refused("name"));
        }
    }

    // The real code keeps plaintext and info to itself: open it once more, by hand.
    let (serial, key, extensions, enc, sealed) = body.ok_or("no body")?;
    let info = join_info(&domain.0, serial, key);
    let aad = [
        &bytes[..2],
        &crate::vectors::world::body(&(serial, key, extensions)),
    ]
    .concat();
    let (text, tag) = sealed.split_last_chunk().unwrap();
    let mut plaintext = text.to_vec();
    open_base(
        &pair.ok_or("no key")?,
        &info,
        &aad,
        enc,
        &mut plaintext,
        tag,
    )
    .map_err(|error| error.to_string())?;
    if &plaintext[32..] != opened.request() {
        return Err("the real code took another request".to_owned());
    }
    Ok(Outcome::Accepted(object! {
        info: Json::hex(info),
        aad: Json::hex(aad),
        plaintext: Json::hex(&plaintext),
        hash: *opened.hash(),
        token: opened.token().map(hex::encode),
        mac: Json::hex(&plaintext[..32]),
        name: Json::text(fields.name),
        request: Json::hex(opened.request()),
    }))
}

/// spec/keys.md §12, put together here because the real code keeps it to itself.
pub(crate) fn join_info(domain: &[u8; 16], serial: u32, key: u8) -> Vec<u8> {
    [b"sealmq/1 join", &domain[..], &serial.to_be_bytes(), &[key]].concat()
}
