//! Kind `backup`: an authority whose store was put back (spec/keys.md §13).

use sealmq_authority::What;
use sealmq_core::crypto::{Digest, sha256};
use sealmq_core::object::Role;
use sealmq_core::{GroupId, MemberNumber};
use sealmq_keys::{DelegatedKey, ReservedTopic, Roles, default_prefix};

use super::audit::Log;
use super::follower::fixtures;
use super::heartbeat::heartbeat;
use super::objects::refused_list_of;
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::group::{Draft, Group};
use crate::vectors::json::{Json, object};
use crate::vectors::world::{
    NOW, authority_json, controller, delegated, delegation_with, digest, domain, elements, hash,
    heart, identity, live_authority, office, public, root_key,
};

const SPEC: &[&str] = &["keys.md §13"];
/// Members that the store knows, and the epoch at which it was copied.
const NEXT_MEMBER: u32 = 8;
const COPIED_AT: u64 = 3;

fn delegation(serial: u32) -> Vec<u8> {
    let mut keys = delegated(1);
    keys.push(DelegatedKey {
        key: *heart().verifying_key().as_bytes(),
        roles: Roles::NONE.with(Role::Heartbeat),
    });
    delegation_with(serial, &elements(&keys), &[], |_| {})
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
        let signed = |log: &mut Log, of: ReservedTopic, hash: Digest| {
            log.add(
                NOW,
                What::Signed {
                    topic: &topic(of),
                    hash,
                },
            );
        };
        let announced = |epoch: u64| ReservedTopic::Announcement(group.id, epoch);
        let mut log = Log::default();
        log.add(
            NOW,
            What::Delegation {
                serial: 1,
                hash: hash(&delegation(1)),
            },
        );
        for epoch in 1..=COPIED_AT {
            signed(&mut log, announced(epoch), group.epoch(epoch).hash);
        }
        let own = log.clone();
        let member = MemberNumber(9);
        log.add(
            NOW,
            What::Enrolled {
                member,
                key: public("late-9"),
                name: "late-9",
            },
        );
        signed(
            &mut log,
            ReservedTopic::Credential(member),
            digest("credential of late-9"),
        );
        log.add(
            NOW,
            What::Removed {
                member: MemberNumber(5),
            },
        );
        log.add(
            NOW,
            What::Generation {
                group: group.id,
                number: 4,
                epoch: 4,
            },
        );
        for epoch in COPIED_AT + 1..=5 {
            signed(&mut log, announced(epoch), group.epoch(epoch).hash);
        }
        Self {
            group,
            own,
            whole: log,
        }
    }

    /// What the store has.
    fn own(&self) -> Json {
        let announcements = (1..=COPIED_AT).map(|epoch| Json::hex(self.group.announcement(epoch)));
        object! {
            delegation: Json::hex(delegation(1)), next_member: NEXT_MEMBER,
            announcements: Json::Array(announcements.collect()), log: entries(&self.own),
            members: (1..NEXT_MEMBER).collect::<Vec<u32>>(),
        }
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
    resuming(&life, file);
    refused(&life, file);
}

fn evidence(life: &Life, file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, found: &[(Json, bool)]| {
        let input = life.input(found.iter().map(|(seen, _)| seen.clone()).collect());
        let evidence = found.iter().map(|(_, is)| Json::Bool(*is)).collect();
        let id = format!("backup-{id}");
        let vector = Vector::valid("backup", id, comment, SPEC, input);
        let result = object! { evidence: Json::Array(evidence) };
        file.push(vector.attacks(&["A33"]).result(result));
    };
    let (own, whole) = (&life.own, &life.whole);
    push("nothing", "The broker has nothing.", &[]);
    push(
        "own",
        "What the store knows itself, and older.",
        &[
            (life.announcement(1), false),
            (life.announcement(COPIED_AT), false),
            (life.beat(COPIED_AT, own), false),
            (life.beat(2, &Log::default()), false),
            (seen(ReservedTopic::Delegation, &delegation(1)), false),
            (seen(ReservedTopic::Delegation, &delegation(0)), false),
        ],
    );
    let fork = life.other(2, |_| {});
    let mut rewritten = Log::default();
    rewritten.add(
        NOW,
        What::Removed {
            member: MemberNumber(5),
        },
    );
    let renewed = delegation_with(1, &elements(&delegated(1)), &[], |_| {});
    push(
        "evidence",
        "Each of these tells that the store is old, or that somebody else has the key.",
        &[
            (life.announcement(COPIED_AT + 1), true),
            (life.on_topic_of(2, &fork), true),
            (life.beat(COPIED_AT + 1, own), true),
            (life.beat(COPIED_AT, whole), true),
            (life.beat(COPIED_AT, &rewritten), true),
            (seen(ReservedTopic::Delegation, &delegation(2)), true),
            (seen(ReservedTopic::Delegation, &renewed), true),
        ],
    );
    let forged = life.other(COPIED_AT + 1, |d| d.key = identity("insider-8"));
    let elsewhere = life.other(COPIED_AT + 1, |d| d.group = office());
    let stolen = life.other(COPIED_AT + 1, |d| (d.serial, d.key) = (2, controller(2)));
    let on_other_topic = life.on_topic_of(2, life.group.announcement(COPIED_AT + 1));
    let refused_list = ReservedTopic::RefusedList(life.group.id);
    push(
        "no-evidence",
        "What anybody can put there, and what stands on another topic.",
        &[
            (life.on_topic_of(COPIED_AT + 1, &forged), false),
            (life.on_topic_of(COPIED_AT + 1, &elsewhere), false),
            (life.on_topic_of(COPIED_AT + 1, &stolen), false),
            (life.on_topic_of(COPIED_AT + 1, &[]), false),
            (on_other_topic, false),
            (
                seen(refused_list, life.group.announcement(COPIED_AT + 1)),
                false,
            ),
            (
                seen(
                    ReservedTopic::Heartbeat(GroupId([1; 16])),
                    &heartbeat(|_| {}),
                ),
                false,
            ),
        ],
    );
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
    push(
        "extreme",
        "Numbers that are too far above the own ones are ignored, those at the limit are not.",
        &[
            (extreme(u64::MAX, 1), false),
            (extreme(COPIED_AT + far + 1, 1), false),
            (extreme(COPIED_AT + far, 1), true),
            (extreme(COPIED_AT, u64::MAX), false),
            (extreme(COPIED_AT, own.size + (1 << 32) + 1), false),
            (extreme(COPIED_AT, own.size + (1 << 32)), true),
            (refused((1 << 28) - 1), false),
            (refused(NEXT_MEMBER + (1 << 20) + 1), false),
            (refused(NEXT_MEMBER + (1 << 20)), true),
            (refused(NEXT_MEMBER - 1), true),
            (
                seen(ReservedTopic::Delegation, &delegation(u32::MAX)),
                false,
            ),
            (
                seen(ReservedTopic::Delegation, &delegation(u32::MAX - (1 << 20))),
                true,
            ),
        ],
    );
    let new_group = life.other(1, |d| d.group = office());
    push(
        "unknown-group",
        "A group that was made since.",
        &[(
            seen(ReservedTopic::Announcement(office(), 1), &new_group),
            true,
        )],
    );
}

fn resume(serial: u32, log: Option<&Log>) -> Json {
    object! { delegation: Json::hex(delegation(serial)), log: log.map_or(Json::Null, entries) }
}

fn resuming(life: &Life, file: &mut VectorFile) {
    let mut push = |id: &str, comment: &str, found: Vec<Json>, resume: Json, resumed: Json| {
        let evidence = found.iter().map(|_| Json::Bool(true)).collect();
        let input = life.input(found).with("resume", resume);
        let id = format!("backup-resume-{id}");
        let vector = Vector::valid("backup", id, comment, SPEC, input);
        let result = object! { evidence: Json::Array(evidence), resumed: resumed };
        file.push(vector.attacks(&["A33"]).result(result));
    };
    let group = |epoch: u64, generation: u32, known: u64| {
        let previous = life.group.epoch(known).hash;
        let group = object! {
            group: life.group.id.0, epoch: epoch, generation: generation, previous: previous,
        };
        Json::Array(vec![group])
    };
    let resumed = |next_member: u32, groups: Json, removed: Vec<u32>, unknown: Vec<u32>| {
        object! { next_member: next_member, groups: groups, removed: removed, unknown: unknown }
    };
    let later = || vec![life.announcement(COPIED_AT + 1)];
    push(
        "log",
        "With the whole log: who was enrolled and removed since, and the next numbers.",
        later(),
        resume(2, Some(&life.whole)),
        resumed(9 + 1024, group(6, 5, 5), vec![5], vec![9]),
    );
    push(
        "seen-further",
        "The broker has an epoch that the log's copy does not tell of.",
        vec![life.announcement(6)],
        resume(2, Some(&life.whole)),
        resumed(9 + 1024, group(7, 5, 6), vec![5], vec![9]),
    );
    push(
        "own-log",
        "The copy is no longer than the store's own log.",
        later(),
        resume(2, Some(&life.own)),
        resumed(7 + 1024, group(5, 2, 4), vec![], vec![]),
    );
    push(
        "no-log",
        "Without any copy epochs and generations leave a gap, and removals are forgotten.",
        later(),
        resume(2, None),
        resumed(7 + 1024, group(5 + 1024, 2 + 1024, 4), vec![], vec![]),
    );
    push(
        "nothing-seen",
        "The store was marked as a backup: nothing at the broker tells.",
        vec![],
        resume(2, None),
        resumed(7 + 1024, group(4 + 1024, 2 + 1024, 3), vec![], vec![]),
    );
    push(
        "serial-jump",
        "Above the highest serial that was seen.",
        vec![seen(ReservedTopic::Delegation, &delegation(6))],
        resume(7, Some(&life.own)),
        resumed(7 + 1024, group(4, 2, 3), vec![], vec![]),
    );
    let size = |log: &Log| object! { size: log.size, head: log.head };
    let naming = |resume: Json, logs: &[&Log]| {
        let heads = logs.iter().map(|log| size(log)).collect();
        resume.with("heads", Json::Array(heads))
    };
    push(
        "heartbeat",
        "A heartbeat tells how far it went; its hash is no predecessor.",
        vec![life.beat(6, &life.whole)],
        resume(2, Some(&life.whole)),
        resumed(9 + 1024, group(7, 5, 5), vec![5], vec![9]),
    );
    push(
        "head-passed-over",
        "The operator names the head that the copy lacks: a gap, as without a copy.",
        vec![life.beat(4, &life.whole)],
        naming(resume(2, Some(&life.own)), &[&life.whole]),
        resumed(7 + 1024, group(5 + 1024, 2 + 1024, 3), vec![], vec![]),
    );
    let mut tail = life.whole.clone();
    let member = MemberNumber(6);
    tail.add(NOW, What::Removed { member });
    push(
        "tail-left-out",
        "Entries behind the proven head; the operator names that head.",
        vec![life.beat(4, &life.whole)],
        naming(resume(2, Some(&tail)), &[&life.whole]),
        resumed(9 + 1024, group(6, 5, 5), vec![5], vec![9]),
    );
    push(
        "tail-counts",
        "Entries behind the proven head; the operator names the end.",
        vec![life.beat(4, &life.whole)],
        naming(resume(2, Some(&tail)), &[&tail]),
        resumed(9 + 1024, group(6, 5, 5), vec![5, 6], vec![9]),
    );
    let refused = || {
        let entries = [
            &5_u32.to_be_bytes()[..],
            &[0xff; 4],
            &12_u32.to_be_bytes(),
            &[0xff; 4],
        ];
        let list = refused_list_of(life.group.id, &entries.concat());
        vec![seen(ReservedTopic::RefusedList(life.group.id), &list)]
    };
    push(
        "refused-list",
        "A refused list at the broker names who was removed, and shows a number.",
        refused(),
        resume(2, Some(&life.own)),
        resumed(12 + 1024, group(4, 2, 3), vec![5], vec![]),
    );
    push(
        "refused-list-of-a-thief",
        "The operator says who stays.",
        refused(),
        resume(2, Some(&life.own)).with("keep", vec![5_u32]),
        resumed(12 + 1024, group(4, 2, 3), vec![], vec![]),
    );
    let mut forged = life.own.clone();
    let (hash, log_head) = (digest("forged"), digest("forged"));
    let last = MemberNumber((1 << 28) - 1);
    let (group_id, number, epoch) = (life.group.id, u32::MAX, u64::MAX);
    let announced = topic(ReservedTopic::Announcement(life.group.id, u64::MAX));
    for what in [
        What::Enrolled {
            member: last,
            key: public("late-9"),
            name: "last",
        },
        What::Signed {
            topic: &announced,
            hash,
        },
        What::Signed {
            topic: &topic(ReservedTopic::Credential(last)),
            hash,
        },
        What::Generation {
            group: group_id,
            number,
            epoch,
        },
        What::Delegation {
            serial: u32::MAX,
            hash,
        },
        What::Resumed {
            serial: u32::MAX,
            log_size: epoch,
            log_head,
        },
    ] {
        forged.add(NOW, what);
    }
    push(
        "extreme-entries",
        "Entries with extreme numbers: none of them counts.",
        vec![],
        resume(2, Some(&forged)),
        resumed(7 + 1024, group(4, 2, 3), vec![], vec![]),
    );
    let keys = [DelegatedKey {
        key: public("new controller"),
        roles: Roles::ALL,
    }];
    let new_keys = delegation_with(2, &elements(&keys), &[], |_| {});
    push(
        "new-keys",
        "With new keys nothing that stands at the broker is a predecessor.",
        later(),
        resume(2, Some(&life.own)).with("delegation", Json::hex(new_keys)),
        resumed(7 + 1024, group(5, 2, 3), vec![], vec![]),
    );
}

fn refused(life: &Life, file: &mut VectorFile) {
    let mut bad =
        |id: &str, comment: &str, found: Vec<Json>, resume: Json, reason: &'static str| {
            let input = life.input(found).with("resume", resume);
            let id = format!("backup-{id}");
            let vector = Vector::invalid("backup", id, comment, SPEC, input, reason);
            file.push(vector.attacks(&["A33"]));
        };
    let later = || vec![life.announcement(COPIED_AT + 1)];
    let whole = || Some(&life.whole);
    bad(
        "same-serial",
        "Its serial was seen.",
        later(),
        resume(1, whole()),
        "serial",
    );
    let renewed = vec![seen(ReservedTopic::Delegation, &delegation(3))];
    bad(
        "seen-serial",
        "A delegation of its serial was seen.",
        renewed,
        resume(3, whole()),
        "serial",
    );
    let mut logged = life.whole.clone();
    logged.add(
        NOW,
        What::Delegation {
            serial: 2,
            hash: hash(&delegation(2)),
        },
    );
    bad(
        "logged-serial",
        "The log tells of its serial.",
        later(),
        resume(2, Some(&logged)),
        "serial",
    );
    let mut resumed = life.whole.clone();
    let (log_size, log_head) = (life.own.size, life.own.head);
    resumed.add(
        NOW,
        What::Resumed {
            serial: 2,
            log_size,
            log_head,
        },
    );
    bad(
        "resumed-serial",
        "The log tells of a resumption under it.",
        later(),
        resume(2, Some(&resumed)),
        "serial",
    );
    let mut shorter = life.own.clone();
    shorter.entries.pop();
    bad(
        "log-shorter",
        "A copy that ends before the store's own log.",
        later(),
        resume(2, Some(&shorter)),
        "shorter",
    );
    let mut cut = life.whole.clone();
    cut.entries.remove(2);
    bad(
        "log-cut",
        "An entry of the copy is missing.",
        later(),
        resume(2, Some(&cut)),
        "chain",
    );
    let mut other = Log::default();
    for _ in 0..6 {
        other.add(
            NOW,
            What::Removed {
                member: MemberNumber(5),
            },
        );
    }
    bad(
        "log-other",
        "The log of another life.",
        later(),
        resume(2, Some(&other)),
        "other",
    );
    bad(
        "log-incomplete",
        "A heartbeat proves entries that the copy lacks.",
        vec![life.beat(COPIED_AT, &life.whole)],
        resume(2, Some(&life.own)),
        "incomplete",
    );
    let other = heartbeat(|f| {
        (f.epoch, f.announcement) = (COPIED_AT, life.group.epoch(COPIED_AT).hash);
        (f.log_size, f.log_head) = (life.whole.size, digest("another log"));
    });
    bad(
        "log-other-head",
        "The copy is as long as a heartbeat tells, and has another head there.",
        vec![seen(ReservedTopic::Heartbeat(life.group.id), &other)],
        resume(2, Some(&life.whole)),
        "incomplete",
    );
    bad(
        "no-log-incomplete",
        "There is no copy, and a heartbeat proves that entries are missing.",
        vec![life.beat(COPIED_AT, &life.whole)],
        resume(2, None),
        "incomplete",
    );
    let mut tail = life.whole.clone();
    let member = MemberNumber(6);
    tail.add(NOW, What::Removed { member });
    bad(
        "log-unproven",
        "An entry behind everything that heartbeats prove.",
        vec![life.beat(COPIED_AT, &life.whole)],
        resume(2, Some(&tail)),
        "unproven",
    );
    let mut forged = resume(2, whole());
    let mut object = delegation(2);
    *object.last_mut().unwrap() ^= 0x10;
    forged = forged.with("delegation", Json::hex(object));
    bad(
        "signature",
        "The new delegation is not the root's.",
        later(),
        forged,
        "signature",
    );
}
