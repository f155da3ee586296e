use std::time::Duration;

use mls_rs::client_builder::MlsConfig;
use mls_rs::group::ReceivedMessage;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider, Group, MlsMessage};
use mls_rs_crypto_awslc::AwsLcCryptoProvider;

use crate::{MEMBERS, Peer, timed};

/// The suite of MLS with X25519, Ed25519 and AES-128-GCM: it has none with AES-256 on this curve.
const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

fn client(name: &str) -> Client<impl MlsConfig + use<>> {
    let crypto = AwsLcCryptoProvider::default();
    let suite = crypto.cipher_suite_provider(SUITE).unwrap();
    let (secret, public) = suite.signature_key_generate().unwrap();
    let credential = BasicCredential::new(name.as_bytes().to_vec());
    let identity = SigningIdentity::new(credential.into_credential(), public);
    Client::builder()
        .identity_provider(BasicIdentityProvider)
        .crypto_provider(crypto)
        .signing_identity(identity, secret, SUITE)
        .build()
}

/// The first member's group and the last member's.
fn group(members: u32) -> (Group<impl MlsConfig>, Group<impl MlsConfig>) {
    let mut first = client("first").group_builder().unwrap().build().unwrap();
    let others: Vec<_> = (1..members).map(|n| client(&n.to_string())).collect();
    let mut commit = first.commit_builder();
    for other in &others {
        let package =
            other.generate_key_package_message(Default::default(), Default::default(), None);
        commit = commit.add_member(package.unwrap()).unwrap();
    }
    let commit = commit.build().unwrap();
    first.apply_pending_commit().unwrap();
    let last = others.last().unwrap();
    let joined = commit
        .welcome_messages
        .iter()
        .find_map(|welcome| last.join_group(None, welcome, None).ok());
    (first, joined.unwrap().0)
}

pub(crate) struct MlsRs<A: MlsConfig, B: MlsConfig> {
    sender: Group<A>,
    reader: Group<B>,
}

pub(crate) fn mls_rs() -> MlsRs<impl MlsConfig, impl MlsConfig> {
    let (sender, reader) = group(2);
    MlsRs { sender, reader }
}

impl<A: MlsConfig, B: MlsConfig> Peer for MlsRs<A, B> {
    fn name(&self) -> String {
        "mls-rs 0.57 (AWS-LC)".into()
    }

    fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        let message = self.sender.encrypt_application_message(payload, Vec::new());
        message.unwrap().to_bytes().unwrap()
    }

    fn open(&mut self, sealed: &[u8]) -> usize {
        let message = MlsMessage::from_bytes(sealed).unwrap();
        match self.reader.process_incoming_message(message).unwrap() {
            ReceivedMessage::ApplicationMessage(message) => message.data().len(),
            _ => 0,
        }
    }

    fn rekey(&mut self) -> Option<(Duration, usize)> {
        let (mut first, _) = group(MEMBERS);
        timed(|| {
            let commit = first.commit_builder().build().unwrap();
            first.apply_pending_commit().unwrap();
            commit.commit_message.to_bytes().unwrap().len()
        })
    }
}
