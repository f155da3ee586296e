//! `sealmq pub`.

mod input;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sealmq_client::{ClientError, Event, SealError};
use sealmq_core::topic::Topic;
use sealmq_keys::member::MemberEvent;
use sealmq_rumqttc::client::AsyncClient;
use sealmq_rumqttc::eventloop::EventLoop;
use sealmq_rumqttc::v4::V4;
use sealmq_rumqttc::v5::V5;
use sealmq_rumqttc::{Properties, SealOptions};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::args::{Protocol, PubArgs};
use crate::connection::Mqtt;
use crate::failure::{Exit, Failure};
use crate::output::note;
use crate::seldom::Seldom;
use crate::session;
use crate::signals::Stop;
use crate::{connection, device};
use input::Payloads;

const LAST_EVENTS: Duration = Duration::from_secs(6);

/// What was seen while messages were on their way.
#[derive(Default)]
struct Outcome {
    /// The broker accepted a connection.
    connected: AtomicBool,
    /// Messages that were not published.
    refused: AtomicUsize,
    /// The authority removes members from all groups at once.
    removed: AtomicBool,
}

pub(crate) async fn run(args: PubArgs) -> Result<(), Failure> {
    match args.connection.protocol_version {
        Protocol::V5 => run_over::<V5>(args).await,
        Protocol::V311 => run_over::<V4>(args).await,
    }
}

async fn run_over<V: Mqtt>(args: PubArgs) -> Result<(), Failure> {
    Topic::new(&args.topic)
        .map_err(|error| Failure::usage(format_args!("-t {}: {error}", args.topic)))?;
    let payloads = Payloads::new(&args.input)?;
    if let Payloads::One(payload) = &payloads {
        check_clearing(&args, payload)?;
    }
    let mqtt = connection::options::<V>(&args.connection)?;
    // Others that publish with this identity take their turns.
    let patience = Duration::from_secs(args.patience);
    let vault = device::vault_within(&args.device, patience)?;
    // From here on: while a passphrase or standard input is read, Ctrl-C just ends the program.
    let mut stop = Stop::new()?;
    let opening = spawn_blocking(move || device::open_within(&vault, patience));
    let store = tokio::select! {
        opened = opening => opened.map_err(Failure::refused)??,
        () = stop.requested() => {
            return Err(Failure::new(Exit::Interrupted, "stopped: nothing was published"));
        }
    };
    let options = SealOptions::new()
        .wait_for_keys(Duration::from_secs(args.patience))
        .publishes_per_second(args.publishes_per_second)
        .short_form(args.short)
        .topic_map(args.topic_map.map()?);
    let (client, mut events) =
        AsyncClient::<V>::with_options(mqtt, store, options).map_err(session::open_failure)?;

    let outcome = Outcome::default();
    let watching = watch(&mut events, &args, &outcome);
    tokio::select! {
        sent = send(&client, &args, payloads, &outcome) => sent?,
        failure = watching => return Err(failure),
        () = stop.requested() => {
            let left = client.outstanding();
            return Err(Failure::new(Exit::Interrupted, format!("stopped: {left} messages were not acknowledged")));
        }
    }
    // The last refusals may still be on their way from the event loop.
    let rest = timeout(LAST_EVENTS, watch(&mut events, &args, &outcome));
    let ((), ended) = tokio::join!(session::leave(&client), rest);
    if outcome.removed.load(Ordering::Relaxed) {
        return Err(Failure::refused(
            "this device was removed by the authority: readers do not accept what it publishes; join again with another --dir",
        ));
    }
    match outcome.refused.load(Ordering::Relaxed) {
        0 => match ended {
            Ok(failure) if failure.exit == Exit::Store => Err(failure),
            _ => Ok(()),
        },
        count => Err(Failure::refused(format_args!(
            "{count} messages were refused: see above"
        ))),
    }
}

/// An empty message with retain clears the retained one, which is final: a command before the pipe that
/// failed, or a variable that is not set, must not do that.
fn check_clearing(args: &PubArgs, payload: &[u8]) -> Result<(), Failure> {
    if args.retain && payload.is_empty() && !args.input.null_message {
        return Err(Failure::usage(
            "the message is empty, and with -r that clears the retained one: give -n if it is what you want",
        ));
    }
    Ok(())
}

/// Publishes everything and waits for the acknowledgements.
async fn send<V: Mqtt>(
    client: &AsyncClient<V>,
    args: &PubArgs,
    payloads: Payloads,
    outcome: &Outcome,
) -> Result<(), Failure> {
    match payloads {
        Payloads::One(payload) => {
            for number in 0..args.repeat {
                if number > 0 && args.repeat_delay > 0.0 {
                    sleep(Duration::from_secs_f64(args.repeat_delay)).await;
                }
                publish(client, args, payload.clone(), outcome).await?;
            }
        }
        Payloads::Lines(mut lines) => {
            while let Some(line) = lines.recv().await {
                let line = line?;
                check_clearing(args, &line)?;
                publish(client, args, line, outcome).await?;
            }
        }
    }
    match timeout(Duration::from_secs(args.patience), client.flush()).await {
        Ok(flushed) => flushed.map_err(Failure::network),
        Err(_) if !outcome.connected.load(Ordering::Relaxed) => Err(unanswered(args)),
        Err(_) => Err(Failure::network(format_args!(
            "{} did not acknowledge {} messages within {} s: they may or may not have arrived",
            args.connection.address(),
            client.outstanding(),
            args.patience
        ))),
    }
}

async fn publish<V: Mqtt>(
    client: &AsyncClient<V>,
    args: &PubArgs,
    payload: Vec<u8>,
    outcome: &Outcome,
) -> Result<(), Failure> {
    let qos = session::qos::<V>(args.qos);
    let published = client
        .publish_sealed(&args.topic, qos, args.retain, payload, properties(args))
        .await;
    published.map_err(|error| match error {
        ClientError::Seal(SealError::NoKeysYet { .. }) => {
            if !outcome.connected.load(Ordering::Relaxed) {
                return unanswered(args);
            }
            Failure::refused(format_args!(
                "{}: no keys came within {} s: is `sealmq authority run` connected to this broker?",
                args.topic, args.patience
            ))
        }
        error => Failure::refused(format_args!("{}: {error}", args.topic)),
    })
}

fn unanswered(args: &PubArgs) -> Failure {
    Failure::network(format_args!(
        "{} did not answer within {} s: nothing was sent; check -h and -p, and the network",
        args.connection.address(),
        args.patience
    ))
}

fn properties(args: &PubArgs) -> Properties {
    Properties {
        content_type: args.content_type.clone(),
        response_topic: args.response_topic.clone(),
        correlation_data: args.correlation_data.clone().map(Into::into),
        expiry: args.expiry,
        user: args.user_property.clone(),
        ..Properties::default()
    }
}

/// Follows the connection; returns when it makes no sense to go on.
async fn watch<V: Mqtt>(events: &mut EventLoop<V>, args: &PubArgs, outcome: &Outcome) -> Failure {
    let mut was_connected = false;
    let mut seldom = Seldom::default();
    loop {
        match events.poll().await {
            Ok(Event::Connected { .. }) => {
                was_connected = true;
                outcome.connected.store(true, Ordering::Relaxed);
                if args.debug {
                    note(format_args!("connected to {}", args.connection.address()));
                }
            }
            Ok(Event::PublishRefused { topic, reason }) => {
                outcome.refused.fetch_add(1, Ordering::Relaxed);
                note(format_args!("sealmq: {topic}: {reason}"));
            }
            Ok(Event::NotPublished { topic, error }) => {
                outcome.refused.fetch_add(1, Ordering::Relaxed);
                note(format_args!("sealmq: {topic}: {error}"));
            }
            Ok(Event::SubscribeRefused { filter, reason }) => {
                note(format_args!(
                    "sealmq: {}",
                    session::refused_subscription(&filter, reason)
                ));
            }
            Ok(Event::Key(event)) => {
                if matches!(event, MemberEvent::Removed { .. }) {
                    outcome.removed.store(true, Ordering::Relaxed);
                }
                session::tell(&event, args.debug, &mut seldom);
            }
            Ok(Event::BrokerLimit(limit)) => note(format_args!("sealmq: {limit}")),
            Ok(Event::Disconnected) => return Failure::network(""),
            Ok(_) => {}
            Err(error) => {
                if let Err(failure) = session::after::<V>(&error, was_connected, &args.connection) {
                    return failure;
                }
            }
        }
    }
}
