//! Clients that go away, and come back.

use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::time::sleep;

use super::{Note, STORM, texts};
use crate::failed::Failed;
use crate::mqtt::{Session, Will};
use crate::player::Player;
use crate::stage::{Stage, all_of, each_once};

/// Seconds that the broker waits with a Will.
const DELAY: u32 = 2;
/// How long two clients with one id are watched at a time, and after it was said.
const CONTEST: Duration = Duration::from_secs(20);
const MOMENT: Duration = Duration::from_millis(50);
const PEACE: Duration = Duration::from_secs(2);
/// Of both: the first times that they throw each other out may be the network's fault.
const MOST_CONNECTIONS: usize = 15;
/// Values that are published while the broker is restarted.
const VALUES: usize = 20;
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
        delay: None,
    };
    let session = Session {
        will: Some(will),
        ..Session::default()
    };
    let (mut device, _) = stage.connect_as("device", session).await?;
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
    let (mut reader, _) = stage.connect_as("reader", Session::kept()).await?;
    reader.subscribe(&topic, 1).await?;
    drop(reader);
    let mut sensor = stage.connect("sensor").await?;
    let wanted = texts("reading", 5);
    for text in &wanted {
        sensor.publish(&topic, 1, text.as_bytes()).await?;
    }
    sensor.flush().await?;
    let (mut reader, greeting) = stage.connect_as("reader", Session::kept()).await?;
    if !greeting.present {
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
    let (mut client, _) = stage.connect_as(&name(n), Session::kept()).await?;
    let topic = stage.topic(&format!("{n}/value"));
    client
        .subscribe(&stage.topic(&format!("{n}/orders")), 1)
        .await?;
    let text = format!("{n} in round {round}");
    client.publish(&topic, 1, text.as_bytes()).await?;
    client.flush().await?;
    Ok(text)
}

/// The broker waits with a Will, and forgets it when the session goes on in time.
pub(super) async fn will_delay(stage: &Stage<'_>) -> Result<Note, Failed> {
    let topic = stage.topic("status");
    let (mut reader, _) = stage.reader("reader", &topic, 1).await?;
    stage.connect("device").await?.leave().await;
    let session = Session {
        will: Some(Will {
            topic: topic.clone(),
            payload: "gone",
            delay: Some(DELAY),
        }),
        ..Session::kept()
    };
    let mut died = Instant::now();
    for text in ["online", "back in time"] {
        let (mut device, _) = stage.connect_as("device", session.clone()).await?;
        device.publish(&topic, 1, text).await?;
        device.flush().await?;
        let message = reader.message().await?;
        if message.payload != text.as_bytes() {
            return Err(Failed::new("the Will comes although the session goes on"));
        }
        died = Instant::now();
        drop(device);
    }
    if reader.message().await?.payload != b"gone" {
        return Err(Failed::new("something else comes instead of the Will"));
    }
    let waited = died.elapsed();
    // Brokers count in whole seconds.
    if waited < Duration::from_millis(900) {
        return Err(Failed::new(format_args!("the Will comes after {waited:?}")));
    }
    forget(stage, "device").await?;
    reader.leave().await;
    Ok(None)
}

/// The session is that of the id that the broker gave: the client has it on its next connection, too.
pub(super) async fn assigned_id(stage: &Stage<'_>) -> Result<Note, Failed> {
    let topic = stage.topic("value");
    let relay = stage.relay().await?;
    let session = Session {
        id: Some(String::new()),
        port: Some(relay.port),
        ..Session::kept()
    };
    let (mut reader, _) = stage.connect_as("reader", session).await?;
    reader.subscribe(&topic, 1).await?;
    relay.cut();
    let mut sensor = stage.connect("sensor").await?;
    sensor.publish(&topic, 1, "meanwhile").await?;
    sensor.flush().await?;
    relay.mend();
    if !reader.connected().await?.present {
        return Err(Failed::new("the session is gone"));
    }
    if reader.message().await?.payload != b"meanwhile" {
        return Err(Failed::new("something else comes"));
    }
    sensor.leave().await;
    reader.leave().await;
    Ok(None)
}

/// Two members with one client id: it is said, and they do not throw each other out for ever.
pub(super) async fn takeover(stage: &Stage<'_>) -> Result<Note, Failed> {
    let session = Session {
        id: Some(stage.client_id("same")),
        ..Session::default()
    };
    let (mut one, _) = stage.connect_as("device", session.clone()).await?;
    let (mut other, _) = stage.connect_as("second", session).await?;
    let (mut connections, mut told) = (2_usize, 0_usize);
    let begun = Instant::now();
    // Until it is said; how long that takes depends on how long a login takes.
    while told == 0 && connections < MOST_CONNECTIONS && begun.elapsed() < CONTEST {
        let (more, words) = watch([&mut one, &mut other], MOMENT).await;
        (connections, told) = (connections.saturating_add(more), words);
    }
    let (again, words) = watch([&mut one, &mut other], PEACE).await;
    told = told.saturating_add(words);
    if told == 0 && connections < MOST_CONNECTIONS {
        // Some brokers hold back who comes again and again.
        let seconds = CONTEST.as_secs();
        return Ok(Some(format!(
            "the broker keeps them apart: few connections in {seconds} s, and nothing to say"
        )));
    }
    if told == 0 || told > 2 {
        return Err(Failed::new(format_args!(
            "it is said {told} times; {connections} connections"
        )));
    }
    if again > 2 {
        return Err(Failed::new(format_args!(
            "{again} connections more after it was said"
        )));
    }
    one.leave().await;
    other.leave().await;
    Ok(None)
}

/// Connections of both, and words about the other one.
async fn watch(both: [&mut Player; 2], time: Duration) -> (usize, usize) {
    let [one, other] = both;
    let ((first, said), (second, too)) = tokio::join!(one.contest(time), other.contest(time));
    (first.saturating_add(second), said.saturating_add(too))
}

/// A cluster that was killed as a whole accepts connections long before it has found its leaders.
const RECOVERY: Duration = Duration::from_secs(45);

/// What was accepted while the broker was away comes when it is back, whether or not it has sessions
/// and retained values still.
pub(super) async fn restart(stage: &Stage<'_>) -> Result<Note, Failed> {
    let command = stage.restart.ok_or_else(|| Failed::new("no command"))?;
    let (mut reader, _) = stage.reader("reader", &stage.topic("+"), 1).await?;
    let mut sensor = stage.connect("sensor").await?;
    sensor.retain(&stage.topic("0"), "before").await?;
    reader.message().await?;
    let mut shell = Command::new("sh");
    let restart = shell.arg("-c").arg(command).kill_on_drop(true).output();
    let (restarted, wanted) = tokio::join!(restart, fill(stage, &sensor));
    let (restarted, wanted) = (restarted.map_err(Failed::at(command))?, wanted?);
    if !restarted.status.success() {
        let said = String::from_utf8_lossy(&restarted.stderr).into_owned();
        return Err(Failed::new(format_args!("{command}: {said}")));
    }
    (sensor.patience, reader.patience) = (RECOVERY, RECOVERY);
    sensor.flush().await?;
    let mut all = reader.collect(wanted.len()).await?;
    // A broker that kept its retained values has this one again.
    all.remove("before");
    each_once(stage.kind, &all, &wanted)?;
    sensor.leave().await;
    reader.leave().await;
    Ok(None)
}

/// Values of many topics, a few at a time.
async fn fill(stage: &Stage<'_>, sensor: &Player) -> Result<Vec<String>, Failed> {
    let wanted = texts("value", VALUES);
    for (number, text) in (1..).zip(&wanted) {
        let topic = stage.topic(&format!("{number}"));
        sensor.retain(&topic, text.as_bytes()).await?;
        sleep(Duration::from_millis(50)).await;
    }
    Ok(wanted)
}
