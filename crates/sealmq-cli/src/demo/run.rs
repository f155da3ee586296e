//! The course of events.

use rumqttc::v5::MqttOptions;
use sealmq_broker::Broker;
use sealmq_core::object::Access;
use sealmq_keys::member::SealError;
use sealmq_rumqttc::ClientError;
use tokio::task::{JoinHandle, block_in_place};

use super::checks::Checks;
use super::domain::{Domain, Enrolled, GROUP};
use super::input::Input;
use super::leak::Blocks;
use super::node::{LIMIT, Node};
use super::outsider::{Carried, Outsider};
use super::report::Report;
use super::{attacks, states};
use crate::args::DemoArgs;
use crate::authority::{Keeper, Source};
use crate::connection::{plain_options, random_id};
use crate::failure::{Exit, Failure};
use crate::output::{note, say};
use crate::session;
use crate::signals::Stop;

pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    let input = block_in_place(|| Input::read(args.input.as_deref()))?;
    tokio::select! {
        result = play(&args, &input) => result,
        () = stop.requested() => Err(Failure::new(Exit::Interrupted, "demo: stopped")),
    }
}

/// Who takes part.
struct Cast {
    domain: Domain,
    sensor: Node,
    reader: Node,
    removed: Node,
    /// A reader that stays offline.
    sleeper: Enrolled,
    outsider: Outsider,
    /// The topic of the readings.
    topic: String,
    keeper: JoinHandle<()>,
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
    let base = if broker.is_some() {
        GROUP.to_owned()
    } else {
        format!("sealmq-demo/{}", random_id()?)
    };
    let domain = block_in_place(|| Domain::new(folder.path(), &format!("{base}/#")))?;
    say(format_args!(
        "broker     {host}:{port}{}",
        if broker.is_some() { " (bundled)" } else { "" }
    ))?;
    say(format_args!("domain     {}", domain.id))?;
    say(format_args!("group      {GROUP}: {base}/#"))?;
    let cast = Cast::assemble(domain, &base, &host, port).await?;
    let added = match input.added {
        0 => String::new(),
        added => format!(", {added} of them the demo's own because the input is short"),
    };
    say(format_args!(
        "members    sensor (publishes only), reader-a, reader-b, sleeper (a reader that stays offline)"
    ))?;
    say(format_args!(
        "messages   {} from {}{added}",
        input.lines.len(),
        input.name
    ))?;
    say("")?;

    let result = cast.perform(input).await;
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

impl Cast {
    async fn assemble(domain: Domain, base: &str, host: &str, port: u16) -> Result<Self, Failure> {
        let enrol = |name, access| block_in_place(|| domain.enrol(name, access));
        let sensor = enrol("sensor", Access::PUBLISH)?;
        let reader = enrol("reader-a", Access::SUBSCRIBE)?;
        let removed = enrol("reader-b", Access::SUBSCRIBE)?;
        let sleeper = enrol("sleeper", Access::SUBSCRIBE)?;

        let options = || Ok::<_, Failure>(plain_options(&random_id()?, host, port));
        let roots = [format!("{base}/"), format!("{}/", domain.prefix)];
        let outsider = Outsider::start(options()?, &format!("{host}:{port}"), roots).await?;
        let keeper = tokio::spawn(keep(
            Source::new(block_in_place(|| domain.vault_again())?),
            options()?,
        ));
        let filter = format!("{base}/#");
        let sensor = Node::start(sensor, options()?, None).await?;
        let reader = Node::start(reader, options()?, Some(&filter)).await?;
        let removed = Node::start(removed, options()?, Some(&filter)).await?;
        let cast = Self {
            domain,
            sensor,
            reader,
            removed,
            sleeper,
            outsider,
            topic: format!("{base}/line1/readings"),
            keeper,
        };
        for node in [&cast.sensor, &cast.reader, &cast.removed] {
            node.wait_for_epoch(1).await?;
        }
        for node in [&cast.reader, &cast.removed] {
            if !node
                .wait(|log| log.epoch, |log| log.subscriptions > 0)
                .await
            {
                return Err(Failure::refused(format_args!(
                    "demo: {} could not subscribe",
                    node.name
                )));
            }
        }
        Ok(cast)
    }

    async fn perform(self, input: &Input) -> Result<(), Failure> {
        let mut checks = Checks::default();
        let first_epoch = self.sensor.log().epoch;
        let [before, between, _] = input.parts();
        let removed_from = before.saturating_add(between);
        let healed = self
            .publish_all(input, before, removed_from, first_epoch)
            .await?;

        let count = input.lines.len();
        let is_complete = self
            .reader
            .wait(
                |log| log.messages.len() as u64,
                |log| log.messages.len() >= count,
            )
            .await;
        let all_carried = self.outsider.wait_for(&self.topic, count).await;
        let carried = self.outsider.carried().clone();
        let (envelopes, objects) = self.split(carried);
        {
            let (reader, removed) = (self.reader.log(), self.removed.log());
            let report = Report {
                envelopes: &envelopes,
                reader: &reader.messages,
                removed: &removed.messages,
                names: [&self.reader.name, &self.removed.name],
                removed_from,
            };
            report.print()?;
        }
        let sealed: usize = envelopes
            .iter()
            .map(|envelope| envelope.payload.len())
            .sum();
        let plain: usize = input.lines.iter().map(Vec::len).sum();
        let announced: usize = objects.iter().map(|object| object.payload.len()).sum();
        say("")?;
        say(format_args!(
            "The broker carried {plain} bytes of payload in {sealed} bytes, and {} key objects of {announced} bytes in all.",
            objects.len()
        ))?;
        say("")?;

        self.check_delivery(
            input,
            removed_from,
            is_complete && all_carried,
            &envelopes,
            &mut checks,
        );
        self.check_epochs(first_epoch, healed, count, &mut checks);
        self.check_secrecy(input, &envelopes, &objects, &mut checks);
        self.check_refusals(&mut checks).await;
        if let Some(genuine) = envelopes.last() {
            attacks::run(&self.outsider, &self.reader, genuine, &mut checks).await?;
        }
        self.check_connection(count, &mut checks).await?;
        self.finish(&objects, &envelopes, removed_from, checks)
            .await
    }

    /// Publishes every line; rotates and removes on the way. Returns the epoch of the removal.
    async fn publish_all(
        &self,
        input: &Input,
        before: usize,
        removed_from: usize,
        first_epoch: u64,
    ) -> Result<u64, Failure> {
        let rotated = first_epoch.saturating_add(1);
        let healed = rotated.saturating_add(1);
        // Half of the messages between flow while the rotation is under way.
        let switch = before.midpoint(removed_from);
        for (index, line) in input.lines.iter().enumerate() {
            if index == before {
                block_in_place(|| self.domain.rotate())?;
            }
            if index == switch {
                self.sensor.wait_for_epoch(rotated).await?;
            }
            if index == removed_from {
                block_in_place(|| self.domain.remove(self.removed.number))?;
                self.sensor.wait_for_epoch(healed).await?;
            }
            self.sensor
                .client
                .publish(&self.topic, session::qos(1), false, line.clone())
                .await
                .map_err(|error| {
                    Failure::refused(format_args!(
                        "demo: line {}: {error}",
                        index.saturating_add(1)
                    ))
                })?;
        }
        match tokio::time::timeout(LIMIT, self.sensor.client.flush()).await {
            Ok(flushed) => flushed.map_err(Failure::network)?,
            Err(_) => {
                return Err(Failure::network(
                    "demo: the broker does not acknowledge the messages",
                ));
            }
        }
        Ok(healed)
    }

    /// Readings and key objects, in the order in which they were carried.
    fn split(&self, carried: Vec<Carried>) -> (Vec<Carried>, Vec<Carried>) {
        let (envelopes, rest): (Vec<_>, Vec<_>) = carried
            .into_iter()
            .partition(|message| message.topic == self.topic);
        let objects = rest
            .into_iter()
            .filter(|message| message.topic.starts_with(&self.domain.prefix));
        (envelopes, objects.collect())
    }

    fn check_delivery(
        &self,
        input: &Input,
        removed_from: usize,
        is_complete: bool,
        envelopes: &[Carried],
        checks: &mut Checks,
    ) {
        let count = input.lines.len();
        let (reader, removed) = (self.reader.log(), self.removed.log());
        if !is_complete {
            checks.add(
                false,
                format!("not everything arrived within {} s", LIMIT.as_secs()),
            );
        }
        checks.equal(envelopes.len(), count, "envelopes that the broker carried");
        let in_order = |messages: &[sealmq_rumqttc::Message], lines: &[Vec<u8>]| {
            messages.len() == lines.len()
                && messages
                    .iter()
                    .zip(lines)
                    .all(|(message, line)| message.payload == *line)
        };
        checks.add(
            in_order(&reader.messages, &input.lines),
            format!(
                "{} read {} of {count} messages, in order and byte for byte",
                self.reader.name,
                reader.messages.len()
            ),
        );
        let until = input.lines.get(..removed_from).unwrap_or_default();
        checks.add(
            in_order(&removed.messages, until),
            format!(
                "{} read {} of the {removed_from} messages before its removal, and 0 of the {} after it",
                self.removed.name,
                removed.messages.len().min(removed_from),
                count.saturating_sub(removed_from)
            ),
        );
        let named = |message: &sealmq_rumqttc::Message| {
            message.sender_name == self.sensor.name && message.sender == self.sensor.number
        };
        let all = reader.messages.len().saturating_add(removed.messages.len());
        let attributed = reader
            .messages
            .iter()
            .chain(&removed.messages)
            .filter(|message| named(message))
            .count();
        checks.equal(
            attributed,
            all,
            "messages whose sender is proved to be the sensor",
        );
        checks.equal(
            reader.rejected.len(),
            0,
            "messages that reader-a rejected so far",
        );
    }

    fn check_epochs(&self, first: u64, healed: u64, count: usize, checks: &mut Checks) {
        let reader = self.reader.log();
        let of = |epoch: u64| {
            reader
                .messages
                .iter()
                .filter(|message| message.epoch == epoch)
                .count()
        };
        let (start, middle, end) = (of(first), of(first.saturating_add(1)), of(healed));
        let ascending = reader.messages.is_sorted_by_key(|message| message.epoch);
        let sum = start.saturating_add(middle).saturating_add(end);
        checks.add(
            start > 0 && middle > 0 && end > 0 && sum == count && ascending,
            format!("keys changed twice while messages flowed: {start} messages in epoch {first}, {middle} after the rotation, {end} after the removal"),
        );
        checks.add(
            self.removed.log().is_removed,
            format!("{} noticed that it was removed", self.removed.name),
        );
    }

    fn check_secrecy(
        &self,
        input: &Input,
        envelopes: &[Carried],
        objects: &[Carried],
        checks: &mut Checks,
    ) {
        let public: Vec<&str> = objects
            .iter()
            .map(|object| object.topic.as_str())
            .chain([
                self.topic.as_str(),
                GROUP,
                &self.sensor.name,
                &self.reader.name,
                &self.removed.name,
                &self.sleeper.name,
            ])
            .collect();
        let blocks = Blocks::new(input.lines.iter().map(Vec::as_slice), &public);
        let leaks = envelopes
            .iter()
            .chain(objects)
            .filter(|message| blocks.found_in(&message.payload))
            .count();
        let short = match blocks.too_short {
            0 => String::new(),
            count => format!(" ({count} lines of fewer than 8 bytes cannot be told from chance)"),
        };
        checks.add(
            leaks == 0,
            format!("{leaks} of {} carried messages show a readable part of a line; {} parts searched{short}", envelopes.len().saturating_add(objects.len()), blocks.len()),
        );
    }

    /// Nothing is sent by those who may not, and nothing in clear.
    async fn check_refusals(&self, checks: &mut Checks) {
        let by_reader = self
            .reader
            .client
            .publish(&self.topic, session::qos(1), false, "x")
            .await;
        checks.add(
            matches!(
                by_reader,
                Err(ClientError::Seal(SealError::NotGranted { .. }))
            ),
            format!(
                "{} may read only: its own publish is refused before anything is sent",
                self.reader.name
            ),
        );
        let uncovered = self
            .sensor
            .client
            .publish("uncovered/topic", session::qos(1), false, "x")
            .await;
        checks.add(
            matches!(uncovered, Err(ClientError::Seal(SealError::NoGroup))),
            "a topic that no group covers is refused: nothing goes out in clear",
        );
    }

    /// After all attacks: the same connection still works.
    async fn check_connection(&self, count: usize, checks: &mut Checks) -> Result<(), Failure> {
        self.sensor
            .client
            .publish(&self.topic, session::qos(1), false, "after the attacks")
            .await
            .map_err(Failure::refused)?;
        let arrived = self
            .reader
            .wait(|_| 0, |log| log.messages.len() > count)
            .await;
        let connections = self.reader.log().connections;
        checks.add(
            arrived && connections == 1,
            format!(
                "{} reads on over the same connection after the attacks",
                self.reader.name
            ),
        );
        Ok(())
    }

    /// Takes every stored state and tries to open what was recorded; cleans up.
    async fn finish(
        self,
        objects: &[Carried],
        envelopes: &[Carried],
        removed_from: usize,
        mut checks: Checks,
    ) -> Result<(), Failure> {
        let refused = self.sensor.log().refused.len();
        checks.equal(refused, 0, "messages that the broker refused");
        let sensor = self.sensor.stop().await?;
        let removed = self.removed.stop().await?;
        self.reader.stop().await?;
        self.keeper.abort();
        let _aborted = self.keeper.await;

        let later = envelopes.get(removed_from..).unwrap_or_default();
        let (by_sensor, by_removed, by_sleeper) = block_in_place(|| {
            Ok::<_, Failure>((
                states::opened_by(&sensor, objects, envelopes)?,
                states::opened_by(&removed, objects, later)?,
                states::opened_by(&self.sleeper.vault, objects, envelopes)?,
            ))
        })?;
        checks.equal(
            by_sensor,
            0,
            "envelopes that the sensor's whole stored state opens, its own included",
        );
        checks.equal(
            by_removed,
            0,
            "later envelopes that the removed reader's whole stored state opens",
        );
        // The control: the same try with a state that has the keys.
        checks.equal(
            by_sleeper,
            envelopes.len(),
            "envelopes that the sleeper opens when it wakes up, from retained objects alone",
        );

        for topic in block_in_place(|| self.domain.topics())? {
            self.outsider.publish(&topic, true, Vec::new()).await?;
        }
        self.outsider.stop().await;
        checks.finish()
    }
}

/// The authority's loop, as `sealmq authority run` has it.
async fn keep(source: Source, options: MqttOptions) {
    let mut keeper = Keeper::new(source, |_| Ok(()));
    if let crate::authority::Ended::Failed(failure) =
        keeper.connection(options, false, || Ok(())).await
    {
        note(format_args!("sealmq: demo: {}", failure.message));
    }
    note("sealmq: demo: the authority lost its connection");
}
