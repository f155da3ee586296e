//! Sealing into buffers of the heap, which get the length that the envelope has.

use alloc::vec::Vec;

use super::session::Class;
use super::{Membership, Outgoing, Publisher, SealError, SenderSession, StateSession, Value};

impl SenderSession {
    /// As [`SenderSession::seal_into`]; `out` holds the envelope afterwards, and nothing else.
    ///
    /// # Errors
    /// As there. What the buffer holds then means nothing.
    pub fn seal_into_vec<M: Membership>(
        &mut self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        now: Option<u64>,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        self.copy_and_seal(publisher, message, Class::Event, now, payload, |len| {
            Some(with_len(out, len))
        })
        .map(drop)
    }
}

impl StateSession {
    /// As [`StateSession::seal_into`]; `out` holds the envelope afterwards, and nothing else.
    ///
    /// # Errors
    /// As there. What the buffer holds then means nothing.
    pub fn seal_into_vec<M: Membership>(
        &mut self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        value: &Value<'_>,
        now: Option<u64>,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let (message, class) = value.parts(message);
        self.0
            .copy_and_seal(publisher, &message, class, now, payload, |len| {
                Some(with_len(out, len))
            })
            .map(drop)
    }

    /// As [`StateSession::seal_will_into`]; `out` holds the envelope afterwards, and nothing else.
    ///
    /// # Errors
    /// As there. What the buffer holds then means nothing.
    pub fn seal_will_into_vec<M: Membership>(
        self,
        publisher: &Publisher<'_, M>,
        message: &Outgoing<'_>,
        retain: bool,
        now: Option<u64>,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        self.seal_will(publisher, message, retain, now, payload, |len| {
            Some(with_len(out, len))
        })
        .map(drop)
    }
}

fn with_len(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    buffer.clear();
    buffer.resize(len, 0);
    buffer
}
