use rand_core::TryCryptoRng;

use super::Client;
use crate::error::ClientError;
use crate::event::Event;
use crate::output::Output;
use crate::time::Time;
use crate::will::{SealedWill, Will};

/// A broker closes the connection after DISCONNECT.
const CLOSED_WITHIN: u64 = 2_000;

impl Client {
    /// Another Last Will, or none, from the next connection on.
    ///
    /// # Errors
    /// Its topic is no topic name; the Will stays as it was.
    pub fn set_will(&mut self, will: Option<Will>) -> Result<(), ClientError> {
        self.will = match will {
            Some(will) => Some((will.draft().map_err(ClientError::Topic)?, will.delay)),
            None => None,
        };
        Ok(())
    }

    /// It is time to connect: [`Output::Connect`] comes when the Will for that connection is sealed
    /// and what it rests on is durable.
    pub fn connect(&mut self, time: Time, rng: &mut impl TryCryptoRng) {
        self.set_time(time);
        self.will_epoch = None;
        let Some((draft, delay)) = self.will.clone() else {
            self.push(Output::Connect(None));
            return;
        };
        match self.seal(&draft, time, rng) {
            Ok((changes, wire)) => {
                self.will_epoch = self.member.epoch_on(&draft.topic).map(|(epoch, _)| epoch);
                self.commit(changes);
                self.push(Output::Connect(Some(SealedWill { wire, delay })));
            }
            Err(error) => {
                self.event(Event::NoWill {
                    error: error.into(),
                });
                self.push(Output::Connect(None));
            }
        }
    }

    /// Connects again when the broker has no Will although there could be one, or when its epoch
    /// is the oldest that readers can open.
    pub(super) fn renew_will(&mut self, time: Time) {
        let Some((draft, _)) = &self.will else { return };
        let asked = |output: &Output| matches!(output, Output::Disconnect);
        if !self.may_send() || self.queue.iter().any(asked) || self.check(draft, time).is_err() {
            return;
        }
        let Some((epoch, window)) = self.member.epoch_on(&draft.topic) else {
            return;
        };
        let due = self
            .will_epoch
            .is_none_or(|sealed| epoch.saturating_sub(sealed) >= u64::from(window).max(1));
        if due {
            // With DISCONNECT the broker forgets the old Will. It has to see it before the new
            // CONNECT, which would otherwise take over the session and set the old Will free.
            self.push(Output::Disconnect);
        }
    }

    pub(super) const fn begin_renewing(&mut self, time: Time) {
        self.renewing = Some(time.after(CLOSED_WITHIN));
    }
}
