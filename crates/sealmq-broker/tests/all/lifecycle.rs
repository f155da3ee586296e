//! Starting, stopping and starting again, with clients in every state.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::all::common::{PATIENCE, V4, V5, v4, v5, v5_persistent, within};
use sealmq_broker::Broker;

/// Far below what a hanging connection would take (10 s for a CONNECT, 45 s of keep-alive).
const SOON: Duration = Duration::from_secs(5);

/// What is documented when much is queued.
const WRITTEN: Duration = Duration::from_secs(65);

#[tokio::test]
async fn shutdown_disconnects_everybody_and_frees_the_port_at_once() {
    let broker = Broker::builder().start().await.unwrap();
    let address = broker.local_addr();
    // Accepted before the clients, and still owing its CONNECT.
    let mut silent = TcpStream::connect(address).unwrap();
    let mut new = V5::connect(v5("new", address)).await;
    let mut old = V4::connect(v4("old", address)).await;
    new.subscribe("#", 1).await;
    old.subscribe("#", 1).await;
    within(SOON, "shutdown", broker.shutdown()).await;
    within(PATIENCE, "the v5 client notices", new.closed()).await;
    within(PATIENCE, "the v4 client notices", old.closed()).await;
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    assert!(TcpStream::connect(address).is_err());

    for _ in 0..3 {
        let broker = Broker::builder().listen(address).start().await.unwrap();
        let mut client = V5::connect(v5("again", address)).await;
        client.nothing_before("a").await;
        within(SOON, "shutdown", broker.shutdown()).await;
    }
}

#[tokio::test]
async fn dropping_stops_too() {
    let folder = tempfile::tempdir().unwrap();
    let builder = |address| Broker::builder().listen(address).data_folder(folder.path());
    let broker = builder("127.0.0.1:0".parse().unwrap())
        .start()
        .await
        .unwrap();
    let address = broker.local_addr();
    let mut writer = V5::connect(v5("writer", address)).await;
    writer.publish("a", 1, true, "kept").await;
    let begun = Instant::now();
    drop(broker);
    assert!(begun.elapsed() < SOON);

    let broker = builder(address).start().await.unwrap();
    let mut reader = V5::connect(v5("reader", address)).await;
    reader.subscribe("a", 1).await;
    assert_eq!(reader.next().await.payload, b"kept");
    broker.shutdown().await;
}

#[tokio::test]
async fn giving_up_on_the_start_leaves_nothing_behind() {
    let probe = Broker::builder().start().await.unwrap();
    let address = probe.local_addr();
    probe.shutdown().await;
    let abandoned =
        tokio::time::timeout(Duration::ZERO, Broker::builder().listen(address).start()).await;
    drop(abandoned);
    let begun = Instant::now();
    let broker = loop {
        match Broker::builder().listen(address).start().await {
            Ok(broker) => break broker,
            Err(error) => assert!(begun.elapsed() < SOON, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    broker.shutdown().await;
}

#[tokio::test]
async fn a_will_is_published_when_its_client_vanishes() {
    let broker = Broker::builder().start().await.unwrap();
    let mut watcher = V5::connect(v5("watcher", broker.local_addr())).await;
    watcher.subscribe("status", 1).await;
    let mut options = v4("device", broker.local_addr());
    options.set_last_will(rumqttc::LastWill::new(
        "status",
        "lost",
        rumqttc::QoS::AtLeastOnce,
        false,
    ));
    drop(V4::connect(options.clone()).await);
    assert_eq!(watcher.next().await.payload, b"lost");

    V4::connect(options).await.disconnect().await;
    watcher.nothing_before("end").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused_until_one_ends() {
    let broker = Broker::builder().max_connections(1).start().await.unwrap();
    let first = V5::connect(v5("first", broker.local_addr())).await;
    assert!(
        V5::try_connect(v5("second", broker.local_addr()))
            .await
            .is_err()
    );
    first.disconnect().await;
    let begun = Instant::now();
    while let Err(error) = V5::try_connect(v5("second", broker.local_addr())).await {
        assert!(begun.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    broker.shutdown().await;
}

/// A subscriber with a session (MQTT 3.1.1) that stops reading after its SUBACK.
fn connect_and_stop_reading(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let connect = b"\x10\x11\x00\x04MQTT\x04\x00\x00\x3c\x00\x05stuck";
    let subscribe = b"\x82\x06\x00\x01\x00\x01q\x01";
    stream.write_all(connect).unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
    stream.write_all(subscribe).unwrap();
    let mut suback = [0; 5];
    stream.read_exact(&mut suback).unwrap();
    assert_eq!(suback, [0x90, 3, 0, 1, 1]);
    stream
}

#[tokio::test]
async fn what_a_stuck_client_did_not_read_is_still_there_after_a_restart() {
    const COUNT: usize = 70;
    const SIZE: usize = 96 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::builder()
        .data_folder(folder.path())
        .start()
        .await
        .unwrap();
    let stuck = connect_and_stop_reading(broker.local_addr());
    let mut writer = V5::connect(v5("writer", broker.local_addr())).await;
    for number in 0..COUNT {
        let mut payload = vec![0; SIZE];
        payload[0] = number as u8;
        writer.publish("q", 1, false, payload).await;
    }
    within(WRITTEN, "shutdown", broker.shutdown()).await;
    drop(stuck);

    let broker = Broker::builder()
        .data_folder(folder.path())
        .start()
        .await
        .unwrap();
    let mut options = v4("stuck", broker.local_addr());
    options.set_clean_session(false);
    let mut reader = V4::connect(options).await;
    assert!(reader.session_present);
    for number in 0..COUNT {
        let received = reader.next().await;
        assert_eq!(
            (received.payload.len(), received.payload[0]),
            (SIZE, number as u8)
        );
    }
    reader.nothing_before("end").await;
    broker.shutdown().await;
}

#[tokio::test]
async fn a_session_moves_to_the_newer_connection() {
    let broker = Broker::builder().start().await.unwrap();
    let mut first = V5::connect(v5_persistent("same", broker.local_addr())).await;
    first.subscribe("a", 1).await;
    let mut second = V5::connect(v5_persistent("same", broker.local_addr())).await;
    assert!(second.session_present);
    within(PATIENCE, "the older connection ends", first.closed()).await;
    let mut writer = V5::connect(v5("writer", broker.local_addr())).await;
    writer.publish("a", 1, false, "for the newer").await;
    assert_eq!(second.next().await.payload, b"for the newer");
    broker.shutdown().await;
}
