//! Kind `backup` (spec/keys.md §13, "Backups"): what tells an authority that its store was put back,
//! and where its numbers go on. The rules once more, over the real decoders and the real log; that
//! the authority itself follows them, its own tests say.

use std::collections::{BTreeMap, BTreeSet};

use sealmq_core::GroupId;
use sealmq_core::crypto::{Digest, VerifyingKey};
use sealmq_keys::{
    Announcement, AuditLog, ReservedTopic, VerifiedDelegation, VerifiedHeartbeat, What,
    default_prefix,
};

use super::audit::fault;
use super::{Input, Outcome, refused};
use crate::vectors::json::{Json, object};
use crate::vectors::world::Authority;

/// What is left out behind the highest member number, and without a log behind everything.
const GAP: u32 = 1024;

/// How far a group is known to have gone.
#[derive(Clone, Copy, Default)]
struct Far {
    epoch: u64,
    announcement: Option<Digest>,
    generation: u32,
}

impl Far {
    fn raise(&mut self, epoch: u64, announcement: Digest, generation: u32) {
        if epoch > self.epoch {
            (self.epoch, self.announcement) = (epoch, Some(announcement));
        }
        self.generation = self.generation.max(generation);
    }
}

struct Restored {
    authority: Authority,
    prefix: String,
    root: VerifyingKey,
    delegation: (u32, Digest),
    /// Hash of each announcement that the store has.
    known: BTreeMap<(GroupId, u64), Digest>,
    log: Vec<AuditLog>,
    groups: BTreeMap<GroupId, Far>,
    serial: u32,
}

pub(crate) fn backup(input: Input<'_>) -> Result<Outcome, String> {
    let (authority, own) = (input.authority("authority"), input.get("own"));
    let prefix = default_prefix(&authority.domain);
    let root = VerifyingKey::from_bytes(&input.array("root_key")).unwrap();
    let delegation = VerifiedDelegation::verify(&own.hex("delegation"), &root).unwrap();
    let mut log = vec![AuditLog::EMPTY];
    for entry in own.list("log") {
        let mut next = log[log.len() - 1];
        next.follow(&entry.as_hex())
            .map_err(|error| error.to_string())?;
        log.push(next);
    }
    let mut restored = Restored {
        delegation: (delegation.serial(), *delegation.hash()),
        serial: delegation.serial(),
        authority,
        prefix,
        root,
        known: BTreeMap::new(),
        log,
        groups: BTreeMap::new(),
    };
    for object in own.list("announcements") {
        restored.own_announcement(&object.as_hex());
    }
    let evidence = input.list("seen").into_iter().map(|seen| {
        let topic = String::from_utf8(seen.text("topic")).unwrap();
        Json::Bool(restored.is_evidence(&topic, &seen.hex("object")))
    });
    let result = object! { evidence: Json::Array(evidence.collect()) };
    if !input.has("resume") {
        return Ok(Outcome::Accepted(result));
    }
    Ok(
        match restored.resume(input.get("resume"), own.number("next_member")) {
            Ok(resumed) => Outcome::Accepted(result.with("resumed", resumed)),
            Err(reason) => refused(reason),
        },
    )
}

impl Restored {
    fn own_announcement(&mut self, bytes: &[u8]) {
        let seen = Announcement::verify(bytes, &self.authority, &self.prefix).unwrap();
        let head = seen.head();
        self.known.insert((head.group, head.epoch), *seen.hash());
        let generation = head.generations.iter().last().unwrap().number;
        let far = self.groups.entry(head.group).or_default();
        far.raise(head.epoch, *seen.hash(), generation);
    }

    /// Notes how far it goes; whether it speaks against the store.
    fn is_evidence(&mut self, topic: &str, bytes: &[u8]) -> bool {
        match ReservedTopic::parse(&self.prefix, topic) {
            Some(ReservedTopic::Delegation) => {
                let Ok(seen) = VerifiedDelegation::verify(bytes, &self.root) else {
                    return false;
                };
                self.serial = self.serial.max(seen.serial());
                let own = self.delegation;
                seen.serial() > own.0 || (seen.serial() == own.0 && *seen.hash() != own.1)
            }
            Some(ReservedTopic::Announcement(group, epoch)) => {
                let verified = Announcement::verify(bytes, &self.authority, &self.prefix);
                let Some(seen) = verified
                    .ok()
                    .filter(|seen| (seen.head().group, seen.head().epoch) == (group, epoch))
                else {
                    return false;
                };
                let is_later = epoch > self.own_epoch(&group);
                let other = self
                    .known
                    .get(&(group, epoch))
                    .is_some_and(|own| own != seen.hash());
                if let Some(far) = self.groups.get_mut(&group) {
                    let newest = seen.head().generations.iter().last().unwrap();
                    far.raise(epoch, *seen.hash(), newest.number);
                }
                is_later || other
            }
            Some(ReservedTopic::Heartbeat(group)) => {
                let verified = VerifiedHeartbeat::verify(bytes, &self.authority);
                let Some(fields) = verified.ok().map(|seen| *seen.fields()) else {
                    return false;
                };
                if fields.group != group {
                    return false;
                }
                let is_later = fields.epoch > self.own_epoch(&group);
                let own = self.known.get(&(group, fields.epoch));
                let other = own.is_some_and(|own| *own != fields.announcement);
                let place = usize::try_from(fields.log_size).ok();
                let log = place.and_then(|place| self.log.get(place));
                if let Some(far) = self.groups.get_mut(&group) {
                    far.raise(fields.epoch, fields.announcement, 0);
                }
                is_later || other || log.is_none_or(|log| log.head != fields.log_head)
            }
            _ => false,
        }
    }

    fn own_epoch(&self, group: &GroupId) -> u64 {
        let epochs = self.known.keys().filter(|(of, _)| of == group);
        epochs.map(|(_, epoch)| *epoch).max().unwrap_or(0)
    }

    fn resume(mut self, input: Input<'_>, next_member: u32) -> Result<Json, &'static str> {
        let own = self.log[self.log.len() - 1];
        let copy: Vec<Vec<u8>> = input.list("log").iter().map(Input::as_hex).collect();
        let has_copy = input.has("log");
        let new = if has_copy {
            own.continued_by(copy.iter().map(Vec::as_slice))
                .map_err(|error| fault(error.why))?
                .new
        } else {
            vec![]
        };
        let (mut highest, mut removed, mut unknown) =
            (next_member - 1, BTreeSet::new(), BTreeSet::new());
        for entry in &new {
            match entry.what {
                What::Enrolled { member, .. } => {
                    highest = highest.max(member.0);
                    unknown.insert(member.0);
                }
                What::Removed { member } => drop(removed.insert(member.0)),
                What::Delegation { serial, .. } | What::Resumed { serial, .. } => {
                    self.serial = self.serial.max(serial);
                }
                What::Generation { group, number, .. } => {
                    if let Some(far) = self.groups.get_mut(&group) {
                        far.generation = far.generation.max(number);
                    }
                }
                What::Signed { topic, hash } => match ReservedTopic::parse(&self.prefix, topic) {
                    Some(ReservedTopic::Announcement(group, epoch)) => {
                        if let Some(far) = self.groups.get_mut(&group) {
                            far.raise(epoch, hash, 0);
                        }
                    }
                    Some(ReservedTopic::Credential(member) | ReservedTopic::Welcome(member, _)) => {
                        highest = highest.max(member.0);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        let delegation = VerifiedDelegation::verify(&input.hex("delegation"), &self.root);
        if delegation.map_err(super::object::reason)?.serial() <= self.serial {
            return Err("serial");
        }
        let gap = if has_copy { 0 } else { GAP };
        let groups = self.groups.iter().map(|(group, far)| {
            object! {
                group: group.0, epoch: far.epoch + u64::from(gap) + 1,
                generation: far.generation + gap + 1, previous: far.announcement.unwrap(),
            }
        });
        let list = |members: BTreeSet<u32>| members.into_iter().collect::<Vec<u32>>();
        Ok(object! {
            next_member: highest + GAP, groups: Json::Array(groups.collect()),
            removed: list(removed), unknown: list(unknown),
        })
    }
}
