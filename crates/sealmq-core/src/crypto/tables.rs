//! Which senders have a table. Only what verifies counts, so a stranger makes nothing of it.

use std::vec::Vec;

use super::{SIGNATURE_LEN, SignatureError, VerifyingKey, backend};

/// A table costs as much as two signatures without one, and saves two fifths of one each time. With so
/// many before it is made, senders that take turns in pushing each other out cost an eighth more than
/// without tables.
const BUILT_AFTER: u32 = 16;

/// Tables for some of the senders that were heard of late, twice as many as there may be tables.
#[derive(Default)]
pub(super) struct Tables {
    most: usize,
    clock: u64,
    senders: Vec<Heard>,
}

struct Heard {
    key: [u8; 32],
    /// Signatures that verified since there was no table.
    verified: u32,
    used: u64,
    table: Option<backend::Table>,
}

impl Tables {
    pub(super) const fn new() -> Self {
        Self {
            most: 0,
            clock: 0,
            senders: Vec::new(),
        }
    }

    pub(super) fn keep(&mut self, most: usize) {
        self.most = most;
        self.senders = Vec::new();
    }

    pub(super) fn count(&self) -> usize {
        self.senders
            .iter()
            .filter(|heard| heard.table.is_some())
            .count()
    }

    /// `decided`: whether it fits, if that is known.
    pub(super) fn verify(
        &mut self,
        key: &VerifyingKey,
        message: &[u8],
        signature: &[u8; SIGNATURE_LEN],
        decided: Option<bool>,
    ) -> Result<(), SignatureError> {
        let place = self.place_of(key);
        let fits = decided.unwrap_or_else(|| {
            let verified = match self.table(place) {
                Some(table) => table.verify(message, signature),
                None => key.backend().verify(message, signature),
            };
            verified.is_ok()
        });
        if !fits {
            return Err(SignatureError);
        }
        self.count_in(place, key);
        Ok(())
    }

    /// All of verification but what several can share.
    pub(super) fn expected(
        &self,
        key: &VerifyingKey,
        message: &[u8],
        signature: &[u8; SIGNATURE_LEN],
    ) -> Result<backend::Expected, SignatureError> {
        let expected = match self.table(self.place_of(key)) {
            Some(table) => table.expected(message, signature),
            None => key.backend().expected(message, signature),
        };
        expected.map_err(|_| SignatureError)
    }

    fn place_of(&self, key: &VerifyingKey) -> Option<usize> {
        self.senders
            .iter()
            .position(|heard| heard.key == *key.as_bytes())
    }

    fn table(&self, place: Option<usize>) -> Option<&backend::Table> {
        self.senders.get(place?)?.table.as_ref()
    }

    fn count_in(&mut self, place: Option<usize>, key: &VerifyingKey) {
        let Some(place) = place.or_else(|| self.place_for(key)) else {
            return;
        };
        self.clock = self.clock.saturating_add(1);
        let clock = self.clock;
        let Some(heard) = self.senders.get_mut(place) else {
            return;
        };
        heard.used = clock;
        if heard.table.is_some() {
            return;
        }
        heard.verified = heard.verified.saturating_add(1);
        if heard.verified < BUILT_AFTER {
            return;
        }
        heard.verified = 0;
        heard.table = Some(key.backend().table());
        if self.count() > self.most {
            let tables = self
                .senders
                .iter_mut()
                .filter(|heard| heard.table.is_some());
            if let Some(oldest) = tables.min_by_key(|heard| heard.used) {
                oldest.table = None;
            }
        }
    }

    /// A place for a sender that has none: a new one, or that of the one that was silent for longest
    /// of those without a table.
    fn place_for(&mut self, key: &VerifyingKey) -> Option<usize> {
        let heard = Heard {
            key: *key.as_bytes(),
            verified: 0,
            used: 0,
            table: None,
        };
        if self.senders.len() < self.most.saturating_mul(2) {
            self.senders.push(heard);
            return self.senders.len().checked_sub(1);
        }
        let without = self.senders.iter_mut().enumerate();
        let without = without.filter(|(_, heard)| heard.table.is_none());
        let (place, oldest) = without.min_by_key(|(_, heard)| heard.used)?;
        *oldest = heard;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Digest, IdentityKey, Secret, SignatureContext, Verifier};

    const CONTEXT: SignatureContext = SignatureContext::Message;

    fn sender(n: u8) -> IdentityKey {
        IdentityKey::from_seed(&Secret::new([n; 32]))
    }

    fn say(verifier: &mut Verifier, sender: &IdentityKey, times: u32) {
        for n in 0..times {
            let digest = Digest([n as u8; 32]);
            let signature = sender.sign(CONTEXT, &digest);
            let key = sender.verifying_key();
            verifier.verify(&key, CONTEXT, &digest, &signature).unwrap();
            let refused = verifier.verify(&key, CONTEXT, &Digest([0xff; 32]), &signature);
            assert_eq!(refused, Err(SignatureError));
        }
    }

    #[test]
    fn tables_are_made_for_the_busy_and_bounded() {
        let mut verifier = Verifier::new();
        verifier.keep_tables(2);
        say(&mut verifier, &sender(1), BUILT_AFTER - 1);
        assert_eq!(verifier.table_count(), 0);
        say(&mut verifier, &sender(1), 1);
        assert_eq!(verifier.table_count(), 1);
        for n in 2..6 {
            say(&mut verifier, &sender(n), BUILT_AFTER + 1);
            assert_eq!(verifier.table_count(), 2);
        }
        // The two that spoke last have them; the others verify as before.
        let has = |verifier: &Verifier, n| {
            let key = *sender(n).verifying_key().as_bytes();
            let heard = verifier
                .tables
                .senders
                .iter()
                .find(|heard| heard.key == key);
            heard.is_some_and(|heard| heard.table.is_some())
        };
        assert!(has(&verifier, 4) && has(&verifier, 5) && !has(&verifier, 3));
        say(&mut verifier, &sender(3), 2);
        // Many that say little take no table, and no memory.
        for n in 100..200 {
            say(&mut verifier, &sender(n), 1);
        }
        assert!(has(&verifier, 4) && has(&verifier, 5));
        assert_eq!(verifier.tables.senders.len(), 4);
    }

    #[test]
    fn without_tables_it_verifies_as_well() {
        let mut verifier = Verifier::new();
        say(&mut verifier, &sender(1), BUILT_AFTER * 2);
        assert_eq!(verifier.table_count(), 0);
    }

    #[test]
    fn who_only_fails_gets_no_table() {
        let mut verifier = Verifier::new();
        verifier.keep_tables(2);
        let key = sender(1).verifying_key();
        for _ in 0..BUILT_AFTER * 2 {
            let refused = verifier.verify(&key, CONTEXT, &Digest::ZERO, &[7; 64]);
            assert_eq!(refused, Err(SignatureError));
        }
        assert!(verifier.tables.senders.is_empty());
    }
}
