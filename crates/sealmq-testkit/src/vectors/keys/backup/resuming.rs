//! How it goes on under a new delegation.

use sealmq_authority::What;
use sealmq_core::MemberNumber;
use sealmq_keys::{DelegatedKey, ReservedTopic, Roles};

use super::super::audit::Log;
use super::super::objects::refused_list_of;
use super::{COPIED_AT, Life, NEXT_MEMBER, SPEC, delegation, resume, seen, topic};
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{NOW, delegation_with, digest, elements, office, public};

pub(super) fn vectors(life: &Life, file: &mut VectorFile) {
    resuming(life, file);
    numbers(life, file);
}

/// Entries, and what they tell: the highest number, who is removed, who is unknown.
type Told<'a> = (&'a str, &'a str, &'a [What<'a>], u32, &'a [u32], &'a [u32]);

/// What single entries of the copy tell.
fn numbers(life: &Life, file: &mut VectorFile) {
    let hash = digest("signed since");
    let (late, office) = (MemberNumber(12), office());
    let welcome = topic(ReservedTopic::Welcome(late, life.group.id));
    let credential = topic(ReservedTopic::Credential(late));
    let first = topic(ReservedTopic::Announcement(office, 1));
    let enrolled = |member: MemberNumber| What::Enrolled {
        member,
        key: public("late-12"),
        name: "late-12",
    };
    let cases: [Told<'_>; 6] = table! {
        "signed-credential": "A credential alone shows a number.",
            &[What::Signed { topic: &credential, hash }], 12, &[], &[];
        "signed-welcome": "And so does a welcome.", &[What::Signed { topic: &welcome, hash }], 12, &[], &[];
        "enrolled-alone": "An enrolment shows a number, too.", &[enrolled(late)], 12, &[], &[12];
        "enrolled-known": "An entry about a number that it knows changes nothing.",
            &[enrolled(MemberNumber(5))], NEXT_MEMBER - 1, &[], &[];
        "enrolled-and-removed": "Enrolled since, and removed since: unknown, and removed.",
            &[enrolled(late), What::Removed { member: late }], 12, &[12], &[12];
        "new-group": "A group that was made since has to be made again.",
            &[What::Generation { group: office, number: 1, epoch: 1 }, What::Signed { topic: &first, hash }],
            NEXT_MEMBER - 1, &[], &[];
    };
    for (id, comment, entries, last, removed, unknown) in cases {
        let mut log = life.own.clone();
        for what in entries {
            log.add(NOW, *what);
        }
        let input = life.input(vec![]).with("resume", resume(2, Some(&log)));
        let id = format!("backup-resume-{id}");
        let vector = Vector::valid("backup", id, comment, SPEC, input);
        let group = object! {
            group: life.group.id.0, epoch: COPIED_AT + 1, generation: 2_u8,
            previous: life.group.epoch(COPIED_AT).hash,
        };
        let resumed = object! {
            next_member: last + 1024, groups: Json::Array(vec![group]),
            removed: removed.to_vec(), unknown: unknown.to_vec(),
        };
        let result = object! { evidence: Json::Array(vec![]), resumed: resumed };
        file.push(vector.attacks(&["A33"]).result(result));
    }
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
    table! { push:
        "log": "With the whole log: who was enrolled and removed since, and the next numbers.",
            later(), resume(2, Some(&life.whole)), resumed(9 + 1024, group(6, 5, 5), vec![5], vec![9]);
        "seen-further": "The broker has an epoch that the log's copy does not tell of.",
            vec![life.announcement(6)], resume(2, Some(&life.whole)),
            resumed(9 + 1024, group(7, 5, 6), vec![5], vec![9]);
        "own-log": "The copy is no longer than the store's own log.",
            later(), resume(2, Some(&life.own)), resumed(7 + 1024, group(5, 2, 4), vec![], vec![]);
        "no-log": "Without any copy epochs and generations leave a gap, and removals are forgotten.",
            later(), resume(2, None), resumed(7 + 1024, group(5 + 1024, 2 + 1024, 4), vec![], vec![]);
        "nothing-seen": "The store was marked as a backup: nothing at the broker tells.",
            vec![], resume(2, None), resumed(7 + 1024, group(4 + 1024, 2 + 1024, 3), vec![], vec![]);
        "serial-jump": "Above the highest serial that was seen.",
            vec![seen(ReservedTopic::Delegation, &delegation(6))], resume(7, Some(&life.own)),
            resumed(7 + 1024, group(4, 2, 3), vec![], vec![]);
    }
    let size = |log: &Log| object! { size: log.size, head: log.head };
    let naming = |resume: Json, logs: &[&Log]| {
        let heads = logs.iter().map(|log| size(log)).collect();
        resume.with("heads", Json::Array(heads))
    };
    let mut tail = life.whole.clone();
    let member = MemberNumber(6);
    tail.add(NOW, What::Removed { member });
    table! { push:
        "heartbeat": "A heartbeat tells how far it went; its hash is no predecessor.",
            vec![life.beat(6, &life.whole)], resume(2, Some(&life.whole)),
            resumed(9 + 1024, group(7, 5, 5), vec![5], vec![9]);
        "head-passed-over": "The operator names the head that the copy lacks: a gap, as without a copy.",
            vec![life.beat(4, &life.whole)], naming(resume(2, Some(&life.own)), &[&life.whole]),
            resumed(7 + 1024, group(5 + 1024, 2 + 1024, 3), vec![], vec![]);
        "tail-left-out": "Entries behind the proven head; the operator names that head.",
            vec![life.beat(4, &life.whole)], naming(resume(2, Some(&tail)), &[&life.whole]),
            resumed(9 + 1024, group(6, 5, 5), vec![5], vec![9]);
        "tail-counts": "Entries behind the proven head; the operator names the end.",
            vec![life.beat(4, &life.whole)], naming(resume(2, Some(&tail)), &[&tail]),
            resumed(9 + 1024, group(6, 5, 5), vec![5, 6], vec![9]);
    }
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
    table! { push:
        "refused-list": "A refused list at the broker names who was removed, and shows a number.",
            refused(), resume(2, Some(&life.own)), resumed(12 + 1024, group(4, 2, 3), vec![5], vec![]);
        "refused-list-of-a-thief": "The operator says who stays.",
            refused(), resume(2, Some(&life.own)).with("keep", vec![5_u32]),
            resumed(12 + 1024, group(4, 2, 3), vec![], vec![]);
    }
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
    let keys = [DelegatedKey {
        key: public("new controller"),
        roles: Roles::ALL,
    }];
    let new_keys = delegation_with(2, &elements(&keys), &[], |_| {});
    table! { push:
        "extreme-entries": "Entries with extreme numbers: none of them counts.",
            vec![], resume(2, Some(&forged)), resumed(7 + 1024, group(4, 2, 3), vec![], vec![]);
        "new-keys": "With new keys nothing that stands at the broker is a predecessor.",
            later(), resume(2, Some(&life.own)).with("delegation", Json::hex(new_keys)),
            resumed(7 + 1024, group(5, 2, 3), vec![], vec![]);
    }
}
