//! `kill -9` of a reader's process, again and again: what was accepted is handed to its application
//! at least once, and twice only what the stated number allows (spec/envelope.md §9).
//!
//! `SEALMQ_KILL_MESSAGES` is the number of messages (600).

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sealmq_broker::Broker;
use sealmq_client::Event;
use sealmq_rumqttc::client::AsyncClient;
use sealmq_rumqttc::v4::V4;
use sealmq_rumqttc::v5::V5;
use sealmq_rumqttc::{MemberOptions, SealOptions};
use sealmq_store::{StoreRole, Unlock, Vault};

use crate::common::{Domain, PATIENCE, PUBLISH, SUBSCRIBE, Sealed, Setup, both, within};
use crate::examples::{Program, spawn, store_file};

both!(a_fast_application, a_slow_application);

const SETTING: &str = "SEALMQ_KILL_READER";

async fn a_fast_application<V: Setup>() {
    dies_again_and_again::<V>(Duration::ZERO).await;
}

/// Its queue is full whenever it dies.
async fn a_slow_application<V: Setup>() {
    dies_again_and_again::<V>(Duration::from_millis(2)).await;
}

/// The process of a reader: this test, started again with its setting.
#[test]
fn reader() {
    let Ok(setting) = env::var(SETTING) else {
        return;
    };
    let [folder, port, version, work] = setting.split('|').collect::<Vec<_>>()[..] else {
        panic!("{setting}");
    };
    let (port, work) = (port.parse().unwrap(), work.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let folder = Path::new(folder);
    match version {
        "V4" => runtime.block_on(read::<V4>(folder, port, work)),
        _ => runtime.block_on(read::<V5>(folder, port, work)),
    }
}

async fn read<V: Setup>(folder: &Path, port: u16, work: u64) {
    let unlock = Unlock::KeyFile(folder.join("reader.key"));
    let path = folder.join("reader");
    let vault = Vault::unlock_wait(&path, StoreRole::Member, &unlock, PATIENCE).unwrap();
    let store = vault.open_wait(PATIENCE).unwrap();
    let mqtt = V::persistent("reader", ([127, 0, 0, 1], port).into());
    let (client, mut eventloop) = AsyncClient::<V>::new(mqtt, store, 100).unwrap();
    client.subscribe("plant/#", V::qos(2)).await.unwrap();
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    loop {
        match eventloop.poll().await {
            Ok(Event::Message(message)) => {
                // The application's work, after which the message counts.
                if work > 0 {
                    std::thread::sleep(Duration::from_millis(work));
                }
                let text = String::from_utf8(message.payload.to_vec()).unwrap();
                writeln!(log, "{text}").unwrap();
            }
            Ok(Event::Subscribed { .. }) => fs::write(folder.join("ready"), "").unwrap(),
            Err(error) => assert!(error.is_temporary(), "{error}"),
            _ => {}
        }
    }
}

/// What its applications have taken.
fn taken(folder: &Path) -> BTreeMap<String, usize> {
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let mut taken = BTreeMap::new();
    for text in log.lines() {
        *taken.entry(text.to_owned()).or_default() += 1;
    }
    taken
}

fn start<V: Setup>(folder: &Path, port: u16, work: Duration) -> Program {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["kill_reader::reader", "--exact", "--nocapture"]);
    let (folder, version, work) = (
        folder.display(),
        std::any::type_name::<V>(),
        work.as_millis(),
    );
    let version = version.rsplit("::").next().unwrap();
    command.env(SETTING, format!("{folder}|{port}|{version}|{work}"));
    spawn(&mut command)
}

async fn until(what: &str, mut found: impl FnMut() -> bool) {
    within(what, async {
        while !found() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn publish<V: Setup>(sender: &Sealed<V>, number: usize) {
    let (qos, text) = (V::qos(1 + number as u8 % 2), number.to_string());
    let publishing = sender.client.publish("plant/x", qos, false, text);
    within("publish", publishing).await.unwrap();
}

async fn dies_again_and_again<V: Setup>(work: Duration) {
    let messages = env::var("SEALMQ_KILL_MESSAGES").map_or(600, |text| text.parse().unwrap());
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let sender = domain.enrol("sender", PUBLISH).await;
    let folder = tempfile::tempdir().unwrap();
    let folder: PathBuf = folder.path().to_owned();
    store_file(&folder, "reader", &reader);
    let mut process = start::<V>(&folder, at.port(), work);
    until("a subscription", || folder.join("ready").exists()).await;

    let sender = Sealed::<V>::start(V::options("sender", at), sender);
    // More messages wait for a sender's credential than keep their acknowledgement back.
    publish(&sender, 0).await;
    until("who it is", || taken(&folder).len() == 1).await;
    let (mut deaths, mut next) = (0, 200);
    for number in 1..messages {
        publish(&sender, number).await;
        if number == next {
            // In the middle of its work.
            let before = taken(&folder).len();
            until("progress", || taken(&folder).len() > before + 20).await;
            drop(process);
            process = start::<V>(&folder, at.port(), work);
            (deaths, next) = (deaths + 1, next + 130);
        }
    }
    sender.flush().await;
    let mut missing = messages;
    for _ in 0..300 {
        missing = messages - taken(&folder).len();
        if missing == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(process);
    let taken = taken(&folder);
    let twice: usize = taken.values().map(|times| times - 1).sum();
    let most = deaths * (MemberOptions::default().replay_persist_every as usize - 1);
    println!(
        "{messages} messages, a reader killed {deaths} times: {missing} lost, {twice} twice, of {most} allowed"
    );
    assert_eq!(missing, 0);
    assert!(twice <= most, "{twice} > {most}");
    broker.shutdown().await;
}
