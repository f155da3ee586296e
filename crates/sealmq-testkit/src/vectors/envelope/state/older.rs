//! State under an older credential than the known one (spec/envelope.md §9, "The sender of state").

use sealmq_core::object::Access;

use super::super::case::Case;
use super::super::open::{refused, serial};
use super::super::replay::at;
use super::super::scene::Scene;
use super::one;
use crate::vectors::craft::Draft;
use crate::vectors::prelude::*;

/// The current delegation, which continues 2 and not 1.
const CURRENT: u32 = 3;

pub(super) fn vectors(scene: &Scene, file: &mut VectorFile) {
    verified(scene, file);
    issuers(scene, file);
    known_one(scene, file);
    grants(scene, file);
    places(scene, file);
}

/// What the reader knows of member 7.
fn current() -> CredentialPlan {
    serial(5)
}

fn older() -> CredentialPlan {
    serial(4)
}

fn knows(plan: &CredentialPlan) -> Json {
    one(Json::hex(plan.issued_under(CURRENT)))
}

fn expired(serial: u32) -> CredentialPlan {
    CredentialPlan {
        issued_at: NOW - 100,
        not_after: NOW - 50,
        serial,
        ..sensor()
    }
}

fn with_key_of_another(serial: u32) -> CredentialPlan {
    CredentialPlan {
        name: "insider-8",
        serial,
        ..sensor()
    }
}

/// A reader under a delegation that continues the one before, and knows [`current`].
fn reading<'s>(scene: &'s Scene, prefix: &'s str) -> impl Fn(&str, &str) -> Case + 's {
    move |id, comment| {
        Case::new(scene, format!("{prefix}-{id}"), comment, "§9")
            .attacks(&["A43"])
            .with("authority", authority_json(&continuing(CURRENT, 2)))
            .with("credentials", knows(&current()))
            .retained(true)
    }
}

fn verified(scene: &Scene, file: &mut VectorFile) {
    let value = scene.value();
    let under = |plan: &CredentialPlan, delegation| value.under(plan.issued_under(delegation));
    let thief = identity("insider-8");
    let signed =
        |plan: &CredentialPlan, delegation| value.under(plan.issued_by(&thief, delegation));
    let by_insider = |draft: Draft| draft.change(|d| d.name = "insider-8");
    let passing = under(&older(), 2).change(|d| (d.message.will, d.message.retain) = (true, false));
    let other_domain = older().signed_by(&issuer(CURRENT), &[], |c| {
        (c.serial, c.domain) = (CURRENT, DomainId([9; 16]));
    });
    let controlled = older().signed_by(&controller(CURRENT), &[], |c| {
        (c.serial, c.signer) = (CURRENT, CONTROLLER);
    });
    stories! { reading(scene, "older") => file:
        "current": "The known one." => .ok(&under(&current(), CURRENT));
        "counts": "An older credential of the current delegation." => .ok(&under(&older(), CURRENT));
        "counts-live": "It counts live, too." => .retained(false).ok(&under(&older(), CURRENT));
        "expired": "Its times are not looked at." => .ok(&under(&expired(4), CURRENT));
        "from-the-future": "Nor is its beginning."
            => .ok(&under(&CredentialPlan { issued_at: NOW + WEEK, ..older() }, CURRENT));
        "continued": "One of the delegation before, which the current one continues." => .ok(&under(&older(), 2));
        "continued-expired": "Expired as well." => .ok(&under(&expired(4), 2));
        "continued-higher": "The delegation's serial counts first: (2, 9) is below (3, 5)."
            => .ok(&under(&serial(9), 2));
        "will": "A will, too." => .retained(false).ok(&passing);
        "not-continued": "One of a delegation that the current one does not continue."
            => .bad(&under(&older(), 1), "Revoked");
        "forged": "One that the insider signed." => .bad(&signed(&older(), CURRENT), "Revoked");
        "continued-forged": "One of the continued delegation that the insider signed."
            => .bad(&signed(&older(), 2), "Revoked");
        "role": "One signed by a key without the role `issue`." => .bad(&value.under(controlled), "Revoked");
        "other-domain": "One of another domain." => .bad(&value.under(other_domain), "Revoked");
        "other-key": "One with another key."
            => .attacks(&["C12"]).bad(&by_insider(under(&with_key_of_another(4), CURRENT)), "Revoked");
        "other-key-continued": "One of the continued delegation with another key."
            => .attacks(&["C12"]).bad(&by_insider(under(&with_key_of_another(4), 2)), "Revoked");
        "other-member": "One of another member."
            => .bad(&value.under(insider().issued_under(2)), "Rejected");
        "event": "An event that was under way: the same rule."
            => .retained(false).ok(&scene.sent().under(older().issued_under(CURRENT)));
        "event-continued": "An event under a credential of the continued delegation."
            => .retained(false).ok(&scene.sent().under(older().issued_under(2)));
        "event-not-continued": "An event under a credential of one that is not continued."
            => .retained(false).bad(&scene.sent().under(older().issued_under(1)), "Revoked");
        "signed-under-known": "The older one inside, and signed under the known one."
            => .bad(&under(&older(), CURRENT).change(|d| d.credential_hash = hash(&current().issued_under(CURRENT))), "Rejected");
    }
}

/// What the continuation says.
fn issuers(scene: &Scene, file: &mut VectorFile) {
    let value = scene.value();
    let of_2 = value.under(older().issued_under(2));
    let saying = |since: u32, issuers: Vec<(u32, u8)>| {
        let issuers = issuers.into_iter().map(|(serial, signer)| {
            altered(&issuer_entry(2), |entry| {
                (entry.serial, entry.signer) = (serial, signer);
            })
        });
        let issuers = issuers.collect();
        authority_json(&altered(&authority(CURRENT), |authority| {
            authority.continues = Some(Continued { since, issuers });
        }))
    };
    let second = with_signer(&older().issued_under(2), 4);
    let rotated = altered(&continuing(CURRENT, 2), |authority| {
        authority.keys[0].0 = identity("issuer of its own").verifying_key();
    });
    let fresh = one(Json::hex(
        current().issued_by(&identity("issuer of its own"), CURRENT),
    ));
    let same_key = authority_json(&altered(&authority(CURRENT), |authority| {
        authority.keys[0].0 = issuer(2).verifying_key();
    }));
    let of_same_key = one(Json::hex(current().issued_by(&issuer(2), CURRENT)));
    stories! { reading(scene, "older-continuation") => file:
        "none": "The current delegation continues nothing."
            => .with("authority", authority_json(&authority(CURRENT))).bad(&of_2, "Revoked");
        "none-same-key": "It continues nothing, and has the same issuer."
            => .with("authority", same_key).with("credentials", of_same_key).bad(&of_2, "Revoked");
        "no-issuer": "It continues the delegation, and does not name this issuer."
            => .with("authority", saying(2, vec![])).bad(&of_2, "Revoked");
        "other-signer": "It names the key as another signer."
            => .with("authority", saying(2, vec![(2, 1)])).bad(&of_2, "Revoked");
        "other-serial": "It names the key as the signer of another delegation."
            => .with("authority", saying(1, vec![(1, 0)])).bad(&of_2, "Revoked");
        "second-signer": "The key for its serial and signer, among others."
            => .with("authority", saying(1, vec![(1, 4), (2, 0), (2, 4)])).ok(&value.under(second));
        "rotated": "The current delegation has another issuer: the named one counts for its own serial."
            => .with("authority", authority_json(&rotated)).with("credentials", fresh.clone()).ok(&of_2);
        "rotated-current": "And not for the current one."
            => .with("authority", authority_json(&rotated)).with("credentials", fresh)
            .bad(&value.under(older().issued_under(CURRENT)), "Revoked");
        "first": "`since` itself is continued." => .with("authority", authority_json(&continuing(CURRENT, 1)))
            .ok(&value.under(older().issued_under(1)));
    }
}

/// The same credential, signed by the issuer of delegation 2 under another index.
fn with_signer(credential: &[u8], signer: u8) -> Vec<u8> {
    let mut fields: sealmq_core::Credential<'_> = fields_of(credential, Kind::Credential);
    fields.signer = signer;
    sign(Kind::Credential, &fields_body(&fields), &issuer(2))
}

/// The known credential has to hold as well.
fn known_one(scene: &Scene, file: &mut VectorFile) {
    let value = scene.value();
    let under = |plan: &CredentialPlan, delegation| value.under(plan.issued_under(delegation));
    let (old, of_2) = (under(&older(), CURRENT), under(&older(), 2));
    let list = |lowest: u32| refused(&[(7, lowest)]);
    let without_clock = |issued_at: u64| {
        reading(scene, "older")(
            &format!("no-clock-{}", if issued_at > NOW { "over" } else { "last" }),
            "Without a clock, it is the known one's end that counts.",
        )
        .with("issued_at", issued_at)
        .at(None)
    };
    without_clock(NOW).ok(&old).done(file);
    without_clock(current().not_after + 1)
        .bad(&old, "Revoked")
        .done(file);
    without_clock_expired(scene, file);
    stories! { reading(scene, "older") => file:
        "known-expired": "The known one has expired." => .with("credentials", knows(&expired(5))).bad(&old, "Stale");
        "known-expired-continued": "The known one has expired, and the one inside is of the delegation before."
            => .with("credentials", knows(&expired(5))).bad(&of_2, "Stale");
        "delegation-over": "The known one ends with its delegation."
            => .with("delegation_not_after", NOW - 1).bad(&of_2, "Stale");
        "refused": "The one inside is below the refused list's." => .with("refused", list(5)).bad(&old, "Revoked");
        "known-refused": "The known one is below the refused list's, the one inside is not."
            => .with("refused", list(6)).bad(&under(&serial(9), 2), "Revoked");
        "refused-lowest": "Both are accepted by the list." => .with("refused", list(4)).ok(&old);
        "removed": "The sender was removed." => .with("refused", list(u32::MAX)).bad(&of_2, "Revoked");
        "unknown-list": "The list is not there." => .with("refused", Json::Null).bad(&old, "UnknownList");
        "nobody-known": "Nobody is known: what verifies under the current delegation counts."
            => .with("credentials", Json::Array(vec![])).ok(&old);
        "continued-nobody-known": "Nobody is known: one of the delegation before does not."
            => .with("credentials", Json::Array(vec![])).bad(&of_2, "UnknownSender");
        "nobody-known-then": "Nor does it make room for the one of before."
            => .with("credentials", Json::Array(vec![])).bad(&of_2, "UnknownSender")
            .ok(&under(&current(), CURRENT).change(|d| d.topic = "plant/b/temp".to_owned())).ok(&of_2);
        "state-below-floor": "Events were seen under a later delegation: state does not mind."
            => .with("floors", one(object! { sender: 7_u8, serial: 9_u8, credential_serial: 0_u8, floor: NOW }))
            .ok(&of_2);
    }
}

fn without_clock_expired(scene: &Scene, file: &mut VectorFile) {
    let value = scene.value().under(expired(4).issued_under(CURRENT));
    reading(scene, "older")(
        "no-clock-expired",
        "Without a clock, that the one inside had expired does not count.",
    )
    .with("issued_at", NOW)
    .at(None)
    .ok(&value)
    .done(file);
}

/// Both grants have to allow the topic.
fn grants(scene: &Scene, file: &mut VectorFile) {
    let under = |plan: &CredentialPlan| scene.value().under(plan.issued_under(CURRENT));
    let old = under(&older());
    let reads = |plan: CredentialPlan| CredentialPlan {
        access: Access::SUBSCRIBE,
        ..plan
    };
    let narrow = |plan: CredentialPlan| CredentialPlan {
        publish_filter: "plant/b/#",
        ..plan
    };
    let elsewhere = old.change(|d| d.topic = "office/temp".to_owned());
    stories! { reading(scene, "older") => file:
        "grant-then": "It was not allowed to publish then." => .bad(&under(&reads(older())), "NotAllowed");
        "grant-now": "It is not allowed to publish now."
            => .with("credentials", knows(&reads(current()))).bad(&old, "NotAllowed");
        "filter-then": "It was not allowed to publish there then." => .bad(&under(&narrow(older())), "NotAllowed");
        "filter-now": "It is not allowed to publish there now."
            => .with("credentials", knows(&narrow(current()))).bad(&old, "NotAllowed");
        "filter-both": "It was and is allowed to publish there."
            => .with("credentials", knows(&narrow(current())))
            .ok(&under(&narrow(older())).change(|d| d.topic = "plant/b/temp".to_owned()));
        "outside-group": "No filter of the group matches the topic." => .bad(&elsewhere, "NotAllowed");
    }
    let late = old.change(|d| d.message.sent_at = Some(NOW_MS + 400_000));
    let mark = one(object! {
        sender: 7_u8, topic: "plant/a/temp", serial: CURRENT, credential_serial: 5_u8, connection: 0_u8,
        will: 0_u8, session_number: 1_u8, counter: 0_u8,
    });
    let forged = old.change(|d| d.name = "insider-8");
    stories! { reading(scene, "order-older"), [.attacks(&["B26"])] => file:
        "refused-topic": "Below the refused list's, and not allowed there."
            => .with("refused", refused(&[(7, 5)])).bad(&elsewhere, "Revoked");
        "topic-stale": "Not allowed there, and from the future."
            => .bad(&late.change(|d| d.topic = "office/temp".to_owned()), "NotAllowed");
        "validity-topic": "The known one has expired, and the one inside was not allowed there."
            => .with("credentials", knows(&expired(5))).bad(&under(&reads(older())), "Stale");
        "stale-replay": "From the future, and below the mark." => .with("marks", mark.clone()).bad(&late, "Stale");
        "replay-signature": "Below the mark, and forged." => .with("marks", mark).bad(&forged, "Replay");
        "signature": "Forged." => .bad(&forged, "Rejected");
        "unverified-list": "It does not count, and the list is not there."
            => .with("refused", Json::Null)
            .bad(&scene.value().under(older().issued_by(&identity("insider-8"), CURRENT)), "Revoked");
    }
}

/// Places tell credentials and delegations apart.
fn places(scene: &Scene, file: &mut VectorFile) {
    let value = scene.value();
    let under = |plan: &CredentialPlan, delegation| value.under(plan.issued_under(delegation));
    let (old, now, of_2) = (
        under(&older(), CURRENT),
        under(&current(), CURRENT),
        under(&older(), 2),
    );
    let high = under(&serial(9), 2);
    let first = now.change(|d| d.message.number = 1);
    stories! { reading(scene, "older") => file:
        "stays": "The one inside does not become the known one, and what was sealed under it stays below."
            => .ok(&old).retained(false).ok(&now).retained(true).bad(&old, "Replay").ok(&now);
        "number-above": "A high number under the delegation before stays below a low one under the current."
            => .ok(&high).ok(&first).bad(&high, "Replay").bad(&at(&high, 9), "Replay").ok(&first);
        "credentials-before": "So do credentials of one delegation before."
            => .ok(&of_2).ok(&high).bad(&of_2, "Replay").ok(&high);
        "events-as-before": "Events of the known one go on."
            => .ok(&of_2).retained(false).ok(&scene.sent().under(current().issued_under(CURRENT)))
            .ok(&scene.sent().under(older().issued_under(CURRENT))).ok(&at(&of_2, 1));
    }
}
