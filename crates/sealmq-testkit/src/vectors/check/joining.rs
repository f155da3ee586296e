//! Kinds `package_set`, `token` and `join_request` (spec/keys.md §4, §12).

use sealmq_core::crypto::{KemId, RecipientKeyPair, VerifyingKey, open_base};
use sealmq_core::object::{Extensions, ObjectError, decode};
use sealmq_keys::{Fingerprint, JoinRequest, NamePattern, PackageSet, Token, TokenError};

use super::object::reason;
use super::{Checked, Input, broken, require};
use crate::vectors::prelude::*;

pub(crate) fn package_set(input: Input<'_>) -> Checked {
    let (bytes, domain) = (input.hex("bytes"), input.domain("domain"));
    let set = PackageSet::verify(&bytes, input.suite(), &domain, &input.key("identity"))?;
    let packages = set.packages().map(|(_, package)| {
        object! { number: package.number(), hash: *package.hash() }
    });
    Ok(object! { packages: Json::Array(packages.collect()) })
}

pub(crate) fn token(input: Input<'_>) -> Checked {
    let uri = String::from_utf8(input.text("uri")).map_err(|_| "encoding")?;
    let token = Token::parse(&uri).map_err(|error| match error {
        TokenError::Scheme => "form",
        TokenError::TooLong => "size",
        TokenError::Mistyped => "encoding",
        TokenError::Version => "unsupported",
        TokenError::Content(error) => reason(error),
        _ => "?",
    })?;
    let again = token.to_uri().map_err(broken)?;
    if again.as_str() != uri.trim() {
        return Err(broken("the token does not read back"));
    }
    Ok(object! {
        suite: token.suite.number(), root_key: *token.root_key.as_bytes(), token: Json::hex(token.id),
        secret: *token.secret.expose(), serial: token.serial, expires: token.expires,
        name: Json::text(token.name.to_string()), prefix: Json::text(&token.prefix),
        broker: Json::text(&token.broker),
    })
}

/// Bytes of the mac, and of the AEAD's tag: at most this long, there is no request.
const EMPTY_LEN: usize = 32 + 16;

/// The body of a join request, as it is encoded.
pub(crate) type JoinBody<'a> = (u32, u8, Extensions<'a>, &'a [u8], &'a [u8]);

pub(crate) fn join_request(input: Input<'_>) -> Checked {
    let (bytes, domain) = (input.hex("bytes"), input.domain("domain"));
    let keys = input.list("keys");
    let key_pair = |serial: u32, key: u8| {
        let place = |held: &Input<'_>| (held.number("serial"), held.number("key"));
        let held = keys.iter().find(|held| place(held) == (serial, key))?;
        let kem = if input.u64("suite") == 1 {
            KemId::X25519
        } else {
            KemId::XWing
        };
        Some(RecipientKeyPair::derive(kem, &held.secret("seed")))
    };
    let body: Option<JoinBody<'_>> = bytes.get(2..).and_then(|body| decode(body).ok());
    let pair = body.and_then(|(serial, key, ..)| key_pair(serial, key));
    let opened = JoinRequest::open(&bytes, &domain, |_, _| pair.as_ref());
    let opened = opened.map_err(|error| match error {
        ObjectError::Field("sealed")
            if body.is_some_and(|(.., sealed)| sealed.len() > EMPTY_LEN) =>
        {
            "wrong_secret"
        }
        error => reason(error),
    })?;
    let enrolment = opened.enrolment()?;
    let fields = *enrolment.fields();
    let of = Fingerprint::of(&VerifyingKey::from_bytes(&fields.key).unwrap());
    require(of.0 == input.array("fingerprint"), "recipient")?;
    if let Some(id) = opened.token() {
        let known = input.list("tokens");
        let token = known.iter().find(|token| token.hex("token") == id);
        let now = input.u64("now");
        let is_good =
            |token: &&Input<'_>| now <= token.u64("expires") && token.u64("uses_left") > 0;
        let token = token.filter(is_good).ok_or("token")?;
        require(opened.check_mac(&token.secret("secret")), "proof")?;
        let pattern = token.string("name");
        require(
            NamePattern::parse(&pattern).unwrap().admits(fields.name),
            "name",
        )?;
    }

    // The real code keeps plaintext and info to itself: open it once more, by hand.
    let (serial, key, extensions, enc, sealed) = body.unwrap();
    let info = join_info(&domain.0, serial, key);
    let head = crate::vectors::world::body(&(serial, key, extensions));
    let aad = [&bytes[..2], &head].concat();
    let (text, tag) = sealed.split_last_chunk().unwrap();
    let mut plaintext = text.to_vec();
    open_base(&pair.unwrap(), &info, &aad, enc, &mut plaintext, tag).map_err(broken)?;
    if &plaintext[32..] != opened.request() {
        return Err(broken("the real code took another request"));
    }
    Ok(object! {
        info: Json::hex(info), aad: Json::hex(aad), plaintext: Json::hex(&plaintext),
        hash: *opened.hash(), token: opened.token().map(hex::encode), mac: Json::hex(&plaintext[..32]),
        name: Json::text(fields.name), request: Json::hex(opened.request()),
    })
}

/// spec/keys.md §12, put together here because the real code keeps it to itself.
pub(crate) fn join_info(domain: &[u8; 16], serial: u32, key: u8) -> Vec<u8> {
    [b"sealmq/1 join", &domain[..], &serial.to_be_bytes(), &[key]].concat()
}
