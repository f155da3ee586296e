//! A device that joins over MQTT, with a real authority and a broker that lies
//! (spec/keys.md §12).

mod lies;

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
use sealmq_keys::objects::{JoinRefusalFields, JoinRefusalReason as Reason, Roles, Token};
use sealmq_keys::{ReservedTopic, Store};

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
            let told = desk.passed.get(&topic).or(desk.retained.get(&topic));
            if let Some(payload) = told.cloned() {
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
        // It does not join twice: the same options find what came of them, others do not fit.
        let mut again =
            |name, way| Member::join(&client.store, options(name, way), &mut client.rng);
        let done = again("pump-1", by_token(&token)).unwrap();
        assert_eq!(done.enrolled(), client.joined.as_ref());
        assert!(done.again().is_none());
        for (name, way) in [("pump-2", by_token(&token)), ("pump-1", by_root(&desk))] {
            assert!(matches!(
                again(name, way),
                Err(MemberError::AlreadyEnrolled)
            ));
        }
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
    let refusal = desk.answer(old).unwrap().to_vec();

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
