//! What the broker says about itself.

use std::net::SocketAddr;
use std::time::Duration;

use sealmq_broker::Broker;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::all::common::{PATIENCE, V5, v5, within};

pub(crate) async fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    within(PATIENCE, "an answer", stream.read_to_string(&mut answer))
        .await
        .unwrap();
    answer
}

pub(crate) fn value(answer: &str, metric: &str) -> u64 {
    let prefix = format!("sealmq_broker_{metric} ");
    let mut lines = answer.lines();
    let found = lines.find_map(|line| line.strip_prefix(&prefix));
    found
        .unwrap_or_else(|| panic!("{metric} in {answer}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn prometheus_gets_the_figures_and_nothing_else() {
    let builder = Broker::builder().metrics("127.0.0.1:0".parse().unwrap());
    let broker = builder.start().await.unwrap();
    let mut client = V5::connect(v5("client", broker.local_addr())).await;
    client.subscribe("a", 1).await;
    client.publish("a", 1, true, vec![7; 1000]).await;
    client.next().await;
    let metrics = broker.metrics_addr().unwrap();
    // Some that say nothing keep nobody from an answer.
    let mut silent = Vec::new();
    for _ in 0..12 {
        silent.push(TcpStream::connect(metrics).await.unwrap());
    }
    let answer = ask(metrics, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"),
        "{answer}"
    );
    assert_eq!(value(&answer, "clients_connected"), 1);
    assert_eq!(value(&answer, "retained_messages"), 1);
    assert_eq!(value(&answer, "received_publishes_total"), 1);
    assert_eq!(value(&answer, "sent_publishes_total"), 1);
    assert!((1000..1100).contains(&value(&answer, "received_publish_bytes_total")));
    assert!(value(&answer, "sent_bytes_total") > 1000);
    assert_eq!(value(&answer, "refused_logins_total"), 0);
    // The text format: each metric with its type before it.
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    for lines in body.lines().collect::<Vec<_>>().chunks(3) {
        let name = lines[2].split(' ').next().unwrap();
        assert!(
            lines[0].starts_with(&format!("# HELP {name} ")),
            "{lines:?}"
        );
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        assert_eq!(lines[1], format!("# TYPE {name} {kind}"));
    }
    for (request, status) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
        (b"\r\n\r\n", "405"),
    ] {
        let answer = ask(metrics, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    let mut endless = TcpStream::connect(metrics).await.unwrap();
    let flood = async { while endless.write_all(&[b'x'; 512]).await.is_ok() {} };
    within(PATIENCE, "an endless request ends", flood).await;
    broker.shutdown().await;
}

#[tokio::test]
async fn figures_are_topics_under_mosquittos_names() {
    let builder = Broker::builder().figures_every(Duration::from_millis(200));
    let broker = builder.start().await.unwrap();
    let address = broker.local_addr();
    // A wildcard in the first level has none of it.
    let mut reader = V5::connect(v5("reader", address)).await;
    reader.subscribe("#", 1).await;
    reader.publish("end", 1, false, "").await;
    assert_eq!(reader.next().await.topic, "end");
    let mut all = V5::connect(v5("all", address)).await;
    all.subscribe("$SYS/#", 0).await;
    let mut missing: Vec<&str> = vec![
        "version",
        "uptime",
        "clients/connected",
        "clients/total",
        "clients/maximum",
        "messages/received",
        "publish/messages/sent",
        "bytes/received",
        "bytes/sent",
        "subscriptions/count",
        "retained messages/count",
        "store/messages/bytes",
    ];
    let mut connected = 0;
    while !missing.is_empty() || connected < 2 {
        let message = all.next().await;
        let name = message.topic.strip_prefix("$SYS/broker/").unwrap();
        missing.retain(|one| *one != name);
        let text = String::from_utf8(message.payload).unwrap();
        match name {
            "version" => assert!(text.starts_with("sealmq version "), "{text}"),
            "uptime" => assert!(text.ends_with(" seconds"), "{text}"),
            "clients/connected" => connected = text.parse().unwrap(),
            _ => {
                let _number: u64 = text.parse().unwrap();
            }
        }
    }
    broker.shutdown().await;
}
