//! Leases (spec/keys.md §8): heartbeats with a clock, nonces without.

use rand_core::TryCryptoRng;
use sealmq_core::crypto::Purpose;
use sealmq_core::object::ObjectError;
use sealmq_core::seal::next_session_number;
use sealmq_keys::group::{FollowError, LeaseClaim, Renewal};
use sealmq_keys::objects::{VerifiedHeartbeat, VerifiedNonceAnswer};

use super::{Device, Event, seconds};
use crate::Clock;
use crate::draw::entropy;
use crate::error::{Refused, SealRefused};
use crate::leases::Asked;
use crate::records::RecordId;

impl<const G: usize, const S: usize, const T: usize, const K: usize, const O: usize>
    Device<G, S, T, K, O>
{
    pub(super) fn handle_heartbeat(
        &mut self,
        place: u8,
        payload: &[u8],
        at: Clock,
    ) -> Result<Option<Event>, Refused> {
        let heartbeat = VerifiedHeartbeat::verify(payload, &self.delegation)?;
        let fields = heartbeat.fields();
        let Some(group) = self.place_mut(place) else {
            return Ok(None);
        };
        if fields.group != group.id {
            return Err(ObjectError::Field("group").into());
        }
        let (id, claim) = (group.id, LeaseClaim::from(fields));
        let Some(state) = group.state_mut() else {
            return Ok(None);
        };
        match state.renew(&claim, fields.issued_at, seconds(at)) {
            Renewal::Renewed => {
                self.mark(RecordId::Group(place));
                Ok(Some(Event::Lease(id)))
            }
            Renewal::Known | Renewal::Older => Ok(None),
            Renewal::Ahead { .. } => {
                let order = |(claim, issued_at): &(LeaseClaim, u64)| (claim.epoch, *issued_at);
                let new = (claim, fields.issued_at);
                if group
                    .leases
                    .held
                    .is_none_or(|held| order(&held) < order(&new))
                {
                    group.leases.held = Some(new);
                }
                Ok(None)
            }
            Renewal::Future => Err(ObjectError::Expired.into()),
            Renewal::Fork(fork) => Err(Refused::Follow(FollowError::Fork(fork))),
        }
    }

    pub(super) fn handle_answer(
        &mut self,
        place: u8,
        payload: &[u8],
    ) -> Result<Option<Event>, Refused> {
        let answer = VerifiedNonceAnswer::verify(payload, &self.delegation)?;
        let fields = answer.fields();
        if fields.member != self.number() {
            return Err(ObjectError::Field("member").into());
        }
        let Some(group) = self.place_mut(place) else {
            return Ok(None);
        };
        if fields.group != group.id {
            return Err(ObjectError::Field("group").into());
        }
        // Each nonce serves once, whatever the answer says.
        let asked = group.leases.take(&fields.nonce);
        let asked = asked.ok_or(ObjectError::Field("nonce"))?;
        let (id, claim) = (group.id, LeaseClaim::from(fields));
        let Some(state) = group.state_mut() else {
            return Ok(None);
        };
        match state.answered(&claim, asked.made_at) {
            // Nothing of it is stored: uptime starts again with the device.
            Renewal::Renewed => Ok(Some(Event::Lease(id))),
            Renewal::Ahead { .. } => {
                group.leases.answer = Some((claim, asked.made_at));
                group.ask.announcements = true;
                Ok(None)
            }
            Renewal::Fork(fork) => Err(Refused::Follow(FollowError::Fork(fork))),
            Renewal::Older => Err(ObjectError::Serial.into()),
            Renewal::Known | Renewal::Future => Ok(None),
        }
    }

    /// After an announcement was followed: counts what came for it before.
    pub(super) fn settle_leases(&mut self, place: u8, at: Clock) {
        let Some(group) = self.place_mut(place) else {
            return;
        };
        let (held, answer) = (group.leases.held, group.leases.answer);
        let Some(state) = group.state_mut() else {
            return;
        };
        let current = state.current_epoch();
        let held = held.filter(|(claim, _)| claim.epoch <= current);
        let answer = answer.filter(|(claim, _)| claim.epoch <= current);
        // The state is stored with the announcement.
        held.map(|(claim, issued_at)| state.renew(&claim, issued_at, seconds(at)));
        answer.map(|(claim, made_at)| state.answered(&claim, made_at));
        if held.is_some() {
            group.leases.held = None;
        }
        if answer.is_some() {
            group.leases.answer = None;
        }
    }

    /// Makes nonces for the groups whose lease is half over, on a device without a clock.
    pub(super) fn ask_for_leases(
        &mut self,
        at: Clock,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), SealRefused> {
        let (None, Some(uptime)) = (at.now, at.uptime) else {
            return Ok(());
        };
        for place in 0..G {
            let group = self.groups.get(place).and_then(Option::as_ref);
            let due = group.and_then(|g| g.state()?.nonce_due_at(g.leases.asked_at));
            if due.is_none_or(|due| due > uptime) {
                continue;
            }
            // Nonces take their numbers from the sessions' counter, so that none serves twice.
            let number = next_session_number(self.session_number, None);
            let number = number.ok_or(SealRefused::Numbers)?;
            let hedged = self.secret.hedge(&entropy(rng)?, Purpose::Nonce, number);
            let nonce = hedged.seed.expose().first_chunk().copied();
            self.secret = hedged.next;
            self.session_number = number;
            self.mark(RecordId::Numbers);
            let Some(group) = self.groups.get_mut(place).and_then(Option::as_mut) else {
                continue;
            };
            let leases = &mut group.leases;
            leases.asked_at = Some(uptime);
            leases.nonces.rotate_right(1);
            if let Some(first) = leases.nonces.first_mut() {
                *first = nonce.map(|nonce| Asked {
                    nonce,
                    number,
                    made_at: uptime,
                });
            }
            leases.to_send = true;
        }
        Ok(())
    }
}
