//! Kind `object`: decoding and verifying one object (spec/keys.md §1–§7).

use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::{Object, ObjectError, decode};
use sealmq_core::{Credential, VerifiedCredential};
use sealmq_keys::tree::NodeKey;
use sealmq_keys::{
    Announcement, Delegation, EnrolmentRequest, KeyPackage, RefusedList, VerifiedConfirmation,
    VerifiedDelegation, VerifiedEnrolment, VerifiedHeartbeat, VerifiedJoinRefusal,
    VerifiedKeyPackage, VerifiedNonceAnswer, VerifiedWelcome, default_prefix,
};

use super::{Input, Outcome, refused};
use crate::vectors::fields;
use crate::vectors::prelude::*;

pub(crate) fn object(input: Input<'_>) -> Result<Outcome, String> {
    let (bytes, context) = (input.hex("object"), input.get("context"));
    let checked = match input.str("expected") {
        "delegation" => delegation(&bytes, context),
        "credential" => credential(&bytes, context),
        "key_package" => key_package(&bytes, context),
        "enrolment_request" => enrolment_request(&bytes, context),
        "welcome" => welcome(&bytes, context),
        "announcement" => announcement(&bytes, context),
        "refused_list" => refused_list(&bytes, context),
        "heartbeat" => heartbeat(&bytes, context),
        "nonce_answer" => nonce_answer(&bytes, context),
        "confirmation" => confirmation(&bytes, context),
        "join_refusal" => join_refusal(&bytes, context),
        other => return Err(format!("unknown object {other}")),
    };
    Ok(match checked {
        Ok(value) => Outcome::Accepted(value),
        Err(reason) => refused(reason),
    })
}

type Checked = Result<Json, &'static str>;

/// The reason of test-vectors/README.md for an error.
pub(crate) const fn reason(error: ObjectError) -> &'static str {
    match error {
        ObjectError::Form => "form",
        ObjectError::Kind => "kind",
        ObjectError::Encoding => "encoding",
        ObjectError::Field(_) => "field",
        ObjectError::Domain => "domain",
        ObjectError::Role => "role",
        ObjectError::Signature => "signature",
        ObjectError::Expired => "expired",
        ObjectError::Serial => "serial",
        ObjectError::TooLarge => "size",
        ObjectError::Unsupported(_) => "unsupported",
        _ => "?",
    }
}

fn stated(bytes: &[u8], hash: &Digest, fields: Json) -> Json {
    object! { hash: *hash, fields: fields.with("extensions", fields::extensions(bytes)) }
}

/// The form and kind of an object, then its body: what stands before everything else.
fn body<'a, T>(bytes: &'a [u8], kind: Kind) -> Result<T, &'static str>
where
    T: serde::Deserialize<'a> + serde::Serialize,
{
    let object = Object::parse_any(bytes, kind).map_err(reason)?;
    Ok(object.decode::<T>().map_err(reason)?.0)
}

fn require(condition: bool, reason: &'static str) -> Result<(), &'static str> {
    if condition { Ok(()) } else { Err(reason) }
}

fn require_times(
    context: Input<'_>,
    valid: impl FnOnce(u64, u32) -> bool,
) -> Result<(), &'static str> {
    match context.opt_u64("now") {
        Some(now) => require(
            valid(
                now,
                context.opt_u64("skew").unwrap_or(0).try_into().unwrap(),
            ),
            "expired",
        ),
        None => Ok(()),
    }
}

fn delegation(bytes: &[u8], context: Input<'_>) -> Checked {
    let root = VerifyingKey::from_bytes(&context.array("root_key")).unwrap();
    let verified = VerifiedDelegation::verify(bytes, &root).map_err(reason)?;
    if context.has("pinned") {
        let pinned = context.number("pinned");
        verified.check_pinned(None, pinned).map_err(reason)?;
    }
    if context.has("held") {
        let held = VerifiedDelegation::verify(&context.hex("held"), &root).unwrap();
        verified.supersedes(&held).map_err(reason)?;
    }
    require_times(context, |now, skew| verified.is_valid_at(now, skew))?;
    Ok(stated(
        bytes,
        verified.hash(),
        fields::delegation(&body::<Delegation<'_>>(bytes, Kind::Delegation)?),
    ))
}

/// Most vectors name an authority. Those about fields and encoding alone do not have to.
fn authority(context: Input<'_>) -> Authority {
    context.authority("authority")
}

fn credential(bytes: &[u8], context: Input<'_>) -> Checked {
    if bytes.len() > sealmq_core::MAX_CREDENTIAL_LEN {
        return Err("size");
    }
    let verified = VerifiedCredential::verify(bytes, &authority(context)).map_err(reason)?;
    // What a device checks of its answer (spec/keys.md §11).
    let fields = verified.fields();
    if context.has("identity") {
        require(fields.key == context.array("identity"), "recipient")?;
    }
    if context.has("request") {
        require(fields.request == context.digest("request"), "recipient")?;
    }
    require_times(context, |now, skew| verified.is_valid_at(now, skew))?;
    Ok(stated(
        bytes,
        verified.hash(),
        fields::credential(&body::<Credential<'_>>(bytes, Kind::Credential)?),
    ))
}

fn key_package(bytes: &[u8], context: Input<'_>) -> Checked {
    let claimed: KeyPackage<'_> = body(bytes, Kind::KeyPackage)?;
    let domain = if context.has("domain") {
        context.domain("domain")
    } else {
        claimed.domain
    };
    // Under a weak key no signature holds.
    let identity = VerifyingKey::from_bytes(&claimed.identity).map_err(|_| "signature")?;
    let verified =
        VerifiedKeyPackage::verify(bytes, context.suite(), &domain, &identity).map_err(reason)?;
    require_times(context, |now, skew| verified.is_valid_at(now, skew))?;
    Ok(stated(
        bytes,
        verified.hash(),
        fields::key_package(&claimed),
    ))
}

fn enrolment_request(bytes: &[u8], context: Input<'_>) -> Checked {
    let domain = if context.has("domain") {
        context.domain("domain")
    } else {
        body::<EnrolmentRequest<'_>>(bytes, Kind::EnrolmentRequest)
            .map_or(DomainId([0; 16]), |claimed| claimed.domain)
    };
    let verified = VerifiedEnrolment::verify(bytes, context.suite(), &domain).map_err(reason)?;
    // A file asks an operator, and must not have a token's grants (spec/keys.md §11).
    require(!context.has("file") || verified.token().is_none(), "token")?;
    Ok(stated(
        bytes,
        verified.hash(),
        fields::enrolment_request(verified.fields()),
    ))
}

fn welcome(bytes: &[u8], context: Input<'_>) -> Checked {
    let verified = VerifiedWelcome::verify(bytes, &authority(context)).map_err(reason)?;
    if context.has("group") {
        require(verified.fields().group == context.group("group"), "group")?;
    }
    if context.has("member") {
        require(
            u64::from(verified.fields().member.0) == context.u64("member"),
            "recipient",
        )?;
    }
    Ok(stated(
        bytes,
        verified.hash(),
        fields::welcome(&decode(body_of(bytes, Kind::Welcome)).unwrap()),
    ))
}

fn announcement(bytes: &[u8], context: Input<'_>) -> Checked {
    let authority = authority(context);
    let prefix = if context.has("prefix") {
        String::from_utf8(context.text("prefix")).unwrap()
    } else {
        default_prefix(&authority.domain)
    };
    let verified = Announcement::verify(bytes, &authority, &prefix).map_err(reason)?;
    let head = verified.head();
    if context.has("group") {
        require(head.group == context.group("group"), "group")?;
    }
    require_times(context, |now, skew| head.issued_at <= now + u64::from(skew))?;
    Ok(
        stated(bytes, verified.hash(), fields::announcement(&verified))
            .with("key_id", Json::hex(verified.key_id().0))
            .with("head_hash", *verified.head_hash()),
    )
}

fn refused_list(bytes: &[u8], context: Input<'_>) -> Checked {
    let authority = authority(context);
    let verified = RefusedList::verify(bytes, &authority).map_err(reason)?;
    if context.has("group") {
        require(*verified.group() == context.group("group"), "group")?;
    }
    if context.has("hash") {
        // As a member takes it: by the name in the announcement.
        RefusedList::named(
            bytes,
            &authority.domain,
            verified.group(),
            &context.digest("hash"),
        )
        .map_err(reason)?;
    }
    Ok(stated(bytes, verified.hash(), fields::refused_list(bytes)))
}

fn heartbeat(bytes: &[u8], context: Input<'_>) -> Checked {
    let verified = VerifiedHeartbeat::verify(bytes, &authority(context)).map_err(reason)?;
    let fields = verified.fields();
    if context.has("group") {
        require(fields.group == context.group("group"), "group")?;
    }
    require_times(context, |now, skew| {
        fields.issued_at <= now + u64::from(skew)
    })?;
    Ok(stated(bytes, verified.hash(), fields::heartbeat(fields)))
}

fn nonce_answer(bytes: &[u8], context: Input<'_>) -> Checked {
    let verified = VerifiedNonceAnswer::verify(bytes, &authority(context)).map_err(reason)?;
    let fields = verified.fields();
    if context.has("group") {
        require(fields.group == context.group("group"), "group")?;
    }
    if context.has("member") {
        require(
            fields.member.0 == context.number::<u32>("member"),
            "recipient",
        )?;
    }
    if context.has("nonce") {
        require(fields.nonce == context.array("nonce"), "nonce")?;
    }
    Ok(stated(bytes, &hash(bytes), fields::nonce_answer(fields)))
}

fn confirmation(bytes: &[u8], context: Input<'_>) -> Checked {
    let identity = VerifyingKey::from_bytes(&context.array("identity")).unwrap();
    let member = MemberNumber(context.number("member"));
    let verified =
        VerifiedConfirmation::verify(bytes, &context.domain("domain"), member, &identity)
            .map_err(reason)?;
    if context.has("proves") {
        let proves = context.get("proves");
        let leaf_key = NodeKey::new(proves.secret("leaf_key"));
        let group = proves.group("group");
        let entry = verified.entries().find(|entry| entry.group == group);
        let welcome = proves.digest("welcome");
        require(
            entry.is_some_and(|entry| entry.proves(&leaf_key, &welcome)),
            "proof",
        )?;
    }
    Ok(stated(
        bytes,
        verified.hash(),
        fields::confirmation(verified.fields()),
    ))
}

fn join_refusal(bytes: &[u8], context: Input<'_>) -> Checked {
    let verified = VerifiedJoinRefusal::verify(bytes, &authority(context)).map_err(reason)?;
    if context.has("request") {
        require(
            verified.fields().request == context.digest("request"),
            "recipient",
        )?;
    }
    Ok(stated(
        bytes,
        &hash(bytes),
        fields::join_refusal(&body(bytes, Kind::JoinRefusal)?),
    ))
}
