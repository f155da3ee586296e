//! Kind `backup`: an authority whose store was put back (spec/keys.md §13).

mod refused;
mod resuming;

use sealmq_core::object::Role;
use sealmq_keys::{DelegatedKey, ReservedTopic, Roles, default_prefix};

use self::refused::refused;
use super::audit::{Log, delegated_in, enrolled, generation, removed, signed};
use super::follower::fixtures;
use super::heartbeat::heartbeat;
use super::objects::{records, refused_chunks, refused_list_of, refused_list_with};
use crate::vectors::group::{Draft, Group};
use crate::vectors::prelude::*;

const BACKUP: Series = Series::new("backup", "backup-", &["keys.md §13"]).attacks(&["A33"]);
/// Members that the store knows, and the epoch at which it was copied.
const NEXT_MEMBER: u32 = 8;
const COPIED_AT: u64 = 3;
/// A member that the store knows to be removed.
const REMOVED_BEFORE: u32 = 4;

fn delegation(serial: u32) -> Vec<u8> {
    let mut keys = delegated(1);
    let (key, roles) = (public("heart 1"), Roles::NONE.with(Role::Heartbeat));
    keys.push(DelegatedKey { key, roles });
    delegation_with(serial, &elements(&keys), &[], |_| {})
}

/// A right delegation, of another domain.
fn of_another_root(serial: u32) -> Vec<u8> {
    let root = identity("another root");
    let made = delegation_with(serial, &elements(&delegated(1)), &[], |d| {
        d.root_key = public("another root");
        d.domain = DomainId::of_root(&root.verifying_key());
    });
    sign(Kind::Delegation, body_of(&made, Kind::Delegation), &root)
}

fn topic(topic: ReservedTopic) -> String {
    topic.name(&default_prefix(&domain()))
}

/// The life that the backup does not know of.
struct Life {
    group: Group,
    own: Log,
    whole: Log,
}

impl Life {
    fn new() -> Self {
        let mut group = Group::new("put-back", 3);
        group.rotate_times(6);
        let announced = |log: &mut Log, epoch: u64| {
            let topic = topic(ReservedTopic::Announcement(group.id, epoch));
            log.add(NOW, signed(&topic, group.epoch(epoch).hash));
        };
        let mut log = Log::default();
        log.add(NOW, delegated_in(1, hash(&delegation(1))));
        (1..=COPIED_AT).for_each(|epoch| announced(&mut log, epoch));
        // Known to the store: a copy of the log begins with it.
        log.add(NOW, removed(REMOVED_BEFORE));
        let own = log.clone();
        let member = MemberNumber(9);
        let credential = topic(ReservedTopic::Credential(member));
        log.add(NOW, enrolled(member, "late-9"));
        log.add(NOW, signed(&credential, digest("credential of late-9")));
        log.add(NOW, removed(5));
        log.add(NOW, generation(group.id, 4, 4));
        (COPIED_AT + 1..=5).for_each(|epoch| announced(&mut log, epoch));
        let whole = log;
        Self { group, own, whole }
    }

    /// What the store has.
    fn own(&self) -> Json {
        let announcements = (1..=COPIED_AT).map(|epoch| Json::hex(self.group.announcement(epoch)));
        object! {
            delegation: Json::hex(delegation(1)), next_member: NEXT_MEMBER,
            announcements: Json::Array(announcements.collect()), log: entries(&self.own),
            members: (1..NEXT_MEMBER).filter(|n| *n != REMOVED_BEFORE).collect::<Vec<u32>>(),
        }
    }

    /// The store comes back, and this is at the broker.
    fn case(&self, id: &str, comment: &str, seen: Vec<Json>) -> Vector {
        BACKUP.case(id, comment, self.input(seen))
    }

    /// It is to go on.
    fn resumes(&self, id: &str, comment: &str, seen: Vec<Json>, resume: Json) -> Vector {
        BACKUP.case(id, comment, self.input(seen).with("resume", resume))
    }

    fn input(&self, seen: Vec<Json>) -> Json {
        object! {
            authority: authority_json(&live_authority()), root_key: root_key(), own: self.own(),
            seen: Json::Array(seen),
        }
    }

    fn announcement(&self, epoch: u64) -> Json {
        self.on_topic_of(epoch, self.group.announcement(epoch))
    }

    fn on_topic_of(&self, epoch: u64, object: &[u8]) -> Json {
        seen(ReservedTopic::Announcement(self.group.id, epoch), object)
    }

    /// A heartbeat of this epoch that tells of this log.
    fn beat(&self, epoch: u64, log: &Log) -> Json {
        let object = heartbeat(|f| {
            (f.epoch, f.announcement) = (epoch, self.group.epoch(epoch).hash);
            (f.log_size, f.log_head) = (log.size, log.head);
        });
        seen(ReservedTopic::Heartbeat(self.group.id), &object)
    }

    fn other(&self, epoch: u64, change: impl FnOnce(&mut Draft)) -> Vec<u8> {
        let mut draft = self.group.draft_of(epoch, false);
        draft.salt = sha256(&[b"another life"]).0;
        change(&mut draft);
        self.group.encode(&draft)
    }
}

fn seen(on: ReservedTopic, object: &[u8]) -> Json {
    object! { topic: topic(on), object: Json::hex(object) }
}

fn entries(log: &Log) -> Json {
    Json::Array(log.entries.iter().map(Json::hex).collect())
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let life = Life::new();
    fixtures(&life.group, file);
    file.fixture("put-back-own", life.own());
    evidence(&life, file);
    resuming::vectors(&life, file);
    refused(&life, file);
}

fn evidence(life: &Life, file: &mut VectorFile) {
    // What is seen, and whether it is evidence.
    let case = |id: &str, comment: &str, found: &[(Json, bool)]| {
        let evidence = found.iter().map(|(_, is)| Json::Bool(*is)).collect();
        let found = found.iter().map(|(seen, _)| seen.clone());
        let case = life.case(id, comment, found.collect());
        case.result(object! { evidence: Json::Array(evidence) })
    };
    let (own, whole) = (&life.own, &life.whole);
    let fork = life.other(2, |_| {});
    let mut rewritten = Log::default();
    rewritten.add(NOW, removed(5));
    let next = altered(own, |log| log.add(NOW, removed(5)));
    let renewed = delegation_with(1, &elements(&delegated(1)), &[], |_| {});
    table! { case => file:
        "nothing": "The broker has nothing.", &[] => valid;
        "own": "What the store knows itself, and older.",
            &[
                (life.announcement(1), false), (life.announcement(COPIED_AT), false),
                (life.beat(COPIED_AT, own), false), (life.beat(2, &Log::default()), false),
                (seen(ReservedTopic::Delegation, &delegation(1)), false),
                (seen(ReservedTopic::Delegation, &delegation(0)), false),
            ] => valid;
        "evidence": "Each of these tells that the store is old, or that somebody else has the key.",
            &[
                (life.announcement(COPIED_AT + 1), true), (life.on_topic_of(2, &fork), true),
                (life.beat(COPIED_AT + 1, own), true), (life.beat(COPIED_AT, whole), true),
                (life.beat(COPIED_AT, &next), true), (life.beat(COPIED_AT, &rewritten), true),
                (seen(ReservedTopic::Delegation, &delegation(2)), true),
                (seen(ReservedTopic::Delegation, &renewed), true),
            ] => valid;
    }
    let forged = life.other(COPIED_AT + 1, |d| d.key = identity("insider-8"));
    let elsewhere = life.other(COPIED_AT + 1, |d| d.group = office());
    let stolen = life.other(COPIED_AT + 1, |d| (d.serial, d.key) = (2, controller(2)));
    let insider = identity("insider-8");
    let signed_by_member = |kind: Kind, object: &[u8]| sign(kind, body_of(object, kind), &insider);
    let beat = heartbeat(|f| (f.epoch, f.log_size) = (COPIED_AT + 1, 99));
    let forged_beat = signed_by_member(Kind::Heartbeat, &beat);
    let list = refused_list_of(life.group.id, &[0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff]);
    let forged_list = signed_by_member(Kind::RefusedList, &list);
    let other_root = of_another_root(5);
    let on_other_topic = life.on_topic_of(2, life.group.announcement(COPIED_AT + 1));
    let refused_list = ReservedTopic::RefusedList(life.group.id);
    table! { case => file:
        "no-evidence": "What anybody can put there, and what stands on another topic.",
            &[
                (life.on_topic_of(COPIED_AT + 1, &forged), false),
                (life.on_topic_of(COPIED_AT + 1, &elsewhere), false),
                (life.on_topic_of(COPIED_AT + 1, &stolen), false),
                (life.on_topic_of(COPIED_AT + 1, &[]), false),
                (seen(ReservedTopic::Heartbeat(life.group.id), &forged_beat), false),
                (seen(ReservedTopic::RefusedList(life.group.id), &forged_list), false),
                (seen(ReservedTopic::Delegation, &other_root), false), (on_other_topic, false),
                (seen(refused_list, life.group.announcement(COPIED_AT + 1)), false),
                (seen(ReservedTopic::Heartbeat(GroupId([1; 16])), &heartbeat(|_| {})), false),
            ] => valid;
    }
    let far = 1 << 20;
    let extreme = |epoch: u64, size: u64| {
        let object = heartbeat(|f| (f.epoch, f.log_size) = (epoch, size));
        seen(ReservedTopic::Heartbeat(life.group.id), &object)
    };
    let refused = |number: u32| {
        let entries = [&number.to_be_bytes()[..], &[0xff; 4]].concat();
        let list = refused_list_of(life.group.id, &entries);
        seen(ReservedTopic::RefusedList(life.group.id), &list)
    };
    let (gone, known) = (records(&[(5, u32::MAX)]), records(&[(NEXT_MEMBER + 1, 3)]));
    let chunked = refused_chunks(&[(1, &gone), (NEXT_MEMBER.into(), &known)]);
    let chunked = refused_list_with(life.group.id, &[], &chunked);
    let chunk = |first: u32, bytes: &[u8]| {
        seen(
            ReservedTopic::RefusedChunk(life.group.id, MemberNumber(first)),
            bytes,
        )
    };
    table! { case => file:
        "refused-chunk": "A chunk counts once a list that names it was seen, on its topic.",
            &[
                (chunk(1, &gone), false),
                (seen(ReservedTopic::RefusedList(life.group.id), &chunked), false),
                (chunk(1, &records(&[(5, u32::MAX), (6, u32::MAX)])), false), (chunk(2, &gone), false),
                (chunk(1, &gone), true),
            ] => valid;
    }
    let new_group = life.other(1, |d| d.group = office());
    table! { case => file:
        "extreme": "Numbers that are too far above the own ones are ignored, those at the limit are not.",
            &[
                (extreme(u64::MAX, 1), false), (extreme(COPIED_AT + far + 1, 1), false),
                (extreme(COPIED_AT + far, 1), true), (extreme(COPIED_AT, u64::MAX), false),
                (extreme(COPIED_AT, own.size + (1 << 32) + 1), false),
                (extreme(COPIED_AT, own.size + (1 << 32)), true), (refused((1 << 28) - 1), false),
                (refused(NEXT_MEMBER + (1 << 20) + 1), false), (refused(NEXT_MEMBER + (1 << 20)), true),
                (refused(NEXT_MEMBER - 1), true),
                (seen(ReservedTopic::Delegation, &delegation(u32::MAX)), false),
                (seen(ReservedTopic::Delegation, &delegation(u32::MAX - (1 << 20))), true),
            ] => valid;
        "unknown-group": "A group that was made since.",
            &[(seen(ReservedTopic::Announcement(office(), 1), &new_group), true)] => valid;
    }
}

fn resume(serial: u32, log: Option<&Log>) -> Json {
    object! { delegation: Json::hex(delegation(serial)), log: log.map_or(Json::Null, entries) }
}
