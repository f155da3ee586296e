use sealmq_authority::{AuthorityError, GroupInfo, NewGroup};
use sealmq_keys::objects::Policy;

use super::events::describe;
use super::folder::{change, look, vault};
use super::members::describe_grant_of;
use crate::args::{AuthorityArgs, GroupAdd, GroupShow, RotateArgs};
use crate::clock;
use crate::failure::Failure;
use crate::output::{say, say_all};

/// What `group add` makes of its options.
pub(crate) fn new_group(args: &GroupAdd) -> NewGroup {
    let (padding, bucket) = args.padding;
    let policy = Policy {
        window: args.window,
        lease: args.lease,
        grace: args.grace,
        skew: args.skew,
        freshness: args.freshness,
        kept: args.kept,
        padding,
        bucket,
        ..Policy::default()
    };
    let mut new = NewGroup::new(&args.name, &args.topics);
    new.policy = policy;
    new.schedule.validity = args.validity;
    new.schedule.rotate_every = args.rotate_every;
    new.schedule.rotate_after_messages = args.rotate_after;
    new.schedule.heal_every = args.heal_every;
    new.schedule.coalesce = args.coalesce;
    new.schedule.generation_every = args.generation_every;
    new.schedule.migration = args.migration;
    new.depth = args.depth;
    new
}

pub(crate) fn group_add(args: &GroupAdd) -> Result<(), Failure> {
    if args.rotate_every > args.validity.saturating_sub(args.validity / 3) {
        return Err(Failure::usage(
            "--rotate-every must be at most two thirds of --validity, so that members get new keys in time",
        ));
    }
    let new = new_group(args);
    let vault = vault(&args.authority)?;
    let ((), events) = change(&vault, |authority, rng| {
        authority
            .add_group(&new, clock::seconds(), rng)
            .map(|plan| ((), plan))
    })?;
    for event in &events {
        say(describe(event))?;
    }
    say(format_args!(
        "group {} covers {}",
        args.name,
        args.topics.join(" ")
    ))?;
    say(format_args!(
        "readers that were away open what the broker queued for {}, less if members join or leave often (--window {} epochs, --rotate-every {}); sessions longer than that (sub -c -x) bring messages that nobody opens",
        time(queue_time(&new)),
        new.policy.window,
        time(new.schedule.rotate_every)
    ))
}

/// How long a queued message opens when keys change on schedule only.
pub(crate) fn queue_time(group: &NewGroup) -> u64 {
    u64::from(group.policy.window).saturating_mul(group.schedule.rotate_every)
}

pub(crate) fn group_list(args: &AuthorityArgs) -> Result<(), Failure> {
    let authority = look(&vault(args)?)?;
    let mut lines = Vec::new();
    for group in authority.groups() {
        lines.push(group.name.clone());
        lines.push(format!("  topics           {}", group.filters.join(" ")));
        lines.push(format!(
            "  epoch            {}, valid until {}",
            group.epoch,
            clock::iso_seconds(group.not_after)
        ));
        lines.push(format!(
            "  members          {} ({} refused)",
            group.members, group.refused
        ));
        lines.push(format!(
            "  removals         a cover has {} entries; from {} on the group moves to a new key tree",
            group.cover_entries, group.schedule.cover_limit
        ));
        lines.push(format!(
            "  window           {} epochs before the current one",
            group.policy.window
        ));
        lines.push(format!("  padding          {}", padding(&group.policy)));
        lines.push(format!(
            "  removals bind    everyone after {} at the latest, even if the broker hides them",
            time(group.removal_latency)
        ));
        lines.push(format!("  id               {}", group.id));
        let prefix = authority.prefix();
        lines.push(format!("  keys below       {prefix}/g/{}", group.id));
    }
    if lines.is_empty() {
        return say("no groups yet: sealmq group add NAME --topic FILTER");
    }
    say_all(lines)
}

pub(crate) fn group_show(args: &GroupShow) -> Result<(), Failure> {
    let authority = look(&vault(&args.authority)?)?;
    let group = authority.groups().find(|group| group.name == args.name);
    let group = group.ok_or_else(|| AuthorityError::NoSuchGroup(args.name.clone()))?;
    let facts = facts(&group).into_iter();
    let mut lines: Vec<String> = facts
        .map(|(name, text)| format!("{name:<15} {text}"))
        .collect();
    for member in authority.members() {
        let Some(grant) = (member.grants.iter()).find(|grant| grant.group == group.name) else {
            continue;
        };
        let access = describe_grant_of(grant, &member.name);
        let state = if member.removed_at.is_some() {
            "removed"
        } else {
            "active"
        };
        lines.push(format!(
            "member {:<8} {} {state}, {access}",
            member.number.0, member.name
        ));
    }
    say_all(lines)
}

/// What operators need to know of a group, line by line.
fn facts(group: &GroupInfo) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("group", format!("{} {}", group.name, group.id)),
        ("topics", group.filters.join(" ")),
        (
            "epoch",
            format!(
                "{}, valid until {}",
                group.epoch,
                clock::iso_seconds(group.not_after)
            ),
        ),
        ("announcement", hex::encode(group.announcement.0)),
        (
            "lease",
            match group.policy.lease {
                0 => "none: epochs are used as long as they are valid".to_owned(),
                lease => format!(
                    "{}, last renewed at {}",
                    time(lease.into()),
                    match group.heartbeat_at {
                        0 => "no time: run sealmq authority run".to_owned(),
                        at => clock::iso_seconds(at),
                    }
                ),
            },
        ),
        (
            "removal",
            format!(
                "whatever the broker withholds, nobody seals for a removed reader after {}, and readers accept nothing of a removed publisher after {}",
                time(group.publishers_stop_after),
                time(group.removal_latency)
            ),
        ),
        (
            "freshness",
            match group.policy.freshness {
                0 => "none: live messages are accepted however old they are".to_owned(),
                freshness => format!(
                    "live messages older than {} are refused, at the latest {} later (--skew)",
                    time(freshness.into()),
                    time(group.policy.skew.into())
                ),
            },
        ),
        ("state", state(group)),
        ("members", group.members.to_string()),
        ("refused", group.refused.to_string()),
    ];
    for generation in &group.generations {
        let end = match generation.deadline {
            0 => String::new(),
            at => format!(", ends at {} at the latest", clock::iso_seconds(at)),
        };
        facts.push((
            "generation",
            format!(
                "{} since {} (epoch {}), tree of depth {}, {} healing epochs, {} removed{end}",
                generation.number,
                clock::iso_seconds(generation.started_at),
                generation.first_epoch,
                generation.depth,
                generation.healings,
                generation.removed
            ),
        ));
    }
    facts.push((
        "confirmed",
        format!(
            "{} of {} members say that they have their keys of generation {}; others have not been connected with `pub`, `sub` or an application since they got them",
            group.moved,
            group.members,
            group.generations.last().map_or(0, |newest| newest.number)
        ),
    ));
    facts
}

pub(crate) fn group_renew(args: &GroupShow) -> Result<(), Failure> {
    let vault = vault(&args.authority)?;
    let ((), events) = change(&vault, |authority, rng| {
        authority
            .renew_generation(&args.name, clock::seconds(), rng)
            .map(|plan| ((), plan))
    })?;
    events.iter().try_for_each(|event| say(describe(event)))
}

pub(crate) fn rotate(args: &RotateArgs) -> Result<(), Failure> {
    let vault = vault(&args.authority)?;
    let ((), events) = change(&vault, |authority, rng| {
        let now = clock::seconds();
        let plan = if args.heal {
            authority.heal(&args.group, now, rng)?
        } else {
            authority.rotate(&args.group, now, rng)?
        };
        Ok::<_, AuthorityError>(((), plan))
    })?;
    events.iter().try_for_each(|event| say(describe(event)))
}

/// For how long retained values and wills open, and for whom.
fn state(group: &GroupInfo) -> String {
    let changed = clock::iso_seconds(group.healed_at);
    let changes = match group.schedule.heal_every {
        0 => "with each removal, when a generation ends, and by rotate --heal".to_owned(),
        every => format!(
            "every {}, with each removal, when a generation ends, and by rotate --heal",
            time(every)
        ),
    };
    let kept = match group.policy.kept {
        0 => "nobody opens values from before the last change".to_owned(),
        kept => {
            let bound = match group.schedule.heal_every {
                0 => "no limit in time".to_owned(),
                every => format!("at most {}", time(every.saturating_mul(u64::from(kept)))),
            };
            format!(
                "all readers, later ones too, open values from up to {kept} changes before ({bound}), of which {} are kept",
                group.kept
            )
        }
    };
    format!(
        "keys for retained values and wills changed at {changed}; they change {changes}; {kept}"
    )
}

fn padding(policy: &Policy) -> String {
    match policy.padding {
        0 => "none".to_owned(),
        1 => "padme".to_owned(),
        _ => format!("multiples of {} bytes", policy.bucket),
    }
}

/// For people: `7d 1h 5m`.
fn time(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let text: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is queued for longer than its keys live is of no use to anybody.
    #[test]
    fn a_session_by_default_lives_as_long_as_what_it_queues_opens() {
        use crate::args::{Cli, Command, GroupCommand};
        use clap::Parser as _;
        let parsed = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap().command;
        let Command::Group(GroupCommand::Add(group)) = parsed("sealmq group add g --topic t")
        else {
            panic!("another command")
        };
        let Command::Sub(sub) = parsed("sealmq sub -t t -c -i x") else {
            panic!("another command")
        };
        assert_eq!(
            u64::from(sub.session_expiry_interval),
            queue_time(&new_group(&group))
        );
    }

    #[test]
    fn times() {
        assert_eq!(time(0), "0s");
        assert_eq!(time(7 * 86_400 + 3600 + 300), "7d 1h 5m");
        assert_eq!(time(59), "59s");
    }
}
