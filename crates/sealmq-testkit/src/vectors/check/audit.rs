//! Kind `audit_log` (spec/keys.md §13).

use sealmq_authority::{AuditCopy, AuditFault, AuditLog, AuditPiece, CopyError, CopyFault, What};
use sealmq_keys::encode_request;

use super::{Checked, Input, No, broken};
use crate::vectors::prelude::*;

pub(crate) fn audit_log(input: Input<'_>) -> Checked {
    let entries = match input.opt("pieces", Input::hexes) {
        Some(pieces) => together(&pieces)?,
        None => input.hexes("entries"),
    };
    let slices = || entries.iter().map(Vec::as_slice);
    let own = input.opt("known", Input::get).map(|known| AuditLog {
        size: known.u64("log_size"),
        head: known.digest("log_head"),
    });
    let continued = own.unwrap_or(AuditLog::EMPTY).continued_by(slices());
    let log = continued.map_err(|error| fault(error.why))?.log;
    if AuditLog::verify(slices()) != Ok(log) {
        return Err(broken("the log on its own has another end"));
    }
    let all = AuditLog::EMPTY.continued_by(slices()).map_err(broken)?;
    let decoded = all.new.iter().map(|entry| {
        object! { previous: entry.previous, at: entry.at, what: what(&entry.what) }
    });
    let decoded = Json::Array(decoded.collect());
    Ok(object! { log_size: log.size, log_head: log.head, entries: decoded })
}

/// The entries of a copy, from the contents of its pieces.
fn together(pieces: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, No> {
    let mut copy = AuditCopy::new();
    let mut entries = Vec::new();
    for content in pieces {
        let text = encode_request(content).map_err(broken)?;
        let text = text.replace("SEALMQ REQUEST", "SEALMQ AUDIT LOG PIECE");
        let piece = AuditPiece::decode(&text).map_err(|_| "encoding")?;
        copy.add(&piece, |_, entry| {
            entries.push(entry.to_vec());
            Ok(())
        })
        .map_err(copy_fault)?;
    }
    copy.end().map_err(copy_fault)?;
    Ok(entries)
}

fn copy_fault(error: CopyError) -> &'static str {
    match error.why {
        CopyFault::Missing { .. } => "missing",
        CopyFault::OtherLog { .. } => "other",
        CopyFault::Entry(error) => fault(error.why),
        _ => "?",
    }
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
    let (name, fields) = match *what {
        What::Signed { topic, hash } => {
            ("signed", object! { topic: Json::text(topic), hash: hash })
        }
        What::Enrolled { member, key, name } => (
            "enrolled",
            object! { member: member.0, key: key, name: Json::text(name) },
        ),
        What::Removed { member } => ("removed", object! { member: member.0 }),
        What::Delegation { serial, hash } => ("delegation", object! { serial: serial, hash: hash }),
        What::Generation {
            group,
            number,
            epoch,
        } => (
            "generation",
            object! { group: group.0, number: number, epoch: epoch },
        ),
        What::Resumed {
            serial,
            log_size,
            log_head,
        } => (
            "resumed",
            object! { serial: serial, log_size: log_size, log_head: log_head },
        ),
        What::TwoDevices { member, by } => ("two_devices", object! { member: member.0, by: by.0 }),
        _ => return object! {},
    };
    object! {}.with(name, fields)
}
