//! How it goes on under a new delegation.

use sealmq_authority::What;
use sealmq_keys::{DelegatedKey, ReservedTopic, Roles};

use super::super::audit::{self, Log, delegated_in, enrolled, generation, removed, signed};
use super::super::objects::{records, refused_list_of};
use super::{COPIED_AT, Life, NEXT_MEMBER, delegation, resume, seen, topic};
use crate::vectors::prelude::*;

pub(super) fn vectors(life: &Life, file: &mut VectorFile) {
    resuming(life, file);
    numbers(life, file);
}

/// What single entries of the copy tell.
fn numbers(life: &Life, file: &mut VectorFile) {
    let (hash, late, office) = (digest("signed since"), MemberNumber(12), office());
    let welcome = topic(ReservedTopic::Welcome(late, life.group.id));
    let credential = topic(ReservedTopic::Credential(late));
    let first = topic(ReservedTopic::Announcement(office, 1));
    let enrolled = |member: MemberNumber| enrolled(member, "late-12");
    let signed = |topic| signed(topic, hash);
    // Entries, and what they tell: the highest number, who is removed, who is unknown.
    let case = |id: &str,
                comment: &str,
                entries: &[What<'_>],
                last: u32,
                removed: Vec<u32>,
                unknown: Vec<u32>| {
        let log = altered(&life.own, |log| {
            entries.iter().for_each(|what| log.add(NOW, *what))
        });
        let group = object! {
            group: life.group.id.0, epoch: COPIED_AT + 1, generation: 2_u8,
            previous: life.group.epoch(COPIED_AT).hash,
        };
        let resumed = object! {
            next_member: last + 1024, groups: Json::Array(vec![group]), removed: removed, unknown: unknown,
        };
        let case = life.resumes(id, comment, vec![], resume(2, Some(&log)));
        case.result(object! { evidence: Json::Array(vec![]), resumed: resumed })
    };
    let none = Vec::new;
    let made = generation(office, 1, 1);
    table! { case => file:
        "resume-signed-credential": "A credential alone shows a number.",
            &[signed(&credential)], 12, none(), none() => valid;
        "resume-signed-welcome": "And so does a welcome.", &[signed(&welcome)], 12, none(), none() => valid;
        "resume-enrolled-alone": "An enrolment shows a number, too.",
            &[enrolled(late)], 12, none(), vec![12] => valid;
        "resume-enrolled-known": "An entry about a number that it knows changes nothing.",
            &[enrolled(MemberNumber(5))], NEXT_MEMBER - 1, none(), none() => valid;
        "resume-enrolled-and-removed": "Enrolled since, and removed since: unknown, and removed.",
            &[enrolled(late), removed(12)], 12, vec![12], vec![12] => valid;
        "resume-new-group": "A group that was made since has to be made again.",
            &[made, signed(&first)], NEXT_MEMBER - 1, none(), none() => valid;
    }
}

fn resuming(life: &Life, file: &mut VectorFile) {
    let case = |id: &str, comment: &str, found: Vec<Json>, resume: Json, resumed: Json| {
        let evidence = found.iter().map(|_| Json::Bool(true)).collect();
        let case = life.resumes(&format!("resume-{id}"), comment, found, resume);
        case.result(object! { evidence: Json::Array(evidence), resumed: resumed })
    };
    let (own, whole) = (&life.own, &life.whole);
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
    table! { case => file:
        "log": "With the whole log: who was enrolled and removed since, and the next numbers.",
            later(), resume(2, Some(whole)), resumed(9 + 1024, group(6, 5, 5), vec![5], vec![9]) => valid;
        "seen-further": "The broker has an epoch that the log's copy does not tell of.",
            vec![life.announcement(6)], resume(2, Some(whole)),
            resumed(9 + 1024, group(7, 5, 6), vec![5], vec![9]) => valid;
        "own-log": "The copy is no longer than the store's own log.",
            later(), resume(2, Some(own)), resumed(7 + 1024, group(5, 2, 4), vec![], vec![]) => valid;
        "no-log": "Without any copy epochs and generations leave a gap, and removals are forgotten.",
            later(), resume(2, None), resumed(7 + 1024, group(5 + 1024, 2 + 1024, 4), vec![], vec![])
            => valid;
        "nothing-seen": "The store was marked as a backup: nothing at the broker tells.",
            vec![], resume(2, None), resumed(7 + 1024, group(4 + 1024, 2 + 1024, 3), vec![], vec![]) => valid;
        "serial-jump": "Above the highest serial that was seen.",
            vec![seen(ReservedTopic::Delegation, &delegation(6))], resume(7, Some(own)),
            resumed(7 + 1024, group(4, 2, 3), vec![], vec![]) => valid;
    }
    let size = |log: &Log| object! { size: log.size, head: log.head };
    let naming = |resume: Json, logs: &[&Log]| {
        let heads = logs.iter().map(|log| size(log)).collect();
        resume.with("heads", Json::Array(heads))
    };
    let tail = altered(whole, |log| log.add(NOW, removed(6)));
    table! { case => file:
        "heartbeat": "A heartbeat tells how far it went; its hash is no predecessor.",
            vec![life.beat(6, whole)], resume(2, Some(whole)),
            resumed(9 + 1024, group(7, 5, 5), vec![5], vec![9]) => valid;
        "head-passed-over": "The operator names the head that the copy lacks: a gap, as without a copy.",
            vec![life.beat(4, whole)], naming(resume(2, Some(own)), &[whole]),
            resumed(7 + 1024, group(5 + 1024, 2 + 1024, 3), vec![], vec![]) => valid;
        "tail-left-out": "Entries behind the proven head; the operator names that head.",
            vec![life.beat(4, whole)], naming(resume(2, Some(&tail)), &[whole]),
            resumed(9 + 1024, group(6, 5, 5), vec![5], vec![9]) => valid;
        "tail-counts": "Entries behind the proven head; the operator names the end.",
            vec![life.beat(4, whole)], naming(resume(2, Some(&tail)), &[&tail]),
            resumed(9 + 1024, group(6, 5, 5), vec![5, 6], vec![9]) => valid;
    }
    let refused = || {
        let (group, entries) = (life.group.id, records(&[(5, u32::MAX), (12, u32::MAX)]));
        let list = refused_list_of(group, &entries);
        vec![seen(ReservedTopic::RefusedList(group), &list)]
    };
    table! { case => file:
        "refused-list": "A refused list at the broker names who was removed, and shows a number.",
            refused(), resume(2, Some(own)), resumed(12 + 1024, group(4, 2, 3), vec![5], vec![]) => valid;
        "refused-list-of-a-thief": "The operator says who stays.",
            refused(), resume(2, Some(own)).with("keep", vec![5_u32]),
            resumed(12 + 1024, group(4, 2, 3), vec![], vec![]) => valid;
    }
    let (hash, log_head) = (digest("forged"), digest("forged"));
    let last = MemberNumber((1 << 28) - 1);
    let (number, serial, epoch) = (u32::MAX, u32::MAX, u64::MAX);
    let announced = topic(ReservedTopic::Announcement(life.group.id, epoch));
    let credential = topic(ReservedTopic::Credential(last));
    let (key, name) = (public("late-9"), "last");
    let entries = [
        What::Enrolled {
            member: last,
            key,
            name,
        },
        signed(&announced, hash),
        signed(&credential, hash),
        generation(life.group.id, number, epoch),
        delegated_in(serial, hash),
        audit::resumed(serial, epoch, log_head),
    ];
    let forged = altered(own, |log| {
        entries.iter().for_each(|what| log.add(NOW, *what))
    });
    let (key, roles) = (public("new controller"), Roles::ALL);
    let keys = [DelegatedKey { key, roles }];
    let new_keys = delegation_with(2, &elements(&keys), &[], |_| {});
    table! { case => file:
        "extreme-entries": "Entries with extreme numbers: none of them counts.",
            vec![], resume(2, Some(&forged)), resumed(7 + 1024, group(4, 2, 3), vec![], vec![]) => valid;
        "new-keys": "With new keys nothing that stands at the broker is a predecessor.",
            later(), resume(2, Some(own)).with("delegation", Json::hex(new_keys)),
            resumed(7 + 1024, group(5, 2, 3), vec![], vec![]) => valid;
    }
}
