//! Kind `object`: decoding and verifying one object (spec/keys.md §1–§7).

use sealmq_core::crypto::VerifyingKey;
use sealmq_core::object::{Object, ObjectError, decode};
use sealmq_core::{Credential, VerifiedCredential};
use sealmq_keys::tree::NodeKey;
use sealmq_keys::{
    Announcement, Delegation, EnrolmentRequest, KeptKeys, KeyPackage, RefusedList, UnverifiedNonce,
    VerifiedConfirmation, VerifiedDelegation, VerifiedEnrolment, VerifiedHeartbeat,
    VerifiedJoinRefusal, VerifiedKeyPackage, VerifiedNonceAnswer, VerifiedWelcome,
};

use super::{Checked, Input, No, broken, require};
use crate::vectors::fields;
use crate::vectors::prelude::*;

pub(crate) fn object(input: Input<'_>) -> Checked {
    let check: fn(&[u8], Input<'_>) -> Checked = match input.str("expected") {
        "delegation" => delegation,
        "credential" => credential,
        "key_package" => key_package,
        "enrolment_request" => enrolment_request,
        "welcome" => welcome,
        "announcement" => announcement,
        "refused_list" => refused_list,
        "heartbeat" => heartbeat,
        "nonce" => nonce,
        "nonce_answer" => nonce_answer,
        "confirmation" => confirmation,
        "join_refusal" => join_refusal,
        "kept_keys" => kept_keys,
        other => return Err(broken(format_args!("unknown object {other}"))),
    };
    check(&input.hex("object"), input.get("context"))
}

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

fn stated(bytes: &[u8], hash: &Digest, fields: Json) -> Checked {
    let fields = fields.with("extensions", fields::extensions(bytes));
    Ok(object! { hash: *hash, fields: fields })
}

/// The form and kind of an object, then its body: what stands before everything else.
fn body<'a, T>(bytes: &'a [u8], kind: Kind) -> Result<T, ObjectError>
where
    T: serde::Deserialize<'a> + serde::Serialize,
{
    Ok(Object::parse_any(bytes, kind)?.decode::<T>()?.0)
}

/// What a context states has to be what the object says.
fn same<T: PartialEq>(stated: Option<T>, own: T, reason: &'static str) -> Result<(), &'static str> {
    require(stated.is_none_or(|stated| stated == own), reason)
}

fn same_group(context: Input<'_>, own: GroupId) -> Result<(), &'static str> {
    same(context.opt("group", Input::group), own, "group")
}

fn require_times(context: Input<'_>, valid: impl Fn(u64, u32) -> bool) -> Result<(), &'static str> {
    let skew = context.opt("skew", Input::number).unwrap_or(0);
    let now = context.opt_u64("now");
    require(now.is_none_or(|now| valid(now, skew)), "expired")
}

/// An object does not come from the future.
fn not_before(context: Input<'_>, issued_at: u64) -> Result<(), &'static str> {
    require_times(context, |now, skew| issued_at <= now + u64::from(skew))
}

fn delegation(bytes: &[u8], context: Input<'_>) -> Checked {
    let root = context.key("root_key");
    let verified = VerifiedDelegation::verify(bytes, &root)?;
    if let Some(pinned) = context.opt("pinned", Input::number) {
        verified.check_pinned(None, pinned)?;
    }
    if let Some(held) = context.opt("held", Input::hex) {
        verified.supersedes(&VerifiedDelegation::verify(&held, &root).unwrap())?;
    }
    require_times(context, |now, skew| verified.is_valid_at(now, skew))?;
    let fields = fields::delegation(&body::<Delegation<'_>>(bytes, Kind::Delegation)?);
    let stated = stated(bytes, verified.hash(), fields)?;
    Ok(match fields::continued(bytes) {
        Some(continued) => stated.with("continues", continued),
        None => stated,
    })
}

/// Most vectors name an authority. Those about fields and encoding alone do not have to.
fn authority(context: Input<'_>) -> Authority {
    context.authority("authority")
}

fn credential(bytes: &[u8], context: Input<'_>) -> Checked {
    require(bytes.len() <= sealmq_core::MAX_CREDENTIAL_LEN, "size")?;
    let verified = VerifiedCredential::verify(bytes, &authority(context))?;
    // What a device checks of its answer (spec/keys.md §11).
    let fields = verified.fields();
    same(
        context.opt("identity", Input::array),
        fields.key,
        "recipient",
    )?;
    same(
        context.opt("request", Input::digest),
        fields.request,
        "recipient",
    )?;
    require_times(context, |now, skew| verified.is_valid_at(now, skew))?;
    let fields = fields::credential(&body::<Credential<'_>>(bytes, Kind::Credential)?);
    stated(bytes, verified.hash(), fields)
}

fn key_package(bytes: &[u8], context: Input<'_>) -> Checked {
    let claimed: KeyPackage<'_> = body(bytes, Kind::KeyPackage)?;
    let domain = context
        .opt("domain", Input::domain)
        .unwrap_or(claimed.domain);
    // Under a weak key no signature holds.
    let identity = VerifyingKey::from_bytes(&claimed.identity).map_err(|_| "signature")?;
    let verified = VerifiedKeyPackage::verify(bytes, context.suite(), &domain, &identity)?;
    require_times(context, |now, skew| verified.is_valid_at(now, skew))?;
    stated(bytes, verified.hash(), fields::key_package(&claimed))
}

fn enrolment_request(bytes: &[u8], context: Input<'_>) -> Checked {
    let claimed = body::<EnrolmentRequest<'_>>(bytes, Kind::EnrolmentRequest);
    let claimed = claimed.map_or(DomainId([0; 16]), |claimed| claimed.domain);
    let domain = context.opt("domain", Input::domain).unwrap_or(claimed);
    let verified = VerifiedEnrolment::verify(bytes, context.suite(), &domain)?;
    // A file asks an operator, and must not have a token's grants (spec/keys.md §11).
    require(!context.has("file") || verified.token().is_none(), "token")?;
    let fields = fields::enrolment_request(verified.fields());
    stated(bytes, verified.hash(), fields)
}

fn welcome(bytes: &[u8], context: Input<'_>) -> Checked {
    let verified = VerifiedWelcome::verify(bytes, &authority(context))?;
    let fields = verified.fields();
    same_group(context, fields.group)?;
    same(
        context.opt("member", Input::number),
        fields.member.0,
        "recipient",
    )?;
    let fields = fields::welcome(&decode(body_of(bytes, Kind::Welcome)).unwrap());
    stated(bytes, verified.hash(), fields)
}

fn announcement(bytes: &[u8], context: Input<'_>) -> Checked {
    let authority = authority(context);
    let prefix = context.prefix(&authority.domain);
    let verified = Announcement::verify(bytes, &authority, &prefix)?;
    let head = verified.head();
    same_group(context, head.group)?;
    not_before(context, head.issued_at)?;
    let stated = stated(bytes, verified.hash(), fields::announcement(&verified))?;
    let stated = stated.with("key_id", Json::hex(verified.key_id().0));
    Ok(stated.with("head_hash", *verified.head_hash()))
}

fn refused_list(bytes: &[u8], context: Input<'_>) -> Checked {
    let authority = authority(context);
    let verified = RefusedList::verify(bytes, &authority)?;
    same_group(context, *verified.group())?;
    if let Some(hash) = context.opt("hash", Input::digest) {
        // As a member takes it: by the name in the announcement.
        RefusedList::named(bytes, &authority.domain, verified.group(), &hash)?;
    }
    stated(bytes, verified.hash(), fields::refused_list(bytes))
}

fn heartbeat(bytes: &[u8], context: Input<'_>) -> Checked {
    let verified = VerifiedHeartbeat::verify(bytes, &authority(context))?;
    let fields = verified.fields();
    same_group(context, fields.group)?;
    not_before(context, fields.issued_at)?;
    stated(bytes, verified.hash(), fields::heartbeat(fields))
}

fn nonce(bytes: &[u8], context: Input<'_>) -> Checked {
    let (identity, domain) = (context.key("identity"), context.domain("domain"));
    let (member, group) = (
        MemberNumber(context.number("member")),
        context.group("group"),
    );
    let fields = UnverifiedNonce::decode(bytes, &domain, member, &group);
    let fields = fields.map_err(|error| match error {
        ObjectError::Field("group") => No::from("group"),
        error => error.into(),
    })?;
    let fields = fields.verify(&identity)?;
    stated(bytes, &hash(bytes), fields::nonce(&fields))
}

fn nonce_answer(bytes: &[u8], context: Input<'_>) -> Checked {
    let verified = VerifiedNonceAnswer::verify(bytes, &authority(context))?;
    let fields = verified.fields();
    same_group(context, fields.group)?;
    same(
        context.opt("member", Input::number),
        fields.member.0,
        "recipient",
    )?;
    same(context.opt("nonce", Input::array), fields.nonce, "nonce")?;
    stated(bytes, &hash(bytes), fields::nonce_answer(fields))
}

fn confirmation(bytes: &[u8], context: Input<'_>) -> Checked {
    let (identity, domain) = (context.key("identity"), context.domain("domain"));
    let member = MemberNumber(context.number("member"));
    let verified = VerifiedConfirmation::verify(bytes, &domain, member, &identity)?;
    if let Some(proves) = context.opt("proves", Input::get) {
        let leaf_key = NodeKey::new(proves.secret("leaf_key"));
        let (group, welcome) = (proves.group("group"), proves.digest("welcome"));
        let entry = verified.entries().find(|entry| entry.group == group);
        let proven = entry.is_some_and(|entry| entry.proves(&leaf_key, &welcome));
        require(proven, "proof")?;
    }
    let fields = fields::confirmation(verified.fields());
    stated(bytes, verified.hash(), fields)
}

fn join_refusal(bytes: &[u8], context: Input<'_>) -> Checked {
    let verified = VerifiedJoinRefusal::verify(bytes, &authority(context))?;
    let request = verified.fields().request;
    same(context.opt("request", Input::digest), request, "recipient")?;
    let fields = fields::join_refusal(&body(bytes, Kind::JoinRefusal)?);
    stated(bytes, &hash(bytes), fields)
}

fn kept_keys(bytes: &[u8], context: Input<'_>) -> Checked {
    let verified = KeptKeys::verify(bytes, &authority(context))?;
    same_group(context, verified.fields().group)?;
    let fields = fields::kept_keys(body(bytes, Kind::KeptKeys)?);
    stated(bytes, verified.hash(), fields)
}
