//! From a token to a member, over whatever connection there is.

use sealmq_core::crypto::Secret;
use sealmq_embedded::{Answer, Joined, Joining, Way};
use sealmq_keys::ReservedTopic;
use sealmq_keys::objects::TokenFields;

use super::asking::{Asking, OBJECT, Pinned};
use super::machine::{Machine, of_start, short};
use crate::codes::sealmq_status::{self, *};

impl Machine {
    pub(super) fn join(&mut self, token: &str, name: &str) -> Result<(), sealmq_status> {
        if self.device.is_some() {
            return Ok(());
        }
        let pinned = {
            let fields = TokenFields::parse(token, &mut self.scratch);
            let fields = fields.map_err(|_| SEALMQ_ERROR_ARGUMENT)?;
            Way::by_token(&fields, name).map_err(of_start)?;
            Pinned {
                root_key: fields.root_key,
                id: fields.id,
                secret: Secret::new(*fields.secret.expose()),
                serial: fields.serial,
                prefix: short(fields.prefix)?,
                name: short(name)?,
            }
        };
        self.scratch.fill(0);
        if self.joining.is_none() {
            let joining = Joining::begin(&mut self.board.random());
            self.joining = Some(joining.map_err(of_start)?);
        }
        self.asking.pinned = Some(pinned);
        Ok(())
    }

    /// What came before the device is a member.
    pub(super) fn receive_joining(
        &mut self,
        topic: &str,
        payload: &[u8],
    ) -> Result<(), sealmq_status> {
        let Some(joining) = &self.joining else {
            return Err(SEALMQ_ERROR_MEMBER);
        };
        match ReservedTopic::parse(self.asking.prefix(), topic) {
            Some(ReservedTopic::Delegation) => self.take_delegation(payload),
            Some(ReservedTopic::Answer(device)) if device == joining.fingerprint() => {
                self.take_answer(payload)
            }
            _ => Ok(()),
        }
    }

    /// Kept if a request for it can be made.
    fn take_delegation(&mut self, payload: &[u8]) -> Result<(), sealmq_status> {
        if payload.len() > OBJECT {
            return Ok(());
        }
        let (Some(joining), Some(pinned)) = (&mut self.joining, &self.asking.pinned) else {
            return Ok(());
        };
        let (clock, mut random) = (self.board.clock(), self.board.random());
        let asked = joining.ask(
            &pinned.way(),
            payload,
            clock,
            &mut random,
            &mut self.scratch,
        );
        if asked.is_ok() {
            self.asking.keep(payload);
        }
        self.save_joining()
    }

    /// The request, into `out`; its length. What it rests on is stored.
    pub(super) fn ask(&mut self, out: &mut [u8]) -> Result<usize, sealmq_status> {
        let clock = self.board.clock();
        let (Some(joining), Some(pinned)) = (&mut self.joining, &self.asking.pinned) else {
            return Err(SEALMQ_ERROR_MEMBER);
        };
        let way = pinned.way();
        let delegation = self.asking.delegation();
        let asked = joining.ask(&way, delegation, clock, &mut self.board.random(), out);
        self.save_joining()?;
        self.asking.went_out(clock);
        asked.map_err(of_start)
    }

    fn take_answer(&mut self, payload: &[u8]) -> Result<(), sealmq_status> {
        let clock = self.board.clock();
        let (Some(joining), Some(pinned)) = (&mut self.joining, &self.asking.pinned) else {
            return Ok(());
        };
        if payload.is_empty() {
            return Ok(());
        }
        match joining.answer(&pinned.way(), self.asking.delegation(), clock, payload) {
            Ok(Answer::Credential) => {}
            Ok(Answer::Refused(_)) => return Err(SEALMQ_ERROR_JOIN),
            _ => return Ok(()),
        }
        let topic = joining.topic();
        let joined = Joined {
            root_key: pinned.root_key.as_bytes(),
            prefix: pinned.prefix.as_str(),
            delegation: self.asking.delegation(),
            credential: payload,
        };
        if joining.accept(&mut self.device, joined, clock).is_err() {
            // It was not for this request, or forged: wait for another.
            self.device = None;
            return Ok(());
        }
        self.joining = None;
        self.save()?;
        self.asking = Asking::new();
        self.asking.clear = Some(topic);
        self.subscribed = 0;
        self.member()?.connected();
        Ok(())
    }
}
