use rand_core::TryCryptoRng;

use super::sending::Packet;
use super::{Client, WillUnder};
use crate::draft::Draft;
use crate::error::ClientError;
use crate::event::Event;
use crate::output::Output;
use crate::time::Time;
use crate::will::{SealedWill, Will};

/// A broker closes the connection after DISCONNECT.
const CLOSED_WITHIN: u64 = 2_000;
/// Connecting again costs more than a Will that is a little too old.
const RENEWED_AFTER: u64 = 30_000;

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
        (self.will_under, self.will_until, self.will_is_old) = (None, None, false);
        let Some((draft, delay)) = self.will.clone() else {
            self.push(Output::Connect(None));
            return;
        };
        if self.topic_map.to_here(&draft.topic).is_none() {
            let error = ClientError::NotMapped;
            self.event(Event::NoWill { error });
            self.push(Output::Connect(None));
            return;
        }
        match self.seal(&mut draft.clone(), time, rng) {
            Ok(Packet { changes, wire, .. }) => {
                self.will_under = self.will_under(&draft);
                let age = self.member.will_age_on(&draft.topic).unwrap_or(u32::MAX);
                let half = u64::from(age).saturating_mul(500);
                // With 0 readers take no will, however new it is.
                self.will_until = (age > 0).then(|| time.after(half.max(RENEWED_AFTER)));
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

    /// Connects again when the broker has no Will although there could be one, when the kept keys
    /// or the credential that it was sealed under are not the newest any more, or when half of the
    /// time has passed after which readers find it too old.
    pub(super) fn renew_will(&mut self, time: Time) {
        let Some((draft, _)) = &self.will else { return };
        if !self.may_send() || self.is_going() || self.check(draft, time).is_err() {
            return;
        }
        let newest = self.will_under(draft);
        if newest.is_some() && (newest != self.will_under || self.will_is_old) {
            // With DISCONNECT the broker forgets the old Will. It has to see it before the new
            // CONNECT, which would otherwise take over the session and set the old Will free.
            self.push(Output::Disconnect);
        }
    }

    fn will_under(&self, draft: &Draft) -> Option<WillUnder> {
        Some(WillUnder {
            kept: self.member.kept_on(&draft.topic)?,
            credential: *self.member.credential_hash(),
        })
    }

    /// DISCONNECT is about to be sent.
    pub(super) fn is_going(&self) -> bool {
        let asked = |output: &Output| matches!(output, Output::Disconnect);
        self.queue.iter().any(asked)
    }

    pub(super) const fn begin_renewing(&mut self, time: Time) {
        self.renewing = Some(time.after(CLOSED_WITHIN));
    }
}
