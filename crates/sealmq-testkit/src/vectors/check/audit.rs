//! Kind `audit_log` (spec/keys.md §13).

use sealmq_authority::{AuditFault, AuditLog, What};

use super::{Input, Outcome, refused};
use crate::vectors::prelude::*;

pub(crate) fn audit_log(input: Input<'_>) -> Result<Outcome, String> {
    let entries: Vec<Vec<u8>> = input.list("entries").iter().map(Input::as_hex).collect();
    let slices = || entries.iter().map(Vec::as_slice);
    let own = if input.has("known") {
        let known = input.get("known");
        AuditLog {
            size: known.u64("log_size"),
            head: known.digest("log_head"),
        }
    } else {
        AuditLog::EMPTY
    };
    let log = match own.continued_by(slices()) {
        Ok(continuation) => continuation.log,
        Err(error) => {
            return Ok(refused(fault(error.why)));
        }
    };
    if AuditLog::verify(slices()) != Ok(log) {
        return Err("the log on its own has another end".to_owned());
    }
    let all = AuditLog::EMPTY
        .continued_by(slices())
        .map_err(|e| e.to_string())?;
    let decoded = all.new.iter().map(|entry| {
        object! { previous: entry.previous, at: entry.at, what: what(&entry.what) }
    });
    Ok(Outcome::Accepted(object! {
        log_size: log.size,
        log_head: log.head,
        entries: Json::Array(decoded.collect()),
    }))
}

pub(crate) const fn fault(why: AuditFault) -> &'static str {
    match why {
        AuditFault::Encoding => "encoding",
        AuditFault::Chain => "chain",
        AuditFault::Shorter => "shorter",
        AuditFault::Other => "other",
        _ => "?",
    }
}

pub(crate) fn what(what: &What<'_>) -> Json {
    match what {
        What::Signed { topic, hash } => {
            object! { signed: object! { topic: Json::text(topic), hash: *hash } }
        }
        What::Enrolled { member, key, name } => {
            object! { enrolled: object! { member: member.0, key: *key, name: Json::text(name) } }
        }
        What::Removed { member } => object! { removed: object! { member: member.0 } },
        What::Delegation { serial, hash } => {
            object! { delegation: object! { serial: *serial, hash: *hash } }
        }
        What::Generation {
            group,
            number,
            epoch,
        } => {
            object! { generation: object! { group: group.0, number: *number, epoch: *epoch } }
        }
        What::Resumed {
            serial,
            log_size,
            log_head,
        } => {
            object! { resumed: object! { serial: *serial, log_size: *log_size, log_head: *log_head } }
        }
        _ => object! {},
    }
}
