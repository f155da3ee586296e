//! Members that lie, and issuing keys that were stolen and replaced.

use std::ops::Range;

use crate::net::{Net, START, YEAR};
use sealmq_core::crypto::{Digest, IdentityKey, Secret, VerifyingKey};
use sealmq_core::object::{Access, Kind, List, sign_object};
use sealmq_core::seal::{
    Membership, Outgoing, Publisher, SenderSession, SessionLimits, SessionStart,
};
use sealmq_core::topic::Topic;
use sealmq_core::wire::Suite;
use sealmq_core::{Credential, Grant, GroupId, MAX_CREDENTIAL_LEN, MemberNumber};
use sealmq_keys::group::GroupState;
use sealmq_keys::member::{MemberEvent, MemberOptions, OutgoingMessage};
use sealmq_keys::objects::{DelegatedKey, Delegation, MAX_DELEGATION_LEN, Roles};
use sealmq_keys::{Publication, ReservedTopic};

/// A group member that seals by itself, as whoever it likes.
struct Insider {
    state: GroupState,
    key: IdentityKey,
    claims: MemberNumber,
    sessions: u64,
}

struct Claim {
    group: GroupId,
    member: MemberNumber,
    key: VerifyingKey,
}

impl Membership for Claim {
    fn group(&self) -> GroupId {
        self.group
    }
    fn member(&self) -> MemberNumber {
        self.member
    }
    fn key(&self) -> &VerifyingKey {
        &self.key
    }
    fn credential_hash(&self) -> Digest {
        Digest([1; 32])
    }
    fn credential_serial(&self) -> u32 {
        1
    }
    fn may_publish(&self) -> bool {
        true
    }
    fn may_subscribe(&self) -> bool {
        true
    }
    fn covers(&self, _: Topic<'_>) -> bool {
        true
    }
}

impl Insider {
    /// With the keys in a member's store.
    fn new(net: &Net, device: usize) -> Self {
        let key = format!("group/{}/state", net.group("plant"));
        let state = GroupState::decode(&net.devices[device].store.0[&key][1..]).unwrap();
        let key = IdentityKey::from_seed(&Secret::new([66; 32]));
        Self {
            state,
            key,
            claims: MemberNumber(1),
            sessions: START,
        }
    }

    fn seal(&mut self, topic: &str, payload: &[u8]) -> Vec<u8> {
        self.sessions += 1;
        let current = self.state.current().unwrap();
        let seed = sealmq_core::crypto::sha256(&[&self.sessions.to_be_bytes()]).0;
        let mut session = SenderSession::start(&SessionStart {
            group: *self.state.group(),
            announcement: current.hash,
            suite: Suite::One,
            group_key: &current.group_key,
            psk: &current.psk().session(),
            not_after: current.not_after,
            limits: SessionLimits::default(),
            number: self.sessions,
            seed: &Secret::new(seed),
            now: None,
        })
        .unwrap();
        let claim = Claim {
            group: *self.state.group(),
            member: self.claims,
            key: self.key.verifying_key(),
        };
        let publisher = Publisher::new(&self.key, claim).unwrap();
        let outgoing = Outgoing::new(Topic::new(topic).unwrap());
        let mut out = vec![0; 4096];
        let len = session
            .seal_into(&publisher, &outgoing, None, payload, &mut out)
            .unwrap();
        out.truncate(len);
        out
    }
}

/// Messages that a member seals in the names of others, one for each number.
pub fn in_the_name_of(net: &Net, device: usize, numbers: Range<u32>) -> Vec<Vec<u8>> {
    let mut insider = Insider::new(net, device);
    let mut forge = |number| {
        insider.claims = MemberNumber(number);
        insider.seal("plant/a", b"forged")
    };
    numbers.map(&mut forge).collect()
}

/// The same for the record topic of a member (spec/envelope.md §12).
pub fn records_in_the_name_of(
    net: &Net,
    device: usize,
    topic: &str,
    numbers: Range<u32>,
) -> Vec<Vec<u8>> {
    let mut insider = Insider::new(net, device);
    let mut forge = |number| {
        insider.claims = MemberNumber(number);
        insider.seal(topic, b"")
    };
    numbers.map(&mut forge).collect()
}

#[test]
fn an_insider_is_nobody_else() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let eve = net.join("eve", Access::BOTH);
    net.send(bob, "plant/a", b"genuine");
    assert_eq!(net.texts(alice), ["genuine"]);
    let mut insider = Insider::new(&net, eve);
    for victim in [bob, alice] {
        insider.claims = net.number(victim);
        let forged = insider.seal("plant/a", b"forged");
        net.deliver(alice, "plant/a", &forged, false);
    }
    assert_eq!(net.rejections(alice), ["Rejected", "Own"]);
    net.send(bob, "plant/a", b"still genuine");
    assert_eq!(net.texts(alice), ["still genuine"]);
}

/// Made-up senders cost a bounded number of subscriptions, all of which end.
#[test]
fn made_up_senders_are_bounded() {
    let mut net = Net::new();
    let options = MemberOptions {
        pending_messages: 50,
        ..MemberOptions::default()
    };
    let alice = net.join_with("alice", Access::BOTH, options);
    let eve = net.join("eve", Access::BOTH);
    let mut insider = Insider::new(&net, eve);
    let before = net.devices[alice].subscriptions.len();
    for number in 0..60 {
        insider.claims = MemberNumber(100_000 + number);
        let forged = insider.seal("plant/a", b"?");
        net.deliver(alice, "plant/a", &forged, false);
    }
    // What was dropped from the queue is not asked for any more either.
    let stats = net.devices[alice].member.stats();
    assert_eq!((stats.waiting, stats.rejected["UnknownSender"]), (50, 10));
    // Eight of them one by one, the others together.
    assert_eq!(net.devices[alice].subscriptions.len(), before + 8);
    net.tick(alice);
    assert_eq!(net.devices[alice].subscriptions.len(), before + 9);
    net.now += 30_000;
    net.tick(alice);
    assert_eq!(net.devices[alice].subscriptions.len(), before);
    assert_eq!(net.devices[alice].member.stats().waiting, 0);
}

/// A second issuing key, under a second delegation by the same root.
struct Successor {
    key: IdentityKey,
    serial: u32,
    delegation: Vec<u8>,
}

impl Successor {
    fn new(net: &Net) -> Self {
        Self::with_serial(net, 2)
    }

    fn with_serial(net: &Net, serial: u32) -> Self {
        let key = IdentityKey::from_seed(&Secret::new([serial as u8; 32]));
        let entry = DelegatedKey {
            key: *key.verifying_key().as_bytes(),
            roles: Roles::ALL,
        };
        // The keys of before go on: only other members' credentials are void at once.
        let before = DelegatedKey {
            key: net.request.keys[0].key,
            roles: Roles::ALL,
        };
        let mut list = [0; 128];
        let body = Delegation {
            domain: net.authority.domain(),
            root_key: *net.authority.root_key(),
            serial,
            issued_at: START,
            not_after: START + YEAR,
            keys: List::encode(&[entry, before], &mut list).unwrap(),
            kem_keys: List::EMPTY,
        };
        let mut out = [0; MAX_DELEGATION_LEN];
        let delegation = body
            .sign(Suite::One, &net.root, &mut out)
            .unwrap()
            .0
            .to_vec();
        Self {
            key,
            serial,
            delegation,
        }
    }

    fn publish(&self, net: &mut Net) {
        let topic = net.topic(ReservedTopic::Delegation);
        net.publish(Publication::retained(topic, self.delegation.clone()));
    }

    /// A new credential for a device, with a higher serial.
    fn renew(&self, net: &Net, device: usize, serial: u32) -> Publication {
        let number = net.number(device);
        let info = net
            .authority
            .members()
            .find(|m| m.number == number)
            .unwrap();
        self.credential(net, number, &info.name, info.key, serial)
    }

    fn credential(
        &self,
        net: &Net,
        number: MemberNumber,
        name: &str,
        key: [u8; 32],
        serial: u32,
    ) -> Publication {
        let grants = [Grant {
            group: net.group("plant"),
            access: Access::BOTH,
            publish_filter: "",
        }];
        let mut list = [0; 256];
        let body = Credential {
            domain: net.authority.domain(),
            serial: self.serial,
            signer: 0,
            member: number,
            credential_serial: serial,
            name,
            key,
            request: Digest([7; 32]),
            issued_at: START,
            not_after: START + YEAR,
            grants: List::encode(&grants, &mut list).unwrap(),
        };
        let mut out = [0; MAX_CREDENTIAL_LEN];
        let object = sign_object(Kind::Credential, &body, &self.key, &mut out)
            .unwrap()
            .0
            .to_vec();
        Publication::retained(net.topic(ReservedTopic::Credential(number)), object)
    }
}

#[test]
fn a_new_delegation_voids_what_the_old_key_signed() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    net.send(bob, "plant/a", b"1");
    assert_eq!(net.texts(alice), ["1"]);
    let successor = Successor::new(&net);
    let old_delegation = net.authority.delegation().to_vec();
    let topic = net.topic(ReservedTopic::Delegation);
    net.publish(Publication::retained(
        topic.clone(),
        successor.delegation.clone(),
    ));
    for device in [alice, bob] {
        assert!(
            net.devices[device]
                .events
                .contains(&MemberEvent::Delegation { serial: 2 })
        );
    }

    // The old one does not come back, also not after a restart.
    net.restart(alice);
    net.deliver(alice, &topic, &old_delegation, true);
    assert_eq!(net.devices[alice].member.stats().reserved_refused, 1);
    net.connect(alice);
    net.subscribe(alice, "plant/#");

    // A credential that the old key signed counts no more: the message waits for a new one.
    net.send(bob, "plant/a", b"2");
    assert!(net.texts(alice).is_empty());
    assert_eq!(net.devices[alice].member.stats().waiting, 1);
    let renewed = successor.renew(&net, bob, 2);
    net.publish(renewed.clone());
    // It was sealed under the credential before; the hint says so.
    assert_eq!(net.rejections(alice), ["Revoked"]);
    assert!(
        net.devices[bob]
            .events
            .contains(&MemberEvent::Credential { serial: 2 })
    );
    net.send(bob, "plant/a", b"3");
    assert_eq!(net.texts(alice), ["3"]);
    // And after a restart of both, from their stores.
    for device in [alice, bob] {
        net.restart(device);
        net.connect(device);
    }
    net.subscribe(alice, "plant/#");
    net.send(bob, "plant/a", b"4");
    assert_eq!(net.texts(alice), ["4"]);

    // A lower serial, or another object of the same serial, is refused.
    let before = net.devices[alice].store.0.clone();
    for serial in [1, 2] {
        let mut other = successor.renew(&net, bob, serial);
        if serial == 2 {
            assert_eq!(other, renewed);
            other.payload.truncate(1);
        }
        net.deliver(alice, &other.topic, &other.payload, false);
    }
    assert_eq!(net.devices[alice].store.0, before);
}

/// The reader learns of a new credential after the first message sealed under it: it waits.
#[test]
fn a_message_under_a_newer_credential_waits_for_it() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let successor = Successor::new(&net);
    let topic = net.topic(ReservedTopic::Delegation);
    net.publish(Publication::retained(topic, successor.delegation.clone()));
    let first = successor.renew(&net, bob, 2);
    net.publish(first);
    net.send(bob, "plant/a", b"1");
    assert_eq!(net.texts(alice), ["1"]);
    let second = successor.renew(&net, bob, 3);
    net.deliver(bob, &second.topic, &second.payload, false);
    net.send(bob, "plant/a", b"2");
    assert!(net.texts(alice).is_empty());
    net.publish(second);
    assert_eq!(net.texts(alice), ["2"]);
}

/// A stolen issuing key cannot give a known number another key; and what it did to a number that
/// was not known yet ends with the next delegation.
#[test]
fn a_number_keeps_its_key() {
    let mut net = Net::new();
    let (alice, bob) = (
        net.join("alice", Access::BOTH),
        net.join("bob", Access::BOTH),
    );
    let carol = net.join("carol", Access::BOTH);
    let stolen = Successor::new(&net);
    stolen.publish(&mut net);
    let renewed = stolen.renew(&net, bob, 2);
    net.publish(renewed.clone());
    net.send(bob, "plant/a", b"1");
    assert_eq!(net.texts(alice), ["1"]);
    let before = net.devices[alice].store.0.clone();
    let thief = *IdentityKey::from_seed(&Secret::new([99; 32]))
        .verifying_key()
        .as_bytes();
    for device in [alice, bob] {
        let number = net.number(device);
        let forged = stolen.credential(&net, number, "thief", thief, u32::MAX - 1);
        net.deliver(alice, &forged.topic, &forged.payload, false);
    }
    // And one number's credential on the topic of the other.
    let own = net.topic(ReservedTopic::Credential(net.number(alice)));
    net.deliver(alice, &own, &stolen.renew(&net, bob, 9).payload, false);
    assert_eq!(net.devices[alice].member.stats().reserved_refused, 3);
    assert_eq!(net.devices[alice].store.0, before);

    // Carol has not spoken yet, so alice does not know her: there the thief is first.
    let number = net.number(carol);
    let forged = stolen.credential(&net, number, "thief", thief, u32::MAX - 1);
    net.retained.insert(forged.topic, forged.payload);
    let mut envelope = net
        .seal(carol, &OutgoingMessage::new("plant/a", b"2"))
        .unwrap();
    net.deliver(alice, "plant/a", &envelope, false);
    assert!(net.texts(alice).is_empty());
    // The owner notices and brings a new delegation: the true key counts again.
    let third = Successor::with_serial(&net, 3);
    third.publish(&mut net);
    let genuine = third.renew(&net, carol, 2);
    net.publish(genuine);
    envelope = net
        .seal(carol, &OutgoingMessage::new("plant/a", b"3"))
        .unwrap();
    net.deliver(alice, "plant/a", &envelope, false);
    assert_eq!(net.texts(alice), ["3"]);
}
