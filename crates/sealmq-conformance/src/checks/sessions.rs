//! Clients that go away, and come back.

use super::{Note, STORM, texts};
use crate::failed::Failed;
use crate::mqtt::Will;
use crate::stage::{Stage, each_once};

/// Deaths of each client of the storm.
const ROUNDS: usize = 4;

pub(super) async fn will(stage: &Stage<'_>) -> Result<Note, Failed> {
    let topic = stage.topic("status");
    let (mut reader, _) = stage.reader("reader", &topic, 1).await?;
    // A will is sealed under keys, which a member has from its first connection on.
    let (mut device, _) = stage.reader("device", &topic, 1).await?;
    device.publish(&topic, 1, "online").await?;
    device.flush().await?;
    device.leave().await;
    let will = Will {
        topic: topic.clone(),
        payload: "gone",
    };
    let (mut device, _) = stage.connect_as("device", false, Some(will)).await?;
    device.publish(&topic, 1, "here again").await?;
    device.flush().await?;
    drop(device);
    let all = reader.collect(3).await?;
    let wanted = ["online", "here again", "gone"].map(str::to_owned);
    each_once(stage.kind, &all, &wanted)?;
    reader.leave().await;
    Ok(None)
}

pub(super) async fn resume(stage: &Stage<'_>) -> Result<Note, Failed> {
    let topic = stage.topic("value");
    let (mut reader, _) = stage.connect_as("reader", true, None).await?;
    reader.subscribe(&topic, 1).await?;
    drop(reader);
    let mut sensor = stage.connect("sensor").await?;
    let wanted = texts("reading", 5);
    for text in &wanted {
        sensor.publish(&topic, 1, text.as_bytes()).await?;
    }
    sensor.flush().await?;
    let (mut reader, present) = stage.connect_as("reader", true, None).await?;
    if !present {
        return Err(Failed::new("the broker has lost the session"));
    }
    let all = reader.collect(wanted.len()).await?;
    each_once(stage.kind, &all, &wanted)?;
    sensor.leave().await;
    reader.leave().await;
    forget(stage, "reader").await?;
    Ok(None)
}

/// Ends a session that the broker keeps.
async fn forget(stage: &Stage<'_>, name: &str) -> Result<(), Failed> {
    stage.connect(name).await?.leave().await;
    Ok(())
}

pub(super) async fn storm(stage: &Stage<'_>) -> Result<Note, Failed> {
    let (mut reader, _) = stage.reader("reader", &stage.topic("#"), 1).await?;
    let mut wanted = Vec::new();
    for round in 1..=ROUNDS {
        let clients = (0..STORM).map(|n| one_life(stage, n, round));
        for text in all_of(clients).await? {
            wanted.push(text);
        }
    }
    let all = reader.collect(wanted.len()).await?;
    each_once(stage.kind, &all, &wanted)?;
    reader.leave().await;
    for n in 0..STORM {
        forget(stage, &name(n)).await?;
    }
    Ok(None)
}

pub(crate) fn name(n: usize) -> String {
    format!("storm{n}")
}

/// Comes, publishes, and dies when the broker has it.
async fn one_life(stage: &Stage<'_>, n: usize, round: usize) -> Result<String, Failed> {
    let (mut client, _) = stage.connect_as(&name(n), true, None).await?;
    let topic = stage.topic(&format!("{n}/value"));
    client
        .subscribe(&stage.topic(&format!("{n}/orders")), 1)
        .await?;
    let text = format!("{n} in round {round}");
    client.publish(&topic, 1, text.as_bytes()).await?;
    client.flush().await?;
    Ok(text)
}

/// All at the same time.
async fn all_of<T>(
    work: impl IntoIterator<Item = impl Future<Output = Result<T, Failed>>>,
) -> Result<Vec<T>, Failed> {
    let mut work: Vec<_> = work.into_iter().map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        let mut failed = None;
        work.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Pending => true,
            std::task::Poll::Ready(Ok(result)) => {
                done.push(result);
                false
            }
            std::task::Poll::Ready(Err(error)) => {
                failed = Some(error);
                false
            }
        });
        match failed {
            Some(error) => std::task::Poll::Ready(Err(error)),
            None if work.is_empty() => std::task::Poll::Ready(Ok(())),
            None => std::task::Poll::Pending,
        }
    })
    .await?;
    Ok(done)
}
