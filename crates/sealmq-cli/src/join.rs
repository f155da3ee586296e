//! `sealmq join`: a device becomes a member over MQTT.

use std::env;
use std::time::{Duration, Instant};

use getrandom::SysRng;
use sealmq_client::{Backoff, JoinError, JoinOutput, Joined, Joining, Time, Wire};
use sealmq_keys::Store as _;
use sealmq_keys::member::{JoinOptions, JoinWay};
use sealmq_keys::objects::{Token, fingerprint};
use sealmq_store::{FileStore, StoreRole, Vault};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use crate::args::{ConnectionArgs, JoinArgs};
use crate::device::{MEMBER_STORE, open, vault};
use crate::failure::{Exit, Failure};
use crate::link::{Heard, Link};
use crate::output::{note, say};
use crate::rootfile::RootFile;
use crate::session::refused_subscription;
use crate::signals::Stop;
use crate::unlock::Secret;
use crate::{clock, connection, files};

const TOKEN_VARIABLE: &str = "SEALMQ_JOIN_TOKEN";
/// Longest file of a token in bytes: it may stand among empty lines.
const MAX_TOKEN_FILE: usize = 16 * 1024;
/// Type, length, the topic's length, identifier and properties of PUBLISH, at most.
const PUBLISH_HEADER: usize = 1 + 4 + 2 + 2 + 1;
/// Bytes of the packets that an authority needs to be able to send.
const ENOUGH: u32 = 16 * 1024;
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

pub(crate) async fn run(args: JoinArgs) -> Result<(), Failure> {
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
    let mqtt = connection::options(&way_to)?;
    let mut store = store(&args)?;
    let joining = Joining::begin(&store, options, &mut SysRng)?;
    let mut stop = Stop::new()?;
    let mut device = Device {
        joining,
        store: &mut store,
        started: Instant::now(),
        backoff: Backoff::new(PAUSES),
    };
    let wait = Duration::from_secs(args.timeout.into());
    let address = way_to.address();
    let mut largest = None;
    let work = async {
        let mut was_connected = false;
        loop {
            let lost = match Link::connect(mqtt.clone()).await {
                Ok(mut link) => {
                    was_connected = true;
                    largest = link.largest;
                    match device.serve(&mut link).await {
                        Ok(Some(joined)) => {
                            link.disconnect().await;
                            return Ok(joined);
                        }
                        Ok(None) => "the broker ended the connection".to_owned(),
                        Err(failure) => {
                            link.disconnect().await;
                            return Err(failure);
                        }
                    }
                }
                Err(error) => {
                    if !was_connected || connection::is_final(&error) {
                        return Err(Failure::network(connection::describe_first(
                            &error, &address,
                        )));
                    }
                    connection::describe(&error, &address)
                }
            };
            note(format_args!("sealmq: {lost}; connecting again"));
            let uptime = device.time().uptime;
            sleep(device.backoff.take(uptime, &mut SysRng)).await;
        }
    };
    let joined = tokio::select! {
        done = timeout(wait, work) => done,
        () = stop.requested() => return Err(Failure::new(Exit::Interrupted, "")),
    };
    let joined = joined.map_err(|_| no_answer(largest))??;
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

/// Why nothing came, as far as a device can know.
fn no_answer(largest: Option<u32>) -> Failure {
    let small = largest.filter(|largest| *largest < ENOUGH);
    let why = small.map_or_else(
        || "is `sealmq authority run` connected to this broker?".to_owned(),
        |largest| format!("this broker takes packets of at most {largest} bytes, and those of an authority are up to {ENOUGH} bytes long and more: raise its limit (max_packet_size)"),
    );
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

struct Device<'a> {
    joining: Joining,
    store: &'a mut FileStore,
    started: Instant,
    backoff: Backoff,
}

impl Device<'_> {
    fn time(&self) -> Time {
        let uptime = u64::try_from(self.started.elapsed().as_millis());
        Time {
            uptime: uptime.unwrap_or(u64::MAX),
            clock: clock::known_millis(),
        }
    }

    /// Until the authority has decided; `None` if the connection was lost.
    async fn serve(&mut self, link: &mut Link) -> Result<Option<Joined>, Failure> {
        self.joining.handle_connected();
        loop {
            if let Some(joined) = self.carry_out(link)? {
                return Ok(Some(joined));
            }
            let uptime = self.time().uptime;
            let wait = self.joining.poll_timeout().unwrap_or(u64::MAX);
            let wait = Duration::from_millis(wait.saturating_sub(uptime));
            let heard = timeout(wait, link.next()).await;
            if matches!(heard, Ok(Ok(_))) {
                self.backoff.useful(self.time().uptime);
            }
            match heard {
                Ok(Ok(Heard::Publish(message))) => {
                    let topic = String::from_utf8_lossy(&message.topic);
                    let (time, payload) = (self.time(), &message.payload);
                    self.joining
                        .handle_publish(&topic, payload, time, &mut SysRng)
                        .map_err(failure)?;
                }
                Ok(Ok(Heard::Subscribed { refused })) => {
                    if let Some(&code) = refused.first()
                        && let Err(JoinError::NotSubscribed { filters }) =
                            self.joining.handle_subscribed(false)
                    {
                        let filters = filters.join(" or ");
                        return Err(Failure::network(refused_subscription(&filters, code)));
                    }
                }
                Ok(Ok(_)) => {}
                Ok(Err(_)) => {
                    self.joining.handle_disconnected();
                    return self.carry_out(link);
                }
                Err(_) => self.joining.handle_timeout(self.time()),
            }
        }
    }

    /// A connection that is lost meanwhile shows up as the link's next event.
    fn carry_out(&mut self, link: &mut Link) -> Result<Option<Joined>, Failure> {
        while let Some(output) = self.joining.poll_output() {
            match output {
                JoinOutput::Commit(changes) => {
                    self.store.commit(&changes)?;
                    self.joining.committed();
                }
                JoinOutput::Subscribe(wanted) => {
                    for wanted in wanted {
                        let _lost = link.subscribe([wanted.filter], true);
                    }
                }
                JoinOutput::Publish(wire) => {
                    check_size(&wire, link.largest)?;
                    let _lost = link.publish(wire.topic, wire.retain, wire.payload.into());
                }
                JoinOutput::Waiting(device) => {
                    note(format_args!(
                        "waiting for an operator, who compares this fingerprint: {device}"
                    ));
                    note(format_args!(
                        "at the authority: sealmq authority approve {device} --publish GROUP or --subscribe GROUP"
                    ));
                }
                JoinOutput::Ignored { topic, error } => {
                    note(format_args!("sealmq: {topic}: refused: {error}"));
                }
                JoinOutput::Joined(joined) => return Ok(Some(joined)),
            }
        }
        Ok(None)
    }
}

/// The broker would end the connection, each time.
fn check_size(wire: &Wire, largest: Option<u32>) -> Result<(), Failure> {
    let Some(largest) = largest else {
        return Ok(());
    };
    let size = [wire.payload.len(), wire.topic.len(), PUBLISH_HEADER];
    let size = size.into_iter().fold(0, usize::saturating_add);
    if u64::try_from(size).is_ok_and(|size| size <= largest.into()) {
        return Ok(());
    }
    Err(Failure::network(format_args!(
        "this broker takes packets of at most {largest} bytes, and the request has {size}: raise its limit (max_packet_size), or ask with fewer --packages"
    )))
}

fn failure(error: JoinError) -> Failure {
    match error {
        JoinError::Refused {
            reason,
            expired: Some(at),
        } => Failure::refused(format_args!(
            "{reason} (by this device's clock, it expired at {})",
            clock::iso_seconds(at)
        )),
        JoinError::Refused { reason, .. } => Failure::refused(reason),
        JoinError::Member(error) => error.into(),
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
fn own_filter(filter: &str, name: &str) -> String {
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
