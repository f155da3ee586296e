//! `keys.json`: key objects, tree, topics.

mod announcement;
mod announcement_fields;
mod armour;
mod armour_authority;
mod audit;
mod backup;
mod basics;
mod chunk;
mod confirmation;
mod continuation;
mod credential;
mod delegation;
mod extensions;
mod follow;
mod follow_chunks;
mod follow_faults;
mod follow_kept;
mod follower;
mod heartbeat;
mod join_request;
mod kept_keys;
mod lease;
mod lease_timers;
mod limits;
mod objects;
mod package_life;
mod package_set;
mod readings;
mod replacing;
mod request;
pub(crate) mod reserved;
mod suite2;
mod token;
mod topics;
mod tree;
mod welcome;

use crate::vectors::prelude::*;

/// The file's text.
pub(crate) fn file() -> String {
    let mut file = VectorFile::default();
    file.fixture("authority", authority_json(&authority(1)));
    file.fixture("authority-2", authority_json(&authority(2)));
    file.fixture("authority-live", authority_json(&live_authority()));
    basics::vectors(&mut file);
    topics::vectors(&mut file);
    reserved::vectors(&mut file);
    tree::vectors(&mut file);
    objects::vectors(&mut file);
    extensions::vectors(&mut file);
    delegation::vectors(&mut file);
    continuation::vectors(&mut file);
    credential::vectors(&mut file);
    request::vectors(&mut file);
    announcement::vectors(&mut file);
    announcement_fields::vectors(&mut file);
    welcome::vectors(&mut file);
    follow::vectors(&mut file);
    follow_faults::vectors(&mut file);
    follow_chunks::vectors(&mut file);
    follow_kept::vectors(&mut file);
    kept_keys::vectors(&mut file);
    replacing::vectors(&mut file);
    heartbeat::vectors(&mut file);
    confirmation::vectors(&mut file);
    package_set::vectors(&mut file);
    package_life::vectors(&mut file);
    token::vectors(&mut file);
    join_request::vectors(&mut file);
    suite2::vectors(&mut file);
    chunk::vectors(&mut file);
    lease::vectors(&mut file);
    lease_timers::vectors(&mut file);
    audit::vectors(&mut file);
    backup::vectors(&mut file);
    limits::vectors(&mut file);
    armour::vectors(&mut file);
    armour_authority::vectors(&mut file);
    readings::vectors(&mut file);
    file.into_text()
}
