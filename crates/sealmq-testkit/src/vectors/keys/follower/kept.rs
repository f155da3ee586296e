//! A plain model of the kept keys of a member (spec/keys.md §7, "Kept keys").

use sealmq_core::object::decode_prefix;
use sealmq_keys::Head;
use sealmq_keys::tree::{Half, half_of};

use super::{Follower, Welcome};
use crate::vectors::group::{Epoch, Held, KeptList, brought};
use crate::vectors::prelude::*;

/// The kept_key in an announcement's head.
fn kept_key(announcement: &[u8]) -> [u8; 32] {
    let body = body_of(announcement, Kind::Announcement);
    let (head, _) = decode_prefix::<Head<'_>>(body).unwrap();
    head.kept_key.try_into().unwrap()
}

impl Follower<'_> {
    pub(super) fn kept_json(&self) -> Json {
        Json::Array(self.kept.iter().map(Held::json).collect())
    }

    /// An announcement was followed.
    pub(super) fn keep(&mut self, taken: &Epoch) {
        if taken.number > self.current {
            self.kept_before = taken.kept.into();
        }
        if taken.healing {
            let place = (taken.number, taken.hash);
            let new = Held::new(place, taken.serial, self.half(), &taken.reader);
            self.take_kept(match self.half() {
                Half::Readers => new,
                // Which it takes as it is announced.
                Half::Publishers => new.announced_as(kept_key(&taken.announcement)),
            });
        }
        self.trim_kept(self.half());
    }

    /// A welcome was installed; `anew` if it ends what was kept before.
    pub(super) fn keep_of(&mut self, welcome: &Welcome<'_>, anew: bool) {
        if let Some(authority) = self.next_authority.clone() {
            self.end_kept(&authority);
        }
        if anew {
            self.kept.clear();
        }
        let fields = &welcome.fields;
        let Some(new) = brought(welcome.group, fields).filter(|_| welcome.brings) else {
            return;
        };
        let known = self.kept.iter().any(|held| held.kept == new.kept);
        if known || self.kept.iter().all(|held| held.epoch <= new.epoch) {
            self.take_kept(new);
            self.trim_kept(half_of(fields.leaf).unwrap());
        }
    }

    fn take_kept(&mut self, new: Held) {
        if !self.authority.goes_on(new.serial) {
            return;
        }
        match self.kept.iter_mut().find(|held| held.kept == new.kept) {
            Some(held) => held.serial = held.serial.max(new.serial),
            None => self.kept.push(new),
        }
        self.kept.sort_by_key(|held| core::cmp::Reverse(held.epoch));
    }

    fn trim_kept(&mut self, half: Half) {
        let before = match half {
            Half::Readers => self.kept_before,
            Half::Publishers => 0,
        };
        self.kept.truncate(1 + before);
    }

    /// Another delegation is held.
    pub(super) fn end_kept(&mut self, authority: &Authority) {
        self.authority = authority.clone();
        self.kept.retain(|held| authority.goes_on(held.serial));
    }

    // --- steps ---

    /// A delegation is taken, and these kept epochs stay.
    pub(crate) fn takes(mut self, authority: &Authority, stay: &[u64]) -> Self {
        let before = self.kept.len();
        self.end_kept(authority);
        let epochs: Vec<u64> = self.kept.iter().map(|held| held.epoch).collect();
        assert_eq!(epochs, stay, "{}", self.id);
        let expect = match self.kept.len() == before {
            true => object! { known: true },
            false => object! { kept: self.kept_json() },
        };
        let step = object! { authority: authority_json(authority) };
        self.steps.push(step.with("expect", expect));
        self.reason = None;
        self
    }

    /// It goes back by a kept keys object, and then has these kept epochs, under these serials.
    pub(crate) fn goes_back(mut self, list: &KeptList, has: &[(u64, u32)]) -> Self {
        let of = |(epoch, serial): &(u64, u32)| {
            let place = (*epoch, self.group.epoch(*epoch).hash);
            self.group.held(place, *serial, self.half())
        };
        let kept: Vec<Held> = has.iter().map(of).collect();
        assert!(self.kept != kept, "{}: nothing changes", self.id);
        self.kept = kept;
        let expect = object! { kept: self.kept_json() };
        self.kept_step(list, expect, None)
    }

    /// It says nothing new.
    pub(crate) fn ignores(self, list: &KeptList) -> Self {
        self.kept_step(list, object! { known: true }, None)
    }

    /// It names nothing that is there, and the announcement of its newest epoch is to come.
    pub(crate) fn ahead(self, list: &KeptList) -> Self {
        let expect = object! { reason: "ahead", ask_epoch: list.epoch };
        self.kept_step(list, expect, Some("ahead"))
    }

    /// It is refused.
    pub(crate) fn not_kept(self, list: &KeptList, reason: &'static str) -> Self {
        self.kept_step(list, object! { reason: reason }, Some(reason))
    }

    fn kept_step(mut self, list: &KeptList, expect: Json, reason: Option<&'static str>) -> Self {
        self.reason = reason;
        let step = object! { kept_keys: Json::hex(list.object()) };
        self.steps.push(step.with("expect", expect));
        self
    }
}
