//! Resumptions that are refused.

use sealmq_authority::What;
use sealmq_keys::ReservedTopic;

use super::super::audit::{Log, removed};
use super::super::continuation;
use super::super::heartbeat::heartbeat;
use super::{COPIED_AT, Life, delegation, of_another_root, resume, seen};
use crate::vectors::prelude::*;

pub(super) fn refused(life: &Life, file: &mut VectorFile) {
    let case = |id: &str, comment: &str, found: Vec<Json>, resume: Json| {
        life.resumes(id, comment, found, resume)
    };
    let (own, whole) = (&life.own, &life.whole);
    let with = |change: &dyn Fn(&mut Log)| altered(whole, change);
    let (log_size, log_head, hash) = (own.size, own.head, hash(&delegation(2)));
    let logged = with(&|log| log.add(NOW, What::Delegation { serial: 2, hash }));
    let resumed = with(&|log| {
        log.add(
            NOW,
            What::Resumed {
                serial: 2,
                log_size,
                log_head,
            },
        )
    });
    let cut = with(&|log| drop(log.entries.remove(2)));
    let tail = with(&|log| log.add(NOW, removed(6)));
    let shorter = altered(own, |log| drop(log.entries.pop()));
    let other = altered(&Log::default(), |log| {
        (0..6).for_each(|_| log.add(NOW, removed(5)))
    });
    let other_head = heartbeat(|f| {
        (f.epoch, f.announcement) = (COPIED_AT, life.group.epoch(COPIED_AT).hash);
        (f.log_size, f.log_head) = (whole.size, digest("another log"));
    });
    let other_head = seen(ReservedTopic::Heartbeat(life.group.id), &other_head);
    let renewed = seen(ReservedTopic::Delegation, &delegation(3));
    let right = delegation(2);
    let forged = Json::hex(flipped(&right, right.len() - 1, 0x10));
    let continuing = |serial: u32, since: u32| {
        let delegation = continuation::from(&delegation(serial), since);
        resume(serial, Some(whole)).with("delegation", Json::hex(delegation))
    };
    let later = || vec![life.announcement(COPIED_AT + 1)];
    let beaten = || vec![life.beat(COPIED_AT, whole)];
    table! { case => file:
        "same-serial": "Its serial was seen.", later(), resume(1, Some(whole)) => "serial";
        "seen-serial": "A delegation of its serial was seen.",
            vec![renewed], resume(3, Some(whole)) => "serial";
        "logged-serial": "The log tells of its serial.", later(), resume(2, Some(&logged)) => "serial";
        "resumed-serial": "The log tells of a resumption under it.",
            later(), resume(2, Some(&resumed)) => "serial";
        "resume-continuing": "It continues the store's own.", later(), continuing(2, 1) => "field" ["A33", "A43"];
        "resume-continuing-later": "It continues others than the store's own.",
            later(), continuing(5, 4) => "field" ["A33", "A43"];
        "log-shorter": "A copy that ends before the store's own log.",
            later(), resume(2, Some(&shorter)) => "shorter";
        "log-cut": "An entry of the copy is missing.", later(), resume(2, Some(&cut)) => "chain";
        "log-other": "The log of another life.", later(), resume(2, Some(&other)) => "other";
        "log-incomplete": "A heartbeat proves entries that the copy lacks.",
            beaten(), resume(2, Some(own)) => "incomplete";
        "log-other-head": "The copy is as long as a heartbeat tells, and has another head there.",
            vec![other_head], resume(2, Some(whole)) => "incomplete";
        "no-log-incomplete": "There is no copy, and a heartbeat proves that entries are missing.",
            beaten(), resume(2, None) => "incomplete";
        "log-unproven": "An entry behind everything that heartbeats prove.",
            beaten(), resume(2, Some(&tail)) => "unproven";
        "other-root": "The new delegation is another root's.",
            later(), resume(2, Some(whole)).with("delegation", Json::hex(of_another_root(2))) => "domain";
        "signature": "The new delegation is not the root's.",
            later(), resume(2, Some(whole)).with("delegation", forged) => "signature";
    }
}
