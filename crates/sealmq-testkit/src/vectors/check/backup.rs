//! Kind `backup` (spec/keys.md §13, "Backups"): what tells an authority that its store was put back,
//! and where its numbers go on. The rules once more, over the real decoders and the real log; that
//! the authority itself follows them, its own tests say.

use alloc::collections::{BTreeMap, BTreeSet};

use sealmq_authority::{AuditLog, What};
use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::Role;
use sealmq_keys::objects::{RefusedChunk, RefusedRun};
use sealmq_keys::{
    Announcement, REMOVED, RefusedList, ReservedTopic, VerifiedDelegation, VerifiedHeartbeat,
    default_prefix,
};

use super::audit::fault;
use super::{Checked, Input, broken, require};
use crate::vectors::prelude::*;

/// What is left out behind the highest member number, and without a log behind everything.
const GAP: u32 = 1024;
const REACH: u32 = 1 << 20;
const LOG_REACH: u64 = 1 << 32;

/// How far a group is known to have gone.
#[derive(Clone, Copy, Default)]
struct Far {
    epoch: u64,
    announcement: Option<Digest>,
    generation: u32,
    /// The epoch that heartbeats name.
    beat: u64,
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
    /// Of the store, and of its log's copy.
    groups: BTreeMap<GroupId, Far>,
    serial: u32,
    next_member: u32,
    members: BTreeSet<u32>,
    /// Of refused lists that counted.
    chunks: Vec<(GroupId, RefusedChunk)>,
    seen: Seen,
}

/// What the broker has shown.
#[derive(Default)]
struct Seen {
    groups: BTreeMap<GroupId, Far>,
    signers: BTreeMap<GroupId, [u8; 32]>,
    has_beat: bool,
    proven: BTreeSet<(u64, [u8; 32])>,
    refused: BTreeSet<u32>,
    member: u32,
}

pub(crate) fn backup(input: Input<'_>) -> Checked {
    let (authority, own) = (input.authority("authority"), input.get("own"));
    let root = input.key("root_key");
    let delegation = VerifiedDelegation::verify(&own.hex("delegation"), &root).unwrap();
    let mut log = vec![AuditLog::EMPTY];
    for entry in own.hexes("log") {
        let mut next = log[log.len() - 1];
        next.follow(&entry).map_err(broken)?;
        log.push(next);
    }
    let mut restored = Restored {
        delegation: (delegation.serial(), *delegation.hash()),
        serial: delegation.serial(),
        prefix: default_prefix(&authority.domain),
        authority,
        root,
        known: BTreeMap::new(),
        log,
        groups: BTreeMap::new(),
        next_member: own.number("next_member"),
        members: own.numbers("members"),
        chunks: Vec::new(),
        seen: Seen::default(),
    };
    for object in own.hexes("announcements") {
        restored.own_announcement(&object);
    }
    let evidence = input
        .list("seen")
        .into_iter()
        .map(|seen| Json::Bool(restored.is_evidence(&seen.string("topic"), &seen.hex("object"))));
    let result = object! { evidence: Json::Array(evidence.collect()) };
    match input.opt("resume", Input::get) {
        Some(resume) => Ok(result.with("resumed", restored.resume(resume)?)),
        None => Ok(result),
    }
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
        let speaks = match ReservedTopic::parse(&self.prefix, topic) {
            Some(ReservedTopic::Delegation) => self.delegation(bytes),
            Some(ReservedTopic::Announcement(group, epoch)) => {
                self.announcement(group, epoch, bytes)
            }
            Some(ReservedTopic::Heartbeat(group)) => self.heartbeat(group, bytes),
            Some(ReservedTopic::RefusedList(group)) => self.refused_list(group, bytes),
            Some(ReservedTopic::RefusedChunk(group, first)) => {
                self.refused_chunk(group, first, bytes)
            }
            _ => None,
        };
        speaks.unwrap_or(false)
    }

    fn delegation(&mut self, bytes: &[u8]) -> Option<bool> {
        let seen = VerifiedDelegation::verify(bytes, &self.root).ok()?;
        if seen.serial() > u32::MAX - REACH {
            return None;
        }
        self.serial = self.serial.max(seen.serial());
        let own = self.delegation;
        Some(seen.serial() > own.0 || (seen.serial() == own.0 && *seen.hash() != own.1))
    }

    fn announcement(&mut self, group: GroupId, epoch: u64, bytes: &[u8]) -> Option<bool> {
        let seen = Announcement::verify(bytes, &self.authority, &self.prefix).ok()?;
        let head = seen.head();
        let generation = head.generations.iter().last().unwrap().number;
        if (head.group, head.epoch) != (group, epoch) || self.is_extreme(&group, epoch, generation)
        {
            return None;
        }
        let is_later = epoch > self.own_epoch(&group);
        let own = self.known.get(&(group, epoch));
        let other = own.is_some_and(|own| own != seen.hash());
        if self.groups.contains_key(&group) {
            let far = self.seen.groups.entry(group).or_default();
            if epoch > far.epoch {
                let signer = self.authority.keys[usize::from(head.signer)].0;
                self.seen.signers.insert(group, *signer.as_bytes());
            }
            far.raise(epoch, *seen.hash(), generation);
        }
        Some(is_later || other)
    }

    fn heartbeat(&mut self, group: GroupId, bytes: &[u8]) -> Option<bool> {
        let fields = *VerifiedHeartbeat::verify(bytes, &self.authority)
            .ok()?
            .fields();
        let is_long = fields.log_size > self.log.len() as u64 - 1 + LOG_REACH;
        if fields.group != group || self.is_extreme(&group, fields.epoch, 0) || is_long {
            return None;
        }
        let is_later = fields.epoch > self.own_epoch(&group);
        let own = self.known.get(&(group, fields.epoch));
        let other = own.is_some_and(|own| *own != fields.announcement);
        let place = usize::try_from(fields.log_size).ok();
        let log = place.and_then(|place| self.log.get(place));
        let foreign = log.is_none_or(|log| log.head != fields.log_head);
        self.seen.has_beat = true;
        if foreign {
            self.seen
                .proven
                .insert((fields.log_size, fields.log_head.0));
        }
        let far = self.seen.groups.entry(group).or_default();
        // Its hash is no predecessor.
        far.beat = far.beat.max(fields.epoch);
        Some(is_later || other || foreign)
    }

    fn refused_list(&mut self, group: GroupId, bytes: &[u8]) -> Option<bool> {
        let list = RefusedList::verify(bytes, &self.authority).ok()?;
        if *list.group() != group {
            return None;
        }
        self.chunks
            .extend(list.chunks().map(|chunk| (group, chunk)));
        self.removed(list.run()?)
    }

    fn refused_chunk(&mut self, group: GroupId, first: MemberNumber, bytes: &[u8]) -> Option<bool> {
        let named = self.chunks.iter();
        let mut named = named.filter(|(of, chunk)| *of == group && chunk.first == first);
        let run = named.find_map(|(_, chunk)| chunk.run(bytes).ok())?;
        self.removed(run)
    }

    fn removed(&mut self, run: RefusedRun<'_>) -> Option<bool> {
        let removed = run.iter().filter(|one| one.lowest_serial == REMOVED);
        let removed: BTreeSet<u32> = removed.map(|one| one.member.0).collect();
        let last = removed.last().copied()?;
        if last > self.next_member + REACH {
            return None;
        }
        let here: BTreeSet<u32> = removed.intersection(&self.members).copied().collect();
        self.seen.member = self.seen.member.max(last);
        let is_here = !here.is_empty();
        self.seen.refused.extend(here);
        Some(is_here || last >= self.next_member)
    }

    fn is_extreme(&self, group: &GroupId, epoch: u64, generation: u32) -> bool {
        let own = self.groups.get(group).copied().unwrap_or_default();
        epoch > own.epoch + u64::from(REACH) || generation > own.generation + REACH
    }

    fn own_epoch(&self, group: &GroupId) -> u64 {
        let epochs = self.known.keys().filter(|(of, _)| of == group);
        epochs.map(|(_, epoch)| *epoch).max().unwrap_or(0)
    }

    /// The entries of the copy that count, from the store's own end on, and whether nothing is
    /// missing.
    fn counted(&self, copy: &[Vec<u8>], input: &Input<'_>) -> Result<(usize, bool), &'static str> {
        let own = self.log[self.log.len() - 1];
        let mut heads = self.log.clone();
        if input.has("log") {
            let continued = own.continued_by(copy.iter().map(Vec::as_slice));
            continued.map_err(|error| fault(error.why))?;
            for entry in &copy[self.log.len() - 1..] {
                let mut next = heads[heads.len() - 1];
                next.follow(entry).unwrap();
                heads.push(next);
            }
        }
        let place = |log: &AuditLog| (log.size, log.head.0);
        let end = place(&heads[heads.len() - 1]);
        let there: BTreeSet<_> = heads[self.log.len()..].iter().map(place).collect();
        let named = input.list("heads").into_iter();
        let named: BTreeSet<(u64, [u8; 32])> = named
            .map(|one| (one.u64("size"), one.array("head")))
            .collect();
        let mut lost = self.seen.proven.difference(&there);
        if lost.any(|head| !named.contains(head)) {
            return Err("incomplete");
        }
        let reached = self.seen.proven.intersection(&there).last().copied();
        let proven = reached.unwrap_or(place(&own));
        let counts = if !self.seen.has_beat || named.contains(&end) {
            end
        } else if end == proven || named.contains(&proven) {
            proven
        } else {
            return Err("unproven");
        };
        let whole = input.has("log") && self.seen.proven.is_subset(&there);
        Ok((usize::try_from(counts.0).unwrap(), whole))
    }

    fn resume(mut self, input: Input<'_>) -> Result<Json, &'static str> {
        let copy = input.hexes("log");
        let (end, is_whole) = self.counted(&copy, &input)?;
        let kept: BTreeSet<u32> = input.numbers("keep");
        let (mut highest, mut unknown) = (self.next_member - 1, BTreeSet::new());
        let mut removed: BTreeSet<u32> = self.seen.refused.difference(&kept).copied().collect();
        let own_size = self.log.len() - 1;
        for entry in copy.iter().take(end).skip(own_size) {
            let mut number = 0;
            match sealmq_authority::Entry::decode(entry).unwrap().what {
                What::Enrolled { member, .. } => {
                    number = member.0;
                    if number <= highest + REACH && !self.members.contains(&number) {
                        unknown.insert(number);
                    }
                }
                What::Removed { member } => drop(removed.insert(member.0)),
                What::Delegation { serial, .. } | What::Resumed { serial, .. }
                    if serial <= u32::MAX - REACH =>
                {
                    self.serial = self.serial.max(serial);
                }
                What::Generation { group, number, .. } => {
                    if let Some(far) = self.groups.get_mut(&group)
                        && number <= far.generation + REACH
                    {
                        far.generation = far.generation.max(number);
                    }
                }
                What::Signed { topic, hash } => match ReservedTopic::parse(&self.prefix, topic) {
                    Some(ReservedTopic::Announcement(group, epoch)) => {
                        if let Some(far) = self.groups.get_mut(&group)
                            && epoch <= far.epoch + u64::from(REACH)
                        {
                            far.raise(epoch, hash, 0);
                        }
                    }
                    Some(ReservedTopic::Credential(member) | ReservedTopic::Welcome(member, _)) => {
                        number = member.0;
                    }
                    _ => {}
                },
                _ => {}
            }
            if number <= highest + REACH {
                highest = highest.max(number);
            }
        }
        let bytes = input.hex("delegation");
        let delegation = VerifiedDelegation::verify(&bytes, &self.root);
        let delegation = delegation.map_err(super::object::reason)?;
        require(delegation.serial() > self.serial, "serial")?;
        require(delegation.continuation(&bytes).is_none(), "field")?;
        let gap = if is_whole { 0 } else { GAP };
        let groups = self.groups.iter().map(|(group, far)| {
            let seen = self.seen.groups.get(group).copied().unwrap_or_default();
            let signer = self.seen.signers.get(group);
            let signs = delegation
                .keys()
                .any(|(_, key, roles)| roles.has(Role::Groups) && signer == Some(key.as_bytes()));
            let later = seen
                .announcement
                .filter(|_| seen.epoch > far.epoch && signs);
            let epoch = far.epoch.max(seen.epoch).max(seen.beat);
            object! {
                group: group.0, epoch: epoch + u64::from(gap) + 1,
                generation: far.generation.max(seen.generation) + gap + 1,
                previous: later.or(far.announcement).unwrap(),
            }
        });
        let list = |members: BTreeSet<u32>| members.into_iter().collect::<Vec<u32>>();
        Ok(object! {
            next_member: (highest.max(self.seen.member) + GAP).min(1 << 28),
            groups: Json::Array(groups.collect()),
            removed: list(removed), unknown: list(unknown),
        })
    }
}
