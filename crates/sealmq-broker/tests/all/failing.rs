//! A data folder that cannot be written: what needed it is not acknowledged.

use std::fs;
use std::path::Path;

use sealmq_broker::Broker;
use tokio::net::TcpStream;

use crate::all::common::{PATIENCE, V5, v5_persistent, within};
use crate::all::figures::{ask, value};
use crate::all::raw::{Raw, login};

const QUOTA_EXCEEDED: u8 = 0x97;

/// In the place of a folder that mqtt5 writes into.
fn spoil(folder: &Path, name: &str) {
    let path = folder.join(name);
    fs::remove_dir_all(&path).unwrap();
    fs::write(path, "").unwrap();
}

fn mend(folder: &Path, name: &str) {
    let path = folder.join(name);
    fs::remove_file(&path).unwrap();
    fs::create_dir(path).unwrap();
}

async fn client(broker: &Broker, version: u8, id: &str) -> Raw<TcpStream> {
    let stream = TcpStream::connect(broker.local_addr()).await.unwrap();
    Raw::open(stream, login(version, id)).await.unwrap().0
}

#[tokio::test]
async fn what_cannot_be_written_is_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker");
    let builder = Broker::builder().data_folder(&path);
    let builder = builder.metrics("127.0.0.1:0".parse().unwrap());
    let broker = builder.start().await.unwrap();
    let mut reader = V5::connect(v5_persistent("reader", broker.local_addr())).await;
    reader.subscribe("q", 1).await;
    reader.disconnect().await;

    let mut writer = client(&broker, 5, "writer").await;
    assert_eq!(writer.publish("q", 1, b"before").await, 0);
    spoil(&path, "queues");
    assert_eq!(writer.publish("q", 1, b"refused").await, QUOTA_EXCEEDED);
    // MQTT 3.1.1 has no word for it, and QoS 2 none that mqtt5 would understand.
    for (version, publish) in [
        (4, &b"\x32\x06\x00\x01q\x00\x07x"[..]),
        (5, b"\x34\x07\x00\x01q\x00\x07\x00x"),
        (4, b"\x34\x06\x00\x01q\x00\x07x"),
    ] {
        let mut other = client(&broker, version, "other").await;
        other.send(publish).await.unwrap();
        let mut answer = other.packet().await;
        if let Ok((0x50, _)) = answer {
            // It was only taken in.
            other.send(&[0x62, 2, 0, 7]).await.unwrap();
            answer = other.packet().await;
        }
        assert!(answer.is_err(), "{answer:?}");
    }
    let answer = ask(
        broker.metrics_addr().unwrap(),
        b"GET /metrics HTTP/1.1\r\n\r\n",
    )
    .await;
    assert!(value(&answer, "failed_writes_total") >= 1);

    mend(&path, "queues");
    let acknowledged = async { while writer.publish("q", 1, b"after").await != 0 {} };
    within(PATIENCE, "an acknowledgement", acknowledged).await;
    broker.shutdown().await;
}

#[tokio::test]
async fn nor_is_a_retained_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker");
    let broker = Broker::builder().data_folder(&path).start().await.unwrap();
    let mut writer = client(&broker, 5, "writer").await;
    let retain = b"\x33\x07\x00\x01r\x00\x07\x00x";
    let mut code = async || {
        writer.send(retain).await.unwrap();
        let (_, body) = writer.packet().await.unwrap();
        body.get(2).copied().unwrap_or_default()
    };
    assert_eq!(code().await & 0x80, 0);
    spoil(&path, "retained");
    assert_eq!(code().await, QUOTA_EXCEEDED);
    mend(&path, "retained");
    within(PATIENCE, "an acknowledgement", async {
        while code().await & 0x80 != 0 {}
    })
    .await;
    broker.shutdown().await;
}
