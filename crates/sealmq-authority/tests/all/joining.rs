//! A device that joins over MQTT, with a real authority and a broker that lies
//! (spec/keys.md §12).

use crate::common::desk::{Desk, NOW, YEAR, grants};
use crate::common::device::Device;
use crate::common::{MemoryStore, TestRng};
use sealmq_core::crypto::{Digest, IdentityKey, Secret};
use sealmq_core::object::ObjectError;
use sealmq_core::wire::Suite;
use sealmq_keys::member::{
    Action, EnrolledAs, JoinAction, JoinOptions, JoinWay, Joiner, Member, MemberError, MemberEvent,
    MemberOptions,
};
use sealmq_keys::{
    JoinRefusalFields, JoinRefusalReason as Reason, ReservedTopic, Roles, Store, Token,
};

const MS: Option<u64> = Some(NOW * 1000);

/// A device with its store, which the process can lose and the store keeps.
struct Client {
    store: MemoryStore,
    rng: TestRng,
    joiner: Joiner,
    joined: Option<EnrolledAs>,
    refused: Option<Reason>,
    waiting: bool,
    ignored: Vec<MemberError>,
    sent: usize,
}

fn by_token(token: &Token) -> JoinWay {
    JoinWay::Token(Token::parse(&token.to_uri().unwrap()).unwrap().into())
}

fn by_root(desk: &Desk) -> JoinWay {
    JoinWay::Root {
        root_key: *desk.authority.root_key(),
        prefix: None,
        suite: None,
        serial: 0,
    }
}

fn options(name: &str, way: JoinWay) -> JoinOptions {
    JoinOptions {
        name: name.into(),
        way,
        packages: 2,
        extensions: Vec::new(),
    }
}

impl Client {
    fn new(seed: u64, name: &str, way: JoinWay) -> Self {
        Self::with(MemoryStore::default(), seed, name, way).unwrap()
    }

    fn with(store: MemoryStore, seed: u64, name: &str, way: JoinWay) -> Result<Self, MemberError> {
        let mut rng = TestRng::new(seed);
        let joiner = Member::join(&store, options(name, way), &mut rng)?;
        Ok(Self {
            store,
            rng,
            joiner,
            joined: None,
            refused: None,
            waiting: false,
            ignored: Vec::new(),
            sent: 0,
        })
    }

    /// The broker delivers something; what the device publishes goes to the authority.
    fn deliver(&mut self, desk: &mut Desk, topic: &str, payload: &[u8]) {
        let actions = self.joiner.handle(topic, payload, MS, &mut self.rng);
        for action in actions.unwrap() {
            match action {
                JoinAction::Commit(changes) => self.store.commit(&changes).unwrap(),
                JoinAction::Publish(publication) => {
                    let topic = ReservedTopic::parse(desk.authority.prefix(), &publication.topic);
                    assert_eq!(topic, Some(ReservedTopic::Join(self.joiner.fingerprint())));
                    assert!(publication.retain);
                    self.sent += 1;
                    desk.handle(topic.unwrap(), &publication.payload, NOW);
                    if publication.payload.is_empty() {
                        desk.retained.remove(&publication.topic);
                    }
                }
                JoinAction::Waiting(shown) => {
                    assert_eq!(shown, self.joiner.fingerprint());
                    self.waiting = true;
                }
                JoinAction::Joined(enrolled) => self.joined = Some(enrolled),
                JoinAction::Refused(reason) => self.refused = Some(reason),
                JoinAction::Ignored { error, .. } => self.ignored.push(error),
                other => panic!("{other:?}"),
            }
        }
    }

    /// A new connection: the broker delivers what it has retained.
    fn connect(&mut self, desk: &mut Desk) {
        for topic in self.joiner.subscriptions() {
            if let Some(payload) = desk.retained.get(&topic).cloned() {
                self.deliver(desk, &topic, &payload);
            }
        }
    }

    fn answer(&mut self, desk: &mut Desk, payload: &[u8]) {
        let topic = desk.name(ReservedTopic::Answer(self.joiner.fingerprint()));
        self.deliver(desk, &topic, payload);
    }

    /// The process ends and starts again.
    fn restart(self, name: &str, way: JoinWay) -> Self {
        Self::with(self.store, 99, name, way).unwrap()
    }
}

#[test]
fn a_device_joins_by_token() {
    for suite in [Suite::One, Suite::Two] {
        let mut desk = Desk::with_groups(suite);
        let token = desk.token("pump-*", 1);
        let mut client = Client::new(1, "pump-1", by_token(&token));
        client.connect(&mut desk);
        let joined = client.joined.as_ref().unwrap();
        assert_eq!(
            (joined.name.as_str(), joined.root_key),
            ("pump-1", *desk.authority.root_key())
        );
        assert_eq!(joined.prefix, desk.authority.prefix());
        assert_eq!(joined.grants.len(), 1);
        assert_eq!(desk.uses_left(), [0]);
        assert!(
            desk.at(ReservedTopic::Join(client.joiner.fingerprint()))
                .is_none()
        );

        // It is a member like any other, and opens its welcome.
        let mut member = Member::load(&client.store, MemberOptions::default()).unwrap();
        let group = desk.authority.groups().find(|g| g.name == "plant").unwrap();
        let mut welcomed = Vec::new();
        for (topic, payload) in &desk.retained {
            for action in member.handle_reserved(topic, payload, MS) {
                if let Action::Event(MemberEvent::Joined { group, .. }) = action {
                    welcomed.push(group);
                }
            }
        }
        assert_eq!((welcomed, member.packages_left()), (vec![group.id], 1));
        // It does not join twice.
        let again = Member::join(
            &client.store,
            options("pump-1", by_token(&token)),
            &mut client.rng,
        );
        assert!(matches!(again, Err(MemberError::AlreadyEnrolled)));
    }
}

#[test]
fn a_device_joins_by_approval_or_is_rejected() {
    for suite in [Suite::One, Suite::Two] {
        let mut desk = Desk::with_groups(suite);
        let [mut good, mut bad] =
            [1, 2].map(|n| Client::new(n, &format!("lab-{n}"), by_root(&desk)));
        for client in [&mut good, &mut bad] {
            client.connect(&mut desk);
            assert!(client.waiting && client.joined.is_none() && client.refused.is_none());
        }
        // It is interrupted while it waits, and goes on with the same request.
        let fingerprint = good.joiner.fingerprint();
        let mut good = good.restart("lab-1", by_root(&desk));
        assert_eq!(good.joiner.fingerprint(), fingerprint);
        let all = grants(&["plant"]);
        let (_, plan) = desk
            .authority
            .approve(fingerprint, None, &all, YEAR, NOW, &mut desk.rng)
            .unwrap();
        desk.commit(plan);
        good.connect(&mut desk);
        assert_eq!(good.joined.unwrap().name, "lab-1");

        let plan = desk
            .authority
            .reject(bad.joiner.fingerprint(), NOW)
            .unwrap();
        desk.commit(plan);
        bad.connect(&mut desk);
        assert_eq!(bad.refused, Some(Reason::Operator));
        assert!(
            desk.at(ReservedTopic::Join(bad.joiner.fingerprint()))
                .is_none()
        );
        let loaded = Member::load(&bad.store, MemberOptions::default());
        assert!(matches!(loaded, Err(MemberError::NotEnrolled)));
    }
}

#[test]
fn after_a_refusal_the_next_token_lets_it_in() {
    let mut desk = Desk::with_groups(Suite::One);
    let revoked = desk.token("", 9);
    let plan = desk.authority.revoke_token(&revoked.id, NOW).unwrap();
    desk.commit(plan);
    let mut client = Client::new(1, "x", by_token(&revoked));
    client.connect(&mut desk);
    assert_eq!(client.refused, Some(Reason::Token));
    let old = client.joiner.fingerprint();
    let refusal = desk.at(ReservedTopic::Answer(old)).unwrap().to_vec();

    let token = desk.token("", 9);
    let mut client = client.restart("x", by_token(&token));
    assert_eq!(client.joiner.fingerprint(), old, "the same keys");
    // The old refusal is still there, and comes before and after the new request.
    client.answer(&mut desk, &refusal);
    let delegation = desk.name(ReservedTopic::Delegation);
    let bytes = desk.authority.delegation().to_vec();
    client.deliver(&mut desk, &delegation, &bytes);
    client.answer(&mut desk, &refusal);
    assert_eq!((client.refused, client.sent), (None, 1));
    client.connect(&mut desk);
    assert!(client.joined.is_some());
}

#[test]
fn a_name_that_is_taken_can_be_changed() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("pump-*", 9);
    let refused = Client::with(MemoryStore::default(), 1, "valve", by_token(&token));
    assert!(matches!(refused.err(), Some(MemberError::TokenName { .. })));
    Client::new(1, "pump-1", by_token(&token)).connect(&mut desk);
    let mut client = Client::new(2, "pump-1", by_token(&token));
    client.connect(&mut desk);
    assert_eq!(client.refused, Some(Reason::Name));
    let mut client = client.restart("pump-2", by_token(&token));
    client.connect(&mut desk);
    assert_eq!(client.joined.unwrap().name, "pump-2");
    assert_eq!(desk.uses_left(), [7]);
}

#[test]
fn whatever_is_lost_the_request_counts_once() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 9);
    let mut client = Client::new(1, "x", by_token(&token));
    let delegation = desk.name(ReservedTopic::Delegation);
    let bytes = desk.authority.delegation().to_vec();
    client.deliver(&mut desk, &delegation, &bytes);
    assert_eq!((client.sent, desk.uses_left()), (1, vec![8]));
    // The connection breaks: the same bytes go out again. Then the process ends.
    client.deliver(&mut desk, &delegation, &bytes);
    assert_eq!(client.sent, 2);
    let mut client = client.restart("x", by_token(&token));
    client.deliver(&mut desk, &delegation, &bytes);
    assert_eq!(desk.uses_left(), [8]);
    client.connect(&mut desk);
    assert!(client.joined.is_some());
    assert_eq!(desk.authority.members().count(), 1);
    // What comes later changes nothing.
    let sent = client.sent;
    client.connect(&mut desk);
    assert_eq!(client.sent, sent);
}

#[test]
fn no_two_requests_are_sealed_alike() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 9);
    let mut seen = Vec::new();
    let mut store = MemoryStore::default();
    for _ in 0..3 {
        // The RNG begins anew with each process; the stored device secret does not.
        let mut client = Client::with(store, 7, "x", by_token(&token)).unwrap();
        let topic = desk.name(ReservedTopic::Delegation);
        let bytes = desk.authority.delegation().to_vec();
        let actions = client.joiner.handle(&topic, &bytes, MS, &mut client.rng);
        for action in actions.unwrap() {
            match action {
                JoinAction::Commit(changes) => client.store.commit(&changes).unwrap(),
                JoinAction::Publish(p) => seen.push(p.payload),
                other => panic!("{other:?}"),
            }
        }
        store = client.store;
    }
    assert_eq!(seen.len(), 3);
    assert!(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2]);
    desk.reload();
}

#[test]
fn a_broker_that_lies_gets_nothing_accepted() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 9);
    let mut victim = Client::new(1, "victim", by_token(&token));
    let delegation_topic = desk.name(ReservedTopic::Delegation);
    let delegation = desk.authority.delegation().to_vec();

    // A delegation of another root, or damaged, or of another suite: nothing is sent.
    let other = Desk::new(Suite::One, 2);
    let foreign = other.authority.delegation().to_vec();
    let mut damaged = delegation.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for bad in [&foreign, &damaged] {
        victim.deliver(&mut desk, &delegation_topic, bad);
    }
    assert_eq!((victim.sent, victim.ignored.len()), (0, 2));
    assert!(victim.store.0.is_empty());
    victim.deliver(&mut desk, &delegation_topic, &delegation);
    assert_eq!(victim.sent, 1);
    let real = desk
        .at(ReservedTopic::Answer(victim.joiner.fingerprint()))
        .unwrap()
        .to_vec();

    // Another device's credential.
    let mut thief = Client::new(2, "thief", by_token(&token));
    thief.deliver(&mut desk, &delegation_topic, &delegation);
    let stolen = desk
        .at(ReservedTopic::Answer(thief.joiner.fingerprint()))
        .unwrap()
        .to_vec();
    victim.answer(&mut desk, &stolen);
    assert!(matches!(
        victim.ignored.pop(),
        Some(MemberError::OtherDevice)
    ));

    // A refusal that somebody else signed; another device's; the right one, damaged.
    let forged = |request: Digest, reason| {
        let fields = JoinRefusalFields {
            domain: desk.authority.domain(),
            serial: desk.delegation().serial(),
            signer: 0,
            request,
            reason,
        };
        let signer = IdentityKey::from_seed(&Secret::new([9; 32]));
        fields.sign(&signer, &mut [0; 256]).unwrap().0.to_vec()
    };
    let forgery = forged(Digest::ZERO, Reason::Operator);
    let none = Token {
        id: [5; 8],
        ..desk.token("", 1)
    };
    let stranger = Device::new(7, Suite::One, desk.authority.domain());
    let asked = stranger.join(&desk.delegation(), Some(&none), "stranger", 1, NOW);
    desk.handle(ReservedTopic::Join(stranger.fingerprint()), &asked, NOW);
    let others = desk
        .at(ReservedTopic::Answer(stranger.fingerprint()))
        .unwrap()
        .to_vec();
    for bad in [forgery, others] {
        victim.answer(&mut desk, &bad);
        assert!(victim.ignored.pop().is_some());
    }
    for at in [0, 1, 2, real.len() / 2, real.len() - 1] {
        let mut bad = real.clone();
        bad[at] ^= 1;
        victim.answer(&mut desk, &bad);
        assert!(victim.ignored.pop().is_some(), "byte {at}");
    }
    // On another topic, or cleared.
    let elsewhere = desk.name(ReservedTopic::Answer(thief.joiner.fingerprint()));
    victim.deliver(&mut desk, &elsewhere, &real);
    victim.answer(&mut desk, &[]);
    assert!(victim.joined.is_none() && victim.refused.is_none());
    victim.answer(&mut desk, &real);
    assert_eq!(victim.joined.unwrap().name, "victim");
}

#[test]
fn an_old_delegation_is_not_taken() {
    let mut desk = Desk::with_groups(Suite::One);
    let token = desk.token("", 9);
    let topic = desk.name(ReservedTopic::Delegation);
    let old = desk.authority.delegation().to_vec();
    let asked = desk
        .authority
        .request_delegation(true, false, NOW, &mut desk.rng);
    let (request, plan) = asked.unwrap();
    desk.commit(plan);
    let signed = desk.root.delegate(&request, 2, NOW, NOW + YEAR, Roles::ALL);
    let plan = desk
        .authority
        .install_delegation(&signed.unwrap(), false, NOW, &mut desk.rng);
    desk.commit(plan.unwrap());
    let new = desk.authority.delegation().to_vec();
    assert_ne!(old, new);

    let mut client = Client::new(1, "x", by_token(&token));
    client.deliver(&mut desk, &topic, &new);
    client.deliver(&mut desk, &topic, &old);
    assert!(matches!(
        client.ignored.pop(),
        Some(MemberError::Delegation(_))
    ));
    assert_eq!(client.sent, 1);
    // Not after a restart either.
    let mut client = client.restart("x", by_token(&token));
    client.deliver(&mut desk, &topic, &old);
    assert_eq!((client.sent, client.ignored.len()), (0, 1));
    client.connect(&mut desk);
    assert!(client.joined.is_some());

    // A device that knows nothing yet asks under the new one when that comes; an expired one is
    // refused by its clock.
    let mut late = Client::new(2, "y", by_token(&token));
    late.deliver(&mut desk, &topic, &old);
    late.deliver(&mut desk, &topic, &new);
    late.connect(&mut desk);
    assert!(late.joined.is_some());
    let mut expired = Client::new(3, "z", by_token(&token));
    let now = Some((NOW + 2 * YEAR) * 1000);
    let actions = expired.joiner.handle(&topic, &new, now, &mut expired.rng);
    assert!(matches!(actions.unwrap()[..], [JoinAction::Ignored { .. }]));
}

#[test]
fn a_store_belongs_to_one_domain_and_one_way() {
    let mut desk = Desk::with_groups(Suite::One);
    let mut other = Desk::new(Suite::Two, 2);
    let mut client = Client::new(1, "x", by_root(&desk));
    client.connect(&mut desk);
    let moved = Client::with(client.store, 1, "x", by_root(&other));
    assert!(matches!(moved.err(), Some(MemberError::OtherDomain)));

    let mut store = MemoryStore::default();
    let (changes, _) = Member::request(&store, "x", 1, MS, &mut other.rng).unwrap();
    store.commit(&changes).unwrap();
    let mixed = Client::with(store, 1, "x", by_root(&desk));
    assert!(matches!(mixed.err(), Some(MemberError::AlreadyRequested)));

    let mut broken = Client::new(1, "x", by_root(&desk));
    broken.rng.break_down();
    let topic = desk.name(ReservedTopic::Delegation);
    let bytes = desk.authority.delegation().to_vec();
    let failed = broken.joiner.handle(&topic, &bytes, MS, &mut broken.rng);
    assert!(matches!(failed, Err(MemberError::Random)));
}

/// Threat model A40: the thief of the first delegation's key would take the device in.
#[test]
fn a_token_pins_the_delegation() {
    for suite in [Suite::One, Suite::Two] {
        let mut desk = Desk::with_groups(suite);
        let topic = desk.name(ReservedTopic::Delegation);
        let stolen = desk.retained[&topic].clone();
        // It learned the first delegation before the theft was noticed, and its request waits.
        let mut early = Client::new(2, "early", by_root(&desk));
        early.connect(&mut desk);
        assert!(early.waiting);

        // The answer to another one is signed, and does not come through in time.
        let mut signed = Client::new(4, "signed", by_root(&desk));
        signed.connect(&mut desk);
        let (device, all) = (signed.joiner.fingerprint(), grants(&["plant"]));
        let approved = desk
            .authority
            .approve(device, None, &all, YEAR, NOW, &mut desk.rng);
        desk.commit(approved.unwrap().1);
        let answer = desk.retained[&desk.name(ReservedTopic::Answer(device))].clone();

        desk.recover();
        let token = desk.token("", 3);
        assert_eq!(token.serial, 2);
        let mut signed = signed.restart("signed", by_token(&token));
        signed.answer(&mut desk, &answer);
        assert!(signed.joined.is_none(), "under the delegation of its store");
        let good = desk.retained[&topic].clone();
        let serial = |e: &MemberError| matches!(e, MemberError::Delegation(ObjectError::Serial));

        let mut late = Client::new(1, "late", by_token(&token));
        for _ in 0..2 {
            late.deliver(&mut desk, &topic, &stolen);
            assert!(late.ignored.iter().all(serial) && !late.ignored.is_empty());
            assert_eq!((late.sent, late.store.0.len()), (0, 0));
            late = late.restart("late", by_token(&token));
        }
        let mut early = early.restart("early", by_token(&token));
        early.deliver(&mut desk, &topic, &stolen);
        assert!(early.ignored.iter().all(serial) && !early.ignored.is_empty());
        assert_eq!(early.sent, 0);

        // The root alone, with its serial, pins as much.
        let JoinWay::Root {
            root_key,
            prefix,
            suite,
            ..
        } = by_root(&desk)
        else {
            unreachable!("by the root");
        };
        let way = JoinWay::Root {
            root_key,
            prefix,
            suite,
            serial: 2,
        };
        let mut by_hand = Client::new(3, "by-hand", way);
        by_hand.deliver(&mut desk, &topic, &stolen);
        assert_eq!((by_hand.sent, by_hand.ignored.len()), (0, 1));

        for client in [&mut late, &mut early] {
            client.deliver(&mut desk, &topic, &good);
            client.connect(&mut desk);
            assert!(client.joined.is_some());
        }
    }
}
