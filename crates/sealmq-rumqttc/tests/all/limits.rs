//! The shipped driver over TCP at brokers with limits: each limit alone, and some in pairs. Either
//! messages get through, or something is said about it, and nobody connects again and again. All
//! pairs are played in virtual time, in the tests of `sealmq-client`.

use std::time::{Duration, Instant};

use sealmq_broker::Broker;
use sealmq_client::Event;
use sealmq_rumqttc::SealOptions;
use sealmq_rumqttc::eventloop::{Event as Told, PollError};
use sealmq_rumqttc::v4::V4;
use sealmq_rumqttc::v5::V5;
use sealmq_testbroker::{Limits, SWITCHES, Server, Switch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::common::{Domain, PUBLISH, SUBSCRIBE, Setup, SharedStore};

/// Most connections of a client in its first minute; by the pauses, most of them in the first
/// seconds.
const MOST_CONNECTIONS: usize = 10;
/// Of real time, for each setting.
const SPAN: Duration = Duration::from_secs(12);

/// Pairs that touch more than one part of a client.
const PAIRS: [(&str, &str); 12] = [
    ("no retained", "no wildcards"),
    ("no retained", "QoS 0"),
    ("QoS 0", "receive maximum 1"),
    ("QoS 1", "packets of 2000, not said"),
    ("8 filters", "50 subscriptions, closes"),
    ("8 filters", "receive maximum 1"),
    ("7 slashes, closes", "PUBACK 0x95"),
    ("256 bytes of topic, closes", "receive maximum 1"),
    ("packets of 2000, said 149504", "PUBACK 0x95"),
    ("assigned id", "late by 1 s"),
    ("no shared", "7 slashes, refuses"),
    ("packets of 2000", "keep-alive 5 s"),
];

/// Switches that mean something to a client of MQTT 3.1.1, which is told of nothing.
const OLD: [&str; 9] = [
    "3.1.1, closes",
    "3.1.1, refuses",
    "8 filters",
    "50 subscriptions, closes",
    "7 slashes, closes",
    "packets of 2000, not said",
    "receive maximum 1",
    "no shared",
    "late by 1 s",
];

fn switch(name: &str) -> Switch {
    let found = SWITCHES.into_iter().find(|switch| switch.name == name);
    found.unwrap_or_else(|| panic!("{name}"))
}

/// What an authority has retained, and the stores of its members.
#[derive(Clone)]
struct Setting {
    objects: Vec<(String, Vec<u8>)>,
    reader: SharedStore,
    sensor: SharedStore,
}

impl Setting {
    async fn new() -> Self {
        let broker = Broker::builder().start().await.unwrap();
        let mut domain = Domain::new(broker.local_addr()).await;
        let reader = domain.enrol("reader", SUBSCRIBE).await;
        let sensor = domain.enrol("sensor", PUBLISH).await;
        let outbox = domain.authority.outbox(&domain.store).unwrap();
        let objects = outbox.into_iter().map(|p| (p.topic, p.payload)).collect();
        broker.shutdown().await;
        Self {
            objects,
            reader,
            sensor,
        }
    }
}

/// What was said to an application.
#[derive(Default)]
struct Heard {
    texts: Vec<String>,
    /// Topics of messages that were refused.
    refused: Vec<String>,
    limits: Vec<String>,
    connected: usize,
    failures: usize,
}

impl Heard {
    fn note<V: Setup>(&mut self, event: Result<Told<V>, PollError<V>>) {
        match event {
            Ok(Event::Message(message)) => {
                let text = String::from_utf8_lossy(&message.payload).into_owned();
                self.texts.push(text);
            }
            Ok(Event::PublishRefused { topic, .. } | Event::NotPublished { topic, .. }) => {
                self.refused.push(topic);
            }
            Ok(Event::BrokerLimit(limit)) => self.limits.push(limit.to_string()),
            Ok(Event::Connected { .. }) => self.connected += 1,
            Ok(_) => {}
            Err(error) => {
                assert!(error.is_temporary(), "{error}");
                self.failures += 1;
            }
        }
    }
}

/// Plays one setting; what is wrong with what came of it.
async fn play<V: Setup>(setting: Setting, name: String, limits: Limits, works: bool) -> String {
    let server = Server::start(limits).await.unwrap();
    for (topic, payload) in &setting.objects {
        server.publish(topic, payload.clone(), true);
    }
    let at = server.address();
    let options = SealOptions::new().wait_for_keys(SPAN);
    let start = |id: &str, store: &SharedStore| {
        let (mqtt, store) = (V::persistent(id, at), store.copy());
        sealmq_rumqttc::client::AsyncClient::<V>::with_options(mqtt, store, options.clone())
            .unwrap()
    };
    let (reader, mut incoming) = start("reader", &setting.reader);
    let (sensor, mut outgoing) = start("sensor", &setting.sensor);
    let mut filters = vec!["plant/#".to_owned(), "$share/pool/plant/pool".to_owned()];
    filters.push("plant/a/b/c/d/e/f/g/h/+".to_owned());
    filters.push(format!("plant/{}", "y".repeat(300)));
    filters.extend((0..55).map(|n| format!("plant/many/{n}")));
    let filters = filters.iter().map(|filter| V::filter(filter, 2));
    reader.subscribe_many(filters).await.unwrap();
    let large = "-".repeat(3_000);
    let long = format!("plant/{}", "x".repeat(300));
    let messages = [
        ("plant/zero", 0, false, ""),
        ("plant/one", 1, false, ""),
        ("plant/two", 2, false, ""),
        ("plant/a/b/c/d/e/f/g/h/i", 1, false, ""),
        ("plant/kept", 1, true, ""),
        ("plant/large", 1, false, &large),
        ("plant/refused", 1, false, ""),
        (&long, 1, false, ""),
        ("plant/last", 1, false, ""),
    ];
    let (mut read, mut sent) = (Heard::default(), Heard::default());
    {
        let publishing = async {
            // So that the reader is there first, as far as the broker lets it in.
            sleep(Duration::from_secs(2)).await;
            for (topic, level, retain, more) in messages {
                let text = format!("{topic}{more}");
                let result = sensor.try_publish(topic, V::qos(level), retain, text);
                assert!(result.is_ok(), "{name}: {result:?}");
            }
            std::future::pending::<()>().await;
        };
        let (read, sent) = (&mut read, &mut sent);
        let listening = async {
            tokio::join!(
                async {
                    loop {
                        read.note::<V>(incoming.poll().await)
                    }
                },
                async {
                    loop {
                        sent.note::<V>(outgoing.poll().await)
                    }
                },
                publishing
            )
        };
        let _over = timeout(SPAN, listening).await;
    }
    let mut wrong = String::new();
    let connections = server.connections().len();
    if connections > 2 * MOST_CONNECTIONS {
        wrong += &format!(" {connections} connections");
    }
    for limits in [&read.limits, &sent.limits] {
        let mut told = limits.clone();
        told.sort_unstable();
        told.dedup();
        if told.len() < limits.len() {
            wrong += " said twice";
        }
    }
    if works {
        // Of QoS 0 nobody says anything. What ends connections takes its time; the rest waits.
        let unknown = messages.iter().filter(|(topic, level, ..)| {
            let arrived = read.texts.iter().any(|text| text.starts_with(topic));
            *level > 0 && !arrived && !sent.refused.iter().any(|refused| refused == topic)
        });
        let (unknown, waiting) = (unknown.count(), sensor.outstanding());
        if unknown > waiting {
            wrong += &format!(" {unknown} unknown, {waiting} waiting");
        }
        if read.texts.is_empty() || read.texts.len() + sent.refused.len() < 3 {
            wrong += &format!(" {} arrived", read.texts.len());
        }
    } else if read.limits.is_empty() && read.failures == 0 {
        wrong += " nothing was said";
    }
    if wrong.is_empty() {
        return wrong;
    }
    format!(
        "{name}:{wrong} (ended {:?}, connected {} and {}, limits {:?} and {:?})\n",
        server.seen().ended,
        read.connected,
        sent.connected,
        read.limits,
        sent.limits
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_over_tcp_work_or_are_said() {
    let began = Instant::now();
    let setting = Setting::new().await;
    let alone = SWITCHES.into_iter().map(|switch| vec![switch]);
    let pairs = PAIRS.map(|(one, other)| vec![switch(one), switch(other)]);
    let old = OLD.map(|name| vec![switch(name)]);
    let all = alone.chain(pairs).map(|set| (set, false));
    let all = all.chain(old.map(|set| (set, true)));
    let mut playing = JoinSet::new();
    let mut wrong = String::new();
    for (set, is_old) in all {
        let mut limits = Limits::default();
        set.iter().for_each(|switch| (switch.set)(&mut limits));
        let names: Vec<_> = set.iter().map(|switch| switch.name).collect();
        let (names, setting) = (names.join(" + "), setting.clone());
        if is_old {
            // A broker of 3.1.1 is what such a client expects.
            let works = set
                .iter()
                .all(|switch| switch.works || limits.old.is_some());
            playing.spawn(play::<V4>(
                setting,
                format!("3.1.1, {names}"),
                limits,
                works,
            ));
        } else {
            let works = set.iter().all(|switch| switch.works);
            playing.spawn(play::<V5>(setting, names, limits, works));
        }
    }
    while let Some(result) = playing.join_next().await {
        wrong += &result.unwrap();
    }
    println!("{:?}", began.elapsed());
    assert!(wrong.is_empty(), "{wrong}");
}
