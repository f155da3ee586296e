//! Brokers and connections that go away and come back: nothing that was accepted is lost, and
//! readers get it once.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::proxy::Proxy;
use crate::common::{Domain, PUBLISH, SUBSCRIBE, Sealed, Setup, both, qos, text, within};
use rumqttc::v5::mqttbytes::v5::LastWill;
use sealmq_broker::Broker;
use sealmq_client::Event;
use sealmq_rumqttc::SealOptions;
use sealmq_rumqttc::client::AsyncClient;

both!(
    a_broker_that_keeps_its_sessions,
    a_broker_that_forgets_everything,
    connections_that_break_again_and_again,
    a_session_inherited_from_an_earlier_process,
    a_will_is_sealed_and_renewed,
    through_a_mosquitto_with_broken_connections,
);

const COUNT: usize = 300;

/// Publishes the numbers from 0 at a steady pace, alternating QoS 1 and 2.
fn publish_numbers<V: Setup>(client: AsyncClient<V>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        for number in 0..COUNT {
            let level = if number % 3 == 0 { 2 } else { 1 };
            let payload = number.to_string();
            client
                .publish("plant/numbers", V::qos(level), false, payload)
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    })
}

/// All numbers, each once; the order may differ around a reconnect.
async fn receive_numbers<V: Setup>(reader: &mut Sealed<V>) {
    let mut missing: BTreeSet<usize> = (0..COUNT).collect();
    while !missing.is_empty() {
        let message = tokio::time::timeout(crate::common::PATIENCE / 2, reader.message()).await;
        let message = message.unwrap_or_else(|_| panic!("lost: {missing:?}; {:?}", reader.seen));
        let number: usize = text(&message).parse().unwrap();
        assert!(missing.remove(&number), "{number} arrived twice");
    }
    reader.silence_of_messages().await;
}

async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

async fn a_broker_that_keeps_its_sessions<V: Setup>() {
    let folder = tempfile::tempdir().unwrap();
    let start = |at: SocketAddr| {
        Broker::builder()
            .listen(at)
            .data_folder(folder.path().join("broker"))
            .start()
    };
    let broker = start((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sensor = domain.enrol("sensor", PUBLISH).await;
    let stores = [
        domain.enrol("r1", SUBSCRIBE).await,
        domain.enrol("r2", SUBSCRIBE).await,
    ];
    let mut readers = Vec::new();
    for (n, store) in stores.into_iter().enumerate() {
        let mut node = Sealed::<V>::start(V::persistent(&format!("r{n}"), at), store);
        node.subscribe_at("plant/#", V::qos(2)).await;
        readers.push(node);
    }
    let mut sensor = Sealed::<V>::start(V::persistent("sensor", at), sensor);
    let publishing = publish_numbers(sensor.client.clone());
    let mut broker = broker;
    for round in 1..=2 {
        sensor.connected(round).await;
        pause(200).await;
        broker.shutdown().await;
        pause(100).await;
        broker = start(at).await.unwrap();
    }
    within("publishing", publishing).await.unwrap();
    sensor.flush().await;
    sensor.connected(3).await;
    for reader in &mut readers {
        receive_numbers(reader).await;
    }
    broker.shutdown().await;
}

async fn a_broker_that_forgets_everything<V: Setup>() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let sensor = domain.enrol("sensor", PUBLISH).await;
    let stores = [
        domain.enrol("r1", SUBSCRIBE).await,
        domain.enrol("r2", SUBSCRIBE).await,
    ];
    let mut readers = Vec::new();
    for (n, store) in stores.into_iter().enumerate() {
        readers
            .push(Sealed::<V>::reader(V::options(&format!("r{n}"), at), store, &["plant/#"]).await);
    }
    // The sensor comes back only when the readers have: a broker without sessions keeps nothing
    // for those who are away.
    let way = Proxy::to(at).await;
    let sensor = Sealed::<V>::start(V::options("sensor", way.address), sensor);
    let publishing = publish_numbers(sensor.client.clone());
    let mut broker = broker;
    for _ in 0..2 {
        pause(250).await;
        way.cut();
        pause(100).await; // what the broker has goes out to the readers
        broker.shutdown().await;
        broker = Broker::builder().listen(at).start().await.unwrap();
        domain.reconnect(at).await;
        domain.publish_outbox().await;
        for reader in &mut readers {
            reader
                .until_kept(|event| matches!(event, Event::Subscribed { .. }))
                .await;
        }
        way.mend();
    }
    within("publishing", publishing).await.unwrap();
    sensor.flush().await;
    for reader in &mut readers {
        receive_numbers(reader).await;
    }
    broker.shutdown().await;
}

/// Cuts the connections of a sensor and a reader in turn, and rotates the keys meanwhile.
async fn broken_connections<V: Setup>(at: SocketAddr) {
    let mut domain = Domain::new(at).await;
    let sensor = domain.enrol("sensor", PUBLISH).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let (to_sensor, to_reader) = (Proxy::to(at).await, Proxy::to(at).await);
    let mut reader = Sealed::<V>::start(V::persistent("reader", to_reader.address), reader);
    reader.subscribe_at("plant/#", V::qos(2)).await;
    let mut sensor = Sealed::<V>::start(V::persistent("sensor", to_sensor.address), sensor);
    let publishing = publish_numbers(sensor.client.clone());
    for round in 1..=8_usize {
        let (way, node) = match round % 2 {
            0 => (&to_sensor, &mut sensor),
            _ => (&to_reader, &mut reader),
        };
        node.connected(round.div_ceil(2)).await;
        pause(60).await;
        if round == 4 {
            domain.rotate().await;
        }
        way.cut();
        pause(20).await;
        way.mend();
    }
    within("publishing", publishing).await.unwrap();
    sensor.flush().await;
    receive_numbers(&mut reader).await;
    assert!(sensor.connections() >= 5 && reader.connections() >= 5);
}

async fn connections_that_break_again_and_again<V: Setup>() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    broken_connections::<V>(at).await;
    broker.shutdown().await;
}

/// A second process with the client identifier of a first one that ended in the middle of QoS 2:
/// the broker must not take its messages for repetitions.
async fn a_session_inherited_from_an_earlier_process<V: Setup>() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let store = domain.enrol("sensor", PUBLISH).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let mut reader = Sealed::<V>::reader(V::persistent("reader", at), reader, &["plant/#"]).await;
    let way = Proxy::to(at).await;
    let first = Sealed::<V>::start(V::persistent("sensor", way.address), store.clone());
    first.publish("plant/x", "0").await;
    first.flush().await;
    for number in 1..30 {
        first
            .client
            .publish("plant/x", V::qos(2), false, number.to_string())
            .await
            .unwrap();
    }
    pause(5).await;
    way.cut();
    drop(first);
    pause(50).await;

    let second = Sealed::<V>::start(V::persistent("sensor", at), store);
    for number in 100..130 {
        let payload = number.to_string();
        within(
            "publish",
            second.client.publish("plant/x", V::qos(2), false, payload),
        )
        .await
        .unwrap();
    }
    second.flush().await;
    let mut expected = 100;
    while expected < 130 {
        let number: u32 = text(&reader.message().await).parse().unwrap();
        if number >= 100 {
            assert_eq!(number, expected);
            expected += 1;
        }
    }
    broker.shutdown().await;
}

async fn a_will_is_sealed_and_renewed<V: Setup>() {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let device = domain.enrol("device", PUBLISH).await;
    let reader = domain.enrol("reader", SUBSCRIBE).await;
    let mut reader = Sealed::<V>::reader(V::options("reader", at), reader, &["plant/#"]).await;
    let way = Proxy::to(at).await;
    let will = LastWill::new("plant/device/state", "gone", qos(1), false, None);
    let with_will = SealOptions::new()
        .last_will(will)
        .wait_for_keys(crate::common::PATIENCE)
        .reconnect_delay(Duration::from_millis(50), Duration::from_millis(100));
    let mut device =
        Sealed::<V>::with_options(V::persistent("device", way.address), device, with_will);
    // At first there are no keys; when they are there, it connects again.
    device
        .until(|event| matches!(event, Event::NoWill { .. }).then_some(()))
        .await;
    for _ in 0..2 {
        device
            .until(|event| matches!(event, Event::Connected { .. }).then_some(()))
            .await;
    }
    // Rotations leave keys for state as they are, a healing epoch replaces them.
    for _ in 0..2 {
        domain.rotate().await;
    }
    domain.heal().await;
    device
        .until(|event| matches!(event, Event::Connected { .. }).then_some(()))
        .await;
    device.publish("plant/device/x", "alive").await;
    device.flush().await;
    let message = reader.message().await;
    assert_eq!((text(&message), message.will), ("alive", false));
    assert!(
        !reader
            .seen
            .iter()
            .any(|event| matches!(event, Event::Message(_)))
    );
    domain.rotate().await;
    reader.epoch(7).await;
    way.cut();
    let message = reader.message().await;
    assert_eq!((text(&message), message.will), ("gone", true));
    assert_eq!(message.sender_name, "device");
    broker.shutdown().await;
}

/// A real Mosquitto with its default limit of 20 messages on their way, killed in mid-flow.
struct Mosquitto(Child);

impl Mosquitto {
    async fn start(folder: &Path, at: SocketAddr) -> Option<Self> {
        let config = folder.join("mosquitto.conf");
        let folder = folder.display();
        std::fs::write(
            &config,
            format!(
                "listener {} {}\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n\
                 autosave_interval 1\nautosave_on_changes true\nuser root\n",
                at.port(),
                at.ip(),
            ),
        )
        .unwrap();
        let program = [
            "/usr/sbin/mosquitto",
            "/usr/local/sbin/mosquitto",
            "mosquitto",
        ]
        .into_iter()
        .find(|path| {
            Command::new(path)
                .arg("-h")
                .stdout(Stdio::null())
                .status()
                .is_ok()
        })?;
        let child = Command::new(program)
            .arg("-c")
            .arg(config)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        within("mosquitto", async {
            while tokio::net::TcpStream::connect(at).await.is_err() {
                pause(20).await;
            }
        })
        .await;
        Some(Self(child))
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

async fn through_a_mosquitto_with_broken_connections<V: Setup>() {
    let folder = tempfile::tempdir().unwrap();
    let at = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let Some(mosquitto) = Mosquitto::start(folder.path(), at).await else {
        println!("skipped: mosquitto is not installed");
        return;
    };
    broken_connections::<V>(at).await;
    drop(mosquitto);
}
