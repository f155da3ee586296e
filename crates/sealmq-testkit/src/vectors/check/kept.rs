//! Kind `kept_chain`, and the kept keys of members that follow (spec/keys.md §7, "Kept keys").

use sealmq_core::crypto::expand;
use sealmq_core::object::ObjectError;
use sealmq_keys::member::{KeptBefore, OlderKept};
use sealmq_keys::tree::{NodeKey, half_of};
use sealmq_keys::{
    GroupState, InstallError, Installed, KeptKeys, KeptSet, OpenedWelcome, WelcomeFields, kept_name,
};

use super::welcome::{brought_json, kept_key, state};
use super::{Checked, Input, require, to_value};
use crate::vectors::group::Group;
use crate::vectors::prelude::*;

/// What a member has of one group: the state, and the kept keys of before its newest ones.
pub(crate) struct Keys {
    pub(crate) state: GroupState,
    older: OlderKept,
}

impl Keys {
    pub(crate) fn new(state: GroupState, authority: &Authority) -> Self {
        let older = OlderKept::default();
        let mut keys = Self { state, older };
        keys.end(authority);
        keys
    }

    fn most(&self) -> u8 {
        self.state.policy().map_or(0, |policy| policy.kept)
    }

    /// Another delegation is held. `true` if kept keys ended with it.
    pub(crate) fn end(&mut self, authority: &Authority) -> bool {
        let older = self.older.end(|serial| authority.goes_on(serial));
        self.state.end_kept(|serial| authority.goes_on(serial)) || older
    }

    /// Whatever `change` does to the state is done as the member machine does it.
    pub(crate) fn follow<T, E>(
        &mut self,
        authority: &Authority,
        change: impl FnOnce(&mut GroupState) -> Result<T, E>,
    ) -> Result<T, E> {
        let before = KeptBefore::of(Some(&self.state));
        let changed = change(&mut self.state)?;
        self.end(authority);
        self.older.settle(Some(&self.state), before, self.most());
        Ok(changed)
    }

    pub(crate) fn install(&mut self, welcome: OpenedWelcome) -> Result<Installed, InstallError> {
        let (brought, serial) = (welcome.kept(), welcome.fields().serial);
        let before = KeptBefore::of(Some(&self.state));
        let installed = self.state.reinstall(welcome)?;
        match installed {
            Installed::Replaced { .. } => self.older = OlderKept::default(),
            Installed::Moved => {
                brought.map(|kept| self.older.vouch(&kept, serial));
                self.older.settle(Some(&self.state), before, self.most());
            }
        }
        Ok(installed)
    }

    /// Those of before the newest.
    pub(crate) const fn older(&self) -> &OlderKept {
        &self.older
    }

    /// What is stored and read back is what was in memory.
    pub(crate) fn store_older(&mut self) {
        let stored = self.older.to_stored();
        self.older = stored.map_or_else(OlderKept::default, |stored| {
            OlderKept::from_stored(&stored).unwrap()
        });
    }

    /// The kept keys, newest first, as a vector has them.
    pub(crate) fn json(&self) -> Json {
        let numbered = |epoch: u64, serial: u32, rest: &Json| {
            let json = object! { epoch: epoch, serial: serial };
            let names = ["kept", "kept_psk", "kept_secret", "kept_key"];
            let known = names
                .iter()
                .filter_map(|name| Some((name, rest.get(name)?)));
            known.fold(json, |json, (name, value)| json.with(name, value.clone()))
        };
        let newest = self.state.kept_key().into_iter();
        let newest = newest.map(|(epoch, serial, key)| numbered(epoch, serial, &brought_json(key)));
        let older = self.older.keys().map(|(set, serial)| {
            let secrets = object! {
                kept: set.kept, kept_psk: *set.psk.secret().expose(),
                kept_secret: *set.secret.secret().expose(),
            };
            numbered(set.epoch, serial, &secrets)
        });
        Json::Array(newest.chain(older).collect())
    }

    /// Whether a step's expectation has other kept keys.
    pub(crate) fn check(&self, expected: Input<'_>) -> Result<(), String> {
        let own = to_value(&self.json());
        match expected.opt("kept", Input::value) {
            Some(stated) if *stated != own => Err(format!("the kept keys are {own}")),
            _ => Ok(()),
        }
    }

    /// A kept keys object: whether it brought anything.
    pub(crate) fn go_back(
        &mut self,
        bytes: &[u8],
        authority: &Authority,
    ) -> Result<bool, (&'static str, Option<u64>)> {
        let object = |error: ObjectError| (super::object::reason(error), None);
        let list = KeptKeys::verify(bytes, authority).map_err(object)?;
        let fields = *list.fields();
        if fields.group != *self.state.group() {
            return Err(("group", None));
        }
        let most = self.most();
        let went = self.older.go_back(&mut self.state, &list, most);
        if !went.known && fields.epoch > self.state.current_epoch() {
            return Err(("ahead", Some(fields.epoch)));
        }
        Ok(went.newest || went.older)
    }
}

/// What a member has right after its welcome to the group that vectors are about.
pub(crate) fn member_keys(group: &Group, leaf: u32, epoch: u64, authority: &Authority) -> Keys {
    let fields = group.welcome_fields(7, leaf, epoch, &key_package("sensor-7", 1));
    let half = half_of(leaf).unwrap();
    let kept = group.kept_key((fields.healing_epoch, fields.healing), half);
    let state = state(&fields, kept.as_ref(), |node| group.node_key(node, epoch));
    Keys::new(state, authority)
}

/// A reader that has some kept keys, and goes back from there.
pub(crate) fn chain(input: Input<'_>) -> Checked {
    let (bytes, authority) = (input.hex("object"), input.authority("authority"));
    let list = KeptKeys::verify(&bytes, &authority)?;
    require(list.fields().group == input.group("group"), "group")?;
    let known = input.list("known");
    let mut state = with_newest(known.first().copied(), input.group("group"));
    let set = |kept: &Input<'_>| kept_key(*kept).into_set(kept.u64("epoch")).unwrap();
    let older = known
        .iter()
        .skip(1)
        .map(|kept| (set(kept), authority.serial));
    let mut older = OlderKept::of(older);
    let names: Vec<Digest> = known.iter().map(|kept| kept.digest("kept")).collect();
    let went = older.go_back(&mut state, &list, input.number("policy_kept"));
    require(went.known, "ahead")?;

    let newest = known.first().map(set);
    let all: Vec<&KeptSet> = newest
        .iter()
        .chain(older.keys().map(|(set, _)| set))
        .collect();
    let new = |set: &KeptSet| !names.contains(&set.kept);
    let opened = all.iter().filter(|set| new(set)).map(|set| {
        object! {
            epoch: set.epoch, kept: set.kept, kept_name: kept_name(&set.kept),
            kept_secret: *set.secret.secret().expose(), kept_psk: *set.psk.secret().expose(),
            kept_key: set.secret.key_pair().public().0,
        }
    });
    // The real code keeps them to itself; that the entry opened says that it has the same.
    let chain_keys = all.windows(2).filter(|pair| new(pair[1])).map(|pair| {
        let info: [&[u8]; 3] = [b"sealmq/1 kept chain", &pair[0].kept.0, &pair[1].kept.0];
        *expand(pair[0].secret.secret(), &info).expose()
    });
    Ok(object! {
        opened: Json::Array(opened.collect()),
        chain_keys: chain_keys.collect::<Vec<_>>(),
    })
}

/// The state of a reader whose welcome brought these kept keys.
fn with_newest(newest: Option<Input<'_>>, group: GroupId) -> GroupState {
    let place = newest.map_or((0, Digest::ZERO), |kept| {
        (kept.u64("epoch"), kept.digest("kept"))
    });
    let fields = WelcomeFields {
        domain: domain(),
        serial: 1,
        signer: 1,
        member: MemberNumber(7),
        group,
        generation: 1,
        depth: 2,
        leaf: 4,
        epoch: place.0 + 2,
        previous: digest("any epoch"),
        healing_epoch: place.0,
        healing: place.1,
        package_number: 1,
        package: Digest::ZERO,
    };
    let kept = newest.map(kept_key);
    state(&fields, kept.as_ref(), |_| NodeKey::new(secret("any node")))
}
