//! `sealmq sub`.

mod format;
mod json;
mod message;
mod tally;

use std::io::{self, Write as _};
use std::time::Duration;

use sealmq_client::Event;
use sealmq_core::open::Rejection;
use sealmq_core::replay::Gap;
use sealmq_core::topic::{Filter, Topic};
use sealmq_keys::member::{EnrolledAs, Member, MemberOptions};
use sealmq_rumqttc::client::AsyncClient;
use sealmq_rumqttc::eventloop::EventLoop;
use sealmq_rumqttc::v4::V4;
use sealmq_rumqttc::v5::V5;
use sealmq_rumqttc::{Message, SealOptions};
use sealmq_store::FileStore;
use tokio::time::sleep;

use crate::args::{Protocol, SubArgs};
use crate::connection::Mqtt;
use crate::failure::{Exit, Failure};
use crate::output::note;
use crate::seldom::Seldom;
use crate::signals::Stop;
use crate::{clock, connection, device, session};
use format::Format;
use message::Shown;
use tally::Tally;

/// How often it is looked whether somebody reads the output.
const LOOK_AT_OUTPUT: Duration = Duration::from_millis(250);

pub(crate) async fn run(args: SubArgs) -> Result<(), Failure> {
    match args.connection.protocol_version {
        Protocol::V5 => run_over::<V5>(args).await,
        Protocol::V311 => run_over::<V4>(args).await,
    }
}

async fn run_over<V: Mqtt>(args: SubArgs) -> Result<(), Failure> {
    let format = Format::new(&args)?;
    for filter in args.topic.iter().chain(&args.filter_out) {
        let topics = filter
            .strip_prefix("$share/")
            .and_then(|rest| rest.split_once('/'));
        Filter::new(topics.map_or(filter.as_str(), |(_, topics)| topics))
            .map_err(|error| Failure::usage(format_args!("{filter}: {error}")))?;
    }
    let mut mqtt = connection::options::<V>(&args.connection)?;
    if args.keep_session {
        V::keep_session(&mut mqtt, args.session_expiry_interval);
    }
    let member = MemberOptions {
        accept_own: args.own,
        replay_persist_every: if args.strict {
            1
        } else {
            MemberOptions::default().replay_persist_every
        },
        ..MemberOptions::default()
    };
    let options = SealOptions::new()
        .member(member)
        .topic_map(args.topic_map.map()?);
    let vault = device::vault(&args.device)?;
    // From here on: while a passphrase is typed, Ctrl-C just ends the program.
    let mut stop = Stop::new()?;
    let store = device::open(&vault)?;
    warn_publishers(&store)?;
    let (client, mut events) =
        AsyncClient::<V>::with_options(mqtt, store, options).map_err(session::open_failure)?;
    for filter in &args.topic {
        client
            .subscribe(filter, session::qos::<V>(args.qos))
            .await
            .map_err(|error| Failure::usage(format_args!("-t {filter}: {error}")))?;
    }

    let mut tally = Tally::default();
    let time_is_over = async {
        match args.timeout {
            Some(seconds) => sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let result = tokio::select! {
        result = receive(&mut events, &args, &format, &mut tally) => result,
        () = nobody_reads() => Ok(()),
        () = time_is_over => Err(Failure::new(Exit::TimedOut, "")),
        () = stop.requested() => Ok(()),
    };
    // Keeps reading meanwhile: the event loop must be able to get rid of its events.
    let drain = async { while !matches!(events.poll().await, Ok(Event::Disconnected) | Err(_)) {} };
    tokio::select! {
        () = session::leave(&client) => {}
        () = async { drain.await; std::future::pending().await } => {}
    }
    if !args.quiet {
        note(tally);
    }
    result
}

/// What a publish-only member subscribes to stays closed to it, which nothing that arrives may say.
fn warn_publishers(store: &FileStore) -> Result<(), Failure> {
    let enrolled = Member::enrolled(store)?;
    let reads = |enrolled: &EnrolledAs| {
        let mut accesses = enrolled.grants.iter().map(|(_, access, _)| access);
        accesses.any(|access| access.may_subscribe())
    };
    if enrolled.is_some_and(|enrolled| !reads(&enrolled)) {
        note(
            "sealmq: this member may publish only: it opens no message; a reader is enrolled with --subscribe GROUP, or with a token of --role subscribe or both",
        );
    }
    Ok(())
}

/// Prints messages until there is a reason to end.
async fn receive<V: Mqtt>(
    events: &mut EventLoop<V>,
    args: &SubArgs,
    format: &Format,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let mut was_connected = false;
    let mut seldom = Seldom::default();
    loop {
        match events.poll().await {
            Ok(Event::Connected { .. }) => {
                was_connected = true;
                if args.debug {
                    note(format_args!("connected to {}", args.connection.address()));
                }
            }
            Ok(Event::Subscribed { filter, .. }) if args.debug => {
                note(format_args!("subscribed to {filter}"));
            }
            Ok(Event::Message(message)) => {
                tally.received(&message);
                if args.retained_only && !message.retained {
                    tally.passed_over();
                    return Ok(());
                }
                if is_wanted(&message, args) {
                    match print(&message, format) {
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                        printed => printed.map_err(|error| Failure::output(&error))?,
                    }
                    if args.count == Some(tally.printed()) {
                        return Ok(());
                    }
                } else {
                    tally.passed_over();
                }
            }
            Ok(Event::Rejected { topic, reason }) => {
                if tally.rejected(&reason) && !args.quiet {
                    seldom.note(reason.name(), || {
                        format!("sealmq: {topic}: not accepted: {reason}{}", hint(&reason))
                    });
                }
            }
            Ok(Event::Cleared { topic }) if !args.quiet => seldom.note("cleared", || {
                format!(
                    "sealmq: {topic}: somebody cleared the retained message (not authenticated)"
                )
            }),
            Ok(Event::SubscribeRefused { filter, reason }) => {
                let text = session::refused_subscription(&filter, reason);
                if args.topic.contains(&filter) {
                    return Err(Failure::refused(text));
                }
                note(format_args!("sealmq: {text}"));
            }
            Ok(Event::Key(event)) => session::tell(&event, args.debug, &mut seldom),
            Ok(Event::BrokerLimit(limit)) => note(format_args!("sealmq: {limit}")),
            Ok(Event::Disconnected) => return Ok(()),
            Ok(_) => {}
            Err(error) => session::after::<V>(&error, was_connected, &args.connection)?,
        }
    }
}

/// What may be behind it that only whoever runs the brokers can see.
fn hint(reason: &Rejection) -> &'static str {
    match reason {
        Rejection::Rejected | Rejection::NotAllowed { .. } => {
            " (a bridge between brokers that renames topics does that, too: sealed messages keep the topic on which they were published)"
        }
        _ => "",
    }
}

/// Returns when whatever read standard output has left (`sealmq sub | head`), also if nothing is
/// printed.
async fn nobody_reads() {
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let out = io::stdout();
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        loop {
            sleep(LOOK_AT_OUTPUT).await;
            // Errors are told without being asked for.
            let mut out = [PollFd::new(&out, PollFlags::empty())];
            let told = poll(&mut out, Some(&at_once)).is_ok();
            let left = PollFlags::ERR.union(PollFlags::HUP);
            if told && out.iter().any(|out| out.revents().intersects(left)) {
                return;
            }
        }
    }
    #[cfg(not(unix))]
    std::future::pending().await
}

fn is_wanted(message: &Message, args: &SubArgs) -> bool {
    let filtered_out = Topic::new(&message.topic).is_ok_and(|topic| {
        args.filter_out
            .iter()
            .any(|text| Filter::new(text).is_ok_and(|filter| filter.matches(topic)))
    });
    let too_old = args.no_retained && message.retained;
    !filtered_out && !too_old
}

fn print(message: &Message, format: &Format) -> io::Result<()> {
    let shown = Shown {
        topic: &message.topic,
        payload: &message.payload,
        sender: message.sender.0,
        sender_name: &message.sender_name,
        group: &message.group,
        epoch: message.epoch,
        session: message.session,
        counter: message.counter,
        sent_at: message.sent_at,
        received_at: clock::millis(),
        missed: match message.gap {
            Some(Gap::Missed(count)) => Some(u64::from(count)),
            _ => None,
        },
        retained: message.retained,
        will: message.will,
        properties: &message.properties,
    };
    let mut out = io::stdout().lock();
    format.write(&shown, &mut out).and_then(|()| out.flush())
}
