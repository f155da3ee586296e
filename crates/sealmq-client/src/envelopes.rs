//! Memory for what goes out: sealing allocates nothing of its own for small messages.

use alloc::vec::Vec;
use core::mem::take;

use bytes::{Bytes, BytesMut};

/// Envelopes up to here share pieces of memory. A piece is free when all that share it are gone, so one
/// that waits for its acknowledgement holds [`PIECE`] bytes at most.
const SMALL: usize = 1024;
const PIECE: usize = 8 * 1024;

#[derive(Default)]
pub(crate) struct Envelopes {
    /// In which messages are sealed.
    pub(crate) buffer: Vec<u8>,
    piece: BytesMut,
}

impl Envelopes {
    /// What the buffer holds.
    pub(crate) fn take(&mut self) -> Bytes {
        if self.buffer.len() > SMALL {
            return take(&mut self.buffer).into();
        }
        if self.piece.capacity() < self.buffer.len() {
            // A piece that nobody has any more is used again.
            if !self.piece.try_reclaim(PIECE) {
                self.piece = BytesMut::with_capacity(PIECE);
            }
        }
        self.piece.extend_from_slice(&self.buffer);
        self.piece.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(envelopes: &mut Envelopes, fill: u8, len: usize) -> Bytes {
        envelopes.buffer.clear();
        envelopes.buffer.resize(len, fill);
        envelopes.take()
    }

    #[test]
    fn small_ones_share_memory_and_large_ones_have_their_own() {
        let mut envelopes = Envelopes::default();
        let kept: Vec<Bytes> = (0..100).map(|n| envelope(&mut envelopes, n, 400)).collect();
        let places =
            |pair: &[Bytes]| (pair[1].as_ptr() as usize).wrapping_sub(pair[0].as_ptr() as usize);
        let side_by_side = kept.windows(2).filter(|pair| places(pair) == 400);
        assert!(side_by_side.count() >= 90);
        for (n, envelope) in kept.iter().enumerate() {
            assert!(envelope.len() == 400 && envelope.iter().all(|byte| usize::from(*byte) == n));
        }
        let large = envelope(&mut envelopes, 7, SMALL + 1);
        assert!(large.len() == SMALL + 1 && envelopes.buffer.capacity() == 0);
        assert_eq!(envelope(&mut envelopes, 7, SMALL), large[1..]);
    }
}
