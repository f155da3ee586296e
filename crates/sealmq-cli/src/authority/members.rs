use sealmq_authority::{Authority, AuthorityError, GrantSpec, TwoDevices};
use sealmq_core::MemberNumber;
use sealmq_core::object::{Access, suite_of};
use sealmq_keys::objects::{MAX_FILE_LEN, VerifiedEnrolment, decode_request, fingerprint};

use super::events::describe;
use super::folder::{change, look, open, vault};
use crate::args::{
    AuthorityArgs, MemberAdd, MemberExport, MemberRemove, MemberRenew, MembershipArgs,
};
use crate::failure::Failure;
use crate::join::own_filter;
use crate::output::{note_all, say, say_all};
use crate::{clock, device, files};

pub(super) const DAY: u64 = 86_400;

pub(crate) fn member_add(args: &MemberAdd) -> Result<(), Failure> {
    files::check_new(&args.output)?;
    let request = decode_request(&files::read_text(&args.request, MAX_FILE_LEN)?)?;
    let (grants, valid) = membership(&args.membership)?;
    let vault = vault(&args.authority)?;
    let authority = look(&vault)?;
    let domain = authority.domain();
    device::same_suite(&request, authority.delegation())?;
    let key = *suite_of(&request)
        .and_then(|suite| VerifiedEnrolment::verify(&request, suite, &domain))
        .map_err(|error| {
            Failure::refused(format_args!("the enrolment request was refused: {error}"))
        })?
        .key()
        .as_bytes();
    device::compare("the request's key", &key, args.fingerprint.as_deref())?;
    let (enrolled, _) = change(&vault, |authority, rng| {
        authority.enrol(&request, &grants, valid, clock::seconds(), rng)
    })?;
    // After the commit: its number could be given to somebody else otherwise.
    files::write_new(&args.output, &enrolled.credential_file).map_err(|failure| {
        Failure::new(
            failure.exit,
            format!(
                "member {} {} is enrolled, but {}: `sealmq member export {}` makes the file again",
                enrolled.number, enrolled.name, failure.message, enrolled.name
            ),
        )
    })?;
    let lines = [
        format!("member {} {}: enrolled", enrolled.number, enrolled.name),
        format!("key fingerprint  {}", fingerprint(&key)),
    ];
    if files::is_dash(&args.output) {
        note_all(lines);
        return Ok(());
    }
    say_all(lines)?;
    say(format_args!(
        "credential file  {}, for the device (it holds no secret)",
        args.output.display()
    ))?;
    say("Compare the fingerprint with the one that the device showed.")
}

pub(crate) fn member_export(args: &MemberExport) -> Result<(), Failure> {
    files::check_new(&args.output)?;
    let store = open(&vault(&args.authority)?)?;
    let authority = Authority::load(&store)?;
    let member = authority.find_member(&args.member)?;
    let file = authority.credential_file(&store, member)?;
    store.close()?;
    files::write_new(&args.output, &file)?;
    if files::is_dash(&args.output) {
        return Ok(());
    }
    say(format_args!(
        "credential file  {}, for the device (it holds no secret)",
        args.output.display()
    ))
}

/// The device takes the new credential from the broker by itself.
pub(crate) fn member_renew(args: &MemberRenew) -> Result<(), Failure> {
    let valid = u64::from(args.days).saturating_mul(DAY);
    let vault = vault(&args.authority)?;
    let ((), events) = change(&vault, |authority, _| {
        let member = authority.find_member(&args.member)?;
        let plan = authority.renew(member, valid, clock::seconds())?;
        Ok::<_, AuthorityError>(((), plan))
    })?;
    events.iter().try_for_each(|event| say(describe(event)))
}

pub(crate) fn member_remove(args: &MemberRemove) -> Result<(), Failure> {
    let vault = vault(&args.authority)?;
    let ((), events) = change(&vault, |authority, rng| {
        let members = args.members.iter();
        let members = members.map(|name| authority.find_member(name));
        let members = members.collect::<Result<Vec<_>, _>>()?;
        let plan = authority.remove_all(&members, clock::seconds(), rng)?;
        Ok::<_, AuthorityError>(((), plan))
    })?;
    events.iter().try_for_each(|event| say(describe(event)))
}

pub(crate) fn member_list(args: &AuthorityArgs) -> Result<(), Failure> {
    let authority = look(&vault(args)?)?;
    let mut lines = Vec::new();
    for member in authority.members() {
        let state = member.removed_at.map_or_else(
            || format!("valid until {}", clock::iso_seconds(member.not_after)),
            |at| format!("removed at {}", clock::iso_seconds(at)),
        );
        lines.push(format!(
            "{:<5} {}: {state}",
            number(member.number),
            member.name
        ));
        lines.extend(member.two_devices.as_ref().map(describe_two_devices));
        lines.push(format!("      key {}", fingerprint(&member.key)));
        for grant in &member.grants {
            lines.push(format!("      {}", describe_grant_of(grant, &member.name)));
        }
    }
    if lines.is_empty() {
        return say("no members yet: sealmq member request, then sealmq member add");
    }
    say_all(lines)
}

fn number(member: MemberNumber) -> u32 {
    member.0
}

/// A member's grant: `%c` in its filter stands for the member's name.
pub(super) fn describe_grant_of(grant: &GrantSpec, name: &str) -> String {
    describe_grant(&GrantSpec {
        publish_filter: own_filter(&grant.publish_filter, name),
        ..grant.clone()
    })
}

pub(super) fn describe_grant(grant: &GrantSpec) -> String {
    let access = match (grant.access.may_publish(), grant.access.may_subscribe()) {
        (true, true) => "publish and subscribe",
        (true, false) => "publish",
        _ => "subscribe",
    };
    let narrowed = if grant.publish_filter.is_empty() {
        String::new()
    } else {
        format!(", publishing on {} only", grant.publish_filter)
    };
    format!("{}: {access}{narrowed}", grant.group)
}

/// What a new member may do, and for how many seconds.
pub(super) fn membership(args: &MembershipArgs) -> Result<(Vec<GrantSpec>, u64), Failure> {
    let grants = grants(&args.publish, &args.subscribe)?;
    Ok((grants, u64::from(args.days).saturating_mul(DAY)))
}

/// `--publish GROUP[:FILTER]` and `--subscribe GROUP`, one grant per group.
fn grants(publish: &[String], subscribe: &[String]) -> Result<Vec<GrantSpec>, Failure> {
    let mut grants: Vec<GrantSpec> = Vec::new();
    for text in publish {
        // Names of groups contain no colon.
        let (group, filter) = text.split_once(':').unwrap_or((text, ""));
        if text.ends_with(':') {
            return Err(Failure::usage(format_args!(
                "--publish {text}: the filter after the colon is missing"
            )));
        }
        if grants.iter().any(|grant| grant.group == group) {
            return Err(Failure::usage(format_args!(
                "--publish names group {group} twice: one filter per group"
            )));
        }
        grants.push(GrantSpec {
            group: group.to_owned(),
            access: Access::PUBLISH,
            publish_filter: filter.to_owned(),
        });
    }
    for group in subscribe {
        if group.contains(':') {
            return Err(Failure::usage(format_args!(
                "--subscribe {group}: reading cannot be narrowed, every reader of a group holds its key; make a group of its own for those topics"
            )));
        }
        match grants.iter_mut().find(|grant| grant.group == *group) {
            Some(grant) if grant.access == Access::PUBLISH => grant.access = Access::BOTH,
            Some(_) => {
                return Err(Failure::usage(format_args!(
                    "--subscribe names group {group} twice"
                )));
            }
            None => grants.push(GrantSpec {
                group: group.clone(),
                access: Access::SUBSCRIBE,
                publish_filter: String::new(),
            }),
        }
    }
    Ok(grants)
}

fn describe_two_devices(said: &TwoDevices) -> String {
    let others = match said.reporters.len() {
        1 => "1 member reports",
        n => &format!("{n} members report"),
    };
    let proof = match said.with_proof {
        0 => "sessions take turns".to_owned(),
        n => format!("{n} with proof"),
    };
    format!(
        "      TWO DEVICES use this identity, as {others} since {} ({proof}): remove it, and enrol each device anew",
        clock::iso_seconds(said.since)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(publish: &[&str], subscribe: &[&str]) -> Option<Vec<String>> {
        let own = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let parsed = grants(&own(publish), &own(subscribe)).ok()?;
        Some(parsed.iter().map(describe_grant).collect())
    }

    #[test]
    fn one_grant_per_group() {
        assert_eq!(
            parse(&["a", "b:x/%c/#", "c"], &["c", "d"]).unwrap(),
            [
                "a: publish",
                "b: publish, publishing on x/%c/# only",
                "c: publish and subscribe",
                "d: subscribe"
            ]
        );
        for (publish, subscribe) in [
            (&["a:"][..], &[][..]),
            (&["a", "a:x"], &[]),
            (&[], &["a", "a"]),
            (&[], &["a:x"]),
        ] {
            assert_eq!(parse(publish, subscribe), None, "{publish:?} {subscribe:?}");
        }
    }

    #[test]
    fn what_others_report_of_a_member_stands_in_its_list() {
        let said = |reporters: &[u32], with_proof| TwoDevices {
            since: 1_764_000_000,
            reporters: reporters.iter().map(|n| MemberNumber(*n)).collect(),
            with_proof,
        };
        let line = describe_two_devices(&said(&[3], 0));
        assert!(
            line.contains("as 1 member reports since 2025-11-24T"),
            "{line}"
        );
        assert!(line.contains("(sessions take turns)"), "{line}");
        let line = describe_two_devices(&said(&[3, 4, 5], 2));
        assert!(line.contains("as 3 members report since") && line.contains("(2 with proof)"));
    }
}
