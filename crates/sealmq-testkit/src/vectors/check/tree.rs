//! Kinds `derive`, `tree` and `cover` (spec/keys.md §6).

use sealmq_core::crypto::{MessageKey, expand, extract};
use sealmq_keys::ReaderSecret;
use sealmq_keys::tree::{Half, NodeKey, cover as covering, half_of};
use serde_json::Value;

use super::{Checked, Input, broken};
use crate::vectors::hpke;
use crate::vectors::prelude::*;

/// Derives with the real code what it shows, by hand what it keeps to itself, and asserts that the
/// real code uses the same.
pub(crate) fn derive(input: Input<'_>) -> Checked {
    let secret = input.secret("reader_secret");
    let reader = ReaderSecret::new(secret.duplicate());
    let psk = reader.psk();
    let kem_ikm = expand(&secret, &[b"sealmq/1 group kem"]);
    let heal_r = expand(&secret, &[b"sealmq/1 heal r"]);
    let heal_w = expand(psk.secret(), &[b"sealmq/1 heal w"]);
    let key = NodeKey::first(&secret, 9);
    for (heal, real) in [(&heal_r, reader.heal()), (&heal_w, psk.heal())] {
        let own = Secret::new(*key.expose());
        let healed = extract(&own, &[b"sealmq/1 healed", heal.expose()]);
        if healed.expose() != key.heal(&real).expose() {
            return Err(broken("another heal secret"));
        }
    }
    let kept = reader.kept();
    let kept_ikm = expand(kept.secret(), &[b"sealmq/1 kept kem"]);
    Ok(object! {
        psk: *psk.secret().expose(), session_psk: hpke::session_psk(psk.secret()),
        psk_check: psk.check(), kem_ikm: *kem_ikm.expose(), secret_key: hpke::private_key(&kem_ikm),
        group_key: reader.group_key_pair().public().0,
        heal_r: *heal_r.expose(), heal_w: *heal_w.expose(),
        kept_secret: *kept.secret().expose(), kept_psk: *psk.kept().secret().expose(),
        kept_ikm: *kept_ikm.expose(), kept_secret_key: hpke::private_key(&kept_ikm),
        kept_key: kept.key_pair().public().0,
    })
}

pub(crate) fn tree(input: Input<'_>, result: &Value) -> Checked {
    let epochs = input.list("epochs");
    let mut rows = vec![];
    for asked in Input::new(result).list("rows") {
        let node = asked.number::<u32>("node");
        let passed = usize::try_from(asked.u64("epoch") - input.u64("first_epoch")).unwrap();
        let mut key = NodeKey::first(&input.secret("tree_secret"), node);
        for epoch in &epochs[..passed] {
            let reader = ReaderSecret::new(epoch.secret("reader_secret"));
            key = match (epoch.u64("epoch_kind"), half_of(node)) {
                (0, _) => key.ratchet(),
                (_, Some(Half::Readers)) => key.heal(&reader.heal()),
                _ => key.heal(&reader.psk().heal()),
            };
        }
        let mut row = object! { epoch: asked.u64("epoch"), node: node, key: *key.expose() };
        if let Some(epoch) = epochs.get(passed) {
            row = with_entry(row, asked, *epoch, &key, node)?;
        }
        rows.push(row);
    }
    Ok(object! { rows: Json::Array(rows) })
}

fn with_entry(
    mut row: Json,
    asked: Input<'_>,
    epoch: Input<'_>,
    key: &NodeKey,
    node: u32,
) -> Checked {
    let reader = ReaderSecret::new(epoch.secret("reader_secret"));
    let (psk, head_hash) = (reader.psk(), epoch.digest("head_hash"));
    let secret = match half_of(node) {
        Some(Half::Readers) => reader.secret(),
        _ => psk.secret(),
    };
    let wrapped = key.wrap(node, &head_hash, secret).unwrap();
    let info: [&[u8]; 3] = [b"sealmq/1 wrap", &node.to_be_bytes(), &head_hash.0];
    let wrap_key = expand(&Secret::new(*key.expose()), &info);
    let mut text = *secret.expose();
    let tag = MessageKey::new(&wrap_key)
        .seal_in_place(&[0; 12], &[], &mut text)
        .unwrap();
    if wrapped[..] != [&text[..], &tag].concat() {
        return Err(broken("another wrap key"));
    }
    if asked.has("wrap_key") {
        row = row.with("wrap_key", *wrap_key.expose());
    }
    if asked.has("entry") {
        let entry = [&node.to_be_bytes()[..], &wrapped].concat();
        row = row.with("entry", Json::hex(entry));
    }
    Ok(row)
}

pub(crate) fn cover(input: Input<'_>) -> Checked {
    let removed: Vec<u32> = input.numbers("removed");
    Ok(object! { nodes: covering(input.number("depth"), &removed) })
}
