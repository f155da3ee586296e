//! The examples, run as programs against the bundled broker.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::{Domain, PUBLISH, SUBSCRIBE, SharedStore};
use sealmq_broker::Broker;
use sealmq_keys::{Changes, Store};
use sealmq_store::{StoreRole, Unlock, Vault, create_key_file};

/// Beside the test binary's folder; `cargo test` builds examples before it runs tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples")
        .join(name);
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        path.exists(),
        "{} is missing: build the examples first",
        path.display()
    );
    path
}

/// Writes an enrolled member into a store file, with a key file beside it.
pub(crate) fn store_file(folder: &Path, name: &str, member: &SharedStore) -> [PathBuf; 2] {
    let [file, key] = [folder.join(name), folder.join(format!("{name}.key"))];
    create_key_file(&key).unwrap();
    let vault = Vault::create(&file, StoreRole::Member, &Unlock::KeyFile(key.clone())).unwrap();
    let mut store = vault.open().unwrap();
    let mut changes = Changes::new();
    for (key, value) in member.list("").unwrap() {
        changes.put(key, value.to_vec());
    }
    store.commit(&changes).unwrap();
    store.close().unwrap();
    [file, key]
}

/// Ends the program when the test does.
pub(crate) struct Program(pub(crate) Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn start(name: &str, files: &[PathBuf; 2], broker: &Broker, arguments: &[&str]) -> Program {
    let at = broker.local_addr();
    let mut command = Command::new(example(name));
    command
        .args(files)
        .args([&at.ip().to_string(), &at.port().to_string()])
        .args(arguments);
    spawn(&mut command)
}

pub(crate) fn spawn(command: &mut Command) -> Program {
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Program(child)
}

#[tokio::test(flavor = "multi_thread")]
async fn publisher_and_subscriber() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::builder().start().await.unwrap();
    let mut domain = Domain::new(broker.local_addr()).await;
    let sensor = domain.enrol("sensor-7", PUBLISH).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let sensor = store_file(folder.path(), "sensor", &sensor);
    let reader = store_file(folder.path(), "reader", &reader);

    let work = tokio::task::spawn_blocking(move || {
        let mut subscriber = start("subscriber", &reader, &broker, &["plant/#", "2"]);
        let mut log = BufReader::new(subscriber.0.stderr.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("Subscribed") {
            line.clear();
            assert!(
                log.read_line(&mut line).unwrap() > 0,
                "the subscriber ended"
            );
        }
        let mut publisher = start("publisher", &sensor, &broker, &["plant/temp"]);
        publisher
            .0
            .stdin
            .take()
            .unwrap()
            .write_all(b"21.5\n21.6\n")
            .unwrap();
        assert!(publisher.0.wait().unwrap().success());
        assert!(subscriber.0.wait().unwrap().success());
        let mut printed = String::new();
        subscriber
            .0
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut printed)
            .unwrap();
        assert_eq!(
            printed,
            "plant/temp [sensor-7 epoch 3] 21.5\nplant/temp [sensor-7 epoch 3] 21.6\n"
        );
    });
    crate::common::within("the examples", work).await.unwrap();
}
