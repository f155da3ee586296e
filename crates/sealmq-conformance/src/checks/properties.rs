//! What goes with a message, and with a connection, in MQTT 5.

use std::time::Duration;

use tokio::time::sleep;

use super::{Note, texts};
use crate::failed::Failed;
use crate::mqtt::{Extra, Question, Session};
use crate::stage::{Stage, each_once};

/// Longer than the shorter expiry.
const EXPIRED: Duration = Duration::from_millis(2_200);
/// A keep-alive that is the client's own; rumqttc takes no shorter one.
const OWN: u16 = 5;
/// The longest one of the broker's that is waited for.
const LONGEST: u16 = 20;

pub(super) async fn aliases(stage: &Stage<'_>) -> Result<Note, Failed> {
    let topic = stage.topic("a/topic/with/a/name");
    let session = Session {
        aliases: Some(10),
        ..Session::default()
    };
    let (mut reader, _) = stage.connect_as("reader", session).await?;
    reader.subscribe(&topic, 1).await?;
    let mut sensor = stage.connect("sensor").await?;
    let wanted = texts("reading", 4);
    for (text, topic) in wanted.iter().zip([topic.as_str(), "", "", &topic]) {
        let extra = Extra {
            alias: Some(1),
            ..Extra::default()
        };
        sensor.send(topic, 1, text.as_bytes(), extra).await?;
    }
    sensor.flush().await?;
    for text in &wanted {
        let message = reader.message().await?;
        if message.topic != topic || message.payload != text.as_bytes() {
            return Err(Failed::new(format_args!(
                "{text} comes on {}",
                message.topic
            )));
        }
    }
    sensor.leave().await;
    reader.leave().await;
    Ok(None)
}

pub(super) async fn request(stage: &Stage<'_>) -> Result<Note, Failed> {
    let (questions, answers) = (stage.topic("questions"), stage.topic("answers"));
    let (mut asks, _) = stage.reader("reader", &answers, 1).await?;
    let (mut knows, _) = stage.reader("device", &questions, 1).await?;
    let question = Question {
        answer_to: answers.clone(),
        number: vec![0, 17, 255],
    };
    let extra = Extra {
        question: Some(question.clone()),
        ..Extra::default()
    };
    asks.send(&questions, 1, "how warm?", extra).await?;
    let asked = knows.message().await?.question;
    let Some(asked) = asked.filter(|asked| *asked == question) else {
        return Err(Failed::new("the question comes without its properties"));
    };
    let extra = Extra {
        question: Some(Question {
            answer_to: String::from(&questions),
            number: asked.number,
        }),
        ..Extra::default()
    };
    knows.send(&asked.answer_to, 1, "21", extra).await?;
    let answer = asks.message().await?;
    let number = answer.question.map(|question| question.number);
    if answer.topic != answers || number != Some(question.number) {
        return Err(Failed::new("the answer is to another question"));
    }
    asks.leave().await;
    knows.leave().await;
    Ok(None)
}

pub(super) async fn expiry(stage: &Stage<'_>) -> Result<Note, Failed> {
    let topic = stage.topic("value");
    let (mut reader, _) = stage.connect_as("reader", Session::kept()).await?;
    reader.subscribe(&topic, 1).await?;
    drop(reader);
    let mut sensor = stage.connect("sensor").await?;
    for (text, seconds) in [("late", 1), ("in time", 600)] {
        let extra = Extra {
            expiry: Some(seconds),
            ..Extra::default()
        };
        sensor.send(&topic, 1, text, extra).await?;
    }
    sensor.flush().await?;
    sleep(EXPIRED).await;
    let (mut reader, _) = stage.connect_as("reader", Session::kept()).await?;
    let all = reader.collect(1).await?;
    each_once(stage.kind, &all, &["in time".to_owned()])?;
    sensor.leave().await;
    reader.leave().await;
    stage.connect("reader").await?.leave().await;
    Ok(None)
}

/// With one message on its way at a time: also when it waits for the credential behind it.
pub(super) async fn receive_maximum(stage: &Stage<'_>) -> Result<Note, Failed> {
    let topic = stage.topic("value");
    let session = Session {
        receive_maximum: Some(1),
        ..Session::default()
    };
    let (mut reader, _) = stage.connect_as("reader", session).await?;
    reader.subscribe(&topic, 2).await?;
    stage.enrol("unknown").await?;
    let mut wanted = Vec::new();
    for name in ["sensor", "unknown"] {
        let mut sender = stage.connect(name).await?;
        for (text, level) in texts(name, 6).into_iter().zip([1, 2].into_iter().cycle()) {
            sender.publish(&topic, level, text.as_bytes()).await?;
            wanted.push(text);
        }
        sender.flush().await?;
        sender.leave().await;
    }
    let all = reader.collect(wanted.len()).await?;
    each_once(stage.kind, &all, &wanted)?;
    reader.leave().await;
    Ok(None)
}

/// Who has nothing to say stays connected, by the client's own keep-alive or the broker's.
pub(super) async fn keep_alive(stage: &Stage<'_>) -> Result<Note, Failed> {
    let long = Session {
        keep_alive: Some(600),
        ..Session::default()
    };
    let said = stage.said_to_plain(&long).await?.keep_alive;
    let (session, seconds) = match said {
        Some(seconds) if seconds <= LONGEST => (long, seconds),
        _ => (
            Session {
                keep_alive: Some(OWN),
                ..Session::default()
            },
            OWN,
        ),
    };
    let topic = stage.topic("value");
    let (mut device, _) = stage.connect_as("device", session).await?;
    device.subscribe(&topic, 1).await?;
    // A broker ends a connection after one and a half times as long.
    let wait = Duration::from_secs(seconds.into()).mul_f32(1.6);
    let (again, _) = device.contest(wait).await;
    if again > 0 {
        return Err(Failed::new("it lost its connection"));
    }
    let sensor = stage.connect("sensor").await?;
    sensor.publish(&topic, 1, "still there").await?;
    device.message().await?;
    sensor.leave().await;
    device.leave().await;
    Ok(said.map(|seconds| format!("the broker asks for {seconds} s")))
}
