//! Keys for state, and what a delegation says of those before it.

use sealmq_core::KeyId;
use sealmq_core::crypto::Digest;
use sealmq_core::object::{Extension, Extensions, decode};
use sealmq_keys::kept_name;
use sealmq_keys::objects::{CONTINUES, Continuation, Head, KeptKeysFields};
use serde::{Deserialize, Serialize};

use super::Line;
use super::objects::{Described, domain, signer, with};

/// By which key id envelopes of state are known while an announcement is the newest one.
pub(super) fn newest(head: &Head<'_>, hash: &Digest) -> Line {
    let (epoch, kept) = match (head.epoch_kind.is_healing(), head.healing_epoch) {
        (true, _) => (head.epoch, *hash),
        (false, 0) => return ("state", "no keys for state yet".to_owned()),
        (false, healing) => (healing, head.healing),
    };
    let id = KeyId::of(&kept_name(&kept));
    let text = format!(
        "{id} in retained values and wills, by keys of epoch {epoch}; readers keep those of {} changes before",
        head.policy.kept
    );
    ("state", text)
}

/// What a delegation continues, and its other extensions.
pub(super) fn continuation<'a>(
    extensions: &Extensions<'a>,
    serial: u32,
) -> (Line, impl Iterator<Item = Extension<'a>> + use<'a>) {
    let continues = extensions
        .read::<Continuation<'_>>(CONTINUES)
        .ok()
        .flatten();
    let continues = continues.filter(|continues| continues.check(serial).is_ok());
    let is_read = continues.is_some();
    let text = continues.map_or_else(
        || "nothing: state of before does not count under it".to_owned(),
        |continues| {
            format!(
                "the delegations from serial {} on, with {} keys that signed credentials",
                continues.since,
                continues.issuers.iter().count()
            )
        },
    );
    let rest = extensions.iter();
    let rest = rest.filter(move |extension| !is_read || extension.id != CONTINUES);
    (("continues", text), rest)
}

#[derive(Serialize, Deserialize)]
struct Entry {
    epoch: u64,
    kept: Digest,
    secret: [u8; 32],
    psk: [u8; 32],
    tag: [u8; 16],
}

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    fields: KeptKeysFields,
    #[serde(borrow)]
    entries: sealmq_core::object::List<'a, Entry>,
}

/// The list by which later readers go back.
pub(super) fn list(body: &[u8], _: &[u8]) -> Option<Described> {
    let (object, extensions): (Body<'_>, Extensions<'_>) = decode(body).ok()?;
    let name = |kept: &Digest| KeyId::of(&kept_name(kept));
    let fields = object.fields;
    let mut lines = vec![
        domain(fields.domain),
        ("group", fields.group.to_string()),
        (
            "newest",
            format!("epoch {}, key id {}", fields.epoch, name(&fields.newest)),
        ),
    ];
    lines.extend(object.entries.iter().map(|entry| {
        let text = format!("epoch {}, key id {}", entry.epoch, name(&entry.kept));
        ("before", text)
    }));
    lines.push(signer(fields.serial, fields.signer));
    Some((
        "kept keys: those for state of before, sealed for whoever has the newest",
        with(lines, &extensions),
    ))
}
