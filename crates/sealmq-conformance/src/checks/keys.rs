//! What only sealmq has.

use super::Note;
use crate::domain::GROUP;
use crate::failed::Failed;
use crate::mqtt::Session;
use crate::stage::{Stage, each_once};

pub(super) async fn join(stage: &Stage<'_>) -> Result<Note, Failed> {
    let domain = stage.domain()?;
    let create = ["token", "create", "--group", GROUP, "--role", "both"];
    let token = domain
        .run(&[&create[..], &["--ttl", "10m"]].concat())
        .await?;
    let join = ["join", "--name", "joined", "--dir", "joined"];
    domain.run_connected(&join, Some(&token)).await?;
    let topic = stage.topic("value");
    let (mut reader, _) = stage.reader("reader", &topic, 1).await?;
    let mut joined = stage.connect("joined").await?;
    joined.publish(&topic, 1, "I am new").await?;
    joined.flush().await?;
    let message = reader.message().await?;
    if message.sender != "joined" {
        return Err(Failed::new(format_args!(
            "the sender is {}",
            message.sender
        )));
    }
    joined.leave().await;
    reader.leave().await;
    Ok(None)
}

pub(super) async fn rotation(stage: &Stage<'_>) -> Result<Note, Failed> {
    let topic = stage.topic("value");
    let (mut reader, _) = stage.connect_as("reader", Session::kept()).await?;
    reader.subscribe(&topic, 1).await?;
    drop(reader);
    let mut sensor = stage.connect("sensor").await?;
    let wanted = ["before", "between", "after"].map(str::to_owned);
    for (at, text) in wanted.iter().enumerate() {
        if at > 0 {
            sensor.listen();
            stage.domain()?.run(&["rotate", GROUP]).await?;
            sensor.epoch().await?;
        }
        sensor.publish(&topic, 1, text.as_bytes()).await?;
        sensor.flush().await?;
    }
    let (mut reader, _) = stage.connect_as("reader", Session::kept()).await?;
    let all = reader.collect(wanted.len()).await?;
    each_once(stage.kind, &all, &wanted)?;
    sensor.leave().await;
    reader.leave().await;
    stage.connect("reader").await?.leave().await;
    Ok(None)
}

pub(super) async fn removal(stage: &Stage<'_>) -> Result<Note, Failed> {
    let topic = stage.topic("value");
    let (mut reader, _) = stage.reader("reader", &topic, 1).await?;
    let (mut leaver, _) = stage.reader("leaver", &topic, 1).await?;
    let mut sensor = stage.connect("sensor").await?;
    sensor.publish(&topic, 1, "for all").await?;
    reader.message().await?;
    leaver.message().await?;
    sensor.listen();
    stage.domain()?.run(&["member", "remove", "leaver"]).await?;
    sensor.epoch().await?;
    leaver.removed().await?;
    sensor.publish(&topic, 1, "for the others").await?;
    sensor.flush().await?;
    let all = reader.collect(1).await?;
    each_once(stage.kind, &all, &["for the others".to_owned()])?;
    let mut read = Default::default();
    leaver.rest(&mut read).await;
    each_once(stage.kind, &read, &[])?;
    sensor.leave().await;
    reader.leave().await;
    leaver.leave().await;
    Ok(None)
}
