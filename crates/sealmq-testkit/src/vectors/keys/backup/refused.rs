//! Resumptions that are refused.

use sealmq_authority::What;
use sealmq_core::MemberNumber;
use sealmq_keys::ReservedTopic;

use super::super::audit::Log;
use super::super::heartbeat::heartbeat;
use super::{COPIED_AT, Life, SPEC, delegation, of_another_root, resume, seen};
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::Json;
use crate::vectors::table::table;
use crate::vectors::world::{NOW, digest, hash};

pub(super) fn refused(life: &Life, file: &mut VectorFile) {
    let mut bad =
        |id: &str, comment: &str, found: Vec<Json>, resume: Json, reason: &'static str| {
            let input = life.input(found).with("resume", resume);
            let id = format!("backup-{id}");
            let vector = Vector::invalid("backup", id, comment, SPEC, input, reason);
            file.push(vector.attacks(&["A33"]));
        };
    let later = || vec![life.announcement(COPIED_AT + 1)];
    let whole = || Some(&life.whole);
    let renewed = vec![seen(ReservedTopic::Delegation, &delegation(3))];
    let mut logged = life.whole.clone();
    logged.add(
        NOW,
        What::Delegation {
            serial: 2,
            hash: hash(&delegation(2)),
        },
    );
    table! { bad:
        "same-serial": "Its serial was seen.", later(), resume(1, whole()) => "serial";
        "seen-serial": "A delegation of its serial was seen.", renewed, resume(3, whole()) => "serial";
        "logged-serial": "The log tells of its serial.", later(), resume(2, Some(&logged)) => "serial";
    }
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
    let mut shorter = life.own.clone();
    shorter.entries.pop();
    let mut cut = life.whole.clone();
    cut.entries.remove(2);
    table! { bad:
        "resumed-serial": "The log tells of a resumption under it.",
            later(), resume(2, Some(&resumed)) => "serial";
        "log-shorter": "A copy that ends before the store's own log.",
            later(), resume(2, Some(&shorter)) => "shorter";
        "log-cut": "An entry of the copy is missing.", later(), resume(2, Some(&cut)) => "chain";
    }
    let mut other = Log::default();
    for _ in 0..6 {
        other.add(
            NOW,
            What::Removed {
                member: MemberNumber(5),
            },
        );
    }
    table! { bad:
        "log-other": "The log of another life.", later(), resume(2, Some(&other)) => "other";
        "log-incomplete": "A heartbeat proves entries that the copy lacks.",
            vec![life.beat(COPIED_AT, &life.whole)], resume(2, Some(&life.own)) => "incomplete";
    }
    let other = heartbeat(|f| {
        (f.epoch, f.announcement) = (COPIED_AT, life.group.epoch(COPIED_AT).hash);
        (f.log_size, f.log_head) = (life.whole.size, digest("another log"));
    });
    let mut tail = life.whole.clone();
    let member = MemberNumber(6);
    tail.add(NOW, What::Removed { member });
    table! { bad:
        "log-other-head": "The copy is as long as a heartbeat tells, and has another head there.",
            vec![seen(ReservedTopic::Heartbeat(life.group.id), &other)], resume(2, Some(&life.whole))
            => "incomplete";
        "no-log-incomplete": "There is no copy, and a heartbeat proves that entries are missing.",
            vec![life.beat(COPIED_AT, &life.whole)], resume(2, None) => "incomplete";
        "log-unproven": "An entry behind everything that heartbeats prove.",
            vec![life.beat(COPIED_AT, &life.whole)], resume(2, Some(&tail)) => "unproven";
        "other-root": "The new delegation is another root's.",
            later(), resume(2, whole()).with("delegation", Json::hex(of_another_root(2))) => "domain";
    }
    let mut forged = resume(2, whole());
    let mut object = delegation(2);
    *object.last_mut().unwrap() ^= 0x10;
    forged = forged.with("delegation", Json::hex(object));
    table! { bad:
        "signature": "The new delegation is not the root's.", later(), forged => "signature";
    }
}
