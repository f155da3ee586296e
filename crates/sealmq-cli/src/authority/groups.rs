use sealmq_keys::Policy;
use sealmq_keys::authority::{AuthorityError, NewGroup};

use super::folder::{change, describe, look, vault};
use crate::args::{AuthorityArgs, GroupAdd, RotateArgs};
use crate::clock;
use crate::failure::Failure;
use crate::output::say;

pub(crate) fn group_add(args: &GroupAdd) -> Result<(), Failure> {
    if args.rotate_every > args.validity.saturating_sub(args.validity / 3) {
        return Err(Failure::usage(
            "--rotate-every must be at most two thirds of --validity, so that members get new keys in time",
        ));
    }
    let (padding, bucket) = args.padding;
    let policy = Policy {
        window: args.window,
        grace: args.grace,
        skew: args.skew,
        freshness: args.freshness,
        padding,
        bucket,
        ..Policy::default()
    };
    let mut new = NewGroup::new(&args.name, &args.topics);
    new.policy = policy;
    new.schedule.validity = args.validity;
    new.schedule.rotate_every = args.rotate_every;
    new.depth = args.depth;
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
    ))
}

pub(crate) fn group_list(args: &AuthorityArgs) -> Result<(), Failure> {
    let authority = look(&vault(args)?)?;
    let mut any = false;
    for group in authority.groups() {
        any = true;
        say(format_args!("{}", group.name))?;
        say(format_args!(
            "  topics           {}",
            group.filters.join(" ")
        ))?;
        say(format_args!(
            "  epoch            {}, valid until {}",
            group.epoch,
            clock::iso_seconds(group.not_after)
        ))?;
        say(format_args!(
            "  members          {} ({} refused)",
            group.members, group.refused
        ))?;
        say(format_args!(
            "  removals         a cover has {} entries; from {} on the group moves to a new key tree",
            group.cover_entries, group.schedule.cover_limit
        ))?;
        say(format_args!(
            "  window           {} epochs before the current one",
            group.policy.window
        ))?;
        say(format_args!(
            "  padding          {}",
            padding(&group.policy)
        ))?;
        say(format_args!(
            "  removal latency  {} if the broker hides announcements",
            time(group.removal_latency)
        ))?;
        say(format_args!("  id               {}", group.id))?;
    }
    if any {
        Ok(())
    } else {
        say("no groups yet: sealmq group add NAME --topic FILTER")
    }
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

    #[test]
    fn times() {
        assert_eq!(time(0), "0s");
        assert_eq!(time(7 * 86_400 + 3600 + 300), "7d 1h 5m");
        assert_eq!(time(59), "59s");
    }
}
