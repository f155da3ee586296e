//! Signatures of several messages, verified together before the messages are opened one by one. What
//! is remembered is whether a signature is one of a key over a text, which nothing can change.

use std::collections::VecDeque;
use std::vec::Vec;

use super::{SIGNATURE_LEN, backend};

/// How many at once: an inversion that is shared by more is of no account.
const MOST: usize = 64;

#[derive(Default)]
pub(super) struct Together {
    collects: bool,
    collected: Vec<Signed>,
    expected: Vec<backend::Expected>,
    decided: VecDeque<(Signed, bool)>,
}

#[derive(PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) key: [u8; 32],
    pub(super) message: [u8; 64],
    pub(super) signature: [u8; SIGNATURE_LEN],
}

impl Together {
    pub(super) const fn new() -> Self {
        Self {
            collects: false,
            collected: Vec::new(),
            expected: Vec::new(),
            decided: VecDeque::new(),
        }
    }

    /// From now on signatures are collected; what was decided before is forgotten.
    pub(super) fn begin(&mut self) {
        self.collects = true;
        self.decided.clear();
    }

    pub(super) const fn collects(&self) -> bool {
        self.collects
    }

    pub(super) const fn is_full(&self) -> bool {
        self.collected.len() >= MOST
    }

    pub(super) fn collect(&mut self, signed: Signed, expected: backend::Expected) {
        if !self.is_full() {
            self.collected.push(signed);
            self.expected.push(expected);
        }
    }

    /// Decides all that were collected.
    pub(super) fn end(&mut self) {
        self.collects = false;
        let fits = backend::Expected::fit_each(&self.expected);
        self.expected.clear();
        self.decided.extend(self.collected.drain(..).zip(fits));
    }

    /// What was decided of this one, which is asked for once.
    pub(super) fn take(&mut self, signed: &Signed) -> Option<bool> {
        let place = self.decided.iter().position(|(this, _)| this == signed)?;
        self.decided.remove(place).map(|(_, fits)| fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Digest, IdentityKey, Secret, SignatureContext, SignatureError, Verifier};

    const CONTEXT: SignatureContext = SignatureContext::Message;

    #[test]
    fn each_is_decided_by_itself_and_once() {
        let sender = IdentityKey::from_seed(&Secret::new([1; 32]));
        let key = sender.verifying_key();
        let mut signed: Vec<_> = (0..MOST)
            .map(|n| {
                let digest = Digest([n as u8; 32]);
                (digest, sender.sign(CONTEXT, &digest))
            })
            .collect();
        signed[5].1[3] ^= 1;
        signed[40].0.0[3] ^= 1;
        let mut verifier = Verifier::new();
        verifier.begin_together();
        for (digest, signature) in &signed {
            assert!(!verifier.is_full());
            let refused = verifier.verify(&key, CONTEXT, digest, signature);
            assert_eq!(refused, Err(SignatureError));
        }
        assert!(verifier.is_full());
        verifier.end_together();
        assert_eq!(verifier.together.decided.len(), MOST);
        for (n, (digest, signature)) in signed.iter().enumerate() {
            let result = verifier.verify(&key, CONTEXT, digest, signature);
            assert_eq!(result.is_ok(), ![5, 40].contains(&n));
        }
        assert!(verifier.together.decided.is_empty());
    }
}
