//! Who takes part, and the course of the publishing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rumqttc::v5::MqttOptions;
use sealmq_core::object::Access;
use sealmq_rumqttc::link::Link;
use sealmq_rumqttc::v5::V5;
use sealmq_store::SharedVault;
use tokio::task::{JoinHandle, block_in_place};
use tokio::time::timeout;

use super::domain::{Domain, Enrolled};
use super::input::Input;
use super::node::{LIMIT, Node};
use super::outsider::Outsider;
use crate::authority::{Ended, Keeper, UNANSWERED};
use crate::connection::{Mqtt as _, describe, describe_link, random_id};
use crate::failure::Failure;
use crate::output::note;
use crate::session;
use crate::unlock::PATIENCE;

/// Messages that a subscriber may be behind; Mosquitto queues 1000.
const MOST_BEHIND: usize = 400;

pub(super) struct Cast {
    /// First, so that it ends before what it needs.
    keeper: Keeping,
    pub(super) domain: Domain,
    pub(super) sensor: Node,
    /// The reader that stays.
    pub(super) reader: Node,
    /// The reader that is removed.
    pub(super) removed: Node,
    /// A reader that never connects.
    pub(super) sleeper: Enrolled,
    pub(super) outsider: Outsider,
    /// The topic of the readings.
    pub(super) topic: String,
}

/// Which messages belong to which epoch.
#[derive(Clone, Copy)]
pub(super) struct Course {
    /// The epoch before the rotation.
    pub(super) first: u64,
    /// The one after it.
    pub(super) rotated: u64,
    /// The one after the removal.
    pub(super) healed: u64,
    /// Index of the first message after the removal.
    pub(super) removed_from: usize,
}

/// Where the broker is.
pub(super) struct Place<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
}

impl Place<'_> {
    fn options(&self) -> Result<MqttOptions, Failure> {
        Ok(V5::plain(&random_id()?, self.host, self.port))
    }

    fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl Cast {
    /// Enrols and connects everybody, and waits until all follow the first epoch.
    pub(super) async fn assemble(
        domain: Domain,
        base: &str,
        place: Place<'_>,
    ) -> Result<Self, Failure> {
        let enrol = |name, access| block_in_place(|| domain.enrol(name, access));
        let sensor = enrol("sensor", Access::PUBLISH)?;
        let reader = enrol("reader-a", Access::SUBSCRIBE)?;
        let removed = enrol("reader-b", Access::SUBSCRIBE)?;
        let sleeper = enrol("sleeper", Access::SUBSCRIBE)?;

        let topic = format!("{base}/line1/readings");
        let outsider = Outsider::start(
            place.options()?,
            &place.address(),
            topic.clone(),
            domain.prefix.clone(),
        )
        .await?;
        let store = SharedVault::new(block_in_place(|| domain.vault_again())?, PATIENCE);
        let keeper = Keeping::start(store, place.options()?, place.address());
        let filter = format!("{base}/#");
        let cast = Self {
            keeper,
            sensor: Node::start(sensor, place.options()?, None).await?,
            reader: Node::start(reader, place.options()?, Some(&filter)).await?,
            removed: Node::start(removed, place.options()?, Some(&filter)).await?,
            sleeper,
            outsider,
            topic,
            domain,
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

    /// Publishes every line; rotates and removes on the way.
    pub(super) async fn publish_all(&self, input: &Input) -> Result<Course, Failure> {
        let [before, between, _] = input.parts();
        let first = self.sensor.log().epoch;
        let rotated = first.saturating_add(1);
        let removed_from = before.saturating_add(between);
        let course = Course {
            first,
            rotated,
            healed: rotated.saturating_add(1),
            removed_from,
        };
        // Half of the messages between flow while the rotation is under way.
        let switch = before.midpoint(removed_from);
        for (index, line) in input.lines.iter().enumerate() {
            self.keep_step(index, removed_from).await?;
            if index == before || index == removed_from {
                // Messages are sealed when they are sent: so that each part has some.
                self.flush().await?;
            }
            if index == before {
                block_in_place(|| self.domain.rotate())?;
            }
            if index == switch {
                self.sensor.wait_for_epoch(course.rotated).await?;
            }
            if index == removed_from {
                block_in_place(|| self.domain.remove(self.removed.number))?;
                self.sensor.wait_for_epoch(course.healed).await?;
            }
            let published =
                self.sensor
                    .client
                    .publish(&self.topic, session::qos::<V5>(1), false, line.clone());
            published.await.map_err(|error| {
                Failure::refused(format_args!(
                    "demo: line {}: {error}",
                    index.saturating_add(1)
                ))
            })?;
        }
        self.flush().await?;
        Ok(course)
    }

    /// Waits until the broker has everything that was published.
    async fn flush(&self) -> Result<(), Failure> {
        match timeout(LIMIT, self.sensor.client.flush()).await {
            Ok(flushed) => flushed.map_err(Failure::network),
            Err(_) => Err(Failure::network(
                "demo: the broker does not acknowledge the messages",
            )),
        }
    }

    /// Keeps the readers close behind: brokers drop what queues too long for a subscriber.
    async fn keep_step(&self, index: usize, removed_from: usize) -> Result<(), Failure> {
        let least = index.saturating_sub(MOST_BEHIND);
        if least == 0 || !index.is_multiple_of(MOST_BEHIND / 4) {
            return Ok(());
        }
        for (node, least) in [
            (&self.reader, least),
            (&self.removed, least.min(removed_from)),
        ] {
            let is_near = node
                .wait(
                    |log| log.messages.len() as u64,
                    |log| log.messages.len() >= least,
                )
                .await;
            if !is_near {
                return Err(Failure::refused(format_args!(
                    "demo: {} got {} of {least} messages, and no more: the broker lost some, or is too slow",
                    node.name,
                    node.log().messages.len()
                )));
            }
        }
        self.outsider.wait_for(least).await;
        Ok(())
    }

    /// The authority publishes nothing any more.
    pub(super) async fn stop_authority(&mut self) {
        self.keeper.stop();
        let _aborted = (&mut self.keeper.task).await;
    }
}

/// The authority's task; ends with its owner.
struct Keeping {
    task: JoinHandle<()>,
    /// Set before anything is taken away from the task, so that it does not complain.
    is_over: Arc<AtomicBool>,
}

impl Keeping {
    fn start(store: SharedVault, options: MqttOptions, address: String) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(keep(store, options, address, Arc::clone(&is_over)));
        Self { task, is_over }
    }

    fn stop(&self) {
        self.is_over.store(true, Ordering::Release);
        self.task.abort();
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The authority's loop, as `sealmq authority run` has it.
async fn keep(store: SharedVault, options: MqttOptions, address: String, is_over: Arc<AtomicBool>) {
    let reason = match Link::<V5>::connect(options).await {
        Ok(mut link) => match Keeper::new(store, false).serve(&mut link, || ()).await {
            Ended::Failed(failure) => failure.message,
            Ended::Lost(error) => describe::<V5>(&error, &address),
            Ended::Unanswered => UNANSWERED.to_owned(),
            Ended::Done => return,
        },
        Err(error) => describe_link::<V5>(&error, &address),
    };
    if !is_over.load(Ordering::Acquire) {
        note(format_args!(
            "sealmq: demo: the authority stopped: {reason}"
        ));
    }
}
