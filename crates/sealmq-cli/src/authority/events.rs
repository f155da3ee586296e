use std::time::Instant;

use sealmq_authority::AuthorityEvent;
use sealmq_authority::office::OfficeEvent;
use tracing::{Level, event, info, warn};

use super::refusals::Refusals;
use crate::log::{AUTHORITY, BROKER};

/// The log of an office.
#[derive(Default)]
pub(super) struct OfficeLog {
    refused: Refusals,
    /// Devices that were not let in: known apart, because operators look for them.
    joins: Refusals,
}

impl OfficeLog {
    /// Logs what happened; `prefix` is that of the reserved topics.
    pub(super) fn write(&mut self, event: &OfficeEvent, prefix: &str) {
        let (lines, count) = match event {
            OfficeEvent::Authority(AuthorityEvent::JoinRefused { .. }) => (&mut self.joins, 1),
            OfficeEvent::Authority(AuthorityEvent::Refused { .. }) => (&mut self.refused, 1),
            OfficeEvent::MoreRefused(count) => (&mut self.refused, *count),
            _ => return log_office(event, prefix),
        };
        let (told, left_out) = lines.admit(count, Instant::now());
        if let Some(count) = left_out {
            log_office(&OfficeEvent::MoreRefused(count), prefix);
        }
        if told {
            log_office(event, prefix);
        }
    }
}

fn log_office(event: &OfficeEvent, prefix: &str) {
    match event {
        OfficeEvent::Authority(event) => log(event),
        OfficeEvent::MoreRefused(count) => {
            warn!(target: AUTHORITY, event = "refused more", count, "refused {count} more inputs");
        }
        OfficeEvent::Complete { objects, refused } => {
            let line = match refused {
                0 => format!("the broker has all {objects} objects"),
                _ => format!("the broker has {objects} objects and refuses {refused}"),
            };
            info!(target: AUTHORITY, event = "published", objects, refused, "{line}");
        }
        OfficeEvent::PublishRefused { topic, reason } => {
            warn!(target: BROKER, event = "publish refused", topic, "the broker refuses {topic} ({reason}): allow this client to publish under {prefix}/#");
        }
        OfficeEvent::SubscribeRefused { reason } => {
            warn!(target: BROKER, event = "subscription refused", "the broker refuses subscriptions ({reason}): allow this client to read {prefix}/#, and the topics of groups with --rotate-after; until then joins, renewals and old copies of this folder go unnoticed");
        }
        OfficeEvent::StorePutBack => {
            warn!(target: AUTHORITY, event = "store put back", "the store is older than it was: reading again what the broker has");
        }
        other => info!(target: AUTHORITY, event = "other", "{other:?}"),
    }
}

/// Logs an event of the running authority: a line for people, and fields for programs.
fn log(event: &AuthorityEvent) {
    let line = describe(event);
    match event {
        AuthorityEvent::Epoch {
            group,
            epoch,
            reason,
            bytes,
            chunks,
        } => {
            event!(target: AUTHORITY, Level::INFO, event = "epoch", group, epoch, ?reason, healing = reason.heals(), bytes, chunks, "{line}");
        }
        AuthorityEvent::Heartbeat { group, epoch } => {
            event!(target: AUTHORITY, Level::INFO, event = "heartbeat", group, epoch, "{line}");
        }
        AuthorityEvent::GenerationStarted {
            group,
            generation,
            epoch,
            reason,
            members,
            ..
        } => {
            event!(target: AUTHORITY, Level::INFO, event = "generation started", group, generation, epoch, ?reason, members, "{line}");
        }
        AuthorityEvent::Moving {
            group,
            generation,
            welcomed,
            confirmed,
            members,
        } => {
            event!(target: AUTHORITY, Level::INFO, event = "moving", group, generation, welcomed, confirmed, members, "{line}");
        }
        AuthorityEvent::GenerationEnded {
            group,
            generation,
            left,
        } => {
            event!(target: AUTHORITY, Level::INFO, event = "generation ended", group, generation, left, "{line}");
        }
        AuthorityEvent::Enrolled { member, name } => {
            event!(target: AUTHORITY, Level::INFO, event = "enrolled", member = member.0, name, "{line}");
        }
        AuthorityEvent::Renewed {
            member,
            name,
            serial,
        } => {
            event!(target: AUTHORITY, Level::INFO, event = "renewed", member = member.0, name, serial, "{line}");
        }
        AuthorityEvent::Removed { member, name } => {
            event!(target: AUTHORITY, Level::INFO, event = "removed", member = member.0, name, "{line}");
        }
        AuthorityEvent::Confirmed { member, groups } => {
            event!(target: AUTHORITY, Level::INFO, event = "confirmed", member = member.0, groups, "{line}");
        }
        AuthorityEvent::Packages { member, count } => {
            event!(target: AUTHORITY, Level::INFO, event = "packages", member = member.0, count, "{line}");
        }
        AuthorityEvent::TwoDevices { member, name, by } => {
            event!(target: AUTHORITY, Level::WARN, event = "two devices", member = member.0, name, by = by.0, "{line}");
        }
        AuthorityEvent::DelegationEnds { serial, not_after } => {
            event!(target: AUTHORITY, Level::WARN, event = "delegation ends", serial, not_after, "{line}");
        }
        AuthorityEvent::JoinRefused {
            device,
            name,
            reason,
        } => {
            event!(target: AUTHORITY, Level::WARN, event = "join refused", fingerprint = %device, name, ?reason, "{line}");
        }
        AuthorityEvent::Refused { topic, why } => {
            event!(target: AUTHORITY, Level::WARN, event = "refused", topic, why, "{line}");
        }
        AuthorityEvent::NumberIgnored { place, what } => {
            event!(target: AUTHORITY, Level::ERROR, event = "number ignored", place, what, "{line}");
        }
        AuthorityEvent::RolledBack { topic } => {
            event!(target: AUTHORITY, Level::WARN, event = "rolled back", topic, "{line}");
        }
        AuthorityEvent::Contested { topic } => {
            event!(target: AUTHORITY, Level::ERROR, event = "contested", topic, "{line}");
        }
        AuthorityEvent::StoreIsOld { evidence } => {
            event!(target: AUTHORITY, Level::ERROR, event = "store is old", topic = evidence.topic, kind = ?evidence.kind, "{line}");
        }
        AuthorityEvent::Fork { epoch, .. } => {
            event!(target: AUTHORITY, Level::ERROR, event = "fork", epoch, "{line}");
        }
        _ => event!(target: AUTHORITY, Level::INFO, event = "other", "{line}"),
    }
}

/// One line for people.
pub(crate) fn describe(event: &AuthorityEvent) -> String {
    match event {
        AuthorityEvent::Epoch {
            group,
            epoch,
            reason,
            bytes,
            chunks,
        } => {
            let kind = if reason.heals() {
                "healing epoch"
            } else {
                "epoch"
            };
            let chunks = match chunks {
                0 => String::new(),
                n => format!(" and {n} chunks"),
            };
            format!("group {group}: {kind} {epoch}, announcement of {bytes} bytes{chunks}")
        }
        AuthorityEvent::Enrolled { member, name } => format!("member {member} {name}: enrolled"),
        AuthorityEvent::Renewed {
            member,
            name,
            serial,
        } => format!(
            "member {member} {name}: credential {serial} issued, the device gets it from the broker"
        ),
        AuthorityEvent::Removed { member, name } => format!("member {member} {name}: removed"),
        AuthorityEvent::Heartbeat { group, epoch } => {
            format!("group {group}: heartbeat for epoch {epoch}")
        }
        AuthorityEvent::GenerationStarted {
            group,
            generation,
            members,
            reason,
            ..
        } => format!(
            "group {group}: generation {generation} started ({reason:?}), {members} members to move"
        ),
        AuthorityEvent::Moving {
            group,
            generation,
            welcomed,
            confirmed,
            members,
        } => format!(
            "group {group}: generation {generation} has welcomed {welcomed} of {members} members, {confirmed} have confirmed"
        ),
        AuthorityEvent::GenerationEnded {
            group,
            generation,
            left,
        } => format!(
            "group {group}: generation {generation} ended, {left} members have not confirmed the new one"
        ),
        AuthorityEvent::DelegationEnds { serial, not_after } => format!(
            "delegation {serial} ends at {}: let the root sign another one (sealmq authority request-delegation; root delegate --continues keeps retained values readable)",
            crate::clock::iso_seconds(*not_after)
        ),
        AuthorityEvent::NumberIgnored { place, what } => format!(
            "ignored an extreme number ({what}) in {place}, with this domain's signature: somebody else has a key of the authority (docs/runbooks.md, \"The authority's keys were stolen\")"
        ),
        AuthorityEvent::RolledBack { topic } => {
            format!("the broker had something else on {topic}: published again")
        }
        AuthorityEvent::Contested { topic: Some(topic) } => format!(
            "somebody goes on changing {topic}, which only the authority may write: from now on it is published again more slowly; let the broker's access list end that"
        ),
        AuthorityEvent::Contested { topic: None } => "somebody goes on changing topics that only the authority may write, very many of them: they are published again more slowly; let the broker's access list end that".to_owned(),
        AuthorityEvent::StoreIsOld { evidence } => {
            format!(
                "this store does not know what the broker has on {}",
                evidence.topic
            )
        }
        AuthorityEvent::Fork { group, epoch, .. } => {
            format!("group {group}: two announcements of epoch {epoch}, both signed by this domain")
        }
        AuthorityEvent::Confirmed { member, groups } => {
            format!("member {member}: has its keys in {groups} groups")
        }
        AuthorityEvent::Packages { member, count } => {
            format!("member {member}: {count} new key packages")
        }
        AuthorityEvent::TwoDevices { member, name, by } => format!(
            "member {member} {name}: two devices use its identity, member {by} reports (docs/operations.md, \"Two devices with one identity\")"
        ),
        AuthorityEvent::JoinRefused {
            device,
            name,
            reason,
        } => format!("device {device} {name}: not let in: {reason}"),
        AuthorityEvent::Refused { topic, why } => {
            format!("refused what came on {topic}: {why}")
        }
        other => format!("{other:?}"),
    }
}
