//! Members that run other software: what they can do with the keys that their store holds.

use rand_core::TryRng as _;
use sealmq_core::crypto::{IdentityKey, Secret};
use sealmq_core::object::{Kind, Object};
use sealmq_core::seal::{Outgoing, Publisher, SenderSession, SessionLimits, SessionStart};
use sealmq_core::topic::Topic;
use sealmq_core::wire::Suite;
use sealmq_core::{Credential, KeyId};
use sealmq_keys::Publication;

use super::sealed::Message;
use super::world::World;
use crate::stand_ins::AnyMember;

/// Envelopes of a flood: more than a reader decapsulates at once, and keeps waiting.
const FLOOD: usize = 320;

impl World {
    /// A member that may only read publishes all the same.
    pub(super) fn reader_publishes(&mut self) {
        let reads = |d: &usize| {
            let this = &self.devices[*d];
            !this.access.may_publish() && this.removed.is_none()
        };
        let Some(device) = (0..self.devices.len()).find(reads) else {
            return;
        };
        let topic = format!("plant/{}", self.messages.len() % 3);
        let Some((envelope, epoch)) = self.seal_by_force(device, &topic) else {
            return;
        };
        self.trace.note(&format!("{device} publishes by force"));
        self.seen.fault("a reader publishes");
        let this = &self.devices[device];
        let announcement = this.announcement(epoch).map(<[u8]>::to_vec);
        let id = self.draft(device, topic.clone());
        let message = &mut self.messages[id];
        (message.epoch, message.announcement) = (epoch, announcement);
        message.envelope = envelope.clone();
        self.publish(Publication {
            topic,
            payload: envelope,
            retain: false,
        });
    }

    /// A member shows a reader a record of its own as that of another member.
    pub(super) fn forge_record(&mut self, reader: usize) {
        let client = self.devices[reader].client;
        let forger = self.dice.index(self.devices.len());
        let Some(topic) = self.records.last().map(|record| record.topic.clone()) else {
            return;
        };
        let number = format!("/s/{}", self.devices[forger].number().0);
        if topic.ends_with(&number) || !self.broker.clients[client].online {
            return;
        }
        if let Some((record, _)) = self.seal_by_force(forger, &topic) {
            self.seen.fault("forged record");
            self.broker.inject(client, &topic, &record, true);
        }
    }

    /// Seals with what stands in a device's store, without asking its library.
    fn seal_by_force(&mut self, device: usize, topic: &str) -> Option<(Vec<u8>, u64)> {
        let this = &self.devices[device];
        let seed: [u8; 32] = this.store.0["member/identity"][1..33].try_into().unwrap();
        let identity = IdentityKey::from_seed(&Secret::new(seed));
        let bytes = this.credential().to_vec();
        let object = Object::parse(&bytes, Kind::Credential).unwrap();
        let (credential, _) = object.decode::<Credential<'_>>().unwrap();
        let state = this.state()?;
        let epoch = state.current()?;
        let insider = AnyMember {
            group: *state.group(),
            member: credential.member,
            key: identity.verifying_key(),
            credential_hash: object.hash(),
            serial: credential.credential_serial,
        };
        let mut seed = [0; 32];
        let Ok(()) = self.rng.try_fill_bytes(&mut seed);
        let mut session = SenderSession::start(&SessionStart {
            group: *state.group(),
            announcement: epoch.hash,
            suite: Suite::One,
            group_key: &epoch.group_key,
            psk: &epoch.psk().session(),
            not_after: u64::MAX,
            limits: SessionLimits::default(),
            number: self.messages.len() as u64 + 1,
            seed: &Secret::new(seed),
            now: Some(self.now),
        })
        .unwrap();
        let mut message = Outgoing::new(Topic::new(topic).unwrap());
        message.sent_at = Some(self.now);
        message.credential = Some(&bytes);
        let text = self.messages.len().to_string();
        let mut out = vec![0; 4096];
        let publisher = Publisher::new(&identity, insider).unwrap();
        let len = session
            .seal_into(
                &publisher,
                &message,
                Some(self.now),
                text.as_bytes(),
                &mut out,
            )
            .unwrap();
        out.truncate(len);
        Some((out, epoch.epoch))
    }

    /// A reader gets more envelopes of sessions that nobody began than it decapsulates: from a
    /// member, because a stranger cannot make the mac.
    pub(super) fn flood(&mut self, device: usize) {
        let this = &self.devices[device];
        let known = |m: &&Message| {
            let known = this.announcement(m.epoch);
            known.is_some() && known == m.announcement.as_deref()
        };
        let client = this.client;
        let reads = this.has_clock && this.access.may_subscribe() && this.removed.is_none();
        let found = self.messages.iter().rev().take(50).find(known);
        let Some(message) = found.filter(|_| reads && self.broker.clients[client].online) else {
            return;
        };
        let (topic, mut envelope) = (message.topic.clone(), message.envelope.clone());
        let state = this.state();
        let key_id = KeyId(envelope[1..9].try_into().unwrap());
        let psk = state.as_ref().and_then(|state| state.by_key_id(&key_id));
        let Some(psk) = psk.map(|view| view.psk().session()) else {
            return;
        };
        self.trace.note(&format!("{device} is flooded"));
        self.seen.fault("flood");
        for _ in 0..FLOOD {
            // Behind version and key id: the encapsulated key and its mac.
            let mut enc = [0; 32];
            let Ok(()) = self.rng.try_fill_bytes(&mut enc);
            envelope[9..41].copy_from_slice(&enc);
            envelope[41..45].copy_from_slice(&psk.mac(&enc));
            self.broker.inject(client, &topic, &envelope, false);
        }
    }
}
