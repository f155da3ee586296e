//! A call that fails leaves nothing behind: the authority is as if it had just been loaded.

use std::cell::Cell;
use std::fmt::Debug;

use sealmq_authority::{
    Authority, AuthorityError, AuthorityEvent, GrantSpec, LoadError, NewGroup, Plan, ResumeOptions,
    TokenSpec,
};
use sealmq_core::object::Access;
use sealmq_core::wire::Suite;
use sealmq_keys::objects::{NamePattern, Policy, Roles};
use sealmq_keys::{Change, Changes, Conflict, ReservedTopic, Store, StoredRecord};
use zeroize::Zeroizing;

use crate::common::desk::{Desk, NOW, YEAR, grants};
use crate::common::device::Device;
use crate::common::{MemoryStore, TestRng};

const DAY: u64 = 86_400;
/// Rotations and renewals are due then.
const LATER: u64 = NOW + 45 * DAY;

/// A domain with something of everything.
struct Scene {
    desk: Desk,
    /// For the keys in use, and for those that wait.
    renewal: Vec<u8>,
    recovery: Vec<u8>,
    join: (String, Vec<u8>),
    packages: (String, Vec<u8>),
    pending: Device,
}

type Call<'a> = Box<dyn Fn(&mut Authority, &mut TestRng) -> Result<Plan, AuthorityError> + 'a>;

fn both() -> Vec<GrantSpec> {
    let mut both = grants(&["plant", "office"]);
    both[1].access = Access::PUBLISH;
    both
}

fn scene() -> Scene {
    let mut desk = Desk::with_groups(Suite::One);
    let leased = NewGroup {
        policy: Policy {
            lease: 600,
            ..Policy::default()
        },
        depth: 4,
        ..NewGroup::new("lab", ["lab/#"])
    };
    desk.add_group(&leased);
    let domain = desk.authority.domain();
    let device = |seed| Device::new(seed, Suite::One, domain);
    for seed in 1..=4 {
        let request = device(seed).request(&format!("device-{seed}"), 4, NOW);
        let (_, plan) = desk
            .authority
            .enrol(&request, &both(), 60 * DAY, NOW, &mut desk.rng)
            .unwrap();
        desk.commit(plan);
    }
    let plan = desk.authority.tick(NOW, &mut desk.rng).unwrap();
    desk.commit(plan);
    let member = desk.authority.find_member("device-1").unwrap();
    let plan = desk.authority.remove(member, NOW, &mut desk.rng).unwrap();
    desk.commit(plan);
    let token = desk.token("pump-*", 3);
    let delegation = desk.delegation();
    let pending = device(20);
    let request = pending.join(&delegation, None, "waits", 1, NOW);
    desk.handle(ReservedTopic::Join(pending.fingerprint()), &request, NOW);

    let sign = |desk: &mut Desk, new_keys| {
        let request = desk
            .authority
            .request_delegation(new_keys, false, NOW, &mut desk.rng);
        let (request, plan) = request.unwrap();
        desk.store.commit(&plan.changes).unwrap();
        desk.root
            .delegate(&request, 2, NOW, NOW + YEAR, Roles::ALL)
            .unwrap()
    };
    let renewal = sign(&mut desk, false);
    let recovery = sign(&mut desk, true);
    let pump = device(21);
    let join = pump.join(&delegation, Some(&token), "pump-1", 2, NOW);
    let join = (desk.name(ReservedTopic::Join(pump.fingerprint())), join);
    let member = desk.authority.find_member("device-2").unwrap();
    let packages = device(2).packages(5..=8, NOW);
    let packages = (desk.name(ReservedTopic::Packages(member)), packages);
    desk.reload();
    Scene {
        desk,
        renewal,
        recovery,
        join,
        packages,
        pending,
    }
}

impl Scene {
    /// Every public call that changes something, by name.
    fn calls(&self) -> Vec<(&'static str, Call<'_>)> {
        let device = |seed| Device::new(seed, Suite::One, self.desk.authority.domain());
        let number = |a: &Authority, name: &str| a.find_member(name).unwrap();
        let token = TokenSpec {
            grants: grants(&["plant"]),
            name: NamePattern::parse("x-*").unwrap(),
            ttl: 60,
            uses: 2,
            member_validity: DAY,
            broker: String::new(),
        };
        let id = self.desk.authority.tokens().next().unwrap().id;
        let enrolment = device(30).request("new", 4, NOW);
        vec![
            (
                "enrol",
                Box::new(move |a, rng| {
                    a.enrol(&enrolment, &both(), DAY, NOW, rng)
                        .map(|(_, plan)| plan)
                }),
            ),
            (
                "approve",
                Box::new(|a, rng| {
                    let of = self.pending.fingerprint();
                    a.approve(of, None, &both(), DAY, NOW, rng)
                        .map(|(_, plan)| plan)
                }),
            ),
            (
                "reject",
                Box::new(|a, _| a.reject(self.pending.fingerprint(), NOW)),
            ),
            (
                "renew",
                Box::new(move |a, _| a.renew(number(a, "device-2"), DAY, NOW)),
            ),
            (
                "remove_all",
                Box::new(move |a, rng| {
                    let both = [number(a, "device-2"), number(a, "device-3")];
                    a.remove_all(&both, NOW, rng)
                }),
            ),
            (
                "add_group",
                Box::new(|a, rng| a.add_group(&NewGroup::new("shed", ["shed/#"]), NOW, rng)),
            ),
            ("rotate", Box::new(|a, rng| a.rotate("plant", NOW, rng))),
            ("heal", Box::new(|a, rng| a.heal("plant", NOW, rng))),
            (
                "renew_generation",
                Box::new(|a, rng| a.renew_generation("plant", NOW, rng)),
            ),
            ("tick", Box::new(|a, rng| a.tick(LATER, rng))),
            (
                "create_token",
                Box::new(move |a, rng| a.create_token(&token, NOW, rng).map(|(_, plan)| plan)),
            ),
            (
                "revoke_token",
                Box::new(move |a, _| a.revoke_token(&id, NOW)),
            ),
            (
                "request_delegation",
                Box::new(|a, rng| {
                    a.request_delegation(true, true, NOW, rng)
                        .map(|(_, plan)| plan)
                }),
            ),
            (
                "install_delegation",
                Box::new(|a, rng| a.install_delegation(&self.renewal, false, NOW, rng)),
            ),
            (
                "recover",
                Box::new(|a, rng| a.install_delegation(&self.recovery, true, NOW, rng)),
            ),
            (
                "join",
                Box::new(|a, rng| a.handle(&self.join.0, &self.join.1, NOW, rng)),
            ),
            (
                "packages",
                Box::new(|a, rng| a.handle(&self.packages.0, &self.packages.1, NOW, rng)),
            ),
        ]
    }

    fn load(&self) -> Authority {
        Authority::load(&self.desk.store).unwrap()
    }

    /// Everything that can be told of an authority, and what it does next.
    fn probe(&self, mut authority: Authority) -> Vec<String> {
        let mut seen = Vec::new();
        let mut see = |what: &dyn Debug| seen.push(format!("{what:?}"));
        see(&authority.members().collect::<Vec<_>>());
        see(&authority.groups().collect::<Vec<_>>());
        see(&authority.tokens().collect::<Vec<_>>());
        see(&authority.pending().collect::<Vec<_>>());
        see(&authority.delegation_info());
        see(&authority.suspension());
        see(&(
            authority.audit_head(),
            authority.next_due(),
            authority.revision(),
        ));
        assert!(authority.is_current(&self.desk.store).unwrap());
        let rng = &mut TestRng::new(42);
        for (name, call) in self.calls() {
            let done = call(&mut authority, rng).map(|plan| in_full(&plan));
            see(&(name, done));
        }
        seen
    }
}

/// What a plan says, values included.
fn in_full(plan: &Plan) -> Vec<String> {
    let changes = plan.changes.iter().map(|change| match change {
        Change::Put { key, value } => format!("put {key} {value:?}"),
        Change::Delete { key } => format!("delete {key}"),
        Change::Expect { key, value } => format!("expect {key} {value:?}"),
    });
    let rest = [
        format!("{:?}", plan.publications),
        format!("{:?}", plan.republish),
        format!("{:?}", plan.events),
    ];
    changes.chain(rest).collect()
}

/// At each draw in turn the RNG fails.
#[test]
fn a_call_that_fails_at_any_draw_leaves_nothing_behind() {
    let scene = scene();
    let fresh = scene.probe(scene.load());
    let mut failures = 0;
    for (name, call) in scene.calls() {
        let draws = matches!(name, "reject" | "renew" | "revoke_token" | "packages");
        for calls in 0.. {
            let mut authority = scene.load();
            let mut rng = TestRng::new(9);
            rng.break_down_after(calls);
            match call(&mut authority, &mut rng) {
                Ok(_) => {
                    assert_eq!(calls == 0, draws, "{name} draws");
                    break;
                }
                Err(error) => assert_eq!(error, AuthorityError::Random, "{name} {calls}"),
            }
            failures += 1;
            let after = scene.probe(authority);
            for (after, fresh) in after.iter().zip(&fresh) {
                assert!(
                    after == fresh,
                    "{name}, draw {calls}: {:.300} {:.300}",
                    after,
                    fresh
                );
            }
        }
    }
    assert!(failures > 60, "{failures}");
}

/// What fails for other reasons, also late: the delegation is over, numbers are used up.
#[test]
fn a_call_that_is_refused_leaves_nothing_behind() {
    let scene = scene();
    let fresh = scene.probe(scene.load());
    let over = NOW + 2 * YEAR;
    let number = |a: &Authority, name: &str| a.find_member(name).unwrap();
    let rng = || TestRng::new(5);
    type Refused = fn(&Scene, &mut Authority, &mut TestRng, u64) -> bool;
    let refused: [(&str, Refused); 9] = [
        ("remove", |_, a, rng, over| {
            let who = a.find_member("device-2").unwrap();
            a.remove(who, over, rng).is_err()
        }),
        ("rotate", |_, a, rng, over| {
            a.rotate("plant", over, rng).is_err()
        }),
        ("add_group", |_, a, rng, over| {
            a.add_group(&NewGroup::new("shed", ["shed/#"]), over, rng)
                .is_err()
        }),
        ("tick", |_, a, rng, over| a.tick(over, rng).is_err()),
        ("approve", |scene, a, rng, over| {
            let of = scene.pending.fingerprint();
            a.approve(of, None, &both(), DAY, over, rng).is_err()
        }),
        ("recover", |scene, a, rng, over| {
            a.install_delegation(&scene.recovery, true, over, rng)
                .is_err()
        }),
        ("not new keys", |scene, a, rng, _| {
            a.install_delegation(&scene.renewal, true, NOW, rng)
                .is_err()
        }),
        ("resume", |scene, a, rng, _| {
            let options = ResumeOptions::default();
            a.resume(&scene.renewal, &options, NOW, rng).is_err()
        }),
        ("moving", |_, a, rng, _| {
            a.renew_generation("nowhere", NOW, rng).is_err()
        }),
    ];
    for (name, call) in refused {
        let mut authority = scene.load();
        assert!(call(&scene, &mut authority, &mut rng(), over), "{name}");
        assert!(scene.probe(authority) == fresh, "{name}");
    }
    let mut authority = scene.load();
    let two = [
        number(&authority, "device-2"),
        sealmq_core::MemberNumber(77),
    ];
    assert!(authority.remove_all(&two, NOW, &mut rng()).is_err());
    assert!(scene.probe(authority) == fresh);
}

/// A generation that was begun, and then not: its tree must not be remembered.
#[test]
fn no_key_of_a_dropped_tree_is_used() {
    let scene = scene();
    let recover = |authority: &mut Authority, rng: &mut TestRng| {
        authority.install_delegation(&scene.recovery, true, NOW, rng)
    };
    let plan = recover(&mut scene.load(), &mut TestRng::new(9)).unwrap();
    let mut authority = scene.load();
    for calls in 0.. {
        let mut broken = TestRng::new(200 + calls);
        broken.break_down_after(calls);
        if recover(&mut authority, &mut broken).is_ok() {
            break;
        }
        let again = recover(&mut authority, &mut TestRng::new(9)).unwrap();
        assert!(in_full(&again) == in_full(&plan), "draw {calls}");
        authority = scene.load();
    }
}

/// A store that cannot be read at some point.
struct Failing<'a>(&'a MemoryStore, Cell<usize>);

impl Failing<'_> {
    fn step(&self) -> Result<(), Conflict> {
        let left = self.1.get().checked_sub(1);
        self.1.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or(Conflict {
            key: "unreadable".into(),
        })
    }
}

impl Store for Failing<'_> {
    type Error = Conflict;

    fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Conflict> {
        self.step()?;
        self.0.get(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<StoredRecord>, Conflict> {
        self.step()?;
        self.0.list(prefix)
    }

    fn commit(&mut self, _: &Changes) -> Result<(), Conflict> {
        self.step()
    }

    fn is_conflict(_: &Conflict) -> bool {
        false
    }
}

/// What the broker has is compared with a store that fails, or that went on.
#[test]
fn observing_with_a_store_that_fails_leaves_nothing_behind() {
    let scene = scene();
    let fresh = scene.probe(scene.load());
    // Evidence, what is older, and what is wrong.
    let mut twin = scene.load();
    let later = twin.rotate("lab", NOW, &mut TestRng::new(3)).unwrap();
    let beat = twin.tick(NOW + 300, &mut TestRng::new(4)).unwrap();
    let objects = later.publications.iter().chain(&beat.publications);
    let mut failures = 0;
    for object in objects {
        for payload in [&object.payload[..], b"junk"] {
            let mut authority = scene.load();
            for reads in 0.. {
                let store = Failing(&scene.desk.store, Cell::new(reads));
                let seen = authority.observe(&store, &object.topic, payload, NOW);
                if !matches!(seen, Err(LoadError::Store(_))) {
                    break;
                }
                failures += 1;
            }
            let mut authority = scene.load();
            let store = Failing(&scene.desk.store, Cell::new(0));
            let _failed = authority.observe(&store, &object.topic, payload, NOW);
            assert!(scene.probe(authority) == fresh, "{}", object.topic);
        }
    }
    assert!(failures >= 10, "{failures}");
    // One that went on: what it holds is no evidence.
    let mut ahead = scene.desk.store.clone();
    let plan = scene
        .load()
        .rotate("lab", NOW, &mut TestRng::new(6))
        .unwrap();
    ahead.commit(&plan.changes).unwrap();
    let mut authority = scene.load();
    for object in &later.publications {
        let seen = authority.observe(&ahead, &object.topic, &object.payload, NOW);
        let same = ahead.0.get(&format!("outbox/{}", object.topic)) == Some(&object.payload);
        assert!(same || matches!(seen, Err(LoadError::Stale)) || object.payload.is_empty());
    }
    assert!(scene.probe(authority) == fresh);
}

/// An input that fails halfway changes nothing, and what it was counted for stays counted.
#[test]
fn an_input_that_fails_is_refused_and_counted() {
    let scene = scene();
    let mut authority = scene.load();
    let over = NOW + 2 * YEAR;
    let plan = authority
        .handle(&scene.join.0, &scene.join.1, over, &mut TestRng::new(5))
        .unwrap();
    let refused = |e: &AuthorityEvent| {
        matches!(
            e,
            AuthorityEvent::Refused { .. } | AuthorityEvent::JoinRefused { .. }
        )
    };
    assert!(plan.events.iter().any(refused), "{:?}", plan.events);
}

/// What a call would have told of, it tells of when it succeeds.
#[test]
fn a_warning_of_a_tick_that_fails_is_not_lost() {
    let scene = scene();
    let mut authority = scene.load();
    let soon = NOW + YEAR - DAY;
    let mut broken = TestRng::new(5);
    broken.break_down();
    assert!(authority.tick(soon, &mut broken).is_err());
    let plan = authority.tick(soon, &mut TestRng::new(5)).unwrap();
    let warned = |e: &AuthorityEvent| matches!(e, AuthorityEvent::DelegationEnds { .. });
    assert!(plan.events.iter().any(warned));
}
