use std::time::Duration;

use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

use crate::{MEMBERS, Peer, timed};

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

struct Member {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    credential: CredentialWithKey,
}

impl Member {
    fn new(name: &str) -> Self {
        let signer = SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap();
        Self {
            provider: OpenMlsRustCrypto::default(),
            credential: CredentialWithKey {
                credential: BasicCredential::new(name.as_bytes().to_vec()).into(),
                signature_key: signer.to_public_vec().into(),
            },
            signer,
        }
    }

    fn package(&self) -> KeyPackage {
        let made = KeyPackage::builder().build(
            SUITE,
            &self.provider,
            &self.signer,
            self.credential.clone(),
        );
        made.unwrap().key_package().clone()
    }
}

/// The first member and the last, each with its group.
fn group(members: u32) -> [(Member, MlsGroup); 2] {
    let first = Member::new("first");
    let config = MlsGroupCreateConfig::builder()
        .ciphersuite(SUITE)
        .use_ratchet_tree_extension(true)
        .build();
    let credential = first.credential.clone();
    let mut group = MlsGroup::new(&first.provider, &first.signer, &config, credential).unwrap();
    let mut others: Vec<_> = (1..members).map(|n| Member::new(&n.to_string())).collect();
    let packages: Vec<_> = others.iter().map(Member::package).collect();
    let added = group.add_members(&first.provider, &first.signer, &packages);
    let (_, welcome, _) = added.unwrap();
    group.merge_pending_commit(&first.provider).unwrap();
    let last = others.pop().unwrap();
    let welcome = welcome.tls_serialize_detached().unwrap();
    let welcome = MlsMessageIn::tls_deserialize_exact(welcome).unwrap();
    let MlsMessageBodyIn::Welcome(welcome) = welcome.extract() else {
        panic!("not a welcome");
    };
    let config = MlsGroupJoinConfig::default();
    let joined = StagedWelcome::new_from_welcome(&last.provider, &config, welcome, None).unwrap();
    let joined = joined.into_group(&last.provider).unwrap();
    [(first, group), (last, joined)]
}

pub(crate) struct OpenMls {
    sender: (Member, MlsGroup),
    reader: (Member, MlsGroup),
}

impl OpenMls {
    pub(crate) fn new() -> Self {
        let [sender, reader] = group(2);
        Self { sender, reader }
    }
}

impl Peer for OpenMls {
    fn name(&self) -> String {
        "openmls 0.9 (RustCrypto)".into()
    }

    fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        let (member, group) = &mut self.sender;
        let message = group.create_message(&member.provider, &member.signer, payload);
        message.unwrap().tls_serialize_detached().unwrap()
    }

    fn open(&mut self, sealed: &[u8]) -> usize {
        let (member, group) = &mut self.reader;
        let message = MlsMessageIn::tls_deserialize_exact(sealed).unwrap();
        let message = message.try_into_protocol_message().unwrap();
        let processed = group.process_message(&member.provider, message).unwrap();
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => message.into_bytes().len(),
            _ => 0,
        }
    }

    fn rekey(&mut self) -> Option<(Duration, usize)> {
        let [(member, mut group), _] = group(MEMBERS);
        timed(|| {
            let update = group
                .self_update(&member.provider, &member.signer, Default::default())
                .unwrap();
            group.merge_pending_commit(&member.provider).unwrap();
            update.into_commit().tls_serialize_detached().unwrap().len()
        })
    }
}
