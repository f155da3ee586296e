//! `sealmq join`: a device becomes a member over MQTT.

use std::env;
use std::time::Duration;

use sealmq_client::{JoinError, Joined};
use sealmq_keys::member::{JoinOptions, JoinWay, Member, MemberError, MemberOptions};
use sealmq_keys::objects::{Token, fingerprint};
use sealmq_rumqttc::joining::{JoinEvent, JoinFailure, Joining};
use sealmq_rumqttc::v4::V4;
use sealmq_rumqttc::v5::V5;
use sealmq_store::{FileStore, StoreRole, Vault};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::args::{ConnectionArgs, JoinArgs, Protocol};
use crate::connection::Mqtt;
use crate::device::{MEMBER_STORE, open, vault};
use crate::failure::{Exit, Failure};
use crate::output::{note, say};
use crate::rootfile::RootFile;
use crate::seldom::Seldom;
use crate::session::{open_failure, refused_subscription};
use crate::signals::Stop;
use crate::unlock::Secret;
use crate::{clock, connection, files};

const TOKEN_VARIABLE: &str = "SEALMQ_JOIN_TOKEN";
/// Longest file of a token in bytes: it may stand among empty lines.
const MAX_TOKEN_FILE: usize = 16 * 1024;
/// Bytes of the packets that an authority needs to be able to send.
const ENOUGH: usize = 16 * 1024;

pub(crate) async fn run(args: JoinArgs) -> Result<(), Failure> {
    match args.connection.protocol_version {
        Protocol::V5 => run_over::<V5>(args).await,
        Protocol::V311 => run_over::<V4>(args).await,
    }
}

async fn run_over<V: Mqtt>(args: JoinArgs) -> Result<(), Failure> {
    let mut way_to = args.connection.clone();
    let way = if let Some(path) = &args.root {
        let file = RootFile::read(path)?;
        JoinWay::Root {
            root_key: file.key,
            prefix: Some(file.prefix),
            suite: Some(file.suite),
            serial: args.serial,
        }
    } else {
        let token = Token::parse(token(&args)?.trim()).map_err(Failure::usage)?;
        follow_token(&token.broker, &mut way_to)?;
        JoinWay::Token(token.into())
    };
    let options = JoinOptions {
        name: args.name.clone(),
        way,
        packages: args.packages,
        extensions: Vec::new(),
    };
    let mqtt = connection::options::<V>(&way_to)?;
    let mut store = store(&args)?;
    let mut joining = Joining::<V>::begin(mqtt, &store, options)
        .map_err(open_failure)?
        .clock(clock::known_millis)
        .topic_map(args.topic_map.map()?);
    let mut stop = Stop::new()?;
    let address = way_to.address();
    let mut largest = None;
    // How often the connection broke, and why it did the last time.
    let mut broken = (0_u32, String::new());
    let work = async {
        let mut was_connected = false;
        let mut seldom = Seldom::default();
        loop {
            let next = joining.next(&mut store).await;
            match next.map_err(|error| failure::<V>(error, &address))? {
                JoinEvent::Connected { largest: said } => (was_connected, largest) = (true, said),
                JoinEvent::Disconnected(error) if was_connected => {
                    let lost = connection::describe::<V>(&error, &address);
                    note(format_args!("sealmq: {lost}; connecting again"));
                    broken = (broken.0.saturating_add(1), lost);
                }
                JoinEvent::Disconnected(error) => {
                    let reason = connection::describe_first::<V>(&error, &address);
                    return Err(Failure::network(reason));
                }
                JoinEvent::Waiting(device) => {
                    note(format_args!(
                        "waiting for an operator, who compares this fingerprint: {device}"
                    ));
                    note(format_args!(
                        "at the authority: sealmq authority approve {device} --publish GROUP or --subscribe GROUP"
                    ));
                }
                // The answer to an earlier request of this device is still at the broker.
                JoinEvent::Ignored {
                    error: MemberError::OtherDevice,
                    ..
                } => {}
                JoinEvent::Ignored { topic, error } => {
                    seldom.note("ignored", || format!("sealmq: {topic}: refused: {error}"));
                }
                JoinEvent::Joined(joined) => return Ok(joined),
                _ => {}
            }
        }
    };
    let wait = Duration::from_secs(args.timeout.into());
    let joined = tokio::select! {
        done = timeout(wait, work) => done,
        () = stop.requested() => return Err(Failure::new(Exit::Interrupted, "")),
    };
    let asked = joining.has_asked();
    let is_old = matches!(way_to.protocol_version, Protocol::V311);
    let joined = joined.map_err(|_| no_answer(asked, is_old, largest, &broken))??;
    check_removed(&store)?;
    store.close()?;
    tell(&joined)
}

/// What the command was given as a token, from wherever.
fn token(args: &JoinArgs) -> Result<Zeroizing<String>, Failure> {
    if let Some(text) = &args.token {
        return Ok(Zeroizing::new(text.clone()));
    }
    if let Some(path) = &args.token_file {
        return files::read_text(path, MAX_TOKEN_FILE).map(Zeroizing::new);
    }
    let text = env::var(TOKEN_VARIABLE).map_err(|error| match error {
        env::VarError::NotPresent => Failure::usage(format_args!(
            "give a token: its file with --token-file, or the variable {TOKEN_VARIABLE}; or --root FILE"
        )),
        env::VarError::NotUnicode(_) => {
            Failure::usage(format_args!("{TOKEN_VARIABLE} is not valid UTF-8"))
        }
    });
    text.map(Zeroizing::new)
}

/// It may have joined before, and have learned since that it was removed.
fn check_removed(store: &FileStore) -> Result<(), Failure> {
    let member = Member::load(store, MemberOptions::default())?;
    let removed = member.groups().find(|group| group.removed);
    removed.map_or(Ok(()), |group| {
        Err(Failure::refused(format_args!(
            "this device had joined, and was removed from group {}: join again with another --dir",
            group.name
        )))
    })
}

/// Why nothing came, as far as a device can know.
fn no_answer(
    asked: bool,
    is_old: bool,
    largest: Option<usize>,
    (broken, last): &(u32, String),
) -> Failure {
    let small = largest.filter(|largest| *largest < ENOUGH);
    let why = match small {
        Some(largest) => format!(
            "this broker takes packets of at most {largest} bytes, and those of an authority are up to {ENOUGH} bytes long and more: raise its limit (max_packet_size)."
        ),
        None if *broken > 1 => format!(
            "the connection broke {broken} times (the last time: {last}): look at the broker's limits (packet size, retained messages) and access rules."
        ),
        None if !asked => "this broker has nothing of the domain that the token or --root names: is it the right broker, and is `sealmq authority run` connected to it?".to_owned(),
        // MQTT 5 has a reason code for it.
        None if is_old => format!(
            "is `sealmq authority run` connected to this broker? Over MQTT 3.1.1 brokers drop what is too large without a word (Mosquitto's message_size_limit): it has to be at least {ENOUGH} bytes."
        ),
        None => "is `sealmq authority run` connected to this broker?".to_owned(),
    };
    let text =
        format!("no answer in time: {why} The same command again goes on with the same request");
    Failure::new(Exit::TimedOut, text)
}

/// The broker that the token names, unless another one was given.
fn follow_token(broker: &str, args: &mut ConnectionArgs) -> Result<(), Failure> {
    let (tls, rest) = match broker.split_once("://") {
        Some((scheme, rest)) => (scheme == "mqtts", rest),
        None => return Ok(()),
    };
    if args.host.is_some() {
        return Ok(());
    }
    if let Some((host, port)) = rest.rsplit_once(':') {
        args.host = Some(host.trim_matches(['[', ']']).to_owned());
        args.port = args.port.or(port.parse().ok());
    }
    if tls && !args.uses_tls() {
        return Err(Failure::usage(
            "the token's broker wants TLS: give --cafile with the authorities that may vouch for it, or --tls-use-os-certs",
        ));
    }
    Ok(())
}

/// The device's store; a new one if there is none.
fn store(args: &JoinArgs) -> Result<FileStore, Failure> {
    let path = args.device.dir.join(MEMBER_STORE);
    if path.symlink_metadata().is_ok() {
        return open(&vault(&args.device)?);
    }
    let secret = Secret::for_new(&args.device.unlock, &path.display().to_string())?;
    Ok(Vault::create(&path, StoreRole::Member, &secret.unlock())?.open()?)
}

fn failure<V: Mqtt>(error: JoinFailure<V::Failure, V::Reason>, address: &str) -> Failure {
    match error {
        JoinFailure::Join(JoinError::Refused {
            reason,
            expired: Some(at),
        }) => Failure::refused(format_args!(
            "{reason} (by this device's clock, it expired at {})",
            clock::iso_seconds(at)
        )),
        JoinFailure::Join(JoinError::Refused { reason, .. }) => Failure::refused(reason),
        JoinFailure::Join(JoinError::Member(error)) => error.into(),
        JoinFailure::NotSubscribed { filters, reason } => {
            let filters = filters.join(" or ");
            Failure::network(refused_subscription(&filters, reason))
        }
        JoinFailure::TooLarge { size, most } => Failure::network(format_args!(
            "this broker takes packets of at most {most} bytes, and the request has {size}: raise its limit (max_packet_size), or ask with fewer --packages"
        )),
        JoinFailure::Link(error) => {
            Failure::network(connection::describe_link::<V>(&error, address))
        }
        JoinFailure::Store(error) => Failure::new(Exit::Store, error.to_string()),
        other => Failure::network(other),
    }
}

fn tell(joined: &Joined) -> Result<(), Failure> {
    let enrolled = &joined.enrolled;
    say(format_args!("member {} {}", enrolled.number, enrolled.name))?;
    say(format_args!("domain            {}", enrolled.domain))?;
    say(format_args!(
        "root fingerprint  {}",
        fingerprint(&enrolled.root_key)
    ))?;
    for (group, access, filter) in &enrolled.grants {
        let may = match (access.may_publish(), access.may_subscribe()) {
            (true, true) => "publish and read",
            (true, false) => "publish",
            _ => "read",
        };
        let ready = joined.is_ready(group);
        let title = joined.title(group);
        let group = title.map_or_else(
            || group.to_string(),
            |title| format!("{} ({})", title.name, title.filters.join(", ")),
        );
        if title.is_some() && !ready {
            note(format_args!(
                "sealmq: group {group}: the device's keys begin with the next epoch, which has not been announced yet"
            ));
        }
        let narrowed = match own_filter(filter, &enrolled.name).as_str() {
            "" => String::new(),
            filter => format!(", publishing on {filter} only"),
        };
        say(format_args!("may {may} in group {group}{narrowed}"))?;
    }
    say(format_args!(
        "credential        valid until {}, renewed by the authority",
        clock::iso_seconds(enrolled.not_after)
    ))
}

/// A grant's filter with the device's name for the levels `%c`.
pub(crate) fn own_filter(filter: &str, name: &str) -> String {
    let levels = filter.split('/');
    let levels = levels.map(|level| if level == "%c" { name } else { level });
    levels.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_shown_as_they_hold_for_the_device() {
        for (filter, shown) in [
            ("", ""),
            ("plant/%c/#", "plant/pump/#"),
            ("%c", "pump"),
            ("plant/x%c/%cc", "plant/x%c/%cc"),
        ] {
            assert_eq!(own_filter(filter, "pump"), shown);
        }
    }
}
