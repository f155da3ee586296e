use bytes::Bytes;
use sealmq_keys::member::{Opened, Properties, Received, SealError};

use super::{Engine, MAX_HELD, Notice, Output, matches_any, rejected};
use crate::error::StoreFailure;
use crate::outbox::Qos;

/// A publish from the broker.
pub(crate) struct Incoming {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) retain: bool,
    /// Those outside the envelope: not authenticated.
    pub(crate) properties: Properties,
    /// What acknowledges it; `None` at QoS 0.
    pub(crate) token: Option<Token>,
}

/// The right to acknowledge one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// Number of the connection on which it came: on a later one it would mean another message.
    pub(crate) connection: u64,
    pub(crate) packet: u16,
    pub(crate) qos: Qos,
}

impl Engine {
    /// Judges a publish. It is acknowledged by the outputs, now or when it no longer waits.
    pub(crate) async fn receive(&mut self, message: Incoming) -> Result<Vec<Output>, StoreFailure> {
        let now = self.now();
        let Incoming {
            topic,
            payload,
            retain,
            properties,
            token,
        } = message;
        if self.member.is_reserved(&topic) {
            let actions = self.member.handle_reserved(&topic, &payload, now);
            let mut outputs = self.carry_out(actions).await?;
            outputs.extend(token.map(Output::Acknowledge));
            return Ok(outputs);
        }
        if payload.is_empty() {
            // A retained message was cleared; there is nothing in it that could be sealed.
            return Ok(vec![Output::Notice(Notice::Cleared { topic }, token)]);
        }
        if self.is_plaintext(&topic) && self.publishing(&topic) == Err(SealError::NoGroup) {
            let notice = Notice::Unsealed {
                topic,
                payload,
                retained: retain,
                properties,
            };
            return Ok(vec![Output::Notice(notice, token)]);
        }
        let (opened, actions) = self.member.open(&topic, &payload, retain, now);
        match opened {
            Opened::Message(received) => {
                let mut outputs = self.carry_out(actions).await?;
                outputs.push(Output::Notice(self.message(*received), token));
                Ok(outputs)
            }
            Opened::Waiting(ticket) => {
                let held = self.waiting.values().flatten().count();
                let early = if held < MAX_HELD { None } else { token };
                let kept = if early.is_none() { token } else { None };
                // Before the actions: they may end this very wait.
                self.waiting.insert(ticket, kept);
                let mut outputs = self.carry_out(actions).await?;
                outputs.extend(early.map(Output::Acknowledge));
                Ok(outputs)
            }
            Opened::Rejected(reason) => {
                let mut outputs = self.carry_out(actions).await?;
                rejected(&mut outputs, topic, reason, token);
                Ok(outputs)
            }
        }
    }

    pub(super) fn message(&self, mut received: Received) -> Notice {
        if matches_any(&self.shared, &received.topic) {
            received.gap = None;
        }
        Notice::Message(received.into())
    }
}
