//! The invariants that hold at every step.

use std::collections::BTreeMap;

use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::{Kind, Object};
use sealmq_core::{Credential, MemberNumber};
use sealmq_keys::member::MemberEvent;
use sealmq_keys::{Announcement, Publication, ReservedTopic, VerifiedDelegation};

use super::Sabotage;
use super::sealed::Received;
use super::successor::{Delegations, serial_of};
use super::world::{LEASE, World};

/// What is left out above numbers that were seen (spec/keys.md §13), and what is not believed.
const JUMP: u64 = (1 << 20) + 1024;

/// What the authority has published.
#[derive(Default)]
pub(super) struct Published {
    pub(super) announcements: BTreeMap<u64, Vec<u8>>,
    /// Key, serial of the delegation and of the credential.
    credentials: BTreeMap<MemberNumber, ([u8; 32], (u32, u32))>,
    members: Vec<MemberNumber>,
    pub(super) delegations: Delegations,
    /// The newest epoch, and the number of its newest generation.
    highest: (u64, u64),
}

impl World {
    /// No epoch has two announcements, no number two keys, and no credential an older serial.
    pub(super) fn check_published(&mut self, publication: &Publication) {
        if publication.payload.is_empty() {
            return;
        }
        let payload = &publication.payload;
        match ReservedTopic::parse(self.authority.prefix(), &publication.topic) {
            Some(ReservedTopic::Announcement(_, epoch)) => {
                let known = self.published.announcements.entry(epoch);
                let known = known.or_insert_with(|| payload.clone());
                assert_eq!(known, payload, "two announcements of epoch {epoch}");
                self.check_jumps(epoch);
            }
            Some(ReservedTopic::Credential(member)) => {
                let object = Object::parse(payload, Kind::Credential).unwrap();
                let (credential, _) = object.decode::<Credential<'_>>().unwrap();
                let new = (credential.serial, credential.credential_serial);
                let known = self.published.credentials.entry(member);
                let known = known.or_insert((credential.key, new));
                assert_eq!(known.0, credential.key, "{member} has two keys");
                // A restored authority knows an older one of those removed since; it is under
                // an older delegation, which nobody accepts any more.
                let mut gone = self.devices.iter().filter(|d| d.removed.is_some());
                assert!(
                    new >= known.1 || gone.any(|d| d.number() == member),
                    "{member}: credential {new:?} after {known:?}"
                );
                known.1 = new;
            }
            _ => {}
        }
    }

    /// Numbers do not follow those that somebody invented.
    fn check_jumps(&mut self, epoch: u64) {
        let known = self.published.highest;
        if known.0 >= epoch {
            return;
        }
        let group = self.authority.groups().next().unwrap();
        let generation = u64::from(group.generations.last().unwrap().number);
        assert!(
            known.0 == 0 || (epoch <= known.0 + JUMP && generation <= known.1 + JUMP),
            "the authority's numbers jump from {known:?} to {:?}",
            (epoch, generation)
        );
        self.published.highest = (epoch, generation);
    }

    /// An announcement, by the delegation that it names.
    pub(super) fn verified<'a>(&self, announcement: &'a [u8]) -> Announcement<'a> {
        let root = VerifyingKey::from_bytes(self.authority.root_key()).unwrap();
        let delegation = self.published.delegations.object(serial_of(announcement));
        let delegation = VerifiedDelegation::verify(delegation, &root).unwrap();
        Announcement::verify(announcement, &delegation, self.authority.prefix()).unwrap()
    }

    pub(super) fn check_new_number(&mut self, number: MemberNumber) {
        let highest = self.published.members.iter().max();
        assert!(
            highest.is_none_or(|highest| number > *highest),
            "{number} again"
        );
        assert!(
            u64::from(number.0) <= highest.map_or(0, |highest| highest.0.into()) + JUMP,
            "member numbers jump to {number}"
        );
        self.published.members.push(number);
    }

    /// Nothing in a member's store goes back.
    pub(super) fn check_numbers(&mut self, device: usize) {
        let this = &mut self.devices[device];
        let new = this.read_numbers();
        let old = std::mem::replace(&mut this.numbers, new);
        assert!(
            new.session >= old.session
                && new.package >= old.package
                && new.credential >= old.credential
                && new.epoch >= old.epoch,
            "{device}: {new:?} after {old:?}"
        );
    }

    pub(super) fn noticed(&mut self, device: usize, event: &MemberEvent) {
        self.seen.member_event(event);
        self.trace.detail(|| {
            let text: String = format!("{event:?}").chars().take(150).collect();
            format!("{device}: {text}")
        });
        if let MemberEvent::Joined { .. } = event {
            let this = &mut self.devices[device];
            this.follows_since = self.now;
            if this.heard_of == 0 {
                this.heard_of = self.now;
            }
        }
        if let MemberEvent::TwoDevices { member, sign, .. } = event {
            let put_back = self
                .devices
                .iter()
                .any(|d| d.number() == *member && d.put_back);
            assert!(
                put_back,
                "{device} reports two devices of {member} ({sign:?}), whose store nobody put back"
            );
        }
        if let MemberEvent::Fork { epoch, other, .. } = event {
            self.devices[device].alarms.insert(other.0, self.now);
            // Without a thief and after a backup was put back, only who is out may see one.
            let out = self.devices[device].removed.is_some();
            assert!(
                self.settings.hostile || out,
                "{device} sees a fork at {epoch}"
            );
            self.trace.note(&format!("{device} sees a fork at {epoch}"));
        }
    }

    /// Whether this is a properly signed announcement that is not the one that a member keeps.
    pub(super) fn is_fork(&self, device: usize, topic: &str, payload: &[u8]) -> bool {
        let parsed = ReservedTopic::parse(self.authority.prefix(), topic);
        let Some(ReservedTopic::Announcement(_, epoch)) = parsed else {
            return false;
        };
        let known = self.devices[device].announcement(epoch);
        let honest = self.published.announcements.get(&epoch);
        let signed = honest.is_some_and(|honest| honest == payload) || self.is_forged(payload);
        let signed = signed && serial_of(payload) == self.devices[device].taken.0;
        !self.thief.recovered && signed && known.is_some_and(|known| known != payload)
    }

    /// A fork was shown to a device: once a minute for one object, and without a clock once, it
    /// says so.
    pub(super) fn check_alarm(&mut self, device: usize, topic: &str, payload: &[u8]) {
        self.seen.total("forks shown to a member");
        let silent = self.settings.sabotage == Sabotage::Silence;
        let this = &self.devices[device];
        let object = Object::parse(payload, Kind::Announcement).unwrap();
        let alarm = this.alarms.get(&object.hash().0).filter(|_| !silent);
        let recent = |at: &u64| !this.has_clock || self.now < at + 60_000;
        assert!(
            alarm.is_some_and(recent),
            "{device} merges a fork silently at {topic}"
        );
    }

    pub(super) fn is_forged(&self, announcement: &[u8]) -> bool {
        self.thief
            .forged
            .iter()
            .any(|forged| forged == announcement)
    }

    /// A member has taken a message for authentic.
    pub(super) fn accepted(&mut self, device: usize, received: &Received) {
        self.seen.total("accepted");
        let id = self.envelope_of(received);
        let message = &self.messages[id];
        let this = &mut self.devices[device];
        assert_eq!(message.topic, received.topic);
        assert!(this.access.may_subscribe(), "{device} only publishes");
        let sender = &self.devices[message.sender];
        assert!(
            sender.access.may_publish(),
            "{device} accepts {id} of a reader"
        );
        self.check_kept(device, received, id);
        let text = self.messages[id].text;
        let this = &mut self.devices[device];
        // The same value may come live once, and as retained again and again
        // (spec/envelope.md §8).
        if self.settings.sabotage == Sabotage::Echo {
            this.live.insert(id);
        }
        let new = received.retained || this.live.insert(id);
        assert!(new, "{device} accepted {id} twice");
        this.accepted.insert(text);
        let this = &self.devices[device];
        let message = &self.messages[id];
        let same = this.announcement(message.epoch) == message.announcement.as_deref();
        // That of a kept epoch may have left the window: its hash is in the keys' name.
        assert!(
            same || message.is_state(),
            "{device} and {} have different announcements",
            message.sender
        );
        let announcement = message.announcement.clone();
        self.check_read(device, announcement.as_deref());
        let message = &self.messages[id];
        if message.misled {
            return;
        }
        let group = self.authority.groups().next().unwrap();
        // Nor does who follows a thief's epochs learn of removals.
        let this = &self.devices[device];
        if this
            .announcement(this.epoch())
            .is_some_and(|newest| self.is_forged(newest))
        {
            return;
        }
        if let Some(removed) = self.devices[device].removed {
            let at = message.at;
            let last = self.thief.binds_from(removed, at) + group.publishers_stop_after;
            assert!(
                at <= last,
                "{device}, removed at {removed}, reads {id} of {at}"
            );
        }
        if let Some(removed) = self.devices[message.sender].removed {
            let now = self.now / 1000;
            assert!(
                now <= self.thief.binds_from(removed, now) + group.removal_latency,
                "{device} accepts {id} of {}, removed at {removed}, at {now}",
                message.sender
            );
            self.seen
                .total("accepted of a removed member within the latency");
        }
    }

    /// Two heartbeats after the broker began to behave, everybody has the newest epoch.
    pub(super) fn check_convergence(&mut self) {
        let Some(since) = self.calm_since else {
            return;
        };
        // A heartbeat comes with the first step after it is due.
        let beat = (u64::from(LEASE / 3) + 3) * 1000;
        if self.now < since + 2 * beat {
            return;
        }
        let newest = self.authority.groups().next().unwrap().epoch;
        for device in self.honest() {
            let this = &self.devices[device];
            if this.joined + 2 * beat <= self.now {
                let epoch = this.epoch();
                assert!(
                    epoch == newest,
                    "{device} is behind: {epoch} instead of {newest}"
                );
                self.seen.total("up to date");
            }
        }
    }
}
