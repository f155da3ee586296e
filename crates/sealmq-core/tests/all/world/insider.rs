//! What a reader of the group can do with the group's keys: everything but sign as another.

use sealmq_core::crypto::{Digest, IdentityKey, SessionSecrets, SignatureContext, sha256};
use sealmq_core::wire::{Header, Writer};

use super::{Keys, topic};

/// An envelope taken apart with the group's keys.
pub struct TakenApart {
    pub header: Header,
    pub body: Vec<u8>,
    pub signature: Vec<u8>,
}

pub fn session_keys(keys: &Keys, enc: &[u8; 32]) -> SessionSecrets {
    sealmq_core::crypto::session_receiver(&keys.key_pair, &keys.psk, &keys.name, enc).unwrap()
}

fn aad(header: &Header, name: &str) -> Vec<u8> {
    let mut out = [0; 48];
    let mut writer = Writer::new(&mut out);
    header.emit(&mut writer).unwrap();
    [writer.finish(), &topic(name).hash().0].concat()
}

pub fn take_apart(keys: &Keys, name: &str, envelope: &[u8]) -> TakenApart {
    let header = Header::parse(envelope).unwrap();
    let secrets = session_keys(keys, &header.enc);
    let (head_and_text, tag) = envelope.split_last_chunk::<16>().unwrap();
    let mut text = head_and_text[header.encoded_len()..].to_vec();
    let nonce = secrets.nonce(header.counter.into());
    secrets
        .key
        .open_in_place(&nonce, &aad(&header, name), &mut text, tag)
        .unwrap();
    let signature = text.split_off(text.len() - 64);
    TakenApart {
        header,
        body: text,
        signature,
    }
}

/// Encrypts any body and signature under any header, as the group's keys allow.
pub fn put_together(
    secrets: &SessionSecrets,
    name: &str,
    header: &Header,
    body: &[u8],
    signature: &[u8],
) -> Vec<u8> {
    let mut text = [body, signature].concat();
    let nonce = secrets.nonce(header.counter.into());
    let tag = secrets
        .key
        .seal_in_place(&nonce, &aad(header, name), &mut text)
        .unwrap();
    let mut out = [0; 48];
    let mut writer = Writer::new(&mut out);
    header.emit(&mut writer).unwrap();
    [writer.finish(), &text, &tag].concat()
}

/// The same message with a signature that its sender did not make.
pub fn with_other_signature(keys: &Keys, name: &str, envelope: &[u8]) -> Vec<u8> {
    let mut parts = take_apart(keys, name, envelope);
    parts.signature[0] ^= 1;
    let secrets = session_keys(keys, &parts.header.enc);
    put_together(&secrets, name, &parts.header, &parts.body, &parts.signature)
}

/// The signature over a body, from the spec's formula and not from the library's code.
pub fn sign(
    key: &IdentityKey,
    keys: &Keys,
    name: &str,
    header: &Header,
    credential_hash: &Digest,
    body: &[u8],
) -> Vec<u8> {
    let transcript = sha256(&[
        &[header.suite.number()],
        &keys.name.0,
        &header.enc,
        &u64::from(header.counter).to_be_bytes(),
        &sha256(&[name.as_bytes()]).0,
        &credential_hash.0,
        &(body.len() as u64).to_be_bytes(),
        body,
    ]);
    key.sign(SignatureContext::Message, &transcript).to_vec()
}
