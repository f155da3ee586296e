//! Tokens, and requests that wait for an operator.

use sealmq_authority::{AuthorityError, GrantSpec, TokenSpec};
use sealmq_core::object::Access;
use sealmq_keys::objects::{Fingerprint, NamePattern};

use super::events::describe;
use super::folder::{change, look, vault};
use super::members::{DAY, describe_grant, membership};
use crate::args::{ApproveArgs, AuthorityArgs, RejectArgs, Role, TokenCreate, TokenRevoke};
use crate::clock;
use crate::failure::Failure;
use crate::output::{note, note_all, say};

pub(crate) fn token_create(args: &TokenCreate) -> Result<(), Failure> {
    let access = match args.role {
        Role::Publish => Access::PUBLISH,
        Role::Subscribe => Access::SUBSCRIBE,
        Role::Both => Access::BOTH,
    };
    let broker = args.host.as_ref().map_or_else(String::new, |host| {
        let (scheme, port) = match args.cafile {
            Some(_) => ("mqtts", 8883),
            None => ("mqtt", 1883),
        };
        // An IPv6 address stands in brackets.
        let (open, close) = if host.contains(':') && !host.starts_with('[') {
            ("[", "]")
        } else {
            ("", "")
        };
        format!(
            "{scheme}://{open}{host}{close}:{}",
            args.port.unwrap_or(port)
        )
    });
    let spec = TokenSpec {
        grants: vec![GrantSpec {
            group: args.group.clone(),
            access,
            publish_filter: args.filter.clone(),
        }],
        name: NamePattern::parse(&args.name).map_err(|_| {
            Failure::usage(format_args!(
                "--name {}: a name has letters, digits, . _ - (at most 64), and may end with * for all that begin so",
                args.name
            ))
        })?,
        ttl: args.ttl,
        uses: args.uses,
        member_validity: u64::from(args.days).saturating_mul(DAY),
        broker,
    };
    let vault = vault(&args.authority)?;
    let (token, _) = change(&vault, |authority, rng| {
        authority.create_token(&spec, clock::seconds(), rng)
    })?;
    let uri = token.to_uri().map_err(Failure::refused)?;
    note(format_args!(
        "token {}: {}, {} devices, until {}",
        hex::encode(token.id),
        spec.grants.first().map(describe_grant).unwrap_or_default(),
        spec.uses,
        clock::iso_seconds(token.expires)
    ));
    if args.qr {
        let code = qrcode::QrCode::new(uri.as_bytes()).map_err(|error| {
            Failure::refused(format_args!(
                "the token cannot be drawn as a QR code: {error}"
            ))
        })?;
        let drawn = code.render::<qrcode::render::unicode::Dense1x2>().build();
        note_all(drawn.lines());
    }
    say(uri.as_str())
}

pub(crate) fn token_list(args: &AuthorityArgs) -> Result<(), Failure> {
    let authority = look(&vault(args)?)?;
    let now = clock::seconds();
    for token in authority.tokens().filter(|token| token.expires >= now) {
        let names = match token.name.as_str() {
            "" => "any name",
            name => name,
        };
        let may: Vec<String> = token.grants.iter().map(describe_grant).collect();
        say(format_args!(
            "{}  {names}  {}  {} of {} left, until {}",
            hex::encode(token.id),
            may.join("; "),
            token.uses_left,
            token.uses,
            clock::iso_seconds(token.expires)
        ))?;
    }
    Ok(())
}

pub(crate) fn token_revoke(args: &TokenRevoke) -> Result<(), Failure> {
    let mut id = [0; 8];
    hex::decode_to_slice(args.id.trim(), &mut id)
        .map_err(|_| Failure::usage("a token's id has 16 hex digits: see `sealmq token list`"))?;
    let vault = vault(&args.authority)?;
    change(&vault, |authority, _| {
        let plan = authority.revoke_token(&id, clock::seconds())?;
        Ok::<_, AuthorityError>(((), plan))
    })?;
    say(format_args!("token {}: revoked", hex::encode(id)))
}

pub(crate) fn pending(args: &AuthorityArgs) -> Result<(), Failure> {
    let authority = look(&vault(args)?)?;
    for request in authority.pending() {
        say(format_args!(
            "{}  {}  since {}",
            request.device,
            request.name,
            clock::iso_seconds(request.since)
        ))?;
    }
    Ok(())
}

pub(crate) fn approve(args: &ApproveArgs) -> Result<(), Failure> {
    let device = fingerprint(&args.fingerprint)?;
    let (grants, valid) = membership(&args.membership)?;
    let vault = vault(&args.authority)?;
    let name = args.name.as_deref();
    let (_, events) = change(&vault, |authority, rng| {
        authority.approve(device, name, &grants, valid, clock::seconds(), rng)
    })?;
    events.iter().try_for_each(|event| say(describe(event)))
}

pub(crate) fn reject(args: &RejectArgs) -> Result<(), Failure> {
    let device = fingerprint(&args.fingerprint)?;
    let vault = vault(&args.authority)?;
    change(&vault, |authority, _| {
        let plan = authority.reject(device, clock::seconds())?;
        Ok::<_, AuthorityError>(((), plan))
    })?;
    say(format_args!("{device}: rejected"))
}

/// As topics have it, or as people compare it.
fn fingerprint(text: &str) -> Result<Fingerprint, Failure> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let mut bytes = [0; 16];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| {
        Failure::usage("a fingerprint has 32 hex digits: see `sealmq authority pending`")
    })?;
    Ok(Fingerprint(bytes))
}
