use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use sealmq_core::object::{Kind, Object};
use sealmq_core::open::{
    Directory, Epochs, ReadPolicy, ReadingEpoch, Rejection, Sender, SenderQuery, Sighting,
    Staleness,
};
use sealmq_core::{Credential, CredentialOrder, GroupId, KeyId, MemberNumber};

use super::clones::Clones;
use super::groups::Group;
use super::holder::Holder;
use super::peers::Peers;
use super::pending::Pending;
use super::replay::HostReceiver;
use super::succession::Past;
use super::topics::Topics;
use super::types::Now;
use super::{Member, seconds};
use crate::delegation::VerifiedDelegation;
use crate::standing::{Issued, Moment, Standing};

/// What the receiver looks things up in.
pub(super) struct View<'a> {
    pub(super) groups: &'a BTreeMap<GroupId, Group>,
    pub(super) topics: &'a Topics,
    /// The group that is asked first for a key.
    pub(super) near: Cell<Option<GroupId>>,
    pub(super) peers: &'a Peers,
    pub(super) own: &'a Holder,
    pub(super) delegation: &'a VerifiedDelegation,
    pub(super) delegation_object: &'a [u8],
    pub(super) past: &'a Past,
    /// Until when the own credential counts.
    pub(super) own_end: Option<u64>,
    pub(super) now: Now,
    pub(super) uptime: Option<u64>,
    pub(super) pending: &'a Pending,
    /// A credential that came inside the message, and that others wait for: it goes before the
    /// message.
    pub(super) inside: RefCell<Option<(MemberNumber, Vec<u8>)>>,
    pub(super) clones: &'a Clones,
    /// What was refused as a replay, and verified all the same.
    pub(super) told: Cell<Option<Sighting>>,
}

impl Member {
    /// What the receiver looks things up in, and the receiver. `near`: the group whose keys are
    /// probably asked for.
    pub(super) fn with_view<R>(
        &mut self,
        near: Option<GroupId>,
        now: Now,
        run: impl FnOnce(&View<'_>, &mut HostReceiver) -> R,
    ) -> R {
        let view = View {
            groups: &self.groups,
            topics: &self.topics,
            near: Cell::new(near),
            peers: &self.peers,
            own: &self.own,
            delegation: &self.delegation,
            delegation_object: self.delegation_object.bytes(),
            past: &self.past,
            own_end: self.own_end(),
            now,
            uptime: self.uptime,
            pending: &self.pending,
            inside: RefCell::new(None),
            clones: &self.clones,
            told: Cell::new(None),
        };
        run(&view, &mut self.reader.receiver)
    }
}

impl Epochs for View<'_> {
    fn find(&self, key_id: &KeyId) -> Option<ReadingEpoch<'_>> {
        let near = self.near.get();
        let near = near.and_then(|id| self.groups.get_key_value(&id));
        near.into_iter().chain(self.groups).find_map(|(id, group)| {
            let state = group.state.as_ref()?;
            let until = || self.standing(*id, group, self.own).reads_until(self.at());
            let policy = group.policy();
            let (epoch, announcement, key_pair, psk, for_state) =
                if let Some(view) = state.by_key_id(key_id) {
                    let psk = group.reading_psk(view.hash)?;
                    (view.epoch, *view.hash, view.key_pair?, psk, false)
                } else {
                    let keys = group.state_keys(key_id)?;
                    let epoch = state.current_epoch();
                    (epoch, keys.name, keys.pair, keys.psk, true)
                };
            let not_after = until()?;
            self.near.set(Some(*id));
            Some(ReadingEpoch {
                group: *id,
                epoch,
                for_state,
                announcement,
                suite: self.delegation.suite().data_path(),
                key_pair,
                psk,
                not_after,
                policy: ReadPolicy {
                    skew: policy.skew,
                    grace: policy.grace,
                    freshness: policy.freshness,
                    will_age: policy.will_age,
                },
            })
        })
    }
}

impl View<'_> {
    /// Without a clock, keys whose lease nothing proves are not used. While an answer is on its
    /// way, messages wait for it; otherwise they are stale.
    pub(super) fn explain(&self, rejection: Rejection) -> Rejection {
        let Rejection::UnknownKey { key_id } = &rejection else {
            return rejection;
        };
        let group = self.groups.values().find(|group| group.reads(key_id));
        match group {
            Some(group) if !self.may_come(group) => Rejection::Stale(Staleness::Keys),
            _ => rejection,
        }
    }

    /// Whether messages of a known epoch become readable by what is on its way.
    pub(super) fn may_come(&self, group: &Group) -> bool {
        group.awaits_answer() || self.past.awaits(group, self.delegation)
    }

    const fn at(&self) -> Moment {
        Moment {
            now: match self.now {
                Some(ms) => Some(ms / 1000),
                None => None,
            },
            uptime: self.uptime,
        }
    }

    fn standing<'v>(&'v self, id: GroupId, group: &'v Group, holder: &'v Holder) -> Standing<'v> {
        Standing {
            group: id,
            state: group.state.as_deref(),
            keys_end: self.past.end_of(group, self.delegation),
            removed: false,
            holding: holder.holding(&id, self.end_of(holder)),
            covered: None,
        }
    }

    /// Until when a credential counts.
    fn end_of(&self, holder: &Holder) -> Option<u64> {
        if holder.credential().hash() == self.own.credential().hash() {
            self.own_end
        } else {
            Some(holder.not_after.min(self.delegation.not_after()))
        }
    }

    fn judge(&self, query: &SenderQuery<'_>, holder: &Holder) -> Option<Sender> {
        let group = self.groups.get(&query.group)?;
        let standing = Standing {
            covered: (self.topics.group_of(query.topic) == Some(query.group))
                .then_some(query.topic),
            ..self.standing(query.group, group, holder)
        };
        let issued = Issued {
            delegation: holder.delegation_serial,
            issued_at: holder.issued_at,
            not_after: holder.not_after,
        };
        let lowest = group.refusals.lowest_serial(holder.member);
        Some(standing.sender(query.topic, &issued, lowest, self.at()))
    }

    fn known(&self, member: MemberNumber) -> Option<&Holder> {
        if self.own.member == member {
            return self.own_end.map(|_| self.own);
        }
        self.peers.get(member, self.delegation)
    }
}

impl Directory for View<'_> {
    fn sender(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        self.judge(query, self.known(query.member)?)
    }

    fn sender_before(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        let before = self
            .peers
            .before(query.member, self.delegation, self.delegation_object);
        self.judge(query, before?)
    }

    fn admit(
        &self,
        query: &SenderQuery<'_>,
        credential: &[u8],
        known: Option<CredentialOrder>,
    ) -> Option<Sender> {
        // First what costs no signature.
        let object = Object::parse(credential, Kind::Credential).ok()?;
        let (fields, _) = object.decode::<Credential<'_>>().ok()?;
        let newer = known.is_none_or(|known| fields.order() > known);
        let in_time = seconds(self.now).is_none_or(|now| now <= self.delegation.not_after());
        if fields.member != query.member || !newer || !in_time {
            return None;
        }
        let verified = Holder::verify(credential.to_vec(), self.delegation).ok()?;
        // A number is bound to its key for life.
        let known = match self.own.member == query.member {
            true => Some(self.own),
            false => self.peers.get(query.member, self.delegation),
        };
        let same_key =
            known.is_none_or(|known| known.credential().key() == verified.credential().key());
        if !same_key {
            return None;
        }
        if self.own.member != query.member && self.pending.awaits(query.member) {
            self.inside
                .replace(Some((query.member, credential.to_vec())));
            return None;
        }
        self.judge(query, &verified)
    }

    fn admit_older(&self, query: &SenderQuery<'_>, credential: &[u8]) -> Option<Sender> {
        let object = Object::parse(credential, Kind::Credential).ok()?;
        let (fields, _) = object.decode::<Credential<'_>>().ok()?;
        if fields.member != query.member {
            return None;
        }
        let verified = Holder::verify_older(credential, self.delegation, self.delegation_object)?;
        self.judge(query, &verified)
    }

    fn would_tell(&self, sighting: &Sighting) -> bool {
        let own = self.own.member == sighting.member;
        !own && self.clones.would_tell(sighting, self.now.or(self.uptime))
    }

    fn told(&self, sighting: &Sighting) {
        self.told.set(Some(*sighting));
    }
}
