//! State never goes back (spec/envelope.md §9, threat model A43, B2): per sender and topic, however it
//! is delivered, over restarts and full tables.

use crate::world::*;
use sealmq_core::MemberNumber;
use sealmq_core::open::{Rejection, Request, Staleness};
use sealmq_core::replay::Record;
use sealmq_core::seal::Outgoing;

const ALICE: MemberNumber = MemberNumber(7);
pub const REPLAY: Rejection = Rejection::Replay { member: ALICE };

/// Alice, and a reader of her.
pub struct Scene {
    pub group: Group,
    pub alice: Member,
    pub receiver: HostReceiver,
}

impl Scene {
    pub fn new(senders: usize, topics: usize) -> Self {
        let group = Group::new(1, 1);
        let alice = Member::new(7, &group);
        Self {
            group,
            alice,
            receiver: receiver_of(senders, topics, 16),
        }
    }

    /// Values of one session on one connection.
    pub fn values<const N: usize>(&self, session: u64, connection: u64) -> [Vec<u8>; N] {
        let mut session = self.group.keep_session(session);
        [(); N].map(|()| {
            self.alice
                .keep(&mut session, &plain(), connection, b"value")
        })
    }

    pub fn open(&mut self, request: &Request<'_>, envelope: &[u8]) -> Result<bool, Rejection> {
        let reader = Reader::new(&self.group, &[&self.alice]);
        let opened = reader.open(&mut self.receiver, request, envelope);
        opened.map(|message| message.retained)
    }

    pub fn live(&mut self, envelope: &[u8]) -> Result<bool, Rejection> {
        self.open(&live(TOPIC), envelope)
    }

    pub fn retained(&mut self, envelope: &[u8]) -> Result<bool, Rejection> {
        self.open(&retained(TOPIC), envelope)
    }

    pub fn restart(&mut self, senders: usize, topics: usize) {
        let mut stored = Stored::new();
        for record in state(&self.receiver) {
            let mut bytes = vec![0; Record::<2>::MAX_LEN];
            let len = record.encode(&mut bytes).unwrap();
            bytes.truncate(len);
            stored.insert(record.key(), bytes);
        }
        self.receiver = receiver_of(senders, topics, 16);
        load(&mut self.receiver, &stored);
    }
}

#[test]
fn a_value_that_was_shown_is_not_accepted_live() {
    let mut scene = Scene::new(16, 16);
    let [first, second, third] = scene.values(9, 0);
    // Nothing is known of the session yet.
    assert_eq!(scene.retained(&second), Ok(true));
    for restarted in [false, true] {
        assert_eq!(scene.live(&second), Err(REPLAY), "{restarted}");
        assert_eq!(scene.retained(&second), Ok(true), "again, marked as such");
        // Nor what came before it, which an honest broker gives only to who was not connected.
        assert_eq!(scene.live(&first), Err(REPLAY));
        assert_eq!(scene.retained(&first), Err(REPLAY));
        scene.restart(16, 16);
    }
    assert_eq!(scene.live(&third), Ok(false));
    for value in [&first, &second, &third] {
        assert_eq!(scene.live(value), Err(REPLAY));
    }
    assert_eq!(scene.retained(&second), Err(REPLAY));
    assert_eq!(scene.retained(&third), Ok(true), "seen live, then retained");
}

/// The place decides: connection, then whether it is a will, then session and counter.
#[test]
fn every_pair_in_both_orders_and_deliveries() {
    let scene = Scene::new(0, 0);
    let kept_will = |number| kept_will(&scene.alice, scene.group.keep_session(number));
    let [before_wills, later] = scene.values(90, 0);
    let [one, two] = scene.values(11, 10);
    let [after_renewal] = scene.values(35, 10);
    // Sealed on the connection before, and delivered after its end.
    let [next] = scene.values(9, 20);
    let ascending = [
        before_wills,
        later,
        one,
        two,
        after_renewal,
        kept_will(10),
        next,
        kept_will(20),
    ];
    let deliveries = [live(TOPIC), retained(TOPIC)];
    for (i, lower) in ascending.iter().enumerate() {
        for higher in &ascending[i + 1..] {
            for first in deliveries {
                for second in deliveries {
                    for restart in [false, true] {
                        let mut scene = Scene::new(4, 4);
                        assert!(scene.open(&first, lower).is_ok());
                        if restart {
                            scene.restart(4, 4);
                        }
                        assert!(scene.open(&second, higher).is_ok(), "{i}: goes on");
                        let mut scene = Scene::new(4, 4);
                        assert!(scene.open(&first, higher).is_ok());
                        if restart {
                            scene.restart(4, 4);
                        }
                        assert_eq!(scene.open(&second, lower), Err(REPLAY), "{i}: goes back");
                    }
                }
            }
        }
        for first in deliveries {
            let mut scene = Scene::new(4, 4);
            assert!(scene.open(&first, lower).is_ok());
            assert_eq!(scene.live(lower), Err(REPLAY));
            assert_eq!(scene.retained(lower), Ok(true));
        }
    }
}

/// threat model B2: an event in retained delivery, first of all, and as anything else.
#[test]
fn an_event_is_not_delivered_as_retained() {
    let mut scene = Scene::new(16, 16);
    let event = scene
        .alice
        .seal(&mut scene.group.session(9), &plain(), b"event");
    assert_eq!(scene.retained(&event), Err(REPLAY));
    assert_eq!(scene.live(&event), Ok(false));
    assert_eq!(scene.retained(&event), Err(REPLAY));
}

#[test]
fn topics_and_senders_have_marks_of_their_own() {
    let mut scene = Scene::new(16, 16);
    let [newest] = scene.values(9, 30);
    assert_eq!(scene.live(&newest), Ok(false));
    let elsewhere = scene.alice.value(&scene.group, 7, "plant/b");
    assert_eq!(scene.open(&retained("plant/b"), &elsewhere), Ok(true));
    let (bob, other) = (Member::new(8, &scene.group), Group::new(2, 1));
    let reader = Reader::new(&scene.group, &[&bob]);
    let value = bob.value(&scene.group, 5, TOPIC);
    assert!(
        reader
            .open(&mut scene.receiver, &live(TOPIC), &value)
            .is_ok()
    );
    let alice = Member::new(7, &other);
    let reader = Reader::new(&other, &[&alice]);
    let value = alice.value(&other, 5, TOPIC);
    assert!(
        reader
            .open(&mut scene.receiver, &live(TOPIC), &value)
            .is_ok()
    );
}

/// Kept keys do not change with the epoch: a value opens in later ones, and for who came later.
#[test]
fn state_outlives_its_epoch() {
    let (first, later) = (Group::new(1, 1), Group::new(1, 40));
    let healed = Group::with_kept(1, 41, 41);
    let alice = Member::new(7, &first);
    let value = alice.value(&first, 9, TOPIC);
    let event = alice.seal(&mut first.session(9), &plain(), b"x");
    let followed = Reader::new(&later, &[&alice]);
    let came_later = Reader {
        kept: vec![&first],
        ..Reader::new(&healed, &[&alice])
    };
    for reader in [followed, came_later] {
        let opened = reader.open(&mut receiver(), &retained(TOPIC), &value);
        assert_eq!(opened.unwrap().payload, b"value");
        let opened = reader.open(&mut receiver(), &live(TOPIC), &event);
        assert!(matches!(opened, Err(Rejection::UnknownKey { .. })));
    }
    let reader = Reader::new(&healed, &[&alice]);
    let opened = reader.open(&mut receiver(), &retained(TOPIC), &value);
    assert!(matches!(opened, Err(Rejection::UnknownKey { .. })));
    // Kept keys are wiped as an epoch's are.
    let mut receiver = receiver();
    let reader = Reader::new(&first, &[&alice]);
    reader.open(&mut receiver, &live(TOPIC), &value).unwrap();
    assert_eq!(receiver.session_count(), 1);
    receiver.retain_epochs(|name| *name == first.kept.name);
    assert_eq!(receiver.session_count(), 1);
    receiver.retain_epochs(|name| *name == first.events.name);
    assert_eq!(receiver.session_count(), 0);
}

/// Floors and windows do not apply to state, and state does not change them.
#[test]
fn state_and_events_leave_each_other_alone() {
    for (senders, topics) in [(16, 16), (1, 1), (1, 4)] {
        let mut scene = Scene::new(senders, topics);
        let mut session = scene.group.session(9);
        let events = [(); 200].map(|()| scene.alice.seal(&mut session, &plain(), b"event"));
        assert_eq!(scene.live(&events[150]), Ok(false));
        let before = scene
            .receiver
            .sender(&scene.group.id, ALICE)
            .cloned()
            .unwrap();
        let windows = |receiver: &HostReceiver, group: &Group| {
            let record = receiver.sender(&group.id, ALICE).cloned().unwrap();
            (record.serial(), record.floor(), record.highest())
        };
        // State of Alice and of others, with all numbers there are, live and retained.
        for number in [1, 8, 9, 10, 500, (1 << 35) - 1] {
            for other in [7, 20, 21, 22] {
                let member = Member::new(other, &scene.group);
                let reader = Reader::new(&scene.group, &[&member]);
                for name in ["plant/1", "plant/2", "plant/3"] {
                    let value = member.value(&scene.group, number, name);
                    for request in [retained(name), live(name)] {
                        let _ = reader.open(&mut scene.receiver, &request, &value);
                    }
                }
            }
        }
        for number in [3, 20] {
            let will = kept_will(&scene.alice, scene.group.keep_session(number));
            let _ = scene.retained(&will);
            let _ = scene.live(&will);
        }
        let after = windows(&scene.receiver, &scene.group);
        assert_eq!(after, (before.serial(), before.floor(), before.highest()));
        assert_eq!(scene.live(&events[150]), Err(REPLAY));
        assert_eq!(scene.live(&events[22]), Err(REPLAY), "below the window");
        assert_eq!(scene.live(&events[23]), Ok(false));
        let low = scene
            .alice
            .seal(&mut scene.group.session(2), &plain(), b"event");
        assert_eq!(scene.live(&low), Ok(false), "no floor rose");
        // And the other way round: sessions of events refuse no state.
        for number in 600..606 {
            let event = scene
                .alice
                .seal(&mut scene.group.session(number), &plain(), b"x");
            assert_eq!(scene.live(&event), Ok(false));
        }
        if topics > 4 {
            let low = scene.alice.value(&scene.group, 1, "plant/new");
            assert_eq!(scene.open(&live("plant/new"), &low), Ok(false));
        }
    }
}

/// threat model A25.
#[test]
fn a_will_fires_once_and_not_for_ever() {
    let mut scene = Scene::new(16, 16);
    scene.alice = Member {
        issued_at: 0,
        not_after: u64::MAX,
        ..scene.alice
    };
    let will_of = |scene: &Scene, number, retain| {
        let session = scene.group.keep_session(number);
        seal_will(&scene.alice, session, &will(), retain)
    };
    let first = will_of(&scene, 10, false);
    let second = will_of(&scene, 20, true);
    // Ordinary traffic far above does not shut the will out.
    for number in 11..18 {
        let event = scene
            .alice
            .seal(&mut scene.group.session(number), &plain(), b"x");
        scene.live(&event).unwrap();
    }
    assert_eq!(scene.live(&first), Ok(false));
    for _ in 0..2 {
        assert_eq!(scene.live(&first), Err(REPLAY));
        assert_eq!(scene.retained(&first), Err(REPLAY), "nobody keeps it");
        scene.restart(16, 16);
    }
    assert_eq!(scene.live(&second), Ok(false));
    assert_eq!(scene.retained(&second), Ok(true));
    assert_eq!(scene.live(&second), Err(REPLAY));
    assert_eq!(scene.live(&first), Err(REPLAY));
    // It did not touch the order of ordinary sessions.
    let event = scene
        .alice
        .seal(&mut scene.group.session(19), &plain(), b"x");
    assert_eq!(scene.live(&event), Ok(false));
    // Too old live; kept by the broker it may be as old as its sender's absence.
    let third = will_of(&scene, 30, true);
    scene.group.not_after = u64::MAX / 1000;
    let at = |now, request| Request {
        now: Some(now),
        ..request
    };
    let last = NOW + 604_800_000 + 300_000;
    let stale = Err(Rejection::Stale(Staleness::Old));
    assert_eq!(scene.open(&at(last + 1, live(TOPIC)), &third), stale);
    assert_eq!(scene.open(&at(last + 1, retained(TOPIC)), &third), Ok(true));
    let fourth = will_of(&scene, 40, true);
    assert_eq!(scene.open(&at(last, live(TOPIC)), &fourth), Ok(false));
}

/// A will that is not kept has no place: it neither heeds a mark nor raises one.
#[test]
fn a_passing_will_has_no_place() {
    let mut scene = Scene::new(16, 16);
    let [value, next] = scene.values(5, 4);
    let [newest] = scene.values(60, 50);
    assert_eq!(scene.live(&value), Ok(false));
    let passing = passing_will(&scene.alice, scene.group.keep_session(40));
    assert_eq!(scene.live(&passing), Ok(false));
    assert_eq!(scene.live(&next), Ok(false), "it raised no mark");
    assert_eq!(scene.retained(&newest), Ok(true));
    let late = passing_will(&scene.alice, scene.group.keep_session(45));
    assert_eq!(scene.live(&late), Ok(false), "it heeds none");
    // But it is a will: an older one that is kept comes too late for a live delivery, though its
    // topic has no mark.
    let kept = seal_will(
        &scene.alice,
        scene.group.keep_session(44),
        &Outgoing {
            sent_at: Some(NOW),
            ..Outgoing::new(topic("plant/b"))
        },
        true,
    );
    assert_eq!(scene.open(&live("plant/b"), &kept), Err(REPLAY));
    assert_eq!(scene.open(&retained("plant/b"), &kept), Ok(true));
    // One that was shown is none that came live: an older one that nobody keeps may still come.
    let mut scene = Scene::new(16, 16);
    let shown = kept_will(&scene.alice, scene.group.keep_session(20));
    let older = passing_will(&scene.alice, scene.group.keep_session(10));
    assert_eq!(scene.retained(&shown), Ok(true));
    assert_eq!(scene.live(&older), Ok(false));
    assert_eq!(scene.live(&shown), Err(REPLAY));
}

/// The usual pattern: "offline" as retained will, "online" as retained value, on one topic.
#[test]
fn a_will_and_the_values_around_it_do_not_shut_each_other_out() {
    let mut scene = Scene::new(16, 16);
    let offline = |scene: &Scene, number| kept_will(&scene.alice, scene.group.keep_session(number));
    let mut past: Vec<Vec<u8>> = Vec::new();
    for connection in [10, 20, 30] {
        let dead = offline(&scene, connection);
        let [alive] = scene.values(connection + 1, connection);
        assert_eq!(scene.retained(&alive), Ok(true));
        assert_eq!(
            scene.live(&alive),
            Err(REPLAY),
            "what was shown is not news"
        );
        // A will of before, put back over it.
        for old in &past {
            assert_eq!(scene.live(old), Err(REPLAY));
            assert_eq!(scene.retained(old), Err(REPLAY));
        }
        // The connection is lost while the reader is away; it finds the will as retained value.
        assert_eq!(scene.retained(&dead), Ok(true));
        assert_eq!(scene.live(&alive), Err(REPLAY));
        assert_eq!(scene.retained(&alive), Err(REPLAY));
        past.extend([dead, alive]);
    }
}
