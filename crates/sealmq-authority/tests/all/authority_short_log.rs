//! A copy of the audit log that is too short, too long, or not the one: what heartbeats and refused
//! lists at the broker prove (A36), whose predecessor a resumed authority names (A41).

use crate::common::TestRng;
use crate::net::{Net, START};
use crate::restored::{Restored, delegation, log, new_keys, put_in_place};
use crate::thief::{Thief, announced};
use sealmq_authority::{
    AuditLog, Authority, AuthorityError, AuthorityEvent, EvidenceKind, ResumeOptions, What,
};
use sealmq_core::MemberNumber;
use sealmq_core::crypto::{Digest, VerifyingKey};
use sealmq_core::object::Access;
use sealmq_keys::ReservedTopic;
use sealmq_keys::member::MemberEvent;
use sealmq_keys::objects::{
    Announcement, HeartbeatFields, MAX_HEARTBEAT_LEN, Policy, VerifiedDelegation,
};

/// alice, bob and carol; the backup was made before bob was removed, a heartbeat came after it.
struct Scene {
    net: Net,
    restored: Restored,
    /// The log as heartbeats prove it.
    whole: Vec<Vec<u8>>,
    delegation: Vec<u8>,
}

const BOB: usize = 1;

impl Scene {
    fn new() -> Self {
        Self::ticked_after(200)
    }

    /// The authority ticks so many seconds after the removal.
    fn ticked_after(seconds: u64) -> Self {
        let mut net = Net::with_policy(Policy {
            lease: 300,
            ..Policy::default()
        });
        for name in ["alice", "bob", "carol"] {
            net.join(name, Access::BOTH);
        }
        let copy = net.authority_store.clone();
        net.remove(BOB);
        let whole = Authority::audit_log(&net.authority_store).unwrap();
        net.now += seconds * 1000;
        net.tick_authority();
        let mut restored = Restored::from(&copy);
        let delegation = delegation(&net, &mut restored.authority, 2);
        Self {
            net,
            restored,
            whole,
            delegation,
        }
    }

    fn resume(&mut self, options: &ResumeOptions<'_>) -> Result<(), AuthorityError> {
        let rng = &mut TestRng::new(50);
        let plan = self
            .restored
            .authority
            .resume(&self.delegation, options, START + 400, rng)?;
        let publications = self.restored.commit(plan);
        put_in_place(&mut self.net, &self.restored, publications);
        Ok(())
    }

    fn is_removed(&self, number: MemberNumber) -> bool {
        let mut members = self.net.authority.members();
        let member = members.find(|member| member.number == number).unwrap();
        member.removed_at.is_some()
    }

    /// What a resumption told: how many were removed, how many entries are missing.
    fn told(&self) -> (usize, u64) {
        let told = self.restored.events.iter().find_map(|event| match event {
            AuthorityEvent::Resumed {
                removed, missing, ..
            } => Some((removed.len(), *missing)),
            _ => None,
        });
        told.unwrap()
    }

    /// A heartbeat by whoever has the keys.
    fn beat(&self, change: impl FnOnce(&mut HeartbeatFields)) -> (String, Vec<u8>) {
        let thief = Thief::with_copy_of(&self.net);
        let group = self.net.authority.groups().next().unwrap();
        let mut fields = HeartbeatFields {
            domain: self.net.authority.domain(),
            serial: 1,
            signer: thief.keys[0].0,
            group: group.id,
            epoch: group.epoch,
            announcement: group.announcement,
            issued_at: START,
            lease: 300,
            log_size: 1,
            log_head: Digest([1; 32]),
        };
        change(&mut fields);
        let mut buffer = [0; MAX_HEARTBEAT_LEN];
        let (object, _) = fields.sign(&thief.keys[0].2, &mut buffer).unwrap();
        let topic = self.net.topic(ReservedTopic::Heartbeat(group.id));
        (topic, object.to_vec())
    }
}

fn end_of(entries: &[Vec<u8>]) -> AuditLog {
    AuditLog::verify(entries.iter().map(Vec::as_slice)).unwrap()
}

fn extended(entries: &[Vec<u8>], with: &[What<'_>]) -> Vec<Vec<u8>> {
    let mut end = end_of(entries);
    let mut entries = entries.to_vec();
    for what in with {
        entries.push(end.append(START, *what).unwrap().bytes);
    }
    entries
}

#[test]
fn a_copy_that_ends_before_a_proven_head_is_refused() {
    let mut scene = Scene::new();
    scene.restored.observe_all(&scene.net, "/hb");
    // It is durable.
    scene.restored = Restored::from(&scene.restored.store);
    let proven = end_of(&scene.whole);
    let heads = scene.restored.authority.suspension().unwrap().heads;
    assert_eq!(heads, [proven]);

    let backup = usize::try_from(scene.restored.authority.audit_head().size).unwrap();
    let short = scene.whole[..backup].to_vec();
    let missing = proven.size - backup as u64;
    assert!(missing > 2);
    for options in [log(&short), ResumeOptions::default()] {
        let refused = scene.resume(&options).unwrap_err();
        let heads = vec![proven];
        assert_eq!(refused, AuthorityError::LogIncomplete { missing, heads });
        assert!(refused.to_string().contains(&format!("{missing} entries")));
        assert!(refused.to_string().contains(&proven.to_string()));
    }
    // The whole one is taken, and remembers.
    let whole = scene.whole.clone();
    scene.resume(&log(&whole)).unwrap();
    assert!(scene.is_removed(scene.net.number(BOB)));
    assert_eq!(scene.told(), (1, 0));
}

/// A heartbeat follows a removal at once, so that a copy of the log that was made then is taken
/// without questions.
#[test]
fn a_copy_made_after_a_removal_is_proven_with_the_next_tick() {
    let mut scene = Scene::ticked_after(1);
    scene.restored.observe_all(&scene.net, "/hb");
    let proven = scene.restored.authority.suspension().unwrap().heads;
    assert_eq!(proven, [end_of(&scene.whole)]);
    let whole = scene.whole.clone();
    scene.resume(&log(&whole)).unwrap();
    assert!(scene.is_removed(scene.net.number(BOB)));
}

#[test]
fn an_operator_names_what_is_missing() {
    let mut scene = Scene::new();
    scene.restored.observe_all(&scene.net, "/hb");
    let proven = end_of(&scene.whole);
    let short = scene.whole[..scene.whole.len() - 2].to_vec();
    let epoch = scene.net.authority.groups().next().unwrap().epoch;
    let options = ResumeOptions {
        heads: &[proven],
        ..log(&short)
    };
    // The copy's end is proven by nothing either.
    let refused = scene.resume(&options).unwrap_err();
    assert!(matches!(refused, AuthorityError::LogUnproven { .. }));
    let options = ResumeOptions {
        heads: &[proven, end_of(&short)],
        ..log(&short)
    };
    scene.resume(&options).unwrap();
    assert_eq!(scene.told().1, 2);
    // As without a log, nobody knows how far it went.
    let after = scene.net.authority.groups().next().unwrap();
    assert!(after.epoch > epoch + 1000);
}

#[test]
fn entries_behind_the_proven_head_do_not_count() {
    let alice = MemberNumber(1);
    let number = MemberNumber(2000);
    let forged = [
        What::Removed { member: alice },
        What::Enrolled {
            member: number,
            key: [9; 32],
            name: "forged",
        },
        What::Signed {
            topic: "_sealmq/m/7000/credential",
            hash: Digest([1; 32]),
        },
    ];
    for named in 0..3 {
        let mut scene = Scene::new();
        scene.restored.observe_all(&scene.net, "/hb");
        let proven = end_of(&scene.whole);
        let entries = extended(&scene.whole, &forged);
        let end = end_of(&entries);
        let heads = [proven, end];
        let heads = match named {
            0 => &heads[..0],
            1 => &heads[..1],
            _ => &heads[1..],
        };
        let options = ResumeOptions {
            heads,
            ..log(&entries)
        };
        let result = scene.resume(&options);
        if named == 0 {
            assert_eq!(result, Err(AuthorityError::LogUnproven { proven, end }));
            continue;
        }
        result.unwrap();
        assert_eq!(scene.is_removed(alice), named == 2);
        assert!(scene.is_removed(scene.net.number(BOB)));
        let is_there = scene.net.authority.members().any(|m| m.number == number);
        assert_eq!(is_there, named == 2);
        // What does not count is not taken into the own log either.
        let own = Authority::audit_log(&scene.restored.store).unwrap();
        let count = if named == 2 { end } else { proven };
        assert!(count.continued_by(own.iter().map(Vec::as_slice)).is_ok());
    }
}

/// A stolen heartbeat key makes up logs: it costs the operator a name, nothing more.
#[test]
fn a_head_that_somebody_made_up_is_named_and_passed_over() {
    let mut scene = Scene::new();
    scene.restored.observe_all(&scene.net, "/hb");
    let proven = end_of(&scene.whole);
    let (size, other) = (proven.size + 7, Digest([7; 32]));
    for (log_size, log_head) in [(size, other), (proven.size, other), (3, other)] {
        let (topic, object) = scene.beat(|f| (f.log_size, f.log_head) = (log_size, log_head));
        scene.restored.observe(&topic, &object);
    }
    let whole = scene.whole.clone();
    let Err(AuthorityError::LogIncomplete { missing, heads }) = scene.resume(&log(&whole)) else {
        panic!("it takes a copy that lacks what heartbeats tell of");
    };
    assert_eq!((missing, heads.len()), (7, 3));
    assert!(!heads.contains(&proven));
    let options = ResumeOptions {
        heads: &heads,
        ..log(&whole)
    };
    scene.resume(&options).unwrap();
    assert!(scene.is_removed(scene.net.number(BOB)));
    scene.net.rotate();
}

#[test]
fn heads_do_not_grow_without_end() {
    let mut scene = Scene::new();
    for n in 0..100 {
        let (topic, object) =
            scene.beat(|f| (f.log_size, f.log_head) = (1000 - n, Digest([9; 32])));
        scene.restored.observe(&topic, &object);
    }
    let heads = scene.restored.authority.suspension().unwrap().heads;
    assert_eq!(heads.len(), 16);
    assert_eq!(heads.last().map(|head| head.size), Some(1000));
}

/// Heartbeats of a delegation that the backup does not know count once the root has vouched for it.
#[test]
fn heads_of_a_later_delegation_count() {
    let mut scene = Scene::new();
    let mut other = Net::new();
    std::mem::swap(&mut other, &mut scene.net);
    let later = scene.delegation.clone();
    let now = other.now / 1000;
    let plan = other
        .authority
        .install_delegation(&later, false, now, &mut other.rng);
    other.carry_out(plan.unwrap());
    other.now += 200_000;
    other.tick_authority();
    scene.restored.observe_all(&other, "/delegation");
    scene.restored.observe_all(&other, "/hb");
    let suspension = scene.restored.authority.suspension().unwrap();
    assert_eq!((suspension.serial, suspension.heads.len()), (2, 1));
    assert!(suspension.heads[0].size > scene.whole.len() as u64);
}

#[test]
fn a_refused_list_at_the_broker_remembers_removals() {
    for keep in [false, true] {
        let mut scene = Scene::new();
        scene.restored.observe_all(&scene.net, "/r");
        assert_eq!(scene.restored.evidence(), Some(EvidenceKind::Removal));
        let bob = scene.net.number(BOB);
        let removed = scene.restored.authority.suspension().unwrap().removed;
        assert_eq!(removed, [bob]);
        let options = ResumeOptions {
            keep: if keep { &[bob] } else { &[] },
            ..ResumeOptions::default()
        };
        scene.resume(&options).unwrap();
        assert_eq!(scene.is_removed(bob), !keep);
        let own = Authority::audit_log(&scene.restored.store).unwrap();
        let entries = own
            .iter()
            .map(|entry| sealmq_authority::Entry::decode(entry).unwrap());
        let logged = entries
            .filter(|e| e.what == What::Removed { member: bob })
            .count();
        assert_eq!(logged, usize::from(!keep));
    }
}

fn first_announcement(net: &Net) -> (u64, Digest) {
    let group = net.authority.groups().next().unwrap();
    let root = VerifyingKey::from_bytes(net.authority.root_key()).unwrap();
    let delegation = VerifiedDelegation::verify(net.authority.delegation(), &root).unwrap();
    let object = announced(net, group.epoch);
    let head = *Announcement::verify(&object, &delegation, net.authority.prefix())
        .unwrap()
        .head();
    (head.epoch, head.previous)
}

/// A thief's epoch is the evidence: with new keys nothing names it, and who followed it hears so.
#[test]
fn a_resumed_authority_does_not_vouch_for_the_fork() {
    for new in [true, false] {
        let mut net = Net::new();
        let alice = net.join("alice", Access::BOTH);
        let thief = Thief::with_copy_of(&net);
        let own = net.authority.groups().next().unwrap();
        let object = announced(&net, own.epoch);
        let verified = Announcement::verify(&object, &thief.delegation, net.authority.prefix());
        let last = verified.unwrap();
        let forged = thief.announce_after(0, &net, &last, own.epoch + 1, own.announcement);
        net.publish(forged.clone());
        assert_eq!(net.epoch(alice), Some(own.epoch + 1));

        let mut restored = Restored::from(&net.authority_store);
        restored.observe(&forged.topic, &forged.payload);
        assert_eq!(restored.evidence(), Some(EvidenceKind::LaterEpoch));
        let delegation = if new {
            new_keys(&net, &mut restored, 2)
        } else {
            delegation(&net, &mut restored.authority, 2)
        };
        let whole = Authority::audit_log(&restored.store).unwrap();
        let rng = &mut TestRng::new(50);
        let plan = restored
            .authority
            .resume(&delegation, &log(&whole), START, rng);
        let publications = restored.commit(plan.unwrap());
        put_in_place(&mut net, &restored, publications);
        let (epoch, previous) = first_announcement(&net);
        assert_eq!(epoch, own.epoch + 2);
        assert_eq!(previous == own.announcement, new);
        let events = &net.devices[alice].events;
        let recovered = |e: &MemberEvent| matches!(e, MemberEvent::Recovered { .. });
        assert_eq!(events.iter().any(recovered), new, "{events:?}");
        assert_eq!(net.epoch(alice), Some(epoch));
    }
}
