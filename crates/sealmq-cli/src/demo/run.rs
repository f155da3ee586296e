//! The course of events.

use std::collections::BTreeSet;

use sealmq_broker::Broker;
use tokio::task::block_in_place;

use super::cast::{Cast, Place};
use super::checks::Checks;
use super::domain::{Domain, GROUP};
use super::input::Input;
use super::report::Report;
use super::verify::Evidence;
use super::{attacks, states};
use crate::args::DemoArgs;
use crate::connection::random_id;
use crate::failure::{Exit, Failure};
use crate::output::say;
use crate::signals::Stop;

pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let input = block_in_place(|| Input::read(args.input.as_deref()))?;
    let mut stop = Stop::new()?;
    tokio::select! {
        result = play(&args, &input) => result,
        () = stop.requested() => Err(Failure::new(Exit::Interrupted, "demo: stopped")),
    }
}

async fn play(args: &DemoArgs, input: &Input) -> Result<(), Failure> {
    let folder = tempfile::Builder::new()
        .prefix("sealmq-demo-")
        .tempdir()
        .map_err(|error| {
            Failure::refused(format_args!(
                "no temporary folder: {error}; set TMPDIR to one that you may write"
            ))
        })?;
    let (broker, host, port) = broker(args).await?;
    let (kind, base) = if broker.is_some() {
        (" (bundled)", GROUP.to_owned())
    } else {
        // Others use that broker, too.
        ("", format!("sealmq-demo/{}", random_id()?))
    };
    let domain = block_in_place(|| Domain::new(folder.path(), &format!("{base}/#")))?;
    say(format_args!("broker     {host}:{port}{kind}"))?;
    say(format_args!("domain     {}", domain.id))?;
    say(format_args!("group      {GROUP}: {base}/#"))?;
    say(
        "members    sensor (publishes only), reader-a, reader-b, sleeper (a reader that stays offline)",
    )?;
    let added = match input.added {
        0 => String::new(),
        added => format!(", {added} of them the demo's own because the input is short"),
    };
    say(format_args!(
        "messages   {} from {}{added}",
        input.lines.len(),
        input.name
    ))?;
    say("")?;

    let cast = Cast::assemble(domain, &base, Place { host: &host, port }).await?;
    let result = perform(cast, input).await;
    if let Some(broker) = broker {
        broker.shutdown().await;
    }
    result
}

async fn broker(args: &DemoArgs) -> Result<(Option<Broker>, String, u16), Failure> {
    let Some(address) = &args.broker else {
        let broker = Broker::builder().start().await?;
        let address = broker.local_addr();
        return Ok((Some(broker), address.ip().to_string(), address.port()));
    };
    let parsed = address
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match parsed {
        Some((host, port)) if !host.is_empty() => Ok((None, host.to_owned(), port)),
        _ => Err(Failure::usage(format_args!(
            "--broker {address}: HOST:PORT is needed, for example localhost:1883"
        ))),
    }
}

async fn perform(cast: Cast, input: &Input) -> Result<(), Failure> {
    let course = cast.publish_all(input).await?;
    let count = input.lines.len();
    let reader = &cast.reader;
    let all_read = reader
        .wait(
            |log| log.messages.len() as u64,
            |log| log.messages.len() >= count,
        )
        .await;
    let all_carried = cast.outsider.wait_for(count).await;
    let (envelopes, objects) = {
        let recorded = cast.outsider.recorded();
        (recorded.envelopes.clone(), recorded.objects.clone())
    };
    let evidence = Evidence {
        input,
        course,
        is_complete: all_read && all_carried,
        envelopes: &envelopes,
        objects: &objects,
    };
    show(&cast, &evidence)?;

    let mut checks = Checks::default();
    checks.section("Delivery");
    cast.check_delivery(&evidence, &mut checks);
    cast.check_epochs(&evidence, &mut checks);
    cast.check_removal(&mut checks).await;
    checks.section("Secrecy");
    cast.check_secrecy(&evidence, &mut checks);
    cast.check_refusals(&mut checks).await;
    checks.section("Attacks from outside");
    attacks::on_messages(&cast, envelopes.last(), &mut checks).await?;
    attacks::on_keys(&cast, &objects).await?;
    cast.check_connection(&evidence, &mut checks).await?;
    let refused = cast.sensor.log().refused.len();
    checks.equal(refused, 0, "messages of the sensor that were refused");
    checks.section("Stolen devices: all stored keys, all key objects, all envelopes");
    check_states(cast, &evidence, &mut checks).await?;
    checks.finish()
}

/// What the broker saw beside what the readers read.
fn show(cast: &Cast, evidence: &Evidence<'_>) -> Result<(), Failure> {
    {
        let (reader, removed) = (cast.reader.log(), cast.removed.log());
        let report = Report {
            envelopes: evidence.envelopes,
            reader: &reader.messages,
            removed: &removed.messages,
            names: [&cast.reader.name, &cast.removed.name],
            removed_from: evidence.course.removed_from,
        };
        report.print()?;
    }
    let sealed: usize = evidence
        .envelopes
        .iter()
        .map(|envelope| envelope.payload.len())
        .sum();
    let plain: usize = evidence.input.lines.iter().map(Vec::len).sum();
    let announced: usize = evidence
        .objects
        .iter()
        .map(|object| object.payload.len())
        .sum();
    say("")?;
    say(format_args!(
        "The broker carried {plain} bytes of payload in {sealed} bytes, and {} key objects of {announced} bytes in all.",
        evidence.objects.len()
    ))?;
    say("")
}

/// Takes every stored state and tries to open what was recorded; cleans up.
async fn check_states(
    mut cast: Cast,
    evidence: &Evidence<'_>,
    checks: &mut Checks,
) -> Result<(), Failure> {
    cast.stop_authority().await;
    let sensor = cast.sensor.stop().await?;
    let removed = cast.removed.stop().await?;
    cast.reader.stop().await?;
    let Evidence {
        envelopes, objects, ..
    } = *evidence;
    let later = envelopes
        .get(evidence.course.removed_from..)
        .unwrap_or_default();
    let (by_sensor, by_removed, by_sleeper) = block_in_place(|| {
        Ok::<_, Failure>((
            states::opened_by(&sensor, objects, envelopes)?,
            states::opened_by(&removed, objects, later)?,
            states::opened_by(&cast.sleeper.vault, objects, envelopes)?,
        ))
    })?;
    checks.equal(
        by_sensor,
        0,
        "envelopes that the sensor's state opens, its own included",
    );
    checks.equal(
        by_removed,
        0,
        "envelopes after the removal that the removed reader's state opens",
    );
    // The control: the same attempt with a state that has the keys.
    checks.equal(
        by_sleeper,
        envelopes.len(),
        "envelopes that the sleeper's state opens (a member that may read, and was away)",
    );
    // What the members wrote has to go, too.
    let mut topics: BTreeSet<String> = block_in_place(|| cast.domain.topics())?
        .into_iter()
        .collect();
    topics.extend((cast.outsider.recorded().objects.iter()).map(|object| object.topic.clone()));
    for topic in topics {
        cast.outsider.publish(&topic, true, Vec::new()).await?;
    }
    cast.outsider.stop().await;
    Ok(())
}
