//! A broker that shows the successor of a delegation and hides what follows from it, while a
//! thief goes on under the old one (spec/keys.md §3).

use std::collections::BTreeMap;

use sealmq_authority::{Authority, Lineage};
use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::{Kind, Object};
use sealmq_keys::objects::{CONTINUES, Continuation};
use sealmq_keys::{Delegation, ReservedTopic, VerifiedDelegation};

use super::Sabotage;
use super::broker::Only;
use super::world::World;

/// A delegation of the root's.
struct Delegated {
    key: [u8; 32],
    not_after: u64,
    /// The keys of the one before were stolen.
    recovery: bool,
    /// The lowest serial whose state goes on.
    since: u32,
    object: Vec<u8>,
}

/// All delegations, by serial.
#[derive(Default)]
pub(super) struct Delegations(BTreeMap<u32, Delegated>);

impl Delegations {
    /// A new key means that the one before was stolen, if nothing is continued. `false` if it was known.
    pub(super) fn note(&mut self, object: &[u8]) -> bool {
        if self.0.values().any(|known| known.object == object) {
            return false;
        }
        let parsed = Object::parse(object, Kind::Delegation).unwrap();
        let (delegation, extensions) = parsed.decode::<Delegation<'_>>().unwrap();
        let continuation = extensions.read::<Continuation<'_>>(CONTINUES).unwrap();
        let key = delegation.keys.iter().next().unwrap().key;
        let before = self.0.range(..delegation.serial).next_back();
        let recovery = before.is_some_and(|(_, before)| before.key != key);
        let recovery = recovery && continuation.is_none();
        let delegated = Delegated {
            key,
            not_after: delegation.not_after,
            recovery,
            since: continuation.map_or(delegation.serial, |of| of.since),
            object: object.to_vec(),
        };
        self.0.insert(delegation.serial, delegated);
        true
    }

    pub(super) fn object(&self, serial: u32) -> &[u8] {
        &self.0[&serial].object
    }

    /// Whether the keys of `old` were stolen, as who has taken `new` knows.
    fn replaced(&self, old: u32, new: u32) -> bool {
        let since = (old + 1)..=new.max(old);
        old < new && self.0.range(since).any(|(_, delegated)| delegated.recovery)
    }

    /// Whether state of `old` goes on for who has taken `new`.
    pub(super) fn continues(&self, new: u32, old: u32) -> bool {
        (self.0[&new].since..=new).contains(&old)
    }

    fn end(&self, serial: u32) -> u64 {
        self.0[&serial].not_after
    }
}

/// The serial in an object whose first fields are domain and serial.
pub(super) fn serial_of(object: &[u8]) -> u32 {
    let mut fields = &object[2 + 16..];
    super::device::varint(&mut fields) as u32
}

/// What an authority acts under.
pub(super) fn delegation_of(authority: &Authority) -> VerifiedDelegation {
    let root = VerifyingKey::from_bytes(authority.root_key()).unwrap();
    VerifiedDelegation::verify(authority.delegation(), &root).unwrap()
}

/// Readers go on for grace and skew (spec/keys.md §8).
const GRACE: u64 = 10 + 5;

impl World {
    /// Before a delegation gets a successor: the thief keeps a copy, starts an epoch, and the
    /// broker chooses who is to see nothing but the successor, or it and credentials.
    pub(super) fn withhold_successor(&mut self, until: u64) {
        let mut copy = self.stolen_store();
        let epochs = 1 + self.dice.below(3);
        let forged = self.start_epochs(&mut copy, epochs);
        self.thief.copy = Some(copy);
        for device in 0..self.devices.len() {
            let client = self.devices[device].client;
            if self.devices[device].removed.is_some() || self.dice.one_in(3) {
                continue;
            }
            let credentials = self.dice.one_in(2);
            self.broker.clients[client].withheld = 0;
            self.broker.clients[client].only = Only { until, credentials };
            self.seen.fault("withheld successor");
            for publication in &forged {
                let (topic, payload) = (&publication.topic, &publication.payload);
                self.broker.inject(client, topic, payload, false);
            }
        }
        self.trace
            .note("the broker will show the successor and nothing else");
        self.flow();
    }

    /// The successor reaches everybody that the broker fools.
    pub(super) fn show_successor(&mut self) {
        let topic = ReservedTopic::Delegation.name(self.authority.prefix());
        let object = self.authority.delegation().to_vec();
        for device in 0..self.devices.len() {
            let client = self.devices[device].client;
            if self.broker.clients[client].only.until > self.broker.step {
                self.broker.inject(client, &topic, &object, false);
            }
        }
    }

    /// The thief goes on under the delegation that he has keys of, towards those who see nothing
    /// else.
    pub(super) fn thief_goes_on(&mut self, step: u64) {
        let fooled = |c: &super::broker::Client| c.online && c.only.until > step;
        if !self.broker.clients.iter().any(fooled) || !self.dice.one_in(3) {
            return;
        }
        let Some(mut copy) = self.thief.copy.take() else {
            return;
        };
        let forged = self.start_epochs(&mut copy, 1);
        self.thief.copy = Some(copy);
        for client in 0..self.broker.clients.len() {
            if fooled(&self.broker.clients[client]) {
                for publication in &forged {
                    let (topic, payload) = (&publication.topic, &publication.payload);
                    self.broker.inject(client, topic, payload, false);
                }
            }
        }
    }

    /// After each commit of the authority's: what it acts under.
    pub(super) fn note_delegated(&mut self) {
        if !self.published.delegations.note(self.authority.delegation()) {
            return;
        }
        let delegation = delegation_of(&self.authority);
        if delegation.continues(delegation.serial().saturating_sub(1)) {
            self.continued = Some(self.lineage.clone());
            self.lineage.append(&delegation);
        } else {
            self.continued = None;
            self.lineage = Lineage::begin(&delegation);
        }
    }

    /// After each commit of a device: which delegation it has taken.
    pub(super) fn note_delegation(&mut self, device: usize) {
        let this = &mut self.devices[device];
        if this.store.0["member/domain"] == this.taken.1 {
            return;
        }
        let (serial, record) = this.delegation();
        if serial > this.taken.0 {
            let before = std::mem::replace(&mut this.taken, (serial, record));
            let replaced = self.published.delegations.replaced(before.0, serial);
            if self.settings.sabotage == Sabotage::ForgottenSuccessor && before.0 > 0 && replaced {
                let this = &mut self.devices[device];
                this.store.0.insert("member/domain".into(), before.1);
                this.load_again = true;
            }
        }
    }

    /// Nobody seals with what a successor has ended. Keys for state come from an older announcement,
    /// and are in force as long as the newest one is, which goes on with them.
    pub(super) fn check_sealed(&mut self, device: usize, announcement: &[u8], is_state: bool) {
        let delegations = &self.published.delegations;
        let this = &self.devices[device];
        let taken = this.taken.0;
        let epoch = serial_of(announcement);
        let newest = this.announcement(this.epoch()).filter(|_| is_state);
        let credential = this.numbers.credential.0;
        for (what, serial, in_force) in [
            ("an epoch", epoch, newest.map_or(epoch, serial_of)),
            ("a credential", credential, credential),
        ] {
            assert!(
                !delegations.replaced(serial, taken),
                "{device} has taken delegation {taken} and seals with {what} of {serial}, whose \
                 keys were replaced"
            );
            let ended = this.has_clock && self.now / 1000 > delegations.end(in_force);
            assert!(
                !ended,
                "{device} seals with {what} of delegation {serial}, which has ended"
            );
            if serial < taken {
                self.seen.total("sealed under an older delegation");
            }
        }
    }

    /// Nor does anybody read with it. `announcement` is that of the message.
    pub(super) fn check_read(&mut self, device: usize, announcement: Option<&[u8]>) {
        let delegations = &self.published.delegations;
        let this = &self.devices[device];
        let taken = this.taken.0;
        let newest = this.announcement(this.epoch()).map_or(taken, serial_of);
        assert!(
            !delegations.replaced(newest, taken),
            "{device} has taken delegation {taken} and reads with an epoch of {newest}, whose \
             keys were replaced"
        );
        let ended = this.has_clock && self.now / 1000 > delegations.end(newest) + GRACE;
        assert!(
            !ended,
            "{device} reads with an epoch of delegation {newest}, which has ended"
        );
        let forged = announcement.filter(|announcement| self.is_forged(announcement));
        let forged = forged.map(serial_of);
        assert!(
            !forged.is_some_and(|serial| delegations.replaced(serial, taken)),
            "{device} has taken delegation {taken} and reads what was sealed under the thief's keys"
        );
        if newest < taken {
            self.seen.total("read under an older delegation");
        }
    }
}
