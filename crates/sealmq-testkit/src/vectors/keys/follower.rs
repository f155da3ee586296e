//! Building one vector of kind `announcement_follow`.

mod kept;

use alloc::collections::BTreeMap;
use core::ops::RangeInclusive;

use sealmq_core::crypto::KemKeyPair;
use sealmq_keys::tree::{Half, half_of};
use sealmq_keys::{ReaderSecret, WelcomeFields};

use crate::vectors::group::{Draft, Epoch, Group, Held, welcome_aad, welcome_info, welcome_object};
use crate::vectors::hpke;
use crate::vectors::prelude::*;

const FOLLOW: Series = Series::new("announcement_follow", "follow-", &["keys.md §7"]);

/// What a member goes through, and a plain model of what it keeps: its epochs and its base.
pub(crate) struct Follower<'a> {
    group: &'a Group,
    /// The tree that the member's leaf is in.
    keys: &'a Group,
    leaf: u32,
    id: &'a str,
    comment: &'a str,
    attacks: Vec<&'a str>,
    /// The delegation that it began with, and the one that it holds now.
    first: Authority,
    authority: Authority,
    member: Json,
    base: u64,
    current: u64,
    /// Hash and secret of each epoch that it keeps.
    epochs: BTreeMap<u64, (Digest, [u8; 32])>,
    /// Its kept keys, newest first.
    kept: Vec<Held>,
    /// How many of before the newest announcement's policy keeps.
    kept_before: usize,
    now: Option<u64>,
    chunk: Option<Vec<u8>>,
    next_authority: Option<Authority>,
    steps: Vec<Json>,
    reason: Option<&'static str>,
}

/// The member of all these vectors.
const NAME: &str = "sensor-7";

/// A welcome that comes later than the first.
#[derive(Clone)]
pub(crate) struct Welcome<'a> {
    group: &'a Group,
    /// Whose tree it is for.
    keys: &'a Group,
    /// Serial of the delegation whose key signs.
    signer: u32,
    package: Vec<u8>,
    /// Whether it has the kept keys of the epoch before.
    brings: bool,
    pub(crate) fields: WelcomeFields,
}

impl<'a> Welcome<'a> {
    /// To this leaf, for this epoch, under the group's delegation.
    pub(crate) fn new(group: &'a Group, leaf: u32, epoch: u64, package: u32) -> Self {
        let package = key_package(NAME, package);
        let fields = group.welcome_fields(7, leaf, epoch, &package);
        Self {
            group,
            keys: group,
            signer: group.serial,
            package,
            brings: true,
            fields,
        }
    }

    /// Signed by a key of another delegation.
    pub(crate) fn signed_under(mut self, serial: u32) -> Self {
        self.signer = serial;
        self
    }

    /// Without kept keys.
    pub(crate) fn bringing_none(mut self) -> Self {
        self.brings = false;
        self
    }

    /// For a leaf of another tree.
    pub(crate) fn keys_of(mut self, keys: &'a Group) -> Self {
        self.keys = keys;
        self
    }

    fn object(&self) -> Vec<u8> {
        let fields = self.fields;
        let path = self.keys.path_bytes(fields.leaf, fields.epoch);
        let none = body(&NO_EXTENSIONS);
        let kept = match self.brings {
            true => self.group.kept_blob(&fields),
            false => blob(&[]),
        };
        let text = [path, kept, none].concat();
        let pair = KemKeyPair::derive(&package_seed(NAME, fields.package_number));
        let (info, aad) = (welcome_info(&fields), welcome_aad(Suite::One, &fields));
        let seed = secret("another welcome");
        let (enc, sealed) = hpke::seal_base(&pair.public().0, &info, &aad, &seed, &text);
        let (fields, signer) = ((&fields, NO_EXTENSIONS), controller(self.signer));
        welcome_object(Suite::One, fields, (&enc, &sealed), &signer)
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut WelcomeFields)) -> Self {
        change(&mut self.fields);
        self
    }
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
        let brought = group.brought(group.healing_before(epoch), half_of(leaf).unwrap());
        let brought = brought.map(|held| held.under(1));
        let authority = authority(group.serial);
        let brought = brought.filter(|held| authority.goes_on(held.serial));
        Self {
            group,
            keys: group,
            leaf,
            id,
            comment,
            attacks: vec![],
            first: authority.clone(),
            authority,
            member: group.member(leaf, epoch),
            base: epoch,
            current: epoch - 1,
            epochs: BTreeMap::new(),
            kept: brought.into_iter().collect(),
            kept_before: 0,
            now: Some(NOW),
            chunk: None,
            next_authority: None,
            steps: vec![],
            reason: None,
        }
    }

    /// Makes members at this leaf.
    pub(crate) fn of(group: &'a Group, leaf: u32, epoch: u64) -> impl Fn(&'a str, &'a str) -> Self {
        move |id, comment| Self::new(group, leaf, epoch, id, comment)
    }

    pub(crate) fn attacks(mut self, attacks: &[&'a str]) -> Self {
        self.attacks.extend_from_slice(attacks);
        self
    }

    /// The delegation that the member holds.
    pub(crate) fn under(self, serial: u32) -> Self {
        self.holding(&authority(serial))
    }

    /// The same, said in full.
    pub(crate) fn holding(mut self, authority: &Authority) -> Self {
        self.first = authority.clone();
        self.end_kept(authority);
        self
    }

    /// The member's clock from now on.
    pub(crate) fn at(mut self, now: Option<u64>) -> Self {
        self.now = now;
        self
    }

    /// The group's announcement of this epoch is accepted.
    pub(crate) fn ok(self, epoch: u64) -> Self {
        let group = self.group;
        self.accept(group.epoch(epoch), group.policy.window)
    }

    /// These of the group's announcements, one after the other.
    pub(crate) fn through(self, epochs: RangeInclusive<u64>) -> Self {
        epochs.fold(self, Self::ok)
    }

    /// An object that says what a draft says, in another encoding, is accepted.
    pub(crate) fn ok_object(self, draft: &Draft, object: &[u8]) -> Self {
        let reader = ReaderSecret::new(draft.reader.secret().duplicate());
        let epoch = Epoch {
            number: draft.epoch,
            serial: draft.serial,
            healing: draft.heals(),
            kept: draft.policy.kept,
            reader,
            announcement: object.to_vec(),
            hash: hash(object),
        };
        self.accept(&epoch, draft.policy.window)
    }

    /// A draft is accepted.
    pub(crate) fn ok_draft(self, draft: &Draft) -> Self {
        let object = self.group.encode(draft);
        self.ok_object(draft, &object)
    }

    fn half(&self) -> Half {
        half_of(self.leaf).unwrap()
    }

    fn secret(&self, reader: &ReaderSecret) -> [u8; 32] {
        match self.half() {
            Half::Readers => *reader.secret().expose(),
            Half::Publishers => *reader.psk().secret().expose(),
        }
    }

    fn accept(mut self, taken: &Epoch, window: u8) -> Self {
        let (epoch, secret) = (taken.number, self.secret(&taken.reader));
        self.epochs.insert(epoch, (taken.hash, secret));
        self.keep(taken);
        if epoch > self.current {
            self.current = epoch;
            let oldest = epoch.saturating_sub(window.into());
            self.base = self.base.max(oldest);
            self.epochs = self.epochs.split_off(&oldest);
        }
        let mut state = object! {
            epoch: epoch, hash: taken.hash, secret: secret, current: self.current, base: self.base,
        };
        // Path keys and slots are stated where all epochs in between are the group's own.
        if self.current < self.group.next_epoch() {
            let keys = self.keys.path_bytes(self.leaf, self.base);
            let keys = keys.chunks(32).map(Json::hex).collect();
            state = state.with("path_keys", Json::Array(keys));
            state = state.with("slots", self.slots());
        }
        let state = state.with("kept", self.kept_json());
        self.step(&taken.announcement, object! { accepted: state }, None)
    }

    /// It was followed before.
    pub(crate) fn known(self, epoch: u64) -> Self {
        let object = self.group.announcement(epoch).to_vec();
        self.step(&object, object! { known: true }, None)
    }

    /// A healing announcement has to come first.
    pub(crate) fn asks(self, epoch: u64, ask_epoch: u64) -> Self {
        let object = self.group.announcement(epoch).to_vec();
        let expect = object! { reason: "needs_healing", ask_epoch: ask_epoch };
        self.step(&object, expect, Some("needs_healing"))
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
        let mut step = object! { object: Json::hex(object), now: self.now };
        if let Some(chunk) = self.chunk.take() {
            step = step.with("chunk", Json::hex(chunk));
        }
        self.steps.push(step.with("expect", expect));
        self
    }

    /// What is fetched from the chunk's topic for the next step.
    pub(crate) fn with_chunk(mut self, chunk: &[u8]) -> Self {
        self.chunk = Some(chunk.to_vec());
        self
    }

    /// Its chunk has to be fetched first.
    pub(crate) fn asks_chunk(self, epoch: u64, number: u32) -> Self {
        let object = self.group.announcement(epoch).to_vec();
        self.asks_chunk_of(&object, number)
    }

    /// The same of any announcement.
    pub(crate) fn asks_chunk_of(self, object: &[u8], number: u32) -> Self {
        let expect = object! { reason: "needs_chunk", ask_chunk: number };
        self.step(object, expect, Some("needs_chunk"))
    }

    // --- another welcome ---

    /// The welcome is of this delegation, which the member holds from now on.
    pub(crate) fn now_under(mut self, authority: &Authority) -> Self {
        self.next_authority = Some(authority.clone());
        self
    }

    /// Another welcome, which only moves the member to another leaf, epoch or generation.
    pub(crate) fn moved(mut self, welcome: &Welcome<'a>) -> Self {
        self.keep_of(welcome, half_of(welcome.fields.leaf) != half_of(self.leaf));
        (self.group, self.keys) = (welcome.group, welcome.keys);
        let before = half_of(self.leaf);
        (self.leaf, self.base) = (welcome.fields.leaf, welcome.fields.epoch);
        if half_of(self.leaf) != before {
            self.epochs.retain(|epoch, _| *epoch < welcome.fields.epoch);
            self.current = self.epochs.keys().last().copied().unwrap_or(self.base - 1);
        }
        let expect = object! { moved: self.state_of(welcome) };
        self.welcome_step(welcome, expect, None)
    }

    /// The same, of a newer delegation, which vouches for these epochs only.
    pub(crate) fn moved_keeping(mut self, welcome: &Welcome<'a>, epochs: &[u64]) -> Self {
        self.epochs.retain(|epoch, _| epochs.contains(epoch));
        self.current = self.epochs.keys().last().copied().unwrap_or(0);
        self.moved(welcome)
    }

    /// Another welcome, which replaces everything.
    pub(crate) fn replaced(mut self, welcome: &Welcome<'a>) -> Self {
        self.kept_before = 0;
        self.keep_of(welcome, true);
        (self.group, self.keys) = (welcome.group, welcome.keys);
        (self.leaf, self.base) = (welcome.fields.leaf, welcome.fields.epoch);
        self.current = self.base - 1;
        self.epochs.clear();
        let expect = object! { replaced: self.state_of(welcome) };
        self.welcome_step(welcome, expect, None)
    }

    /// Another welcome, which is refused.
    pub(crate) fn not_installed(mut self, welcome: &Welcome<'_>, reason: &'static str) -> Self {
        if let Some(authority) = &self.next_authority {
            let authority = authority.clone();
            self.end_kept(&authority);
        }
        self.welcome_step(welcome, object! { reason: reason }, Some(reason))
    }

    fn state_of(&self, welcome: &Welcome<'_>) -> Json {
        let keys = welcome.keys.path_bytes(self.leaf, self.base);
        object! {
            base: self.base,
            path_keys: Json::Array(keys.chunks(32).map(Json::hex).collect()),
            slots: self.slots(), kept: self.kept_json(),
        }
    }

    fn slots(&self) -> Json {
        let slots = self.epochs.iter().map(|(epoch, (hash, secret))| {
            object! { epoch: *epoch, hash: *hash, secret: *secret }
        });
        Json::Array(slots.collect())
    }

    fn welcome_step(
        mut self,
        welcome: &Welcome<'_>,
        expect: Json,
        reason: Option<&'static str>,
    ) -> Self {
        self.reason = reason;
        let (package, number) = (&welcome.package, welcome.fields.package_number);
        let mut step = object! {
            welcome: Json::hex(welcome.object()),
            package: Json::hex(package), package_seed: *package_seed(NAME, number).expose(),
        };
        if let Some(authority) = self.next_authority.take() {
            step = step.with("authority", authority_json(&authority));
        }
        self.steps.push(step.with("expect", expect));
        self
    }

    /// Puts the vector into the file.
    pub(crate) fn done(self, file: &mut VectorFile) {
        let input = object! {
            authority: authority_json(&self.first), group: self.group.id.0, skew: 300_u16,
            member: self.member, steps: Json::Array(self.steps),
        };
        let case = FOLLOW.case(self.id, self.comment, input);
        file.push(case.attacks(&self.attacks).reason(self.reason));
    }
}

/// Names every announcement of a group.
pub(crate) fn fixtures(group: &Group, file: &mut VectorFile) {
    for epoch in &group.epochs {
        assert!(!body_of(&epoch.announcement, sealmq_core::object::Kind::Announcement).is_empty());
        let name = format!("{}-{}", group.label, epoch.number);
        file.fixture(name, Json::hex(&epoch.announcement));
    }
}
