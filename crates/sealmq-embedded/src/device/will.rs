//! Last Wills, and the number of the connection that orders a device's state against them
//! (spec/envelope.md §8).

use rand_core::TryCryptoRng;
use sealmq_core::seal::{Outgoing, StateSession, next_session_number};

use super::{Device, Sealing};
use crate::Clock;
use crate::error::SealRefused;
use crate::records::RecordId;

impl<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>
    Device<G, S, T, K, O>
{
    /// Seals a Last Will for the connection to come into `out`; returns its length. Call it before
    /// each CONNECT, store what is due, and give it to the MQTT client with `will.topic` and
    /// `will.retain`. It has the credential inside, and needs a clock: about 300 bytes more than the
    /// payload, and the credential.
    ///
    /// A device that has sealed one orders its retained values by connection from then on: those that
    /// it sealed on an earlier connection rank below that connection's will. Seal such a value again,
    /// do not send its bytes again.
    ///
    /// # Errors
    /// As [`Device::prepare`]; `Obstacle::NeedsClock` without a clock; `out` is too short.
    pub fn seal_will(
        &mut self,
        will: &Sealing<'_>,
        payload: &[u8],
        at: Clock,
        rng: &mut impl TryCryptoRng,
        out: &mut [u8],
    ) -> Result<usize, SealRefused> {
        let at = self.clock(at);
        let place = self.may_seal_timed(will, true, at)?;
        let session = self.begin(place, true, at, rng, StateSession::start)?;
        let number = session.number();
        let group = self.place(place).ok_or(SealRefused::NoGroup)?;
        let outgoing = Outgoing {
            credential: Some(self.own.bytes()),
            sequence: None,
            short: false,
            ..self.outgoing(will, group, at)?
        };
        let publisher = self.publisher(group)?;
        let sealed =
            session.seal_will_into(&publisher, &outgoing, will.retain, at.now, payload, out);
        let len = sealed.map_err(SealRefused::Session)?;
        self.connection.will(number);
        Ok(len)
    }

    /// A number for the connection, if one is due before a value is sealed.
    pub(super) fn ready_connection(&mut self, at: Clock) -> Result<(), SealRefused> {
        if self.connection.is_due() {
            let number = next_session_number(self.session_number, at.now);
            let number = number.ok_or(SealRefused::Numbers)?;
            self.session_number = number;
            self.connection.take(number);
            self.mark(RecordId::Numbers);
        }
        Ok(())
    }
}
