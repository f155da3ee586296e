//! `kill -9` of the broker and of the publishers' processes, again and again: what `publish` accepted
//! is handed to the application of a reader that is not killed, exactly once.
//!
//! `SEALMQ_KILL_MESSAGES` is the number of messages (2,000; of four publishers together),
//! `SEALMQ_KILL_RATE` how many of them a second (500).

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::QoS;
use sealmq_rumqttc::v5::AsyncClient;
use sealmq_rumqttc::{Event, SealOptions};
use sealmq_store::{FileStore, StoreRole, Unlock, Vault};

use crate::common::Running;
use crate::common::brokers::{self, Broker};
use crate::common::domain::Domain;

const PUBLISHERS: usize = 4;
/// Between two deaths.
const PAUSE: Duration = Duration::from_millis(1_500);
const PATIENCE: Duration = Duration::from_secs(60);
const SETTING: &str = "SEALMQ_KILL_PUBLISHER";

fn number(name: &str, usual: usize) -> usize {
    env::var(name).map_or(usual, |text| text.parse().unwrap())
}

fn store(folder: &Path, name: &str) -> FileStore {
    let unlock = Unlock::KeyFile(folder.join("stores.key"));
    let path = folder.join(name).join("member.store");
    let wait = Duration::from_secs(10);
    let vault = Vault::unlock_wait(&path, StoreRole::Member, &unlock, wait).unwrap();
    vault.open_wait(wait).unwrap()
}

fn mqtt(name: &str, port: u16, keeps_session: bool) -> MqttOptions {
    let mut mqtt = MqttOptions::new(name, "127.0.0.1", port);
    mqtt.set_keep_alive(Duration::from_secs(5));
    if keeps_session {
        mqtt.set_clean_start(false);
        mqtt.set_session_expiry_interval(Some(3_600));
    }
    mqtt
}

fn sealing() -> SealOptions {
    SealOptions::new()
        .wait_for_keys(PATIENCE)
        .reconnect_delay(Duration::from_millis(50), Duration::from_millis(500))
}

/// The process of a publisher: this test, started again with its setting.
#[test]
fn publisher() {
    let Ok(setting) = env::var(SETTING) else {
        return;
    };
    let [folder, name, port, keeps, count, rate] = setting.split('|').collect::<Vec<_>>()[..]
    else {
        panic!("{setting}");
    };
    let (folder, count) = (PathBuf::from(folder), count.parse::<usize>().unwrap());
    let mqtt = mqtt(name, port.parse().unwrap(), keeps == "true");
    let pause = Duration::from_secs_f64(1.0 / rate.parse::<f64>().unwrap());
    let path = folder.join(format!("{name}.log"));
    let done = fs::read_to_string(&path).map_or(0, |text| text.lines().count());
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    let run = std::process::id();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let store = store(&folder, name);
        let sealing = sealing().persistent_outbox(true);
        let (client, mut eventloop) = AsyncClient::with_options(mqtt, store, sealing).unwrap();
        let publishing = async {
            for n in done..count {
                let text = format!("{name}-{run}-{n}");
                let topic = format!("plant/{name}");
                client
                    .publish(topic, QoS::AtLeastOnce, false, text.clone())
                    .await
                    .unwrap();
                writeln!(log, "{text}").unwrap();
                tokio::time::sleep(pause).await;
            }
            client.flush().await.unwrap();
        };
        tokio::select! {
            () = publishing => {}
            error = async {
                loop {
                    if let Err(error) = eventloop.poll().await && !error.is_temporary() {
                        break error;
                    }
                }
            } => panic!("{error}"),
        }
    });
}

/// Everything that a reader's application got, by text; in a thread of its own.
fn read(folder: PathBuf, port: u16) -> mpsc::Receiver<String> {
    let (sender, texts) = mpsc::channel();
    let (subscribed, ready) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async move {
            let mqtt = mqtt("reader", port, true);
            let store = store(&folder, "reader");
            let (client, mut eventloop) =
                AsyncClient::with_options(mqtt, store, sealing()).unwrap();
            client.subscribe("plant/#", QoS::AtLeastOnce).await.unwrap();
            loop {
                match eventloop.poll().await {
                    Ok(Event::Message(message)) => {
                        let text = String::from_utf8(message.payload.to_vec()).unwrap();
                        if sender.send(text).is_err() {
                            return;
                        }
                    }
                    Ok(Event::Subscribed { .. }) => drop(subscribed.send(())),
                    Err(error) if !error.is_temporary() => panic!("{error}"),
                    _ => {}
                }
            }
        });
    });
    ready.recv_timeout(PATIENCE).unwrap();
    texts
}

fn everything_accepted_arrives_once(keeps_session: bool, start: impl Fn(&Path, u16) -> Broker) {
    let domain = Domain::new();
    let folder = domain.path().to_owned();
    let names: Vec<String> = (0..PUBLISHERS).map(|n| format!("p{n}")).collect();
    for name in &names {
        domain.enrol(name, &["--publish", "plant"]);
    }
    domain.enrol("reader", &["--subscribe", "plant"]);
    let port = brokers::free_port();
    let mut broker = start(&folder, port);
    let mut domain = domain;
    domain.connection = vec!["-p".to_owned(), port.to_string()];
    let authority = domain.authority();
    let texts = read(folder.clone(), port);

    let messages = number("SEALMQ_KILL_MESSAGES", 2_000);
    let each = messages / PUBLISHERS;
    let rate = number("SEALMQ_KILL_RATE", 500) / PUBLISHERS;
    let publish = |name: &String| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["kill_broker::publisher", "--exact", "--nocapture"]);
        let folder = folder.display();
        command.env(
            SETTING,
            format!("{folder}|{name}|{port}|{keeps_session}|{each}|{rate}"),
        );
        Running::start(command)
    };
    let mut publishers: Vec<Running> = names.iter().map(publish).collect();
    let (mut broker_deaths, mut publisher_deaths) = (0, 0);
    let begun = Instant::now();
    let over = |publishers: &mut [Running]| {
        let mut over = publishers
            .iter_mut()
            .map(|p| p.child.try_wait().unwrap().is_some());
        over.all(|over| over)
    };
    while !over(&mut publishers) {
        assert!(begun.elapsed() < PATIENCE + Duration::from_secs(messages as u64 / 20));
        sleep(PAUSE);
        drop(broker.process.kill());
        broker = start(&folder, port);
        broker_deaths += 1;
        let victim = broker_deaths % PUBLISHERS;
        let victim = &mut publishers[victim];
        if victim.child.try_wait().unwrap().is_none() {
            let name = &names[broker_deaths % PUBLISHERS];
            let dead = std::mem::replace(victim, publish(name));
            drop(dead.kill());
            publisher_deaths += 1;
        }
    }
    let taken = begun.elapsed();
    for publisher in publishers {
        publisher.end().expect(0);
    }

    let accepted: Vec<String> = names
        .iter()
        .flat_map(|name| {
            let log = fs::read_to_string(folder.join(format!("{name}.log"))).unwrap();
            log.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let mut arrived = BTreeMap::<String, u32>::new();
    let mut missing = accepted.len();
    while missing > 0 {
        let Ok(text) = texts.recv_timeout(Duration::from_secs(15)) else {
            break;
        };
        *arrived.entry(text).or_default() += 1;
        missing = accepted
            .iter()
            .filter(|text| !arrived.contains_key(*text))
            .count();
    }
    // What comes twice comes soon.
    while let Ok(text) = texts.recv_timeout(Duration::from_secs(1)) {
        *arrived.entry(text).or_default() += 1;
    }
    let twice = arrived.values().filter(|times| **times > 1).count();
    let unlogged = arrived.len() + missing - accepted.len();
    println!(
        "{} messages accepted in {:.0} s, the broker killed {broker_deaths} times, publishers {publisher_deaths} times: \
         {missing} lost, {twice} twice, {unlogged} accepted by a publisher that died before it noted it",
        accepted.len(),
        taken.as_secs_f64(),
    );
    assert!(accepted.len() >= each * PUBLISHERS);
    assert_eq!((missing, twice), (0, 0));
    assert!(unlogged <= publisher_deaths);
    drop(authority);
}

fn bundled(folder: &Path, port: u16) -> Broker {
    let address = format!("127.0.0.1:{port}");
    brokers::bundled_at(folder, &address, &["--data", "broker-data"])
}

#[test]
fn with_sessions_at_the_bundled_broker() {
    everything_accepted_arrives_once(true, bundled);
}

#[test]
fn without_sessions_at_the_bundled_broker() {
    everything_accepted_arrives_once(false, bundled);
}

#[test]
fn with_sessions_at_mosquitto() {
    let Some(program) = brokers::mosquitto_program() else {
        return;
    };
    everything_accepted_arrives_once(true, |folder, port| {
        let data = folder.join("mosquitto");
        fs::create_dir_all(&data).unwrap();
        let configuration = format!(
            "user root\nallow_anonymous true\npersistence true\npersistence_location {}/\n\
             autosave_interval 1\nmax_inflight_messages 1000\nmax_queued_messages 100000\n",
            data.display()
        );
        brokers::mosquitto_at(folder, &program, port, &configuration).unwrap()
    });
}
