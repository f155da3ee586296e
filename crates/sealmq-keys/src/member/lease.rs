//! Leases (spec/keys.md §8): heartbeats for members with a clock, nonces for those without.

use alloc::format;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::GroupId;
use sealmq_core::crypto::Purpose;
use sealmq_core::object::ObjectError;
use sealmq_core::seal::next_session_number;

use super::draw::entropy;
use super::event::MemberEvent;
use super::groups::Group;
use super::outcome::{BadObject, Handled};
use super::pending::waits_for_keys;
use super::types::{Action, Now};
use super::{Member, seconds};
use crate::group::{LeaseClaim, Renewal};
use crate::heartbeat::VerifiedHeartbeat;
use crate::nonce::{MAX_NONCE_LEN, NonceFields};
use crate::nonce_answer::{LEASE_NONCE_LEN, VerifiedNonceAnswer};
use crate::outputs::Publication;
use crate::reserved::ReservedTopic;
use crate::store::Changes;

/// Most nonces of a group that wait for an answer.
const MAX_NONCES: usize = 4;

impl Group {
    /// After an announcement was followed: counts what came for it before.
    pub(super) fn settle_leases(&mut self, now: Now) {
        let Some(state) = &mut self.state else { return };
        let current = state.current_epoch();
        if let Some((heartbeat, bytes)) = &self.leases.held
            && heartbeat.fields().epoch <= current
        {
            let fields = heartbeat.fields();
            if state.renew(&fields.into(), fields.issued_at, seconds(now)) == Renewal::Renewed {
                self.evidence.heartbeat.clone_from(bytes);
            }
            self.leases.held = None;
        }
        if let Some((claim, made_at)) = self.leases.answer
            && claim.epoch <= current
        {
            state.answered(&claim, made_at);
            self.leases.answer = None;
        }
        if self
            .leases
            .behind
            .is_some_and(|epoch| epoch <= state.current_epoch())
        {
            self.leases.behind = None;
        }
    }

    /// Whether an answer to a nonce is on its way that makes messages readable.
    pub(super) fn awaits_answer(&self) -> bool {
        self.policy().lease != 0 && !self.leases.nonces.is_empty()
    }

    /// From when on a device without a clock asks for a lease, in ms of its uptime: when half of
    /// the last one is over, and not too often.
    pub(super) fn nonce_due_at(&self) -> Option<u64> {
        self.state.as_ref()?.nonce_due_at(self.leases.asked_at)
    }
}

impl Member {
    /// Tells a device without a clock how long it has been running, in milliseconds that only
    /// rise. Call it before other calls: leases run by it (spec/keys.md §8). A member with
    /// neither clock nor uptime can use no group with a lease.
    pub fn set_uptime(&mut self, uptime_ms: u64) {
        self.uptime = Some(self.uptime.map_or(uptime_ms, |known| known.max(uptime_ms)));
    }

    /// A device without a clock does not use groups without leases: said once for each.
    pub(super) fn report_no_leases(&mut self, now: Now, actions: &mut Vec<Action>) {
        if now.is_some() {
            return;
        }
        for (id, group) in &self.groups {
            let unusable = group.current().is_some() && group.policy().lease == 0;
            if unusable && self.reported.is_due(&format!("no leases: {id}"), now) {
                actions.push(Action::Event(MemberEvent::NeedsLeases { group: *id }));
            }
        }
    }

    pub(super) fn handle_heartbeat(
        &mut self,
        id: GroupId,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Handled, BadObject> {
        let Some(group) = self.groups.get_mut(&id) else {
            return Ok(Handled::Ignored);
        };
        if group.evidence.heartbeat == payload {
            return Ok(Handled::Ignored);
        }
        let heartbeat = VerifiedHeartbeat::verify(payload, &self.delegation)?;
        let fields = *heartbeat.fields();
        if fields.group != id {
            return Err(ObjectError::Field("group").into());
        }
        let Some(state) = &mut group.state else {
            return Ok(Handled::Ignored);
        };
        match state.renew(&LeaseClaim::from(&fields), fields.issued_at, seconds(now)) {
            Renewal::Renewed => {
                group.evidence.heartbeat = payload.to_vec();
                let mut changes = Changes::new();
                group.put_state(&mut changes);
                actions.push(Action::Commit(changes));
                self.retry(now, actions, waits_for_keys);
                Ok(Handled::Installed)
            }
            Renewal::Known | Renewal::Older => {
                self.report_old_heartbeat(id, &fields, payload, now, actions);
                Ok(Handled::Ignored)
            }
            Renewal::Ahead { epoch } => {
                let newer = |(held, _): &(VerifiedHeartbeat, _)| {
                    let held = held.fields();
                    (held.epoch, held.issued_at) < (fields.epoch, fields.issued_at)
                };
                if group.leases.held.as_ref().is_none_or(newer) {
                    group.leases.held = Some((heartbeat, payload.to_vec()));
                }
                self.fell_behind(id, epoch);
                Ok(Handled::Kept)
            }
            Renewal::Future => Err(ObjectError::Expired.into()),
            Renewal::Fork(fork) => {
                actions.push(group.fork_event(id, &fork, payload));
                Err(ObjectError::Field("announcement").into())
            }
        }
    }

    /// A heartbeat that is older than one that counted: perhaps the broker plays it back.
    fn report_old_heartbeat(
        &mut self,
        id: GroupId,
        fields: &crate::heartbeat::HeartbeatFields,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        let group = self.groups.get(&id);
        let Some(installed) = group.map(|group| group.evidence.heartbeat.clone()) else {
            return;
        };
        let older = VerifiedHeartbeat::verify(&installed, &self.delegation)
            .is_ok_and(|known| known.fields().issued_at > fields.issued_at);
        if older {
            let topic = ReservedTopic::Heartbeat(id);
            self.report_rollback(topic, &installed, payload, now, actions);
        }
    }

    /// An announcement exists that did not come: asked for, and then reported once, by
    /// [`Member::tick`]. Usually it is on its way: retained messages come in any order.
    fn fell_behind(&mut self, id: GroupId, epoch: u64) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        if group.leases.behind.is_none_or(|known| known < epoch) {
            group.leases.behind = Some(epoch);
            group.leases.asking_behind.reset();
        }
    }

    pub(super) fn handle_nonce_answer(
        &mut self,
        id: GroupId,
        payload: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Handled, BadObject> {
        let Some(group) = self.groups.get_mut(&id) else {
            return Ok(Handled::Ignored);
        };
        if group.leases.nonces.is_empty() {
            return Ok(Handled::Ignored);
        }
        let answer = VerifiedNonceAnswer::verify(payload, &self.delegation)?;
        let fields = *answer.fields();
        if fields.member != self.own.member {
            return Err(ObjectError::Field("member").into());
        }
        if fields.group != id {
            return Err(ObjectError::Field("group").into());
        }
        let nonces = &mut group.leases.nonces;
        let Some(at) = nonces.iter().position(|(nonce, _)| *nonce == fields.nonce) else {
            return Err(ObjectError::Field("nonce").into());
        };
        // Each nonce serves once, whatever the answer says.
        let (_, made_at) = nonces.remove(at);
        let Some(state) = &mut group.state else {
            return Ok(Handled::Ignored);
        };
        let claim = LeaseClaim::from(&fields);
        match state.answered(&claim, made_at) {
            Renewal::Renewed => {
                // Older nonces could only shorten it.
                group.leases.nonces.retain(|(_, made)| *made > made_at);
                self.retry(now, actions, waits_for_keys);
                Ok(Handled::Installed)
            }
            Renewal::Ahead { epoch } => {
                group.leases.answer = Some((claim, made_at));
                self.fell_behind(id, epoch);
                Ok(Handled::Kept)
            }
            Renewal::Fork(fork) => {
                actions.push(group.fork_event(id, &fork, payload));
                Err(ObjectError::Field("announcement").into())
            }
            Renewal::Older => Err(ObjectError::Serial.into()),
            Renewal::Known | Renewal::Future => Ok(Handled::Ignored),
        }
    }

    /// Publishes nonces for the groups whose lease is half over, on a device without a clock.
    pub(super) fn ask_for_leases(
        &mut self,
        now: Now,
        rng: &mut impl TryCryptoRng,
        actions: &mut Vec<Action>,
    ) -> Result<(), super::MemberError> {
        let (None, Some(uptime)) = (now, self.uptime) else {
            return Ok(());
        };
        let groups = self.groups.iter();
        let due: Vec<GroupId> = groups
            .filter(|(_, group)| group.nonce_due_at().is_some_and(|due| due <= uptime))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            // Nonces take their numbers from the sessions' counter, so that none serves twice.
            let Some(number) = next_session_number(self.session_number, now) else {
                return Ok(());
            };
            let hedged = self.device.hedge(&entropy(rng)?, Purpose::Nonce, number);
            let Some(nonce) = hedged.seed.expose().first_chunk().copied() else {
                return Ok(());
            };
            self.device = hedged.next;
            self.session_number = number;
            let payload = self.sign_nonce(id, number, nonce)?;
            let changes = self.put_device()?;
            if let Some(group) = self.groups.get_mut(&id) {
                let leases = &mut group.leases;
                leases.asked_at = Some(uptime);
                if leases.nonces.len() >= MAX_NONCES {
                    leases.nonces.remove(0);
                }
                leases.nonces.push((nonce, uptime));
            }
            actions.push(Action::Commit(changes));
            actions.push(Action::Publish(Publication {
                topic: ReservedTopic::Nonce(id, self.own.member).name(&self.prefix),
                payload,
                retain: false,
            }));
        }
        Ok(())
    }

    /// The nonce as it travels: signed, so that nobody else uses up the member's answers.
    fn sign_nonce(
        &self,
        group: GroupId,
        number: u64,
        nonce: [u8; LEASE_NONCE_LEN],
    ) -> Result<Vec<u8>, super::MemberError> {
        let fields = NonceFields {
            domain: self.domain(),
            member: self.own.member,
            number,
            group,
            nonce,
        };
        let mut out = [0; MAX_NONCE_LEN];
        let signer = self.signer().map_err(super::MemberError::Object)?;
        let signed = fields.sign(signer, &mut out);
        let (object, _) = signed.map_err(super::MemberError::Object)?;
        Ok(object.to_vec())
    }
}
