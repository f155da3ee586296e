//! What the broker keeps.

use super::Note;
use crate::failed::Failed;
use crate::mqtt::Retained;
use crate::stage::{Stage, each_once};

/// Read through a filter with this last level.
pub(super) async fn retained(stage: &Stage<'_>, last: &str) -> Result<Note, Failed> {
    let mut sensor = stage.connect("sensor").await?;
    for text in ["first", "second"] {
        sensor.retain(&stage.topic("value"), text).await?;
    }
    sensor.flush().await?;
    let name = format!("late{}", last.len());
    stage.enrol(&name).await?;
    let (mut late, _) = stage.reader(&name, &stage.topic(last), 1).await?;
    // What the broker has acknowledged it may still be delivering.
    loop {
        let message = late.message().await?;
        if message.retained && message.payload == b"second" {
            break;
        }
    }
    late.leave().await;
    sensor.leave().await;
    Ok(None)
}

pub(super) async fn clearing(stage: &Stage<'_>) -> Result<Note, Failed> {
    let topic = stage.topic("value");
    let (mut reader, _) = stage.reader("reader", &topic, 1).await?;
    let mut sensor = stage.connect("sensor").await?;
    sensor.retain(&topic, "first").await?;
    reader.message().await?;
    sensor.retain(&topic, "").await?;
    sensor.flush().await?;
    if reader.cleared().await? != topic {
        return Err(Failed::new("another value is cleared"));
    }
    let (mut late, _) = stage.reader("second", &topic, 1).await?;
    let mut kept = Default::default();
    late.rest(&mut kept).await;
    each_once(stage.kind, &kept, &[])?;
    late.leave().await;
    sensor.leave().await;
    reader.leave().await;
    Ok(None)
}

pub(super) async fn handling(stage: &Stage<'_>) -> Result<Note, Failed> {
    let mut sensor = stage.connect("sensor").await?;
    let mut reader = stage.connect("reader").await?;
    let rules = [
        ("always", Retained::Always, 2),
        ("if-new", Retained::IfNew, 1),
        ("never", Retained::Never, 0),
    ];
    for (name, rule, times) in rules {
        let topic = stage.topic(name);
        sensor.retain(&topic, "kept").await?;
        sensor.flush().await?;
        let mut kept = 0_u8;
        for _ in 0..2 {
            reader.subscribe_as(&topic, 1, rule).await?;
        }
        sensor.publish(&topic, 1, "live").await?;
        sensor.flush().await?;
        loop {
            let message = reader.message().await?;
            if message.payload == b"live" {
                break;
            }
            if !message.retained {
                return Err(Failed::new("it does not come as a retained value"));
            }
            kept = kept.saturating_add(1);
        }
        if kept != times {
            return Err(Failed::new(format_args!(
                "the retained value comes {kept} times by the rule {name}"
            )));
        }
    }
    sensor.leave().await;
    reader.leave().await;
    Ok(None)
}

/// Somebody is removed, so keys of state change; who joins afterwards reads what was kept before.
pub(super) async fn kept(stage: &Stage<'_>) -> Result<Note, Failed> {
    for name in ["unkept", "later"] {
        stage.enrol(name).await?;
    }
    let (gone, here) = (stage.topic("gone"), stage.topic("here"));
    let mut sensor = stage.connect("sensor").await?;
    sensor.retain(&gone, "of who is away").await?;
    sensor.flush().await?;
    sensor.leave().await;
    let mut device = stage.connect("device").await?;
    device.retain(&here, "of who is here").await?;
    device.flush().await?;
    device.listen();
    stage.domain()?.run(&["member", "remove", "unkept"]).await?;
    device.epoch().await?;
    device.flush().await?;
    let (mut late, _) = stage.reader("later", &stage.topic("+"), 1).await?;
    let all = late.collect(2).await?;
    let wanted = ["of who is away", "of who is here"].map(str::to_owned);
    each_once(stage.kind, &all, &wanted)?;
    late.leave().await;
    device.leave().await;
    Ok(None)
}
