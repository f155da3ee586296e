//! Kind `two_devices` (spec/envelope.md §11).

use sealmq_core::CredentialOrder;
use sealmq_core::open::Sighting;
use sealmq_keys::member::Clones;
use sealmq_keys::objects::DevicesSign;

use super::{Checked, Input};
use crate::vectors::prelude::*;

/// Far enough apart that everything is told.
const APART: u64 = 2 * 86_400_000;

pub(crate) fn two_devices(input: Input<'_>) -> Checked {
    let mut clones = Clones::default();
    let mut now = 0;
    let signs = input.list("messages").into_iter().map(|message| {
        now += APART;
        let sign = clones.see(&sighting(message), None, Some(now));
        sign.map_or(Json::Null, |sign| match sign.what {
            DevicesSign::SharedNumber => Json::text("shared_number"),
            DevicesSign::Turns => Json::text("turns"),
            _ => Json::text("?"),
        })
    });
    Ok(object! { signs: Json::Array(signs.collect()) })
}

fn sighting(message: Input<'_>) -> Sighting {
    Sighting {
        group: message.group("group"),
        member: MemberNumber(message.number("member")),
        credential: CredentialOrder {
            delegation: message.number("serial"),
            credential: message.number("credential_serial"),
        },
        session: message.u64("session"),
        enc: message.array("enc"),
        counter: 0,
        sent_at: message.opt_u64("sent_at"),
        is_state: message.flag("state"),
        is_in_turn: !message.flag("will") && !message.flag("retained"),
    }
}
