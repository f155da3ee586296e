//! What is published comes.

use super::{Note, texts};
use crate::failed::Failed;
use crate::stage::{Kind, Stage, each_once};

pub(super) async fn qos(stage: &Stage<'_>, level: u8) -> Result<Note, Failed> {
    let topic = stage.topic("value");
    let (mut reader, granted) = stage.reader("reader", &topic, level).await?;
    let mut sensor = stage.connect("sensor").await?;
    let wanted = texts("reading", 10);
    for text in &wanted {
        sensor.publish(&topic, level, text.as_bytes()).await?;
    }
    sensor.flush().await?;
    for (at, text) in wanted.iter().enumerate() {
        let message = reader.message().await?;
        if message.payload != text.as_bytes() || message.topic != topic {
            let found = String::from_utf8_lossy(&message.payload);
            return Err(Failed::new(format_args!(
                "message {at} is {found} instead of {text}"
            )));
        }
        if stage.kind == Kind::Sealed && message.sender != "sensor" {
            return Err(Failed::new(format_args!(
                "the sender is {}",
                message.sender
            )));
        }
    }
    let mut more = Default::default();
    reader.rest(&mut more).await;
    each_once(stage.kind, &more, &[])?;
    sensor.leave().await;
    reader.leave().await;
    Ok((granted < level).then(|| format!("the broker grants QoS {granted}")))
}

pub(super) async fn wildcard(stage: &Stage<'_>) -> Result<Note, Failed> {
    let (mut reader, _) = stage.reader("reader", &stage.topic("+/temp"), 1).await?;
    reader.subscribe(&stage.topic("hall/#"), 1).await?;
    let mut sensor = stage.connect("sensor").await?;
    let topics = [
        "hall/temp",
        "yard/temp",
        "hall/door",
        "hall/door/lock",
        "yard/door",
    ];
    for topic in topics {
        sensor.publish(&stage.topic(topic), 1, topic).await?;
    }
    sensor.flush().await?;
    let all = reader.collect(4).await?;
    let wanted: Vec<_> = topics
        .iter()
        .take(4)
        .map(|topic| (*topic).to_owned())
        .collect();
    each_once(stage.kind, &all, &wanted)?;
    sensor.leave().await;
    reader.leave().await;
    Ok(None)
}

/// The broker may send one copy for each subscription that matches, or one for all.
pub(super) async fn overlap(stage: &Stage<'_>) -> Result<Note, Failed> {
    let (mut reader, _) = stage.reader("reader", &stage.topic("#"), 1).await?;
    for filter in ["hall/+", "hall/temp"] {
        reader.subscribe(&stage.topic(filter), 1).await?;
    }
    let mut sensor = stage.connect("sensor").await?;
    let wanted = texts("reading", 5);
    for text in &wanted {
        sensor
            .publish(&stage.topic("hall/temp"), 1, text.as_bytes())
            .await?;
    }
    sensor.flush().await?;
    let all = reader.collect(wanted.len()).await?;
    each_once(stage.kind, &all, &wanted)?;
    // What the broker sends more than once is a replay, and counted as one.
    let copies = reader.troubles;
    sensor.leave().await;
    reader.leave().await;
    let of_sealed = stage.kind == Kind::Sealed && copies > 0;
    Ok(of_sealed.then(|| "the broker sends a copy for each subscription".to_owned()))
}

/// By two members.
pub(super) async fn shared(stage: &Stage<'_>) -> Result<Note, Failed> {
    share(stage, ["reader", "second"]).await
}

/// By two processes of one member.
pub(super) async fn twins(stage: &Stage<'_>) -> Result<Note, Failed> {
    if stage.kind == Kind::Sealed {
        stage.enrol("twin").await?;
        stage.domain()?.copy("twin", "othertwin")?;
    }
    share(stage, ["twin", "othertwin"]).await
}

async fn share(stage: &Stage<'_>, readers: [&str; 2]) -> Result<Note, Failed> {
    let topic = stage.topic("value");
    let filter = format!("$share/pool/{topic}");
    let [first, second] = readers;
    let (mut first, _) = stage.reader(first, &filter, 1).await?;
    let (mut second, _) = stage.reader(second, &filter, 1).await?;
    let mut sensor = stage.connect("sensor").await?;
    let wanted = texts("job", 20);
    for text in &wanted {
        sensor.publish(&topic, 1, text.as_bytes()).await?;
    }
    sensor.flush().await?;
    // Brokers share as they like; all of it may go to one.
    let mut all = Default::default();
    for _ in 0..10 {
        first.rest(&mut all).await;
        second.rest(&mut all).await;
        if all.len() >= wanted.len() {
            break;
        }
    }
    each_once(stage.kind, &all, &wanted)?;
    if all.values().any(|count| *count > 1) {
        return Err(Failed::new("both readers get the same messages"));
    }
    sensor.leave().await;
    first.leave().await;
    second.leave().await;
    Ok(None)
}

/// A payload of so many bytes.
pub(super) async fn large(stage: &Stage<'_>, bytes: usize) -> Result<Note, Failed> {
    let topic = stage.topic("value");
    let (mut reader, _) = stage.reader("reader", &topic, 1).await?;
    let mut sensor = stage.connect("sensor").await?;
    // No two blocks are alike.
    let numbers = 0_u64..;
    let blocks = numbers.flat_map(u64::to_be_bytes).take(bytes);
    let payload: Vec<u8> = blocks.collect();
    sensor.publish(&topic, 1, payload.clone()).await?;
    sensor.flush().await?;
    if reader.message().await?.payload != payload {
        return Err(Failed::new("what comes is not what was sent"));
    }
    sensor.leave().await;
    reader.leave().await;
    Ok(None)
}
