//! Signing, key agreement, AEAD and comparison with secrets that Valgrind takes for uninitialised:
//! it reports each branch and each index that depends on one. `benches/constant-time/run` builds it
//! for both back ends and runs it; with the argument `leak` it compares as nobody should.

mod client;

use std::hint::black_box;

use client::{public, secret};
use sealmq_core::crypto::{
    Digest, IdentityKey, KemKeyPair, MessageKey, Secret, SessionPsk, SignatureContext, expand,
    extract, session_receiver, session_sender,
};

fn main() {
    assert!(client::is_there(), "to be run by benches/constant-time/run");
    let leak = std::env::args().nth(1).is_some_and(|what| what == "leak");
    signing();
    agreement();
    aead();
    comparison();
    if leak {
        planted();
    }
}

/// Secret bytes of which nothing is known.
fn unknown(byte: u8) -> Secret {
    Secret::init_with(|bytes| {
        *bytes = [byte; 32];
        secret(bytes);
    })
}

fn signing() {
    let key = IdentityKey::from_seed(&unknown(1));
    let mut digest = Digest([2; 32]);
    secret(&mut digest.0);
    let mut signature = key.sign(SignatureContext::Message, &digest);
    public(&mut signature);
    let mut bytes = *key.verifying_key().as_bytes();
    public(&mut bytes);
    // The key and the message were what they are.
    public(&mut digest.0);
    let known = IdentityKey::from_seed(&Secret::new([1; 32]));
    assert_eq!(known.verifying_key().as_bytes(), &bytes);
    assert_eq!(known.sign(SignatureContext::Message, &digest), signature);
}

fn agreement() {
    let group = KemKeyPair::derive(&unknown(3));
    let mut key = group.public();
    public(&mut key.0);
    let psk = SessionPsk::derive(&unknown(4));
    let name = Digest([5; 32]);
    let (mut enc, sender) = session_sender(&key, &psk, &name, &unknown(6)).unwrap();
    public(&mut enc);
    let receiver = session_receiver(&group, &psk, &name, &enc).unwrap();
    let (mut one, mut other) = (sender.nonce(7), receiver.nonce(7));
    public(&mut one);
    public(&mut other);
    assert_eq!(one, other);
    black_box(psk.mac(&enc));
    black_box(expand(
        &extract(&unknown(8), &[unknown(9).expose()]),
        &[b"label"],
    ));
}

fn aead() {
    let key = MessageKey::new(&unknown(10));
    for len in [0, 1, 15, 16, 17, 256, 1000, 5000] {
        let mut text = vec![11; len];
        secret(&mut text);
        let mut tag = key.seal_in_place(&[12; 12], b"aad", &mut text).unwrap();
        public(&mut text);
        public(&mut tag);
        key.open_in_place(&[12; 12], b"aad", &mut text, &tag)
            .unwrap();
        public(&mut text);
        assert_eq!(text, vec![11; len]);
    }
}

fn comparison() {
    for (one, other) in [(13, 13), (13, 14)] {
        let mut equal = [u8::from(unknown(one) == unknown(other))];
        public(&mut equal);
        assert_eq!(equal[0] == 1, one == other);
    }
}

/// What the tool has to find: a comparison that ends early, and an index.
fn planted() {
    let (one, other) = (unknown(15), unknown(16));
    let pairs = one.expose().iter().zip(other.expose());
    black_box(pairs.take_while(|(a, b)| black_box(**a) == **b).count());
    let table: [u8; 256] = std::array::from_fn(|i| i as u8);
    black_box(black_box(&table)[usize::from(one.expose()[0])]);
}
