//! Version 3 → 4: state gets keys of its own.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Bodies, Fate, damaged, of_group};
use crate::group::GroupState;
use crate::member::MemberError;
use crate::member::records::{
    self, DeviceRecord, GROUP_PREFIX, REPLAY_PREFIX, STATE_SUFFIX, SecretBytes, WELCOME_SUFFIX,
};
use crate::member::replay;

#[derive(Deserialize)]
struct DeviceV3 {
    secret: SecretBytes,
    session: u64,
    package: u32,
}

pub(super) fn bring(store: Bodies) -> Result<Bodies, MemberError> {
    store.each(|key, body| match key {
        records::DEVICE => Fate::recast(key, body, |old: DeviceV3| DeviceRecord {
            secret: old.secret,
            session: old.session,
            package: old.package,
            connection: 0,
        }),
        state if state.starts_with(GROUP_PREFIX) && state.ends_with(STATE_SUFFIX) => {
            let state = GroupState::decode_earlier(body).map_err(|_| damaged(key))?;
            let body = state.to_bytes().map_err(|_| damaged(key))?;
            Ok(Fate::Becomes(body))
        }
        // Refused lists have not changed.
        unread if of_group(unread, &[WELCOME_SUFFIX]) => Ok(Fate::Goes),
        replayed if replayed.starts_with(REPLAY_PREFIX) => {
            let record = replay::earlier(body).map_err(|_| damaged(key))?;
            Ok(record.map_or(Fate::Goes, |(key, body)| {
                Fate::Moves(key, Zeroizing::new(body))
            }))
        }
        _ => Ok(Fate::Stays),
    })
}
