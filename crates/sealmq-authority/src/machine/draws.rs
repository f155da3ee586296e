//! What the authority draws is hedged as members' sessions are (spec/keys.md §6): an RNG that
//! repeats must not undo a removal.

use rand_core::{TryCryptoRng, TryRng};
use sealmq_core::crypto::{ChangeContext, DeviceSecret, Entropy};
use zeroize::Zeroizing;

use super::record::{self, SecretBytes};
use super::{Authority, AuthorityError, Plan, draw};

pub(super) const HEDGE_KEY: &str = "authority/hedge";

/// The caller's RNG, hedged by the authority's own secret, for one change. Its ratcheted secret
/// goes into the plan with what was drawn ([`Authority::settle_drawn`]).
pub(super) struct Draws<'r, R> {
    rng: &'r mut R,
    secret: DeviceSecret,
    change: ChangeContext,
    number: u64,
}

impl<'r, R: TryCryptoRng> Draws<'r, R> {
    pub(super) const fn new(secret: &SecretBytes, change: ChangeContext, rng: &'r mut R) -> Self {
        Self {
            rng,
            secret: DeviceSecret::new(secret.secret()),
            change,
            number: 0,
        }
    }

    /// The secret from now on.
    pub(super) const fn secret(&self) -> SecretBytes {
        SecretBytes::of_device(&self.secret)
    }

    fn block(&mut self) -> Result<Zeroizing<[u8; 32]>, AuthorityError> {
        let mut fresh = Zeroizing::new([0; 32]);
        self.rng
            .try_fill_bytes(&mut *fresh)
            .map_err(|_| AuthorityError::Random)?;
        let entropy = Entropy::take(&mut fresh)?;
        let hedged = self
            .secret
            .hedge_change(&entropy, &self.change, self.number);
        self.number = self.number.saturating_add(1);
        self.secret = hedged.next;
        Ok(Zeroizing::new(*hedged.seed.expose()))
    }
}

impl<R: TryCryptoRng> TryRng for Draws<'_, R> {
    type Error = AuthorityError;

    fn try_next_u32(&mut self) -> Result<u32, AuthorityError> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, AuthorityError> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), AuthorityError> {
        for part in out.chunks_mut(32) {
            let block = self.block()?;
            for (to, from) in part.iter_mut().zip(block.iter()) {
                *to = *from;
            }
        }
        Ok(())
    }
}

impl<R: TryCryptoRng> TryCryptoRng for Draws<'_, R> {}

/// The secret of a new authority.
pub(super) fn new_secret(rng: &mut impl TryCryptoRng) -> Result<SecretBytes, AuthorityError> {
    Ok(SecretBytes::of(&draw(rng)?))
}

impl Authority {
    /// Begins a change at `now` that draws something under a delegation.
    pub(super) fn draws<'r, R: TryCryptoRng>(
        &self,
        serial: u32,
        now: u64,
        rng: &'r mut R,
    ) -> Draws<'r, R> {
        let change = ChangeContext {
            serial,
            at: now,
            log_head: self.head.log_head.0,
        };
        Draws::new(&self.hedge, change, rng)
    }

    /// As [`Authority::settle`], for a change that drew something: the secret that nothing of it
    /// follows from is durable with it.
    pub(super) fn settle_drawn<R: TryCryptoRng>(
        &mut self,
        mut plan: Plan,
        drawn: &Draws<'_, R>,
        now: u64,
    ) -> Result<Plan, AuthorityError> {
        if drawn.number != 0 && !plan.changes.is_empty() {
            self.hedge.set(drawn.secret());
            record::put(&mut plan.changes, HEDGE_KEY.into(), &*self.hedge)?;
        }
        self.settle(plan, now)
    }
}
