//! Kind `announcement_follow` (spec/keys.md §7).

use sealmq_core::crypto::{KemId, RecipientKeyPair};
use sealmq_keys::tree::Half;
use sealmq_keys::{
    Chunk, FollowContext, FollowError, Followed, GroupState, InstallError, Installed, Psk,
    ReaderSecret, VerifiedWelcome, default_prefix,
};

use super::kept::Keys;
use super::object::reason;
use super::welcome::{contains, member_state};
use super::{Checked, Input, No, broken};
use crate::vectors::prelude::*;

pub(crate) fn follow(input: Input<'_>) -> Checked {
    let (mut authority, group) = (input.authority("authority"), input.group("group"));
    let prefix = default_prefix(&authority.domain);
    let state = member_state(input.get("member"), authority.domain, group);
    let mut keys = Keys::new(state, &authority);
    // Hashes of healing announcements that were asked for: they may come under an older serial.
    let mut asked: Vec<Digest> = vec![];
    let mut last = None;
    for (n, step) in input.list("steps").into_iter().enumerate() {
        let at = |fault: String| broken(format_args!("step {n}: {fault}"));
        let expect = step.get("expect");
        if step.has("welcome") {
            if step.has("authority") {
                authority = step.authority("authority");
                keys.end(&authority);
            }
            last = install(&mut keys, &authority, step, expect).map_err(at)?;
            continue;
        }
        if !step.has("object") {
            last = go_back(&mut keys, &mut authority, step, expect).map_err(at)?;
            continue;
        }
        let bytes = step.hex("object");
        let chunk = step.opt("chunk", Input::hex);
        let own = (bytes.len() >= 64).then(|| hash(&bytes));
        let context = FollowContext {
            authorities: &authority,
            prefix: &prefix,
            now: step.opt_u64("now"),
            referenced: own.filter(|hash| asked.contains(hash)),
            chunk: chunk.as_deref().map(Chunk::Bytes),
        };
        let before = keys.state.to_bytes().unwrap();
        last = match keys.follow(&authority, |state| state.follow(&bytes, &context)) {
            Ok(Followed::AlreadyKnown) if expect.has("known") => None,
            Ok(Followed::Filled { epoch } | Followed::Current { epoch, .. })
                if expect.has("accepted") =>
            {
                let expect = expect.get("accepted");
                check_state(&keys.state, epoch, expect).map_err(at)?;
                keys.check(expect).map_err(at)?;
                None
            }
            Err(error) if expect.has("reason") => {
                let (reason, epoch, chunk) = reason_of(&error, &mut asked);
                let asks = (expect.opt_u64("ask_epoch"), expect.opt_u64("ask_chunk"));
                if expect.str("reason") != reason || asks != (epoch, chunk) {
                    return Err(at(format!("refused as {reason} {epoch:?} {chunk:?}")));
                }
                if *keys.state.to_bytes().unwrap() != *before {
                    return Err(at("refused, and the state has changed".to_owned()));
                }
                Some(reason)
            }
            other => return Err(at(format!("{other:?}, the vector says {}", expect.raw()))),
        };
        // What is stored and read back goes on like what was in memory.
        let stored = keys.state.to_bytes().unwrap();
        keys.state = GroupState::decode(&stored).map_err(|error| at(error.to_string()))?;
        keys.store_older();
    }
    last.map_or(Ok(object! {}), |reason| Err(No::from(reason)))
}

type Asked = (&'static str, Option<u64>, Option<u64>);

/// The reason, and the epoch or the chunk that is asked for.
fn reason_of(error: &FollowError, asked: &mut Vec<Digest>) -> Asked {
    let reason = match error {
        FollowError::Object(error) => reason(*error),
        FollowError::OtherGroup => "group",
        FollowError::Fork(_) => "fork",
        FollowError::NeedsHealing { epoch, hash } => {
            asked.push(*hash);
            return ("needs_healing", Some(*epoch), None);
        }
        FollowError::NeedsChunk { chunk, .. } => {
            return ("needs_chunk", None, Some(chunk.number.into()));
        }
        FollowError::Chunk => "serial",
        FollowError::NotCovered => "not_covered",
        FollowError::TooOld => "too_old",
        FollowError::TooFar => "too_far",
        FollowError::WrongSecret => "wrong_secret",
        _ => "?",
    };
    (reason, None, None)
}

/// A kept keys object, or a delegation that the member takes.
fn go_back(
    keys: &mut Keys,
    authority: &mut Authority,
    step: Input<'_>,
    expect: Input<'_>,
) -> Result<Option<&'static str>, String> {
    let result = match step.opt("kept_keys", Input::hex) {
        Some(bytes) => keys.go_back(&bytes, authority),
        None => {
            *authority = step.authority("authority");
            Ok(keys.end(authority))
        }
    };
    match result {
        Ok(true) if expect.has("kept") => keys.check(expect).map(|()| None),
        Ok(false) if expect.has("known") => Ok(None),
        Err((reason, epoch))
            if expect.has("reason")
                && (expect.str("reason"), expect.opt_u64("ask_epoch")) == (reason, epoch) =>
        {
            Ok(Some(reason))
        }
        other => Err(format!("{other:?}, the vector says {}", expect.raw())),
    }
}

/// A later welcome: moves the member, or replaces what it has.
fn install(
    keys: &mut Keys,
    authority: &Authority,
    step: Input<'_>,
    expect: Input<'_>,
) -> Result<Option<&'static str>, String> {
    let bytes = step.hex("welcome");
    let before = keys.state.to_bytes().unwrap();
    let result = match VerifiedWelcome::verify(&bytes, authority) {
        Ok(welcome) => {
            let pair = RecipientKeyPair::derive(KemId::X25519, &step.secret("package_seed"));
            let opened = welcome.open(&pair).map_err(|error| error.to_string())?;
            keys.install(opened).map_err(|error| match error {
                InstallError::NotNewer | InstallError::TooOld => "too_old",
                InstallError::Fork(_) => "fork",
                InstallError::OtherGroup => "group",
                _ => "?",
            })
        }
        Err(error) => Err(reason(error)),
    };
    let kept = |name| {
        check_kept(&keys.state, expect.get(name))?;
        keys.check(expect.get(name)).map(|()| None)
    };
    match result {
        Ok(Installed::Moved) if expect.has("moved") => kept("moved"),
        Ok(Installed::Replaced { .. }) if expect.has("replaced") => kept("replaced"),
        Err(reason) if expect.has("reason") && expect.str("reason") == reason => {
            if *keys.state.to_bytes().unwrap() != *before {
                return Err("refused, and the state has changed".to_owned());
            }
            Ok(Some(reason))
        }
        other => Err(format!("{other:?}, the vector says {}", expect.raw())),
    }
}

/// The state shows epochs and psks; its stored form also holds path keys and secrets.
fn check_state(state: &GroupState, epoch: u64, expected: Input<'_>) -> Result<(), String> {
    let stored = state.to_bytes().unwrap();
    let numbers = [epoch, state.current_epoch(), state.base_epoch()];
    let stated = ["epoch", "current", "base"].map(|name| expected.u64(name));
    if numbers != stated {
        return Err(format!(
            "epoch, current, base are {numbers:?}, the vector says {stated:?}"
        ));
    }
    check_slot(state, &stored, expected)?;
    check_kept(state, expected)
}

/// Base, path keys and slots, as far as they are stated.
fn check_kept(state: &GroupState, expected: Input<'_>) -> Result<(), String> {
    let stored = state.to_bytes().unwrap();
    if state.base_epoch() != expected.u64("base") {
        return Err(format!("the base is {}", state.base_epoch()));
    }
    let keys = expected.opt("path_keys", Input::hexes);
    if keys.is_some_and(|keys| !contains(&stored, &keys.concat())) {
        return Err("other path keys".to_owned());
    }
    if let Some(slots) = expected.opt("slots", Input::list) {
        for slot in &slots {
            check_slot(state, &stored, *slot)?;
        }
        let stated: Vec<u64> = slots.iter().map(|slot| slot.u64("epoch")).collect();
        // Slots below the base stay after another welcome, as long as the window reaches.
        let oldest = state.current_epoch().saturating_sub(64);
        let is_kept = |epoch: &u64| state.announcement_hash(*epoch).is_some();
        let own: Vec<u64> = (oldest..=state.current_epoch()).filter(is_kept).collect();
        if own != stated {
            return Err(format!("slots of {own:?}, the vector says {stated:?}"));
        }
    }
    Ok(())
}

fn check_slot(state: &GroupState, stored: &[u8], slot: Input<'_>) -> Result<(), String> {
    let (epoch, secret) = (slot.u64("epoch"), slot.array::<32>("secret"));
    let hash = slot.digest("hash");
    if state.announcement_hash(epoch) != Some(&hash) {
        return Err(format!("another announcement of epoch {epoch}"));
    }
    let view = state
        .by_key_id(&sealmq_core::KeyId::of(&hash))
        .ok_or("no keys")?;
    // Slots from before a welcome into the other half hold what they held.
    let half = view.key_pair.map_or(Half::Publishers, |_| Half::Readers);
    let (psk, group_key) = match half {
        Half::Readers => {
            let reader = ReaderSecret::new(Secret::new(secret));
            (reader.psk(), reader.group_key_pair().public())
        }
        Half::Publishers => (Psk::new(Secret::new(secret)), view.group_key),
    };
    let same = view.epoch == epoch && view.psk() == psk && view.group_key == group_key;
    if same && contains(stored, &secret) {
        Ok(())
    } else {
        Err(format!("other keys of epoch {epoch}"))
    }
}
