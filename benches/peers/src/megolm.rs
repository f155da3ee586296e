use std::time::Duration;

use vodozemac::megolm::{GroupSession, InboundGroupSession, MegolmMessage, SessionConfig};
use vodozemac::olm::{self, Account, OlmMessage, Session};

use crate::{MEMBERS, Peer, timed};

/// The bytes of messages, not their base64.
pub(crate) struct Megolm {
    sender: GroupSession,
    reader: InboundGroupSession,
}

impl Megolm {
    pub(crate) fn new() -> Self {
        let sender = GroupSession::new(SessionConfig::version_1());
        let reader = InboundGroupSession::new(&sender.session_key(), SessionConfig::version_1());
        Self { sender, reader }
    }
}

impl Peer for Megolm {
    fn name(&self) -> String {
        "Megolm (vodozemac 0.11)".into()
    }

    fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        self.sender.encrypt(payload).to_bytes()
    }

    fn open(&mut self, sealed: &[u8]) -> usize {
        let message = MegolmMessage::from_bytes(sealed).unwrap();
        self.reader.decrypt(&message).unwrap().plaintext.len()
    }

    /// A new session, whose key goes to each other member in an Olm message.
    fn rekey(&mut self) -> Option<(Duration, usize)> {
        let own = Account::new();
        let mut others: Vec<Session> = (1..MEMBERS)
            .map(|_| {
                let mut other = Account::new();
                other.generate_one_time_keys(1);
                let one_time = *other.one_time_keys().values().next().unwrap();
                let config = olm::SessionConfig::version_1();
                own.create_outbound_session(config, other.curve25519_key(), one_time)
                    .unwrap()
            })
            .collect();
        timed(|| {
            let key = GroupSession::new(SessionConfig::version_1()).session_key();
            let bytes =
                others
                    .iter_mut()
                    .map(|other| match other.encrypt(key.to_bytes()).unwrap() {
                        OlmMessage::Normal(message) => message.to_bytes().len(),
                        OlmMessage::PreKey(message) => message.to_bytes().len(),
                    });
            bytes.sum()
        })
    }
}
