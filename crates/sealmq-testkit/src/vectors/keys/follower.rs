//! Building one vector of kind `announcement_follow`.

use std::collections::BTreeMap;

use sealmq_core::crypto::Digest;
use sealmq_keys::tree::{Half, half_of};

use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::group::{Draft, Group};
use crate::vectors::json::{Json, object};
use crate::vectors::world::{NOW, authority, authority_json, body_of, hash};

/// What a member goes through, and a plain model of what it keeps: its epochs and its base.
pub(crate) struct Follower<'a> {
    group: &'a Group,
    leaf: u32,
    id: &'a str,
    comment: &'a str,
    attacks: Vec<&'a str>,
    serial: u32,
    member: Json,
    base: u64,
    current: u64,
    /// Hash and secret of each epoch that it keeps.
    epochs: BTreeMap<u64, (Digest, [u8; 32])>,
    now: Option<u64>,
    steps: Vec<Json>,
    reason: Option<&'static str>,
}

impl<'a> Follower<'a> {
    /// A member at this leaf, right after a welcome for `epoch`.
    pub(crate) fn new(
        group: &'a Group,
        leaf: u32,
        epoch: u64,
        id: &'a str,
        comment: &'a str,
    ) -> Self {
        Self {
            group,
            leaf,
            id,
            comment,
            attacks: vec![],
            serial: group.serial,
            member: group.member(leaf, epoch),
            base: epoch,
            current: epoch - 1,
            epochs: BTreeMap::new(),
            now: Some(NOW),
            steps: vec![],
            reason: None,
        }
    }

    pub(crate) fn attacks(mut self, attacks: &[&'a str]) -> Self {
        self.attacks.extend_from_slice(attacks);
        self
    }

    /// The delegation that the member holds.
    pub(crate) fn under(mut self, serial: u32) -> Self {
        self.serial = serial;
        self
    }

    /// The member's clock from now on.
    pub(crate) fn at(mut self, now: Option<u64>) -> Self {
        self.now = now;
        self
    }

    /// The group's announcement of this epoch is accepted.
    pub(crate) fn ok(self, epoch: u64) -> Self {
        let epoch = self.group.epoch(epoch);
        let window = u64::from(self.group.policy.window);
        let (number, secret) = (epoch.number, self.secret(&epoch.reader));
        self.accept(number, &epoch.announcement, secret, window)
    }

    /// A draft is accepted.
    pub(crate) fn ok_draft(self, draft: &Draft) -> Self {
        let secret = self.secret(&draft.reader);
        let object = self.group.encode(draft);
        self.accept(draft.epoch, &object, secret, draft.policy.window.into())
    }

    fn secret(&self, reader: &sealmq_keys::ReaderSecret) -> [u8; 32] {
        match half_of(self.leaf) {
            Some(Half::Readers) => *reader.secret().expose(),
            _ => *reader.psk().secret().expose(),
        }
    }

    fn accept(mut self, epoch: u64, object: &[u8], secret: [u8; 32], window: u64) -> Self {
        self.epochs.insert(epoch, (hash(object), secret));
        if epoch > self.current {
            self.current = epoch;
            self.base = self.base.max(epoch.saturating_sub(window));
            self.epochs = self.epochs.split_off(&self.base);
        }
        let mut state = object! {
            epoch: epoch, hash: hash(object), secret: secret, current: self.current, base: self.base,
        };
        // Path keys and slots are stated where all epochs in between are the group's own.
        if self.current < self.group.next_epoch() {
            let keys = self.group.path_bytes(self.leaf, self.base);
            state = state.with(
                "path_keys",
                Json::Array(keys.chunks(32).map(Json::hex).collect()),
            );
            let slots = self.epochs.iter().map(|(epoch, (hash, secret))| {
                object! { epoch: *epoch, hash: *hash, secret: *secret }
            });
            state = state.with("slots", Json::Array(slots.collect()));
        }
        self.step(object, object! { accepted: state }, None)
    }

    /// It was followed before.
    pub(crate) fn known(self, epoch: u64) -> Self {
        let object = self.group.announcement(epoch).to_vec();
        self.step(&object, object! { known: true }, None)
    }

    /// A healing announcement has to come first.
    pub(crate) fn asks(self, epoch: u64, ask_epoch: u64) -> Self {
        let object = self.group.announcement(epoch).to_vec();
        self.step(
            &object,
            object! { reason: "needs_healing", ask_epoch: ask_epoch },
            Some("needs_healing"),
        )
    }

    /// The group's announcement of this epoch is refused.
    pub(crate) fn bad(self, epoch: u64, reason: &'static str) -> Self {
        let object = self.group.announcement(epoch).to_vec();
        self.raw(&object, reason)
    }

    /// A draft is refused.
    pub(crate) fn bad_draft(self, draft: &Draft, reason: &'static str) -> Self {
        let object = self.group.encode(draft);
        self.raw(&object, reason)
    }

    /// Whatever it is, it is refused.
    pub(crate) fn raw(self, object: &[u8], reason: &'static str) -> Self {
        self.step(object, object! { reason: reason }, Some(reason))
    }

    fn step(mut self, object: &[u8], expect: Json, reason: Option<&'static str>) -> Self {
        self.reason = reason;
        self.steps
            .push(object! { object: Json::hex(object), now: self.now, expect: expect });
        self
    }

    /// Puts the vector into the file.
    pub(crate) fn done(self, file: &mut VectorFile) {
        let input = object! {
            authority: authority_json(&authority(self.serial)),
            group: self.group.id.0,
            skew: 300_u16,
            member: self.member,
            steps: Json::Array(self.steps),
        };
        let id = format!("follow-{}", self.id);
        let spec = &["keys.md §7"];
        let vector = match self.reason {
            Some(reason) => {
                Vector::invalid("announcement_follow", id, self.comment, spec, input, reason)
            }
            None => Vector::valid("announcement_follow", id, self.comment, spec, input),
        };
        file.push(vector.attacks(&self.attacks));
    }
}

/// Names every announcement of a group.
pub(crate) fn fixtures(group: &Group, file: &mut VectorFile) {
    for epoch in &group.epochs {
        assert!(!body_of(&epoch.announcement, sealmq_core::object::Kind::Announcement).is_empty());
        file.fixture(
            format!("{}-{}", group.label, epoch.number),
            Json::hex(&epoch.announcement),
        );
    }
}
